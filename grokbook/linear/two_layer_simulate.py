"""Training of two-layer networks on drawn data (paper LE, Section 4), linear and tanh.

Gradients are written out.  A linear network sees its inputs through their covariance alone and is
trained in the eigenvectors' basis, where a step costs O(d_in d_hidden d_out).  For tanh the first
layer is followed through its pre-activations: they change by Gram matrix times gradient, half the
work of two products with the inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from grokbook import randomness, validate
from grokbook.curves import Curves
from grokbook.linear.samples import covariance_root
from grokbook.linear.setting import TwoLayerSetting

N_TEST = 10_000
_DTYPE = np.float32  # half the work of double; a loss above 1e-9 does not see the difference
_GROWTH = 0.02  # of the time passed: how long a step may be, whatever its largest length


@dataclass(frozen=True)
class Draw:
    """Inputs (n_train, d_in); layers of student and teacher, (d_in, d_hidden), (d_hidden, d_out).

    ``eigenvalue`` (d_in,) of the training covariance where the layers and inputs are given in its
    eigenvectors' basis; None where they are not.
    """

    inputs: np.ndarray
    student: tuple[np.ndarray, np.ndarray]
    teacher: tuple[np.ndarray, np.ndarray]
    eigenvalue: np.ndarray | None = None


def draw(setting: TwoLayerSetting, seed: int) -> Draw:
    """Draw inputs and both networks; depends on the setting and the seed only."""
    rng = randomness.generator(seed)
    shapes = (setting.d_in, setting.d_hidden), (setting.d_hidden, setting.d_out)
    layers = [
        rng.standard_normal(shape) / np.sqrt(2 * shape[0] * shape[1])
        for _ in ("teacher", "student")
        for shape in shapes
    ]
    inputs = rng.standard_normal((setting.n_train, setting.d_in))
    return Draw(inputs, tuple(layers[2:]), tuple(layers[:2]))


def rotate(data: Draw) -> Draw:
    """The same draw in the basis of the eigenvectors of its training covariance."""
    covariance = data.inputs.T @ data.inputs / len(data.inputs)
    eigenvalue, basis = np.linalg.eigh(covariance)
    student, teacher = ((basis.T @ first, second) for first, second in (data.student, data.teacher))
    return Draw(data.inputs @ basis, student, teacher, np.maximum(eigenvalue, 0.0))


def trajectory(
    setting: TwoLayerSetting,
    step,
    seeds: Iterable[int],
    *,
    stride: float | None = None,
    n_test: int = N_TEST,
) -> Curves:
    """Train one network a seed by full-batch gradient descent (LE Eq. 38, Fig. 5).

    ValueError if an argument is out of range, or the stride so long that the descent diverges.

    Parameters
    ----------
    step : (n_steps,) array
        Steps of size ``learning_rate`` at which to record, non-negative and increasing.
    stride : float, optional
        Steps taken in one update, >= 1; :func:`longest_stride` by default.  Steps are so small
        against the time in which the gradient changes that hundreds at once give the same curve.
        An update is never longer than 2 % of the time passed or one step.  1 is plain gradient
        descent and needs whole steps.
    n_test : int
        Number of fresh samples behind the test accuracy (and, for tanh, the test loss).

    Returns
    -------
    Curves
        With leading axis ``len(seeds)``.  The test loss of a linear network is the population's.
    """
    step = validate.steps("step", step)
    validate.count("n_test", n_test)
    stride = _checked_stride(setting, step, stride)
    run = {"linear": _linear_run, "tanh": _tanh_run}[setting.activation]
    seeds = validate.seeds("seeds", seeds)
    runs = [np.array(list(run(setting, step, seed, stride, n_test))).T for seed in seeds]
    return Curves(step, *(np.stack(records) for records in zip(*runs, strict=True)))


def linear_layers(
    setting: TwoLayerSetting, step, data: Draw, *, stride: float | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Both layers of a linear student at each step, from a rotated draw.

    The gradients are dS0 = (2 / d_out) Sigma D S1^T and dS1 = (2 / d_out) S0^T Sigma D with
    D = S0 S1 - T (LE Eq. 38).  ``step`` and ``stride`` as for :func:`trajectory`.
    """
    if setting.activation != "linear":
        raise ValueError(f"activation = {setting.activation!r}: must be 'linear' here")
    if data.eigenvalue is None:
        raise ValueError("data.eigenvalue = None: must be a draw rotated into its eigenvectors")
    step = validate.steps("step", step)
    stride = _checked_stride(setting, step, stride)
    (first, second), teacher = data.student, data.teacher[0] @ data.teacher[1]
    weight = 2 / setting.d_out * data.eigenvalue[:, None]
    now = 0.0
    for target in step:
        for length in _updates(now, target, stride):
            push = setting.learning_rate * length * weight * (first @ second - teacher)
            first, second = first - push @ second.T, second - first.T @ push
        now = target
        yield first, second


def _linear_run(setting, step, seed, stride, n_test):
    """Train and test loss, train and test accuracy at each step."""
    data = rotate(draw(setting, seed))
    teacher = data.teacher[0] @ data.teacher[1]
    fresh = randomness.generator(seed, 1).standard_normal((n_test, setting.d_out))
    for first, second in linear_layers(setting, step, data, stride=stride):
        difference = first @ second - teacher
        power = np.sum(difference**2, axis=1)
        # Fresh errors are Gaussian with covariance D^T D: drawn in d_out dimensions.
        errors = fresh @ covariance_root(difference)
        yield (
            data.eigenvalue @ power / setting.d_out,
            power.sum() / setting.d_out,
            _correct(setting, data.inputs @ difference),
            _correct(setting, errors),
        )


def _tanh_run(setting, step, seed, stride, n_test):
    """As :func:`_linear_run`, for a hidden layer of tanh units."""
    data = draw(setting, seed)
    inputs, start, second, *teacher = (
        one.astype(_DTYPE) for one in (data.inputs, *data.student, *data.teacher)
    )
    gram, before = inputs @ inputs.T, inputs @ start
    moved = np.zeros_like(before)
    labels = _forward(setting, inputs @ teacher[0], teacher[1])
    shape = n_test, 2 * setting.d_hidden
    fresh = randomness.generator(seed, 1).standard_normal(shape).astype(_DTYPE)
    rate = 2 * setting.learning_rate / (setting.n_train * setting.d_out)
    now = 0.0
    for target in step:
        for length in _updates(now, target, stride):
            hidden = np.tanh(setting.gain * before) / setting.gain
            push = (rate * length) * (hidden @ second - labels)
            change = (push @ second.T) * (1 - (setting.gain * hidden) ** 2)
            moved -= change
            before -= gram @ change
            second = second - hidden.T @ push
        now = target
        errors = _forward(setting, before, second) - labels
        # Fresh pre-activations of student and teacher are jointly Gaussian: 2 d_hidden dimensions.
        both = np.hstack([start + inputs.T @ moved, teacher[0]])
        student, truth = np.hsplit(fresh @ covariance_root(both), 2)
        wrong = _forward(setting, student, second) - _forward(setting, truth, teacher[1])
        yield (
            np.mean(errors**2),
            np.mean(wrong**2),
            _correct(setting, errors),
            _correct(setting, wrong),
        )


def _forward(setting, before, second):
    """Network output from the pre-activations of the hidden layer."""
    return np.tanh(setting.gain * before) / setting.gain @ second


def _correct(setting, errors):
    """Fraction of samples whose mean squared error over the outputs is below the threshold."""
    return np.mean(np.mean(errors**2, axis=1) < setting.accuracy_threshold)


def _updates(now, target, stride):
    """Lengths, in steps, of the updates from ``now`` to ``target``."""
    while target - now > 1e-9 * target:
        length = float(min(stride, max(1.0, _GROWTH * now), target - now))
        yield length
        now += length


def longest_stride(setting: TwoLayerSetting) -> float:
    """Largest number of steps in one update that is sure to converge, from the initial layers.

    Half of 1 / (rate of the largest mode), so that the update shrinks it and does not overshoot.
    """
    # Largest eigenvalues of the covariance and of S1^T S1 (and, no larger, S0^T S0) at the start.
    wide = (1 + np.sqrt(setting.aspect_ratio)) ** 2
    kernel = (1 + np.sqrt(setting.d_out / setting.d_hidden)) ** 2 / (2 * setting.d_out)
    return float(0.5 * setting.d_out / (setting.learning_rate * wide * kernel))


def _checked_stride(setting, step, stride):
    """The stride to use; raise unless it is at least one step and sure to converge."""
    longest = longest_stride(setting)
    if stride is None:
        return max(1.0, longest)
    validate.number("stride", stride, at_least=1)
    if stride == 1:
        validate.whole_steps("step", step)
    if stride > longest:
        raise ValueError(f"stride = {stride:g}: must be at most {longest:.4g} here, to converge")
    return stride
