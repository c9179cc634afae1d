"""Remedies on any model: the loop against the subjects' own runs, the rule, masks in XOR nets."""

from dataclasses import replace

import numpy as np
import pytest

from grokbook.atlas import remedies, xor_tickets
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
    free = replace(setting, weight_decay=0.0)
    weights = remedies.descend(remedies.linear(free, [0, 5]), STEP, decay=0.3)
    found = remedies.linear_loss(setting, [0, 5], weights)
    assert np.allclose(found, exact.test_loss, rtol=1e-10)


def test_logistic_descent_is_that_of_the_subject():
    setting = LogisticSetting(0.4, n_train=30)
    exact = logistic_simulate.gradient_descent(setting, STEP, [2, 4])
    weights = remedies.descend(remedies.logistic(setting, [2, 4]), STEP)
    assert np.allclose(weights[..., -1].T, exact.bias, rtol=1e-10, atol=1e-13)
    spread = setting.noise_scale * np.linalg.norm(weights[..., :-1], axis=-1)
    assert np.allclose(spread.T, exact.spread, rtol=1e-10)


def test_projection_keeps_the_norm_of_the_weights_and_leaves_the_bias_alone():
    model = remedies.logistic(LogisticSetting(0.3, n_train=40, learning_rate=1e-4), [1])
    weights = remedies.descend(model, [1], orthogonal=True)[0]
    start, change = model.start, model.start - weights
    assert abs(np.sum(change[0, :-1] * start[0, :-1])) < 1e-12 * np.sum(start**2)
    assert change[0, -1] == pytest.approx(1e-4 * model.gradient(start)[0, -1], rel=1e-12)


def test_nothing_is_taken_along_weights_that_are_zero():
    model = remedies.Model(np.zeros((1, 2)), lambda weights: weights - [3.0, 4.0], 0.1)
    weights = remedies.descend(model, [1, 2], orthogonal=True)
    assert weights[:, 0] == pytest.approx(np.array([[0.3, 0.4]] * 2))


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


def test_arms_differ_from_the_ticket_as_they_say(drawn, monkeypatch):
    runs, descend = [], remedies.descend

    def record(model, step, mask=None):
        runs.append((model, mask, descend(model, step, mask=mask)))
        return runs[-1][2]

    monkeypatch.setattr(xor_tickets, "descend", record)
    found = xor_tickets.arms(drawn, 3, (1, 5))
    arm, turned = dict(zip(found, runs, strict=True)), xor_tickets.on_axes(drawn)
    for name, (_, _, weights) in arm.items():
        full = turned if name == "signal on the axes" else drawn
        assert np.array_equal(found[name], xor_tickets.accuracies(full, weights)), name
    early, last = arm.pop("dense")[2][:, 0]
    seen = xor_tickets.on_axes(replace(drawn, weights=last)).weights
    sizes = {"mask of step 1": early, "signal on the axes": seen}
    ticket = arm["ticket"][1]
    for name, (model, mask, _) in arm.items():
        assert mask.mean() == pytest.approx(0.4), name
        if name in ("shuffled mask", "random mask"):
            rows = ticket if name == "shuffled mask" else ticket.reshape(1, -1)
            kept, n = rows.sum(axis=1), rows.shape[1]
            # Two draws of k of n places have k²/n in common, here to four deviations.
            spread = np.sum((kept * (n - kept) / n) ** 2 / (n - 1)) ** 0.5
            assert abs(np.sum(mask * ticket) - np.sum(kept**2 / n)) < 4 * spread
            same = np.array_equal(mask.sum(axis=1), ticket.sum(axis=1))
            assert same == (name == "shuffled mask")
        else:
            size = np.abs(sizes.get(name, last))
            assert size[mask == 1].min() >= size[mask == 0].max(), name
        start = turned.weights if name == "signal on the axes" else drawn.weights
        alike = np.corrcoef(model.start.ravel(), start.ravel())[0, 1]
        assert alike == pytest.approx(float(name != "fresh weights"), abs=4 / 6000**0.5), name
        assert model.start.std() == pytest.approx(start.std(), rel=4 / 12000**0.5)


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
    ("low", "high", "word"),
    [
        (0.3, 0.79, "helps"),
        (0.3, 0.81, "changes nothing"),
        (1.24, 1.9, "changes nothing"),
        (1.26, 1.9, "hurts"),
    ],
)
def test_the_range_without_change(low, high, word):
    """Of eleven ratios the second, the sixth and the tenth are 10, 50 and 90 %."""
    middle = (low + high) / 2
    ratio = np.array([0.01, low, *[low + 0.01] * 3, middle, *[high - 0.01] * 3, high, 9.0])
    control = np.random.default_rng(0).permutation(11) + 10.0
    found = remedies.verdict(control[::-1], (control * ratio)[::-1])
    assert found == remedies.Verdict(word, *map(pytest.approx, (low, middle, high)))


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: remedies.verdict([1.0], [1.0, 2.0]), "remedied"),
        (lambda: remedies.verdict([0.0], [1.0]), "control"),
        (lambda: remedies.verdict([1.0], [1.0], beyond=[1.0, 2.0]), "beyond"),
        (lambda: remedies.logistic(LogisticSetting(0.4, loss="exponential"), [0]), "loss"),
        (lambda: remedies.linear(LinearSetting(0.5, d_in=4, d_out=2), [0]), "d_out"),
        (lambda: remedies.linear(LinearSetting(0.5, d_in=4), []), "seeds"),
        (lambda: remedies.linear(LinearSetting(0.5, 4, weight_decay=0.1), [0]), "weight_decay"),
        (lambda: remedies.descend(None, [0.5]), "step"),
        (lambda: remedies.descend(None, [1], decay=-1), "decay"),
        (lambda: xor_tickets.largest(np.ones(4), 0.0), "kept"),
    ],
)
def test_bad_input_is_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()
