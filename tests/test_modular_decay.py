"""The sweep over learning rate and decay."""

import numpy as np
import pytest

from grokbook.modular import decay

TINY = {"p": 11, "width": 16, "train_fraction": 0.5}


def test_a_strong_decay_leaves_no_network():
    row = decay.cell(0.01, 100.0, **TINY)
    assert row["weight_norm"] < 2
    assert row["generalised"] == np.inf
    assert row["step"] == decay.steps_allowed(0.01, 100.0) // 20 * 20


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
