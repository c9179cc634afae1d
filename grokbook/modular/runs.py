"""Stored runs of papers NS and GT: arms of more than a minute."""

from __future__ import annotations

from grokbook.modular import arms
from grokbook.store import StoredRun

SEEDS = [0, 1, 2, 3, 4]
DECAY = {
    "n_steps": 800,
    "every": 10,
    "stop_at": 0.99,
    "optimizer": {"learning_rate": 0.01, "weight_decay": 1.0},
}
# NS Figs. 1b and 4 with a step relative to the weight norm.
STABLEMAX = {
    "every": 25,
    "stop_at": 0.99,
    "loss": {"kind": "stablemax", "complement": True},
    "gradient_scale": 1e10,
    "optimizer": {"learning_rate": 0.005, "beta2": 0.95, "epsilon": 1e-30, "relative": True},
}
# NS Fig. 1c in float32: a step relative to the weight norm drives nearly all samples to collapse.
COLLAPSE = {
    "n_steps": 2000,
    "every": 25,
    "optimizer": {"learning_rate": 0.01, "beta2": 0.99, "epsilon": 1e-30, "relative": True},
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
        name="modular-stablemax-addition",
        function=arms.arm,
        parameters={"seeds": SEEDS[:3], "n_steps": 2500} | STABLEMAX,
        about="addition modulo 113 with StableMax and no decay, three seeds",
        cpu_seconds=240,
        packages=("torch",),
    ),
    StoredRun(
        name="modular-stablemax-product",
        function=arms.arm,
        parameters={"seeds": SEEDS[:1], "n_steps": 3500}
        | {"task": {"operation": "multiplication"}}
        | STABLEMAX,
        about="multiplication modulo 113 with StableMax and no decay, one seed",
        cpu_seconds=100,
        packages=("torch",),
    ),
    StoredRun(
        name="modular-collapse",
        function=arms.arm,
        parameters={"seeds": SEEDS[:3]} | COLLAPSE,
        about="addition modulo 113 without decay, to collapse in float32, three seeds",
        cpu_seconds=210,
        packages=("torch",),
    ),
)
