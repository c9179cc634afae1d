"""Table 1 of GT as an arm: train weights, scores, or both, from networks of several ages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from grokbook.modular.path import Path, follow
from grokbook.modular.popup import edge_popup
from grokbook.modular.ticket_arms import graph_measures
from grokbook.modular.tickets import TicketSetting

WAYS = ("weight decay", "edge-popup", "both")
LEARNING_RATE = 1e-2


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
