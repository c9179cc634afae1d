"""Remedies on any model: the loop against the subjects' own runs, the rule, masks in XOR nets."""

import inspect

import numpy as np
import pytest

from grokbook.atlas import remedies, tails, xor_tickets
from grokbook.linear import LinearSetting
from grokbook.linear import simulate as linear_simulate
from grokbook.logistic import simulate as logistic_simulate
from grokbook.logistic.setting import LogisticSetting
from grokbook.xor import simulate as xor_simulate
from grokbook.xor.setting import XorSetting

STEP = [0, 1, 7, 40]
SMALL = XorSetting(d_in=300, n_train=12, n_test=10, width=20, signal_norm=20.0, init_std=1e-13)


@pytest.fixture(scope="module")
def drawn():
    return xor_simulate.draw_directly(SMALL, 3)


def test_linear_descent_is_that_of_the_subject():
    setting = LinearSetting(2.0, d_in=30, weight_decay=0.3, learning_rate=0.05)
    exact = linear_simulate.trajectory(setting, STEP, [0, 5], method="steps", n_test=10)
    weights = remedies.descend(remedies.linear(setting, [0, 5]), STEP, decay=0.3)
    found = remedies.linear_loss(setting, [0, 5], weights)
    assert np.allclose(found, exact.test_loss, rtol=1e-10)


def test_logistic_descent_is_that_of_the_subject():
    setting = LogisticSetting(0.4, n_train=30)
    exact = logistic_simulate.gradient_descent(setting, STEP, [2, 4])
    weights = remedies.descend(remedies.logistic(setting, [2, 4]), STEP)
    assert np.allclose(weights[..., -1].T, exact.bias, rtol=1e-10, atol=1e-13)
    spread = setting.noise_scale * np.linalg.norm(weights[..., :-1], axis=-1)
    assert np.allclose(spread.T, exact.spread, rtol=1e-10)


def test_stablemax_slope_is_that_of_the_loss_of_two_logits():
    from grokbook.modular.loss import StableMaxCrossEntropy

    torch = pytest.importorskip("torch")
    z = np.array([-30.0, -1.5, -0.1, 0.0, 0.2, 3.0, 50.0])
    logits = torch.from_numpy(np.stack([-z / 2, z / 2], axis=1)).requires_grad_()
    labels = torch.zeros(z.size, dtype=torch.int64)
    loss = StableMaxCrossEntropy(dtype="float64")(logits, labels) * z.size
    gradient = torch.autograd.grad(loss, logits)[0].numpy()
    by_z = (gradient[:, 1] - gradient[:, 0]) / 2
    assert np.allclose(tails.power_loss(2.0)(z)[1], by_z, rtol=1e-9)


def test_projection_keeps_the_norm_of_the_weights_and_leaves_the_bias_alone():
    model = remedies.logistic(LogisticSetting(0.3, n_train=40, learning_rate=1e-4), [1])
    weights = remedies.descend(model, [1], orthogonal=True)[0]
    start, change = model.start, model.start - weights
    assert abs(np.sum(change[0, :-1] * start[0, :-1])) < 1e-12 * np.sum(start**2)
    assert change[0, -1] == pytest.approx(1e-4 * model.gradient(start)[0, -1], rel=1e-12)


def test_mask_holds_weights_at_zero(drawn):
    model = xor_tickets.model(drawn, dtype="float64")
    mask = xor_tickets.largest(drawn.weights, 0.3)
    assert mask.mean() == pytest.approx(0.3)
    assert np.abs(drawn.weights[mask == 0]).max() <= np.abs(drawn.weights[mask == 1]).min()
    weights = remedies.descend(model, [0, 4], mask=mask)
    assert not np.any(weights[:, 0][:, mask == 0])
    assert np.all(weights[1, 0][mask == 1])


def test_full_mask_is_the_run_of_the_subject(drawn):
    model = xor_tickets.model(drawn, dtype="float64")
    weights = remedies.descend(model, STEP, mask=np.ones(drawn.weights.shape))
    train, test = xor_tickets.accuracies(drawn, weights)
    run = xor_simulate.train(drawn.reduced, STEP)
    assert np.array_equal(train, run.train_correct.mean(axis=1))
    assert np.array_equal(test, run.test_correct.mean(axis=1))
    inside = weights[:, 0] @ drawn.samples[-2:].T
    assert np.allclose(inside.transpose(0, 2, 1), run.projection, rtol=1e-9, atol=1e-11)


def test_runs_bear_a_perturbation_in_the_last_bit(drawn):
    model = xor_tickets.model(drawn, dtype="float64")
    weights = remedies.descend(model, [20])
    moved = remedies.Model(model.start * (1 + 2.0**-50), model.gradient, model.learning_rate)
    assert np.allclose(remedies.descend(moved, [20]), weights, rtol=1e-9, atol=1e-10)


def test_seen_on_the_axes_the_dense_network_is_the_same(drawn):
    turned = xor_tickets.on_axes(drawn)
    assert np.allclose(turned.samples[-2:, :2], 20 * np.eye(2), atol=1e-12)
    pairs = [(one.samples @ one.samples.T, one.weights @ one.samples.T) for one in (drawn, turned)]
    for one, other in zip(*pairs, strict=True):
        assert np.allclose(one, other, rtol=1e-10, atol=1e-9)


def test_arms_are_followed_as_long_as_the_dense_network(drawn):
    found = xor_tickets.arms(drawn, 3, (1, 5))
    assert [one.shape for one in found.values()] == [(2, 2)] * 7
    assert np.array_equal(found["ticket"], xor_tickets.arms(drawn, 3, (1, 5))["ticket"])


@pytest.mark.parametrize(
    ("control", "remedied", "beyond", "word"),
    [
        ([10, 20, 30], [5, 10, 15], None, "helps"),
        ([10, 20, 30], [20, 40, 60], None, "hurts"),
        ([10, 20, 30], [5, 20, 60], None, "changes nothing"),
        ([10, 20, 30], [np.inf, np.inf, 5], None, "kills the transition"),
        ([np.inf] * 3, [np.inf] * 3, None, "changes nothing"),
        ([np.inf] * 3, [5, 6, 7], None, "helps"),
        ([10, 20, 30], [5, 10, 15], [7, 7, np.inf], "kills the transition"),
        ([10, 20, 30], [5, 10, 15], [7, np.inf, np.inf], "helps"),
    ],
)
def test_the_rule(control, remedied, beyond, word):
    assert remedies.verdict(control, remedied, beyond=beyond).word == word


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: remedies.verdict([1.0], [1.0, 2.0]), "remedied"),
        (lambda: remedies.verdict([0.0], [1.0]), "control"),
        (lambda: remedies.linear(LinearSetting(0.5, d_in=4, d_out=2), [0]), "d_out"),
        (lambda: remedies.linear(LinearSetting(0.5, d_in=4), []), "seeds"),
        (lambda: remedies.descend(None, [0.5]), "step"),
        (lambda: remedies.descend(None, [1], decay=-1), "decay"),
        (lambda: xor_tickets.largest(np.ones(4), 0.0), "kept"),
    ],
)
def test_bad_input_is_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()


def test_public_functions_say_what_they_do():
    for module in (remedies, xor_tickets):
        for name, one in inspect.getmembers(module, inspect.isfunction):
            assert one.__doc__ or name.startswith("_"), name
