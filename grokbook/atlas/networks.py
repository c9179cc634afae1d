"""The trained networks among the atlas's models, as the same record (needs torch)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from grokbook import validate
from grokbook.curves import Curves
from grokbook.modular.maps import MAP_ARMS
from grokbook.modular.run import CURVES, schedule, stack
from grokbook.modular.setting import Setting
from grokbook.results import Stored


def decayed(train_fraction: float, weight_decay: float) -> Setting:
    """Addition modulo 31 of the phase diagrams by plain AdamW of rate 0.03, with weight decay."""
    setting = MAP_ARMS["plain"]
    optimizer = replace(setting.optimizer, learning_rate=0.03, weight_decay=weight_decay)
    return setting.replace(train_fraction=train_fraction, optimizer=optimizer)


ADDITION = decayed(0.7, 1.0)


def addition(
    seeds: Iterable[int],
    setting: Setting = ADDITION,
    n_steps: int = 600,
    stop_at: float | None = None,
) -> Curves:
    """Networks on modular addition (NS); runs that stop keep their last values."""
    record = schedule(n_steps, every=10, first=60)
    runs = [setting.trainer(seed).run(record, stop_at=stop_at) for seed in seeds]
    return stack(runs).curves


def tickets(stored: Stored, which: int) -> Curves:
    """Of the stored run ``tickets-transformer``: its dense networks (0) or their tickets (1)."""
    validate.choice("which", which, (0, 1))
    return Curves(stored["step"], *(stored[name][which] for name in CURVES))
