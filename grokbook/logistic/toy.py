"""The toy of paper LS, solved in closed form: two points on a line (LS, Section 4, Appendix E).

With s = sigma S, e = 1 - 2 lambda and beta = -b as the clock, the exponential-loss flow is
ds/dbeta = sigma^2 (e^(-s) - e e^(e s)) / (e^(-s) + e^(e s)), which integrates to

    g(s) - g(0) = sigma^2 beta,    g(s) = s - log(1 - e e^((1+e) s)) / e,

on both sides of lambda = 1/2; there g(s) = s + e^s, and s is a Lambert function.  The time follows
from dt = e^beta dbeta / (eta L).  All times are returned as logarithms: they reach e^3000.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri, wrightomega

from grokbook import validate
from grokbook.curves import LEVEL, Curves
from grokbook.logistic import population
from grokbook.logistic.setting import ToySetting

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_ITERATIONS = 60
_LARGEST_LOG_STEP = 700.0  # e^709 is the largest double


@dataclass(frozen=True)
class ToyPath:
    """The solution at given depths.

    depth (n,) is beta = -b; ``spread`` (n,) is sigma S, the standard deviation of the output;
    ``log_step`` (n,) is log t; ``log_train_loss`` and ``log_test_loss`` (n,) those of the
    exponential losses.
    """

    depth: np.ndarray
    spread: np.ndarray
    log_step: np.ndarray
    log_train_loss: np.ndarray
    log_test_loss: np.ndarray

    @property
    def accuracy(self) -> np.ndarray:
        """Population accuracy Phi(beta / (sigma S))."""
        return population.accuracy(-self.depth, self.spread)


def resting_spread(gap) -> np.ndarray:
    """sigma S for t -> infinity: log(1/e) / (1 + e) for e = 1 - 2 lambda > 0, else ``inf``.

    LS Table 1.  Parameter ``gap``: array of values in [-1, 1).
    """
    gap = _gap(gap)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gap > 0, -np.log(np.abs(gap)) / (1 + gap), np.inf)[()]


def margin(setting: ToySetting) -> float:
    """Hull margin M = sigma (2 lambda - 1) above 1/2, else 0 (LS Table 1, with its sigma)."""
    return setting.noise_scale * max(-setting.gap, 0.0)


def _gap(gap):
    gap = validate.array("gap", gap)
    if np.any((gap < -1) | (gap >= 1)):
        raise ValueError(f"gap = {gap}: must be in [-1, 1)")
    return gap


def _spread_of(q, gap):
    """s with -log(1 - e e^((1+e) s)) / e = q; (1+e) s is log((1 - e^(-e q)) / e)."""
    size = np.abs(gap)
    with np.errstate(divide="ignore", invalid="ignore"):
        inner = np.log(-np.expm1(-size * q) / size)
        inner = np.where(size * q < 1e-12, np.log(q), inner)
        return (inner + np.where(gap < 0, size * q, 0.0)) / (1 + gap)


def spread_at(depth, gap, noise_scale) -> np.ndarray:
    """sigma S at depth beta >= 0 for e = 1 - 2 lambda and sigma; arrays that broadcast.

    Newton's method on q + s(q) = g(0) + sigma^2 beta, which is increasing and concave in q: from
    the left it converges monotonically.
    """
    depth, gap, noise_scale = np.broadcast_arrays(
        validate.array("depth", depth), _gap(gap), validate.array("noise_scale", noise_scale)
    )
    if np.any(depth < 0):
        raise ValueError(f"depth reaches {depth.min():g}: must be >= 0")
    if np.any(noise_scale <= 0):
        raise ValueError(f"noise_scale reaches {noise_scale.min():g}: must be > 0")
    size = np.abs(gap)
    with np.errstate(divide="ignore", invalid="ignore"):
        origin = np.where(size < 1e-12, 1.0, -np.log1p(-gap) / gap)
    total = origin + noise_scale**2 * depth
    q = np.where(gap >= 0, np.maximum(wrightomega(total), origin), origin)
    for _ in range(_ITERATIONS):
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            decay = np.where(size * q < 1e-12, 1 / q, size / -np.expm1(-size * q))
            slope = np.where(gap < 0, decay, decay * np.exp(-size * q)) / (1 + gap)
            change = (total - q - _spread_of(q, gap)) / (1 + slope)
        change = np.where(gap == -1, 0.0, change)
        q = np.maximum(q + change, origin)
        if np.all(np.abs(change) <= 4e-16 * q):
            break
    # Where s does not come to rest q stays small, and the difference is exact.
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.where(gap == -1, total - q, _spread_of(q, gap))
    return np.maximum(spread, 0.0)[()]


def _log_no_bias_loss(spread, gap):
    return np.logaddexp(-spread, gap * spread) - np.log(2)


def log_step_at(depth, gap, noise_scale, learning_rate: float = 1.0) -> np.ndarray:
    """log t at depth beta >= 0: t = integral of e^beta' / (eta L) over beta' from 0 to beta.

    Gauss-Legendre panels that shrink geometrically towards both ends; relative error below 1e-10.
    Other parameters as :func:`spread_at`; -inf at depth 0.
    """
    depth, gap, noise_scale = np.broadcast_arrays(
        validate.array("depth", depth), _gap(gap), validate.array("noise_scale", noise_scale)
    )
    validate.number("learning_rate", learning_rate, above=0)
    half = depth[..., None] / 2
    # The integrand decays over 1 / (1 + M^2) below the top, and s starts over 1 / sigma^2.
    coarse = np.max(1 + (noise_scale * np.minimum(gap, 0)) ** 2, initial=1.0)
    fine = np.max(1 + noise_scale**2 * depth, initial=1.0)
    doublings, halvings = (int(np.ceil(np.log2(ratio))) + 4 for ratio in (coarse, fine))
    top = np.minimum(half, np.append(0.0, 2.0 ** np.arange(-doublings, 7)))
    bottom = 2 * half - half * 0.5 ** np.arange(halvings + 1)
    edges = np.concatenate([top, bottom, 2 * half], axis=-1)
    width = np.diff(edges, axis=-1)[..., None]
    below = edges[..., :-1, None] + width * (_NODES + 1) / 2
    there = np.maximum(depth[..., None, None] - below, 0.0)
    gaps, noises = gap[..., None, None], noise_scale[..., None, None]
    log_loss = _log_no_bias_loss(spread_at(there, gaps, noises), gaps)
    last = _log_no_bias_loss(spread_at(depth, gap, noise_scale), gap)
    integrand = np.exp(last[..., None, None] - log_loss - below)
    total = np.sum(integrand * width / 2 * _WEIGHTS, axis=(-2, -1))
    with np.errstate(divide="ignore"):
        return (depth - last + np.log(total) - np.log(learning_rate))[()]


def path(setting: ToySetting, depth) -> ToyPath:
    """The solution at depths beta = -b.

    ValueError if the depths are negative, not finite or not increasing.

    Parameters
    ----------
    depth : (n,) array
        Non-negative and increasing.
    """
    depth = validate.steps("depth", depth)
    spread = spread_at(depth, setting.gap, setting.noise_scale)
    log_step = log_step_at(depth, setting.gap, setting.noise_scale, setting.learning_rate)
    train = _log_no_bias_loss(spread, setting.gap) - depth
    return ToyPath(depth, spread, log_step, train, spread**2 / 2 - depth)


def depth_at(setting: ToySetting, step) -> np.ndarray:
    """beta = -b at given steps (n,), by Newton's method on log(1 + t); steps up to e^700."""
    step = validate.steps("step", step)
    wanted = np.log1p(step)
    validate.number("step", wanted[-1], at_most=_LARGEST_LOG_STEP)
    gap, noise_scale, rate = setting.gap, setting.noise_scale, setting.learning_rate
    depth = np.log1p(rate * step)
    for _ in range(_ITERATIONS):
        time = np.exp(log_step_at(depth, gap, noise_scale, rate))
        loss = np.exp(_log_no_bias_loss(spread_at(depth, gap, noise_scale), gap) - depth)
        change = (wanted - np.log1p(time)) * (1 + time) * rate * loss
        depth = np.maximum(depth + change, depth / 2)
        if np.all(np.abs(change) <= 1e-12 * (1 + depth)):
            return depth
    raise RuntimeError(f"no depth found for steps up to {step[-1]:g}")


def curves(setting: ToySetting, step) -> Curves:
    """Exponential losses and accuracies at given steps (LS Fig. 8).

    The train accuracy is that of the two points, the test law N(0, sigma^2).  At step 0 the output
    is 0 everywhere, on the boundary: no point counts as correct, and the test accuracy is 1/2.
    ValueError if the steps are invalid, or the test loss e^(b + s^2/2) exceeds the largest
    double.
    """
    depth = depth_at(setting, step)
    solved = path(setting, depth)
    weight = solved.spread / setting.noise_scale
    points = setting.noise_scale * np.array([-1.0, setting.gap])
    train_accuracy = np.mean(np.multiply.outer(weight, points) < depth[:, None], axis=1)
    with np.errstate(over="ignore"):
        train, test = np.exp(solved.log_train_loss), np.exp(solved.log_test_loss)
    return Curves(step, train, test, train_accuracy, solved.accuracy)


def log_time_to_accuracy(gap, noise_scale, *, level: float = LEVEL, learning_rate: float = 1.0):
    """log t from which the population accuracy stays above ``level`` (LS Fig. 3, right).

    beta = z s with Phi(z) = level; g is convex, so that g(s) - g(0) = sigma^2 z s has one positive
    root at most.  -inf where the accuracy is never below the level (small sigma), inf where it
    never reaches it (lambda > 1/2 and a large margin).

    Parameters
    ----------
    gap, noise_scale : arrays that broadcast
        e = 1 - 2 lambda and sigma > 0.
    level : float
        In (1/2, 1).
    """
    gap, noise_scale = np.broadcast_arrays(_gap(gap), validate.array("noise_scale", noise_scale))
    z = float(ndtri(validate.number("level", level, above=0.5, below=1)))
    at_start = (
        noise_scale**2 * (1 - gap) / 2 > 1 / z
    )  # the accuracy starts at Phi(2 / (sigma^2 (1 - e)))
    margin = noise_scale * np.maximum(-gap, 0.0)
    reached = noise_scale * margin * z < 1
    answer = np.where(at_start, np.inf, -np.inf)
    delayed = at_start & reached
    if np.any(delayed):
        e, sigma = gap[delayed], noise_scale[delayed]
        depth = _last_depth(lambda beta: beta - z * spread_at(beta, e, sigma), e, sigma)
        answer[delayed] = log_step_at(depth, e, sigma, learning_rate)
    return answer[()]


def _last_depth(excess, gap, noise_scale):
    """The positive root of an excess that starts at 0, falls and then rises for ever."""
    low, high = np.zeros_like(gap), np.ones_like(gap)
    for _ in range(200):
        short = excess(high) < 0
        if not short.any():
            break
        high = np.where(short, 2 * high, high)
    else:
        raise RuntimeError("the accuracy level is not reached at any depth below 2^200")
    # The bracket begins where the excess is at its lowest or before; shrink until it is negative.
    low = high / 2
    for _ in range(200):
        wrong = excess(low) >= 0
        if not wrong.any():
            break
        high, low = np.where(wrong, low, high), np.where(wrong, low / 2, low)
    for _ in range(80):
        middle = (low + high) / 2
        above = excess(middle) >= 0
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return high


def log_loss_times(setting: ToySetting, log_epsilon: float) -> tuple[float, float]:
    """log t*_tr and log t*_gen at which the exponential losses fall below epsilon for good.

    LS Fig. 9 and Eqs. 39-41.  For lambda > 1/2 the test loss never does: ``inf``.  ValueError
    if ``log_epsilon`` is not negative: the losses start at 1.
    """
    depth_wanted = -validate.number("log_epsilon", log_epsilon, below=0)
    gap, noise_scale = setting.gap, setting.noise_scale

    def train(beta):
        return beta - _log_no_bias_loss(spread_at(beta, gap, noise_scale), gap) - depth_wanted

    def test(beta):
        return beta - spread_at(beta, gap, noise_scale) ** 2 / 2 - depth_wanted

    early = brentq(train, 0.0, depth_wanted + np.log(2), xtol=1e-12, rtol=1e-14)
    times = [log_step_at(early, gap, noise_scale, setting.learning_rate), np.inf]
    if gap >= 0:
        high = depth_wanted + 1
        while np.any(test(high * 2.0 ** np.arange(4)) < 0):
            high *= 2
        scan = np.linspace(depth_wanted, high, 2001)
        below = np.flatnonzero(test(scan) < 0)
        start = below[-1] if below.size else 0
        late = brentq(test, scan[start], scan[start + 1], xtol=1e-12, rtol=1e-14)
        times[1] = log_step_at(late, gap, noise_scale, setting.learning_rate)
    return float(times[0]), float(times[1])
