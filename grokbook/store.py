"""Stored results: arrays, provenance, checksum, and the command that makes them again.

A stored run is declared in the ``runs`` module of its subject package and lies in ``grokbook/data``
as ``NAME.npz`` with ``NAME.json`` beside it.  Loading refuses what does not fit the declaration.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

import grokbook
from grokbook import machine, parts, randomness, source, validate

SCHEMA = 1
DATA = source.ROOT / "data"
RECORDED_PACKAGES = ("numpy", "scipy")


@dataclass(frozen=True)
class StoredRun:
    """A computation too long for a chapter.

    Attributes
    ----------
    name : str
        Name of the files in ``grokbook/data``.
    function : callable
        Module-level function of ``grokbook`` returning a mapping from name to array.
    parameters : mapping
        Keyword arguments of ``function``; must survive JSON.
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
        Those that :func:`with_seeds` put in place of the declared ones.
    """

    name: str
    function: Callable[..., Mapping[str, np.ndarray]]
    parameters: Mapping
    about: str
    cpu_seconds: float
    packages: tuple[str, ...] = ()
    quick: Mapping = field(default_factory=dict)
    seeds: tuple[int, ...] = ()

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
        """Fingerprint of the function and of what it uses, not of what is declared beside it."""
        return source.fingerprint(self.function)

    def part(self) -> Mapping[str, np.ndarray]:
        """A part of the result, computed now."""
        return self.function(**{**self.parameters, **self.quick})

    def versions(self) -> dict[str, str]:
        """Versions of Python and of the packages that matter; of our own code, ``fingerprint``."""
        names = (*RECORDED_PACKAGES, *self.packages)
        return {"python": platform.python_version(), **{name: version(name) for name in names}}


@dataclass(frozen=True)
class Stored:
    """A loaded result: its arrays, its provenance, and one line to show under the figure."""

    arrays: dict[str, np.ndarray]
    provenance: dict
    note: str

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]


def catalogue() -> dict[str, StoredRun]:
    """The stored runs that the subject packages declare, by name; those that can be imported."""
    return parts.declared("runs")[0]


def find(name: str) -> StoredRun:
    """The declared run of a name; only its part is imported.  ValueError if there is none."""
    found, lacking = parts.declared("runs", name)
    if name not in found:
        raise ValueError(parts.unknown("stored run", name, found, lacking))
    return found[name]


def with_seeds(run: StoredRun, seeds: Sequence[int]) -> StoredRun:
    """A declared run with other seeds, in any number.

    Its result goes to a folder of its own: under the run's name it does not load.

    Raises
    ------
    ValueError
        If the seeds are not different whole numbers from 0 to 1,000,002, or the run takes no seed,
        or one and not several.
    """
    seeds = [validate.count("seeds", seed, at_least=0) for seed in seeds]
    if not seeds or len(set(seeds)) < len(seeds) or max(seeds) >= randomness.STRIDE:
        raise ValueError(
            f"seeds = {seeds}: must be different whole numbers from 0 to {randomness.STRIDE - 1}"
        )
    if "seeds" in run.parameters:
        other = {"seeds": seeds}
    elif "seed" in run.parameters and len(seeds) == 1:
        other = {"seed": seeds[0]}
    else:
        takes = "one seed" if "seed" in run.parameters else "no seeds"
        raise ValueError(f"seeds = {seeds}: {run.name!r} takes {takes}")
    return replace(run, parameters={**run.parameters, **other}, seeds=tuple(seeds))


def make(run: StoredRun, folder: Path | None = None) -> Path:
    """Compute a run and store it; nothing is left behind if it fails.  Returns the ``.npz``.

    ValueError, before any work, if the folder cannot be written to or holds the book's results and
    these are of other seeds.
    """
    folder = output_folder(folder, instead="--seeds" if run.seeds else "")
    wall, cpu = time.perf_counter(), time.process_time()
    arrays = {name: np.asarray(value) for name, value in run.function(**run.parameters).items()}
    spent = {
        "wall_seconds": round(time.perf_counter() - wall, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
    }
    path = folder / f"{run.name}.npz"
    with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as scratch:
        half = Path(scratch) / path.name
        np.savez_compressed(half, **arrays)
        write_facts(half.with_suffix(".json"), _provenance(run, arrays, half) | spent)
        os.replace(half, path)
        os.replace(half.with_suffix(".json"), path.with_suffix(".json"))
    return path


def write_facts(path: Path, facts: Mapping) -> None:
    """Write the provenance of a result."""
    text = json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False)
    path.write_text(f"{text}\n", "utf-8")


def load(name: str, folder: Path | None = None, *, run: StoredRun | None = None) -> Stored:
    """Load a stored result after checking it against its declaration.

    Parameters
    ----------
    name : str
        Name of a declared run.
    folder : path, optional
        Where it lies; ``grokbook/data`` by default.
    run : StoredRun, optional
        The declaration, if it is not in the catalogue.

    Raises
    ------
    ValueError
        For an unknown name, missing files, another schema, function or parameters, a wrong
        checksum, arrays that differ from the recorded shapes, or seeds shifted otherwise than
        those of this process.
    """
    run = find(name) if run is None else run
    path = data_folder(folder) / f"{name}.npz"
    if not path.is_file() or not path.with_suffix(".json").is_file():
        raise ValueError(f"store {name!r}: not there; make it with: {run.command}")
    facts = json.loads(path.with_suffix(".json").read_text("utf-8"))
    parameters = json.loads(json.dumps(dict(run.parameters)))
    for key, wanted in {
        "schema": SCHEMA,
        "function": run.qualified_name,
        "parameters": parameters,
        "sha256": _checksum(path),
    }.items():
        if facts.get(key) != wanted:
            raise ValueError(
                f"store {name!r}: {key} = {facts.get(key)!r}: must be {wanted!r}; "
                f"remake it with: {run.command}"
            )
    # The book's own results are for every shift: with it a chapter asks whether they hold.
    if (shift := facts.get("seed_shift", 0)) not in (0, randomness.shift()):
        raise ValueError(
            f"store {name!r}: its seeds were shifted: must be loaded with "
            f"{randomness.VARIABLE}={shift}"
        )
    with np.load(path) as content:
        arrays = {key: content[key] for key in content.files}
    if _shapes(arrays) != facts["arrays"]:
        raise ValueError(f"store {name!r}: arrays = {_shapes(arrays)}: must be {facts['arrays']}")
    return Stored(arrays, facts, _note(run, facts))


def agree(live, stored, *, within: float | None = None, factor: float | None = None) -> bool:
    """Whether what ran again agrees with what is stored, in every entry.

    Parameters
    ----------
    live, stored : arrays of one shape
        What is inf or nan (it never happened, or was not measured) must be so in both.
    within : float
        Largest distance allowed.
    factor : float
        Largest ratio allowed, of either to the other; the signs must be the same.

    Raises
    ------
    ValueError
        If the shapes differ, are empty, or not exactly one of ``within`` and ``factor`` is given.
    """
    live, stored = np.asarray(live, dtype=float), np.asarray(stored, dtype=float)
    if live.shape != stored.shape or not live.size:
        raise ValueError(f"live has shape {live.shape}: must be {stored.shape}, and not empty")
    if (within is None) == (factor is None):
        raise ValueError(f"within = {within}, factor = {factor}: must be exactly one of them")
    number = np.isfinite(stored)
    if not np.array_equal(live[~number], stored[~number], equal_nan=True):
        return False
    live, stored = live[number], stored[number]
    if factor is None:
        return bool(np.all(np.abs(live - stored) <= within))
    small, large = np.sort(np.abs([live, stored]), axis=0)
    return bool(np.all((live * stored >= 0) & (large <= factor * small)))


def data_folder(folder: Path | None = None) -> Path:
    """The folder of the stored results; ValueError if it does not exist."""
    name = str(DATA if folder is None else folder)
    if not name or not Path(name).is_dir():  # Path("") would be the folder one stands in
        raise ValueError(f"folder = {name!r}: must be an existing folder")
    return Path(name)


def output_folder(folder: Path | None = None, *, instead: str = "") -> Path:
    """The folder to write results to.

    Parameters
    ----------
    folder : path, optional
        By default the checkout's ``grokbook/data``.
    instead : str
        What is written, if it must not take the place of the book's results.  Results of shifted
        seeds never may.

    Raises
    ------
    ValueError
        If it does not exist, cannot be written to, or must not be.
    """
    folder = data_folder(folder)
    if randomness.shift():
        instead = f"{randomness.VARIABLE}={randomness.shift()}"
    if DATA.is_dir() and folder.samefile(DATA):
        if source.checkout() is None:
            raise ValueError("an installed grokbook is not written to: give a folder with --out")
        if instead:
            raise ValueError(
                f"{instead}: must not replace the book's results: give a folder with --out"
            )
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ValueError(
            f"folder = {str(folder)!r}: must be one to write to ({error.strerror})"
        ) from error
    return folder


def recorded(part: str, command: str) -> dict[str, dict]:
    """Provenance of what the book stores of a part, by name, without importing the part.

    ``command`` is that which made it, ``run`` or ``sweep``.
    """
    facts = [json.loads(path.read_text("utf-8")) for path in sorted(DATA.glob("*.json"))]
    return {
        one["name"]: one
        for one in facts
        if one["function"].startswith(f"grokbook.{part}.")
        and one["command"].startswith(f"python -m grokbook {command} ")
    }


def _provenance(run: StoredRun, arrays: Mapping[str, np.ndarray], path: Path) -> dict:
    shift = randomness.shift()
    return {
        "schema": SCHEMA,
        "name": run.name,
        "function": run.qualified_name,
        "parameters": dict(run.parameters),
        "source": run.fingerprint,
        "versions": run.versions() | {"grokbook": grokbook.__version__},
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
        f"Stored result: {facts['cpu_seconds']:.0f} CPU seconds on {facts['date']}; "
        f"remake with: {facts['command']}."
    )
    if "seed_shift" in facts:
        line += f" Seeds shifted by {facts['seed_shift']}."
    changed = [
        f"{name} {facts['versions'].get(name, 'none')}, now {now}"
        for name, now in run.versions().items()
        if facts["versions"].get(name) != now
    ]
    if facts["source"] != run.fingerprint:
        changed.append("another state of its source")
    return line + (f" Made with {'; '.join(changed)}." if changed else "")


def _shapes(arrays: Mapping[str, np.ndarray]) -> dict:
    return {name: [str(value.dtype), *value.shape] for name, value in sorted(arrays.items())}


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
