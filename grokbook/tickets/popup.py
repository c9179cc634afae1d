"""Edge-popup: train scores of weights instead of weights (Ramanujan et al. 2020; GT Table 1).

:func:`popup_arm` is the table as a stored run: weights, scores or both trained, from networks of
several ages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from grokbook import randomness, validate
from grokbook.curves import LEVEL
from grokbook.modular.optimizer import AdamW
from grokbook.modular.run import Run
from grokbook.modular.setting import Setting
from grokbook.modular.train import Trainer
from grokbook.tickets import masks
from grokbook.tickets.paper import graph_measures
from grokbook.tickets.setting import FAST

WAYS = ("weight decay", "edge-popup", "both")


def initial_scores(setting: Setting, seed: int) -> torch.Tensor:
    """Scores before training, uniform in +-1/sqrt(columns) of each matrix; (n_weights,)."""
    rng = randomness.torch_generator(seed)
    parts = []
    for weight in setting.untrained(seed).parameters():
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


@dataclass(frozen=True)
class EdgePopup:
    """Trains scores of given weights, for the trainer in the place of an optimiser.

    The network uses the weights whose absolute score is among the largest of their matrix;
    backward the selection counts as the identity, so a score feels the gradient of its weight
    times the weight (GT Appendix A).  Scores decay as weights do, as in the authors' code.

    Attributes
    ----------
    inner : AdamW
        Moves the scores.
    scores : (n_weights,) tensor
        Where they start.
    spans : tuple of slice
        The matrices.
    keep : float
        Share of each matrix that is used, in (0, 1].
    train_weights : bool
        Train the weights too, with weight decay ("EP with WD" of GT); otherwise they are frozen.
    """

    inner: AdamW
    scores: torch.Tensor
    spans: tuple[slice, ...]
    keep: float = 0.4
    train_weights: bool = False

    def start(self, weights: torch.Tensor) -> dict:
        """State before the first step; of ``weights`` those that are not used become zero."""
        values, scores = weights.clone(), self.scores.clone()
        moments = {"of scores": self.inner.start(scores), "of values": self.inner.start(values)}
        mask = popped(scores, self.keep, self.spans)
        weights.mul_(mask)
        return {"step": 0, "values": values, "scores": scores, "mask": mask} | moments

    def step(self, state: dict, weights, gradient, spans, factor: float = 1.0) -> None:
        """Move the scores, and put the weights that they choose in place."""
        values, scores, push = state["values"], state["scores"], gradient * state["mask"]
        slope = gradient * values * torch.sign(scores)
        self.inner.step(state["of scores"], scores, slope, spans, factor)
        if self.train_weights:
            self.inner.step(state["of values"], values, push, spans, factor)
        state["mask"] = popped(scores, self.keep, self.spans)
        weights.copy_(values).mul_(state["mask"])
        state["step"] += 1


def edge_popup(setting: Setting, seed: int, weights: torch.Tensor, **options) -> Trainer:
    """A trainer of scores for given weights: GT takes them after memorisation.

    ``options`` are ``keep`` and ``train_weights`` of :class:`EdgePopup`.  The weights that a run
    of it keeps are those in use, zero where not.
    """
    scores, spans = initial_scores(setting, seed), tuple(setting.spans().values())
    optimizer = EdgePopup(setting.optimizer, scores, spans, **options)
    return setting.replace(optimizer=optimizer).trainer(seed, weights=weights)


def run_way(
    way: str, setting: Setting, seed: int, weights: torch.Tensor, record: Sequence[int]
) -> Run:
    """One of ``WAYS`` from given weights; where weights are trained it ends once it generalises.

    With edge-popup the weights in use are kept at the multiples of 200 steps.  ValueError for
    another way.
    """
    validate.choice("way", way, WAYS)
    if way == "weight decay":
        return setting.trainer(seed, weights=weights).run(record, stop_at=LEVEL, wait=50)
    keep = [step for step in record if step and step % 200 == 0]
    if way == "edge-popup":
        return edge_popup(setting, seed, weights).run(record, keep=keep)
    return edge_popup(setting, seed, weights, train_weights=True).run(
        record, keep=keep, stop_at=0.99
    )


def popup_arm(
    seeds: Sequence[int],
    *,
    starts: Sequence[int],
    n_steps: int,
    every: int,
    graph_steps: Sequence[int],
) -> dict[str, np.ndarray]:
    """All ways from the dense network at every start, in the setting ``FAST``.

    Parameters
    ----------
    seeds, starts : sequence of int
        A start is the number of steps that the dense network has made; 0 is its initialisation.
    n_steps, every : int
        Steps after the start, and between records.
    graph_steps : sequence of int
        Multiples of 200 at which the measures of the weights in use are taken, for edge-popup with
        frozen weights from the last start.

    Returns
    -------
    dict
        ``step`` (n_records,); ``train_accuracy`` and ``test_accuracy`` (n_starts, 3 ways, n_seeds,
        n_records), continued by the last value where a run has ended; ``started`` (n_starts,
        n_seeds), the dense network's test accuracy; ``graph`` (n_seeds, n_graph_steps, 5 measures,
        4 matrices).
    """
    setting, record = FAST, list(range(0, n_steps + 1, every))
    shapes = {name: one.shape for name, one in setting.untrained(0).named_parameters()}
    found: dict[str, list] = {"train_accuracy": [], "test_accuracy": [], "started": []}
    graph = []
    for start in starts:
        before = [setting.trainer(seed).run([start]) for seed in seeds]
        found["started"].append([one.curves.test_accuracy[-1] for one in before])
        runs = [
            [
                run_way(way, setting, seed, one.last, record)
                for seed, one in zip(seeds, before, strict=True)
            ]
            for way in WAYS
        ]
        for name in ("train_accuracy", "test_accuracy"):
            found[name].append([[run.continued(name, record) for run in way] for way in runs])
    for run in runs[WAYS.index("edge-popup")]:
        used = [run.at(step) for step in graph_steps]
        graph.append(
            [graph_measures(one, (one != 0).float(), setting.spans(), shapes) for one in used]
        )
    arrays = {name: np.array(values, dtype=np.float32) for name, values in found.items()}
    return {"step": np.array(record), "graph": np.array(graph, dtype=np.float32)} | arrays
