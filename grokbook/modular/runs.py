"""Stored runs of papers NS and GT: arms of more than a minute."""

from __future__ import annotations

from grokbook.modular import arms, scan
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
        name="modular-fraction-decay",
        function=scan.scan,
        parameters={
            "seeds": SEEDS[:3],
            "rows": {"optimizer.weight_decay": [0.1, 0.3, 1.0, 3.0]},
            "columns": {"train_fraction": [0.2, 0.3, 0.4, 0.5, 0.6, 0.8]},
            "task": {"p": 47},
            "network": {"width": 100},
            "optimizer": {"learning_rate": 0.01},
            "n_steps": 2000,
            "every": 20,
            "stop_at": 0.95,
        },
        about="when addition modulo 47 groks, over training fraction and weight decay",
        cpu_seconds=300,
        packages=("torch",),
    ),
)
