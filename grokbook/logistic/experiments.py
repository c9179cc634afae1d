"""Sweep of paper LS: the delay over lambda and the noise scale sigma.

The theory beside it is ``grokbook.logistic.theory.generalisation_time`` for lambda < 1/2; above,
the population accuracy stays below 1 and the level may never be reached.
"""

from __future__ import annotations

import numpy as np

from grokbook.logistic import simulate
from grokbook.logistic.setting import LogisticSetting
from grokbook.sweep.grid import Grid, Quantity, Sweep

N_TRAIN = 400
LAST_STEP = 1e10
N_STEPS = 150


def delay(seed: int, aspect_ratio: float, noise_scale: float) -> dict[str, float]:
    """Crossing times of one gradient flow on 400 points, to 1e10 steps (LS Figs. 1 and 2).

    Returns
    -------
    dict
        ``memorisation_time``, ``generalisation_time``, ``delay``: steps at accuracy 0.95, ``inf``
        if never; the delay is ``nan`` if the train accuracy alone never gets there.
        ``last_accuracy``: fraction of the population that is correct at the last step.

    Raises
    ------
    RuntimeError
        If the integrator ended before the last step.
    """
    setting = LogisticSetting(aspect_ratio, n_train=N_TRAIN, noise_scale=noise_scale)
    step = np.append(0.0, np.geomspace(1.0, LAST_STEP, N_STEPS))
    runs = simulate.flow(setting, step, [seed])
    if runs.stopped[0]:
        raise RuntimeError(f"the flow ended at step {runs.curves.step[-1]:g}: {runs.stopped[0]}")
    return {
        "memorisation_time": runs.curves.memorisation_time()[0],
        "generalisation_time": runs.curves.generalisation_time()[0],
        "delay": runs.curves.delay()[0],
        "last_accuracy": runs.curves.test_accuracy[0, -1],
    }


RATIO = [0.2, 0.25, 0.3, 0.34, 0.38, 0.41, 0.44, 0.46, 0.48, 0.5, 0.52, 0.54, 0.56, 0.6, 0.65, 0.7]
SCALE = [0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0]

SWEEPS = (
    Sweep(
        name="logistic-noise",
        function=delay,
        axes={
            "aspect_ratio": Quantity("1", "λ = dimensions per training point"),
            "noise_scale": Quantity("1", "σ, spread of the points over their distance"),
        },
        outputs={
            "memorisation_time": Quantity("steps", "train accuracy reaches 0.95"),
            "generalisation_time": Quantity("steps", "test accuracy reaches 0.95"),
            "delay": Quantity("steps", "generalisation minus memorisation time"),
            "last_accuracy": Quantity("fraction", "test accuracy after 1e10 steps"),
        },
        grids={
            "small": Grid({"aspect_ratio": RATIO[2::5], "noise_scale": SCALE[::4]}, 2, 0.1),
            "book": Grid({"aspect_ratio": RATIO, "noise_scale": SCALE}, 12, 0.1),
            "paper": Grid(
                {
                    "aspect_ratio": [round(0.01 * k, 2) for k in range(10, 91)],
                    "noise_scale": [float(f"{10 ** (k / 20):.4g}") for k in range(-10, 27)],
                },
                100,
                0.1,
            ),
        },
        about="LS: delay over λ and σ, gradient flow on 400 points to 1e10 steps",
    ),
)
