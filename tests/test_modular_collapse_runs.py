"""The stored collapse and StableMax runs: their shapes, and a slice of each computed again."""

import numpy as np
import pytest

from grokbook import store
from grokbook.modular import arms, runs

DECLARED = {run.name: run for run in runs.RUNS}
NAMES = ("modular-collapse", "modular-stablemax-addition", "modular-stablemax-product")


@pytest.mark.parametrize("name", NAMES)
def test_stored_arrays_have_the_declared_shape(name):
    kept, parameters = store.load(name), DECLARED[name].parameters
    seeds = len(parameters["seeds"])
    assert kept["train_loss"].shape == (seeds, kept["step"].size)
    assert np.all(np.diff(kept["step"]) == parameters["every"])
    assert np.all(kept["n_records"] <= kept["step"].size)
    assert arms.from_arrays(kept.arrays).alignment.shape == (seeds, 3, kept["step"].size)


@pytest.mark.parametrize("name", NAMES)
def test_a_slice_of_one_seed(name):
    kept, parameters = store.load(name), dict(DECLARED[name].parameters)
    every = parameters["every"]
    again = arms.arm(**parameters | {"seeds": parameters["seeds"][:1], "n_steps": every})
    for record in ("train_loss", "weight_norm"):
        np.testing.assert_allclose(again[record][0], kept[record][0, :2], rtol=1e-2)
