"""Stored runs of paper NS, arms of more than a minute; and those of paper GT, from beside it."""

from __future__ import annotations

from grokbook.modular import (
    arms,
    codes,
    decay,
    scan,
    sphere,
    temperature,
    ticket_runs,
)
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

# Nanda's transformer, half as wide and at p = 59 (NS Fig. 6a).
TRANSFORMER = {
    "task": {"kind": "pairs", "p": 59},
    "network": {"kind": "transformer", "d_model": 64, "d_mlp": 256},
    "train_fraction": 0.5,
    "every": 20,
    "stop_at": 0.99,
}
# ⊥AdamW as the authors' code runs it.
ORTHOGONAL = {"beta2": 0.999, "epsilon": 1e-8, "orthogonal": "rescaled"}

SMALL = {"p": 59, "width": 128, "train_fraction": 0.5}
PAPER = {"p": 113, "width": 200, "train_fraction": 0.4}
RATES, DECAYS = (0.001, 0.003, 0.01), (0.3, 1.0, 3.0, 8.0, 16.0)
SPHERES = [1.0, 2.0, 3.0, 4.0, 6.0]
PAPER_CELLS = [[0.01, 3.0], [0.01, 8.0], [0.01, 16.0], [0.001, 8.0]]

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
    StoredRun(
        name="modular-decay-sweep",
        function=decay.sweep,
        parameters={"cells": [[rate, one] for rate in RATES for one in DECAYS]} | SMALL,
        about="addition modulo 59: fifteen pairs of learning rate and weight decay",
        cpu_seconds=120,
        packages=("torch",),
    ),
    StoredRun(
        name="modular-decay-large",
        function=decay.sweep,
        parameters={"cells": PAPER_CELLS} | PAPER,
        about="addition modulo 113 with weight decay 3, 8 and 16",
        cpu_seconds=90,
        packages=("torch",),
    ),
    StoredRun(
        name="modular-sphere",
        function=sphere.sweep,
        parameters={"scales": SPHERES, "seeds": SEEDS},
        about="addition modulo 59 at five fixed weight norms, five seeds",
        cpu_seconds=70,
        packages=("torch",),
    ),
    StoredRun(
        name="modular-transformer-decay",
        function=arms.arm,
        parameters={
            "seeds": SEEDS[:3],
            "n_steps": 2000,
            "optimizer": {"learning_rate": 0.001, "weight_decay": 1.5},
        }
        | TRANSFORMER,
        about="small transformer, addition modulo 59, with weight decay 1.5, three seeds",
        cpu_seconds=80,
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
    StoredRun(
        name="modular-temperature",
        function=temperature.sweep,
        parameters={
            "temperatures": [1.0, 4.0],
            "seeds": SEEDS,
            "n_steps": 600,
            "every": 25,
            "task": {"p": 59},
            "network": {"width": 128},
            "train_fraction": 0.7,
            "optimizer": {"learning_rate": 0.005, "beta2": 0.95},
        },
        about="addition modulo 59 without decay at softmax temperatures 1 and 4, five seeds",
        cpu_seconds=60,
        packages=("torch",),
    ),
    *ticket_runs.RUNS,
)
