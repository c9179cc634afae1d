"""Weight decay over learning rate and decay: when a network generalises, and whether it can (NS
App. E, Fig. 15)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grokbook import validate
from grokbook.modular import arms, scan


def steps_allowed(learning_rate: float, weight_decay: float, *, most: int = 2000) -> int:
    """Steps after which a run with decay is given up: 12 / (rate decay) + 300, at most ``most``.

    Decay shrinks the weights by e in 1 / (rate decay) steps.
    """
    validate.number("learning_rate", learning_rate, above=0)
    validate.number("weight_decay", weight_decay, above=0)
    validate.count("most", most)
    return int(min(most, 12 / (learning_rate * weight_decay) + 300))


def cell(
    learning_rate: float,
    weight_decay: float,
    *,
    p: int,
    width: int,
    train_fraction: float,
    seed: int = 0,
    every: int = 20,
) -> dict[str, float]:
    """One run of addition modulo p under AdamW with decay, until its test accuracy holds 99 %.

    Returns
    -------
    dict
        :func:`grokbook.modular.scan.events`, ``best_test`` accuracy, and the ``weight_norm`` of
        the last record.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    n_steps = steps_allowed(learning_rate, weight_decay) // every * every
    (run,) = arms.run_seeds(
        [seed],
        n_steps=n_steps,
        every=every,
        stop_at=0.99,
        task={"kind": "pairs", "p": p},
        network={"kind": "mlp", "width": width},
        train_fraction=train_fraction,
        optimizer={"learning_rate": learning_rate, "weight_decay": weight_decay},
    )
    return scan.events(run) | {
        "best_test": run.curves.test_accuracy.max(),
        "weight_norm": run.weight_norm[-1],
    }


def sweep(cells: Sequence[Sequence[float]], **setting) -> dict[str, np.ndarray]:
    """:func:`cell` for each (learning rate, decay); arrays of shape (n_cells,)."""
    rows = [
        {"learning_rate": rate, "weight_decay": decay} | cell(rate, decay, **setting)
        for rate, decay in cells
    ]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}
