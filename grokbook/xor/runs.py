"""Stored runs of paper XC: the hundred runs with the small step, and training on full vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grokbook.store import StoredRun
from grokbook.xor import simulate
from grokbook.xor.setting import XorSetting

SMALL_STEP = 1e-16
# Positive neurons of each run whose projections are kept; neurons are exchangeable.
N_NEURONS = 100


def small_step(
    n_runs: int, step: Sequence[int], histogram_step: Sequence[int]
) -> dict[str, np.ndarray]:
    """Runs with alpha = 1e-16 (XC Figs. 1 right and 4), by the linear loss.

    Parameters
    ----------
    n_runs : int
        Seeds 0 to n_runs - 1.
    step : sequence of int
        Recorded steps.
    histogram_step : sequence of int
        Those of them at which projections are kept.

    Returns
    -------
    dict
        ``step``; ``train_accuracy``, ``test_accuracy`` (n_runs, n_steps); ``projection``
        (n_runs, n_histogram_steps, 2, 100): <w_j, mu_1> and <w_j, mu_2> of the first positive
        neurons of each run, in units of alpha.
    """
    setting = XorSetting(step_size=SMALL_STEP)
    kept = np.searchsorted(step, histogram_step)
    train, test, projection = [], [], []
    for seed in range(n_runs):
        run = simulate.descend(setting, step, seed, loss="linear")
        train.append(run.train_correct.mean(axis=1))
        test.append(run.test_correct.mean(axis=1))
        positive = np.flatnonzero(run.data.sign > 0)[:N_NEURONS]
        projection.append(run.projection[kept][..., positive])
    return {
        "step": np.asarray(step),
        "train_accuracy": np.array(train),
        "test_accuracy": np.array(test),
        "projection": np.array(projection, dtype=np.float32),
    }


def full_vectors(n_runs: int, step: Sequence[int]) -> dict[str, np.ndarray]:
    """The paper's experiment with alpha = 1e-12, trained on vectors of 40,000 entries.

    Returns
    -------
    dict
        ``step``; ``train_accuracy``, ``test_accuracy`` (n_runs, n_steps); ``alignment_ratio``
        (n_runs, n_steps): mean |<w_j, mu_1>| over mean |<w_j, mu_2>|, positive neurons.
    """
    setting = XorSetting()
    train, test, ratio = [], [], []
    for seed in range(n_runs):
        run = simulate.descend_directly(setting, step, seed)
        train.append(run.train_correct.mean(axis=1))
        test.append(run.test_correct.mean(axis=1))
        size = np.abs(run.projection[..., run.data.sign > 0]).mean(axis=2)
        ratio.append(size[:, 0] / size[:, 1])
    return {
        "step": np.asarray(step),
        "train_accuracy": np.array(train),
        "test_accuracy": np.array(test),
        "alignment_ratio": np.array(ratio),
    }


# Ten a decade, to the step at which the test accuracy has settled.
RECORDED = [0, *sorted({round(10 ** (k / 10)) for k in range(38)})]

RUNS = (
    StoredRun(
        name="xor-small-step",
        function=small_step,
        parameters={
            "n_runs": 100,
            "step": RECORDED,
            "histogram_step": [0, 100, 1000, 3162],
        },
        about="XC Figs. 1 (right) and 4: 100 runs with step size 1e-16",
        cpu_seconds=300,
    ),
    StoredRun(
        name="xor-full-vectors",
        function=full_vectors,
        parameters={"n_runs": 40, "step": [0, 1, 2, 5]},
        about="XC, the paper's experiment on vectors of 40,000 entries, 40 runs",
        cpu_seconds=400,
    ),
)
