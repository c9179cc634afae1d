"""What the parts of the book declare, as far as it can be imported here, and where results lie.

A part is a subpackage; its stored runs and its sweeps stand in its module ``experiments``, as
``RUNS`` and ``SWEEPS``.  Some need torch, and what does not need it works without.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import tempfile
from pathlib import Path

import grokbook
from grokbook import randomness, source

DATA = source.ROOT / "data"


def declared(kind: str, wanted: str | None = None) -> tuple[dict, dict[str, str]]:
    """The runs or the sweeps that the parts declare.

    ValueError if two declarations have one name.

    Parameters
    ----------
    kind : {"runs", "sweeps"}
    wanted : str, optional
        Import no more parts than are needed to find this one.

    Returns
    -------
    found : dict
        Declaration by name.
    lacking : dict
        Part to what it needs and is not there: the name of a package, or the reason.
    """
    found, lacking = {}, {}
    for part in sorted(_parts(), key=lambda one: not (wanted or "").startswith(f"{one}-")):
        try:
            module = importlib.import_module(f"grokbook.{part}.experiments")
        except (ImportError, OSError) as error:  # a broken torch raises either
            name = getattr(error, "name", None) or str(error).partition("\n")[0]
            if name.partition(".")[0] == source.PACKAGE:
                raise
            lacking[part] = name
            continue
        for one in getattr(module, kind.upper(), ()):
            if one.name in found:
                raise ValueError(f"{kind} {one.name!r}: declared twice, names must be unique")
            found[one.name] = one
        if wanted in found:
            break
    return found, lacking


def find(kind: str, name: str):
    """The declaration of a name; only its part is imported.  ValueError if there is none."""
    found, lacking = declared(kind, name)
    if name not in found:
        what = {"runs": "stored run", "sweeps": "sweep"}[kind]
        line = f"no {what} {name!r}; there are: {', '.join(sorted(found))}"
        raise ValueError(line + "".join(f"; {needs(*one)}" for one in sorted(lacking.items())))
    return found[name]


def needs(part: str, package: str) -> str:
    """One line for a part that cannot be imported."""
    return f"those of grokbook.{part} need {package}: pip install 'grokbook[{part}]'"


def _parts() -> list[str]:
    names = sorted(one.name for one in pkgutil.iter_modules(grokbook.__path__) if one.ispkg)
    return [name for name in names if source.module_path(f"grokbook.{name}.experiments")]


def recorded(part: str, command: str) -> list[str]:
    """What the book stores of a part, by name, without importing the part.

    ``command`` is that which made it, ``run`` or ``sweep``.
    """
    facts = [json.loads(path.read_text("utf-8")) for path in sorted(DATA.glob("*.json"))]
    calls = [one["command"].split() for one in facts if f".{part}." in one["function"]]
    return list(dict.fromkeys(call[4] for call in calls if call[3] == command))


def data_folder(folder: Path | None = None) -> Path:
    """The folder of the stored results; ValueError if it does not exist."""
    name = str(DATA if folder is None else folder)
    if not name or not Path(name).is_dir():  # Path("") would be the folder one stands in
        raise ValueError(f"folder = {name!r}: must be an existing folder")
    return Path(name)


def output_folder(folder: Path | None = None, *, instead: str = "") -> Path:
    """The folder to write results to.

    ValueError if it does not exist, cannot be written to, or must not be.

    Parameters
    ----------
    folder : path, optional
        By default the checkout's ``grokbook/data``.
    instead : str
        What is written, if it must not take the place of the book's results.  Results of shifted
        seeds never may.
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
