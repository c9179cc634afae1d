"""Sweeps of GT: every kind of mask and control, over seeds, as one table.

A table has a row for each run: which arm, which seed, its times and its curves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from grokbook.curves import LEVEL
from grokbook.modular.loss import CrossEntropy
from grokbook.modular.run import Run, schedule
from grokbook.modular.setting import Setting
from grokbook.modular.train import Trainer
from grokbook.tickets import masks
from grokbook.tickets.setting import QUICK

RATE = 0.6
# Steps after generalisation at which the dense run ends and its mask is taken.
WAIT = 200
RECORD = {"every": 20, "first": 120}
FRACTIONS = (0.25, 0.5, 0.75, 1.0)
NORM_ARMS = ("dense", "ticket", *(f"dense, L{p} norm of the ticket" for p in (1, 2)))
RATES = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
NO_DECAY_RATES = (0.6, 0.7, 0.8, 0.9)
LATE = (2.0,)
# Of the cross-entropy; the complement takes the right class's gradient as minus the others' sum.
PRECISIONS = {"float64": CrossEntropy("float64"), "float32": CrossEntropy()} | {
    "complement": CrossEntropy(complement=True)
}


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


def norm_controls(
    seeds: Sequence[int],
    *,
    n_steps: int,
    keep: Sequence[int],
    setting: Setting = QUICK,
    wait: int = WAIT,
) -> dict[str, np.ndarray]:
    """The runs of :func:`norm_arms` of many seeds, for a store.

    Masks are taken ``wait`` steps after generalisation.

    Returns
    -------
    dict
        What :meth:`Table.arrays` gives; ``kept`` (n_keep,) and ``norms`` (n_runs, n_keep, 2).
    """
    table, norms = Table(n_steps), []
    for seed in seeds:
        trainer, dense = dense_run(setting, seed, n_steps, keep=keep, wait=wait)
        runs = norm_arms(setting, seed, trainer, dense, n_steps, keep)
        for arm, run in runs.items():
            table.add(arm, seed, run)
        norms.append(norms_of(runs, keep))
    return table.arrays() | {"kept": np.array(keep), "norms": np.concatenate(norms)}


def add_rates(
    table: Table,
    setting: Setting,
    seed: int,
    dense: Run,
    n: int,
    rates: Sequence[float] = RATES,
) -> None:
    """Tickets of several pruning rates, cut at the end of a dense run."""
    for rate in rates:
        mask = masks.magnitude(dense.last, rate)
        table.add(f"k = {rate}", seed, ticket_run(setting, seed, mask, n))


def pruned_at_initialisation(
    seeds: Sequence[int], *, setting: Setting, n_steps: int
) -> dict[str, np.ndarray]:
    """Networks under masks of all ``masks.CRITERIA``, made at initialisation, for a store.

    A run ends 100 steps after it has generalised, at ``n_steps`` at the latest.

    Returns
    -------
    dict
        What :meth:`Table.arrays` gives; arms are called by the criteria.
    """
    table = Table(n_steps)
    for seed in seeds:
        for criterion in masks.CRITERIA:
            mask = masks.at_initialisation(criterion, setting, seed, RATE)
            table.add(criterion, seed, ticket_run(setting, seed, mask, n_steps))
    return table.arrays()


def tickets_of(
    seeds: Sequence[int],
    *,
    setting: Setting,
    n_steps: int,
    wait: int,
    ticket_steps: int,
    rates: Sequence[float] = (),
    early: Sequence[int] = (),
    shares: Sequence[float] = (),
) -> dict[str, np.ndarray]:
    """Dense runs, and tickets by pruning rate and by when the mask is taken, for a store.

    A dense run ends ``wait`` steps after it has generalised, at ``n_steps`` at the latest, and the
    tickets of all ``rates`` are cut there.  With k = 0.6 masks are taken at the steps ``early`` and
    at ``shares`` of the generalisation time, for which it goes on where they exceed its end.  A
    ticket ends 100 steps after it has generalised, else after ``ticket_steps``; one of an early
    mask goes on to where its dense run ended.

    Returns
    -------
    dict
        What :meth:`Table.arrays` gives; arms are called "k = 0.1", "mask at step 100", "mask at
        0.5 t_gen".
    """
    table = Table(n_steps)
    for seed in seeds:
        trainer, dense = dense_run(setting, seed, n_steps, keep=early, wait=wait)
        end = int(dense.kept[-1])
        table.add("dense", seed, dense)
        add_rates(table, setting, seed, dense, ticket_steps, rates)
        last = round(max(shares, default=0) * dense.t_gen) if np.isfinite(dense.t_gen) else 0
        if last > end:
            dense = dense.then(trainer.run([last], keep=range(end, last, 250)))
        for name, step in mask_times(dense, shares, early).items():
            mask, n = masks.magnitude(dense.at(step), RATE), end if step in early else ticket_steps
            table.add(name, seed, ticket_run(setting, seed, mask, n))
    return table.arrays()


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


def carried(seeds: Sequence[int], *, n_steps: int) -> dict[str, np.ndarray]:
    """The ticket, and what is left of it when mask, weights, signs or sizes are exchanged.

    In the quick setting, for a store.  A dense run ends 200 steps after it has generalised, at
    ``n_steps`` at the latest; the others with it, or 100 steps after they have generalised.

    Returns
    -------
    dict
        What :meth:`Table.arrays` gives.
    """
    table, spans = Table(n_steps), QUICK.spans()
    for seed in seeds:
        dense = dense_run(QUICK, seed, n_steps)[1]
        end = int(dense.kept[-1])
        table.add("dense", seed, dense)
        mask, early = (masks.magnitude(one, RATE) for one in (dense.last, dense.at(50)))
        initial, fresh = QUICK.initial(seed), QUICK.initial(100 + seed)
        arms = {"ticket": (mask, initial)}
        for name, weights in transplants(QUICK, initial, fresh).items():
            arms[name] = (mask, weights)
        arms["fresh initial weights"] = (mask, fresh)
        arms["shuffled in its layers"] = (masks.shuffled(mask, spans, 100 + seed), initial)
        arms["mask at step 50"] = (early, initial)
        for name, (cut, weights) in arms.items():
            table.add(name, seed, ticket_run(QUICK, seed, cut, end, weights=weights))
    return table.arrays()


def add_no_decay(table: Table, setting: Setting, seed: int, dense: Run, n: int) -> None:
    """The dense network and tickets of ``NO_DECAY_RATES``, ``n`` steps without weight decay."""
    free = setting.replace(optimizer=replace(setting.optimizer, weight_decay=0.0))
    record = schedule(n, every=10, first=120)
    table.add("dense, no decay", seed, free.trainer(seed).run(record))
    for rate in NO_DECAY_RATES:
        mask = masks.magnitude(dense.last, rate)
        table.add(f"no decay, k = {rate}", seed, free.trainer(seed, mask=mask).run(record))


def without_decay(seeds: Sequence[int], *, n_steps: int) -> dict[str, np.ndarray]:
    """Dense networks in the quick setting, and all of :func:`add_no_decay`, for a store.

    Without decay each run has ``n_steps``; with it, it ends 200 steps after generalisation.
    """
    table = Table(n_steps)
    for seed in seeds:
        dense = dense_run(QUICK, seed, n_steps)[1]
        table.add("dense", seed, dense)
        add_no_decay(table, QUICK, seed, dense, n_steps)
    return table.arrays()


def mask_times(
    dense: Run, shares: Sequence[float] = FRACTIONS, early: Sequence[int] = (50,)
) -> dict[str, int]:
    """Steps at which masks are taken: early ones, and shares of the generalisation time."""
    wanted = {f"mask at step {step}": step for step in early}
    wanted |= {f"mask at {share:g} t_gen": share * dense.t_gen for share in shares}
    return {
        name: int(dense.kept[np.argmin(np.abs(dense.kept - one))])
        for name, one in wanted.items()
        if np.isfinite(one)
    }


def _late_masks(table, setting, seed, trainer, t_gen, n_steps):
    """Train the dense network on, and take masks long after it has generalised."""
    for factor in LATE if np.isfinite(t_gen) else ():
        later = trainer.run([max(round(factor * t_gen), trainer.step)])
        table.add(f"dense at {factor:g} t_gen", seed, later)
        mask = masks.magnitude(later.last, RATE)
        table.add(f"mask at {factor:g} t_gen", seed, ticket_run(setting, seed, mask, n_steps))


def late_masks(
    seeds: Sequence[int], *, precisions: Sequence[str], n_steps: int, short: int
) -> dict[str, np.ndarray]:
    """Tickets at 200 steps and at t_gen after generalisation, by precision of the loss.

    Arms are called "float32: ticket" and so on.
    """
    table = Table(n_steps)
    for precision in precisions:
        one, part = QUICK.replace(loss=PRECISIONS[precision]), Table(n_steps)
        for seed in seeds:
            trainer, dense = dense_run(one, seed, n_steps)
            part.add("dense", seed, dense)
            mask = masks.magnitude(dense.last, RATE)
            part.add("ticket", seed, ticket_run(one, seed, mask, short // 2))
            _late_masks(part, one, seed, trainer, dense.t_gen, short // 2)
        table.rows += [row | {"arm": f"{precision}: {row['arm']}"} for row in part.rows]
    return table.arrays()
