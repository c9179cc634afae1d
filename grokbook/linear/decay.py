"""Weight decay and thresholds in theory (paper LE, Section 3.3 and Figures 3 and 4).

Closed forms and roots for what the mean curves of ``grokbook.linear.theory`` settle to: plateaus,
the times at which they are reached, and the parameters beyond which a level is never reached.
"""

from __future__ import annotations

import math
from dataclasses import replace

from scipy.optimize import brentq

from grokbook import validate
from grokbook.curves import LEVEL
from grokbook.linear import theory
from grokbook.linear.setting import LinearSetting
from grokbook.linear.spectrum import edge_gap, null_fraction


def small_decay_losses(setting: LinearSetting) -> tuple[float, float]:
    """Limits of the mean train and test loss for gamma / 2 << (1 - sqrt(lambda))^2.

    gamma^2 / (8 (1 - lambda)) and gamma^2 / (8 (1 - lambda)^3) for lambda < 1: half of what LE
    Eq. 16 prints.  gamma^2 / (8 lambda (lambda - 1)) and (1 - 1/lambda) / 2 above (derived by us).
    All per output.  ValueError at lambda = 1 or without weight decay.
    """
    ratio, decay = _decaying(setting), setting.weight_decay
    if ratio == 1:
        raise ValueError("aspect_ratio = 1: must be different from 1 for this form")
    if ratio < 1:
        train, test = decay**2 / (8 * (1 - ratio)), decay**2 / (8 * (1 - ratio) ** 3)
    else:
        train, test = decay**2 / (8 * ratio * (ratio - 1)), 0.5 * null_fraction(ratio)
    return train / setting.d_out, test / setting.d_out


def saturation_times(setting: LinearSetting, times: float = 2.0) -> tuple[float, float]:
    """Steps at which the mean train and test loss have come down to ``times`` > 1 their limits.

    At twice, a decaying run leaves the curve of the run without decay and turns into its plateau.
    lambda < 1 with weight decay; ValueError otherwise.
    """
    if _decaying(setting) >= 1:
        raise ValueError(f"aspect_ratio = {setting.aspect_ratio:g}: must be < 1 here")
    limits = theory.long_time_losses(setting)
    return tuple(theory.time_of_loss(setting, which, times * limits[which]) for which in (0, 1))


def saturation_delay(setting: LinearSetting) -> float:
    """Difference of the saturation times in steps, log(1 + sqrt(lambda)) / (2 eta m^2) (LE Eq. 16).

    With m = 1 - sqrt(lambda); for gamma << m^2, and free of it there.  Read ever closer to the
    limits than at twice, the difference tends to double this.  LE prints it as the grokking time,
    which at a fixed accuracy it is not.  lambda < 1; ValueError otherwise.
    """
    ratio = setting.aspect_ratio
    if ratio >= 1:
        raise ValueError(f"aspect_ratio = {ratio:g}: must be < 1 here")
    rate = 2 * setting.learning_rate / setting.d_out
    return math.log1p(math.sqrt(ratio)) / (rate * edge_gap(ratio) ** 2)


def critical_decay(setting: LinearSetting, level: float = LEVEL) -> tuple[float, float]:
    """Weight decay above which the train, and the test, accuracy never reaches ``level``.

    Root in gamma of the exact limits of the mean losses; the setting's own ``weight_decay`` does
    not enter.  0 where the level is out of reach for any decay.  For lambda < 1 and small epsilon
    the second is sqrt(8 d_out L* (1 - lambda)^3) with L* = ``theory.loss_level`` (derived by us).
    """
    target = theory.loss_level(setting, level)

    def excess(log_decay, which):
        limit = theory.long_time_losses(replace(setting, weight_decay=math.exp(log_decay)))[which]
        return limit - target

    def root(which):
        low, high = math.log(1e-12), math.log(1e6)
        if excess(low, which) >= 0:
            return 0.0
        if excess(high, which) <= 0:
            return math.inf
        return math.exp(brentq(excess, low, high, args=(which,), xtol=1e-13))

    return root(0), root(1)


def largest_ratio(setting: LinearSetting, level: float = LEVEL) -> float:
    """Largest lambda at which the test accuracy reaches ``level``: 1 / (1 - d_out L*).

    With any small weight decay the null directions' loss halves: 1 / (1 - 2 d_out L*) (both derived
    by us).  ``inf`` where every lambda qualifies; the setting's own ``aspect_ratio`` and the size
    of its decay do not enter.
    """
    initial = (1 + setting.init_scale**2) / 2 if not setting.weight_decay else 0.5
    share = setting.d_out * theory.loss_level(setting, level) / initial
    return 1 / (1 - share) if share < 1 else math.inf


def _decaying(setting):
    """The setting's lambda; raise unless it has weight decay and clean labels."""
    if not setting.weight_decay:
        raise ValueError("weight_decay = 0: must be > 0 here")
    validate.zero(setting, "label_noise")
    return setting.aspect_ratio
