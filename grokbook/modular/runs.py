"""Stored runs of papers NS and GT: arms of more than a minute."""

from __future__ import annotations

from grokbook.modular import arms, ticket_arms
from grokbook.store import StoredRun

SEEDS = [0, 1, 2, 3, 4]
DECAY = {
    "n_steps": 800,
    "every": 10,
    "stop_at": 0.99,
    "optimizer": {"learning_rate": 0.01, "weight_decay": 1.0},
}

RUNS = (
    StoredRun(
        name="modular-decay",
        function=arms.arm,
        parameters={"seeds": SEEDS} | DECAY,
        about="addition modulo 113 with weight decay 1, five seeds",
        cpu_seconds=150,
        packages=("torch",),
    ),
    StoredRun(
        name="tickets-paper",
        function=ticket_arms.paper_arm,
        parameters={
            "seeds": [0, 1, 2],
            "setting": {"train_fraction": 0.4, "learning_rate": 0.001},
            "n_steps": 45000,
            "wait": 1000,
            "graph_steps": [0, 100, 1000, 4000, 10000, 16000, 22000, 28000, 36000, 44000],
            "ticket_steps": 1500,
        },
        about="GT's own configuration: dense runs, their structure, and tickets, three seeds",
        cpu_seconds=300,
        packages=("torch", "networkx"),
    ),
)
