"""Event times of an arm over a grid of two settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from grokbook import validate
from grokbook.modular import arms
from grokbook.modular.train import Run


def events(run: Run, level: float = 0.95) -> dict[str, float]:
    """When a run memorised and generalised, and where it ended.

    Returns
    -------
    dict
        ``memorised``, ``generalised``: steps at which train and test accuracy reach ``level``,
        ``inf`` if never; ``train_accuracy``, ``test_accuracy``, ``last_step`` of the last record.
    """
    curves = run.curves
    return {
        "memorised": float(curves.memorisation_time(level)),
        "generalised": float(curves.generalisation_time(level)),
        "train_accuracy": float(curves.train_accuracy[-1]),
        "test_accuracy": float(curves.test_accuracy[-1]),
        "last_step": int(curves.step[-1]),
    }


def scan(
    seeds: Sequence[int],
    rows: Mapping[str, Sequence[float]],
    columns: Mapping[str, Sequence[float]],
    *,
    level: float = 0.95,
    **options,
) -> dict[str, np.ndarray]:
    """Train every cell of a grid and keep when it memorised and when it generalised.

    Parameters
    ----------
    seeds : sequence of int
    rows, columns : mapping with one item
        Name and values of a setting of :func:`~grokbook.modular.arms.run_seeds`; a dot reaches into
        a mapping, as in ``"optimizer.weight_decay"``.
    level : float
        Accuracy that counts as memorised or generalised.
    options
        Everything else, as for :func:`~grokbook.modular.arms.run_seeds`.

    Returns
    -------
    dict
        As :func:`events`, each of shape (n_rows, n_columns, n_seeds).

    Raises
    ------
    ValueError
        If rows or columns do not name exactly one setting each.
    """
    for name, axis in {"rows": rows, "columns": columns}.items():
        if len(axis) != 1:
            raise ValueError(f"{name} = {dict(axis)}: must name exactly one setting")
    validate.number("level", level, above=0, below=1)
    ((row_name, row_values),) = rows.items()
    ((column_name, column_values),) = columns.items()
    found = [
        [
            [
                list(events(run, level).values())
                for run in arms.run_seeds(
                    seeds, **_with(_with(options, row_name, one), column_name, other)
                )
            ]
            for other in column_values
        ]
        for one in row_values
    ]
    names = ("memorised", "generalised", "train_accuracy", "test_accuracy", "last_step")
    return dict(zip(names, np.moveaxis(np.array(found), -1, 0), strict=True))


def _with(options: Mapping, path: str, value) -> dict:
    """A copy of nested options with one value set."""
    name, _, rest = path.partition(".")
    return {**options, name: _with(options.get(name, {}), rest, value) if rest else value}
