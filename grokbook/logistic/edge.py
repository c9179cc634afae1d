"""When the accuracy passes a level, and at which lambda it no longer does, for large N.

The weights grow while the bias falls.  With r = sigma ||S|| and the clock T = sigma^2 beta,
beta = -b, the accuracy is Phi(1 / (sigma^2 q)) with q = r / T, which falls from sqrt(lambda) to
the margin kappa of :func:`grokbook.logistic.theory.hull_margin` (0 for lambda <= 1/2).  A level
Phi(z) is passed if and only if sigma^2 kappa z < 1.  Derived for this book; not in paper LS.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri, wrightomega

from grokbook import validate
from grokbook.curves import LEVEL
from grokbook.logistic import population, theory
from grokbook.logistic.setting import LogisticSetting

_TAIL = 9.5  # standard deviations of the quadrature
_START = 1e-6  # first T of the integration, where r = sqrt(lambda) T to as many digits
_LAST = 1e30  # last T looked at: beyond it lie times of more than e^(1e26)
_WIDTH = math.sqrt((math.pi**2 / 8 + math.log(2) ** 2) / 2)  # c of theory.minimiser_near_half
_EDGE = math.sqrt(2 / math.pi)  # y at the edge, for large sigma^2 z


@dataclass(frozen=True)
class Growth:
    """The flow at given depths: ``depth`` beta = -b, ``spread`` r, ``log_step`` log t; all (n,)."""

    depth: np.ndarray
    spread: np.ndarray
    log_step: np.ndarray

    @property
    def accuracy(self) -> np.ndarray:
        """Population accuracy Phi(beta / r)."""
        return population.accuracy(-self.depth, self.spread)


def _averages(spread, level):
    """E[W], E[W/(1+W)], E[W^2/(1+W)], E[G W^2/(1+W)] for W e^W = e^(level + r G).

    A trapezoidal rule in asinh of the distance to W's kink, which is 1 / r wide.
    """
    kink, width = np.clip(-level / spread, -_TAIL, _TAIL), min(1.0, 2 / spread)
    ends = np.arcsinh((np.array([-_TAIL, _TAIL]) - kink) / width)
    place = np.linspace(*ends, math.ceil((ends[1] - ends[0]) / 0.1))
    nodes = kink + width * np.sinh(place)
    weights = np.cosh(place) * np.exp(-(nodes**2) / 2)
    shrunk = wrightomega(level + spread * nodes)
    half = shrunk / (1 + shrunk)
    values = np.stack([shrunk, half, shrunk * half, nodes * shrunk * half])
    return values @ weights / weights.sum()


def _motion(aspect_ratio, noise_scale):
    """d/d log T of (log q, log gamma, w), with w = eta L t e^(-beta) between 0 and 1."""

    def motion(clock, state):
        depth = math.exp(clock)
        spread = depth * math.exp(state[0])
        mean, share, square, tilted = _averages(spread, state[1])
        rate = spread * (aspect_ratio - share) / mean  # dr/dT
        level = (aspect_ratio * spread - tilted) / square * rate * depth
        late = depth / noise_scale**2 * (1 - state[2] * (1 + (noise_scale * rate) ** 2))
        return rate * depth / spread - 1, level, late

    return motion


def _solve(setting, last, events=None):
    ratio, noise_scale = setting.aspect_ratio, setting.noise_scale
    start = math.log(ratio) / 2, math.log(ratio * _START), _START / noise_scale**2
    return solve_ivp(
        _motion(ratio, noise_scale),
        (math.log(_START), math.log(last)),
        start,
        method="LSODA",
        rtol=1e-6,
        atol=1e-8,
        dense_output=True,
        events=events,
    )


def _log_step(setting, depth, state):
    """log t at one depth T of a solution."""
    log_loss = math.log(_averages(depth * math.exp(state[0]), state[1])[0]) - state[1]
    late = math.log(setting.learning_rate / state[2])
    return depth / setting.noise_scale**2 - log_loss - late


def growth(setting: LogisticSetting, depth) -> Growth:
    """Weights and time at depths beta = -b, from S = 0 and b = 0, on the exponential loss.

    At fixed norm the min-max theorem of :func:`grokbook.logistic.theory.minimiser` gives, with
    G ~ N(0, 1) and W e^W = gamma e^(r G): E[W^2] = lambda r^2 and L = E[W] / gamma.  The flow
    is dr/dT = r (lambda - E[W/(1+W)]) / E[W] if the direction is the best one at each norm.

    Parameters
    ----------
    setting : LogisticSetting
        Its ``init_norm``, ``init_bias`` and ``loss`` play no part.
    depth : (n,) array
        Positive and increasing, from 1e-5 / sigma^2 on.
    """
    depth = validate.array("depth", depth, ndim=1)
    clock = setting.noise_scale**2 * depth
    if clock[0] < 10 * _START or np.any(np.diff(clock) <= 0):
        raise ValueError(f"depth starts at {depth[0]:g}: must be larger, and increasing")
    states = _solve(setting, clock[-1]).sol(np.log(clock))
    log_step = [_log_step(setting, *one) for one in zip(clock, states.T, strict=True)]
    return Growth(depth, clock * np.exp(states[0]), np.array(log_step))


def log_time_to_accuracy(setting: LogisticSetting, level: float = LEVEL) -> float:
    """log t at which :func:`growth` passes the level Phi(z): where q = 1 / (sigma^2 z).

    -inf if the accuracy is above the level from the start, inf from :func:`critical_ratio` on.
    With :func:`grokbook.logistic.theory.hull_margin` kappa the pole is
    (1 + sigma^2 kappa^2) z c_1 / (1 - sigma^2 kappa z), c_1 about 1.63 kappa^(-1/2).
    """
    wanted = -math.log(setting.noise_scale**2 * _quantile(level))
    if setting.aspect_ratio >= critical_ratio(setting.noise_scale, level):
        return math.inf
    if math.log(setting.aspect_ratio) / 2 <= wanted:
        return -math.inf

    def passed(clock, state):
        return state[0] - wanted

    passed.terminal = True
    done = _solve(setting, _LAST, passed)
    if not done.t_events[0].size:
        raise RuntimeError(f"the level {level} is not reached before T = {_LAST:g}: {done.message}")
    return float(_log_step(setting, math.exp(done.t_events[0][0]), done.y_events[0][0]))


def critical_ratio(noise_scale: float, level: float = LEVEL) -> float:
    """lambda_c > 1/2 at which the limiting accuracy Phi(1 / (sigma^2 kappa)) is the level.

    Gardner's formula at kappa = 1 / (sigma^2 z); about 1/2 + 0.798 / (sigma^2 z).
    """
    validate.number("noise_scale", noise_scale, above=0)
    kappa = 1 / (noise_scale**2 * _quantile(level))
    return theory.ratio_of_margin(kappa)


def never_probability(setting: LogisticSetting, level: float = LEVEL) -> float:
    """Share of draws of N points that do not pass the level: Phi(2 sqrt(N) (lambda - lambda_c)).

    A draw of N points behaves as N = inf at lambda + zeta / (2 sqrt N), zeta ~ N(0, 1): at
    level 1 this is Wendel's :func:`grokbook.logistic.theory.separable_probability`.
    """
    away = setting.aspect_ratio - critical_ratio(setting.noise_scale, level)
    return float(ndtr(2 * math.sqrt(setting.n_train) * away))


def scaling_function(y) -> np.ndarray:
    """Psi(y): log t = z^(3/2) sigma Psi(sigma^2 z (lambda - 1/2)) close to 1/2 at large sigma^2 z.

    1 - arctan(xi) / xi = y / y_c and Psi = c xi / sqrt(y), with c = 0.926 and y_c = sqrt(2/pi); for
    y < 0 artanh stands for arctan.  c abs(y)^(-1/2) far below, 1.795 at 0, inf from y_c on.
    """
    return np.vectorize(_scaling, otypes=[float])(validate.array("y", y))


def _scaling(y):
    share = y / _EDGE
    if share >= 1:
        return math.inf
    if abs(share) < 1e-6:
        return _WIDTH * math.sqrt(3 / _EDGE)
    if y > 0:
        # In the angle: tan(angle) = xi.
        angle = brentq(lambda a: 1 - a / math.tan(a) - share, 1e-9, math.pi / 2)
        return _WIDTH * math.tan(angle) / math.sqrt(y)
    high = 1 - share
    rise = brentq(lambda a: a / math.tanh(a) - high, 1e-9, high + 1)
    return _WIDTH * math.tanh(rise) / math.sqrt(-y)


def _quantile(level):
    return float(ndtri(validate.number("level", level, above=0.5, below=1)))
