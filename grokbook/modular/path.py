"""Following one run of GT: its curves at chosen steps, its weights at others, its times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from grokbook import validate
from grokbook.curves import HOLD, LEVEL, Curves
from grokbook.modular.train import CURVES, Trainer


@dataclass(frozen=True)
class Path:
    """What a training run left behind.

    Attributes
    ----------
    curves : Curves
        Shapes (n_steps,).
    step : (n_kept,) array of int
        Steps at which weights were kept; the last is where training ended.
    weights : (n_kept, n_weights) float32 tensor
    """

    curves: Curves
    step: np.ndarray
    weights: torch.Tensor

    @property
    def t_mem(self) -> float:
        """Memorisation time (steps), ``inf`` if never."""
        return float(self.curves.memorisation_time())

    @property
    def t_gen(self) -> float:
        """Generalisation time (steps), ``inf`` if never."""
        return float(self.curves.generalisation_time())

    @property
    def tau(self) -> float:
        """GT's tau_grok = t_gen / t_mem; ``inf`` without generalisation."""
        return self.t_gen / self.t_mem if math.isfinite(self.t_gen) else math.inf

    @property
    def best(self) -> float:
        """Highest recorded test accuracy."""
        return float(self.curves.test_accuracy.max())

    @property
    def last(self) -> torch.Tensor:
        """The weights where training ended, (n_weights,)."""
        return self.weights[-1]

    def continued(self, name: str, record: Sequence[int]) -> np.ndarray:
        """A curve at all of ``record``, by its last value after the run has ended; float32."""
        where = np.searchsorted(self.curves.step, record, side="right") - 1
        return getattr(self.curves, name)[where].astype(np.float32)

    def then(self, later: Path) -> Path:
        """This run and the one that went on from its end, as one."""
        first, second = self.curves, later.curves
        new = second.step > first.step[-1]
        curves = {
            name: np.concatenate([getattr(first, name), getattr(second, name)[new]])
            for name in ("step", *CURVES)
        }
        new = later.step > self.step[-1]
        weights = torch.cat([self.weights, later.weights[torch.from_numpy(new)]])
        return Path(Curves(**curves), np.concatenate([self.step, later.step[new]]), weights)

    def at(self, step: int) -> torch.Tensor:
        """The weights kept at a step; ValueError if none were kept there."""
        found = np.flatnonzero(self.step == step)
        if not found.size:
            raise ValueError(f"step = {step}: must be one of {self.step.tolist()}")
        return self.weights[found[0]]


def schedule(n_steps: int, *, every: int = 10, first: int = 200) -> list[int]:
    """Steps to record: each one up to ``first``, where memorisation happens, then every few."""
    validate.count("n_steps", n_steps)
    validate.count("every", every)
    early = range(min(first, n_steps) + 1)
    return sorted({*early, *range(0, n_steps + 1, every), n_steps})


def follow(
    trainer: Trainer, record: Sequence[int], *, keep: Sequence[int] = (), wait: float = math.inf
) -> Path:
    """Train through ``record``, keeping weights on the way.

    A loop of its own beside :meth:`grokbook.modular.train.Trainer.run`: it records curves only,
    four times as fast, which matters where every early step is recorded.

    Parameters
    ----------
    record : sequence of int
        Steps at which to record, increasing, from where the trainer stands.
    keep : sequence of int
        Steps at which to keep the weights; they are always kept at the end.
    wait : float
        Training ends this many steps after the generalisation time, if not before.

    Raises
    ------
    ValueError
        If the steps do not increase or lie behind.
    """
    wanted = validate.steps("record", list(record))
    if wanted[0] < trainer.step:
        raise ValueError(f"record starts at {wanted[0]:g}: must not lie before {trainer.step}")
    wanted, keep, last = set(wanted.astype(int)), set(keep), int(wanted[-1])
    rows, kept = [], []
    held = math.inf
    for step in range(trainer.step, last + 1):
        logits = trainer.gradient.forward()
        terms = trainer.loss.terms(logits, trainer.train.labels)
        if step in wanted or step == last:
            rows.append((step, *accuracy_and_loss(trainer, logits, terms.value)))
            if math.isinf(held) and _holds(rows):
                held = rows[-HOLD - 1][0]
                last = int(min(last, max(step, held + wait)))
        if step in keep or step == last:
            kept.append((step, trainer.weights.clone()))
        if step == last:
            break
        gradient = terms.gradient.mul_(trainer.scale).to(trainer.weights.dtype)
        gradient = trainer.gradient.backward(gradient)
        trainer.move(gradient)
    steps, weights = zip(*kept, strict=True)
    return Path(Curves(*np.array(rows).T), np.array(steps), torch.stack(weights).float())


@torch.no_grad()
def accuracy_and_loss(trainer: Trainer, logits, value) -> tuple[float, float, float, float]:
    """Train and test loss, train and test accuracy, given the training logits and loss values."""
    test = trainer.network(trainer.test.inputs)
    labels = trainer.train.labels, trainer.test.labels
    loss = value.mean(), trainer.loss.terms(test, labels[1]).value.mean()
    right = [
        (one.argmax(dim=1) == true).float().mean()
        for one, true in zip((logits, test), labels, strict=True)
    ]
    return tuple(float(one) for one in (*loss, *right))


def _holds(rows: list[tuple]) -> bool:
    """Whether the last records confirm generalisation."""
    last = rows[-HOLD - 1 :]
    return len(last) > HOLD and all(row[-1] >= LEVEL for row in last)
