"""Tickets in XC's network: masks of its weights, on full vectors.

A mask of weights does not commute with the exact reduction of ``grokbook.xor.simulate``: what is
left is the plain loop on vectors of d_in entries, here in a small setting with a delay.  Weights
are in units of the step size.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from scipy.special import expit

from grokbook import randomness, validate
from grokbook.atlas.remedies import Model, descend
from grokbook.tickets import masks
from grokbook.xor.setting import XorSetting
from grokbook.xor.simulate import FullDraw

# XC's p/n divided by 5; omega/alpha times 1000, which makes the delay long; a signal so strong that
# few runs lose a cluster.
SETTING = XorSetting(
    d_in=2000,
    n_train=50,
    n_test=100,
    width=150,
    signal_norm=3.5 * math.sqrt(80),
    init_std=1e-12,
)
STEP = (0, 1, 2, 3, 5, 8, 12, 18, 27, 40, 60)
KEPT = 0.4


def model(full: FullDraw, slope=expit, dtype="float32") -> Model:
    """XC's network as a model of one run, weights (1, width, d_in); ``slope`` is that of the loss
    as a function of -y f."""
    data, setting = full.reduced.data, full.reduced.data.setting
    inputs = full.samples[: setting.n_train].astype(dtype)
    out = (data.sign / np.sqrt(setting.width)).astype(dtype)
    labels = data.labels.astype(dtype)

    def gradient(weights):
        inside = weights[0] @ inputs.T
        output = out @ np.maximum(inside, 0)
        pull = slope(-setting.step_size * labels * output) * labels / setting.n_train
        return -(((inside > 0) * np.multiply.outer(out, pull)).astype(dtype) @ inputs)[None]

    return Model(full.weights[None].astype(dtype), gradient, 1.0)


def accuracies(full: FullDraw, weights) -> np.ndarray:
    """Train accuracy on the labels, flipped or not, and test accuracy, of (n_steps, 1, width,
    d_in) weights; (2, n_steps)."""
    data, n_train = full.reduced.data, full.reduced.data.setting.n_train
    inside = np.maximum(weights[:, 0] @ full.samples[:-2].T.astype(weights.dtype), 0)
    right = (data.sign @ inside) * np.append(data.labels, data.clean[n_train:]) > 0
    return np.stack([right[:, :n_train].mean(axis=1), right[:, n_train:].mean(axis=1)])


def on_axes(full: FullDraw) -> FullDraw:
    """The same draw seen from axes of which the first two lie along the centres.

    Two reflections: inner products, and with them a dense network's outputs, stay as they are.
    """
    samples, weights = full.samples.copy(), full.weights.copy()
    for axis in range(2):
        across = samples[axis - 2] / np.linalg.norm(samples[axis - 2])
        across[axis] -= 1
        across /= np.linalg.norm(across)
        for rows in (samples, weights):
            rows -= np.multiply.outer(2 * (rows @ across), across).astype(rows.dtype)
    return replace(full, samples=samples, weights=weights)


def largest(weights, kept: float) -> np.ndarray:
    """A mask of the share ``kept`` of the weights that are largest; the shape of ``weights``.

    Raises ValueError unless the share is in (0, 1].
    """
    validate.number("kept", kept, above=0, at_most=1)
    size = torch.from_numpy(np.abs(weights).ravel())
    return masks.keep_largest(size, 1 - kept).numpy().reshape(weights.shape)


def arms(full: FullDraw, seed: int, step=STEP, *, kept: float = KEPT) -> dict[str, np.ndarray]:
    """A dense run, its ticket and the controls, all to the last step.

    The ticket keeps the largest weights of the last step, from their initial values.  Controls:
    its mask shuffled inside each neuron, and over all; fresh initial weights under it; the mask of
    the first step recorded after 0; and the ticket of the same draw seen :func:`on_axes`.

    Returns
    -------
    dict
        :func:`accuracies` of each arm, (2, n_steps).
    """
    start = model(full)
    dense = descend(start, step)
    last, rng = dense[-1, 0], randomness.generator(seed, 2)
    early = dense[int(np.argmax(np.array(step) > 0)), 0]
    ticket = largest(last, kept)
    fresh = full.reduced.data.setting.init_ratio * rng.standard_normal(start.start.shape)
    turned, seen = on_axes(full), on_axes(replace(full, weights=last)).weights
    masked = {
        "ticket": (full, start, ticket),
        "shuffled mask": (full, start, rng.permuted(ticket, axis=1)),
        "random mask": (full, start, rng.permutation(ticket.ravel()).reshape(ticket.shape)),
        "fresh weights": (full, replace(start, start=fresh.astype("float32")), ticket),
        "mask of step 1": (full, start, largest(early, kept)),
        "signal on the axes": (turned, model(turned), largest(seen, kept)),
    }
    found = {"dense": accuracies(full, dense)}
    for name, (draw, one, mask) in masked.items():
        found[name] = accuracies(draw, descend(one, step, mask=mask))
    return found
