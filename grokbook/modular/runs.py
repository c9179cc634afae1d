"""Stored runs of papers NS and GT: arms of more than a minute."""

from __future__ import annotations

from grokbook.modular import arms, codes
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
        name="modular-codes-binary",
        function=codes.arm,
        parameters={"seeds": SEEDS, "code": "binary", "n_steps": 1000, "every": 10},
        about="addition modulo 113 on binary digits, nothing regularised, five seeds",
        cpu_seconds=220,
        packages=("torch",),
    ),
    StoredRun(
        name="modular-codes-random",
        function=codes.arm,
        parameters={"seeds": SEEDS, "code": "random", "n_steps": 400, "every": 10},
        about="addition modulo 113 on random 14-bit codes, nothing regularised, five seeds",
        cpu_seconds=90,
        packages=("torch",),
    ),
)
