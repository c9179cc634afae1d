"""How a run comes to its limit accuracy, and so how long it waits for a level just below.

With A(t) rising to A_inf and delta = (A_inf - A*) / (1 - A*), the time at which the level A* is
passed is the inverse of the approach: the level moves within one run, and the run shows its law.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import gammaincc, ndtr, ndtri

from grokbook import validate
from grokbook.linear import LinearSetting
from grokbook.linear import simulate as linear_simulate
from grokbook.linear import theory as linear_theory
from grokbook.logistic import LogisticSetting, flow, limits
from grokbook.logistic import simulate as logistic_simulate
from grokbook.logistic import theory as logistic_theory


def distance(accuracy, limit) -> np.ndarray:
    """delta = (limit - accuracy) / (1 - accuracy): 1 if the limit is 1, 0 at the edge.

    ``accuracy`` is an array of levels below 1; ValueError if one is not, or the limit is above 1.
    """
    accuracy = validate.array("accuracy", accuracy)
    limit = validate.number("limit", limit, above=0, at_most=1)
    if np.any((accuracy < 0) | (accuracy >= 1)):
        raise ValueError(f"accuracy reaches {accuracy.max():g}: must be in [0, 1)")
    return (limit - accuracy) / (1 - accuracy)


def linear_approach(setting: LinearSetting, seed: int, step) -> tuple[np.ndarray, float]:
    """Distance to the edge along one run without decay, and the law's slope d step / d ln(1/delta).

    The accuracy is that of the population, from the run's exact test loss.  The slope is
    d_out / (4 eta nu) with the smallest eigenvalue nu > 0 of the run's own covariance.
    ValueError if there is weight decay or label noise, with which other modes come last.

    Returns
    -------
    delta (n_steps,), slope (steps)
    """
    validate.zero(setting, "weight_decay", "label_noise")
    inputs = linear_simulate.draw(setting, seed).inputs
    small = inputs @ inputs.T if setting.n_train < setting.d_in else inputs.T @ inputs
    slowest = np.linalg.eigvalsh(small / setting.n_train)[0]
    slope = setting.d_out / (4 * setting.learning_rate * slowest)
    long = np.append(validate.steps("step", step), max(1e3 * slope, 2 * step[-1]))
    loss = linear_simulate.trajectory(setting, long, [seed], n_test=1).test_loss[0]
    # 1 - A of linear_theory.accuracy: a draw with few null directions may end within 1e-16 of 1.
    half = setting.d_out / 2
    missed = gammaincc(half, half * setting.accuracy_threshold / loss)
    return (missed[:-1] - missed[-1]) / missed[:-1], float(slope)


def logistic_approach(setting: LogisticSetting, seed: int, depth) -> tuple[np.ndarray, np.ndarray]:
    """Distance to the edge and log t along one run above lambda = 1/2, exponential loss.

    ValueError if the draw is not separable: its accuracy tends to 1.

    Parameters
    ----------
    depth : (n,) array
        Increasing values of beta = -b, from above 0 on.

    Returns
    -------
    delta (n,), log_step (n,)
    """
    depth = np.append(0.0, validate.array("depth", depth, ndim=1))
    inputs, weights = logistic_simulate.draw(setting, seed)
    margin = limits.margin(inputs)
    if not margin:
        raise ValueError(f"seed = {seed}: must draw points that are separable from the origin")
    path = flow.bias_clock(inputs, 0 * weights, depth, learning_rate=setting.learning_rate)
    spread = setting.noise_scale * np.linalg.norm(path.weights[1:], axis=1)
    # By the upper tails, which keep their digits: 1 - A = Phi(-beta / r).
    missed, last = ndtr(-depth[1:] / spread), ndtr(-1 / (setting.noise_scale * margin))
    return (missed - last) / missed, path.log_step[1:]


def linear_ratio(setting: LinearSetting, delta: float, level: float) -> float:
    """lambda >= 1 at which the limit of the mean accuracy is ``delta`` away from the level (LE)."""
    wanted = level + _share(delta) * (1 - level)
    if wanted >= 1:
        return 1.0
    initial = (1 + setting.init_scale**2) / (2 * setting.d_out)
    return 1 / (1 - linear_theory.loss_level(setting, wanted) / initial)


def logistic_ratio(noise_scale: float, delta: float, level: float) -> float:
    """lambda > 1/2 at which the limit of the accuracy is ``delta`` < 1 away from the level (LS)."""
    wanted = level + _share(delta) * (1 - level)
    if wanted >= 1:
        raise ValueError("delta = 1: must be below 1, as that is every lambda up to 1/2")
    return logistic_theory.ratio_of_margin(1 / (noise_scale**2 * float(ndtri(wanted))))


def _share(delta):
    return validate.number("delta", delta, above=0, at_most=1)


def time_at(delta, time, wanted) -> np.ndarray:
    """Time at which a falling distance is last above each ``wanted`` one, linear in ln delta.

    ``inf`` where the record ends before; of an accuracy that overshoots its limit, what comes
    after the limit is passed is left out.
    """
    delta, time = validate.array("delta", delta, ndim=1), validate.array("time", time, ndim=1)
    inside = np.cumprod(delta > 0).astype(bool)
    falling = np.minimum.accumulate(delta[inside])
    clock = -np.log(falling)
    found = np.interp(-np.log(wanted), clock, time[inside])
    return np.where(np.asarray(wanted) >= falling[-1], found, math.inf)
