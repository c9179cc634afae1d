"""Stored results: arrays, provenance, checksum, and the command that makes them again.

A stored run is declared in the ``runs`` module of its subject package and lies in ``grokbook/data``
as ``NAME.npz`` with ``NAME.json`` beside it.  Loading refuses what does not fit the declaration.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import pkgutil
import platform
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

import grokbook
from grokbook import machine, source

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
    """

    name: str
    function: Callable[..., Mapping[str, np.ndarray]]
    parameters: Mapping
    about: str
    cpu_seconds: float
    packages: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """The command that makes it again."""
        return f"python -m grokbook run {self.name}"

    @property
    def qualified_name(self) -> str:
        """Module and name of the function."""
        return f"{self.function.__module__}.{self.function.__qualname__}"

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the function's module and the ``grokbook`` modules it imports."""
        return source.fingerprint({self.function.__module__})

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
    """The stored runs that the subject packages declare, by name."""
    found: dict[str, StoredRun] = {}
    for package in pkgutil.iter_modules(grokbook.__path__):
        if package.ispkg and source.module_path(f"grokbook.{package.name}.runs"):
            for run in importlib.import_module(f"grokbook.{package.name}.runs").RUNS:
                if run.name in found:
                    raise ValueError(
                        f"stored run {run.name!r}: declared twice, names must be unique"
                    )
                found[run.name] = run
    return found


def make(run: StoredRun, folder: Path | None = None) -> Path:
    """Compute a run and store it; nothing is left behind if it fails.  Returns the ``.npz``."""
    folder = data_folder(folder)
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
        facts = _provenance(run, arrays, half) | spent
        text = json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        half.with_suffix(".json").write_text(text, "utf-8")
        os.replace(half, path)
        os.replace(half.with_suffix(".json"), path.with_suffix(".json"))
    return path


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
        checksum, or arrays that differ from the recorded shapes.
    """
    if run is None:
        known = catalogue()
        if name not in known:
            raise ValueError(f"name = {name!r}: must be one of {sorted(known)}")
        run = known[name]
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
    with np.load(path) as content:
        arrays = {key: content[key] for key in content.files}
    if _shapes(arrays) != facts["arrays"]:
        raise ValueError(f"store {name!r}: arrays = {_shapes(arrays)}: must be {facts['arrays']}")
    return Stored(arrays, facts, _note(run, facts))


def data_folder(folder: Path | None = None) -> Path:
    """The folder of the stored results; ValueError if it does not exist."""
    folder = Path(folder) if folder else DATA
    if not folder.is_dir():
        raise ValueError(f"folder = {str(folder)!r}: must be an existing folder")
    return folder


def _provenance(run: StoredRun, arrays: Mapping[str, np.ndarray], path: Path) -> dict:
    return {
        "schema": SCHEMA,
        "name": run.name,
        "function": run.qualified_name,
        "parameters": dict(run.parameters),
        "source": run.fingerprint,
        "versions": run.versions() | {"grokbook": grokbook.__version__},
        "commit": machine.commit(),
        "cpu": machine.processor(),
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
