"""Runs at several temperatures are arms of that loss."""

import numpy as np
import pytest

from grokbook.modular import arms, temperature

OPTIONS = {"seeds": [0, 1], "n_steps": 20, "every": 5, "task": {"p": 7}, "network": {"width": 8}}


def test_each_row_is_an_arm():
    found = temperature.sweep([1.0, 4.0], **OPTIONS)
    assert found["train_loss"].shape == (2, 2, 5)
    for one in (1.0, 4.0):
        alone = arms.from_arrays(arms.arm(loss={"temperature": one}, **OPTIONS))
        run = temperature.run_at(found, one)
        assert np.array_equal(run.curves.train_loss, alone.curves.train_loss)
        assert run.tensors == alone.tensors
    losses = found["train_loss"][:, 0, 1:]
    assert not np.array_equal(losses[0], losses[1])


def test_bad_temperatures_are_refused():
    with pytest.raises(ValueError, match="temperatures = 0"):
        temperature.sweep([0], **OPTIONS)
    with pytest.raises(ValueError, match="temperature = 2"):
        temperature.run_at({"temperature": np.array([1.0])}, 2)
