"""One setting of each model of the book, and its runs as the same record.

Each function trains the runs of several seeds and returns :class:`grokbook.curves.Curves` with the
seeds on the leading axis; the setting is an argument, so that other settings go the same way.
The networks that need torch are in :mod:`grokbook.atlas.networks`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from grokbook import validate
from grokbook.curves import Curves, time_difference
from grokbook.decay import ridge_simulate
from grokbook.decay.ridge_setting import RidgeSetting
from grokbook.linear import LinearSetting
from grokbook.linear import simulate as linear_simulate
from grokbook.logistic import LogisticSetting
from grokbook.logistic import simulate as logistic_simulate
from grokbook.xor import XorSetting
from grokbook.xor import simulate as xor_simulate

LINEAR = LinearSetting(0.9, d_in=400)
LOGISTIC = LogisticSetting(0.45, n_train=500)
XOR = XorSetting(width=100, step_size=1e-12, init_std=3e-12)
RIDGE = RidgeSetting(weight_decay=1e-4)


def clock(decades: float, per_decade: int = 15) -> np.ndarray:
    """Step 0 and whole steps up to 10^decades, evenly spaced in their logarithm; (n_steps,)."""
    validate.number("decades", decades, above=0)
    validate.count("per_decade", per_decade)
    late = np.geomspace(1, 10**decades, round(decades * per_decade) + 1)
    return np.append(0.0, np.unique(np.round(late)))


def linear(seeds: Iterable[int], setting: LinearSetting = LINEAR) -> Curves:
    """Linear students (LE) to step 10^6, by :mod:`grokbook.linear.simulate`."""
    return linear_simulate.trajectory(setting, clock(6, 20), seeds, n_test=2000)


def logistic(seeds: Iterable[int], setting: LogisticSetting = LOGISTIC) -> Curves:
    """Logistic regression (LS) to step 10^10, by :mod:`grokbook.logistic.simulate`."""
    return logistic_simulate.flow(setting, clock(10), seeds).curves


def xor(seeds: Iterable[int], setting: XorSetting = XOR, decades: float = 3.0) -> Curves:
    """ReLU networks on XOR clusters (XC) in small steps, by :mod:`grokbook.xor.simulate`."""
    step = clock(decades, 20)
    runs = [xor_simulate.descend(setting, step, seed, loss="linear") for seed in seeds]
    return xor_simulate.curves(runs)


def ridge(seeds: Iterable[int], setting: RidgeSetting = RIDGE) -> Curves:
    """Ridge regression by gradient descent with weight decay (RR), to step 10^6."""
    return ridge_simulate.trajectory(setting, clock(6, 20), seeds)


def delays(curves: Curves, levels) -> np.ndarray:
    """Generalisation minus memorisation time at each level; (n_levels, n_seeds).

    Both times at the same level; ``inf`` if the test accuracy never holds it in the record.
    """
    return np.array(
        [
            time_difference(curves.memorisation_time(one), curves.generalisation_time(one))
            for one in validate.array("levels", levels, ndim=1)
        ]
    )
