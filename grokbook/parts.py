"""What the parts of the book declare, as far as it can be imported here.

A part is a subpackage; its stored runs stand in its module ``runs``, its sweeps in ``sweeps``.
Some need torch, and what does not need it works without.
"""

from __future__ import annotations

import importlib
import pkgutil

import grokbook
from grokbook import source

ROOMS = {"runs": "RUNS", "sweeps": "SWEEPS"}


def declared(room: str, wanted: str | None = None) -> tuple[dict, dict[str, str]]:
    """The runs or the sweeps that the parts declare.

    Parameters
    ----------
    room : {"runs", "sweeps"}
    wanted : str, optional
        Import no more parts than are needed to find this one.

    Returns
    -------
    found : dict
        Declaration by name.
    lacking : dict
        Part to what it needs and is not there: the name of a package, or the reason.

    Raises
    ------
    ValueError
        If two declarations have one name.
    """
    found, lacking = {}, {}
    for part in sorted(_with(room), key=lambda part: not (wanted or "").startswith(f"{part}-")):
        try:
            module = importlib.import_module(f"grokbook.{part}.{_module(part, room)}")
        except (ImportError, OSError) as error:  # a broken torch raises either
            name = getattr(error, "name", None) or str(error).partition("\n")[0]
            if name.partition(".")[0] == source.PACKAGE:
                raise
            lacking[part] = name
            continue
        for one in getattr(module, ROOMS[room], ()):
            if one.name in found:
                raise ValueError(f"{room} {one.name!r}: declared twice, names must be unique")
            found[one.name] = one
        if wanted in found:
            break
    return found, lacking


def unknown(what: str, name: str, found: dict, lacking: dict[str, str]) -> str:
    """One line for a name that is not declared, or is in a part that cannot be imported."""
    line = f"no {what} {name!r}; there are: {', '.join(sorted(found))}"
    return line + "".join(f"; {needs(part, package)}" for part, package in lacking.items())


def needs(part: str, package: str) -> str:
    """One line for a part that cannot be imported."""
    return f"those of grokbook.{part} need {package}: pip install 'grokbook[{part}]'"


def _with(room: str) -> list[str]:
    names = [one.name for one in pkgutil.iter_modules(grokbook.__path__) if one.ispkg]
    return [name for name in names if _module(name, room)]


def _module(part: str, room: str) -> str | None:
    known = (one for one in ("experiments", room) if source.module_path(f"grokbook.{part}.{one}"))
    return next(known, None)
