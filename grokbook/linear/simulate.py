"""Training of the linear student on drawn data (paper LE): exact trajectories and the plain loop.

No limit and no average is taken: a run draws its teacher, student and training set, and its
difference D(t) = S(t) - T follows from the covariance of that training set.  The same setting and
steps go to ``grokbook.linear.theory.curves``, and both return a :class:`Curves`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import qr

from grokbook import validate
from grokbook.curves import Curves
from grokbook.linear.samples import TeacherStudent, draw, fresh_inputs
from grokbook.linear.setting import LinearSetting

N_TEST = 10_000
_BLOCK = 4_000_000  # array entries (32 MB) that one block of outputs may hold
_CACHED = 250_000  # array entries (2 MB) worked on at a time, to stay in cache
_DROPPED = 1e-13  # relative size of the time dependence that the accuracies leave out


@dataclass(frozen=True)
class _Modes:
    """A draw in eigenvectors of the training covariance, complete for all that moves in training.

    eigenvalue (n_modes,), basis (d_in, n_modes); student, teacher and fitted are (n_modes, d_out).
    ``fitted`` is the map of least squares on the training labels minus the teacher: 0 without
    label noise.
    """

    eigenvalue: np.ndarray
    basis: np.ndarray
    student: np.ndarray
    teacher: np.ndarray
    fitted: np.ndarray


def trajectory(
    setting: LinearSetting,
    step,
    seeds: Iterable[int],
    *,
    method: str = "flow",
    n_test: int = N_TEST,
) -> Curves:
    """Exact training runs, one a seed, from one eigendecomposition each (LE Eqs. 3-5, 31).

    Losses are exact at every step for the drawn data; the train loss is that on the (noisy) labels,
    the test loss the population's on clean ones.  The train accuracy is the fraction of the run's
    own training samples that are correct, the test accuracy that of ``n_test`` fresh samples, the
    same at every step and in every setting of one ``d_in``.  ValueError if an argument is out
    of range, or the learning rate so large that discrete steps diverge.

    Parameters
    ----------
    step : (n_steps,) array
        Non-negative and increasing; whole numbers for ``method="steps"``.
    seeds : iterable of int
        One run each; a run depends on the setting and its own seed only.
    method : {"flow", "steps"}
        Gradient flow, or gradient descent with its discrete steps.
    n_test : int
        Number of test samples.

    Returns
    -------
    Curves
        With leading axis ``len(seeds)``.
    """
    step = validate.steps("step", step)
    seeds = validate.seeds("seeds", seeds)
    validate.choice("method", method, ("flow", "steps"))
    validate.count("n_test", n_test)
    if method == "steps":
        _require_steps(setting, step)
    runs = [_run(setting, step, seed, method, n_test) for seed in seeds]
    return Curves(step, *(np.stack(records) for records in zip(*runs, strict=True)))


def gradient_descent(setting: LinearSetting, step, seed: int, *, n_test: int = N_TEST) -> Curves:
    """One run by the plain loop D <- (I - 2 eta Sigma / d_out) D - (eta gamma / d_out) (D + T).

    LE Eq. 3, with the covariance formed once and the label noise's part of the gradient added.  The
    check on ``trajectory(..., method="steps")``: the same draw and test samples, hence the same
    record up to rounding.

    Parameters
    ----------
    setting, seed, n_test
        As for :func:`trajectory`.
    step : (n_steps,) array
        Whole numbers, increasing; the loop runs to the last.

    Returns
    -------
    Curves
        Records of shape (n_steps,).
    """
    step = validate.steps("step", step)
    _require_steps(setting, step)
    validate.count("n_test", n_test)
    data = draw(setting, seed)
    covariance = data.inputs.T @ data.inputs / setting.n_train
    rate = setting.learning_rate / setting.d_out
    pull = rate * setting.weight_decay
    update = (1 - pull) * np.eye(setting.d_in) - 2 * rate * covariance
    push = 2 * rate / setting.n_train * (data.inputs.T @ data.noise) - pull * data.teacher
    difference, now, recorded = data.student - data.teacher, 0, []
    for target in step:
        for _ in range(now, int(target)):
            difference = update @ difference + push
        now = int(target)
        recorded.append(difference)
    train = [np.mean(np.sum((data.inputs @ one - data.noise) ** 2, axis=1)) for one in recorded]
    test = [np.sum(one**2) for one in recorded]
    parts = np.stack(recorded, axis=-1)
    fresh = fresh_inputs(setting, seed, n_test)
    factors = np.eye(step.size)
    return Curves(
        step,
        np.array(train) / setting.d_out,
        np.array(test) / setting.d_out,
        _fraction_correct(setting, data.inputs, parts, factors, noise=data.noise),
        _fraction_correct(setting, fresh, parts, factors),
    )


def _require_steps(setting, step):
    """Raise unless the steps are whole and small enough for the largest eigenvalue to shrink."""
    validate.whole_steps("step", step)
    curvature = (1 + np.sqrt(setting.aspect_ratio)) ** 2 + setting.weight_decay / 2
    largest = setting.d_out / curvature
    if setting.learning_rate >= largest:
        raise ValueError(
            f"learning_rate = {setting.learning_rate:g}: must be < {largest:g} here, "
            "or discrete steps diverge"
        )


def _decompose(data: TeacherStudent) -> _Modes:
    """Eigenvectors of the covariance from the smaller Gram matrix.

    With fewer samples than dimensions the null directions that matter are those of the initial
    student and the teacher: they are added as modes of eigenvalue 0.
    """
    n_train, d_in = data.inputs.shape
    both = np.hstack([data.student, data.teacher])
    pull = data.inputs.T @ data.noise / n_train
    if n_train >= d_in:
        eigenvalue, basis = np.linalg.eigh(data.inputs.T @ data.inputs / n_train)
        eigenvalue = np.maximum(eigenvalue, 0.0)
        coordinates, pulled = basis.T @ both, basis.T @ pull
    else:
        eigenvalue, left = np.linalg.eigh(data.inputs @ data.inputs.T / n_train)
        basis = data.inputs.T @ left
        basis /= np.linalg.norm(basis, axis=0)
        coordinates = basis.T @ both
        # A rank-deficient remainder gives spare columns, whose coordinates are 0.
        null, rest = np.linalg.qr(both - basis @ coordinates)
        eigenvalue = np.append(np.maximum(eigenvalue, 0.0), np.zeros(null.shape[1]))
        pulled = np.vstack([basis.T @ pull, np.zeros((null.shape[1], pull.shape[1]))])
        basis, coordinates = np.hstack([basis, null]), np.vstack([coordinates, rest])
    fitted = pulled / np.where(eigenvalue, eigenvalue, 1.0)[:, None]
    d_out = data.student.shape[1]
    return _Modes(eigenvalue, basis, coordinates[:, :d_out], coordinates[:, d_out:], fitted)


def kept_shares(setting, eigenvalue, step, method):
    """Share of each mode's distance to its fixed point left at each step; (n_modes, n_steps)."""
    rate = 2 * setting.learning_rate / setting.d_out * (eigenvalue + setting.weight_decay / 2)
    if method == "flow":
        return np.exp(-np.multiply.outer(rate, step))
    return np.power(1 - rate[:, None], step)


def _run(setting, step, seed, method, n_test):
    """Train and test loss, train and test accuracy of one run; each (n_steps,)."""
    data = draw(setting, seed)
    modes = _decompose(data)
    kept = kept_shares(setting, modes.eigenvalue, step, method)
    # Noisy labels are those of another teacher, the map that fits them best, plus a remainder.
    # S(t) - target = kept(t) * start - bias, mode by mode; the bias is what decay leaves.
    target = modes.teacher + modes.fitted
    shift = setting.weight_decay / 2
    share = shift / (modes.eigenvalue + shift) if shift else np.zeros_like(modes.eigenvalue)
    bias = share[:, None] * target
    start = modes.student - target + bias
    train = _quadratic(kept, start, bias, modes.eigenvalue)
    learnable = np.sum(modes.eigenvalue[:, None] * modes.fitted**2)
    remainder = max(0.0, np.sum(data.noise**2) / setting.n_train - learnable)
    bias = bias - modes.fitted  # from here on seen from the true teacher
    test = _quadratic(kept, start, bias, np.ones_like(share))

    shapes, factors = _separate(kept)
    moving = shapes[:, None, :] * start[:, :, None]
    parts = np.concatenate([moving, -bias[:, :, None]], axis=2)
    factors = np.vstack([factors, np.ones(step.size)])
    noise = data.noise if setting.label_noise else None
    return (
        (train + remainder) / setting.d_out,
        test / setting.d_out,
        _fraction_correct(setting, data.inputs, parts, factors, modes.basis, noise),
        _fraction_correct(
            setting, fresh_inputs(setting, seed, n_test), parts, factors, modes.basis
        ),
    )


def _quadratic(kept, start, bias, weight):
    """Sum over modes and outputs of weight * (kept * start - bias)^2 at each step."""
    square, cross, rest = (
        weight * np.sum(a * b, axis=1) for a, b in ((start, start), (start, bias), (bias, bias))
    )
    return square @ kept**2 - 2 * cross @ kept + rest.sum()


def _separate(kept):
    """Write ``kept`` as shapes (n_modes, k) @ factors (k, n_steps), to 1e-13 of its largest entry.

    Decaying exponentials are so alike that k stays near 50 for any number of modes and steps.
    """
    shapes, triangle, order = qr(kept, mode="economic", pivoting=True, check_finite=False)
    size = np.abs(np.diag(triangle))
    rank = max(1, np.count_nonzero(size > _DROPPED * size[0]))
    factors = np.empty((rank, kept.shape[1]))
    factors[:, order] = triangle[:rank]
    return shapes[:, :rank], factors


def _fraction_correct(setting, inputs, parts, factors, basis=None, noise=None):
    """Fraction of samples whose squared error per output is below the threshold; (n_steps,).

    inputs (n_samples, d); D(t) = sum_k parts[..., k] factors[k, t], parts (d, d_out, k), given in
    ``basis`` (d_in, d) where there is one; ``noise`` (n_samples, d_out) is that of the labels.
    Works through outputs and samples in blocks.
    """
    n_samples, n_steps, rank = inputs.shape[0], factors.shape[1], factors.shape[0]
    squared = np.zeros((n_samples, n_steps))
    width = max(1, _BLOCK // (max(n_samples, len(parts)) * rank))
    for first in range(0, setting.d_out, width):
        block = parts[:, first : first + width].reshape(len(parts), -1)
        errors = inputs @ (block if basis is None else basis @ block)
        outputs = errors.shape[1] // rank
        height = max(1, _CACHED // (outputs * n_steps))
        for row in range(0, n_samples, height):
            path = errors[row : row + height].reshape(-1, rank) @ factors
            path = path.reshape(-1, outputs, n_steps)
            if noise is not None:
                path = path - noise[row : row + height, first : first + outputs, None]
            squared[row : row + height] += np.einsum("iot,iot->it", path, path)
    return np.mean(squared < setting.accuracy_threshold * setting.d_out, axis=0)
