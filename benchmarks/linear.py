"""Paper LE: a whole training run, and the Marchenko-Pastur curves."""

from __future__ import annotations

import math

import numpy as np
from scipy.integrate import quad

from benchmarks.harness import Benchmark, shortest_seconds
from grokbook.linear import LinearSetting, simulate, theory
from grokbook.linear.spectrum import spectral_edges, spectral_nodes

SETTING = LinearSetting(0.9, d_in=1000)
LAST_STEP, N_STEPS = 100_000, 200


def whole_steps() -> np.ndarray:
    """200 different whole numbers from 1 to 1e5, nearly equally spaced in their logarithm."""
    spaced = N_STEPS
    while (step := np.unique(np.round(np.geomspace(1, LAST_STEP, spaced)))).size < N_STEPS:
        spaced += 1
    return step[-N_STEPS:]


STEP = whole_steps()
TIMES = np.geomspace(1, LAST_STEP, N_STEPS)


def exact_run():
    """All four records of a run, from one eigendecomposition."""
    run = simulate.trajectory(SETTING, STEP, [0], method="steps")
    return run.train_loss[0], run.test_loss[0], 1 + run.train_accuracy[0]


def loop_run():
    """The same by 1e5 steps with the covariance formed once."""
    run = simulate.gradient_descent(SETTING, STEP, 0)
    return run.train_loss, run.test_loss, 1 + run.train_accuracy


def run_limit(seconds):
    """Share of the eigendecomposition, and its rate against the matrix product's."""
    inputs = simulate.draw(SETTING, 0).inputs
    covariance = inputs.T @ inputs / SETTING.n_train
    other = covariance + 1.0  # two operands: a product of one with itself is cheaper
    eigh, product = (
        shortest_seconds(call)
        for call in (lambda: np.linalg.eigh(covariance), lambda: covariance @ other)
    )
    vector = covariance[:, :1].copy()
    step = shortest_seconds(lambda: [covariance @ vector for _ in range(200)]) / 200
    return (
        f"LAPACK's eigendecomposition is {eigh / seconds:.0%} of the fast run; it takes as long as "
        f"{eigh / product:.1f} matrix products of its size ({2e-9 * SETTING.d_in**3 / product:.0f} "
        f"GFLOP/s). The loop's product with the covariance alone reads "
        f"{8e-9 * SETTING.d_in**2 / step:.0f} GB/s and takes {step * LAST_STEP:.1f} s."
    )


def mean_curves():
    """Both mean losses at all steps."""
    return theory.losses(SETTING, TIMES)


def mean_curves_by_quad():
    """The same, one adaptive integral for each loss and step."""
    low, high = spectral_edges(SETTING.aspect_ratio)
    scale = 1 / (2 * math.pi * SETTING.aspect_ratio)

    def density(nu):
        return scale * math.sqrt((high - nu) * (nu - low)) / nu

    def integral(function):
        return quad(function, low, high, epsabs=0, epsrel=1e-11, limit=200)[0]

    rates = 4 * SETTING.learning_rate * TIMES
    return (
        [integral(lambda nu, s=s: nu * math.exp(-s * nu) * density(nu)) for s in rates],
        [integral(lambda nu, s=s: math.exp(-s * nu) * density(nu)) for s in rates],
    )


def curves_limit(seconds):
    """Share of the exponentials that the sum cannot do without."""
    nodes, _ = spectral_nodes(SETTING.aspect_ratio, 1 / (4 * SETTING.learning_rate * LAST_STEP))
    rates = np.multiply.outer(TIMES, -0.02 * nodes)
    exponentials = shortest_seconds(lambda: np.exp(rates))
    return (
        f"{nodes.size} nodes; the {rates.size:,} exponentials take {exponentials / seconds:.0%} "
        f"of it, {1e9 * exponentials / rates.size:.1f} ns each."
    )


BENCHMARKS = [
    Benchmark(
        name="training run to 1e5 steps, d_in = 1000, 200 records",
        fast=exact_run,
        obvious=loop_run,
        what_is_timed="Both draw the data, form the covariance and record losses and accuracies; "
        "eigendecomposition against the plain loop with the covariance formed once.",
        tolerance=1e-8,
        floor=25,
        aim=50,
        limit=run_limit,
    ),
    Benchmark(
        name="Marchenko-Pastur losses at 200 times to 1e5, lambda = 0.9",
        fast=mean_curves,
        obvious=mean_curves_by_quad,
        what_is_timed="Train and test loss; one sum over graded nodes against scipy's quad.",
        tolerance=1e-10,
        floor=60,
        aim=100,
        limit=curves_limit,
    ),
]
