"""Declared runs of the atlas: small XOR networks coming to rest, float32 standing still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from grokbook.atlas import freezing, models
from grokbook.logistic.setting import LogisticSetting
from grokbook.results import StoredRun
from grokbook.sweep.grid import Grid, Quantity, Sweep

NARROW = replace(models.XOR, width=10)
DECADES = 3.4


def xor_edge(seed: int) -> dict[str, np.ndarray]:
    """One XOR network of ten neurons at omega = 3 alpha, followed for 2,512 steps.

    Returns
    -------
    dict
        ``train_accuracy``, ``test_accuracy`` at the steps ``clock(DECADES, 20)`` of the models.
    """
    run = models.xor([seed], NARROW, DECADES)
    return {"train_accuracy": run.train_accuracy[0], "test_accuracy": run.test_accuracy[0]}


FREEZING = LogisticSetting(0.3, n_train=64, learning_rate=0.04)


def float32_freezing(
    seeds: Sequence[int], n_steps: int, every: int, n_control: int
) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    """Gradient descent wholly in float32, and in float64 for the first ``n_control`` seeds.

    Returns
    -------
    dict
        ``step``; ``bias``, ``spread``, ``moving`` and ``last_move`` of
        :class:`grokbook.atlas.freezing.Descent`, and ``control_bias``, ``control_last_move``.
    """
    step = np.arange(0, n_steps + 1, every)
    single = freezing.descend(FREEZING, step, seeds, dtype="float32")
    double = freezing.descend(FREEZING, step, seeds[:n_control])
    record, control = ("seed", "step"), ("control", "step")
    return {
        "step": (("step",), step),
        "bias": (record, single.bias),
        "spread": (record, single.spread.astype(np.float32)),
        "moving": (record, single.moving),
        "last_move": (record[:1], single.last_move),
        "control_bias": (control, double.bias),
        "control_last_move": (control[:1], double.last_move),
    }


_RECORDS = {
    "train_accuracy": Quantity("fraction", "accuracy on the training labels, flipped ones too"),
    "test_accuracy": Quantity("fraction", "accuracy on clean labels"),
}

RUNS = (
    Sweep(
        name="atlas-xor-edge",
        function=xor_edge,
        axes={},
        outputs=_RECORDS,
        dims=dict.fromkeys(_RECORDS, ("step",)),
        labels={"step": models.clock(DECADES, 20).tolist()},
        dtypes=dict.fromkeys(_RECORDS, "float32"),
        grids={"book": Grid({}, range(160), 0.5)},
        about="XC, 160 networks of ten neurons to the end of their learning",
    ),
    StoredRun(
        name="atlas-freezing",
        function=float32_freezing,
        parameters={
            "seeds": list(range(10)),
            "n_steps": 5 * 2**19,
            "every": 2**14,
            "n_control": 10,
        },
        about="logistic regression in float32 until it stands still, and in float64: 10 runs",
        cpu_seconds=300,
        quick={"seeds": [0], "n_steps": 2**14, "n_control": 1},
    ),
)
