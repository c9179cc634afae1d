"""Tables of GT that are stored: every kind of mask and control, over seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grokbook import validate
from grokbook.modular.loss import CrossEntropy
from grokbook.modular.run import Run
from grokbook.modular.setting import Setting
from grokbook.tickets import masks
from grokbook.tickets.controls import (
    WAIT,
    Table,
    add_no_decay,
    dense_run,
    norm_arms,
    norms_of,
    ticket_run,
    transplants,
)
from grokbook.tickets.setting import QUICK, RATE

# Of the cross-entropy; the complement takes the right class's gradient as minus the others' sum.
PRECISIONS = {"float64": CrossEntropy("float64"), "float32": CrossEntropy()} | {
    "complement": CrossEntropy(complement=True)
}


def norm_controls(
    seeds: Sequence[int],
    *,
    n_steps: int,
    keep: Sequence[int],
    setting: Setting = QUICK,
    wait: int = WAIT,
) -> dict[str, np.ndarray]:
    """The runs of :func:`grokbook.tickets.controls.norm_arms` of many seeds, for a store.

    Masks are taken ``wait`` steps after generalisation.

    Returns
    -------
    dict
        What :meth:`grokbook.tickets.controls.Table.arrays` gives; ``kept`` (n_keep,) and ``norms``
        (n_runs, n_keep, 2).
    """
    table, norms = Table(n_steps), []
    for seed in seeds:
        trainer, dense = dense_run(setting, seed, n_steps, keep=keep, wait=wait)
        runs = norm_arms(setting, seed, trainer, dense, n_steps, keep)
        for arm, run in runs.items():
            table.add(arm, seed, run)
        norms.append(norms_of(runs, keep))
    return table.arrays() | {"kept": np.array(keep), "norms": np.concatenate(norms)}


def pruned_at_initialisation(
    seeds: Sequence[int], *, setting: Setting, n_steps: int
) -> dict[str, np.ndarray]:
    """Networks under masks of all ``masks.CRITERIA``, made at initialisation, for a store.

    A run ends 100 steps after it has generalised, at ``n_steps`` at the latest.

    Returns
    -------
    dict
        What :meth:`grokbook.tickets.controls.Table.arrays` gives; arms are called by the criteria.
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
        What :meth:`grokbook.tickets.controls.Table.arrays` gives; arms are called "k = 0.1",
        "mask at step 100", "mask at 0.5 t_gen".
    """
    table = Table(n_steps)
    for seed in seeds:
        trainer, dense = dense_run(setting, seed, n_steps, keep=early, wait=wait)
        end = int(dense.kept[-1])
        table.add("dense", seed, dense)
        for rate in rates:
            mask = masks.magnitude(dense.last, rate)
            table.add(f"k = {rate}", seed, ticket_run(setting, seed, mask, ticket_steps))
        last = round(max(shares, default=0) * dense.t_gen) if np.isfinite(dense.t_gen) else 0
        if last > end:
            dense = dense.then(trainer.run([last], keep=range(end, last, 250)))
        for name, step in mask_times(dense, shares, early).items():
            mask, n = masks.magnitude(dense.at(step), RATE), end if step in early else ticket_steps
            table.add(name, seed, ticket_run(setting, seed, mask, n))
    return table.arrays()


def carried(seeds: Sequence[int], *, n_steps: int) -> dict[str, np.ndarray]:
    """The ticket, and what is left of it when mask, weights, signs or sizes are exchanged.

    In the quick setting, for a store.  A dense run ends 200 steps after it has generalised, at
    ``n_steps`` at the latest; the others with it, or 100 steps after they have generalised.

    Returns
    -------
    dict
        What :meth:`grokbook.tickets.controls.Table.arrays` gives.
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


def without_decay(seeds: Sequence[int], *, n_steps: int) -> dict[str, np.ndarray]:
    """Dense networks in the quick setting, and the runs without decay, for a store.

    The latter are those of :func:`grokbook.tickets.controls.add_no_decay`.
    Without decay each run has ``n_steps``; with it, it ends 200 steps after generalisation.
    """
    table = Table(n_steps)
    for seed in seeds:
        dense = dense_run(QUICK, seed, n_steps)[1]
        table.add("dense", seed, dense)
        add_no_decay(table, QUICK, seed, dense, n_steps)
    return table.arrays()


def mask_times(dense: Run, shares: Sequence[float], early: Sequence[int]) -> dict[str, int]:
    """Steps at which masks are taken: early ones, and shares of the generalisation time."""
    wanted = {f"mask at step {step}": step for step in early}
    wanted |= {f"mask at {share:g} t_gen": share * dense.t_gen for share in shares}
    return {
        name: int(dense.kept[np.argmin(np.abs(dense.kept - one))])
        for name, one in wanted.items()
        if np.isfinite(one)
    }


def late_masks(
    seeds: Sequence[int], *, precisions: Sequence[str], n_steps: int, short: int
) -> dict[str, np.ndarray]:
    """Tickets at 200 steps and at t_gen after generalisation, by precision of the loss.

    Arms are called "float32: ticket" and so on.  ValueError for a precision not of ``PRECISIONS``.
    """
    table = Table(n_steps)
    for precision in precisions:
        validate.choice("precisions", precision, tuple(PRECISIONS))
    for precision in precisions:
        one, part = QUICK.replace(loss=PRECISIONS[precision]), Table(n_steps)
        for seed in seeds:
            trainer, dense = dense_run(one, seed, n_steps)
            part.add("dense", seed, dense)
            mask = masks.magnitude(dense.last, RATE)
            part.add("ticket", seed, ticket_run(one, seed, mask, short // 2))
            if np.isfinite(dense.t_gen):
                later = trainer.run([max(round(2 * dense.t_gen), trainer.step)])
                part.add("dense at 2 t_gen", seed, later)
                mask = masks.magnitude(later.last, RATE)
                part.add("mask at 2 t_gen", seed, ticket_run(one, seed, mask, short // 2))
        table.rows += [row | {"arm": f"{precision}: {row['arm']}"} for row in part.rows]
    return table.arrays()
