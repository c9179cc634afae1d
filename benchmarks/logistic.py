"""Paper LS: the flow in log time against the plain loop, and what a decade and a sample cost."""

from __future__ import annotations

import numpy as np

from benchmarks.harness import Benchmark, shortest_seconds
from grokbook.logistic import LogisticSetting, simulate

SETTING = LogisticSetting(0.48, n_train=200)
LAST_STEP = 1_000_000
STEP = np.unique(np.round(np.geomspace(1, LAST_STEP, 100)))


def flow_run():
    """Population accuracy of one run to 1e6 steps, by the flow."""
    return simulate.flow(SETTING, STEP, [0]).curves.test_accuracy[0]


def loop_run():
    """The same by 1e6 steps of gradient descent."""
    return simulate.gradient_descent(SETTING, STEP, [0]).curves.test_accuracy[0]


def gradients(setting: LogisticSetting, last_step: float) -> int:
    """Gradients that the flow spends up to ``last_step``."""
    step = np.append(0, np.geomspace(1, last_step, 50))
    return int(simulate.flow(setting, step, [0]).gradients[0])


def flow_limit(seconds):
    """Gradients spent, the cost of a decade, and the cost as N grows."""
    spent = gradients(SETTING, LAST_STEP)
    decade = (gradients(SETTING, 1e60) - gradients(SETTING, 1e20)) / 40
    growth = []
    for n_train in (500, 1000, 2000):
        setting = LogisticSetting(0.48, n_train=n_train)
        time = shortest_seconds(lambda setting=setting: simulate.flow(setting, STEP, [0]))
        used = gradients(setting, LAST_STEP)
        rate = 4e-9 * used * n_train * setting.d_in / time
        growth.append(f"{time:.2g} s at N = {n_train} ({used} gradients, {rate:.0f} GFLOP/s)")
    return (
        f"{spent} gradients against {LAST_STEP:,}, {LAST_STEP / spent:.0f} times fewer. "
        f"A decade of time costs {decade:.0f} gradients however late; a run costs "
        f"{', '.join(growth)}, the draw included."
    )


BENCHMARKS = [
    Benchmark(
        name="logistic flow to 1e6 steps, N = 200, lambda = 0.48",
        fast=flow_run,
        obvious=loop_run,
        what_is_timed="Both draw the data and record losses and accuracies at 100 steps; the flow "
        "in log time against the plain loop.",
        tolerance=1e-3,
        floor=300,
        aim=600,
        limit=flow_limit,
    ),
]
