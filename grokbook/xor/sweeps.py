"""Sweep of paper XC: test accuracy after 1 and 15 steps over signal and label noise."""

from __future__ import annotations

from grokbook.sweep.grid import Grid, Quantity, Sweep
from grokbook.xor import simulate
from grokbook.xor.setting import XorSetting

STEP = (1, 15)


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
