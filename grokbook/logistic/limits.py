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
_GAP = 1e-6  # largest relative gap between the bounds on a margin; rounding leaves 1e-10
_DECREMENT = 1e-12  # Newton's squared decrement, twice what the logarithm still lacks


_NO_MINIMISER = "inputs: separable from the origin, must not be: no minimiser"


class SeparableError(ValueError):
    """The points are separable from the origin, so that mean e^(S.x) has no minimiser."""


@dataclass(frozen=True)
class Minimiser:
    """S_inf, (d,), and the log of mean e^(S_inf.x): where the weights of inseparable data rest."""

    weights: np.ndarray
    log_loss: float


def separable(inputs) -> bool:
    """Whether some S has S.x_i > 0 for all points (N, d): a linear programme, solved by HiGHS.

    It maximises the least S.x_i over the box of entries between -1 and 1: always feasible and
    bounded, where the mere search for a feasible S can end undecided.  The S found is the proof.

    Raises
    ------
    ValueError
        If ``inputs`` is not a finite (N, d) array.
    RuntimeError
        If the programme is not solved.
    """
    inputs = _points(inputs)
    # A point at the origin is on no side: the least S.x_i is then 0.
    sizes = np.abs(inputs).max(axis=1, keepdims=True)
    scaled = inputs / np.where(sizes > 0, sizes, 1.0)
    n_points, d_in = scaled.shape
    answer = linprog(
        np.append(np.zeros(d_in), -1.0),
        A_ub=np.column_stack([-scaled, np.ones(n_points)]),
        b_ub=np.zeros(n_points),
        bounds=[(-1, 1)] * d_in + [(0, 1)],
        method="highs",
    )
    if answer.status != 0:
        raise RuntimeError(f"the linear programme did not end: {answer.message}")
    return bool(np.min(scaled @ answer.x[:-1]) > _ZERO)


def margin(inputs) -> float:
    """M = max over unit u of min_i u.x_i, the distance from the origin to the convex hull.

    In the units of the data; 0 if the points are not separable from the origin, that is if M is
    below 1e-9 of their size.  From the shortest w with w.x_i >= 1: M = 1 / ||w||.

    Raises
    ------
    ValueError
        If ``inputs`` is not a finite (N, d) array.
    RuntimeError
        If the bounds on M, from the direction found and from the hull, differ by over 1e-6.
    """
    inputs = _points(inputs)
    shortest = _shortest(inputs) if inputs.any() else None
    return 0.0 if shortest is None else 1 / float(np.linalg.norm(shortest))


def max_margin_weights(inputs) -> np.ndarray | None:
    """The shortest w, (d,), with w.x_i >= 1 for all points (N, d); None if there is none.

    A model without bias on separable points x_i = y x ends along it, at a rate of w per unit of log
    t (Soudry's theorem).  Raises as :func:`margin`.
    """
    inputs = _points(inputs)
    return _shortest(inputs) if inputs.any() else None


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
    """The shortest w with rows @ w >= 1, or None: least distance programming (Lawson, Hanson).

    Non-negative least squares tells which rows bear.  Its residual would give w as a difference of
    nearly equal numbers, wrong by 1e-5 for the smallest margins: w is solved for on those rows.
    """
    scale = np.sqrt(np.mean(np.sum(rows**2, axis=1)))
    system = np.vstack([rows.T / scale, np.ones(len(rows))])
    target = np.zeros(len(system))
    target[-1] = 1.0
    solution, size = nnls(system, target, maxiter=30 * len(rows))
    if size < _ZERO:
        return None
    bearing = rows[solution > 0]
    shortest = np.linalg.lstsq(bearing, np.ones(len(bearing)), rcond=None)[0]
    # Any direction bounds the distance of the hull from below, any of its points from above.
    worst = np.min(rows @ shortest)
    reached = worst / np.linalg.norm(shortest)
    possible = np.linalg.norm(solution @ rows) / solution.sum()
    if not reached >= (1 - _GAP) * possible:
        raise RuntimeError(
            f"the margin is known to lie between {reached:.8g} and {possible:.8g} only"
        )
    return shortest / worst


def minimiser(inputs, *, max_iterations: int = 200) -> Minimiser:
    """S_inf = argmin mean e^(S.x), by Newton's method on its logarithm (LS, Prop. 3.2).

    Raises
    ------
    SeparableError
        If an iterate separates the points, or Newton's method fails and the points have a margin:
        there is no minimiser.
    ValueError
        If ``inputs`` is not a finite (N, d) array.
    RuntimeError
        If Newton's method does not converge although there is a minimiser.
    """
    inputs = _points(inputs)
    try:
        return _newton(inputs, max_iterations)
    except RuntimeError:
        # On separable points the weights run away; the Hessian may vanish before they separate.
        if margin(inputs) > 0:
            raise SeparableError(_NO_MINIMISER) from None
        raise


def _newton(inputs, max_iterations):
    scale = np.sqrt(np.mean(inputs**2)) or 1.0
    points = inputs / scale
    weights = np.zeros(points.shape[1])
    logit, value, previous = np.zeros(len(points)), 0.0, np.inf
    for _ in range(max_iterations):
        if logit.max() < 0:
            raise SeparableError(_NO_MINIMISER)
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
        # The decrement squares itself at every step, until rounding is all that is left of it.
        if -slope < 1e-20 or (-slope < _DECREMENT and -slope > previous / 10):
            return Minimiser(weights / scale, value)
        previous = -slope
        weights, logit, value = _descend(points, weights, direction, value, slope)
    raise RuntimeError(f"Newton's method did not converge in {max_iterations} iterations")


def _descend(points, weights, direction, value, slope):
    """Halve the step until the value falls enough (Armijo), or stops changing at all."""
    change = points @ direction
    logit = points @ weights
    length, rounding = 1.0, 1e-15 * max(1.0, np.abs(logit).max())
    while True:
        new = logit + length * change
        top = new.max()
        new_value = top + np.log(np.mean(np.exp(new - top)))
        if new_value <= value + 1e-4 * length * slope + rounding:
            return weights + length * direction, new, new_value
        length /= 2
        if length < 1e-12:
            raise RuntimeError("Newton's step for log mean e^(S.x) does not descend")
