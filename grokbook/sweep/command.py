"""The command ``python -m grokbook sweep``: list, run or resume, and look."""

from __future__ import annotations

import logging
import sys
from contextlib import AbstractContextManager
from pathlib import Path

from grokbook import parts, sweep
from grokbook.sweep.grid import Grid, Sweep

INTERRUPTED = 130


def list_sweeps() -> int:
    """Print name, sizes and estimated cost of every sweep."""
    found, lacking = parts.declared("sweeps")
    for one in found.values():
        print(f"{one.name}: {one.about}")
        for size, grid in one.grids.items():
            print(f"  {size:<6} {_extent(grid)}, about {duration(_cost(grid))} of CPU time")
    for part, package in lacking.items():
        for name in parts.recorded(part, "sweep"):
            print(f"{name}: needs {package}")
        print(parts.needs(part, package), file=sys.stderr)
    return 0


def show_status(name: str | None, out: str | None) -> int:
    """Print what is there of one sweep, or of all."""
    try:
        folder = parts.data_folder(out)
        every = {name: parts.find("sweeps", name)} if name else parts.declared("sweeps")[0]
        for one in every.values():
            for size in one.grids:
                print(f"{one.name:<24} {size:<6} {_status(one, size, folder)}")
    except ValueError as error:
        return _refuse(error)
    return 0


def run_sweep(name: str, size: str, jobs: int | None, scheduler: str | None, out) -> int:
    """Run or resume one sweep; returns the exit code."""
    try:
        declared = parts.find("sweeps", name)
        grid, folder = declared.grid(size), parts.output_folder(out)
        with _workers(jobs, scheduler) as workers:
            missing = grid.n_runs - sweep.progress(declared, size, folder).done
            _announce(f"{name}, {size}", grid, missing, workers.n)
            sweep.make(declared.stored(size), folder, workers=workers)
    except sweep.FailedRuns as error:
        return _report(error)
    except ValueError as error:
        return _refuse(error)
    except ImportError as error:
        return _refuse(f"{error}; install the extra: pip install 'grokbook[sweep]'")
    except BrokenPipeError:  # nobody reads: the command's own end
        raise
    except KeyboardInterrupt:
        print(f"interrupted: {name}: {_KEPT}", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:  # a full disk, dying workers, a lost scheduler: one line
        what = (str(error) or type(error).__name__).splitlines()[0]
        print(f"error: {name}: {what}; {_KEPT}", file=sys.stderr)
        return 1
    print(f"{name}: all {grid.n_runs:,} runs are done, written to {name}-{size}.npz")
    return 0


_KEPT = "what was done is kept, the same command resumes"


def duration(seconds: float) -> str:
    """A time in round words: 40 s, 12 min, 3 h, 5 days."""
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 1.95 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 1):.0f} s"


def _workers(jobs: int | None, scheduler: str | None) -> AbstractContextManager[sweep.Workers]:
    if not scheduler:
        return sweep.processes(jobs)
    # Its client would tell at length what the one line of an error says.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    return sweep.cluster(scheduler)


def _announce(what: str, grid: Grid, missing: int, workers: int) -> None:
    """Print the estimate before anything is done."""
    cost = missing * grid.cpu_seconds
    print(
        f"{what}: {_extent(grid)}, {missing:,} of them missing: about {duration(cost)} of CPU "
        f"time, {duration(cost / workers)} with {workers} at work",
        flush=True,
    )


def _extent(grid: Grid) -> str:
    *cells, seeds = grid.shape
    return f"{' x '.join(map(str, cells))} cells x {seeds} seeds = {grid.n_runs:,} runs"


def _cost(grid: Grid) -> float:
    return grid.n_runs * grid.cpu_seconds


def _status(one: Sweep, size: str, folder: Path) -> str:
    try:
        found = sweep.progress(one, size, folder)
    except (ValueError, OSError) as error:
        return str(error)
    stored = "stored" if found.stored else "not stored"
    failed = f", {found.failed:,} failed" if found.failed else ""
    return f"{stored:<10} {found.done:,} of {found.n_runs:,} runs in the database{failed}"


def _report(error: sweep.FailedRuns) -> int:
    """Print each way of failing once, with how many runs it met."""
    ways: dict[str, list] = {}
    for cell, number, text in error.failures:
        ways.setdefault(text, []).append(f"{cell}, seed {number}")
    for text, runs in ways.items():
        print(f"{len(runs)} x, first at {runs[0]}:\n{text}\n", file=sys.stderr)
    print(f"error: {error}; the same command tries them again", file=sys.stderr)
    return 1


def _refuse(error: ValueError | str) -> int:
    print(f"error: {error}", file=sys.stderr)
    return 2
