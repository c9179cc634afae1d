"""Make the runs of a sweep, in this process or by workers, and lose nothing.

A run depends on its cell and its seed number only, so the result is the same on equal processors
with the same versions, however the runs are spread: here, over the :func:`processes` of one
machine, or over a Dask :func:`cluster`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, wait
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import starmap
from pathlib import Path

from grokbook import parts, results, validate
from grokbook.sweep import database as databases
from grokbook.sweep import worker
from grokbook.sweep.grid import FinishedSweep, Grid, Sweep
from grokbook.sweep.worker import Job, Outcome

CONNECT_SECONDS = 15
# A run that never comes back must end the sweep.
SILENCE_SECONDS = 300
_SILENT_RUNS = 100
# Runs sent out for each worker, so that none waits for the next.
_AHEAD = 3
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


@dataclass(frozen=True)
class Workers:
    """Who makes the runs: ``n`` at a time, by the executor there is; without one, this process."""

    n: int = 1
    executor: Callable[[], Executor] | None = None


HERE = Workers()


def run(sweep: Sweep, size: str, folder: Path | None = None, *, workers: Workers = HERE):
    """Make the runs that are missing and return them all.

    Parameters
    ----------
    size : str
        One of the sweep's sizes.
    folder : path, optional
        An existing folder.  Each run is committed there to ``NAME.sqlite`` at once, so that the
        same call resumes what was interrupted and tries failed runs again; the finished sweep is
        stored as ``NAME-SIZE.npz`` with ``.json``.  Without it, nothing is kept.
    workers : Workers
        Those of :func:`processes` or :func:`cluster`; by default this process.

    Returns
    -------
    xarray.Dataset
        Each output over the axes, ``seed`` and dimensions of its own, with units.

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
    declared = sweep.stored(size)
    if folder:
        make(declared, folder, workers=workers)
        return load(sweep, size, folder)
    arrays, cpu, _ = _made(declared, None, workers)
    note = f"Computed here: {declared.grid.n_runs} runs in {cpu:.1f} CPU seconds."
    return results.Stored(arrays, {}, note, declared).dataset


def make(run: results.StoredRun, folder: Path | None = None, *, workers: Workers = HERE) -> Path:
    """Compute and store a result, of a sweep or not, by default with the book's; its ``.npz``.

    ``make(sweep.stored(size), folder)`` is :func:`run` without what comes of it, and needs no more
    than numpy and scipy in this process; other results are for :func:`grokbook.results.make`.
    """
    if not isinstance(run, FinishedSweep):
        return results.make(run, folder)
    folder = parts.output_folder(folder, instead="--seeds" if run.seeds else "")
    return results.save(run, *_made(run, folder, workers), folder=folder)


def _made(run, folder, workers):
    """Arrays, CPU seconds and wall seconds of all runs of a grid."""
    name, job = run.sweep.name, worker.job(run.sweep)
    with databases.Database(folder, name, job) as database:
        _fill(name, run.grid, job, database, workers)
        if failures := database.failures(run.grid):
            raise FailedRuns(name, failures, run.grid.n_runs)
        return run.sweep.arrays(database.results(run.grid)), *database.spent(run.grid)


def load(sweep: Sweep, size: str = "book", folder: Path | None = None):
    """Load a finished sweep as ``xarray.Dataset`` after checking it against its declaration.

    Its attribute ``note`` is one line to show under a figure: cost, date, command, and, where they
    differ, versions and source; ``provenance`` is all that is known of its making.  ValueError as
    for :func:`grokbook.results.load`.
    """
    declared = sweep.stored(size)
    return results.load(declared.name, folder, run=declared).dataset


def progress(sweep: Sweep, size: str, folder: Path | None = None) -> Progress:
    """What is there of a size; may be called while it runs.  ValueError as :func:`run`; OSError
    if the folder may not be read."""
    grid, folder = sweep.grid(size), parts.data_folder(folder)
    done = failed = 0
    if databases.path(folder, sweep.name).is_file():
        job = worker.job(sweep)
        with databases.Database(folder, sweep.name, job, read_only=True) as database:
            done, failed = int(database.done(grid).sum()), len(database.failures(grid))
    stored = (folder / f"{sweep.stored(size).name}.npz").is_file()
    return Progress(done, failed, grid.n_runs, stored)


@contextmanager
def processes(n: int | None = None) -> Iterator[Workers]:
    """Worker processes on this machine, gone afterwards; by default one for each core.

    ``with processes(4) as workers: run(..., workers=workers)``.  ValueError for fewer than one.
    """
    from joblib import cpu_count
    from joblib.externals.loky import get_reusable_executor  # makes a new one if one broke

    n = cpu_count() if n is None else validate.count("n", n)
    if n == 1:
        yield HERE
        return
    executor = partial(get_reusable_executor, max_workers=n)
    try:
        yield Workers(n, executor)
    finally:
        executor().shutdown(kill_workers=True)


@contextmanager
def cluster(address: str) -> Iterator[Workers]:
    """The Dask cluster whose scheduler has this address.

    ``with cluster("tcp://10.0.0.1:8786") as workers: run(..., workers=workers)``.  The number of
    workers is read here: wait for them first.  ValueError if no scheduler answers at this
    address, or it has no workers.
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
        executor = client.get_executor(pure=False)
        yield Workers(sum(client.ncores().values()), lambda: executor)


def _fill(name: str, grid: Grid, job: Job, database, workers: Workers) -> None:
    """Make and commit every run of the grid that has not succeeded yet."""
    done, cells = database.done(grid), list(grid.cells())
    tasks = []
    for place, k in zip(*(~done).nonzero(), strict=True):
        cell, number = cells[place], grid.numbers[k]
        tasks.append((job, int(place), cell, number, grid.seed(cell, number)))
    silence = max(SILENCE_SECONDS, _SILENT_RUNS * grid.cpu_seconds)
    with (
        _bar(name, grid.n_runs, int(done.sum())) as bar,
        closing(_outcomes(tasks, workers, silence)) as outcomes,
    ):
        for one in outcomes:
            database.add(cells[one.place], one)
            if bar:
                bar.update()


def _outcomes(tasks: Sequence[tuple], workers: Workers, silence: float) -> Iterator[Outcome]:
    """Outcomes of tasks as they finish; those of a worker that died are sent out again."""
    if workers.executor is None:
        yield from starmap(worker.execute, tasks)
        return
    import cloudpickle  # comes with every executor there is

    waiting, pending, deaths = deque(tasks), {}, 0
    try:
        while waiting or pending:
            while waiting and len(pending) < _AHEAD * workers.n:
                task = waiting.popleft()
                pending[workers.executor().submit(worker.unpack, cloudpickle.dumps(task))] = task
            finished = wait(pending, silence, FIRST_COMPLETED).done
            if not finished:
                raise RuntimeError(f"no run has finished for {silence:.0f} s")
            if any(map(_died, finished)):
                finished = wait(pending, silence).done  # all are lost that were not finished
            deaths = deaths + 1 if all(map(_died, finished)) else 0
            if deaths == _MAX_DEATHS:
                raise RuntimeError(
                    f"workers died {deaths} times without finishing a run (too little memory?)"
                )
            for future in finished:
                task = pending.pop(future)
                if _died(future):
                    waiting.append(task)
                else:
                    yield future.result()
    except CancelledError as error:
        raise RuntimeError("the cluster does not answer any more") from error
    except ImportError as error:
        raise ValueError(f"a worker cannot import the sweep: {error}") from error
    finally:
        for future in pending:
            future.cancel()


def _died(future) -> bool:
    return isinstance(future.exception(), BrokenExecutor)


def _bar(name: str, n_runs: int, n_done: int):
    """A progress bar on a terminal, where tqdm is there."""
    try:
        from tqdm import tqdm
    except ImportError:
        return nullcontext()
    return tqdm(desc=name, total=n_runs, initial=n_done, unit="run", disable=None)
