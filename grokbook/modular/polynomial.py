"""GT's polynomial regression: y = (beta . x)^2 / 2 in 40 dimensions, a five-layer ReLU network."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from grokbook import validate

WIDTHS = (40, 40, 48, 500, 1)


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
    """Training and test inputs and targets: x ~ N(0, 1)/sqrt(40), one beta ~ N(0, 1)."""
    rng = torch.Generator().manual_seed(validate.count("seed", seed, at_least=0))
    validate.count("n_samples", n_samples)
    beta = torch.randn(WIDTHS[0], generator=rng)
    x = torch.randn(2, n_samples, WIDTHS[0], generator=rng) / math.sqrt(WIDTHS[0])
    y = (x @ beta).square() / 2
    return x[0], y[0], x[1], y[1]


def initial(seed: int) -> torch.Tensor:
    """Initial weights of standard deviation 1/sqrt(rows), no biases; (n_weights,)."""
    rng = torch.Generator().manual_seed(validate.count("seed", seed, at_least=0))
    parts = [
        torch.randn(rows * columns, generator=rng) / math.sqrt(rows)
        for rows, columns in itertools.pairwise(WIDTHS)
    ]
    return torch.cat(parts)


def train(
    seed: int,
    record: Sequence[int],
    *,
    mask: torch.Tensor | None = None,
    learning_rate: float = 1e-2,
    weight_decay: float = 1.0,
) -> Losses:
    """Train on 100 samples with AdamW, under a mask if one is given.

    Raises
    ------
    ValueError
        If the steps do not increase, or the mask has another shape than the weights.
    """
    wanted = validate.steps("record", list(record)).astype(int)
    start = initial(seed)
    mask = torch.ones_like(start) if mask is None else mask
    if mask.shape != start.shape:
        raise ValueError(f"mask has shape {tuple(mask.shape)}: must be {tuple(start.shape)}")
    x, y, x_test, y_test = samples(seed)
    sizes = list(itertools.pairwise(WIDTHS))
    parts = [
        (start * mask)[a : a + rows * columns].view(rows, columns).clone().requires_grad_()
        for a, (rows, columns) in zip(_starts(sizes), sizes, strict=True)
    ]
    kept = [mask[a : a + r * c].view(r, c) for a, (r, c) in zip(_starts(sizes), sizes, strict=True)]
    optimizer = torch.optim.AdamW(parts, learning_rate, weight_decay=weight_decay)
    rows_found = []
    for step in range(wanted[-1] + 1):
        loss = (_output(parts, x) - y).square().mean()
        if step in wanted:
            with torch.no_grad():
                test = (_output(parts, x_test) - y_test).square().mean()
            rows_found.append((step, float(loss.detach()), float(test)))
        if step == wanted[-1]:
            break
        gradients = torch.autograd.grad(loss, parts)
        for part, gradient, keep in zip(parts, gradients, kept, strict=True):
            part.grad = gradient * keep
        optimizer.step()
    weights = torch.cat([part.detach().flatten() for part in parts])
    return Losses(*np.array(rows_found).T, weights)


def _starts(sizes) -> list[int]:
    return [0, *np.cumsum([rows * columns for rows, columns in sizes]).tolist()[:-1]]


def _output(parts: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    for part in parts[:-1]:
        x = torch.relu(x @ part)
    return (x @ parts[-1])[:, 0]
