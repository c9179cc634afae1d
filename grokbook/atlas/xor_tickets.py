"""Tickets in XC's network: masks of its weights, on full vectors.

A mask of weights does not commute with the exact reduction of ``grokbook.xor.simulate``: the plain
loop on vectors of d_in entries is what is left.  Weights are in units of the step size.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import expit

from grokbook import randomness, validate
from grokbook.atlas.remedies import Model, descend
from grokbook.tickets import masks
from grokbook.xor.simulate import FullDraw

ARMS = ("dense", "ticket", "shuffled", "random", "fresh weights", "mask of step 1")


def model(full: FullDraw, slope=expit, dtype="float64") -> Model:
    """XC's network as a model of one run, weights (1, width, d_in); ``slope`` is that of the loss
    as a function of -y f."""
    data, setting = full.reduced.data, full.reduced.data.setting
    inputs = full.samples[: setting.n_train].astype(dtype)
    out = (data.sign / np.sqrt(setting.width)).astype(dtype)
    labels = data.labels.astype(dtype)

    def gradient(weights):
        inside = weights[0] @ inputs.T
        output = out @ np.maximum(inside, 0)
        pull = slope(-setting.step_size * labels * output).astype(dtype) * labels / setting.n_train
        return -(((inside > 0) * np.multiply.outer(out, pull)).astype(dtype) @ inputs)[None]

    return Model(full.weights[None].astype(dtype), gradient, 1.0)


def accuracies(full: FullDraw, weights) -> np.ndarray:
    """Train accuracy on the labels, flipped or not, and test accuracy, of (n_steps, 1, width,
    d_in) weights; (2, n_steps)."""
    data, n_train = full.reduced.data, full.reduced.data.setting.n_train
    inside = np.maximum(weights[:, 0] @ full.samples[:-2].T.astype(weights.dtype), 0)
    right = (data.sign @ inside) * np.append(data.labels, data.clean[n_train:]) > 0
    return np.stack([right[:, :n_train].mean(axis=1), right[:, n_train:].mean(axis=1)])
