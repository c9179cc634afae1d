"""The sweep engine: what it costs a run, and two workers against one."""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import wait
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil

from benchmarks.harness import Benchmark
from grokbook import sweep
from grokbook.sweep import Grid, Quantity, Sweep, run_seed, worker
from grokbook.xor.experiments import SWEEPS as XOR

N_CELLS, N_SEEDS = 100, 10
WORKERS = 2


def draw(seed: int, scale: float) -> dict[str, float]:
    """A run that costs next to nothing."""
    return {"value": scale * (1 + np.random.default_rng(seed).random())}


EMPTY = Sweep(
    name="empty",
    function=draw,
    axes={"scale": Quantity("1", "scale")},
    outputs={"value": Quantity("1", "value")},
    grids={"book": Grid({"scale": [1.0 + k for k in range(N_CELLS)]}, N_SEEDS, 1e-5)},
    about="runs that cost next to nothing",
)
# About 6 CPU seconds of independent runs.
(REAL,) = XOR
REAL = replace(
    REAL, grids={"book": Grid({"signal_norm": [20.0, 40.0], "label_noise": [0.1]}, 40, 0.07)}
)


def by_the_engine():
    """A thousand runs, each committed to the database."""
    with tempfile.TemporaryDirectory() as folder:
        return sweep.run(EMPTY, "book", Path(folder)).value.values


def by_files():
    """The same with a file a run."""
    with tempfile.TemporaryDirectory() as folder:
        for cell in EMPTY.grid("book").cells():
            for number in range(N_SEEDS):
                path = Path(folder) / f"{cell['scale']:g}-{number}.npz"
                np.savez(path.with_suffix(".half.npz"), **draw(run_seed(cell, number), **cell))
                os.replace(path.with_suffix(".half.npz"), path)
        values = []
        for cell in EMPTY.grid("book").cells():
            for number in range(N_SEEDS):
                with np.load(Path(folder) / f"{cell['scale']:g}-{number}.npz") as kept:
                    values.append(kept["value"])
    return np.reshape(values, (N_CELLS, N_SEEDS))


def in_workers(one: Sweep, n_jobs: int) -> tuple[float, float]:
    """Wall seconds of a sweep, and CPU seconds of the caller and all its workers."""

    def spent():
        family = [psutil.Process(), *psutil.Process().children(recursive=True)]
        return sum(sum(member.cpu_times()[:2]) for member in family)

    with sweep.processes(n_jobs) as workers:
        if workers.executor:
            wait([workers.executor().submit(_wake) for _ in range(8)])
        with tempfile.TemporaryDirectory() as folder:
            wall, cpu = time.perf_counter(), spent()
            sweep.run(one, "book", Path(folder), workers=workers)
            return time.perf_counter() - wall, spent() - cpu


def _wake():
    """Import what a run needs, and give the other workers time to do so."""
    worker.job(REAL)
    worker.job(EMPTY)
    time.sleep(0.5)


def engine_limit(seconds):
    """Cost of a run in this process and with workers; efficiency of two workers."""
    n_runs = EMPTY.grid("book").n_runs
    # Before the workers start: later it counts them, not what else the machine does.
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    _, cpu = in_workers(EMPTY, WORKERS)
    ratios = []
    for _ in range(3):
        one, _ = in_workers(REAL, 1)
        two, _ = in_workers(REAL, WORKERS)
        ratios.append(one / two / WORKERS)
    return (
        f"The engine takes {1e3 * seconds / n_runs:.2f} ms of CPU time a run in one process and "
        f"{1e3 * cpu / n_runs:.2f} ms with {WORKERS} workers, theirs included (aim: at most 5). "
        f"{WORKERS} workers against one on {REAL.grid('book').n_runs} runs of 0.07 s: "
        f"{np.median(ratios):.0%} of {WORKERS} times as fast (median of 3; aim: 85 %), "
        f"at a load average of {load} before, on {os.cpu_count()} cores."
    )


BENCHMARKS = [
    Benchmark(
        name="sweep of 1000 empty runs, each kept",
        fast=by_the_engine,
        obvious=by_files,
        what_is_timed="Draw, keep and read back every run: one database, with its seed, checks, "
        "checksum and provenance, against one bare .npz a run.",
        tolerance=1e-15,
        floor=1,
        aim=2,
        limit=engine_limit,
    ),
]
