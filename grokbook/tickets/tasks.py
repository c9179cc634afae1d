"""Tickets beyond the MLP on pairs (GT Figure 2): of any trainer; the transformer as an arm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from grokbook.modular.path import Path, follow, schedule
from grokbook.modular.train import CURVES, Trainer
from grokbook.tickets import masks
from grokbook.tickets.setting import TicketSetting, impose

RATE = 0.6


def dense_and_ticket(
    make: Callable[[], Trainer], dense_record: Sequence[int], ticket_record: Sequence[int]
) -> tuple[Path, Path]:
    """A dense run, which ends 150 steps after generalisation, and its ticket.

    ``make`` gives the same trainer at step 0 each time.  60 % of the weights go; biases stay.
    """
    first = make()
    dense = follow(first, dense_record, wait=150)
    mask = masks.matrices_only(masks.magnitude(dense.last, RATE), first.network)
    second = make()
    impose(second, mask)
    return dense, follow(second, ticket_record, wait=150)


def pairs_arm(
    seeds: Sequence[int], *, setting: Mapping, n_steps: int, ticket_steps: int
) -> dict[str, np.ndarray]:
    """Dense runs and tickets of a :class:`TicketSetting`, for a store.

    Returns
    -------
    dict
        ``step`` (n_records,) and the curves (2, n_seeds, n_records) of dense runs and tickets,
        continued by the last value where a run has ended; ``ended`` (2, n_seeds).
    """
    one = TicketSetting(**setting)
    dense, ticket = schedule(n_steps, every=20), schedule(ticket_steps, every=20)
    runs = [dense_and_ticket(lambda seed=seed: one.trainer(seed), dense, ticket) for seed in seeds]
    columns = list(zip(*runs, strict=True))
    curves = {
        name: np.array([[run.continued(name, dense) for run in runs] for runs in columns])
        for name in CURVES
    }
    ended = np.array([[run.step[-1] for run in runs] for runs in columns])
    return {"step": np.array(dense), "ended": ended} | curves
