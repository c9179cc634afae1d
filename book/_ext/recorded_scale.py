"""The run behind the explorer of weight decay's sweep, and what its page draws of it (paper DI)."""

from __future__ import annotations

import numpy as np

from grokbook import source
from grokbook.decay import diagonal_setting, diagonal_simulate
from recordings import numbers

NAME = "scale"
# Weight decay small enough that the run is at rest at every scale on its way.
SETTING = diagonal_setting.DiagonalSetting(
    n_train=64, d_in=600, init_scale=100.0, weight_decay=1e-4
)
CLOCK = diagonal_simulate.grid(11.5, 0.1)
SEED = 2
OTHERS = 40  # coordinates without signal that are shown: those that end or begin largest


def marks() -> list[str]:
    """What the recording depends on beside how it is packed."""
    code = (diagonal_setting.draw, diagonal_simulate.flow, diagonal_simulate.curves)
    mine = [source.fingerprint(one) for one in code]
    return [*mine, repr((SETTING, CLOCK.tolist(), SEED, OTHERS))]


def record() -> tuple:
    """Samples and path: five seconds."""
    samples = diagonal_setting.draw(SETTING, SEED)
    return samples, diagonal_simulate.flow(SETTING, samples, CLOCK)


def pack(run: tuple) -> dict:
    """What the page draws, from the smallest scale to the largest.

    ``scale`` is s; ``train`` and ``test`` are accuracies, ``margin`` the smallest margin, ``share``
    the part of ||w||_1 in the signal.  ``weights`` holds w of the signal coordinates and of
    ``OTHERS`` more at each scale, in units of that record's ``unit``, as ``recordings.numbers``.
    """
    samples, path = run
    kept = slice(None, None, -1)
    curves = diagonal_simulate.curves(SETTING, samples, path)
    weights, k = path.weights(samples)[kept], SETTING.n_signal
    size = np.abs(weights)
    order = np.argsort(-(size[0] / size[0].max() + size[-1] / size[-1].max())[k:], kind="stable")
    shown = [*range(k), *(k + order[:OTHERS])]
    unit = size.max(axis=1)
    columns = {
        "scale": path.scale[kept],
        "train": curves.train_accuracy[kept],
        "test": curves.test_accuracy[kept],
        "margin": path.output.min(axis=1)[kept],
        "share": size[:, :k].sum(axis=1) / size.sum(axis=1),
        "unit": unit,
    }
    found = {name: [float(f"{one:.6g}") for one in column] for name, column in columns.items()}
    return found | {"signal": k, "weights": numbers(weights[:, shown] / unit[:, None])}
