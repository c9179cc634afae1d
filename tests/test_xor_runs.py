"""Stored runs of paper XC: a slice of each is computed again."""

import numpy as np
import pytest

from grokbook import results
from grokbook.xor import XorSetting, runs, simulate

DECLARED = {run.name: run for run in runs.RUNS}
# Chaos near zero may turn a prediction on another processor: one of 200 in a run.
ONE_PREDICTION = 0.5 / 100


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_stored_arrays_have_the_declared_shape(name):
    kept, parameters = results.load(name), DECLARED[name].parameters
    for key, value in kept.arrays.items():
        if key.startswith(("train_accuracy", "test_accuracy")):
            step = kept[key.replace("train_accuracy", "step").replace("test_accuracy", "step")]
            assert value.shape == (len(parameters["seeds"]), step.size)
            assert np.all((value >= 0) & (value <= 1))


def test_a_slice_of_the_small_steps():
    kept = results.load("xor-small-step")
    last = list(kept["step"]).index(251)
    again = runs.small_step([0, 1], kept["step"][: last + 1].tolist(), [0, 100])
    for key in ("train_accuracy", "test_accuracy"):
        assert np.max(np.abs(again[key] - kept[key][:2, : last + 1])) <= ONE_PREDICTION
    np.testing.assert_allclose(again["projection"], kept["projection"][:2, :2], rtol=1e-3, atol=0.1)


def test_a_slice_of_the_initial_scales():
    kept = results.load("xor-init-ratio")
    again = runs.init_ratios([0, 1], [0.1, 1.0], [126, 251])
    for key, value in again.items():
        stored = kept[key][..., : value.shape[-1]]
        assert np.max(np.abs(value - (stored if value.ndim == 1 else stored[:2]))) <= ONE_PREDICTION


def test_the_loop_on_full_vectors_at_another_size(monkeypatch):
    """At the paper's size a run needs 600 MB: the chapter repeats a slice of one."""
    small = XorSetting(d_in=60, n_train=12, n_test=8, width=30, signal_norm=4.0)
    monkeypatch.setattr(runs, "XorSetting", lambda: small)
    found = runs.full_vectors([0, 1], [0, 1])
    run = simulate.descend_directly(small, [0, 1], 1)
    np.testing.assert_array_equal(found["test_accuracy"][1], run.test_correct.mean(axis=1))
    size = np.abs(run.projection[1][:, run.data.sign > 0]).mean(axis=1)
    assert found["alignment_ratio"][1, 1] == pytest.approx(size[0] / size[1])
