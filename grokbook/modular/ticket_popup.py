"""GT Table 1: weight decay, edge-popup, and both, from a network that has memorised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grokbook.modular.popup import edge_popup
from grokbook.modular.ticket_arms import GRAPH_MEASURES, graph_measures
from grokbook.modular.tickets import TicketSetting, follow

METHODS = ("weight decay", "edge-popup", "edge-popup, weight decay")
MEASURED = (600, 1000, 1400, 2000)


def edge_popup_arm(
    seeds: Sequence[int], starts: Sequence[int], record: Sequence[int]
) -> dict[str, np.ndarray]:
    """Three ways on from a dense network at step ``starts`` of its training, at lr 1e-2.

    Returns
    -------
    dict
        ``step``; ``test_accuracy`` (n_starts, 3 methods, n_seeds, n_steps), continued by its last
        value after a run has reached 0.99; ``start_accuracy`` (n_starts, n_seeds, 2: train, test);
        ``graph`` (4 steps, 5 measures): of the edge-popup masks of the first seed and last start,
        means over matrices, at steps ``MEASURED``.
    """
    setting = TicketSetting(learning_rate=1e-2)
    shapes = {name: one.shape for name, one in setting.network(0).named_parameters()}
    found = np.zeros((len(starts), len(METHODS), len(seeds), len(record)), np.float32)
    begun = np.zeros((len(starts), len(seeds), 2))
    graph = np.zeros((len(MEASURED), len(GRAPH_MEASURES)))
    for i, start in enumerate(starts):
        for j, seed in enumerate(seeds):
            memorised = follow(setting.trainer(seed), [start])
            curves = memorised.curves
            begun[i, j] = curves.train_accuracy[-1], curves.test_accuracy[-1]
            runs = [
                follow(setting.trainer(seed, weights=memorised.last), record, wait=50),
                edge_popup(setting, seed, memorised.last, record),
                edge_popup(setting, seed, memorised.last, record, train_weights=True, until=0.99),
            ]
            for k, run in enumerate(runs):
                where = np.searchsorted(run.curves.step, record, side="right") - 1
                found[i, k, j] = run.curves.test_accuracy[where]
            if start == starts[-1] and seed == seeds[0]:
                used = [runs[1].at(step) for step in MEASURED]
                graph[:] = [
                    graph_measures(one, (one != 0).float(), setting.spans(), shapes).mean(axis=1)
                    for one in used
                ]
    return {
        "step": np.array(record),
        "test_accuracy": found,
        "start_accuracy": begun,
        "graph": graph,
    }
