"""Runs recorded for the explorers when the site is built, as JSON that a page fetches.

A recording is made once for the code and the setting it depends on and kept under
``_build/recordings``; a rebuild copies it.
"""

from __future__ import annotations

import base64
import hashlib
import inspect
import json
import os
from pathlib import Path

import numpy as np

from grokbook import randomness, source
from grokbook.xor import XorSetting, experiments, simulate

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "_build" / "recordings"
NAME = "neurons.json"
# The slow run of the chapter, with a fifth of the paper's neurons: it fits a page.
SETTING = XorSetting(step_size=experiments.SMALL_STEP, width=200)
# 61 records, of which the last shows all four clusters learnt.
STEP = [0, *sorted({round(x) for x in np.geomspace(1, 3162, 71)})]
SEED = 0
# Largest number that a stored coordinate takes.
FULL = 32_767


def write(folder: Path) -> Path:
    """Put the recording into ``folder/recordings``, and make it first where it is not kept."""
    kept = KEPT / f"neurons-{key()}.json"
    if not kept.is_file():
        text = json.dumps(pack(record()), separators=(",", ":"))
        KEPT.mkdir(parents=True, exist_ok=True)
        for old in KEPT.glob("neurons-*.json"):
            old.unlink()
        scratch = kept.with_suffix(f".{os.getpid()}")
        scratch.write_text(text, "utf-8")
        scratch.replace(kept)
    target = folder / "recordings" / NAME
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(kept.read_bytes())
    return target


def key() -> str:
    """Hash of the run's code and setting, of the reader's seed shift and of how it is packed."""
    parts = [
        source.fingerprint(simulate.descend),
        repr(SETTING),
        repr((STEP, SEED, FULL, randomness.shift(), np.__version__)),
        inspect.getsource(pack),
        inspect.getsource(_numbers),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


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
        "neurons": _numbers(place / unit[:, None, None]),
        "reach": float(np.abs(points).max()),
        "points": _numbers(points / np.abs(points).max()),
        "label": [int(one) for one in run.data.labels],
        "train": [round(float(one), 4) for one in curves.train_accuracy[0]],
        "test": [round(float(one), 4) for one in curves.test_accuracy[0]],
        "clusters": [[round(float(one), 4) for one in row] for row in run.cluster_accuracy],
    }


def _numbers(values: np.ndarray) -> str:
    return base64.b64encode(np.rint(values * FULL).astype("<i2").tobytes()).decode("ascii")
