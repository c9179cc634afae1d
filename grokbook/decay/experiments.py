"""Declared runs of paper DI: its two diagonal networks at the paper's size."""

from __future__ import annotations

import numpy as np

from grokbook.decay import diagonal_simulate
from grokbook.decay.diagonal_setting import MISGROKKING, DiagonalSetting, draw
from grokbook.sweep.grid import Grid, Quantity, Sweep

GROKKING_CLOCK = diagonal_simulate.grid(4.0, 0.1, factor=2.4)
MISGROKKING_CLOCK = diagonal_simulate.grid(30.0, 0.25, factor=2.4)


def grokking(seed: int) -> dict[str, np.ndarray]:
    """One run of DI Figure 1a.

    Returns
    -------
    dict
        ``train_accuracy``, ``test_accuracy``, ``norm`` of all parameters, at ``GROKKING_CLOCK``.
    """
    return _run(DiagonalSetting(), seed, GROKKING_CLOCK)


def misgrokking(seed: int) -> dict[str, np.ndarray]:
    """One run of DI Figure 1b; as :func:`grokking`, at ``MISGROKKING_CLOCK``."""
    return _run(MISGROKKING, seed, MISGROKKING_CLOCK)


def _run(setting, seed, clock):
    samples = draw(setting, seed)
    path = diagonal_simulate.flow(setting, samples, clock)
    found = diagonal_simulate.curves(setting, samples, path)
    return {
        "train_accuracy": found.train_accuracy,
        "test_accuracy": found.test_accuracy,
        "norm": path.parameter_norm(samples),
    }


RECORDS = {
    "train_accuracy": Quantity("fraction", "accuracy on the training samples"),
    "test_accuracy": Quantity("fraction", "accuracy on the population"),
    "norm": Quantity("1", "length of (u, v)"),
}

RUNS = tuple(
    Sweep(
        name=name,
        function=function,
        axes={},
        outputs=RECORDS,
        dims=dict.fromkeys(RECORDS, ("clock",)),
        labels={"clock": clock.tolist()},
        grids={"book": Grid({}, range(10), cost)},
        about=about,
    )
    for name, function, clock, cost, about in (
        ("decay-grokking", grokking, GROKKING_CLOCK, 9.0, "DI Fig. 1a: 10 runs, 100,000 inputs"),
        ("decay-misgrokking", misgrokking, MISGROKKING_CLOCK, 10.0, "DI Fig. 1b: 10 runs"),
    )
)
