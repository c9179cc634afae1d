"""Remedies for the delay on addition modulo 31, without weight decay (as in NS) and with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from grokbook.curves import LEVEL
from grokbook.modular.loss import CrossEntropy
from grokbook.modular.maps import MAP_ARMS
from grokbook.modular.setting import Setting
from grokbook.tickets import masks

PAIRS, DECAY, LEARNING_RATE, KEPT = 0.9, 1.0, 0.03, 0.4
# Last step of the runs without weight decay, and with it: there ten times what the control needs.
LAST = {"NS": 1500, "GT": 1200}


def _setting(
    arm: str = "plain", rate: float = LEARNING_RATE, decay: float = 0.0, **changes
) -> Setting:
    setting = MAP_ARMS[arm]
    optimizer = replace(setting.optimizer, learning_rate=rate, weight_decay=decay)
    return setting.replace(train_fraction=PAIRS, optimizer=optimizer, **changes)


def remedied(decay: float) -> dict[str, Setting]:
    """Addition modulo 31 with a weight decay, as it is and with each remedy but the ticket."""
    return {
        "control": _setting(decay=decay),
        "float64": _setting(decay=decay, loss=CrossEntropy("float64")),
        "StableMax": _setting("StableMax", 0.01, decay),
        "⊥Grad": _setting("⊥Grad", decay=decay),
        "weight decay": _setting(decay=3 * decay or DECAY),
    }


def modular_remedies(seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """Remedies on addition modulo 31, without weight decay (as in NS) and with it (as in GT).

    float64 is the format of the loss.  The ticket is the mask of the weights of largest size at the
    end of the decayed control, on the initial weights and without decay.  Runs end once 95 % of the
    test pairs have held.

    Returns
    -------
    dict
        ``"NS: control"``, ``"GT: ⊥Grad"``, ...: generalisation times in steps, (n_seeds,).
    """
    found = {}

    def follow(column, name, seed, setting, mask=None):
        record = range(0, LAST[column] + 1, 10)
        run = setting.trainer(seed, mask=mask).run(record, stop_at=LEVEL)
        found.setdefault(f"{column}: {name}", []).append(run.t_gen)
        return run

    for seed in seeds:
        for column, decay in (("NS", 0.0), ("GT", DECAY)):
            runs = {
                name: follow(column, name, seed, setting)
                for name, setting in remedied(decay).items()
            }
        mask = masks.magnitude(runs["control"].last, 1 - KEPT)
        follow("NS", "ticket", seed, _setting(), mask)
    return {name: np.array(times) for name, times in found.items()}
