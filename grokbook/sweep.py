"""Sweeps: many independent runs, on whatever joblib backend is active, that lose nothing.

A sweep is declared as a :class:`grokbook.sweep_grid.Sweep` and run by :func:`run`; joblib decides
where: in this process by default, in several with ``joblib.parallel_config(backend="loky")``, on a
Dask cluster inside :func:`cluster`.  A run depends on its cell and its seed number only, so the
result is the same on equal processors with the same versions, however the runs are spread.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import TimeoutError as SilenceError
from pathlib import Path

import joblib
import xarray as xr
from joblib.parallel import get_active_backend
from tqdm import tqdm

from grokbook import store, sweep_store, sweep_worker
from grokbook.sweep_database import Database
from grokbook.sweep_database import path as database_path
from grokbook.sweep_grid import Cell, Grid, Sweep, catalogue
from grokbook.sweep_store import load
from grokbook.sweep_worker import Job, Outcome

__all__ = ["FailedRuns", "Progress", "catalogue", "cluster", "load", "progress", "run"]

CONNECT_SECONDS = 15
# A cluster tells joblib nothing of a task that it gave up, so silence must have an end.
SILENCE_SECONDS = 300
_SILENT_RUNS = 100
# Deaths of workers in a row without a single finished run.
_MAX_DEATHS = 3


class FailedRuns(RuntimeError):
    """Some runs failed; ``failures`` holds cell, seed number and traceback of each."""

    def __init__(self, name: str, failures: list[tuple[str, int, str]], n_runs: int):
        self.failures = failures
        cell, number, text = failures[0]
        last = text.splitlines()[-1]
        super().__init__(
            f"{name}: {len(failures)} of {n_runs} runs failed, the others are kept; "
            f"the first, at {cell}, seed {number}: {last}"
        )


@dataclass(frozen=True)
class Progress:
    """How far a size of a sweep is: its runs done, failed and wanted; whether it is stored."""

    done: int
    failed: int
    n_runs: int
    stored: bool


def run(sweep: Sweep, size: str, folder: Path | None = None) -> xr.Dataset:
    """Make the runs that are missing and return them all.

    Parameters
    ----------
    sweep : Sweep
    size : str
        One of the sweep's sizes.
    folder : path, optional
        An existing folder.  Each run is committed there to ``NAME.sqlite`` at once, so that the
        same call resumes what was interrupted and tries failed runs again; the finished sweep is
        stored as ``NAME-SIZE.npz`` with ``.json``.  Without it, nothing is kept.

    Returns
    -------
    xarray.Dataset
        Each output over the axes and ``seed``, with units.

    Raises
    ------
    ValueError
        For bad input, if what lies in the folder is damaged, in use, or of another source, and if
        seeds are shifted and the folder is that of the book's results.
    FailedRuns
        If runs failed, after all others are done.
    RuntimeError
        If workers keep dying, or a cluster stops answering; OSError if the disk is full.
    """
    grid = sweep.grid(size)
    folder = store.output_folder(folder) if folder else None
    job = _job(sweep)
    _require_cluster(job)
    with Database(folder, sweep.name, job.outputs, job.identity) as database:
        with sweep_worker.one_thread(sweep.packages):
            _fill(sweep, grid, job, database)
        failures = database.failures(grid)
        if failures:
            raise FailedRuns(sweep.name, failures, grid.n_runs)
        values = database.results(grid)
        spent = dict(zip(("cpu_seconds", "wall_seconds"), database.spent(grid), strict=True))
    arrays = {name: values[..., k] for k, name in enumerate(sweep.outputs)}
    if folder:
        sweep_store.save(sweep, size, arrays, spent, folder)
        return load(sweep, size, folder)
    note = f"Computed here: {grid.n_runs} runs in {spent['cpu_seconds']:.1f} CPU seconds."
    return sweep_store.dataset(sweep, size, arrays, note)


def progress(sweep: Sweep, size: str, folder: Path | None = None) -> Progress:
    """What is there of a size; may be called while it runs.  ValueError as :func:`run`; OSError
    if the folder may not be read."""
    grid, job = sweep.grid(size), _job(sweep)
    folder = store.data_folder(folder)
    done = failed = 0
    if database_path(folder, sweep.name).is_file():
        with Database(folder, sweep.name, job.outputs, job.identity, read_only=True) as database:
            done, failed = int(database.done(grid).sum()), len(database.failures(grid))
    stored = (folder / f"{sweep_store.declared(sweep, size).name}.npz").is_file()
    return Progress(done, failed, grid.n_runs, stored)


@contextmanager
def cluster(address: str) -> Iterator[int]:
    """Send the runs inside to the Dask cluster whose scheduler has this address.

    ``with cluster("tcp://10.0.0.1:8786"): run(...)``; gives the number of cores.  Who has a client
    already may as well use ``joblib.parallel_config(backend="dask")``.  The number of workers is
    read when a sweep starts: wait for them first.

    Raises
    ------
    ValueError
        If no scheduler answers at this address, or it has no workers.
    """
    from distributed import Client  # only those who have a cluster need it

    try:
        client = Client(address, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:  # no answer, or not an address
        raise ValueError(
            f"scheduler = {address!r}: must be the address of a running Dask scheduler "
            f"({type(error).__name__})"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError as error:
            raise ValueError(
                f"scheduler = {address!r}: must have workers, none came in {CONNECT_SECONDS} s"
            ) from error
        with joblib.parallel_config(backend="dask"):
            yield sum(client.ncores().values())


def _job(sweep):
    identity = sweep_worker.identity(sweep.function, sweep.packages)
    return Job(sweep.function, tuple(sweep.outputs), sweep.packages, identity)


def _require_cluster(job):
    """On a cluster, ask every worker that is there whether it can make these runs.

    One that cannot even import them would never answer joblib.
    """
    client = getattr(get_active_backend()[0], "client", None)
    if client is None:
        return
    if sum(client.ncores().values()) < 2:
        raise ValueError("scheduler: must have at least two cores; joblib would run one job here")
    try:
        client.run(sweep_worker.require, job)
    except ImportError as error:
        raise ValueError(f"scheduler: a worker cannot import the sweep: {error}") from error


def _fill(sweep: Sweep, grid: Grid, job: Job, database: Database) -> None:
    """Make and commit every run of the grid that has not succeeded yet."""
    done, cells = database.done(grid), list(grid.cells())
    waiting = dict.fromkeys(zip(*(~done).nonzero(), strict=True))
    silence = max(SILENCE_SECONDS, _SILENT_RUNS * grid.cpu_seconds)
    deaths = 0
    with tqdm(
        desc=sweep.name, total=grid.n_runs, initial=int(done.sum()), unit="run", disable=None
    ) as bar:
        while waiting:
            before = len(waiting)
            try:
                with _outcomes(job, cells, list(waiting), silence) as outcomes:
                    for one in outcomes:
                        database.add(cells[one.cell], one)
                        waiting.pop((one.cell, one.number), None)
                        bar.update()
            except BrokenProcessPool as error:
                deaths = deaths + 1 if len(waiting) == before else 1
                if deaths == _MAX_DEATHS:
                    raise RuntimeError(
                        f"{sweep.name}: workers died {deaths} times without finishing a run "
                        "(too little memory?)"
                    ) from error


@contextmanager
def _outcomes(
    job: Job, cells: list[Cell], places: list[tuple[int, int]], silence: float
) -> Iterator[Iterator[Outcome]]:
    """Outcomes of the given runs, as they finish."""
    alone = joblib.effective_n_jobs(None) == 1  # then there is nobody to wait for
    parallel = joblib.Parallel(return_as="generator_unordered", timeout=None if alone else silence)
    execute = joblib.delayed(sweep_worker.execute)
    outcomes = parallel(
        execute(job, int(place), cells[place], int(number)) for place, number in places
    )
    try:
        yield outcomes
    except SilenceError as error:
        raise RuntimeError(f"no run has finished for {silence:.0f} s") from error
    finally:
        with warnings.catch_warnings():
            # An interrupted sweep throws away what is under way; joblib would say so at length.
            warnings.simplefilter("ignore")
            outcomes.close()
