"""The declared runs of paper NS, as tables of settings; and the sweeps of its maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from grokbook.curves import LEVEL
from grokbook.modular.data import Pairs, Parity, binary_digits, random_codes
from grokbook.modular.loss import CrossEntropy, MeanSquare, StableMaxCrossEntropy
from grokbook.modular.maps import SWEEPS as SWEEPS  # declared with what they map
from grokbook.modular.network import MLP, Transformer
from grokbook.modular.optimizer import SGD, AdamW
from grokbook.modular.setting import (
    Arm,
    Setting,
    curves,
    decay_cells,
    event_times,
    losses_and_accuracies,
    on_sphere,
    several,
)
from grokbook.results import StoredRun

SEEDS = [0, 1, 2, 3, 4]
PAPER = Setting()
MODULO_59 = Setting(Pairs(p=59), train_fraction=0.5)
NARROW = MODULO_59.replace(network=partial(MLP.on, width=128))

DECAYED = Arm(PAPER.replace(optimizer=AdamW(0.01, weight_decay=1.0)), n_steps=800, stop_at=0.99)
# Nanda's transformer, half as wide and at p = 59 (NS Fig. 6a).
TRANSFORMER = MODULO_59.replace(network=partial(Transformer.on, d_model=64, d_mlp=256))
TRANSFORMER_DECAYED = Arm(
    TRANSFORMER.replace(optimizer=AdamW(0.001, weight_decay=1.5)), 2000, 20, stop_at=0.99
)
TRANSFORMER_PLAIN = Arm(TRANSFORMER.replace(optimizer=AdamW(0.001)), 2000, 20)

# NS Figs. 1b and 4 with a step relative to the weight norm.
STABLEMAX = PAPER.replace(
    loss=StableMaxCrossEntropy(complement=True),
    optimizer=AdamW(0.005, beta2=0.95, relative=True),
    gradient_scale=1e10,
)
PRODUCT = STABLEMAX.replace(task=Pairs("multiplication"))
PARITY = STABLEMAX.replace(
    task=Parity(), train_fraction=0.5, network=partial(MLP.on, bias=True)
)  # fmt: skip
# NS Fig. 1c in float32: a step relative to the weight norm drives nearly all samples to collapse.
COLLAPSE = PAPER.replace(optimizer=AdamW(0.01, relative=True))

# ⊥AdamW as the authors' code runs it, and what the paper does not say of it changed one by one.
PERP = AdamW(0.01, beta2=0.999, epsilon=1e-8, orthogonal="rescaled")
PERP_SGD = SGD(10.0, momentum=0.8, orthogonal="rescaled")
IN_DOUBLE = NARROW.replace(loss=StableMaxCrossEntropy(), double=True)
_PERP_ARM = Arm(NARROW.replace(optimizer=PERP), n_steps=400, stop_at=0.95)
VARIANTS = {
    "authors' code": _PERP_ARM,
    "no rescaling": _PERP_ARM.replace(
        setting=NARROW.replace(optimizer=replace(PERP, orthogonal="plain"))
    ),
    "β₂ = 0.99": _PERP_ARM.replace(setting=NARROW.replace(optimizer=replace(PERP, beta2=0.99))),
    "ε = 10⁻²⁵": _PERP_ARM.replace(setting=NARROW.replace(optimizer=replace(PERP, epsilon=1e-25))),
    "subtraction": _PERP_ARM.replace(
        setting=NARROW.replace(task=Pairs("subtraction", 59), optimizer=PERP)
    ),
}
# NS Figs. 5 and 6 modulo 59.
COMPANIONS = {
    "AdamW": Arm(NARROW.replace(optimizer=AdamW(0.01, beta2=0.95)), n_steps=600),
    "⊥SGD": Arm(IN_DOUBLE.replace(optimizer=PERP_SGD), n_steps=500, stop_at=0.99),
    "⊥SGD, no rescaling": Arm(
        IN_DOUBLE.replace(optimizer=replace(PERP_SGD, orthogonal="plain")),
        n_steps=800,
        stop_at=0.95,
    ),
    "transformer, ⊥AdamW": Arm(
        TRANSFORMER.replace(optimizer=replace(PERP, learning_rate=0.001)),
        n_steps=600,
        stop_at=0.95,
    ),
}


def squared(height: float, depth: int, n_steps: int, learning_rate: float = 0.005) -> Arm:
    """A squared loss with targets of a height (NS Fig. 5b and App. C.1)."""
    setting = NARROW.replace(
        train_fraction=0.7,
        network=partial(MLP.on, width=128, depth=depth),
        loss=MeanSquare(height=height),
        optimizer=AdamW(learning_rate, beta2=0.95),
    )
    return Arm(setting, n_steps, every=25, stop_at=0.99)


_ONE_LAYER = squared(1.0, 1, 400)
SQUARED = {
    "1 hidden layer, h = 1": _ONE_LAYER,
    "2 hidden layers, h = 1": squared(1.0, 2, 3000),
    "2 hidden layers, h = 10": squared(10.0, 2, 500),
    "2 hidden layers, h = 1, smaller step": squared(1.0, 2, 3000, 0.003),
    "2 hidden layers, h = 10, smaller step": squared(10.0, 2, 500, 0.003),
    "1 hidden layer, cross-entropy": _ONE_LAYER.replace(
        setting=_ONE_LAYER.setting.replace(loss=CrossEntropy()), n_steps=1500
    ),
}
# NS App. F: logits divided by a temperature.
_WARM = NARROW.replace(train_fraction=0.7, optimizer=AdamW(0.005, beta2=0.95))
TEMPERATURES = {
    f"T = {one:g}": Arm(_WARM.replace(loss=CrossEntropy(temperature=one)), 600, every=25)
    for one in (1.0, 4.0)
}
# NS Fig. 2 modulo 47: SGD with steps of fixed length, the loss in three formats.
_MODULO_47 = Setting(Pairs(p=47), network=partial(MLP.on, width=100))
FORMATS = {
    dtype: Arm(
        _MODULO_47.replace(
            train_fraction=0.8, loss=CrossEntropy(dtype), optimizer=SGD(0.3, normalised=True)
        ),
        n_steps,
        every=25,
    )
    for dtype, n_steps in (("float16", 800), ("float32", 1200), ("float64", 1200))
}


# NS Figs. 1c, 2, 4 and 6b with the settings of the authors' script.
FIGURE_1C = Arm(
    PAPER.replace(loss=CrossEntropy("float64"), optimizer=AdamW(0.01, epsilon=1e-25)),
    n_steps=200_000,
    every=500,
)
FIGURE_2 = {
    f"f = {fraction}, {dtype}": Arm(
        PAPER.replace(
            train_fraction=fraction,
            loss=CrossEntropy(dtype),
            optimizer=AdamW(5e-4, epsilon=epsilon),
        ),
        n_steps=20_000,
        every=100,
    )
    for fraction, epsilon in ((0.4, 1e-30), (0.6, 1e-25), (0.7, 1e-25))
    for dtype in ("float16", "float32", "float64")
}
_STABLE = PAPER.replace(
    loss=StableMaxCrossEntropy(), optimizer=AdamW(0.01, beta2=0.999, epsilon=1e-25)
)
FIGURE_4 = {
    "addition": Arm(_STABLE, n_steps=100_000, every=250, stop_at=0.99),
    "product": Arm(
        _STABLE.replace(task=Pairs("multiplication")), n_steps=100_000, every=250, stop_at=0.99
    ),
}
FIGURE_6B = {
    "AdamW": Arm(PAPER.replace(optimizer=AdamW(0.005, epsilon=1e-25)), n_steps=1000),
    "⊥AdamW": Arm(PAPER.replace(optimizer=replace(PERP, learning_rate=0.005)), n_steps=1000),
    "⊥SGD": Arm(
        PAPER.replace(loss=StableMaxCrossEntropy(), double=True, optimizer=PERP_SGD), n_steps=1000
    ),
}


def coded(code) -> Setting:
    """Addition on numbers as vectors of bits (NS Section 4.1); nothing regularises it."""
    return PAPER.replace(task=Pairs(code=code), optimizer=AdamW(0.01))


def decays(setting: Setting, weight_decays: Sequence[float], **arm) -> list[Arm]:
    """Arms that differ in their weight decay."""
    optimizers = [AdamW(0.01, weight_decay=one) for one in weight_decays]
    return [Arm(setting.replace(optimizer=one), **arm) for one in optimizers]


_LONG = {"n_steps": 2000, "every": 20, "stop_at": LEVEL}
FRACTIONS, FRACTION_DECAYS = [0.2, 0.3, 0.4, 0.5, 0.6, 0.8], [0.1, 0.3, 1.0, 3.0]
_BY_FRACTION = [
    decays(_MODULO_47.replace(train_fraction=one), FRACTION_DECAYS, **_LONG) for one in FRACTIONS
]
RATES, DECAYS = (0.001, 0.003, 0.01), (0.3, 1.0, 3.0, 8.0, 16.0)
CELLS = [[rate, one] for rate in RATES for one in DECAYS]
PAPER_CELLS = [[0.01, 3.0], [0.01, 8.0], [0.01, 16.0], [0.001, 8.0]]
# The norm of the weights against the scale of the logits, both held (on NS Section 5.1).
NORMS, LOGIT_SCALES = (1, 2, 3, 4, 6), (1, 8, 27, 64, 216)


def held(setting: Setting, norms: Sequence[float], scales: Sequence[float]) -> dict[str, Arm]:
    """An arm for each norm c and scale κ; the step of the weights is the same for all."""
    return {
        f"c = {norm}, κ = {scale}": Arm(on_sphere(setting, norm, logits=scale), 400, every=20)
        for norm in norms
        for scale in scales
    }


HELD = held(NARROW, NORMS, LOGIT_SCALES)
HELD_LARGE = held(PAPER, (1, 4), (1, 27, 216))


def _short(arms: dict[str, Arm]) -> dict[str, Arm]:
    return {name: arm.replace(n_steps=50, every=25) for name, arm in arms.items()}


def _curves(name, arm: Arm, about, cpu_seconds, n_seeds=5, *, function=curves) -> StoredRun:
    quick = {"seeds": SEEDS[:1], "arm": arm.replace(n_steps=50)}
    parameters = {"seeds": SEEDS[:n_seeds], "arm": arm}
    return _stored(name, function, parameters, about, cpu_seconds, quick)


def _several(name: str, arms: dict[str, Arm], about: str, cpu_seconds: float, n_seeds: int = 5):
    quick = {"seeds": SEEDS[:1], "arms": _short(arms)}
    parameters = {"seeds": SEEDS[:n_seeds], "arms": arms}
    return _stored(name, several, parameters, about, cpu_seconds, quick)


def _events(name: str, arms: list[list[Arm]], about: str, cpu_seconds: float, n_seeds: int = 5):
    """Rows of arms.  What is computed again is short, and of rows of several arms one alone."""
    rows = arms if len(arms[0]) == 1 else arms[2:3]
    quick = {"seeds": SEEDS[:1], "arms": [[one.replace(n_steps=50) for one in row] for row in rows]}
    parameters = {"seeds": SEEDS[:n_seeds], "arms": arms}
    return _stored(name, event_times, parameters, about, cpu_seconds, quick)


def _stored(name, function, parameters, about, cpu_seconds, quick) -> StoredRun:
    return StoredRun(
        f"modular-{name}", function, parameters, about, cpu_seconds, ("torch",), quick
    )  # fmt: skip


# fmt: off
RUNS = (
    _curves("decay", DECAYED, "addition modulo 113 with weight decay 1, five seeds", 150),
    _events("fraction-decay", [list(row) for row in zip(*_BY_FRACTION, strict=True)],
            "when addition modulo 47 groks, over training fraction and weight decay", 300, 3),
    _stored("decay-sweep", decay_cells, {"cells": CELLS, "setting": NARROW, "seed": 0},
            "addition modulo 59: fifteen pairs of learning rate and weight decay", 120,
            {"cells": [[0.01, 16.0]]}),
    _stored("decay-large", decay_cells, {"cells": PAPER_CELLS, "setting": PAPER, "seed": 0},
            "addition modulo 113 with weight decay 3, 8 and 16", 90,
            {"cells": [[0.01, 16.0]], "setting": NARROW}),
    _several("held", HELD,
             "addition modulo 59, norm of the weights and scale of the logits held", 350),
    _several("held-large", HELD_LARGE,
             "addition modulo 113, norm of the weights and scale of the logits held", 120, 2),
    _curves("perp", Arm(PAPER.replace(optimizer=PERP), 1500, 25),
            "addition modulo 113 with ⊥AdamW, far beyond the test set, five seeds", 180),
    _curves("transformer-decay", TRANSFORMER_DECAYED,
            "small transformer, addition modulo 59, with weight decay 1.5, three seeds", 80, 3),
    _curves("transformer-plain", TRANSFORMER_PLAIN,
            "small transformer, addition modulo 59, with neither decay nor ⊥Grad, five seeds", 110),
    _curves("stablemax-addition", Arm(STABLEMAX, 2500, 25, stop_at=0.99),
            "addition modulo 113 with StableMax and no decay, three seeds", 240, 3),
    _curves("stablemax-product", Arm(PRODUCT, 3500, 25, stop_at=0.99),
            "multiplication modulo 113 with StableMax and no decay, one seed", 100, 1),
    _curves("collapse", Arm(COLLAPSE, 2000, 25),
            "addition modulo 113 without decay, to collapse in float32, three seeds", 210, 3),
    _curves("codes-binary", Arm(coded(binary_digits), 1000),
            "addition modulo 113 on binary digits, nothing regularised, five seeds", 220,
            function=losses_and_accuracies),
    _curves("codes-random", Arm(coded(random_codes), 400),
            "addition modulo 113 on random 14-bit codes, nothing regularised, five seeds", 90,
            function=losses_and_accuracies),
    _several("temperature", TEMPERATURES,
             "addition modulo 59 without decay at softmax temperatures 1 and 4, five seeds", 60),
    _several("companions", COMPANIONS | VARIANTS,
             "addition modulo 59 with and without ⊥Grad: nine settings, five seeds each", 200),
    _several("squared", SQUARED,
             "addition modulo 59 with a squared loss: six settings, five seeds each", 250),
    _events("decay-seeds", [[one] for one in decays(NARROW, [0.3, 1.0, 3.0], **_LONG)],
            "addition modulo 59 with weight decay 0.3, 1 and 3, five seeds", 70),
    _events("decay-eight", [decays(PAPER, [8.0], n_steps=440, every=20, stop_at=LEVEL)],
            "addition modulo 113 with weight decay 8, five seeds", 60),
    _several("formats", FORMATS,
             "addition modulo 47 without decay, the loss in three formats, five seeds", 90),
    _curves("figure-1c", FIGURE_1C,
            "NS Fig. 1c as released, followed to 200,000 steps, two seeds", 13000, 2),
    _several("figure-2", FIGURE_2,
             "NS Fig. 2 as released: three fractions, the loss in three formats, three seeds",
             19000, 3),
    _curves("figure-4-addition", FIGURE_4["addition"],
            "NS Fig. 4 as released: StableMax, addition modulo 113, three seeds", 9000, 3),
    _curves("figure-4-product", FIGURE_4["product"],
            "NS Fig. 4 as released: StableMax, multiplication modulo 113, two seeds", 6600, 2),
    _several("figure-6b", FIGURE_6B,
             "NS Fig. 6b as released: AdamW, ⊥AdamW and ⊥SGD, five seeds", 650),
    _curves("parity", Arm(PARITY, 8000, 25, stop_at=0.97),
            "sparse parity with StableMax and no decay, five seeds", 150),
)
# fmt: on
