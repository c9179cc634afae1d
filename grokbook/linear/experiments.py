"""Sweeps of paper LE: the delay over lambda and weight decay, and over lambda and outputs.

Runs are drawn without their data (``grokbook.linear.reduced``), which is exact in law.  The theory
beside them is ``grokbook.linear.delay_maps.crossing_maps`` on the same axes.
"""

from __future__ import annotations

import numpy as np

from grokbook.linear import reduced
from grokbook.linear.setting import LinearSetting
from grokbook.sweep.grid import Grid, Quantity, Sweep

D_IN = 1000
# Where there are many outputs: each costs as much as one run with one, and d_out << d_in.
D_IN_FOR_OUTPUTS = 400


def delay_under_decay(seed: int, aspect_ratio: float, weight_decay: float) -> dict[str, float]:
    """Crossing times of one run with weight decay gamma, to 1e7 steps (LE Fig. 4, one output).

    Returns
    -------
    dict
        ``memorisation_time``, ``generalisation_time``, ``delay``: steps at accuracy 0.95, ``inf``
        if never; the delay is ``nan`` if the train accuracy alone never gets there.
    """
    setting = LinearSetting(aspect_ratio, d_in=D_IN, weight_decay=weight_decay)
    return _times(setting, seed, np.geomspace(1, 1e7, 120), 5000)


def delay_by_outputs(seed: int, aspect_ratio: float, d_out: int) -> dict[str, float]:
    """Crossing times of one run with several outputs, to 1e8 steps (LE Fig. 4, without decay).

    Returns
    -------
    dict
        As :func:`delay_under_decay`.
    """
    setting = LinearSetting(aspect_ratio, d_in=D_IN_FOR_OUTPUTS, d_out=d_out)
    return _times(setting, seed, np.geomspace(1, 1e8, 80), 2000)


def _times(setting, seed, step, n_test):
    run = reduced.trajectory(setting, np.append(0, step), [seed], n_test=n_test)
    return {
        "memorisation_time": run.memorisation_time()[0],
        "generalisation_time": run.generalisation_time()[0],
        "delay": run.delay()[0],
    }


ASPECT_RATIO = Quantity("1", "λ = inputs per training sample")
TIMES = {
    "memorisation_time": Quantity("steps", "train accuracy reaches 0.95"),
    "generalisation_time": Quantity("steps", "test accuracy reaches 0.95"),
    "delay": Quantity("steps", "generalisation minus memorisation time"),
}

RATIO = [*(round(0.1 * k, 2) for k in range(1, 8)), 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.1, 1.2]
DECAY = [float(f"{10 ** (k / 4):.3g}") for k in range(-20, -3)]
OUTPUTS = [1, 2, 4, 8, 16, 32, 64]

SWEEPS = (
    Sweep(
        name="linear-decay",
        function=delay_under_decay,
        axes={"aspect_ratio": ASPECT_RATIO, "weight_decay": Quantity("1", "γ, weight decay")},
        outputs=TIMES,
        grids={
            "small": Grid({"aspect_ratio": RATIO[2::4], "weight_decay": DECAY[::4]}, 2, 0.1),
            "book": Grid({"aspect_ratio": RATIO, "weight_decay": DECAY}, 8, 0.1),
            "paper": Grid(
                {
                    "aspect_ratio": [round(0.02 * k, 2) for k in range(1, 61)],
                    "weight_decay": [float(f"{10 ** (k / 15):.4g}") for k in range(-75, -14)],
                },
                100,
                0.1,
            ),
        },
        about="LE Fig. 4: delay over λ and weight decay, 1000 inputs, one output",
    ),
    Sweep(
        name="linear-outputs",
        function=delay_by_outputs,
        axes={"aspect_ratio": ASPECT_RATIO, "d_out": Quantity("1", "number of outputs")},
        outputs=TIMES,
        grids={
            "small": Grid({"aspect_ratio": RATIO[2::4], "d_out": OUTPUTS[:4]}, 2, 0.1),
            "book": Grid({"aspect_ratio": RATIO[2:], "d_out": OUTPUTS}, 8, 0.25),
            "paper": Grid(
                {
                    "aspect_ratio": [round(0.02 * k, 2) for k in range(10, 61)],
                    "d_out": [1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64],
                },
                100,
                0.3,
            ),
        },
        about="LE Fig. 4: delay over λ and the number of outputs, 400 inputs, no decay",
    ),
)
