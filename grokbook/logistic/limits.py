"""Where training on given points ends, without training: linear and quadratic programmes, Newton.

Points x_i with the label -1 are *separable from the origin* if some S has S.x_i > 0 for all i.
Then the flow runs off along the max-margin direction; otherwise S comes to rest (LS, Prop. 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.optimize import linprog, nnls

from grokbook import validate

_ZERO = 1e-9  # a residual below this is rounding: NNLS leaves about 1e-13
_FEASIBLE = 1e-6  # relative slack that a constraint may lack


class SeparableError(ValueError):
    """The points are separable from the origin, so that mean e^(S.x) has no minimiser."""


@dataclass(frozen=True)
class Minimiser:
    """S_inf, (d,), and the log of mean e^(S_inf.x): where the weights of inseparable data rest."""

    weights: np.ndarray
    log_loss: float


def separable(inputs) -> bool:
    """Whether some S has S.x_i > 0 for all points (N, d): a linear programme, solved by HiGHS.

    Raises
    ------
    ValueError
        If ``inputs`` is not a finite (N, d) array.
    RuntimeError
        If the programme is neither solved nor shown to be infeasible.
    """
    inputs = _points(inputs)
    scaled = inputs / np.abs(inputs).max(axis=1, keepdims=True)
    answer = linprog(
        np.zeros(scaled.shape[1]),
        A_ub=-scaled,
        b_ub=-np.ones(len(scaled)),
        bounds=(None, None),
        method="highs",
    )
    if answer.status not in (0, 2):
        raise RuntimeError(f"the linear programme did not end: {answer.message}")
    return answer.status == 0


def margin(inputs) -> float:
    """M = max over unit u of min_i u.x_i, the distance from the origin to the convex hull.

    In the units of the data; 0 if the points are not separable from the origin.  From the
    shortest w with w.x_i >= 1, found by non-negative least squares: M = 1 / ||w||.

    Raises
    ------
    ValueError
        If ``inputs`` is not a finite (N, d) array.
    RuntimeError
        If the solution found violates a constraint.
    """
    inputs = _points(inputs)
    shortest = _shortest(inputs)
    return 0.0 if shortest is None else 1 / float(np.linalg.norm(shortest))


def svm_direction(inputs) -> tuple[np.ndarray, float]:
    """w_SVM = (S, b): the shortest with S.x_i + b <= -1 for all points (LS, Theorem 1).

    The bias counts in the length, so that a solution always exists.  Raises as :func:`margin`.

    Returns
    -------
    weights (d,), bias
    """
    inputs = _points(inputs)
    extended = -np.column_stack([inputs, np.ones(len(inputs))])
    shortest = _shortest(extended)
    if shortest is None:
        raise RuntimeError("no direction found, although S = 0, b = -1 is feasible")
    return shortest[:-1], float(shortest[-1])


def _points(inputs):
    inputs = validate.array("inputs", inputs, ndim=2)
    if 0 in inputs.shape:
        raise ValueError(f"inputs has shape {inputs.shape}: must not be empty")
    return inputs


def _shortest(rows):
    """The shortest w with rows @ w >= 1, or None: least distance programming (Lawson, Hanson)."""
    scale = np.sqrt(np.mean(np.sum(rows**2, axis=1)))
    system = np.vstack([rows.T / scale, np.ones(len(rows))])
    target = np.zeros(len(system))
    target[-1] = 1.0
    solution, size = nnls(system, target, maxiter=30 * len(rows))
    if size < _ZERO:
        return None
    residual = system @ solution - target
    shortest = -residual[:-1] / residual[-1] / scale
    worst = np.min(rows @ shortest)
    if worst < 1 - _FEASIBLE:
        raise RuntimeError(f"non-negative least squares left a constraint at {worst:.6g} < 1")
    return shortest


def minimiser(inputs, *, max_iterations: int = 200) -> Minimiser:
    """S_inf = argmin mean e^(S.x), by Newton's method on its logarithm (LS, Prop. 3.2).

    Raises
    ------
    SeparableError
        If an iterate separates the points: a certificate that there is no minimiser.
    ValueError
        If ``inputs`` is not a finite (N, d) array.
    RuntimeError
        If Newton's method does not converge.
    """
    inputs = _points(inputs)
    scale = np.sqrt(np.mean(inputs**2))
    points = inputs / scale
    weights = np.zeros(points.shape[1])
    logit, value = np.zeros(len(points)), 0.0
    for _ in range(max_iterations):
        if logit.max() < 0:
            raise SeparableError("inputs: separable from the origin, must not be: no minimiser")
        share = np.exp(logit - logit.max())
        share /= share.sum()
        gradient = share @ points
        root = np.sqrt(share)[:, None] * points
        try:
            factor = cho_factor(root.T @ root - np.outer(gradient, gradient))
        except LinAlgError as error:
            raise RuntimeError(f"the Hessian of log mean e^(S.x) is singular: {error}") from error
        direction = -cho_solve(factor, gradient)
        slope = gradient @ direction
        if -slope < 1e-20:
            return Minimiser(weights / scale, value)
        weights, logit, value = _descend(points, weights, direction, value, slope)
    raise RuntimeError(f"Newton's method did not converge in {max_iterations} iterations")


def _descend(points, weights, direction, value, slope):
    """Halve the step until the value falls enough (Armijo), or stops changing at all."""
    change = points @ direction
    logit = points @ weights
    length = 1.0
    while True:
        new = logit + length * change
        top = new.max()
        new_value = top + np.log(np.mean(np.exp(new - top)))
        if new_value <= value + 1e-4 * length * slope + 1e-15 * max(1.0, abs(value)):
            return weights + length * direction, new, new_value
        length /= 2
        if length < 1e-12:
            raise RuntimeError("Newton's step for log mean e^(S.x) does not descend")
