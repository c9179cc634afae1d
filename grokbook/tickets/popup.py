"""Edge-popup: train scores of weights instead of weights (Ramanujan et al. 2020; GT Table 1).

:func:`popup_arm` is the table as a stored run: weights, scores or both trained, from networks of
several ages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from grokbook import randomness, validate
from grokbook.curves import Curves
from grokbook.modular.path import Path, accuracy_and_loss, follow
from grokbook.tickets import masks
from grokbook.tickets.paper import graph_measures
from grokbook.tickets.setting import TicketSetting

WAYS = ("weight decay", "edge-popup", "both")
LEARNING_RATE = 1e-2


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


def run_way(
    way: str, setting: TicketSetting, seed: int, weights: torch.Tensor, record: Sequence[int]
) -> Path:
    """One of ``WAYS`` from given weights; with weight decay it ends at 99 % test accuracy."""
    if way == "weight decay":
        return follow(setting.trainer(seed, weights=weights), record, wait=50)
    frozen = way == "edge-popup"
    until = 1.0 if frozen else 0.99
    return edge_popup(setting, seed, weights, record, train_weights=not frozen, until=until)


def popup_arm(
    seeds: Sequence[int],
    *,
    starts: Sequence[int],
    n_steps: int,
    every: int,
    graph_steps: Sequence[int],
) -> dict[str, np.ndarray]:
    """All ways from the dense network at every start, quick setting with learning rate 0.01.

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
    setting = TicketSetting(learning_rate=LEARNING_RATE)
    record = list(range(0, n_steps + 1, every))
    shapes = {name: one.shape for name, one in setting.network(0).named_parameters()}
    found: dict[str, list] = {"train_accuracy": [], "test_accuracy": [], "started": []}
    graph = []
    for start in starts:
        before = [follow(setting.trainer(seed), [start]) for seed in seeds]
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
