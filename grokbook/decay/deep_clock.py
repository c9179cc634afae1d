"""Bias-free ReLU networks under weight decay, all layers trained by gradient descent (paper RR)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from grokbook import randomness, validate
from grokbook.curves import Curves
from grokbook.decay.ridge_setting import NetSetting


def outputs(layers: list[np.ndarray], inputs: np.ndarray) -> list[np.ndarray]:
    """What enters each layer, and last the output: inputs (n, d), layers (fan_out, fan_in)."""
    passed = [inputs]
    for layer in layers[:-1]:
        passed.append(np.maximum(passed[-1] @ layer.T, 0.0))
    return [*passed, passed[-1] @ layers[-1].T]


def gradient(layers: list[np.ndarray], inputs: np.ndarray) -> tuple[float, list[np.ndarray]]:
    """The train loss (1/2n) sum f^2 of the zero teacher, and its gradient in each layer."""
    *passed, output = outputs(layers, inputs)
    n, back, found = len(inputs), output / len(inputs), []
    for k in range(len(layers) - 1, -1, -1):
        found.append(back.T @ passed[k])
        if k:
            back = (back @ layers[k]) * (passed[k] > 0)
    return float(0.5 / n * np.sum(output**2)), found[::-1]


def draw(setting: NetSetting, seed: int, n_test: int) -> tuple[list, np.ndarray, np.ndarray]:
    """Layers, training inputs (n, d) and test inputs (n_test, d) of a seed."""
    d, inner = setting.d_in, setting.width
    shapes = [(inner, d), *[(inner, inner)] * (setting.depth - 2), (1, inner)]
    layers = [
        setting.init_scale * randomness.generator(seed, 20 + k).normal(0, fan[1] ** -0.5, fan)
        for k, fan in enumerate(shapes)
    ]
    train, test = (
        randomness.generator(seed, stream).standard_normal((rows, d))
        for stream, rows in ((10, setting.n_train), (11, n_test))
    )
    return layers, train, test


def trajectory(setting: NetSetting, step, seeds: Iterable[int], *, n_test: int = 1000) -> Curves:
    """Full-batch gradient descent with decay towards the zero function (RR, Section 5.3).

    One run a seed, recorded at the whole numbers ``step``; records are (n_seeds, n_steps), test
    losses means over ``n_test`` inputs.  ValueError for bad arguments, or if a run diverges.
    """
    step = validate.whole_steps("step", step)
    validate.count("n_test", n_test)
    runs = [_run(setting, step, seed, n_test) for seed in validate.seeds("seeds", seeds)]
    return Curves(step, *(np.stack(records) for records in zip(*runs, strict=True)))


def _run(setting, step, seed, n_test):
    layers, train, test = draw(setting, seed, n_test)
    kept = 1 - setting.learning_rate * setting.weight_decay
    records, now = [], 0
    for stop in step:
        for _ in range(int(stop) - now):
            slopes = gradient(layers, train)[1]
            layers = [
                kept * one - setting.learning_rate * slope
                for one, slope in zip(layers, slopes, strict=True)
            ]
        now = int(stop)
        squares = [outputs(layers, inputs)[-1] ** 2 for inputs in (train, test)]
        if not np.all(np.isfinite(squares[0])):
            raise ValueError(f"learning_rate = {setting.learning_rate:g}: must be smaller here")
        shares = [np.mean(one < setting.threshold) for one in squares]
        records.append((0.5 * squares[0].mean(), squares[1].mean(), *shares))
    return np.transpose(records)
