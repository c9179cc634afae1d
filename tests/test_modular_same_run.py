"""The same seed is the same run where arithmetic differs in its last bit, as processors do.

Every weight at the start is moved to the next float, and the learning rate by a relative 2**-50.
What a claim asks for must not notice: the phase, and event times within one record.  Of a hundred
test pairs 5 % are a matter of luck, so that the level is a half, far above chance.
"""

import numpy as np
import pytest
import torch

from grokbook import phases
from grokbook.curves import crossing_time
from grokbook.modular import arms
from grokbook.modular.sweeps import ARMS

EVERY = 20  # as in the book's maps
SETTING = {"task": {"p": 23}, "network": {"width": 48}, "train_fraction": 0.8}
DECAY = {"optimizer": {"learning_rate": 0.01, "weight_decay": 3.0}}
SQUARE = {"network": {"width": 48, "depth": 1, "activation": "square"}, "double": True}
STABLE, PERP = (ARMS[name]["optimizer"] for name in ("StableMax", "⊥Grad"))
COLLAPSE = {"learning_rate": 0.02, "beta2": 0.95, "epsilon": 1e-30, "relative": True}
FIXED = {"kind": "sgd", "learning_rate": 0.6, "normalised": True}
# Setting, steps, and whether its times can be asked for.
RUNS = {
    "decay": (DECAY, 260, True),
    "decay, squares in float64": (DECAY | SQUARE, 150, True),
    "StableMax, squares": (
        ARMS["StableMax"] | SQUARE | {"optimizer": STABLE | {"learning_rate": 0.01}},
        200,
        True,
    ),
    "no decay": ({"optimizer": COLLAPSE}, 150, True),
    "float16 loss": ({"optimizer": FIXED, "loss": {"dtype": "float16"}}, 250, True),
    # Adam divides the projected gradient by what little is left of it, and rounding grows: another
    # processor may generalise at up to twice the step.  The phase stays.
    "⊥Grad": ({"optimizer": PERP | {"learning_rate": 0.02}}, 200, False),
}


def outcome(seed, setting, n_steps, *, moved):
    """What happened, and the times of memorising, generalising and collapse."""
    setting = SETTING | setting
    if moved:
        rate = setting["optimizer"]["learning_rate"] * (1 + 2**-50)
        setting |= {"optimizer": setting["optimizer"] | {"learning_rate": rate}}
    trainer = arms.prepare(seed, **setting)
    if moved:
        above = torch.full_like(trainer.weights, torch.inf)
        trainer.weights.copy_(torch.nextafter(trainer.weights, above))
    run = trainer.run(range(0, n_steps + 1, EVERY))
    times = [run.curves.memorisation_time(), run.curves.generalisation_time(0.5)]
    times.append(crossing_time(run.step, run.collapsed, 0.5))
    kind = phases.PHASES[int(phases.phase(*times[:2]))]
    kind = {"comprehension": "generalised", "grokking": "generalised"}.get(kind, kind)
    return "collapsed" if np.isfinite(times[2]) else kind, np.array(times, dtype=float)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", RUNS)
def test_the_last_bit_decides_nothing(name, seed):
    setting, n_steps, timed = RUNS[name]
    kind, times = outcome(seed, setting, n_steps, moved=False)
    other, other_times = outcome(seed, setting, n_steps, moved=True)
    assert kind == other
    assert np.isfinite(times[0])
    if timed:
        happened = np.isfinite(times) | np.isfinite(other_times)
        assert np.all(np.abs(times[happened] - other_times[happened]) <= EVERY)
