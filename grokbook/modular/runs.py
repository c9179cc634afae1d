"""Stored runs of paper NS: arms of more than a minute."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from grokbook.modular import arms, codes, decay, scan, sphere, temperature
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

MODULO_59 = {"task": {"kind": "pairs", "p": 59}, "train_fraction": 0.5}
NARROW = MODULO_59 | {"network": {"width": 128}}
PERP = {"learning_rate": 0.01} | ORTHOGONAL
PERP_SGD = {"kind": "sgd", "learning_rate": 10.0, "momentum": 0.8, "orthogonal": "rescaled"}
IN_DOUBLE = {"loss": {"kind": "stablemax"}, "double": True}
# NS Figs. 5 and 6 modulo 59.
COMPANIONS = {
    "AdamW": NARROW | {"n_steps": 600, "optimizer": {"learning_rate": 0.01, "beta2": 0.95}},
    "⊥SGD": NARROW | IN_DOUBLE | {"n_steps": 500, "stop_at": 0.99, "optimizer": PERP_SGD},
    "⊥SGD, no rescaling": NARROW
    | IN_DOUBLE
    | {"n_steps": 800, "stop_at": 0.95, "optimizer": PERP_SGD | {"orthogonal": "plain"}},
    "transformer, ⊥AdamW": MODULO_59
    | {"network": TRANSFORMER["network"], "n_steps": 600, "stop_at": 0.95}
    | {"optimizer": {"learning_rate": 0.001} | ORTHOGONAL},
}
# What the authors' code does and the paper does not say, changed one by one.
_PERP_RUN = NARROW | {"n_steps": 400, "stop_at": 0.95, "optimizer": PERP}
VARIANTS = {
    "authors' code": _PERP_RUN,
    "no rescaling": _PERP_RUN | {"optimizer": PERP | {"orthogonal": "plain"}},
    "β₂ = 0.99": _PERP_RUN | {"optimizer": PERP | {"beta2": 0.99}},
    "ε = 10⁻²⁵": _PERP_RUN | {"optimizer": PERP | {"epsilon": 1e-25}},
    "subtraction": _PERP_RUN | {"task": {"kind": "pairs", "p": 59, "operation": "subtraction"}},
}
# A squared loss with targets of height h (NS Fig. 5b and App. C.1).
_SQUARED = NARROW | {"train_fraction": 0.7, "stop_at": 0.99}
_STEP, _SMALL_STEP = ({"learning_rate": rate, "beta2": 0.95} for rate in (0.005, 0.003))


def _squared(height: float, depth: int, n_steps: int, step: dict = _STEP) -> dict:
    target = {"kind": "scaled mean square", "height": height}
    layers = {"width": 128, "depth": depth}
    return _SQUARED | {"loss": target, "network": layers, "n_steps": n_steps, "optimizer": step}


SQUARED = {
    "1 hidden layer, h = 1": _squared(1.0, 1, 400),
    "2 hidden layers, h = 1": _squared(1.0, 2, 250),
    "2 hidden layers, h = 10": _squared(10.0, 2, 500),
    "2 hidden layers, h = 1, smaller step": _squared(1.0, 2, 250, _SMALL_STEP),
    "2 hidden layers, h = 10, smaller step": _squared(10.0, 2, 500, _SMALL_STEP),
    "1 hidden layer, cross-entropy": _squared(1.0, 1, 400) | {"loss": {"kind": "cross-entropy"}},
}

# NS Fig. 2 modulo 47: SGD with steps of fixed length, the loss in three formats.
_FORMAT = {
    "task": {"operation": "addition", "p": 47},
    "network": {"width": 100},
    "train_fraction": 0.8,
    "optimizer": {"kind": "sgd", "learning_rate": 0.3, "normalised": True},
    "every": 25,
}
FORMATS = {
    dtype: _FORMAT | {"loss": {"dtype": dtype}, "n_steps": n_steps}
    for dtype, n_steps in (("float16", 800), ("float32", 1200), ("float64", 1200))
}
# NS Fig. 4 (middle), with a step relative to the weight norm.
PARITY = STABLEMAX | {
    "task": {"kind": "parity"},
    "network": {"bias": True},
    "train_fraction": 0.5,
    "n_steps": 1300,
    "stop_at": 0.97,
}

SMALL = {"p": 59, "width": 128, "train_fraction": 0.5}
PAPER = {"p": 113, "width": 200, "train_fraction": 0.4}
RATES, DECAYS = (0.001, 0.003, 0.01), (0.3, 1.0, 3.0, 8.0, 16.0)
SPHERES = [1.0, 2.0, 3.0, 4.0, 6.0]
PAPER_CELLS = [[0.01, 3.0], [0.01, 8.0], [0.01, 16.0], [0.001, 8.0]]

# Enough of a run to see whether an edit changed a number.
QUICK = {"seeds": SEEDS[:1], "n_steps": 50}


def _quick(arms: Mapping[str, Mapping]) -> dict:
    return {name: {**one, "n_steps": 50, "every": 25} for name, one in arms.items()}


_stored = functools.partial(StoredRun, packages=("torch",))

RUNS = (
    _stored(
        name="modular-decay",
        function=arms.arm,
        parameters={"seeds": SEEDS} | DECAY,
        about="addition modulo 113 with weight decay 1, five seeds",
        cpu_seconds=150,
        quick=QUICK,
    ),
    _stored(
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
        quick=QUICK | {"rows": {"optimizer.weight_decay": [1.0]}},
    ),
    _stored(
        name="modular-decay-sweep",
        function=decay.sweep,
        parameters={"cells": [[rate, one] for rate in RATES for one in DECAYS]}
        | {"seed": 0}
        | SMALL,
        about="addition modulo 59: fifteen pairs of learning rate and weight decay",
        cpu_seconds=120,
        quick={"cells": [[0.01, 16.0]]},
    ),
    _stored(
        name="modular-decay-large",
        function=decay.sweep,
        parameters={"cells": PAPER_CELLS, "seed": 0} | PAPER,
        about="addition modulo 113 with weight decay 3, 8 and 16",
        cpu_seconds=90,
        quick={"cells": [[0.01, 16.0]]} | SMALL,
    ),
    _stored(
        name="modular-sphere",
        function=sphere.sweep,
        parameters={"scales": SPHERES, "seeds": SEEDS},
        about="addition modulo 59 at five fixed weight norms, five seeds",
        cpu_seconds=70,
        quick={"scales": SPHERES[:1], "seeds": SEEDS[:1]},
    ),
    _stored(
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
        quick=QUICK,
    ),
    _stored(
        name="modular-stablemax-addition",
        function=arms.arm,
        parameters={"seeds": SEEDS[:3], "n_steps": 2500} | STABLEMAX,
        about="addition modulo 113 with StableMax and no decay, three seeds",
        cpu_seconds=240,
        quick=QUICK,
    ),
    _stored(
        name="modular-stablemax-product",
        function=arms.arm,
        parameters={"seeds": SEEDS[:1], "n_steps": 3500}
        | {"task": {"operation": "multiplication"}}
        | STABLEMAX,
        about="multiplication modulo 113 with StableMax and no decay, one seed",
        cpu_seconds=100,
        quick=QUICK,
    ),
    _stored(
        name="modular-collapse",
        function=arms.arm,
        parameters={"seeds": SEEDS[:3]} | COLLAPSE,
        about="addition modulo 113 without decay, to collapse in float32, three seeds",
        cpu_seconds=210,
        quick=QUICK,
    ),
    _stored(
        name="modular-codes-binary",
        function=codes.arm,
        parameters={"seeds": SEEDS, "code": "binary", "n_steps": 1000, "every": 10},
        about="addition modulo 113 on binary digits, nothing regularised, five seeds",
        cpu_seconds=220,
        quick=QUICK,
    ),
    _stored(
        name="modular-codes-random",
        function=codes.arm,
        parameters={"seeds": SEEDS, "code": "random", "n_steps": 400, "every": 10},
        about="addition modulo 113 on random 14-bit codes, nothing regularised, five seeds",
        cpu_seconds=90,
        quick=QUICK,
    ),
    _stored(
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
        quick=QUICK,
    ),
    _stored(
        name="modular-companions",
        function=arms.several,
        parameters={
            "seeds": SEEDS,
            "arms": {name: one | {"every": 10} for name, one in (COMPANIONS | VARIANTS).items()},
        },
        about="addition modulo 59 with and without ⊥Grad: nine settings, five seeds each",
        cpu_seconds=200,
        quick={"seeds": SEEDS[:1], "arms": _quick(COMPANIONS | VARIANTS)},
    ),
    _stored(
        name="modular-squared",
        function=arms.several,
        parameters={
            "seeds": SEEDS,
            "arms": {name: one | {"every": 25} for name, one in SQUARED.items()},
        },
        about="addition modulo 59 with a squared loss: six settings, five seeds each",
        cpu_seconds=90,
        quick={"seeds": SEEDS[:1], "arms": _quick(SQUARED)},
    ),
    _stored(
        name="modular-decay-seeds",
        function=scan.scan,
        parameters={
            "seeds": SEEDS,
            "rows": {"optimizer.weight_decay": [0.3, 1.0, 3.0]},
            "columns": {"optimizer.learning_rate": [0.01]},
            "n_steps": 2000,
            "every": 20,
            "stop_at": 0.95,
        }
        | NARROW,
        about="addition modulo 59 with weight decay 0.3, 1 and 3, five seeds",
        cpu_seconds=70,
        quick=QUICK,
    ),
    _stored(
        name="modular-decay-eight",
        function=scan.scan,
        parameters={
            "seeds": SEEDS,
            "rows": {"optimizer.weight_decay": [8.0]},
            "columns": {"optimizer.learning_rate": [0.01]},
            "n_steps": 440,
            "every": 20,
            "stop_at": 0.95,
        },
        about="addition modulo 113 with weight decay 8, five seeds",
        cpu_seconds=60,
        quick=QUICK,
    ),
    _stored(
        name="modular-formats",
        function=arms.several,
        parameters={"seeds": SEEDS, "arms": FORMATS},
        about="addition modulo 47 without decay, the loss in three formats, five seeds",
        cpu_seconds=90,
        quick={"seeds": SEEDS[:1], "arms": _quick(FORMATS)},
    ),
    _stored(
        name="modular-parity",
        function=arms.arm,
        parameters={"seeds": SEEDS} | PARITY,
        about="sparse parity with StableMax and no decay, five seeds",
        cpu_seconds=60,
        quick=QUICK,
    ),
)
