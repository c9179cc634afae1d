"""The run behind the explorer *Neurons turning*, and what its page draws of it."""

from __future__ import annotations

import numpy as np

from grokbook import source
from grokbook.xor import XorSetting, experiments, simulate
from recordings import numbers

NAME = "neurons"
# The slow run of the chapter, with a fifth of the paper's neurons: it fits a page.
SETTING = XorSetting(step_size=experiments.SMALL_STEP, width=200)
# 61 records, of which the last shows all four clusters learnt.
STEP = [0, *sorted({round(x) for x in np.geomspace(1, 3162, 71)})]
SEED = 0


def marks() -> list[str]:
    """What the recording depends on beside how it is packed."""
    return [source.fingerprint(simulate.descend), repr((SETTING, STEP, SEED))]


def record() -> simulate.Run:
    """The run: 3,162 steps of gradient descent, a few seconds."""
    return simulate.descend(SETTING, STEP, SEED, loss="linear")


def pack(run: simulate.Run) -> dict:
    """What the page draws.

    ``neurons`` holds <w_j, mu_1> and <w_j, mu_2> of every neuron in every record, each record in
    units of its own ``unit``; ``unit`` is in units of alpha |mu|^2 / sqrt(m).  ``points`` are the
    training inputs in the plane of the two centres.  Both are 16-bit integers, little-endian, in
    base64, of which FULL is one unit.
    """
    setting, n_train = run.data.setting, run.data.setting.n_train
    scale = setting.signal_norm**2 / np.sqrt(setting.width)
    place = np.swapaxes(run.projection, 1, 2) / scale
    unit = np.abs(place).max(axis=(1, 2))
    points = run.data.gram[-2:, :n_train].T / setting.signal_norm**2
    curves = simulate.curves([run])
    return {
        "step": [int(one) for one in run.step],
        "sign": [int(one) for one in run.data.sign],
        "unit": [float(f"{one:.6g}") for one in unit],
        "neurons": numbers(place / unit[:, None, None]),
        "reach": float(np.abs(points).max()),
        "points": numbers(points / np.abs(points).max()),
        "label": [int(one) for one in run.data.labels],
        "train": [round(float(one), 4) for one in curves.train_accuracy[0]],
        "test": [round(float(one), 4) for one in curves.test_accuracy[0]],
        "clusters": [[round(float(one), 4) for one in row] for row in run.cluster_accuracy],
    }
