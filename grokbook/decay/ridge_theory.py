"""Exact mean curves and times of ridge regression by gradient descent (paper RR, Section 5.1).

Averages over the Marchenko-Pastur law of the features, in the limit of many features at a fixed
n/m; nothing is trained.  ``grokbook.decay.ridge_simulate.trajectory`` takes the same arguments.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import erf, i1e

from grokbook import validate
from grokbook.curves import Curves
from grokbook.decay.ridge_setting import RidgeSetting

HORIZON = 1e9  # steps after which a level that has not been reached counts as out of reach
_FEWEST_NODES = 400


def _isotropic(setting):
    """n/m; raise where the formulas do not apply."""
    if setting.n_spikes:
        raise ValueError(f"n_spikes = {setting.n_spikes}: must be 0 here")
    ratio = setting.n_train / setting.n_features
    largest = (1 + math.sqrt(ratio)) ** 2 / setting.n_train
    validate.number(
        "learning_rate", setting.learning_rate, at_most=1 / (largest + setting.weight_decay)
    )
    return ratio


def spectrum(setting: RidgeSetting) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the law of the n eigenvalues of Phi Phi^T, whose mean is 1.

    Gauss-Chebyshev: ``weights @ f(nodes)`` is the average of a smooth f over the Marchenko-Pastur
    law on (1 -/+ sqrt(n/m))^2, to rounding.
    """
    ratio = _isotropic(setting)
    size = max(_FEWEST_NODES, math.ceil(45 / -math.log(ratio)))
    angle = np.arange(1, size + 1) * np.pi / (size + 1)
    root = math.sqrt(ratio)
    nodes = (1 - root) ** 2 + 4 * root * np.cos(angle / 2) ** 2
    return nodes, 2 * np.sin(angle) ** 2 / ((size + 1) * nodes)


def losses(setting: RidgeSetting, step) -> tuple[np.ndarray, np.ndarray]:
    """Mean train and test loss of gradient descent; (n_steps,) each (derived by us).

    With the eigenvalue mu of Phi Phi^T the mode keeps q^t, q = 1 - eta (mu/n + lambda), of its
    start and tends to its ridge solution; the m - n directions that no sample touches keep
    (1 - eta lambda)^t.  The train loss is on the noisy labels and has the factor 1/2; the test
    loss is on clean ones and has not.

    Parameters
    ----------
    setting : RidgeSetting
        Without spikes, and eta small enough that no mode oscillates.
    step : (n_steps,) array
        Steps, non-negative and increasing; between whole steps too.

    Raises
    ------
    ValueError
        If steps or setting are out of range.
    """
    step, ratio = validate.steps("step", step), _isotropic(setting)
    nodes, weights = spectrum(setting)
    eta, decay, h = setting.learning_rate, setting.weight_decay, nodes / setting.n_train
    kept = np.exp(np.multiply.outer(step, np.log1p(-eta * (h + decay))))
    clock = np.exp(step * math.log1p(-eta * decay))
    teacher = null_loss(setting)
    reached = h / (h + decay)
    error = setting.init_variance * kept**2 + teacher * (1 - reached + reached * kept) ** 2
    power, learnt = setting.label_noise**2, (1 - kept) * reached
    train = 0.5 * (error @ (weights * nodes) + power * ((1 - learnt) ** 2 @ weights))
    seen = error @ weights + power * (learnt**2 @ (weights / nodes))
    unseen = setting.init_variance * clock**2 + teacher
    return train, ratio * seen + (1 - ratio) * unseen


def curves(setting: RidgeSetting, step) -> Curves:
    """Mean losses, and the shares of samples with a squared error below the threshold.

    erf sqrt(c / 2L), as the errors are Gaussian of variance L: LE, Eq. 10, which describes RR's
    Figure 5.  On the training set L is twice the train loss.  Arguments as :func:`losses`.
    """
    train, test = losses(setting, step)
    shares = [erf(np.sqrt(setting.threshold / (2 * loss))) for loss in (2 * train, test)]
    return Curves(step, train, test, *shares)


def null_loss(setting: RidgeSetting) -> float:
    """Test loss ||theta*||^2 / m of the predictor 0 on isotropic features."""
    return setting.teacher_norm**2 / setting.n_features


def floor(setting: RidgeSetting) -> float:
    """Test loss in the end, for lambda well below (1 - sqrt(n/m))^2 / n.

    (1 - n/m) ||theta*||^2 / m for what no sample shows, sigma^2 n / (m - n) for learnt noise.
    """
    ratio = _isotropic(setting)
    return (1 - ratio) * null_loss(setting) + setting.label_noise**2 * ratio / (1 - ratio)


def critical_noise(setting: RidgeSetting) -> float:
    """Label noise sigma_c at which the floor is the threshold; 0 if it is above it without noise.

    The setting's own ``label_noise`` does not enter (derived by us).
    """
    ratio = _isotropic(setting)
    room = setting.threshold - (1 - ratio) * null_loss(setting)
    return math.sqrt(max(room, 0.0) * (1 - ratio) / ratio)


def sharp_time(setting: RidgeSetting) -> float:
    """t_2 = ln[(m-n) nu^2 / (m (c - floor))] / (-2 ln(1 - eta lambda)), in steps (derived by us).

    ``inf`` where the floor is at or above c, or without decay; the closed form of
    ``times(setting)[1]`` for lambda well below the data's smallest eigenvalue.
    """
    room = setting.threshold - floor(setting)
    if room <= 0:
        return math.inf
    excess = (1 - setting.n_train / setting.n_features) * setting.init_variance / room
    return clock_time(setting, excess)


def clock_time(setting, factor: float, depth: int = 1) -> float:
    """Steps in which decay alone lets a loss fall by ``factor``: ln(factor) / (2 depth eta lambda).

    ``setting`` has ``learning_rate`` and ``weight_decay``; a network of ``depth`` layers, homogeneous
    in its weights, loses depth times the rate of a linear model (derived by us).  Each step
    multiplies the weights by 1 - eta lambda, which is what is used.  0 for factors below 1.
    """
    if factor <= 1:
        return 0.0
    rate = -2 * depth * math.log1p(-setting.learning_rate * setting.weight_decay)
    return math.log(factor) / rate if rate else math.inf


def times(setting: RidgeSetting) -> tuple[float, float]:
    """t_1, the last step with a train loss of epsilon or more, and t_2, the first test loss <= c.

    Roots of the mean curves; t_1 is 0 if the train loss starts below, a time is ``inf`` if its
    level is not reached by step 10^9.
    """
    grid = np.append(0, np.geomspace(1e-3, HORIZON, 1000))
    level, found = setting.threshold, []
    for which, one in enumerate(losses(setting, grid)):
        below = np.flatnonzero(one <= level)
        if not below.size:
            found.append(math.inf)
            continue

        def excess(t, which=which):
            return losses(setting, [t])[which][0] - level

        first = below[0]
        found.append(brentq(excess, *grid[first - 1 : first + 1], xtol=1e-9) if first else 0.0)
    return tuple(found)


def printed_times(setting: RidgeSetting, smallest: float) -> tuple[float, float]:
    """The bounds t_1 <= and t_2 >= of RR, Eq. 8, with ``smallest`` the lambda_min^+ of Phi^T Phi."""
    validate.number("smallest", smallest, above=0)
    n, m, level = setting.n_train, setting.n_features, setting.threshold
    start, eta = setting.init_variance, setting.learning_rate
    first = n * math.log(14 * m * start / level) / (2 * eta * smallest)
    second = math.log((m - n) * start / (8 * m * level)) / (2.02 * eta * setting.weight_decay)
    return first, second


def theorem_time(setting: RidgeSetting) -> float:
    """The bound t_2 >= of RR, Eq. 7 (Theorem 4.2), for features of covariance I/m."""
    n, m = setting.n_train, setting.n_features
    away = math.sqrt(setting.threshold * m) + setting.teacher_norm
    factor = 0.5 * (m - n) * setting.init_variance / away**2
    return math.log(factor) / (4 * setting.learning_rate * setting.weight_decay)


def smallest_eigenvalue(setting: RidgeSetting, deviation: float = 0.0) -> float:
    """Bound on lambda_min^+ of Phi^T Phi at a finite size: (1 - sqrt(n/m) - u/sqrt(m))^2.

    It holds with probability 1 - 2 exp(-u^2/2), u = ``deviation`` (Davidson and Szarek 2001); u = 0
    is the limit of large sizes and below the mean square root.  0 where the bound is empty.
    """
    validate.number("deviation", deviation, at_least=0)
    n, m = setting.n_train, setting.n_features
    return max(0.0, 1 - math.sqrt(n / m) - deviation / math.sqrt(m)) ** 2


def bessel_train_loss(setting: RidgeSetting, step) -> np.ndarray:
    """LE's train loss on RR's clock: e^(-2 eta lambda t) nu^2/2 e^(-s(1+a)) I_1(2s sqrt(a))/(s sqrt(a)).

    s = 2 eta t / m and a = m/n, LE's ratio (LE, Eq. 9); gradient flow, zero teacher, no noise
    (derived by us).  ValueError otherwise.
    """
    for name in ("teacher_norm", "label_noise", "n_spikes"):
        if value := getattr(setting, name):
            raise ValueError(f"{name} = {value:g}: must be 0 for this form")
    step, ratio = validate.steps("step", step), setting.n_features / setting.n_train
    s = 2 * setting.learning_rate * step / setting.n_features
    argument = np.maximum(2 * s * math.sqrt(ratio), 1e-12)
    form = np.exp(-s * (math.sqrt(ratio) - 1) ** 2) * 2 * i1e(argument) / argument
    clock = np.exp(-2 * setting.learning_rate * setting.weight_decay * step)
    return 0.5 * setting.init_variance * clock * form
