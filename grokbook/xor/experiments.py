"""Declared experiments of paper XC: runs that take long, and a sweep over signal and label noise.

The runs: small steps, initial scales, training on full vectors, delays and lost clusters.
"""

from __future__ import annotations

import numpy as np

from grokbook import validate
from grokbook.sweep.grid import Grid, Quantity, Sweep
from grokbook.xor import simulate
from grokbook.xor.setting import PAPER_SIGNAL, XorSetting, within_assumptions

# Ten a decade, to the step at which the test accuracy has settled.
RECORDED = [0, *sorted({round(10 ** (k / 10)) for k in range(38)})]
SMALL_STEP = 1e-16
# Steps of the histograms of XC Fig. 4, and how far each reaches, in alpha ||mu||^2 / sqrt(m).
HISTOGRAM = {0: 40, 100: 40, 1000: 160, 3162: 450}
N_BINS = 90
FULL_STEP = [0, 1, 2, 5]
# Initial scale omega / alpha to the last step of its runs.
LAST = {0.001: 100, 0.01: 100, 0.1: 126, 0.3: 251, 1.0: 794, 3.0: 7943}
RATIO_STEP = [0, *sorted({round(10 ** (k / 10)) for k in range(40)})]
STEP = (1, 15)
# Settings in which the delay is measured, and the last step of their runs.
_SAME = {"signal_norm": PAPER_SIGNAL, "n_train": 200, "width": 100}
DELAY = {
    "m = 30": (_SAME | {"width": 30}, 447),
    "m = 100": (_SAME, 562),
    "m = 300": (_SAME | {"width": 300}, 794),
    "‖μ‖ × 0.7": (_SAME | {"signal_norm": 0.7 * PAPER_SIGNAL}, 1000),
    "‖μ‖ × 1.4": (_SAME | {"signal_norm": 1.4 * PAPER_SIGNAL}, 251),
    "‖μ‖ × 2": (_SAME | {"signal_norm": 2 * PAPER_SIGNAL}, 126),
    "n = 100": (_SAME | {"n_train": 100}, 562),
    "n = 400": (_SAME | {"n_train": 400}, 562),
    "n = 100, same n‖μ‖²": (_SAME | {"n_train": 100, "signal_norm": 2**0.5 * PAPER_SIGNAL}, 400),
}
DELAY_RATIO = 3.0
DELAY_STEP = [0, *sorted({round(10 ** (k / 20)) for k in range(61)})]
LOST_STEP = [2, 5, 15, 60, 200]
# Seeds that no chapter trains with.
LOST_SEEDS = range(1000, 1120)


def small_step(seed: int) -> dict[str, np.ndarray]:
    """One run with alpha = 1e-16 (XC Figs. 1 right and 4), by the linear loss.

    Returns
    -------
    dict
        ``train_accuracy``, ``test_accuracy`` at the steps ``RECORDED``; ``neurons`` (4, 2, 90), at
        the steps of ``HISTOGRAM``: see :func:`neuron_counts`.
    """
    run = simulate.descend(XorSetting(step_size=SMALL_STEP), RECORDED, seed, loss="linear")
    return _accuracies(run) | {"neurons": neuron_counts(run)}


def neuron_counts(run: simulate.Run) -> np.ndarray:
    """Positive neurons by their <w_j, mu_1> and <w_j, mu_2>, in units of alpha ||mu||^2 / sqrt(m).

    Returns
    -------
    (n, 2, 90) array
        Their numbers in 90 equal bins from -reach to reach, at those steps of ``HISTOGRAM`` that
        the run recorded.
    """
    setting, positive = run.data.setting, run.data.sign > 0
    unit = setting.signal_norm**2 / np.sqrt(setting.width)
    counts = []
    for k in np.flatnonzero(np.isin(run.step, list(HISTOGRAM))):
        reach = HISTOGRAM[int(run.step[k])]
        pair = run.projection[k][:, positive] / unit
        counts.append([np.histogram(one, N_BINS, (-reach, reach))[0] for one in pair])
    return np.array(counts)


def full_vectors(seed: int) -> dict[str, np.ndarray]:
    """One run of the paper's experiment with alpha = 1e-12, on vectors of 40,000 entries.

    Returns
    -------
    dict
        At the steps ``FULL_STEP``: ``train_accuracy``, ``test_accuracy``; ``alignment_ratio``, mean
        size of <w_j, mu_1> over that of <w_j, mu_2>, positive neurons.
    """
    run = simulate.descend_directly(XorSetting(), FULL_STEP, seed)
    size = np.abs(run.projection[..., run.data.sign > 0]).mean(axis=2)
    return _accuracies(run) | {"alignment_ratio": size[:, 0] / size[:, 1]}


def init_scale(seed: int, init_ratio: float) -> dict[str, np.ndarray]:
    """One run at the initial scale omega = ``init_ratio`` alpha, to its own last step.

    Returns
    -------
    dict
        ``train_accuracy``, ``test_accuracy`` at the steps ``RATIO_STEP``, ``nan`` after the last.
    """
    setting = XorSetting(step_size=1e-12, init_std=1e-12 * init_ratio)
    step = [one for one in RATIO_STEP if one <= LAST[init_ratio]]
    found = _accuracies(simulate.descend(setting, step, seed, loss="linear"))
    after = np.full(len(RATIO_STEP) - len(step), np.nan)
    return {name: np.append(values, after) for name, values in found.items()}


def delay(seed: int, case: str) -> dict[str, np.ndarray]:
    """One run of a setting of ``DELAY``, at omega = 3 alpha; ValueError for another case.

    Returns
    -------
    dict
        ``train_accuracy``, ``test_accuracy`` at the steps ``DELAY_STEP``, ``nan`` after the last.
    """
    parameters, last = DELAY[validate.choice("case", case, tuple(DELAY))]
    setting = XorSetting(step_size=1e-12, init_std=1e-12 * DELAY_RATIO, **parameters)
    step = [one for one in DELAY_STEP if one <= last]
    found = _accuracies(simulate.descend(setting, step, seed, loss="linear"))
    after = np.full(len(DELAY_STEP) - len(step), np.nan)
    return {name: np.append(values, after) for name, values in found.items()}


def lost_clusters(seed: int, n_train: int, where: str) -> dict[str, np.ndarray]:
    """Which clusters one network of 100 neurons gets right.

    Parameters
    ----------
    where : {"outside", "inside"}
        With the paper's dimension and n ||mu||^2 / p, or at p = 10^13 inside its assumptions.
        ValueError for another word.

    Returns
    -------
    dict
        ``members`` (4, 2): clean and flipped training points of each cluster; ``cluster_accuracy``
        (5, 4) at the steps ``LOST_STEP``.
    """
    if validate.choice("where", where, ("outside", "inside")) == "inside":
        setting = within_assumptions(n_train, 10**13, width=100)
    else:
        norm = PAPER_SIGNAL * np.sqrt(200 / n_train)
        setting = XorSetting(n_train=n_train, signal_norm=norm, width=100)
    run = simulate.descend(setting, LOST_STEP, seed, loss="linear")
    return {"members": run.data.members, "cluster_accuracy": run.cluster_accuracy}


def _accuracies(run: simulate.Run) -> dict[str, np.ndarray]:
    return {
        "train_accuracy": run.train_correct.mean(axis=1),
        "test_accuracy": run.test_correct.mean(axis=1),
    }


def accuracies(seed: int, signal_norm: float, label_noise: float) -> dict[str, float]:
    """Accuracies of one network of the paper's size (XC Fig. 1 left), 200 samples each.

    Returns
    -------
    dict
        ``train_accuracy_T`` (on labels with noise) and ``test_accuracy_T`` (on clean ones) after T
        = 1 and 15 steps; fractions.
    """
    setting = XorSetting(signal_norm=signal_norm, label_noise=label_noise)
    run = simulate.descend(setting, STEP, seed)
    found = {}
    for k, step in enumerate(STEP):
        found[f"train_accuracy_{step}"] = run.train_correct[k].mean()
        found[f"test_accuracy_{step}"] = run.test_correct[k].mean()
    return found


SIGNAL = [2.5, 5.0, 7.5, *(float(k) for k in range(10, 71, 5))]
NOISE = [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45]

ACCURACIES = {
    "train_accuracy": Quantity("fraction", "accuracy on the training labels, flipped ones too"),
    "test_accuracy": Quantity("fraction", "accuracy on clean labels"),
}
BY_STEP = dict.fromkeys(ACCURACIES, ("step",))

RUNS = (
    Sweep(
        name="xor-small-step",
        function=small_step,
        axes={},
        outputs=ACCURACIES | {"neurons": Quantity("1", "positive ones, by projection on a centre")},
        dims=BY_STEP | {"neurons": ("histogram_step", "centre", "bin")},
        labels={
            "step": RECORDED,
            "histogram_step": list(HISTOGRAM),
            "centre": [1, 2],
            "bin": list(range(N_BINS)),
        },
        dtypes={"neurons": "int16"},
        grids={"book": Grid({}, range(100), 3.6)},
        about="XC Figs. 1 (right) and 4: 100 runs with step size 1e-16",
    ),
    Sweep(
        name="xor-full-vectors",
        function=full_vectors,
        axes={},
        outputs=ACCURACIES | {"alignment_ratio": Quantity("1", "projection on mu_1 over mu_2")},
        dims=BY_STEP | {"alignment_ratio": ("step",)},
        labels={"step": FULL_STEP},
        grids={"book": Grid({}, range(24), 12.5)},
        about="XC, the paper's experiment on vectors of 40,000 entries, 24 runs",
    ),
    Sweep(
        name="xor-init-ratio",
        function=init_scale,
        axes={"init_ratio": Quantity("1", "initial scale, omega over alpha")},
        outputs=ACCURACIES,
        dims=BY_STEP,
        labels={"step": RATIO_STEP},
        grids={"book": Grid({"init_ratio": list(LAST)}, range(40), 1.4)},
        about="XC, initial scales from 0.001 to 3 step sizes, 40 runs each",
    ),
    Sweep(
        name="xor-delay",
        function=delay,
        axes={"case": Quantity("1", "what differs from 100 neurons and the paper's data")},
        outputs=ACCURACIES,
        dims=BY_STEP,
        labels={"step": DELAY_STEP},
        grids={"book": Grid({"case": list(DELAY)}, range(32), 0.2)},
        about="XC, the delay over width, signal and number of points, 32 runs each",
    ),
    Sweep(
        name="xor-lost-clusters",
        function=lost_clusters,
        axes={
            "n_train": Quantity("1", "training points"),
            "where": Quantity("1", "the paper's n‖μ‖²/p, or inside its assumptions"),
        },
        outputs={
            "members": Quantity("1", "clean and flipped training points of each cluster"),
            "cluster_accuracy": Quantity("fraction", "test accuracy of each cluster"),
        },
        dims={"members": ("cluster", "flipped"), "cluster_accuracy": ("step", "cluster")},
        labels={"step": LOST_STEP, "cluster": [0, 1, 2, 3], "flipped": [0, 1]},
        dtypes={"members": "int16", "cluster_accuracy": "float32"},
        grids={
            "book": Grid(
                {"n_train": [50, 100, 200, 400], "where": ["outside", "inside"]}, LOST_SEEDS, 0.1
            )
        },
        about="XC, which clusters 100 neurons get right, 120 runs each",
    ),
)

SWEEPS = (
    Sweep(
        name="xor-signal",
        function=accuracies,
        axes={
            "signal_norm": Quantity("1", "‖μ‖, length of a cluster centre in noise widths"),
            "label_noise": Quantity("fraction", "η, flipped training labels"),
        },
        outputs={
            f"{which}_accuracy_{step}": Quantity("fraction", f"{which} accuracy after {after}")
            for which in ("train", "test")
            for step, after in ((1, "1 step"), (15, "15 steps"))
        },
        grids={
            "small": Grid({"signal_norm": SIGNAL[2::4], "label_noise": NOISE[::3]}, 2, 0.1),
            "book": Grid({"signal_norm": SIGNAL, "label_noise": NOISE}, 12, 0.1),
            "paper": Grid(
                {
                    "signal_norm": [float(k) for k in range(1, 81)],
                    "label_noise": [round(0.01 * k, 2) for k in range(50)],
                },
                200,
                0.1,
            ),
        },
        about="XC Fig. 1: accuracy after 1 and 15 steps over signal and label noise",
    ),
)
