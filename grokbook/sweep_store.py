"""Finished sweeps: stored results of ``grokbook.store`` that load as labelled datasets."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from grokbook import store
from grokbook.sweep_grid import Sweep, run_seed

SEED = "seed"


@dataclass(frozen=True)
class FinishedSweep(store.StoredRun):
    """One size of a sweep as a stored result, which says how it is made and checks its source."""

    @property
    def command(self) -> str:
        """The command that makes it again."""
        return self.parameters["command"]

    def part(self) -> dict[str, np.ndarray]:
        """The first run of the first cell and of the last, computed now."""
        values = [list(values) for _, values in self.parameters["axes"]]
        names = [name for name, _ in self.parameters["axes"]]
        found = []
        for end in (0, -1):
            cell = {name: one[end] for name, one in zip(names, values, strict=True)}
            found.append(self.function(seed=run_seed(cell, 0), **cell))
        return {name: np.array([one[name] for one in found]) for name in found[0]}


def declared(sweep: Sweep, size: str) -> FinishedSweep:
    """What the stored result of a size must be; ValueError if there is no such size."""
    grid = sweep.grid(size)
    return FinishedSweep(
        name=f"{sweep.name}-{size}",
        function=sweep.function,
        parameters={
            "command": sweep.command(size),
            # As a list: with another order of the axes the arrays would be transposed.
            "axes": [[name, list(values)] for name, values in grid.axes.items()],
            "n_seeds": grid.n_seeds,
            "outputs": list(sweep.outputs),
        },
        about=sweep.about,
        cpu_seconds=grid.cpu_seconds * grid.n_runs,
        packages=sweep.packages,
    )


def dataset(sweep: Sweep, size: str, arrays: Mapping[str, np.ndarray], note: str) -> xr.Dataset:
    """Results with labelled axes and units.

    Parameters
    ----------
    sweep, size
    arrays : mapping
        Output to an array of the axes, then n_seeds.
    note : str
        One line to show under a figure.
    """
    grid = sweep.grid(size)
    axes = {
        name: (name, list(values), _labels(sweep.axes[name])) for name, values in grid.axes.items()
    }
    seeds = (SEED, np.arange(grid.n_seeds), {"units": "1", "long_name": "seed number"})
    data = {
        name: ((*grid.axes, SEED), np.asarray(arrays[name]), _labels(quantity))
        for name, quantity in sweep.outputs.items()
    }
    facts = {"sweep": sweep.name, "size": size, "about": sweep.about, "note": note}
    return xr.Dataset(data, axes | {SEED: seeds}, facts)


def save(
    sweep: Sweep,
    size: str,
    arrays: Mapping[str, np.ndarray],
    spent: Mapping[str, float],
    folder: Path,
) -> Path:
    """Write a finished sweep with its provenance; returns the path of the ``.npz``.

    ``spent`` holds ``cpu_seconds`` and ``wall_seconds``.  Nothing is left behind if it fails.
    """
    run = declared(sweep, size)
    target = folder / f"{run.name}.npz"
    with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as scratch:
        half = Path(scratch) / target.name
        np.savez_compressed(half, **arrays)
        facts = store._provenance(run, arrays, half)
        facts |= {name: round(value, 1) for name, value in spent.items()}
        store.write_facts(half.with_suffix(".json"), facts)
        os.replace(half, target)
        os.replace(half.with_suffix(".json"), target.with_suffix(".json"))
    return target


def load(sweep: Sweep, size: str = "book", folder: Path | None = None) -> xr.Dataset:
    """Load a finished sweep after checking it against its declaration.

    Returns
    -------
    xarray.Dataset
        Its attribute ``note`` is one line to show under a figure: cost, date, command, and, where
        they differ, versions and source; ``provenance`` is all that is known of its making.

    Raises
    ------
    ValueError
        If it is not there, or damaged, or its schema, function or parameters are others.
    """
    run = declared(sweep, size)
    try:
        stored = store.load(run.name, folder, run=run)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"store {run.name!r}: damaged ({error}); remake it with: {run.command}"
        ) from error
    out = dataset(sweep, size, stored.arrays, stored.note)
    return out.assign_attrs(provenance=stored.provenance)


def _labels(quantity):
    return {"units": quantity.unit, "long_name": quantity.about}
