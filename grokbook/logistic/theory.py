"""Closed forms for logistic regression at the edge of separability (paper LS); nothing is trained.

Some hold for one data set of known hull margin, some on average in the limit of large N and d with
lambda = d / N fixed.  Those of the limit are not in the text of the paper that we could read.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri, wrightomega
from scipy.stats import binom

from grokbook import validate
from grokbook.curves import LEVEL, Curves
from grokbook.logistic import population
from grokbook.logistic.setting import LogisticSetting

CRITICAL = 0.5  # lambda at which the points cease to surround the origin (LS, Prop. 3.3)
_TAIL = 9.5  # standard deviations of the quadrature; beyond lies 1e-21 of the mass
_CLOSEST = 2e-7  # to 1/2, for the minimiser: nearer than this, spread > 2000


def separable_probability(n_train, d_in) -> np.ndarray:
    """Probability that N symmetric points in R^d lie on one side of a plane through the origin.

    Wendel's 2^(1-N) sum over k < d of binomial(N-1, k), exact for every N and d, for any
    distribution symmetric about the origin with points in general position (LS, Prop. 3.3).
    ValueError if an entry is not a whole number >= 1.

    Parameters
    ----------
    n_train, d_in : whole numbers >= 1, or arrays of them that broadcast
    """
    n_train, d_in = (_whole(name, n) for name, n in (("n_train", n_train), ("d_in", d_in)))
    return binom.cdf(d_in - 1, n_train - 1, 0.5)


def _whole(name, value):
    value = validate.array(name, value)
    if np.any((value < 1) | (value != np.floor(value))):
        raise ValueError(f"{name} = {value}: must be whole numbers >= 1")
    return value


def _not_negative(name, value):
    value = validate.array(name, value)
    if np.any(value < 0):
        raise ValueError(f"{name} reaches {value.min():g}: must be >= 0")
    return value


def limiting_accuracy(noise_scale: float, margin) -> np.ndarray:
    """Population accuracy for t -> infinity: Phi(1 / (sigma M)), 1 at M = 0 (LS, Prop. 3.2).

    Parameters
    ----------
    noise_scale : float
        sigma > 0.
    margin : array
        M >= 0 in the units of the data: sigma times the margin of unit Gaussians.
    """
    validate.number("noise_scale", noise_scale, above=0)
    margin = _not_negative("margin", margin)
    with np.errstate(divide="ignore"):
        return ndtr(1 / (noise_scale * margin))


def late_rates(margin) -> tuple[np.ndarray, np.ndarray]:
    """d b / d log t and d ||S|| / d log t for t -> infinity: -1/(1 + M^2) and M/(1 + M^2).

    LS, Prop. 3.2 and Theorem 1; at M = 0 they are -1 and 0.
    """
    margin = _not_negative("margin", margin)
    return -1 / (1 + margin**2), margin / (1 + margin**2)


def hull_margin(aspect_ratio: float) -> float:
    """M / sigma in the limit of large N, for lambda > 1/2 (Gardner).

    The root kappa of lambda = (1 + kappa^2) Phi(kappa) + kappa phi(kappa); close to 1/2 it is
    sqrt(pi / 8) (2 lambda - 1).  ValueError if lambda <= 1/2, where there is no margin.
    """
    validate.number("aspect_ratio", aspect_ratio, above=CRITICAL)
    high = 1.0 + math.sqrt(aspect_ratio)
    return brentq(lambda kappa: ratio_of_margin(kappa) - aspect_ratio, 0.0, high, xtol=1e-15)


def ratio_of_margin(kappa: float) -> float:
    """lambda at which the margin of unit Gaussians is kappa >= 0 (Gardner)."""
    validate.number("kappa", kappa, at_least=0)
    density = math.exp(-(kappa**2) / 2) / math.sqrt(2 * math.pi)
    return float((1 + kappa**2) * ndtr(kappa) + kappa * density)


def _gaussian_nodes(spread):
    """Nodes and weights of E over G ~ N(0, 1), fine enough for functions of spread * G."""
    spacing = min(0.3, 0.6 / spread)
    n_side = math.ceil(_TAIL / spacing)
    nodes = np.arange(-n_side, n_side + 1) * (_TAIL / n_side)
    weights = np.exp(-(nodes**2) / 2)
    return nodes, weights / weights.sum()


def _shrinkage(spread, level):
    """W at the nodes, W e^W = gamma e^(r G) with gamma = e^level; the nodes; their weights."""
    nodes, weights = _gaussian_nodes(spread)
    return wrightomega(level + spread * nodes), nodes, weights


def _level(aspect_ratio, spread):
    """log gamma at which E[W / (1 + W)] = lambda."""

    def excess(level):
        shrunk, _, weights = _shrinkage(spread, level)
        return weights @ (shrunk / (1 + shrunk)) - aspect_ratio

    reach = _TAIL * spread + 50.0
    return brentq(excess, -reach, reach, xtol=1e-13 * reach)


def minimiser(aspect_ratio: float) -> tuple[float, float, float]:
    """Where the weights rest for lambda < 1/2, in the limit of large N: r, L_inf, log gamma.

    r = sigma ||S_inf|| and L_inf = min over S of mean e^(S.x), from the convex Gaussian min-max
    theorem applied to that minimum: with G ~ N(0, 1) and W e^W = gamma e^(r G),
    E[W / (1 + W)] = lambda, E[W^2] = lambda r^2 and L_inf = E[W] / gamma.  ValueError if lambda
    is not in (0, 1/2 - 2e-7).
    """
    validate.number("aspect_ratio", aspect_ratio, above=0, below=CRITICAL - _CLOSEST)

    def excess(log_spread):
        spread = math.exp(log_spread)
        shrunk, _, weights = _shrinkage(spread, _level(aspect_ratio, spread))
        return math.log(weights @ shrunk**2 / (aspect_ratio * spread**2))

    guess = math.log(minimiser_near_half(aspect_ratio)[0])
    spread = math.exp(brentq(excess, guess - 4, guess + 1, xtol=1e-11))
    level = _level(aspect_ratio, spread)
    shrunk, _, weights = _shrinkage(spread, level)
    return spread, math.exp(math.log(weights @ shrunk) - level), level


def minimiser_near_half(aspect_ratio) -> tuple[np.ndarray, np.ndarray]:
    """Leading order of :func:`minimiser` below 1/2: r = c (1/2 - lambda)^(-1/2), and L_inf.

    c = sqrt((pi^2/8 + ln^2 2) / 2) = 0.9258 and L_inf = sqrt(e^gamma_E / (4 pi)) = 0.3765: at
    large r, W is the positive part of r G + log gamma, softened at 0 over a width of order 1.
    """
    below = CRITICAL - validate.array("aspect_ratio", aspect_ratio)
    if np.any(below <= 0):
        raise ValueError(f"aspect_ratio reaches {0.5 - below.min():g}: must be < 1/2")
    factor = math.sqrt((math.pi**2 / 8 + math.log(2) ** 2) / 2)
    limit = math.sqrt(math.exp(np.euler_gamma) / (4 * math.pi))
    return factor / np.sqrt(below), np.full_like(below, limit)


def rested_curves(setting: LogisticSetting, step) -> Curves:
    """Curves of a flow whose weights rest at S_inf from the start, for lambda < 1/2.

    With exponential tails b = b_0 - log(1 + eta L_inf e^(b_0) t).  This is the late form of the
    true curves, and all of them in the limit sigma -> infinity (LS, Prop. 3.5).  A training point
    has S.x = r G - W: that is pulled below the fresh r G.  ValueError if the steps are invalid
    or lambda is not below 1/2.

    Parameters
    ----------
    setting : LogisticSetting
        Its ``loss`` decides which losses are returned.
    step : (n_steps,) array
    """
    step = validate.steps("step", step)
    spread, rest, level = minimiser(setting.aspect_ratio)
    start = setting.init_bias
    bias = start - np.log1p(setting.learning_rate * rest * math.exp(start) * step)
    shrunk, nodes, weights = _shrinkage(spread, level)
    logit = spread * nodes - shrunk
    if setting.loss == "logistic":
        train = np.logaddexp(0, bias[:, None] + logit) @ weights
        test = population.loss(bias, spread)
    else:
        train, test = rest * np.exp(bias), population.exponential_loss(bias, spread)
    # The logit of a training point grows with its G: the fraction below 0 is a value of Phi.
    train_accuracy = ndtr(np.interp(-bias, logit, nodes))
    return Curves(step, train, test, train_accuracy, population.accuracy(bias, spread))


def generalisation_time(setting: LogisticSetting, level: float = LEVEL) -> float:
    """Step at which the accuracy of :func:`rested_curves` is ``level``; ``inf`` for lambda >= 1/2.

    -b = z r with Phi(z) = level, hence t = (e^(z r) - e^(-b_0)) / (eta L_inf): with
    r ~ (1/2 - lambda)^(-1/2) an essential singularity.
    """
    validate.number("level", level, above=0, below=1)
    if setting.aspect_ratio >= CRITICAL:
        return math.inf
    spread, rest, _ = minimiser(setting.aspect_ratio)
    grown = math.exp(float(ndtri(level)) * spread) - math.exp(-setting.init_bias)
    return max(grown, 0.0) / (setting.learning_rate * rest)
