"""AdamW on spheres: norms stay, and the direction still learns."""

import numpy as np
import pytest
import torch

from grokbook import store
from grokbook.modular import AdamW, arms, sphere
from grokbook.modular.sphere import SphericalAdamW


def trained(optimizer, n_steps=60, scale=3.0):
    trainer = arms.prepare(
        0, task={"kind": "pairs", "p": 11}, network={"width": 32, "init_scale": scale}
    )
    trainer.optimizer, trainer.state = optimizer, optimizer.start(trainer.weights)
    norms = [float(trainer.weights[one].norm()) for one in trainer.spans.values()]
    run = trainer.run([0, n_steps])
    return norms, [float(trainer.weights[one].norm()) for one in trainer.spans.values()], run


def test_every_tensor_keeps_its_norm_and_the_loss_falls():
    before, after, run = trained(SphericalAdamW(0.01))
    np.testing.assert_allclose(after, before, rtol=1e-5)
    assert run.curves.train_loss[-1] < 0.7 * run.curves.train_loss[0]


def test_defaults_are_those_of_the_authors_code():
    one = SphericalAdamW()
    assert (one.learning_rate, one.beta1, one.beta2, one.epsilon) == (0.01, 0.9, 0.999, 1e-8)
    assert (one.weight_decay, one.orthogonal, one.relative) == (0.0, "", False)


def test_without_the_projection_the_norm_changes():
    before, after, _ = trained(AdamW(0.01, beta2=0.999, epsilon=1e-8))
    assert np.all(np.abs(np.divide(after, before) - 1) > 0.02)


def test_first_step_is_adams_without_its_radial_part():
    weights = torch.tensor([3.0, 4.0, 0.0])
    gradient = torch.tensor([1.0, -2.0, 5.0])
    optimizer = SphericalAdamW(1e-4)
    state = optimizer.start(weights)
    moved = weights.clone()
    optimizer.step(state, moved, gradient.clone(), [slice(0, 3)])
    step = torch.tensor([-1.0, 1.0, -1.0]) * 1e-4
    step -= weights * (step @ weights) / 25
    torch.testing.assert_close(moved, weights + step, rtol=0, atol=5e-7)


def test_a_long_step_is_projected_before_it_returns_to_the_sphere():
    weights = torch.tensor([3.0, 4.0, 0.0])
    optimizer, moved = SphericalAdamW(1.0), weights.clone()
    optimizer.step(optimizer.start(weights), moved, torch.tensor([1.0, 1.0, 5.0]), [slice(0, 3)])
    tangent = torch.tensor([-1.0, -1.0, -1.0]) + weights * 7 / 25
    want = weights + tangent
    torch.testing.assert_close(moved, want * 5 / want.norm(), rtol=1e-5, atol=1e-5)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="learning_rate"):
        SphericalAdamW(0.0)


def test_sweep_holds_each_norm_and_is_its_runs():
    rows = sphere.sweep([1.0, 3.0], [0, 1], p=11, width=16, n_steps=20, every=10)
    assert rows["train_accuracy"].shape == (2, 2, 3)
    np.testing.assert_allclose(rows["norm"][1] / rows["norm"][0], 3, rtol=1e-5)
    curves, norm = sphere.run(
        1,
        n_steps=20,
        task={"kind": "pairs", "p": 11},
        network={"width": 16, "init_scale": 3.0},
        train_fraction=0.5,
    )
    assert norm == rows["norm"][1, 1]
    np.testing.assert_allclose(rows["test_accuracy"][1, 1], curves.test_accuracy, rtol=1e-6)


def test_a_slice_of_the_stored_runs():
    kept = store.load("modular-sphere")
    again, norm = sphere.run(
        2,
        n_steps=60,
        task={"kind": "pairs", "p": 59},
        network={"width": 128, "init_scale": 3.0},
        train_fraction=0.5,
    )
    row = list(kept["scale"]).index(3.0)
    assert norm == pytest.approx(kept["norm"][row, 2], rel=1e-4)
    stored = kept["train_accuracy"][row, 2, : again.step.size]
    np.testing.assert_allclose(again.train_accuracy, stored, atol=0.02)
