"""The declared runs and sweeps of paper GT."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from grokbook import validate
from grokbook.curves import LEVEL
from grokbook.modular.data import Pairs
from grokbook.modular.setting import Setting
from grokbook.results import StoredRun
from grokbook.sweep.grid import Grid, Quantity, Sweep
from grokbook.tickets import masks, paper, popup, remedies, tables, tasks
from grokbook.tickets.setting import ADAMW, FAST, PAPER, QUICK, TRANSFORMER

SEEDS = [0, 1, 2, 3, 4]
# Steps at which the norms of a run are taken; the last one ends it.
KEPT = [0, 10, 20, 50, 100, 200, 400, 700, 1000, 1500, 2000, 2500, 3200]
LONG = [*KEPT, 5000, 7000, 10000, 14000, 18000, 22000, 26000, 30000, 35000, 40000, 45000]
SIX = [0, 1, 2, 100, 101, 102]


def attention(p: int, d_model: int, train_fraction: float) -> Setting:
    """Addition modulo p by GT's transformer (Fig. 2e)."""
    return QUICK.replace(
        task=Pairs(p=p, unordered=True),
        network=partial(TRANSFORMER, d_model=d_model),
        train_fraction=train_fraction,
    )


RUNS = (
    StoredRun(
        name="tickets-paper",
        function=paper.paper_arm,
        parameters={
            "seeds": SIX,
            "setting": PAPER,
            "n_steps": 45000,
            "wait": 1000,
            "graph_steps": [0, 100, 1000, 4000, 10000, 16000, 22000, 28000, 36000, 44000],
            "ticket_steps": 1500,
        },
        about="GT's own configuration: dense runs, their structure, and tickets, six seeds",
        cpu_seconds=600,
        quick={
            "seeds": SEEDS[:1],
            "setting": PAPER.replace(optimizer=replace(ADAMW, learning_rate=0.01)),
            "n_steps": 4500,
            "graph_steps": [0, 100, 1000],
            "ticket_steps": 200,
        },
        packages=("torch", "networkx"),
    ),
    StoredRun(
        name="tickets-paper-rates",
        function=tables.tickets_of,
        parameters={
            "seeds": SEEDS,
            "setting": PAPER,
            "n_steps": 60000,
            "wait": 1000,
            "ticket_steps": 20000,
            "rates": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
        },
        about="GT's own configuration: tickets by pruning rate, five seeds",
        cpu_seconds=900,
        quick={
            "seeds": SEEDS[:1],
            "setting": FAST,
            "n_steps": 1500,
            "wait": 100,
            "ticket_steps": 300,
            "rates": [0.6],
        },
        packages=("torch",),
    ),
    StoredRun(
        name="tickets-paper-masks",
        function=tables.tickets_of,
        parameters={
            "seeds": SEEDS,
            "setting": PAPER,
            "n_steps": 60000,
            "wait": 1000,
            "ticket_steps": 10000,
            "early": [100],
            "shares": [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0, 1.25, 1.5],
        },
        about="GT's own configuration: tickets by when the mask is taken, five seeds",
        cpu_seconds=1300,
        quick={
            "seeds": SEEDS[:1],
            "setting": FAST,
            "n_steps": 1500,
            "wait": 100,
            "ticket_steps": 100,
            "shares": [0.5, 1.5],
        },
        packages=("torch",),
    ),
    StoredRun(
        name="tickets-paper-norms",
        function=tables.norm_controls,
        parameters={
            "seeds": SEEDS,
            "setting": PAPER,
            "n_steps": LONG[-1],
            "wait": 1000,
            "keep": LONG,
        },
        about="GT's own configuration: dense networks with the norms of their tickets, five seeds",
        cpu_seconds=1800,
        quick={"seeds": SEEDS[:1], "n_steps": 700, "keep": KEPT[:8]},
        packages=("torch",),
    ),
    StoredRun(
        name="tickets-paper-criteria",
        function=tables.pruned_at_initialisation,
        parameters={"seeds": SEEDS, "setting": PAPER, "n_steps": LONG[-1]},
        about="GT's own configuration: five kinds of masks made at initialisation, five seeds",
        cpu_seconds=2000,
        quick={"seeds": SEEDS[:1], "n_steps": 200},
        packages=("torch",),
    ),
    StoredRun(
        name="tickets-late-masks",
        function=tables.late_masks,
        parameters={
            "seeds": SEEDS,
            "precisions": ["float64", "float32", "complement"],
            "n_steps": 6000,
            "short": 1600,
        },
        about="GT, quick setting: masks taken late, the loss in three precisions, five seeds",
        cpu_seconds=200,
        quick={"seeds": SEEDS[:1], "precisions": ["float64"], "n_steps": 1500, "short": 300},
        packages=("torch",),
    ),
    StoredRun(
        name="tickets-norms",
        function=tables.norm_controls,
        parameters={"seeds": [*range(10)], "n_steps": KEPT[-1], "keep": KEPT},
        about="GT, quick setting: dense networks with the norms of their tickets, ten seeds",
        cpu_seconds=500,
        quick={"seeds": SEEDS[:1], "n_steps": 1000, "keep": KEPT[:9]},
        packages=("torch",),
    ),
    StoredRun(
        name="tickets-carried",
        function=tables.carried,
        parameters={"seeds": SIX, "n_steps": 4000},
        about="GT, quick setting: what a mask carries; controls as long as their dense runs",
        cpu_seconds=550,
        quick={"seeds": SEEDS[:1], "n_steps": 200},
        packages=("torch",),
    ),
    StoredRun(
        name="tickets-no-decay",
        function=tables.without_decay,
        parameters={"seeds": [*SEEDS, 100, 101, 102], "n_steps": 8000},
        about="GT, quick setting: dense networks and tickets without weight decay, eight seeds",
        cpu_seconds=860,
        quick={"seeds": SEEDS[:1], "n_steps": 150},
        packages=("torch",),
    ),
    StoredRun(
        name="tickets-popup",
        function=popup.popup_arm,
        parameters={
            "seeds": SIX,
            "starts": [0, 100, 400],
            "n_steps": 2000,
            "every": 50,
            "graph_steps": [200, 600, 1000, 1400, 2000],
        },
        about="GT Table 1: weights, scores or both trained from three starts, six seeds",
        cpu_seconds=400,
        quick={"seeds": SEEDS[:1], "starts": [0], "n_steps": 200, "graph_steps": [200]},
        packages=("torch", "networkx"),
    ),
    StoredRun(
        name="tickets-transformer",
        function=tasks.pairs_arm,
        parameters={
            "seeds": [*range(10)],
            "setting": attention(47, 64, 0.6),
            "n_steps": 8000,
            "ticket_steps": 8000,
        },
        about="transformer, addition modulo 47, decay 1: dense runs and tickets, ten seeds",
        cpu_seconds=700,
        quick={
            "seeds": SEEDS[:1],
            "setting": attention(23, 32, 0.7),
            "n_steps": 2000,
            "ticket_steps": 100,
        },
        packages=("torch",),
    ),
    StoredRun(
        name="tickets-remedies",
        function=remedies.modular_remedies,
        parameters={"seeds": list(range(10))},
        about="remedies on addition modulo 31, without weight decay and with it, ten seeds",
        cpu_seconds=250,
        quick={"seeds": [0]},
        packages=("torch",),
    ),
)

LAST_MASK = 1600
N_STEPS, EVERY = 400, 10


def ticket(seed: int, pruning_rate: float, mask_time: int) -> dict[str, float]:
    """A dense network of GT up to ``mask_time``, and the ticket that it leaves there.

    The mask keeps the weights that are largest after ``mask_time`` steps, on the initial weights of
    the same network.  The ticket trains for 400 steps at most.  ValueError if the pruning rate
    is outside [0, 1) or the mask time outside 0 to 1600 steps.

    Returns
    -------
    dict
        ``memorised``, ``generalised``: steps at which the ticket's train and test accuracy reach
        0.95, ``inf`` if never; ``best_accuracy``: its highest test accuracy; ``dense_accuracy``:
        test accuracy of the dense network when the mask is taken.
    """
    validate.count("mask_time", mask_time, at_least=0)
    if mask_time > LAST_MASK:
        raise ValueError(f"mask_time = {mask_time}: must be at most {LAST_MASK} steps")
    validate.number("pruning_rate", pruning_rate, at_least=0, below=1)
    seed %= 2**63  # as the stored map was made
    dense = FAST.trainer(seed)
    before = dense.run([mask_time])
    mask = masks.magnitude(dense.weights, pruning_rate)
    run = FAST.trainer(seed, mask=mask).run(range(0, N_STEPS + 1, EVERY), stop_at=LEVEL)
    return {
        "memorised": float(run.curves.memorisation_time()),
        "generalised": float(run.curves.generalisation_time()),
        "best_accuracy": run.curves.test_accuracy.max(),
        "dense_accuracy": before.curves.test_accuracy[-1],
    }


PRUNING_RATE = [0.4, 0.6, 0.9]
MASK_TIME = [0, 400, 600, 800, 1200]

SWEEPS = (
    Sweep(
        name="tickets-mask",
        function=ticket,
        axes={
            "pruning_rate": Quantity("fraction", "k, share of the weights that is removed"),
            "mask_time": Quantity("steps", "when the dense network's mask is taken"),
        },
        outputs={
            "memorised": Quantity("steps", "the ticket's train accuracy reaches 0.95"),
            "generalised": Quantity("steps", "the ticket's test accuracy reaches 0.95"),
            "best_accuracy": Quantity("fraction", "highest test accuracy of the ticket"),
            "dense_accuracy": Quantity("fraction", "the dense network's when the mask is taken"),
        },
        grids={
            "small": Grid({"pruning_rate": [0.6], "mask_time": [0, 600]}, 1, 2.5),
            "book": Grid({"pruning_rate": PRUNING_RATE, "mask_time": MASK_TIME}, 3, 2.5),
            "paper": Grid(
                {
                    "pruning_rate": [round(0.05 * k, 2) for k in range(2, 20)],
                    "mask_time": list(range(0, LAST_MASK + 1, 50)),
                },
                20,
                2.5,
            ),
        },
        about="GT: tickets by pruning rate and by when the mask is taken, learning rate 0.01",
        packages=("torch",),
    ),
)
