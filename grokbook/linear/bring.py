"""What users bring to the linear student: their own samples, covariance, teacher and loss.

LE's squared error has a fast path, one decomposition for all steps; any other differentiable loss
runs the plain loop.  Both return the curves of :mod:`grokbook.linear.simulate`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from grokbook import validate
from grokbook.curves import Curves
from grokbook.linear import simulate
from grokbook.linear.setting import LinearSetting

Samples = tuple[np.ndarray, np.ndarray]  # inputs (n, d_in), labels (n, d_out)
Loss = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Fit:
    """Curves (n_steps,) of one run, and its student (n_steps, d_in, d_out) at the same steps."""

    curves: Curves
    student: np.ndarray


def draw(
    setting: LinearSetting,
    seed: int,
    *,
    covariance=None,
    teacher=None,
    n_test: int = simulate.N_TEST,
) -> tuple[Samples, Samples]:
    """Training and test samples of a law of one's own, for :func:`fit`.

    Without options they are those of the seed's run in ``simulate.trajectory``.  ValueError if
    an argument is out of range, or ``covariance`` is none.

    Parameters
    ----------
    setting : LinearSetting
        Its sizes, and its ``label_noise`` on the training labels.
    covariance : (d_in,) or (d_in, d_in) array, optional
        Variances along the axes, or the whole covariance of the Gaussian inputs; 1 by default.
    teacher : (d_in, d_out) array, optional
        The map to learn; by default that of ``simulate.draw``.
    """
    validate.count("n_test", n_test)
    data = simulate.draw(setting, seed)
    shape = setting.d_in, setting.d_out
    teacher = data.teacher if teacher is None else validate.array("teacher", teacher, shape=shape)
    root = None if covariance is None else _root(covariance, setting.d_in)
    inputs, fresh = (
        one if root is None else one @ root
        for one in (data.inputs, simulate.fresh_inputs(setting, seed, n_test))
    )
    return (inputs, inputs @ teacher + data.noise), (fresh, fresh @ teacher)


def _root(covariance, d_in):
    """The symmetric root, whose columns no rounding can pick."""
    covariance = np.asarray(covariance, dtype=float)
    covariance = np.diag(covariance) if covariance.ndim == 1 else covariance
    covariance = validate.array("covariance", covariance, shape=(d_in, d_in))
    if not np.allclose(covariance, covariance.T):
        raise ValueError("covariance differs from its transpose: must be symmetric")
    variance, axes = np.linalg.eigh(covariance)
    if variance[0] < -1e-10 * np.abs(variance[-1]):
        raise ValueError(f"covariance has the eigenvalue {variance[0]:g}: must have none below 0")
    return axes * np.sqrt(np.maximum(variance, 0.0)) @ axes.T


def fit(
    train: Samples,
    test: Samples,
    step,
    *,
    learning_rate: float = 0.01,
    weight_decay: float = 0.0,
    accuracy_threshold: float = 1e-3,
    student=None,
    loss: Loss | None = None,
) -> Fit:
    """Gradient descent on one's own samples (LE Eq. 3), with any differentiable loss.

    ValueError if an argument is out of range, shapes do not match, what ``loss`` returns second
    is not the derivative of the first, or the descent diverges.

    Parameters
    ----------
    train, test : pairs of arrays
        Inputs (n, d_in), and labels (n, d_out) or (n,).
    step : (n_steps,) array
        Whole numbers, increasing.
    learning_rate, weight_decay, accuracy_threshold : float
        As in :class:`LinearSetting`: a sample is correct by its squared error, for any loss.
    student : (d_in, d_out) array, optional
        Initial student, 0 by default.
    loss : callable, optional
        ``loss(outputs, labels)``, of two (n, d_out) arrays, returns the loss of each sample (n,)
        and its derivatives by the outputs (n, d_out).  Squared error per output by default.
    """
    step = validate.whole_steps("step", step)
    pairs = (inputs, labels), fresh = _pair("train", train), _pair("test", test)
    shape = inputs.shape[1], labels.shape[1]
    if (found := (fresh[0].shape[1], fresh[1].shape[1])) != shape:
        raise ValueError(f"test has (inputs, outputs) = {found}: must have {shape}, as train")
    setting = LinearSetting(
        shape[0] / len(inputs),
        *shape,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        accuracy_threshold=accuracy_threshold,
    )
    start = np.zeros(shape) if student is None else validate.array("student", student, shape=shape)
    if loss is None:
        path, loss = _exact_path(setting, *pairs[0], start, step), squared
    elif callable(loss):
        validate.loss("loss(outputs, labels)", lambda z: loss(z, labels), inputs @ start)
        path = _plain_path(setting, *pairs[0], start, step, loss)
    else:
        raise ValueError(f"loss = {loss!r}: must be a function of outputs and labels")
    records = [_on_samples(path, *pair, loss, accuracy_threshold) for pair in pairs]
    return Fit(Curves(step, *np.array(records).transpose(2, 0, 1).reshape(4, -1)), path)


def squared(outputs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """LE's loss of each sample, its squared error per output (n,), and the derivatives."""
    errors = outputs - labels
    return np.mean(errors**2, axis=1), 2 * errors / errors.shape[1]


def _pair(name, pair):
    inputs, labels = validate.samples(name, pair)
    labels = labels[:, None] if labels.ndim == 1 else labels
    return inputs, validate.array(f"{name} labels", labels, ndim=2)


def _exact_path(setting, inputs, labels, student, step):
    """S at each step (n_steps, d_in, d_out), from the singular vectors; inputs of any rank."""
    left, singular, right = np.linalg.svd(inputs, full_matrices=False)
    eigenvalue = singular**2 / len(inputs)
    curvature = np.maximum(eigenvalue + setting.weight_decay / 2, 1e-300)
    if setting.learning_rate >= setting.d_out / curvature[0]:
        raise ValueError(
            f"learning_rate = {setting.learning_rate:g}: must be < "
            f"{setting.d_out / curvature[0]:g} on these inputs, or the descent diverges"
        )
    # The last mode stands for the directions that no input touches: only decay moves them.
    kept = simulate.kept_shares(setting, np.append(eigenvalue, 0.0), step, "steps").T[..., None]
    kept, unseen = kept[:, :-1], kept[:, -1:]
    learnt = (1 - kept) / curvature[:, None]
    pull = singular[:, None] * (left.T @ labels) / len(inputs)
    start = right @ student
    return right.T @ (kept * start + learnt * pull) + unseen * (student - right.T @ start)


def _plain_path(setting, inputs, labels, student, step, loss):
    """The same by the loop, for any loss."""
    rate = setting.learning_rate / len(inputs)
    left = 1 - setting.learning_rate * setting.weight_decay / setting.d_out
    now, path = 0, []
    for target in step.astype(int):
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(now, target):
                student = left * student - rate * (inputs.T @ loss(inputs @ student, labels)[1])
        if not np.all(np.isfinite(student)):
            raise ValueError(
                f"learning_rate = {setting.learning_rate:g}: must be smaller, for the descent "
                f"diverges before step {target}"
            )
        now = target
        path.append(student)
    return np.stack(path)


def _on_samples(path, inputs, labels, loss, threshold):
    """Mean loss and accuracy of each student; (n_steps, 2)."""
    outputs = (inputs @ student for student in path)
    return [
        (np.mean(loss(one, labels)[0]), np.mean(squared(one, labels)[0] < threshold))
        for one in outputs
    ]
