"""The phases of modular addition: maps over fraction, rate and decay; see :mod:`grokbook.phases`.

A run of a cell, the same run continued to tell impossible from stopped too early, and the sweeps.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from grokbook import validate
from grokbook.curves import LEVEL
from grokbook.modular.data import Pairs
from grokbook.modular.loss import StableMaxCrossEntropy
from grokbook.modular.network import MLP
from grokbook.modular.optimizer import AdamW
from grokbook.modular.run import Run, events
from grokbook.modular.setting import Arm, Setting
from grokbook.sweep.grid import Grid, Quantity, Sweep

# Modulo 31, small enough for a thousand runs, as in the papers' code; see "StableMax" for the
# step relative to the weight norm.
_SMALL = Setting(Pairs(p=31), network=partial(MLP.on, width=64))
MAP_ARMS = {
    "plain": _SMALL,
    "⊥Grad": _SMALL.replace(optimizer=AdamW(beta2=0.999, epsilon=1e-8, orthogonal="rescaled")),
    "StableMax": _SMALL.replace(
        loss=StableMaxCrossEntropy(complement=True),
        optimizer=AdamW(beta2=0.95, relative=True),
        gradient_scale=1e10,
    ),
}
MAP_STEPS, MAP_EVERY = 600, 10


def addition(
    seed: int, arm: str, train_fraction: float, learning_rate: float, weight_decay: float
) -> dict[str, float]:
    """One network of NS, 64 neurons wide, on addition modulo 31, for 600 steps at most.

    It ends once the test accuracy has held 0.95 for four records of ten steps.

    Parameters
    ----------
    arm : {"plain", "⊥Grad", "StableMax"}

    Returns
    -------
    dict
        ``memorised``, ``generalised``: steps at which train and test accuracy reach 0.95, ``inf``
        if never; ``train_accuracy``, ``test_accuracy``: fractions at the last step.
    """
    run = _follow(seed, arm, train_fraction, learning_rate, weight_decay, MAP_STEPS)
    found = events(run, LEVEL)
    del found["last_step"]
    return found


# How long the runs of a map are followed to tell impossible from stopped too early.
PATIENCE = (MAP_STEPS, 5 * MAP_STEPS, 20 * MAP_STEPS)


def continued(
    seed: int, arm: str, train_fraction: float, learning_rate: float, weight_decay: float
) -> dict[str, float | np.ndarray]:
    """The run that :func:`addition` makes of the same arguments, to 12,000 steps at most.

    Returns
    -------
    dict
        ``memorised``, ``generalised``: as there; ``train_accuracy``, ``test_accuracy``: (3,)
        medians over the last fifth of the steps up to each of ``PATIENCE``, or the last value of
        a run that ended before.
    """
    run = _follow(seed, arm, train_fraction, learning_rate, weight_decay, PATIENCE[-1])
    found = events(run, LEVEL)
    for part in ("train_accuracy", "test_accuracy"):
        values = getattr(run.curves, part)
        late = [
            values[(run.curves.step > 0.8 * end) & (run.curves.step <= end)] for end in PATIENCE
        ]
        found[part] = np.array([np.median(one) if one.size else values[-1] for one in late])
    del found["last_step"]
    return found


def _follow(seed, arm, train_fraction, learning_rate, weight_decay, n_steps) -> Run:
    """One run of a map's cell, to 95 % of the test pairs or so many steps."""
    setting = MAP_ARMS[validate.choice("arm", arm, tuple(MAP_ARMS))]
    optimizer = replace(setting.optimizer, learning_rate=learning_rate, weight_decay=weight_decay)
    setting = setting.replace(train_fraction=train_fraction, optimizer=optimizer)
    # The stored maps were made with 63 bits of the seed.
    return Arm(setting, n_steps, MAP_EVERY, stop_at=LEVEL).run(seed % 2**63)


OUTPUTS = {
    "memorised": Quantity("steps", "train accuracy reaches 0.95"),
    "generalised": Quantity("steps", "test accuracy reaches 0.95"),
    "train_accuracy": Quantity("fraction", "train accuracy at the last step"),
    "test_accuracy": Quantity("fraction", "test accuracy at the last step"),
}
MAP_FRACTION = [0.5, 0.6, 0.7, 0.8, 0.9]
MAP_RATE = [0.003, 0.01, 0.03, 0.1]
MAP_DECAY = [0.0, 0.1, 0.3, 1.0, 3.0, 10.0]
# Where the other axis is varied.  With a relative step larger rates do not fit at all.
ONE_RATE = {"plain": 0.03, "⊥Grad": 0.03, "StableMax": 0.01}
ONE_FRACTION = 0.7

AXES = {
    "arm": Quantity("1", "plain AdamW, ⊥Grad or StableMax"),
    "train_fraction": Quantity("fraction", "share of the pairs that is for training"),
    "learning_rate": Quantity("1", "η, of AdamW; relative to the weight norm for StableMax"),
    "weight_decay": Quantity("1", "λ, decoupled"),
}


def _map(name: str, arm: str, about: str, **axes) -> Sweep:
    """A map of one arm; an axis is given by its values for small, book and paper."""
    seeds = {"small": 1, "book": 5, "paper": 100}
    return Sweep(
        name=f"modular-{name}-{SHORT[arm]}",
        function=addition,
        axes=AXES,
        outputs=OUTPUTS,
        grids={
            size: Grid(
                {"arm": [arm]} | {one: values[k] for one, values in axes.items()},
                n_seeds,
                CPU_SECONDS[arm],
            )
            for k, (size, n_seeds) in enumerate(seeds.items())
        },
        about=f"{about}, {arm}: phases of addition modulo 31",
        packages=("torch",),
    )


def _tenths_of_decades(low: int, high: int) -> list[float]:
    """Ten values a decade from 10**low to 10**high."""
    return [float(f"{10 ** (k / 10):.4g}") for k in range(10 * low, 10 * high + 1)]


SHORT = {"plain": "plain", "⊥Grad": "perp", "StableMax": "stablemax"}
CPU_SECONDS = {"plain": 0.8, "⊥Grad": 1.2, "StableMax": 0.9}
_DECAYS = (MAP_DECAY[1::2], MAP_DECAY, [0.0, *_tenths_of_decades(-2, 1)])


def _patience(arm: str, fractions: list[float], decays: list[float]) -> dict[str, list]:
    """Cells of an arm's map over fraction and decay."""
    axes = {"arm": [arm], "train_fraction": fractions}
    return axes | {"learning_rate": [ONE_RATE[arm]], "weight_decay": decays}


def _continued(name: str, arm: str, small: tuple, book: tuple, cpu_seconds: float) -> Sweep:
    """Runs of an arm's map, continued; grids by their fractions and decays."""
    late = {
        f"{part}_accuracy": Quantity("fraction", f"{part} accuracy, median of the last fifth")
        for part in ("train", "test")
    }
    return Sweep(
        name=name,
        function=continued,
        axes=AXES,
        outputs=OUTPUTS | late,
        dims=dict.fromkeys(late, ("patience",)),
        labels={"patience": list(PATIENCE)},
        grids={
            "small": Grid(_patience(arm, *small), 3, 1),
            "book": Grid(_patience(arm, *book), 3, cpu_seconds),
            "paper": Grid(_patience(arm, MAP_FRACTION, MAP_DECAY), 5, cpu_seconds),
        },
        about=f"NS: runs of the {arm} map, continued to 20 times as many steps",
        packages=("torch",),
    )


SWEEPS = (
    *(
        _map(
            "fraction",
            arm,
            "NS: training fraction and weight decay",
            train_fraction=(
                MAP_FRACTION[::2],
                MAP_FRACTION,
                [round(0.025 * k, 3) for k in range(12, 39)],
            ),
            learning_rate=[[ONE_RATE[arm]]] * 3,
            weight_decay=_DECAYS,
        )
        for arm in CPU_SECONDS
    ),
    *(
        _map(
            "rate",
            arm,
            "NS: learning rate and weight decay",
            train_fraction=[[ONE_FRACTION]] * 3,
            learning_rate=(MAP_RATE[::2], MAP_RATE, _tenths_of_decades(-3, -1)),
            # Without the largest, which is too much at every rate.
            weight_decay=(MAP_DECAY[1:-1:2], MAP_DECAY[:-1], _DECAYS[2]),
        )
        for arm in CPU_SECONDS
    ),
    _continued(
        "modular-patience",
        "plain",
        ([0.7], [1.0]),
        ([0.5, 0.7, 0.9], [0.0, 0.1, 1.0, 10.0]),
        18,
    ),
    _continued(
        "modular-patience-stablemax",
        "StableMax",
        ([0.9], [1.0]),
        ([0.5, 0.9], [0.0, 1.0, 10.0]),
        18,
    ),
)
