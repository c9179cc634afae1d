"""Paper DI: a diagonal network of 100,000 inputs in n unknowns against plain gradient descent."""

from __future__ import annotations

import numpy as np

from benchmarks.harness import Benchmark, shortest_seconds
from grokbook.decay import diagonal_simulate
from grokbook.decay.diagonal_setting import DiagonalSetting, draw
from grokbook.decay.experiments import GROKKING_CLOCK

SETTING = DiagonalSetting()
# The whole run is to tau = 4, step 400,000; the plain loop goes to these steps of it.
COMPARED, ALL = [30, 60], round(SETTING.step(GROKKING_CLOCK[-1]))
# Fine as far as these, then twice as wide each time, to 0.1.
FINE, WIDE = 4e-6 * 1.15 ** np.arange(25), 1.2e-4 * 2.0 ** np.arange(1, 10)
CLOCK = np.cumsum(np.concatenate([FINE, WIDE, np.full(39, 0.1)]))
_samples = []


def samples():
    """The data of seed 0, drawn once and timed on neither side."""
    if not _samples:
        _samples.append(draw(SETTING, 0))
    return _samples[0]


def unknowns():
    """Sizes of w at the steps compared, from a path to step 400,000."""
    path = diagonal_simulate.flow(SETTING, samples(), CLOCK)
    at = SETTING.step(path.clock)
    norms = np.linalg.norm(path.weights(samples())[at < 80], axis=1)
    return np.exp(np.interp(np.log(COMPARED), np.log(at[at < 80]), np.log(norms)))


def loop():
    """The same from 60 steps of the plain loop."""
    u, v = diagonal_simulate.gradient_descent(SETTING, samples(), COMPARED)
    return np.linalg.norm(u**2 - v**2, axis=1)


def limit(seconds):
    """How many products with the inputs the path takes the time of."""
    inputs, weights = samples().inputs, np.ones(SETTING.d_in, np.float32)
    product = shortest_seconds(lambda: [inputs @ weights for _ in range(10)]) / 10
    return (
        f"{len(CLOCK)} times; the path takes as long as {seconds / product:.0f} products of the "
        f"inputs with a vector, two of which each evaluation needs."
    )


BENCHMARKS = [
    Benchmark(
        name="diagonal network, n = 256, d = 100,000, to step 400,000",
        fast=unknowns,
        obvious=loop,
        what_is_timed="The flow in n unknowns over the whole run against the plain loop on 2 d "
        "numbers, of which 60 steps are run; the ratio is per step, both in single precision.",
        tolerance=0.03,
        floor=100,
        aim=1000,
        limit=limit,
        units=(ALL, COMPARED[-1]),
    ),
]
