"""Settings drawn by seed, what a law says of their generalisation time, and what runs do.

Each case is drawn from a named range by its own seed; the law sees the setting alone, and for
modular addition one run with stronger decay.  Times are steps at the level of the law.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from grokbook import randomness
from grokbook.atlas import models, networks
from grokbook.decay import ridge_simulate, ridge_theory
from grokbook.decay.ridge_setting import RidgeSetting
from grokbook.linear import LinearSetting
from grokbook.linear import simulate as linear_simulate
from grokbook.linear import theory as linear_theory
from grokbook.logistic import LogisticSetting, edge
from grokbook.xor import XorSetting
from grokbook.xor import theory as xor_theory

XOR_LEVEL = 0.8  # that of the law of the XOR network's delay
WEAKEST = 0.2  # of the decays drawn for modular addition, whose first run has decay 1


@dataclass(frozen=True)
class Case:
    """A drawn setting, the generalisation time a law predicts, and the measured one (steps)."""

    setting: Any
    predicted: float
    measured: float

    @property
    def factor(self) -> float:
        """Measured over predicted time; ``inf`` if the level was not reached."""
        return self.measured / self.predicted


def _between(rng, low, high):
    return float(low * (high / low) ** rng.random())


def _median(times):
    """Median of several times; of an even number the earlier one, as some may be inf."""
    return float(np.quantile(times, 0.5, method="lower"))


def linear(seed: int, n_runs: int = 5) -> Case:
    """LE: lambda in 0.3 to 0.9, epsilon in 1e-4 to 1e-2, initial scale 0.3 to 3, d = 300.

    Law: the exact mean curves of infinite size (:func:`grokbook.linear.theory.crossing_times`).
    """
    rng = randomness.generator(seed, 40)
    setting = LinearSetting(
        0.3 + 0.6 * rng.random(),
        d_in=300,
        accuracy_threshold=_between(rng, 1e-4, 1e-2),
        init_scale=_between(rng, 0.3, 3),
    )
    predicted = linear_theory.crossing_times(setting)[1]
    step = np.append(0.0, predicted * np.geomspace(1e-3, 1e2, 120))
    runs = linear_simulate.trajectory(setting, step, range(seed, seed + n_runs))
    return Case(setting, predicted, _median(runs.generalisation_time()))


def logistic(seed: int, n_runs: int = 5) -> Case:
    """LS: lambda in 0.2 to 0.42, sigma in 3 to 6, eta in 0.003 to 0.1, N = 500.

    Law: the one equation of :func:`grokbook.logistic.edge.log_time_to_accuracy`.
    """
    rng = randomness.generator(seed, 41)
    setting = LogisticSetting(
        0.2 + 0.22 * rng.random(),
        n_train=500,
        noise_scale=_between(rng, 3, 6),
        learning_rate=_between(rng, 0.003, 0.1),
    )
    predicted = math.exp(edge.log_time_to_accuracy(setting))
    runs = models.logistic(range(seed, seed + n_runs), setting)
    return Case(setting, predicted, _median(runs.generalisation_time()))


def xor(seed: int, n_runs: int = 10) -> Case:
    """XC: n in 150 to 300, m in 60 to 300, n ||mu||^2 / p in 8 to 20, omega / alpha in 2 to 6.

    Law: :func:`grokbook.xor.theory.memorisation_time` times ``delay_ratio``, for the mean accuracy
    of many runs at level 0.8.  ``inf`` if it is not reached in four times the predicted steps.
    """
    rng = randomness.generator(seed, 42)
    n_train = round(_between(rng, 150, 300))
    setting = XorSetting(
        n_train=n_train,
        width=2 * round(_between(rng, 30, 150)),
        signal_norm=math.sqrt(_between(rng, 8, 20) * 40_000 / n_train),
        step_size=1e-12,
        init_std=1e-12 * _between(rng, 2, 6),
    )
    predicted = xor_theory.memorisation_time(setting, XOR_LEVEL) * xor_theory.delay_ratio(setting)
    runs = models.xor(range(seed, seed + n_runs), setting, math.log10(4 * predicted))
    mean = replace(runs, **{name: one.mean(axis=0) for name, one in _records(runs).items()})
    return Case(setting, predicted, float(mean.generalisation_time(XOR_LEVEL)))


def _records(runs):
    return {name: values for name, values in vars(runs).items() if name != "step"}


def ridge(seed: int) -> Case:
    """RR: n in 50 to 150, m / n in 5 to 20, nu^2 in 0.1 to 10, decay in 1e-5 to 1e-3; one run.

    Law: the clock of decay, :func:`grokbook.decay.ridge_theory.sharp_time`, at test loss 0.01.
    """
    rng = randomness.generator(seed, 43)
    n_train = round(_between(rng, 50, 150))
    setting = RidgeSetting(
        n_train=n_train,
        n_features=round(n_train * _between(rng, 5, 20)),
        init_variance=_between(rng, 0.1, 10),
        weight_decay=_between(rng, 1e-5, 1e-3),
    )
    measured = ridge_simulate.times(setting, [seed])[0, 1]
    return Case(setting, ridge_theory.sharp_time(setting), float(measured))


def addition(seed: int) -> Case:
    """NS: fraction of the pairs in 0.7 to 0.9, decay in 0.2 to 0.6, modulo 31, one run.

    Law: a run of the same seed with decay 1 generalises after t steps, so one with decay gamma
    after t / gamma; ``inf`` if it does not in four times as many.
    """
    rng = randomness.generator(seed, 44)
    fraction, decay = 0.7 + 0.2 * rng.random(), _between(rng, WEAKEST, 0.6)
    first = networks.addition([seed], networks.decayed(fraction, 1.0), 1000, stop_at=0.95)
    predicted = float(first.generalisation_time()[0]) / decay
    setting = networks.decayed(fraction, decay)
    later = networks.addition([seed], setting, round(4 * predicted), stop_at=0.95)
    return Case(setting, predicted, float(later.generalisation_time()[0]))
