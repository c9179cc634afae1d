"""A stabilised explicit integrator for gradient flows: the Runge-Kutta-Chebyshev method.

The logistic flow is mildly stiff in log time (about sigma^2 (1 + sqrt(lambda))^2 / e-fold, 75 at
sigma = 5) with a symmetric Jacobian.  A method of s stages whose real stability interval grows as
s^2 follows it with a third of the gradients that an ordinary Runge-Kutta pair needs, without a
Jacobian: Sommeijer, Shampine and Verwer, J. Comput. Appl. Math. 88 (1998) 315.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from grokbook import validate

_DAMPING = 2 / 13
_MOST_STAGES = 250
_FIRST_ITERATIONS = 10
_SAFETY = 1.15  # on the spectral radius, which power iteration approaches from below


@dataclass(frozen=True)
class Integral:
    """States at the recorded times, and how they were reached.

    state (n_reached, n) at the first ``n_reached`` times; ``evaluations`` of the right-hand side,
    those for the spectral radius included; ``stopped`` is empty if every time was reached.
    """

    state: np.ndarray
    evaluations: int
    stopped: str


@lru_cache(maxsize=_MOST_STAGES)
def _coefficients(stages):
    """Rows j = 2..s of (mu, nu, mu~, gamma~, c), and mu~_1 = c_1."""
    w0 = 1 + _DAMPING / stages**2
    value, slope, curve = np.ones(stages + 1), np.zeros(stages + 1), np.zeros(stages + 1)
    value[1], slope[1] = w0, 1.0
    for j in range(2, stages + 1):
        value[j] = 2 * w0 * value[j - 1] - value[j - 2]
        slope[j] = 2 * value[j - 1] + 2 * w0 * slope[j - 1] - slope[j - 2]
        curve[j] = 4 * slope[j - 1] + 2 * w0 * curve[j - 1] - curve[j - 2]
    w1 = slope[-1] / curve[-1]
    b = np.empty(stages + 1)
    b[2:] = curve[2:] / slope[2:] ** 2
    b[0], b[1] = b[2], 1 / w0
    a = 1 - b * value
    c = np.empty(stages + 1)
    c[1:] = w1 * b[1]
    c[2:] = w1 * curve[2:] / slope[2:]
    j = np.arange(2, stages + 1)
    mu, nu, mu_tilde = 2 * b[j] * w0 / b[j - 1], -b[j] / b[j - 2], 2 * b[j] * w1 / b[j - 1]
    return np.column_stack([mu, nu, mu_tilde, -a[j - 1] * mu_tilde, c[j - 1]]), w1 * b[1]


def _step(rhs, clock, y, slope, h, stages):
    """One step of ``stages`` stages."""
    rows, first = _coefficients(stages)
    before, now = y, y + first * h * slope
    for mu, nu, mu_tilde, gamma, c in rows:
        new = (1 - mu - nu) * y + mu * now + nu * before
        new += mu_tilde * h * rhs(clock + c * h, now) + gamma * h * slope
        before, now = now, new
    return now


def _hermite(times, clock, h, ends, slopes):
    """Cubic interpolation between the ends of a step; (n_times, n)."""
    s = ((times - clock) / h)[:, None]
    (y0, y1), (f0, f1) = ends, slopes
    return (
        (1 + 2 * s) * (1 - s) ** 2 * y0
        + s * (1 - s) ** 2 * h * f0
        + s**2 * (3 - 2 * s) * y1
        + s**2 * (s - 1) * h * f1
    )


def integrate(
    rhs: Callable,
    jacobian: Callable,
    error: Callable,
    times,
    start,
    *,
    max_evaluations: int = 100_000,
) -> Integral:
    """Integrate y' = rhs(time, y) and record y at ``times``.

    Parameters
    ----------
    rhs : callable (time, y) -> y'
    jacobian : callable (time, y, v) -> Jacobian of ``rhs`` times v
        Its spectrum should lie near the negative real axis, as that of any gradient flow.
    error : callable (estimate, y) -> float
        The local error in units of what is tolerated.
    times : (n_times,) array
        Increasing; ``start`` belongs to ``times[0]``.
    start : (n,) array
    max_evaluations : int
        The run stops there and says so.

    Raises
    ------
    ValueError
        If ``times`` decrease, ``start`` is not finite or ``max_evaluations`` < 1.
    RuntimeError
        If the step shrinks to nothing or the state is no longer finite.
    """
    times = validate.array("times", times, ndim=1)
    if times.size < 1 or np.any(np.diff(times) <= 0):
        raise ValueError(f"times = {times}: must be non-empty and increasing")
    y = validate.array("start", start, ndim=1)
    validate.count("max_evaluations", max_evaluations)
    clock, slope, state, done = times[0], rhs(times[0], y), [y[None]], 1
    radius, vector, used = _spectral_radius(jacobian, clock, y, slope, _FIRST_ITERATIONS)
    h = 0.1 / max(radius, 1e-3)
    while done < times.size:
        if used >= max_evaluations:
            why = f"{used} gradient evaluations were spent at clock {clock:.4g} of {times[-1]:.4g}"
            return Integral(np.concatenate(state), used, why)
        # The last step ends on the last time, never a rounding error before it.
        last = clock + h >= times[-1] - 1e-9 * h
        h = times[-1] - clock if last else h
        stages = max(2, 1 + int(np.sqrt(1 + 1.54 * h * radius)))
        new = _step(rhs, clock, y, slope, h, stages)
        new_slope = rhs(clock + h, new)
        used += stages
        size = error(0.8 * (y - new) + 0.4 * h * (slope + new_slope), new)
        if size <= 1:
            reached = times.size if last else int(np.searchsorted(times, clock + h, "right"))
            ends = (y, new), (slope, new_slope)
            state.append(_hermite(times[done:reached], clock, h, *ends))
            done, clock, y, slope = reached, clock + h, new, new_slope
            radius, vector, cost = _spectral_radius(jacobian, clock, y, vector, 2)
            used += cost
        h *= min(5.0, max(0.2, 0.8 * max(size, 1e-6) ** (-1 / 3))) if size < np.inf else 0.1
        h = min(h, 0.65 * (_MOST_STAGES**2 - 1) / max(radius, 1e-300))
        if h < 1e-12 * max(1.0, abs(clock)):
            raise RuntimeError(f"the step shrank to {h:.1g} at clock {clock:.6g}")
    return Integral(np.concatenate(state), used, "")


def _spectral_radius(jacobian, clock, y, vector, iterations):
    """A safe estimate by power iteration, the vector to continue with, and its cost."""
    radius = 0.0
    norm = np.linalg.norm(vector)
    if norm == 0:
        vector, norm = np.ones_like(y), np.sqrt(y.size)
    for _ in range(iterations):
        image = jacobian(clock, y, vector / norm)
        norm = np.linalg.norm(image)
        if not 0 < norm < np.inf:
            break
        vector, radius = image, norm
    return _SAFETY * radius, vector, iterations
