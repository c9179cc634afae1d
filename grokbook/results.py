"""Stored results of runs and of sweeps: labelled arrays, provenance, checksum, and the command.

A run is declared by its subject package and lies in ``grokbook/data`` as ``NAME.npz`` with
``NAME.json`` beside it; a finished sweep as ``NAME-SIZE``.  Loading refuses what does not fit the
declaration.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np

import grokbook
from grokbook import declared, machine, parts, randomness, source, validate

SCHEMA = 1


@dataclass(frozen=True)
class StoredRun:
    """A computation too long for a chapter.

    Attributes
    ----------
    name : str
        Name of the files in ``grokbook/data``.
    function : callable
        Module-level function of ``grokbook`` returning a mapping from name to array, or to a pair
        of dimensions and array, ``(("seed", "step"), losses)``.
    parameters : mapping
        Keyword arguments of ``function``: JSON values, frozen dataclasses, functions and partial
        ones; see :func:`grokbook.declared.written`.
    about : str
        One line for the list.
    cpu_seconds : float
        Rough cost, for the list.
    packages : tuple of str
        Further packages whose versions matter, such as ``("torch",)``.
    quick : mapping
        Parameters in place of the declared ones for a part of it that takes seconds, if there is
        one; see :mod:`grokbook.recheck`.
    seeds : tuple of int
        Those that :meth:`with_seeds` put in place of the declared ones.
    dims, labels, says : mapping
        By name of an array or a dimension: its dimensions, where the function does not say them;
        labels of a dimension that are not among the arrays; attributes as ``units``.  An array
        with the name of a dimension labels it.
    """

    name: str
    function: Callable[..., Mapping]
    parameters: Mapping
    about: str
    cpu_seconds: float
    packages: tuple[str, ...] = ()
    quick: Mapping = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    dims: Mapping[str, Sequence[str]] = field(default_factory=dict)
    labels: Mapping[str, Sequence] = field(default_factory=dict)
    says: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """The command that makes it again."""
        other = f" --seeds {','.join(map(str, self.seeds))} --out DIR" if self.seeds else ""
        return f"python -m grokbook run {self.name}{other}"

    @property
    def qualified_name(self) -> str:
        """Module and name of the function."""
        return f"{self.function.__module__}.{self.function.__qualname__}"

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the function, of what it uses, and of the code that its parameters bring.

        What is declared beside it does not count.
        """
        return source.fingerprint(self.function, *declared.code_in(self.parameters))

    def recorded_parameters(self) -> dict:
        """The parameters as they stand in the provenance: :func:`grokbook.declared.written`."""
        return declared.written(self.parameters)

    def with_seeds(self, seeds: Sequence[int]) -> StoredRun:
        """The same with other seeds, in any number.

        Its result goes to a folder of its own: under the run's name it does not load.  ValueError
        for bad seeds, or if it takes none, or one and not several.
        """
        seeds = different_seeds(seeds)
        if "seeds" in self.parameters:
            other = {"seeds": list(seeds)}
        elif "seed" in self.parameters and len(seeds) == 1:
            other = {"seed": seeds[0]}
        else:
            takes = "one seed" if "seed" in self.parameters else "no seeds"
            raise ValueError(f"seeds = {list(seeds)}: {self.name!r} takes {takes}")
        return replace(self, parameters={**self.parameters, **other}, seeds=seeds)

    def part(self) -> Mapping[str, np.ndarray]:
        """A part of the result, computed now."""
        return _apart(self.function(**{**self.parameters, **self.quick}))[0]


@dataclass(frozen=True)
class Stored:
    """A loaded result: its arrays, its provenance, and one line to show under the figure.

    ``result["name"]`` is a plain array, also of labels; :meth:`sel` and ``dataset`` go by labels.
    """

    arrays: dict[str, np.ndarray]
    provenance: dict
    note: str
    run: StoredRun

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name] if name in self.arrays else np.asarray(self.run.labels[name])

    @cached_property
    def dataset(self):
        """All of it as an ``xarray.Dataset``."""
        import xarray as xr  # pip install grokbook alone loads arrays without it

        dims = {**self.run.dims, **self.provenance.get("dims", {})}
        used = {one for along in dims.values() for one in along}
        found = {}
        for name, values in {**self.run.labels, **self.arrays}.items():
            along = (name,) if name in used else [f"{name}_{k}" for k in range(np.ndim(values))]
            found[name] = (dims.get(name, along), values, self.run.says.get(name))
        coords = {name: found.pop(name) for name in [*found] if name in used}
        facts = {"about": self.run.about, "note": self.note, "provenance": self.provenance}
        return xr.Dataset(found, coords, facts)

    def sel(self, *labels, **more):
        """What stands at these labels, as ``xarray.Dataset.sel`` has it."""
        return self.dataset.sel(*labels, **more)


def find(name: str) -> StoredRun:
    """The declared run of a name; only its part is imported.  ValueError if there is none."""
    return stored(parts.find("runs", name))


def stored(declared) -> StoredRun:
    """What a declared run is stored as."""
    return declared if isinstance(declared, StoredRun) else declared.stored()


def different_seeds(seeds: Sequence[int]) -> tuple[int, ...]:
    """Seeds as whole numbers; ValueError unless they are different ones from 0 to 1,000,002."""
    seeds = [validate.count("seeds", seed, at_least=0) for seed in seeds]
    if not seeds or len(set(seeds)) < len(seeds) or max(seeds) >= randomness.STRIDE:
        raise ValueError(
            f"seeds = {seeds}: must be different whole numbers from 0 to {randomness.STRIDE - 1}"
        )
    return tuple(seeds)


def make(run: StoredRun, folder: Path | None = None) -> Path:
    """Compute a run and store it; nothing is left behind if it fails.  Returns the ``.npz``.

    ValueError, before any work, if the folder cannot be written to or holds the book's results and
    these are of other seeds, or if a parameter cannot be recorded.
    """
    folder = parts.output_folder(folder, instead="--seeds" if run.seeds else "")
    run.recorded_parameters()
    wall, cpu = time.perf_counter(), time.process_time()
    arrays, dims = _apart(run.function(**run.parameters))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return save(run, arrays, cpu, wall, folder=folder, **({"dims": dims} if dims else {}))


def save(
    run: StoredRun, arrays: Mapping, cpu: float, wall: float, *, folder: Path, **facts
) -> Path:
    """Write a result with its provenance; nothing is left behind if it fails."""
    path = folder / f"{run.name}.npz"
    facts |= {"cpu_seconds": round(cpu, 1), "wall_seconds": round(wall, 1)}
    with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as scratch:
        half = Path(scratch) / path.name
        np.savez_compressed(half, **arrays)
        write_facts(half.with_suffix(".json"), _provenance(run, arrays, half) | facts)
        os.replace(half, path)
        os.replace(half.with_suffix(".json"), path.with_suffix(".json"))
    return path


def write_facts(path: Path, facts: Mapping) -> None:
    """Write the provenance of a result."""
    text = json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False)
    path.write_text(f"{text}\n", "utf-8")


def load(name: str, folder: Path | None = None, *, run: StoredRun | None = None) -> Stored:
    """Load a stored result after checking it against its declaration.

    ValueError for an unknown name, missing or damaged files, another schema, function or
    parameters, a wrong checksum, arrays that differ from the recorded shapes, or seeds shifted
    otherwise than those of this process.

    Parameters
    ----------
    name : str
        Name of a declared run.
    folder : path, optional
        Where it lies; ``grokbook/data`` by default.
    run : StoredRun, optional
        The declaration, if it is not in the catalogue.
    """
    run = find(name) if run is None else run
    path = parts.data_folder(folder) / f"{name}.npz"
    if not path.is_file() or not path.with_suffix(".json").is_file():
        raise ValueError(f"store {name!r}: not there; make it with: {run.command}")
    try:
        facts = json.loads(path.with_suffix(".json").read_text("utf-8"))
    except ValueError as error:
        raise ValueError(
            f"store {name!r}: damaged ({error}); remake it with: {run.command}"
        ) from error
    _require(run, facts, _checksum(path))
    with np.load(path) as content:
        arrays = {key: content[key] for key in content.files}
    if _shapes(arrays) != facts["arrays"]:
        raise ValueError(f"store {name!r}: arrays = {_shapes(arrays)}: must be {facts['arrays']}")
    return Stored(arrays, facts, _note(run, facts), run)


def agree(live, stored, *, within: float | None = None, factor: float | None = None) -> bool:
    """Whether what ran again agrees with what is stored, in every entry.

    ValueError if the shapes differ, are empty, or not exactly one of ``within`` and ``factor``
    is given, a number >= 0.

    Parameters
    ----------
    live, stored : arrays of one shape
        What is inf or nan (it never happened, or was not measured) must be so in both.
    within : float
        Largest distance allowed.
    factor : float
        Largest ratio allowed, of either to the other; the signs must be the same.
    """
    live, stored = np.asarray(live, dtype=float), np.asarray(stored, dtype=float)
    if live.shape != stored.shape or not live.size:
        raise ValueError(f"live has shape {live.shape}: must be {stored.shape}, and not empty")
    if (within is None) == (factor is None):
        raise ValueError(f"within = {within}, factor = {factor}: must be exactly one of them")
    validate.number("within or factor", within if factor is None else factor, at_least=0)
    number = np.isfinite(stored)
    if not np.array_equal(live[~number], stored[~number], equal_nan=True):
        return False
    live, stored = live[number], stored[number]
    if factor is None:
        return bool(np.all(np.abs(live - stored) <= within))
    small, large = np.sort(np.abs([live, stored]), axis=0)
    return bool(np.all((live * stored >= 0) & (large <= factor * small)))


def _require(run: StoredRun, facts: Mapping, checksum: str) -> None:
    for key, wanted in {
        "schema": SCHEMA,
        "function": run.qualified_name,
        "parameters": run.recorded_parameters(),
        "sha256": checksum,
    }.items():
        if not _same(facts.get(key), wanted):
            raise ValueError(
                f"store {run.name!r}: {key} = {facts.get(key)!r}: must be {wanted!r}; "
                f"remake it with: {run.command}"
            )
    # The book's own results are for every shift: with it a chapter asks whether they hold.
    if (shift := facts.get("seed_shift", 0)) not in (0, randomness.shift()):
        raise ValueError(
            f"store {run.name!r}: its seeds were shifted: must be loaded with "
            f"{randomness.VARIABLE}={shift}"
        )


def _same(found, wanted) -> bool:
    """Equality of two records, of floats up to 1e-12: processors round their last digits apart."""
    if isinstance(wanted, float) and isinstance(found, int | float):
        return math.isclose(found, wanted, rel_tol=1e-12)
    if isinstance(wanted, dict) and isinstance(found, dict):
        return found.keys() == wanted.keys() and all(_same(found[k], wanted[k]) for k in wanted)
    if isinstance(wanted, list) and isinstance(found, list):
        return len(found) == len(wanted) and all(map(_same, found, wanted))
    return found == wanted


def _provenance(run: StoredRun, arrays: Mapping[str, np.ndarray], path: Path) -> dict:
    shift = randomness.shift()
    return {
        "schema": SCHEMA,
        "name": run.name,
        "function": run.qualified_name,
        "parameters": run.recorded_parameters(),
        "source": run.fingerprint,
        "versions": machine.versions(run.packages) | {"grokbook": grokbook.__version__},
        "commit": machine.commit(),
        "cpu": machine.processor(),
        "instructions": machine.instructions(),
        **({"seed_shift": shift} if shift else {}),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "command": run.command,
        "arrays": _shapes(arrays),
        "sha256": _checksum(path),
    }


def _note(run: StoredRun, facts: Mapping) -> str:
    line = (
        f"Stored result: {facts['cpu_seconds']:.0f} CPU seconds{_beside(facts)} on "
        f"{facts['date']}; "
        f"remake with: {facts['command']}."
    )
    if "seed_shift" in facts:
        line += f" Seeds shifted by {facts['seed_shift']}."
    changed = [
        f"{name} {facts['versions'].get(name, 'none')}, now {now}"
        for name, now in machine.versions(run.packages).items()
        if facts["versions"].get(name) != now
    ]
    if facts["source"] != run.fingerprint:
        changed.append("another state of its source")
    return line + (f" Made with {'; '.join(changed)}." if changed else "")


def _beside(facts: Mapping) -> str:
    """What computed beside the processor, if anything did."""
    return f" and as many of a GPU ({facts['accelerator']})" if "accelerator" in facts else ""


def _apart(found: Mapping) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """Arrays and dimensions of what a function returned."""
    arrays, dims = {}, {}
    for name, value in found.items():
        if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str | tuple):
            along, value = value
            dims[name] = [along] if isinstance(along, str) else list(along)
            if np.ndim(value) != len(dims[name]):
                raise ValueError(f"{name}: has {np.ndim(value)} dimensions, not {dims[name]}")
        arrays[name] = np.asarray(value)
    return arrays, dims


def _shapes(arrays: Mapping[str, np.ndarray]) -> dict:
    return {name: [str(value.dtype), *value.shape] for name, value in sorted(arrays.items())}


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
