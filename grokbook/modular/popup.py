"""Edge-popup: train scores of weights instead of weights (Ramanujan et al. 2020; GT Table 1)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from grokbook import randomness, validate
from grokbook.curves import Curves
from grokbook.modular import masks
from grokbook.modular.path import Path, accuracy_and_loss
from grokbook.modular.tickets import TicketSetting


def initial_scores(setting: TicketSetting, seed: int) -> torch.Tensor:
    """Scores before training, uniform in +-1/sqrt(columns) of each matrix; (n_weights,)."""
    rng = randomness.torch_generator(seed)
    parts = []
    for weight in setting.network(seed).parameters():
        bound = 1 / math.sqrt(weight.shape[-1])
        parts.append((2 * torch.rand(weight.numel(), generator=rng) - 1) * bound)
    return torch.cat(parts)


def popped(scores: torch.Tensor, keep: float, spans: Sequence[slice]) -> torch.Tensor:
    """A mask that keeps the largest absolute scores of each matrix, a share ``keep`` in (0, 1].

    Of equal ones it keeps those of lowest index, at least one in all.  Raises ValueError for a
    share out of range.
    """
    validate.number("keep", keep, above=0, at_most=1)
    mask = torch.zeros_like(scores)
    for span in spans:
        size = scores[span].abs()
        mask[span] = masks.largest(size, max(round(keep * size.numel()), 1))
    return mask


def edge_popup(
    setting: TicketSetting,
    seed: int,
    weights: torch.Tensor,
    record: Sequence[int],
    *,
    keep: float = 0.4,
    train_weights: bool = False,
    until: float = 1.0,
) -> Path:
    """Train the scores of given weights.

    The forward pass uses the weights whose absolute score is among the largest of their matrix;
    backward the selection counts as the identity, so a score feels the gradient of its weight
    times the weight (GT Appendix A).  Scores decay as weights do, as in the authors' code.

    Parameters
    ----------
    weights : (n_weights,) tensor
        Where the weights stand: GT takes them after memorisation.
    record : sequence of int
        Steps at which to record, increasing; the last one ends the run.
    keep : float
        Share of each matrix that is used.
    train_weights : bool
        Train the weights too, with weight decay ("EP with WD" of GT); otherwise they are frozen.
    until : float
        The run ends early once a record reaches this test accuracy.

    Returns
    -------
    Path
        Its kept weights are those in use (zero where not) at the recorded steps from 200 on that
        are multiples of 200, and at the end.

    Raises
    ------
    ValueError
        If the weights have another shape, the steps do not increase, or ``keep`` is out of range.
    """
    wanted = validate.steps("record", list(record)).astype(int)
    trainer, values = setting.trainer(seed, weights=weights), weights.clone()
    scores = initial_scores(setting, seed)
    spans = list(trainer.spans.values())
    optimizer = trainer.optimizer
    states = [optimizer.start(one) for one in (scores, values)]
    rows, kept = [], []
    for step in range(wanted[-1] + 1):
        mask = popped(scores, keep, spans)
        trainer.weights.copy_(values).mul_(mask)
        logits = trainer.gradient.forward()
        terms = trainer.loss.terms(logits, trainer.train.labels)
        done = False
        if step in wanted:
            rows.append((step, *accuracy_and_loss(trainer, logits, terms.value)))
            done = rows[-1][-1] >= until or step == wanted[-1]
            if done or (step and step % 200 == 0):
                kept.append((step, trainer.weights.clone()))
        if done:
            break
        flow = terms.gradient.mul_(trainer.scale).to(values.dtype)
        gradient = trainer.gradient.backward(flow)
        optimizer.step(states[0], scores, gradient * values * torch.sign(scores), spans)
        if train_weights:
            optimizer.step(states[1], values, gradient * mask, spans)
    steps, used = zip(*kept, strict=True)
    return Path(Curves(*np.array(rows).T), np.array(steps), torch.stack(used))
