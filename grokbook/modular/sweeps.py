"""Sweeps of paper NS: the phases of modular addition.

Addition is modulo 31, small enough for a thousand runs; :mod:`grokbook.phases` names what
comes out.
"""

from __future__ import annotations

from grokbook import validate
from grokbook.curves import LEVEL
from grokbook.modular import arms, scan
from grokbook.sweep_grid import Grid, Quantity, Sweep

P, WIDTH = 31, 64
N_STEPS, EVERY = 600, 10

# What sets an arm apart; all train by AdamW.  As in the papers' code, and for StableMax a step
# relative to the weight norm (see ``grokbook.modular.runs``).
ARMS = {
    "plain": {},
    "⊥Grad": {"optimizer": {"beta2": 0.999, "epsilon": 1e-8, "orthogonal": "rescaled"}},
    "StableMax": {
        "loss": {"kind": "stablemax", "complement": True},
        "gradient_scale": 1e10,
        "optimizer": {"beta2": 0.95, "epsilon": 1e-30, "relative": True},
    },
}
OUTPUTS = {
    "memorised": Quantity("steps", "train accuracy reaches 0.95"),
    "generalised": Quantity("steps", "test accuracy reaches 0.95"),
    "train_accuracy": Quantity("fraction", "train accuracy at the last step"),
    "test_accuracy": Quantity("fraction", "test accuracy at the last step"),
}


def addition(
    seed: int, arm: str, train_fraction: float, learning_rate: float, weight_decay: float
) -> dict[str, float]:
    """One network of NS, 64 neurons wide, on addition modulo 31, for 600 steps at most.

    It ends once the test accuracy has held 0.95 for four records of ten steps.

    Parameters
    ----------
    arm : {"plain", "⊥Grad", "StableMax"}

    Returns
    -------
    dict
        ``memorised``, ``generalised``: steps at which train and test accuracy reach 0.95, ``inf``
        if never; ``train_accuracy``, ``test_accuracy``: fractions at the last step.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    setting = dict(ARMS[validate.choice("arm", arm, tuple(ARMS))])
    rates = {"learning_rate": learning_rate, "weight_decay": weight_decay}
    (run,) = arms.run_seeds(
        [seed % 2**63],  # torch's generators take 63 bits
        n_steps=N_STEPS,
        every=EVERY,
        stop_at=LEVEL,
        task={"p": P},
        network={"width": WIDTH},
        train_fraction=train_fraction,
        **setting | {"optimizer": rates | setting.get("optimizer", {})},
    )
    found = scan.events(run, LEVEL)
    return {name: found[name] for name in OUTPUTS}


FRACTION = [0.5, 0.6, 0.7, 0.8, 0.9]
RATE = [0.003, 0.01, 0.03, 0.1]
DECAY = [0.0, 0.1, 0.3, 1.0, 3.0, 10.0]
# Where the other axis is varied.  With a relative step larger rates do not fit at all.
ONE_RATE = {"plain": 0.03, "⊥Grad": 0.03, "StableMax": 0.01}
ONE_FRACTION = 0.7

AXES = {
    "arm": Quantity("1", "plain AdamW, ⊥Grad or StableMax"),
    "train_fraction": Quantity("fraction", "share of the pairs that is for training"),
    "learning_rate": Quantity("1", "η, of AdamW; relative to the weight norm for StableMax"),
    "weight_decay": Quantity("1", "λ, decoupled"),
}


def _map(name: str, arm: str, about: str, **axes) -> Sweep:
    """A map of one arm; an axis is given by its values for small, book and paper."""
    seeds = {"small": 1, "book": 5, "paper": 100}
    return Sweep(
        name=f"modular-{name}-{SHORT[arm]}",
        function=addition,
        axes=AXES,
        outputs=OUTPUTS,
        grids={
            size: Grid(
                {"arm": [arm]} | {one: values[k] for one, values in axes.items()},
                n_seeds,
                CPU_SECONDS[arm],
            )
            for k, (size, n_seeds) in enumerate(seeds.items())
        },
        about=f"{about}, {arm}: phases of addition modulo {P}",
        packages=("torch",),
    )


def _tenths_of_decades(low: int, high: int) -> list[float]:
    """Ten values a decade from 10**low to 10**high."""
    return [float(f"{10 ** (k / 10):.4g}") for k in range(10 * low, 10 * high + 1)]


SHORT = {"plain": "plain", "⊥Grad": "perp", "StableMax": "stablemax"}
CPU_SECONDS = {"plain": 0.8, "⊥Grad": 1.2, "StableMax": 0.9}
_DECAYS = (DECAY[1::2], DECAY, [0.0, *_tenths_of_decades(-2, 1)])

SWEEPS = (
    *(
        _map(
            "fraction",
            arm,
            "NS: training fraction and weight decay",
            train_fraction=(
                FRACTION[::2],
                FRACTION,
                [round(0.025 * k, 3) for k in range(12, 39)],
            ),
            learning_rate=[[ONE_RATE[arm]]] * 3,
            weight_decay=_DECAYS,
        )
        for arm in ARMS
    ),
    *(
        _map(
            "rate",
            arm,
            "NS: learning rate and weight decay",
            train_fraction=[[ONE_FRACTION]] * 3,
            learning_rate=(RATE[::2], RATE, _tenths_of_decades(-3, -1)),
            # Without the largest, which is too much at every rate.
            weight_decay=(DECAY[1:-1:2], DECAY[:-1], _DECAYS[2]),
        )
        for arm in ARMS
    ),
)
