"""Losses whose tail is a power: where logistic regression ends, on data and for large N.

The loss of order a is log(1 + phi_a(z)), z = -y f(x), phi_a(z) = (1 + abs z / a)^(a sign z):
StableMax with one logit for a = 1, with the two logits +-f/2 for a = 2, and cross-entropy for
a = inf, where phi is e^z.  Its tail is abs(z)^-a, up to a factor.

Derived for this book; not in papers LS or NS.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import brentq
from scipy.special import expit

from grokbook import validate
from grokbook.logistic.flow import LossTerms, Samples

_NODES, _TAIL = 800, 9.0  # of a trapezoidal rule, and the standard deviations it covers
_LAST = 7.0  # log q and -log q looked at
_LOGS = 25.0  # log tau is looked for between -+ this times a + 2
_ITERATIONS = 200
_DECREMENT = 1e-20  # Newton's, squared: what is left to gain, relative to the objective


def power_loss(order: float):
    """The loss of an order a > 0: a function of z that returns loss and derivative, as ``flow``'s.

    ``inf`` gives cross-entropy.  ValueError if the order is not positive.
    """
    if order != math.inf:
        validate.number("order", order, above=0)

    def loss(z):
        z = np.asarray(z, dtype=float)
        power = z if order == math.inf else np.sign(z) * order * np.log1p(np.abs(z) / order)
        slope = expit(power) if order == math.inf else expit(power) / (1 + np.abs(z) / order)
        return np.logaddexp(0, power), slope

    return loss


def tail(order: float) -> LossTerms:
    """The pure tail abs(z)^-a / a for z < 0, infinite from 0 on."""
    validate.number("order", order, above=0)

    def of(z, power, factor):
        with np.errstate(divide="ignore"):
            return factor * np.where(z < 0, np.abs(z), 0.0) ** -power

    return LossTerms(
        lambda z: of(z, order, 1 / order),
        lambda z: of(z, order + 1, 1.0),
        lambda z: of(z, order + 2, order + 1),
    )


def ridge(samples: Samples, terms: LossTerms, decay: float, start) -> np.ndarray:
    """The minimiser of mean loss + decay norm(w)^2 / 2, w = (S, b), by Newton's method.

    The objective is strictly convex, so there is one.  For a pure tail abs(z)^-a its direction is
    where the gradient flow of *any* loss with that tail ends: late the loss is homogeneous, and
    (mean abs(z)^-a)^(-1/a) is concave, with one largest value on the sphere, for each ``decay``.

    Parameters
    ----------
    terms : LossTerms
        Convex, such as those of :func:`tail`.
    decay : float
        > 0.
    start : (n_weights,) array
        Where the objective is finite.

    Raises
    ------
    ValueError
        If an argument is out of range or the objective is infinite at ``start``.
    RuntimeError
        If Newton's method does not converge.
    """
    validate.number("decay", decay, above=0)
    w = validate.array("start", start, shape=(samples.n_weights,))
    rows = samples.features
    if samples.offset is not None:
        rows = np.column_stack([rows, samples.offset])

    def objective(z, w):
        return np.mean(terms.value(z)) + decay * (w @ w) / 2

    z = rows @ w
    value = objective(z, w)
    if not np.isfinite(value):
        raise ValueError("start: the objective must be finite there")
    for _ in range(_ITERATIONS):
        gradient = terms.slope(z) @ rows / len(z) + decay * w
        bent = rows * terms.curvature(z)[:, None]
        hessian = rows.T @ bent / len(z) + decay * np.eye(w.size)
        step = -cho_solve(cho_factor(hessian), gradient)
        slope = gradient @ step
        if -slope <= _DECREMENT * value:
            return w + step if np.isfinite(objective(rows @ (w + step), w + step)) else w
        change, length = rows @ step, 1.0
        while not (new := objective(z + length * change, w + length * step)) <= (
            value + 1e-4 * length * slope + 1e-15 * value
        ):
            length /= 2
            if length < 1e-12:
                raise RuntimeError("Newton's step does not descend")
        w, value = w + length * step, new
        z = rows @ w
    raise RuntimeError(f"Newton's method did not converge in {_ITERATIONS} iterations")


def resting_direction(samples: Samples, order: float) -> np.ndarray:
    """(S, b) along which training with a tail abs(z)^-a ends, by :func:`ridge`; of some length."""
    return ridge(samples, tail(order), 1.0, samples.start(np.zeros(samples.n_weights - 1), -1.0))


def asymptotic_score(order: float, aspect_ratio: float, noise_scale: float) -> float:
    """beta / (sigma norm S) where a tail abs(z)^-a ends, for N, d -> inf; z of Phi(z).

    Gordon's min-max theorem, as in :func:`grokbook.logistic.theory.minimiser`.  In units of
    beta = -b and with q = sigma norm S / beta, the margins m > 0 solve m - tau m^(-a-1) = 1 - q G,
    G ~ N(0, 1); tau and q follow from E m^(-2a-2) = lambda (q / tau)^2 and
    (q / sigma^2) E m^(-a-1) = lambda q / tau - E[G m^(-a-1)].

    ValueError if an argument is not positive.
    """
    validate.number("order", order, above=0)
    validate.number("noise_scale", noise_scale, above=0)
    ratio = validate.number("aspect_ratio", aspect_ratio, above=0)
    g = np.linspace(-_TAIL, _TAIL, _NODES)
    weight = np.exp(-(g**2) / 2) / np.exp(-(g**2) / 2).sum()

    def tension(log_tau, q):
        drag = _drag(1 - q * g, log_tau, order)
        return math.log(max(weight @ drag**2 / ratio, 1e-300)) - 2 * math.log(q)

    def excess(log_q):
        q = math.exp(log_q)
        drag = _drag(1 - q * g, brentq(tension, -far, far, args=(q,), xtol=1e-12), order)
        return weight @ drag / noise_scale**2 + weight @ (g * drag) / q - ratio

    far, widest = _LOGS * (order + 2), _LAST
    if ratio < 0.5:
        # A wider spread than this leaves points on the wrong side: E(G - 1/q)_+^2 = lambda.
        least = brentq(lambda k: weight @ np.maximum(g - k, 0) ** 2 - ratio, 0, _TAIL)
        widest = min(widest, -math.log(least) - 1e-9)
    return math.exp(-brentq(excess, -_LAST, widest, xtol=1e-10))


def _drag(c, log_tau, order):
    """tau m^(-a-1) for the positive roots m of m - tau m^(-a-1) = c: Newton's method in log m."""
    low = log_tau / (order + 2)
    with np.errstate(divide="ignore"):
        size = np.log(np.abs(c))
    beside = np.minimum(low, (log_tau - size) / (order + 1))
    log_m = np.where(c > 0, np.maximum(low, size), beside)
    for _ in range(_ITERATIONS):
        m, drag = np.exp(log_m), np.exp(log_tau - (order + 1) * log_m)
        change = (m - drag - c) / (m + (order + 1) * drag)
        log_m = log_m - np.clip(change, -1, 1)
        if np.max(np.abs(change)) < 1e-13:
            break
    return np.exp(log_tau - (order + 1) * log_m)
