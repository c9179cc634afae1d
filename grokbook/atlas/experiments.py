"""Declared runs of the atlas."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grokbook.atlas import freezing
from grokbook.logistic.setting import LogisticSetting
from grokbook.results import StoredRun

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


RUNS = (
    StoredRun(
        name="atlas-freezing",
        function=float32_freezing,
        parameters={
            "seeds": list(range(10)),
            "n_steps": 5 * 2**19,
            "every": 2**14,
            "n_control": 3,
        },
        about="logistic regression in float32 until it stands still: 10 runs",
        cpu_seconds=180,
        quick={"seeds": [0], "n_steps": 2**14, "n_control": 1},
    ),
)
