"""Closed and limiting forms of the mean losses of paper LE, without weight decay.

Each takes the setting and the steps as ``grokbook.linear.theory.losses`` does and carries the
factors of several outputs (eta / d_out and 1 / d_out) and of the initial scale, (1 + alpha^2) / 2.
All raise ValueError if the setting has weight decay or label noise, or lies where the form does
not exist.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import erfcx, i1e, lambertw

from grokbook import validate
from grokbook.curves import LEVEL
from grokbook.linear.setting import LinearSetting
from grokbook.linear.spectrum import edge_gap, null_fraction
from grokbook.linear.theory import loss_level


def _initial_loss(setting):
    """L(0) = (1 + alpha^2) / (2 d_out); raise if there is weight decay or label noise."""
    validate.zero(setting, "weight_decay", "label_noise")
    return (1 + setting.init_scale**2) / (2 * setting.d_out)


def _flow_time(setting, step, *, positive=False):
    """tau = eta t / d_out at each step."""
    step = validate.steps("step", step)
    if positive and step[0] == 0:
        raise ValueError("step starts at 0: must be > 0 for this form")
    return setting.learning_rate * step / setting.d_out


def _require_ratio(setting, holds, allowed):
    if not holds:
        ratio = setting.aspect_ratio
        raise ValueError(f"aspect_ratio = {ratio:g}: must be {allowed} for this form")


def train_loss_bessel(setting: LinearSetting, step) -> np.ndarray:
    """Exact mean train loss e^(-s(1+lambda)) I_1(2 s sqrt(lambda)) / (s sqrt(lambda)) (LE Eq. 9).

    s = 4 eta t / d_out; any lambda.  Shape (n_steps,).
    """
    initial, s = _initial_loss(setting), 4 * _flow_time(setting, step)
    ratio = setting.aspect_ratio
    argument = 2 * s * math.sqrt(ratio)
    started = argument > 1e-8  # below, 2 I_1(x) / x = 1 to double precision
    safe = np.where(started, argument, 1.0)
    bessel = np.where(started, 2 * i1e(safe) / safe, np.exp(-argument))
    return initial * np.exp(-s * edge_gap(ratio) ** 2) * bessel


def intermediate_losses(setting: LinearSetting, step) -> tuple[np.ndarray, np.ndarray]:
    """Power laws tau^(-3/2) / (16 sqrt(pi)) and tau^(-1/2) / (2 sqrt(pi)), tau = eta t / d_out.

    Train and test loss near lambda = 1 while 1 << tau << 1 / (1 - sqrt(lambda))^2 (derived by us).
    """
    initial, tau = _initial_loss(setting), _flow_time(setting, step, positive=True)
    unit = initial / math.sqrt(math.pi)
    return unit * tau**-1.5 / 16, unit * tau**-0.5 / 2


def late_losses(setting: LinearSetting, step) -> tuple[np.ndarray, np.ndarray]:
    """Mean train and test loss for eta t >> sqrt(lambda) (LE Eqs. 22 and 23).

    For lambda > 1 the test loss includes its limit, (1 - 1/lambda) of the initial loss.
    """
    initial, tau = _initial_loss(setting), _flow_time(setting, step, positive=True)
    gap = abs(edge_gap(setting.aspect_ratio))
    unit = initial * np.exp(-4 * gap**2 * tau) / setting.aspect_ratio**0.75
    # Gamma(1/2, x) = sqrt(pi) erfc(sqrt(x)), its exponential taken out by erfcx.
    test = unit * (0.5 / np.sqrt(np.pi * tau) - gap * erfcx(2 * gap * np.sqrt(tau)))
    limit = initial * null_fraction(setting.aspect_ratio)
    return unit * tau**-1.5 / (16 * math.sqrt(math.pi)), test + limit


def late_test_loss_leading(setting: LinearSetting, step) -> np.ndarray:
    """Leading late test loss L_tr / (1 - sqrt(lambda))^2 (LE Eq. 11), plus its limit if lambda > 1.

    Needs 4 eta t (1 - sqrt(lambda))^2 >> 1, far later than LE states; lambda = 1 is refused.
    """
    _require_ratio(setting, setting.aspect_ratio != 1, "different from 1")
    train, _ = late_losses(setting, step)
    limit = _initial_loss(setting) * null_fraction(setting.aspect_ratio)
    return train / edge_gap(setting.aspect_ratio) ** 2 + limit


def delay_leading(setting: LinearSetting) -> float:
    """Grokking time in steps for epsilon -> 0 (LE Eq. 12).

    log(1 / m) / (2 eta m^2) with m = 1 - sqrt(lambda), times d_out.  Approached only
    logarithmically in epsilon; ``inf`` at lambda >= 1.
    """
    _initial_loss(setting)
    if setting.aspect_ratio >= 1:
        return math.inf
    gap = edge_gap(setting.aspect_ratio)
    return setting.d_out * math.log(1 / gap) / (2 * setting.learning_rate * gap**2)


def crossing_times_lambert(setting: LinearSetting, level: float = LEVEL) -> tuple[float, float]:
    """Memorisation and generalisation time in steps from the late losses (LE Eqs. 24, 25).

    Solves LE Eq. 11 for the loss of the accuracy ``level``; lambda < 1 only.
    """
    _require_ratio(setting, setting.aspect_ratio < 1, "< 1")
    gap = edge_gap(setting.aspect_ratio)
    target = loss_level(setting, level) / _initial_loss(setting)
    reach = 16 * math.sqrt(math.pi) * setting.aspect_ratio**0.75 * target
    unit = 3 * setting.d_out / (8 * setting.learning_rate * gap**2)

    def time(prefactor):
        return unit * float(lambertw(8 / 3 * gap**2 * (prefactor / reach) ** (2 / 3)).real)

    return time(1.0), time(gap**-2)


def critical_time(setting: LinearSetting, level: float = LEVEL) -> float:
    """Generalisation time in steps near lambda = 1, on both sides of it (derived by us).

    With l = L* / L(0) and tau = eta t / d_out, sqrt(tau) = ierfc(u) / 2 l, where u / ierfc(u) is
    (1 - sqrt(lambda)) / l for lambda <= 1 and -(1 - 1/lambda) / 2 l above; ``inf`` from -1/2 on,
    where the limit of the test loss is L* and lambda = ``decay.largest_ratio``.  The error is of
    relative order 1 - sqrt(lambda) and l.
    """
    share = loss_level(setting, level) / _initial_loss(setting)
    null = null_fraction(setting.aspect_ratio) / share
    if null >= 1:
        return math.inf
    # For u < 0, with v = -u: ierfc(u) = ierfc(v) + 2 v, so ierfc(v) / v = 2 (1 - null) / null.
    ahead = edge_gap(setting.aspect_ratio) / share
    target = math.log(2 * (1 - null) / null) if null else -math.log(ahead) if ahead else math.inf
    v = math.exp(brentq(_ierfc_over(target), -60, 4)) if target < 50 else 0.0
    root = math.exp(-(v**2)) * (1 / math.sqrt(math.pi) - v * erfcx(v)) + (2 * v if null else 0.0)
    return setting.d_out / setting.learning_rate * (root / (2 * share)) ** 2


def _ierfc_over(target):
    """log(ierfc(v) / v) - target as a function of log v."""

    def excess(log_v):
        v = math.exp(log_v)
        return math.log(1 / math.sqrt(math.pi) - v * erfcx(v)) - v**2 - log_v - target

    return excess
