"""One run of a sweep, as a worker does it: checked, on one thread, its failure put into words."""

from __future__ import annotations

import importlib
import pickle
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from grokbook import machine, randomness, source
from grokbook.sweep.grid import Cell, Sweep

# Two or more folders before a file's name.
_FOLDERS = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?(?:[\\/][^\\/\s'\":]+)+[\\/](?=[^\\/\s'\":]+)")


class Outcome(NamedTuple):
    """What came of one run: all values in the order of the outputs, or a failure; CPU seconds."""

    place: int
    number: int
    values: tuple[float, ...] | None
    failure: str | None
    cpu_seconds: float


class Job(NamedTuple):
    """What the runs of a sweep have in common; must stay small, it travels with every run."""

    function: Callable
    shapes: Mapping[str, tuple[int, ...]]
    packages: tuple[str, ...]
    identity: Mapping


def job(sweep: Sweep) -> Job:
    """What a worker must know of a sweep."""
    identity = _source_and_versions(sweep.function, sweep.packages)
    identity = {**identity, "seed_shift": randomness.shift()}
    return Job(sweep.function, sweep.shapes, sweep.packages, identity)


@cache
def _source_and_versions(function, packages):
    return {
        "function": f"{function.__module__}.{function.__qualname__}",
        "source": source.fingerprint(function),
        **machine.versions(packages),
    }


def require(job: Job) -> None:
    """Raise ValueError if this process has another source or other versions than the caller."""
    here = {**_source_and_versions(job.function, job.packages), "seed_shift": randomness.shift()}
    for key, wanted in job.identity.items():
        if here.get(key) != wanted:
            raise ValueError(
                f"a worker's {key} = {here.get(key)!r}: must be the caller's, {wanted!r}"
            )


def unpack(task: bytes) -> Outcome:
    """:func:`execute` of pickled arguments; ImportError if the sweep cannot be imported here."""
    return execute(*pickle.loads(task))


def execute(job: Job, place: int, cell: Cell, number: int, seed: int) -> Outcome:
    """Make one run, on one thread: more change the last digits, and slow workers down.

    ValueError if this process is not like the caller's.  What the function raises is recorded
    instead.

    Parameters
    ----------
    place : int
        Which cell it is, for the caller.
    number, seed : int
        Seed number and seed.
    """
    require(job)
    values = failure = None
    with _one_thread(job.packages):
        start = time.thread_time()
        try:
            found = job.function(seed=seed, **cell)
            values = _checked(found, job.shapes)
        except Exception as error:  # one bad run must not end the sweep
            failure = describe(error)
        return Outcome(place, number, values, failure, time.thread_time() - start)


def _checked(found, shapes) -> tuple[float, ...]:
    """All values, in order; ValueError unless each output is there, with numbers in its shape."""
    if not isinstance(found, Mapping) or set(found) != set(shapes):
        names = sorted(found) if isinstance(found, Mapping) else type(found).__name__
        raise ValueError(f"outputs = {names}: must be {sorted(shapes)}")
    values = []
    for name, shape in shapes.items():
        one = np.asarray(found[name])
        if one.shape != shape or one.dtype.kind not in "biuf":
            wanted = f"numbers of shape {shape}" if shape else "a number"
            raise ValueError(f"{name} = {found[name]!r}: must be {wanted}")
        values.append(one.ravel().astype(float) + 0.0)
    values = np.concatenate(values)
    # One nan and one zero, so that equal results are equal text.
    return tuple(np.where(np.isnan(values), np.nan, values).tolist())


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
    try:
        from threadpoolctl import ThreadpoolController  # of the extra for sweeps
    except ImportError:
        return None
    return ThreadpoolController()


@contextmanager
def _one_thread(packages: tuple[str, ...]) -> Iterator[None]:
    """One thread for numerical libraries inside, what there was before outside."""
    controller, torch = _controller(packages), sys.modules.get("torch")
    before = torch.get_num_threads() if torch else None
    with controller.limit(limits=1) if controller else nullcontext():
        try:
            if torch:
                torch.set_num_threads(1)
            yield
        finally:
            if torch:
                torch.set_num_threads(before)
