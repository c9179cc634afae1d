"""Runs of GT: the dense network, its tickets and their controls, one seed each, and their table.

A table has a row for each run: which arm, which seed, its times and its curves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from grokbook.curves import LEVEL
from grokbook.modular.run import Run, schedule
from grokbook.modular.setting import Setting
from grokbook.modular.train import Trainer
from grokbook.tickets import masks
from grokbook.tickets.setting import RATE

# Steps after generalisation at which the dense run ends and its mask is taken.
WAIT = 200
RECORD = {"every": 20, "first": 120}
NORM_ARMS = ("dense", "ticket", *(f"dense, L{p} norm of the ticket" for p in (1, 2)))
NO_DECAY_RATES = (0.6, 0.7, 0.8, 0.9)


class Table:
    """Collects runs as rows; :meth:`of` finds an arm, :meth:`arrays` gives all for a store.

    Curves are kept every 20 steps, at longer distances beyond 18,000 steps.
    """

    def __init__(self, n_steps: int):
        self.record = schedule(n_steps, every=20 * max(1, n_steps // 9000), first=120)
        self.rows: list[dict] = []

    def add(self, arm: str, seed: int, run: Run) -> None:
        """One run; its curves are continued by their last values."""
        norms = [float(torch.linalg.vector_norm(run.last, p)) for p in (1, 2)]
        self.rows.append(
            {
                "arm": arm,
                "seed": seed,
                "t_mem": run.t_mem,
                "t_gen": run.t_gen,
                "best": run.best,
                "ended": run.kept[-1],
                "norm": norms,
                "train_accuracy": run.continued("train_accuracy", self.record),
                "test_accuracy": run.continued("test_accuracy", self.record),
            }
        )

    def of(self, arm: str, name: str = "t_gen") -> np.ndarray:
        """One entry a run of an arm, in the order of adding; ValueError for an unknown arm."""
        found = [row[name] for row in self.rows if row["arm"] == arm]
        if not found:
            known = list(dict.fromkeys(row["arm"] for row in self.rows))
            raise ValueError(f"arm = {arm!r}: must be one of {known}")
        return np.array(found)

    def arrays(self) -> dict[str, np.ndarray]:
        """``step`` (n_steps,), and one entry or row a run of everything else."""
        columns = {name: np.array([row[name] for row in self.rows]) for name in self.rows[0]}
        return {"step": np.array(self.record)} | columns


def dense_run(
    setting: Setting, seed: int, n_steps: int, *, keep: Sequence[int] = (), wait: int = WAIT
) -> tuple[Trainer, Run]:
    """A dense run to ``wait`` steps after generalisation; and its trainer.

    Weights are kept every 50 steps (of long runs 180 times), and at the steps ``keep``.
    """
    trainer, record = setting.trainer(seed), schedule(n_steps, **RECORD)
    keep = [*range(0, n_steps, max(50, n_steps // 180)), *keep]
    return trainer, trainer.run(record, keep=keep, stop_at=LEVEL, wait=wait)


def ticket_run(
    setting: Setting,
    seed: int,
    mask: torch.Tensor | None,
    n_steps: int,
    *,
    weights: torch.Tensor | None = None,
) -> Run:
    """A masked (or otherwise started) run to 100 steps after generalisation."""
    trainer = setting.trainer(seed, mask=mask, weights=weights)
    return trainer.run(schedule(n_steps, every=10, first=120), stop_at=LEVEL, wait=100)


def norm_arms(
    setting: Setting,
    seed: int,
    trainer: Trainer,
    dense: Run,
    n_steps: int,
    keep: Sequence[int],
    *,
    rate: float = RATE,
) -> dict[str, Run]:
    """A dense run taken on to ``n_steps``, its ticket, and dense networks with the ticket's norms.

    ``trainer`` and ``dense`` are those of :func:`dense_run`; weights are kept at the steps ``keep``
    in all arms, by the names of ``NORM_ARMS``.
    """
    initial, mask = setting.initial(seed), masks.magnitude(dense.last, rate)
    record = schedule(n_steps, **RECORD)
    starts = {"ticket": {"mask": mask}} | {
        arm: {"weights": initial * masks.norm_ratio(initial, mask, order)}
        for order, arm in enumerate(NORM_ARMS[2:], start=1)
    }
    rest = [step for step in record if step > trainer.step]
    runs = {"dense": dense.then(trainer.run(rest, keep=keep)) if rest else dense}
    for arm, start in starts.items():
        runs[arm] = setting.trainer(seed, **start).run(record, keep=keep)
    return runs


def norms_of(runs: Mapping[str, Run], keep: Sequence[int]) -> np.ndarray:
    """L1 and L2 norm of all weights at the steps ``keep``; (n_runs, n_keep, 2)."""
    sizes = [
        [[torch.linalg.vector_norm(run.at(step), p) for p in (1, 2)] for step in keep]
        for run in runs.values()
    ]
    return np.array(sizes, dtype=np.float32)


def transplants(
    setting: Setting, initial: torch.Tensor, fresh: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Weights that share only the signs, or only the sizes, of ``initial``; (n_weights,) each.

    Equal sizes are the root mean square of the matrix; other sizes and signs those of ``fresh``.
    Raises ValueError if the two differ in length.
    """
    if fresh.shape != initial.shape:
        raise ValueError(f"fresh has shape {tuple(fresh.shape)}: must be {tuple(initial.shape)}")
    equal = torch.empty_like(initial)
    for span in setting.spans().values():
        equal[span] = initial[span].square().mean().sqrt()
    signs = torch.sign(initial)
    return {
        "initial signs, other sizes": signs * fresh.abs(),
        "initial signs, equal sizes": signs * equal,
        "initial sizes, other signs": initial.abs() * torch.sign(fresh),
    }


def add_no_decay(table: Table, setting: Setting, seed: int, dense: Run, n: int) -> None:
    """The dense network and tickets of ``NO_DECAY_RATES``, ``n`` steps without weight decay."""
    free = setting.replace(optimizer=replace(setting.optimizer, weight_decay=0.0))
    record = schedule(n, every=10, first=120)
    table.add("dense, no decay", seed, free.trainer(seed).run(record))
    for rate in NO_DECAY_RATES:
        mask = masks.magnitude(dense.last, rate)
        table.add(f"no decay, k = {rate}", seed, free.trainer(seed, mask=mask).run(record))
