"""Stored runs of paper XC: small steps, a sweep of initial scales, and training on full vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grokbook.results import StoredRun
from grokbook.xor import simulate
from grokbook.xor.setting import XorSetting

SMALL_STEP = 1e-16
# Positive neurons of each run whose projections are kept; neurons are exchangeable.
N_NEURONS = 100


def small_step(
    seeds: Sequence[int], step: Sequence[int], histogram_step: Sequence[int]
) -> dict[str, np.ndarray]:
    """Runs with alpha = 1e-16 (XC Figs. 1 right and 4), by the linear loss.

    Parameters
    ----------
    seeds : sequence of int
    step : sequence of int
        Recorded steps.
    histogram_step : sequence of int
        Those of them at which projections are kept.

    Returns
    -------
    dict
        ``step``; ``train_accuracy``, ``test_accuracy`` (n_seeds, n_steps); ``projection``
        (n_seeds, n_histogram_steps, 2, 100): <w_j, mu_1> and <w_j, mu_2> of the first positive
        neurons of each run, in units of alpha.
    """
    setting = XorSetting(step_size=SMALL_STEP)
    kept = np.searchsorted(step, histogram_step)
    train, test, projection = [], [], []
    for seed in seeds:
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


def full_vectors(seeds: Sequence[int], step: Sequence[int]) -> dict[str, np.ndarray]:
    """The paper's experiment with alpha = 1e-12, trained on vectors of 40,000 entries.

    Returns
    -------
    dict
        ``step``; ``train_accuracy``, ``test_accuracy`` (n_seeds, n_steps); ``alignment_ratio``
        (n_seeds, n_steps): mean size of <w_j, mu_1> over that of <w_j, mu_2>, positive neurons.
    """
    setting = XorSetting()
    train, test, ratio = [], [], []
    for seed in seeds:
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


def init_ratios(
    seeds: Sequence[int], ratios: Sequence[float], last: Sequence[int]
) -> dict[str, np.ndarray]:
    """Runs at several initial scales omega / alpha, each to its own last step.

    Returns
    -------
    dict
        For each ratio r: ``step_r``; ``train_accuracy_r``, ``test_accuracy_r`` (n_seeds, n_steps).
    """
    found = {}
    for ratio, end in zip(ratios, last, strict=True):
        setting = XorSetting(step_size=1e-12, init_std=1e-12 * ratio)
        step = [one for one in RECORDED if one <= end]
        runs = [simulate.descend(setting, step, seed, loss="linear") for seed in seeds]
        curves = simulate.curves(runs)
        found[f"step_{ratio:g}"] = curves.step
        found[f"train_accuracy_{ratio:g}"] = curves.train_accuracy
        found[f"test_accuracy_{ratio:g}"] = curves.test_accuracy
    return found


# Ten a decade, to the step at which the test accuracy has settled.
RECORDED = [0, *sorted({round(10 ** (k / 10)) for k in range(38)})]

RUNS = (
    StoredRun(
        name="xor-small-step",
        function=small_step,
        parameters={
            "seeds": list(range(100)),
            "step": RECORDED,
            "histogram_step": [0, 100, 1000, 3162],
        },
        about="XC Figs. 1 (right) and 4: 100 runs with step size 1e-16",
        cpu_seconds=360,
        quick={"seeds": [0, 1]},
    ),
    StoredRun(
        name="xor-full-vectors",
        function=full_vectors,
        parameters={"seeds": list(range(24)), "step": [0, 1, 2, 5]},
        about="XC, the paper's experiment on vectors of 40,000 entries, 24 runs",
        cpu_seconds=300,
        quick={"seeds": [0]},
    ),
    StoredRun(
        name="xor-init-ratio",
        function=init_ratios,
        parameters={
            "seeds": list(range(40)),
            "ratios": [0.001, 0.01, 0.1, 0.3, 1, 3],
            "last": [100, 100, 126, 251, 794, 2512],
        },
        about="XC, initial scales from 0.001 to 3 step sizes, 40 runs each",
        cpu_seconds=150,
        quick={"seeds": [0], "ratios": [0.1, 3], "last": [126, 251]},
    ),
)
