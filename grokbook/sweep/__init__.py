"""Sweeps: many independent runs on one core, on several or on a cluster, that lose nothing."""

from grokbook.sweep.engine import (
    HERE,
    FailedRuns,
    Progress,
    Workers,
    cluster,
    load,
    make,
    processes,
    progress,
    run,
)
from grokbook.sweep.grid import Grid, Quantity, Sweep, run_seed

__all__ = [
    "HERE",
    "FailedRuns",
    "Grid",
    "Progress",
    "Quantity",
    "Sweep",
    "Workers",
    "cluster",
    "load",
    "make",
    "processes",
    "progress",
    "run",
    "run_seed",
]
