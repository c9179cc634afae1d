"""The sweep over learning rate and decay."""

import numpy as np
import pytest

from grokbook import store
from grokbook.modular import arms, decay, runs

TINY = {"p": 11, "width": 16, "train_fraction": 0.5}


def test_a_strong_decay_leaves_no_network():
    row = decay.cell(0.01, 100.0, **TINY)
    assert row["weight_norm"] < 2
    assert row["generalised"] == np.inf
    assert row["last_step"] == decay.steps_allowed(0.01, 100.0) // 20 * 20


def test_sweep_is_its_cells():
    cells = [[0.01, 3.0], [0.02, 50.0]]
    rows = decay.sweep(cells, **TINY)
    np.testing.assert_array_equal(rows["weight_decay"], [3.0, 50.0])
    assert rows["weight_norm"][1] == decay.cell(0.02, 50.0, **TINY)["weight_norm"]


def test_steps_allowed_count_decay_times():
    assert decay.steps_allowed(0.01, 3.0) == 700
    assert decay.steps_allowed(0.001, 0.3) == 2000
    with pytest.raises(ValueError, match="weight_decay"):
        decay.steps_allowed(0.01, 0.0)


@pytest.mark.parametrize(
    ("name", "sizes"), [("modular-decay-sweep", runs.SMALL), ("modular-decay-large", runs.PAPER)]
)
def test_stored_cells_have_their_declared_settings(name, sizes):
    kept = store.load(name)
    declared = {run.name: run for run in runs.RUNS}[name].parameters
    cells = np.stack([kept["learning_rate"], kept["weight_decay"]], axis=1)
    np.testing.assert_array_equal(cells, declared["cells"])
    assert sizes.items() <= declared.items()
    assert np.all((kept["best_test"] >= kept["test_accuracy"]) & (kept["best_test"] <= 1))


def test_a_stored_cell_again():
    kept = store.load("modular-decay-sweep")
    last = list(zip(kept["learning_rate"], kept["weight_decay"], strict=True)).index((0.01, 16.0))
    again = decay.cell(0.01, 16.0, **runs.SMALL)
    assert again["weight_norm"] == pytest.approx(kept["weight_norm"][last], rel=0.03)
    assert again["best_test"] == pytest.approx(kept["best_test"][last], abs=0.05)


def test_a_slice_of_the_transformer():
    declared = {run.name: run for run in runs.RUNS}["modular-transformer-decay"]
    setting = dict(declared.parameters) | {"seeds": [1], "n_steps": 40}
    (again,) = arms.run_seeds(**setting)
    kept = store.load(declared.name)
    for name in ("train_loss", "test_loss"):
        stored = kept[name][1, : again.step.size]
        np.testing.assert_allclose(getattr(again.curves, name), stored, rtol=1e-3)
