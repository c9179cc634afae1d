"""Declared run of the atlas: how the accuracy of small XOR networks comes to rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from grokbook.atlas import models
from grokbook.sweep.grid import Grid, Quantity, Sweep

NARROW = replace(models.XOR, width=10)
DECADES = 3.4


def xor_edge(seed: int) -> dict[str, np.ndarray]:
    """One XOR network of ten neurons at omega = 3 alpha, followed for 2,512 steps.

    Returns
    -------
    dict
        ``train_accuracy``, ``test_accuracy`` at the steps ``clock(DECADES, 20)`` of the models.
    """
    run = models.xor([seed], NARROW, DECADES)
    return {"train_accuracy": run.train_accuracy[0], "test_accuracy": run.test_accuracy[0]}


_RECORDS = {
    "train_accuracy": Quantity("fraction", "accuracy on the training labels, flipped ones too"),
    "test_accuracy": Quantity("fraction", "accuracy on clean labels"),
}

RUNS = (
    Sweep(
        name="atlas-xor-edge",
        function=xor_edge,
        axes={},
        outputs=_RECORDS,
        dims=dict.fromkeys(_RECORDS, ("step",)),
        labels={"step": models.clock(DECADES, 20).tolist()},
        dtypes=dict.fromkeys(_RECORDS, "float32"),
        grids={"book": Grid({}, range(160), 0.5)},
        about="XC, 160 networks of ten neurons to the end of their learning",
    ),
)
