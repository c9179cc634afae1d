"""One run of a sweep, as a worker does it: checked, on one thread, its failure put into words."""

from __future__ import annotations

import importlib
import math
import platform
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from numbers import Real
from pathlib import Path
from typing import NamedTuple

from threadpoolctl import ThreadpoolController

from grokbook import randomness, source, sweep_grid
from grokbook.store import RECORDED_PACKAGES

# Two or more folders before a file's name.
_FOLDERS = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?(?:[\\/][^\\/\s'\":]+)+[\\/](?=[^\\/\s'\":]+)")


class Outcome(NamedTuple):
    """What came of one run: values in the order of the outputs, or a failure; CPU seconds."""

    cell: int
    number: int
    values: tuple[float, ...] | None
    failure: str | None
    cpu_seconds: float


class Job(NamedTuple):
    """What the runs of a sweep have in common; must stay small, it travels with every batch."""

    function: Callable
    outputs: tuple[str, ...]
    packages: tuple[str, ...]
    identity: Mapping


def identity(function: Callable, packages: tuple[str, ...]) -> dict:
    """What must be the same wherever runs of one sweep are made: source, versions, seed shift."""
    return {**_source_and_versions(function, packages), "seed_shift": randomness.shift()}


@cache
def _source_and_versions(function, packages):
    names = (*RECORDED_PACKAGES, *packages)
    return {
        "function": f"{function.__module__}.{function.__qualname__}",
        "source": source.fingerprint(function),
        "python": platform.python_version(),
        **{name: version(name) for name in names},
    }


def require(job: Job) -> None:
    """Raise ValueError if this process has another source or other versions than the caller."""
    here = identity(job.function, job.packages)
    for key, wanted in job.identity.items():
        if here.get(key) != wanted:
            raise ValueError(
                f"a worker's {key} = {here.get(key)!r}: must be the caller's, {wanted!r}"
            )


def execute(job: Job, place: int, cell: sweep_grid.Cell, number: int) -> Outcome:
    """Make one run.

    Parameters
    ----------
    job : Job
    place : int
        Which cell it is, for the caller.
    cell : dict
    number : int
        Seed number.

    Raises
    ------
    ValueError
        If this process is not like the caller's.  What the function raises is recorded instead.
    """
    require(job)
    _limit_threads(job.packages)
    start = time.thread_time()
    values = failure = None
    try:
        found = job.function(seed=sweep_grid.run_seed(cell, number), **cell)
        values = _checked(found, job.outputs)
    except Exception as error:  # one bad run must not end the sweep
        failure = describe(error)
    return Outcome(place, number, values, failure, time.thread_time() - start)


def _checked(found, outputs):
    """The declared outputs, in order; ValueError unless each is there and a number."""
    if not isinstance(found, Mapping) or set(found) != set(outputs):
        names = sorted(found) if isinstance(found, Mapping) else type(found).__name__
        raise ValueError(f"outputs = {names}: must be {sorted(outputs)}")
    values = [found[name] for name in outputs]
    for name, value in zip(outputs, values, strict=True):
        if not isinstance(value, Real):
            raise ValueError(f"{name} = {value!r}: must be a number")
    # One nan and one zero, so that equal results are equal text.
    return tuple(math.nan if value != value else float(value) + 0.0 for value in values)


def describe(error: BaseException) -> str:
    """Traceback of an error, with paths inside the package only."""
    lines = []
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename).resolve()
        if path.is_relative_to(source.ROOT):
            inside = path.relative_to(source.ROOT.parent).as_posix()
            lines.append(f"{inside}:{frame.lineno} in {frame.name}: {frame.line}")
        else:
            lines.append(f"elsewhere in {frame.name}")
    message = "".join(traceback.format_exception_only(error)).strip()
    return "\n".join([*lines[1:], _FOLDERS.sub("", message)])  # the first frame is execute's own


@cache
def _controller(packages):
    """The numerical libraries of this process, once those that matter are loaded."""
    for name in ("scipy.linalg", *packages):
        importlib.import_module(name)
    return ThreadpoolController()


def _limit_threads(packages):
    """One thread from here on: more change the last digits, and slow workers down."""
    _controller(packages).limit(limits=1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@contextmanager
def one_thread(packages: tuple[str, ...]) -> Iterator[None]:
    """One thread for numerical libraries inside, what there was before outside."""
    controller, torch = _controller(packages), sys.modules.get("torch")
    before = torch.get_num_threads() if torch else None
    with controller.limit(limits=1):
        try:
            yield
        finally:
            if torch:
                torch.set_num_threads(before)
