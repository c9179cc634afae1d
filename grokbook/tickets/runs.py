"""Stored runs of paper GT: arms of more than a minute."""

from __future__ import annotations

from grokbook.store import StoredRun
from grokbook.tickets import controls, paper, popup, tasks

SEEDS = [0, 1, 2, 3, 4]
# Steps at which the norms of a run are taken; the last one ends it.
KEPT = [0, 10, 20, 50, 100, 200, 400, 700, 1000, 1500, 2000, 2500, 3200]

RUNS = (
    StoredRun(
        name="tickets-paper",
        function=paper.paper_arm,
        parameters={
            "seeds": SEEDS[:3],
            "setting": {"train_fraction": 0.4, "learning_rate": 0.001},
            "n_steps": 45000,
            "wait": 1000,
            "graph_steps": [0, 100, 1000, 4000, 10000, 16000, 22000, 28000, 36000, 44000],
            "ticket_steps": 1500,
        },
        about="GT's own configuration: dense runs, their structure, and tickets, three seeds",
        cpu_seconds=300,
        quick={
            "seeds": SEEDS[:1],
            "setting": {"train_fraction": 0.4, "learning_rate": 0.01},
            "n_steps": 4500,
            "graph_steps": [0, 100, 1000],
            "ticket_steps": 200,
        },
        packages=("torch", "networkx"),
    ),
    StoredRun(
        name="tickets-late-masks",
        function=controls.late_masks,
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
        function=controls.norm_controls,
        parameters={"seeds": SEEDS, "n_steps": KEPT[-1], "keep": KEPT},
        about="GT, quick setting: dense networks with the norms of their tickets, five seeds",
        cpu_seconds=150,
        quick={"seeds": SEEDS[:1], "n_steps": 1000, "keep": KEPT[:9]},
        packages=("torch",),
    ),
    StoredRun(
        name="tickets-criteria",
        function=controls.pruned_at_initialisation,
        parameters={"seeds": SEEDS[:3], "more_random": 2, "n_steps": 3200},
        about="GT, quick setting: five kinds of masks made at initialisation, three to five seeds",
        cpu_seconds=120,
        quick={"seeds": SEEDS[:1], "n_steps": 200},
        packages=("torch",),
    ),
    StoredRun(
        name="tickets-popup",
        function=popup.popup_arm,
        parameters={
            "seeds": SEEDS[:3],
            "starts": [0, 100, 400],
            "n_steps": 2000,
            "every": 50,
            "graph_steps": [200, 600, 1000, 1400, 2000],
        },
        about="GT Table 1: weights, scores or both trained from three starts, three seeds",
        cpu_seconds=200,
        quick={"seeds": SEEDS[:1], "starts": [0], "n_steps": 200, "graph_steps": [200]},
        packages=("torch", "networkx"),
    ),
    StoredRun(
        name="tickets-transformer",
        function=tasks.pairs_arm,
        parameters={
            "seeds": SEEDS[:3],
            "setting": {
                "model": "transformer",
                "d_model": 64,
                "p": 47,
                "train_fraction": 0.6,
                "learning_rate": 0.003,
            },
            "n_steps": 8000,
            "ticket_steps": 2000,
        },
        about="transformer, addition modulo 47, decay 1: dense runs and tickets, three seeds",
        cpu_seconds=150,
        quick={
            "seeds": SEEDS[:1],
            "setting": {
                "model": "transformer",
                "d_model": 32,
                "p": 23,
                "train_fraction": 0.7,
                "learning_rate": 0.003,
            },
            "n_steps": 2000,
            "ticket_steps": 100,
        },
        packages=("torch",),
    ),
)
