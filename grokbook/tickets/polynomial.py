"""GT's polynomial regression: y = (beta . x)^2 / 2, 40 dimensions, three ReLU layers (Fig. 2d)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from grokbook import randomness, validate
from grokbook.modular.optimizer import AdamW

WIDTHS = (40, 40, 48, 500, 1)
SHAPES = list(itertools.pairwise(WIDTHS))
SIZES = [rows * columns for rows, columns in SHAPES]


@dataclass(frozen=True)
class Losses:
    """Mean square errors of one run.

    Attributes
    ----------
    step, train_loss, test_loss : (n_steps,) arrays
    weights : (n_weights,) tensor
        At the end.
    """

    step: np.ndarray
    train_loss: np.ndarray
    test_loss: np.ndarray
    weights: torch.Tensor


def samples(seed: int, n_samples: int = 100) -> tuple[torch.Tensor, ...]:
    """Inputs (n_samples, 40) and targets (n_samples,), for training and for testing.

    x has entries N(0, 1)/sqrt(40); one beta with entries N(0, 1) serves both sets.
    """
    rng = randomness.torch_generator(seed)
    validate.count("n_samples", n_samples)
    beta = torch.randn(WIDTHS[0], generator=rng)
    x = torch.randn(2, n_samples, WIDTHS[0], generator=rng) / math.sqrt(WIDTHS[0])
    y = (x @ beta).square() / 2
    return x[0], y[0], x[1], y[1]


def initial(seed: int, scale: float = 1.0) -> torch.Tensor:
    """Initial weights of standard deviation ``scale``/sqrt(rows), no biases; (n_weights,)."""
    validate.number("scale", scale, above=0)
    rng = randomness.torch_generator(seed)
    parts = [torch.randn(r * c, generator=rng) * (scale / math.sqrt(r)) for r, c in SHAPES]
    return torch.cat(parts)


def train(
    seed: int,
    record: Sequence[int],
    *,
    mask: torch.Tensor | None = None,
    n_samples: int = 100,
    scale: float = 1.0,
    learning_rate: float = 1e-2,
    weight_decay: float = 1.0,
) -> Losses:
    """Full-batch AdamW on the mean square error, under a mask if one is given.

    The defaults are those of GT's code; ``scale`` is its factor on initial weights.  ValueError
    if the steps are not whole or do not increase, or the mask has another shape than the weights.
    """
    wanted = validate.whole_steps("record", list(record)).astype(int)
    weights = initial(seed, scale)
    mask = torch.ones_like(weights) if mask is None else mask
    if mask.shape != weights.shape:
        raise ValueError(f"mask has shape {tuple(mask.shape)}: must be {tuple(weights.shape)}")
    x, y, x_test, y_test = samples(seed, n_samples)
    weights.mul_(mask).requires_grad_()
    optimizer = AdamW(learning_rate, beta2=0.98, epsilon=1e-8, weight_decay=weight_decay)
    state, rows = optimizer.start(weights.detach()), []
    for step in range(wanted[-1] + 1):
        loss = (output(weights, x) - y).square().mean()
        if step in wanted:
            with torch.no_grad():
                test = (output(weights, x_test) - y_test).square().mean()
            rows.append((step, float(loss.detach()), float(test)))
        if step == wanted[-1]:
            break
        (gradient,) = torch.autograd.grad(loss, weights)
        optimizer.step(state, weights.detach(), gradient.mul_(mask), [])
    return Losses(*np.array(rows).T, weights.detach())


def output(weights: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """The network's answers to x (n_samples, 40); (n_samples,)."""
    *hidden, last = (
        part.view(shape) for part, shape in zip(weights.split(SIZES), SHAPES, strict=True)
    )
    for part in hidden:
        x = torch.relu(x @ part)
    return (x @ last)[:, 0]
