"""Arms of GT that are too long for a chapter: the paper's own configuration, dense and tickets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from grokbook.curves import LEVEL
from grokbook.modular import fourier
from grokbook.modular.run import CURVES, Run, schedule
from grokbook.modular.setting import Setting
from grokbook.tickets import graphs, masks
from grokbook.tickets.setting import RATE

GRAPH_MEASURES = ("weighted gap", "spectral gap", "Ramanujan gap", "path length", "clustering")
# Name of an arm, its pruning rate, and where its mask comes from: a share of the way to the end.
TICKETS = (
    ("ticket", RATE, 1.0),
    ("ticket, k = 0.7", 0.7, 1.0),
    ("mask on the way", RATE, 0.7),
    ("mask at memorisation", RATE, 0.0),
    ("random mask", RATE, None),
)


def paper_arm(
    seeds: Sequence[int],
    *,
    setting: Setting,
    n_steps: int,
    wait: int,
    graph_steps: Sequence[int],
    ticket_steps: int,
) -> dict[str, np.ndarray]:
    """Dense runs with their structure on the way, and tickets drawn from them.

    Parameters
    ----------
    n_steps, wait : int
        A dense run ends ``wait`` steps after its generalisation time, at ``n_steps`` at the latest.
    graph_steps : sequence of int
        Multiples of 2000 (or 0, 100, 1000) at which the graph measures are taken too.
    ticket_steps : int
        Length of the tickets' runs, which end 200 steps after generalisation.

    Returns
    -------
    dict
        ``step`` (n_steps,) with the curves (n_seeds, n_steps) and ``ended`` (n_seeds,);
        ``kept`` (n_kept,) with ``jaccard`` (n_seeds, n_kept, 5: all weights, then by matrix),
        ``entropy`` (n_seeds, n_kept), ``norm`` (n_seeds, n_kept, 2: L1, L2), ``graph`` (n_seeds,
        n_kept, 5 measures, 4 matrices), nan where not taken; ``mask`` (n_seeds, n_bytes) packed;
        ``table`` (3, p, width) of the first seed at 0, 2000 and the end; ``ticket_step`` with
        ``ticket_`` curves (n_seeds, n_arms, n_steps), ``ticket_entropy`` (n_seeds, n_steps of
        ``ticket_kept``).
    """
    kept = [0, 100, 1000, *range(2000, n_steps + 1, 2000)]
    found = [
        _seed(setting, seed, schedule(n_steps, every=50, first=150), kept, graph_steps, wait,
              schedule(ticket_steps, first=150))
        for seed in seeds
    ]  # fmt: skip
    table = found[0].pop("table")
    for other in found[1:]:
        other.pop("table")
    return {
        "step": np.array(schedule(n_steps, every=50, first=150)),
        "kept": np.array(kept),
        "ticket_step": np.array(schedule(ticket_steps, first=150)),
        "ticket_kept": np.array(TICKET_KEPT),
        "table": table,
    } | {name: np.stack([one[name] for one in found]) for name in found[0]}


TICKET_KEPT = (0, 10, 20, 50, 100, 150, 200, 300, 400, 600, 800, 1000)


def _seed(setting, seed, record, kept, graph_steps, wait, ticket_record):
    network, initial = setting.untrained(seed), setting.initial(seed)
    shapes = {name: weight.shape for name, weight in network.named_parameters()}
    dense = setting.trainer(seed).run(record, keep=kept, stop_at=LEVEL, wait=wait)
    measured = _structure(setting, shapes, dense, kept, graph_steps)
    tables = [_table(setting, shapes, dense.at(step)) for step in (0, 2000, dense.kept[-1])]
    made = [_mask(setting, seed, dense, rate, share) for _, rate, share in TICKETS]
    runs = [
        setting.trainer(seed, mask=m).run(ticket_record, keep=TICKET_KEPT, stop_at=LEVEL, wait=200)
        for m in made
    ]
    ticket = {
        f"ticket_{name}": np.stack([run.continued(name, ticket_record) for run in runs])
        for name in CURVES
    }
    entropy = np.full(len(TICKET_KEPT), np.nan)
    for step, weights in zip(runs[0].kept, runs[0].weights, strict=True):
        if step in TICKET_KEPT:
            table = _table(setting, shapes, weights)
            entropy[TICKET_KEPT.index(step)] = fourier.entropy(table).mean()
    return (
        {name: dense.continued(name, record) for name in CURVES}
        | measured
        | ticket
        | {
            "ended": np.array(dense.kept[-1]),
            "ticket_entropy": entropy,
            "kept_norm": np.array([masks.norm_ratio(initial, made[0], p) for p in (1, 2)]),
            "mask": np.packbits(made[0].numpy().astype(bool)),
            "table": np.stack(tables).astype(np.float32),
        }
    )


def _mask(setting, seed, dense: Run, rate: float, share: float | None) -> torch.Tensor:
    if share is None:
        return masks.random(dense.last.numel(), rate, 1000 + seed)
    wanted = 100 if share == 0 else share * dense.kept[-1]
    nearest = np.flatnonzero(dense.kept <= wanted)[-1]
    return masks.magnitude(dense.weights[nearest], rate)


def _structure(setting, shapes, dense: Run, kept, graph_steps) -> dict[str, np.ndarray]:
    spans, n = setting.spans(), len(kept)
    out = {
        "jaccard": np.full((n, 1 + len(spans)), np.nan),
        "entropy": np.full(n, np.nan),
        "norm": np.full((n, 2), np.nan),
        "graph": np.full((n, len(GRAPH_MEASURES), len(spans)), np.nan),
    }
    before = None
    for k, step in enumerate(kept):
        if step not in dense.kept:
            break
        weights = dense.at(step)
        mask = masks.magnitude(weights, RATE)
        out["entropy"][k] = fourier.entropy(_table(setting, shapes, weights)).mean()
        out["norm"][k] = [float(torch.linalg.vector_norm(weights, p)) for p in (1, 2)]
        if step in graph_steps:
            out["graph"][k] = graph_measures(weights, mask, spans, shapes)
        if step % 2000 == 0:
            if before is not None:
                parts = [slice(None), *spans.values()]
                out["jaccard"][k] = [
                    masks.jaccard_distance(before[part], mask[part]) for part in parts
                ]
            before = mask
    return {name: value.astype(np.float32) for name, value in out.items()}


def graph_measures(weights, mask, spans, shapes) -> np.ndarray:
    """The five ``GRAPH_MEASURES`` of each matrix; (5, n_matrices).

    The weighted gap is that of the absolute weights, all of them; the others are the mask's.
    """
    columns = []
    for name, span in spans.items():
        kept = mask[span].view(shapes[name]).numpy()
        columns.append(
            [
                graphs.spectral_gap(weights[span].view(shapes[name]).abs().numpy()),
                graphs.spectral_gap(kept),
                graphs.ramanujan_gap(kept),
                graphs.path_length(kept),
                graphs.clustering(kept),
            ]
        )
    return np.array(columns).T


def _table(setting, shapes, weights: torch.Tensor) -> np.ndarray:
    """W_emb W_in of flat weights, (p, width)."""
    spans = setting.spans()
    emb, into = (weights[spans[name]].view(shapes[name]) for name in ("W_emb", "W_in"))
    return (emb @ into).double().numpy()
