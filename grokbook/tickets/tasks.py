"""Dense runs and their tickets, of any setting: beyond the MLP on pairs (GT Figure 2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grokbook.curves import LEVEL
from grokbook.modular.run import CURVES, Run, schedule
from grokbook.modular.setting import Setting
from grokbook.tickets import masks
from grokbook.tickets.setting import RATE


def dense_and_ticket(
    setting: Setting, seed: int, dense_record: Sequence[int], ticket_record: Sequence[int]
) -> tuple[Run, Run]:
    """A dense run, which ends 150 steps after generalisation, and its ticket.

    60 % of the weights go; biases stay.
    """
    first = setting.trainer(seed)
    dense = first.run(dense_record, stop_at=LEVEL, wait=150)
    mask = masks.matrices_only(masks.magnitude(dense.last, RATE), first.network)
    ticket = setting.trainer(seed, mask=mask)
    return dense, ticket.run(ticket_record, stop_at=LEVEL, wait=150)


def pairs_arm(
    seeds: Sequence[int], *, setting: Setting, n_steps: int, ticket_steps: int
) -> dict[str, np.ndarray]:
    """Dense runs and tickets of a setting, for a store.

    Returns
    -------
    dict
        ``step`` (n_records,) and the curves (2, n_seeds, n_records) of dense runs and tickets,
        continued by the last value where a run has ended; ``ended`` (2, n_seeds).
    """
    dense, ticket = schedule(n_steps, every=20), schedule(ticket_steps, every=20)
    runs = [dense_and_ticket(setting, seed, dense, ticket) for seed in seeds]
    columns = list(zip(*runs, strict=True))
    curves = {
        name: np.array([[run.continued(name, dense) for run in runs] for runs in columns])
        for name in CURVES
    }
    ended = np.array([[run.kept[-1] for run in runs] for runs in columns])
    return {"step": np.array(dense), "ended": ended} | curves
