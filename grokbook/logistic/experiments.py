"""Declared experiments of paper LS: runs of its own size, and the delay over lambda and sigma.

The theory beside the sweep is ``grokbook.logistic.theory.generalisation_time`` for lambda < 1/2;
above, the population accuracy stays below 1 and the level may never be reached.
"""

from __future__ import annotations

import numpy as np

from grokbook.logistic import limits, simulate
from grokbook.logistic.setting import LogisticSetting
from grokbook.sweep.grid import Grid, Quantity, Sweep

N_TRAIN = 400
LAST_STEP = 1e10
N_STEPS = 150
# Fig. 1: ten records a decade; the paper's size, and one of which a run takes seconds.
FIGURE_STEP = [0.0, *(float(one) for one in np.geomspace(1, 1e9, 91))]
SIZES = [4000, 40_000]
SIDES = [0.4, 0.45, 0.48, 0.49, 0.52, 0.55]
ADAM_STEP = [0, *sorted({round(10 ** (k / 20)) for k in range(72)}), 4000]


def flow(seed: int, n_train: int, aspect_ratio: float) -> dict[str, np.ndarray]:
    """One gradient flow to 1e9 steps with the parameters of LS Fig. 1.

    At N = 40,000 it takes about 170 CPU seconds, for 400 gradients, and 11 GB.

    Returns
    -------
    dict
        At the steps ``FIGURE_STEP``: the four curves, ``bias`` and ``spread`` (sigma ||S||);
        ``gradients`` spent.
    """
    setting = LogisticSetting(aspect_ratio, n_train)
    runs = simulate.flow(setting, FIGURE_STEP, [seed], tolerance=1e-3)
    return _first(runs) | {"gradients": runs.gradients[0]}


def adam(seed: int) -> dict[str, np.ndarray]:
    """One run of Adam with the parameters of LS Fig. 5; the learning rate is ours.

    Returns
    -------
    dict
        At the steps ``ADAM_STEP``: the four curves, ``bias`` and ``spread``; ``resting_spread``,
        sigma ||S_inf|| of the draw, ``inf`` if it is separable from the origin.
    """
    setting = LogisticSetting(0.495, 4000, 1.0)
    try:
        rest = np.linalg.norm(limits.minimiser(simulate.draw(setting, seed)[0]).weights)
    except limits.SeparableError:
        rest = np.inf
    return _first(simulate.adam(setting, ADAM_STEP, [seed])) | {"resting_spread": rest}


def _first(runs: simulate.Runs) -> dict[str, np.ndarray]:
    found = {name: getattr(runs.curves, name)[0] for name in CURVES}
    return found | {"bias": runs.bias[0], "spread": runs.spread[0]}


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

CURVES = {
    "train_loss": Quantity("nats", "mean logistic loss on the training points"),
    "test_loss": Quantity("nats", "mean logistic loss of the population"),
    "train_accuracy": Quantity("fraction", "training points that are correct"),
    "test_accuracy": Quantity("fraction", "of the population that is correct"),
}
OUTPUTS = CURVES | {
    "bias": Quantity("1", "b, mean output on the population"),
    "spread": Quantity("1", "σ‖S‖, standard deviation of the output"),
}

RUNS = (
    Sweep(
        name="logistic-large",
        function=flow,
        axes={
            "n_train": Quantity("1", "training points N"),
            "aspect_ratio": Quantity("1", "λ = dimensions per training point"),
        },
        outputs=OUTPUTS | {"gradients": Quantity("1", "gradients spent")},
        dims=dict.fromkeys(OUTPUTS, ("step",)),
        labels={"step": FIGURE_STEP},
        grids={"book": Grid({"n_train": SIZES, "aspect_ratio": SIDES}, [0], 85.0)},
        about="LS Fig. 1 at the paper's size: one gradient flow a λ on 40,000 points, and on 4,000",
    ),
    Sweep(
        name="logistic-adam",
        function=adam,
        axes={},
        outputs=OUTPUTS | {"resting_spread": Quantity("1", "σ‖S∞‖, inf if separable")},
        dims=dict.fromkeys(OUTPUTS, ("step",)),
        labels={"step": ADAM_STEP},
        grids={"book": Grid({}, range(6), 37.0)},
        about="LS Fig. 5 at the paper's size: six runs of Adam on 4,000 points",
    ),
)

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
