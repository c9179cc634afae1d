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
from grokbook.decay.ridge_setting import HORIZON, RidgeSetting

_FEWEST_NODES = 400


def _ratio(setting):
    """n/m of isotropic features; raise where the formulas do not apply."""
    validate.zero(setting, "n_spikes")
    ratio = setting.n_train / setting.n_features
    largest = (1 + math.sqrt(ratio)) ** 2 / setting.n_train
    validate.number(
        "learning_rate", setting.learning_rate, at_most=1 / (largest + setting.weight_decay)
    )
    return ratio


def spectrum(setting: RidgeSetting) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights: ``weights @ f(nodes)`` averages over the eigenvalues of Phi Phi^T.

    Gauss-Chebyshev rule of the Marchenko-Pastur law on (1 -/+ sqrt(n/m))^2, whose mean is 1.
    """
    ratio = _ratio(setting)
    size = max(_FEWEST_NODES, math.ceil(45 / -math.log(ratio)))
    angle = np.arange(1, size + 1) * np.pi / (size + 1)
    root = math.sqrt(ratio)
    nodes = (1 - root) ** 2 + 4 * root * np.cos(angle / 2) ** 2
    return nodes, 2 * np.sin(angle) ** 2 / ((size + 1) * nodes)


def losses(setting: RidgeSetting, step) -> tuple[np.ndarray, np.ndarray]:
    """Mean train and test loss of gradient descent; (n_steps,) each (derived by us).

    With the eigenvalue mu of Phi Phi^T the mode keeps q^t, q = 1 - eta (mu/n + lambda), of its
    start and tends to its ridge solution; the m - n directions that no sample touches keep
    (1 - eta lambda)^t.  The train loss is on the noisy labels, the test loss on clean ones.

    Steps are non-negative and increasing, and may lie between whole ones.  ValueError otherwise,
    with spikes, or if eta is so large that a mode oscillates.
    """
    step, ratio = validate.steps("step", step), _ratio(setting)
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
    both = (np.maximum(loss, 1e-300) for loss in (2 * train, test))
    shares = [erf(np.sqrt(setting.threshold / (2 * loss))) for loss in both]
    return Curves(step, train, test, *shares)


def null_loss(setting: RidgeSetting) -> float:
    """Test loss ||theta*||^2 / m of the predictor 0 on isotropic features."""
    return setting.teacher_norm**2 / setting.n_features


def floor(setting: RidgeSetting) -> float:
    """Test loss in the end, for lambda well below (1 - sqrt(n/m))^2 / n.

    (1 - n/m) ||theta*||^2 / m for what no sample shows, sigma^2 n / (m - n) for learnt noise.
    """
    ratio = _ratio(setting)
    return (1 - ratio) * null_loss(setting) + setting.label_noise**2 * ratio / (1 - ratio)


def critical_noise(setting: RidgeSetting) -> float:
    """Label noise sigma_c at which the floor is the threshold; 0 if it is above it without noise.

    The setting's own ``label_noise`` does not enter (derived by us).
    """
    ratio = _ratio(setting)
    room = setting.threshold - (1 - ratio) * null_loss(setting)
    return math.sqrt(max(room, 0.0) * (1 - ratio) / ratio)


def sharp_time(setting: RidgeSetting) -> float:
    """t_2 = ln[(1 - n/m) nu^2 / (c - floor)] / (-2 ln(1 - eta lambda)), in steps (derived by us).

    ``inf`` where the floor is at or above c, or without decay; the closed form of
    ``times(setting)[1]`` for lambda well below the data's smallest eigenvalue.  With k < n spikes
    the start leaks into them, 1 - n/m becomes (1 - n/m) n/(n - k), and the floor is left out.
    """
    n, k, spiked = setting.n_train, setting.n_spikes, setting.n_spikes > 0
    room = setting.threshold - (0.0 if spiked else floor(setting))
    validate.number("n_spikes", k, below=n)
    unseen = (1 - n / setting.n_features) * n / (n - k)
    return clock_time(setting, unseen * setting.init_variance / room) if room > 0 else math.inf


def clock_time(setting, factor: float, depth: int = 1) -> float:
    """Steps in which decay alone lets a loss fall by ``factor``: ln(factor) / (2 depth eta lambda).

    For a model that is homogeneous of degree ``depth`` in its weights; of ``setting`` the rates are
    used, each step multiplying weights by 1 - eta lambda (derived by us).  0 for factors below 1.
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


def bessel_train_loss(setting: RidgeSetting, step) -> np.ndarray:
    """LE's train loss times RR's clock: e^(-2 eta lambda t) (nu^2/2) F(2 eta t / m).

    F(s) = e^(-s(1+a)) I_1(2s sqrt(a)) / (s sqrt(a)) with a = m/n (LE, Eq. 9).  Gradient flow; a
    teacher, noise or spikes raise ValueError (derived by us).
    """
    validate.zero(setting, "teacher_norm", "label_noise", "n_spikes")
    step, ratio = validate.steps("step", step), setting.n_features / setting.n_train
    s = 2 * setting.learning_rate * step / setting.n_features
    argument = np.maximum(2 * s * math.sqrt(ratio), 1e-12)
    form = np.exp(-s * (math.sqrt(ratio) - 1) ** 2) * 2 * i1e(argument) / argument
    clock = np.exp(-2 * setting.learning_rate * setting.weight_decay * step)
    return 0.5 * setting.init_variance * clock * form
