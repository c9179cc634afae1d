"""Remedies across models: power tails, rounded steps, projected gradients, weight decay."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import expit

from grokbook import results
from grokbook.atlas import experiments, freezing, projected, tails
from grokbook.linear import LinearSetting
from grokbook.linear import simulate as linear
from grokbook.logistic import LogisticSetting, flow, simulate
from grokbook.modular.loss import CrossEntropy, StableMaxCrossEntropy
from grokbook.modular.optimizer import orthogonal_part

Z = np.array([-30.0, -3.0, -0.4, 0.0, 0.7, 5.0])
SMALL = LogisticSetting(0.3, n_train=40, learning_rate=0.04)
INPUTS, WEIGHTS = simulate.draw(SMALL, 0)
SAMPLES = simulate.constant_labels(INPUTS)
START = SAMPLES.start(WEIGHTS)


def score(state):
    return -state[-1] / (5 * np.linalg.norm(state[:-1]))


@pytest.mark.parametrize(
    ("order", "loss", "logits"),
    [
        (1, StableMaxCrossEntropy(), (1, 0)),
        (2, StableMaxCrossEntropy(), (0.5, -0.5)),
        (math.inf, CrossEntropy("float64"), (1, 0)),
    ],
)
def test_power_losses_contain_stablemax_and_cross_entropy(order, loss, logits):
    z = torch.tensor(Z)
    pair = torch.stack([logits[0] * z, logits[1] * z], dim=1)
    value = loss.terms(pair, torch.ones(len(Z), dtype=torch.int64)).value
    np.testing.assert_allclose(tails.power_loss(order)(Z)[0], value.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("order", [0.5, 2, 8, math.inf])
def test_slopes_and_tails(order):
    loss, h = tails.power_loss(order), 1e-6
    np.testing.assert_allclose(
        loss(Z)[1], (loss(Z + h)[0] - loss(Z - h)[0]) / (2 * h), rtol=1e-5, atol=1e-9
    )
    if order < math.inf:
        far, terms = np.array([-1e6]), tails.tail(order)
        np.testing.assert_allclose(loss(far)[0], order ** (order + 1) * terms.value(far), rtol=1e-3)
        near = np.array([-0.7])
        for lower, upper in ((terms.value, terms.slope), (terms.slope, terms.curvature)):
            change = (lower(near + h) - lower(near - h)) / (2 * h)
            np.testing.assert_allclose(change, upper(near), rtol=1e-6)
        assert np.isinf(terms.value(np.array([0.0, 1.0]))).all()


@pytest.mark.parametrize("order", [1, 4])
def test_the_resting_direction_is_the_best_on_the_sphere(order):
    state = tails.resting_direction(SAMPLES, order)

    def size(w):
        margin = -SAMPLES.logits(w / np.linalg.norm(w))
        return np.log(np.mean(margin**-order)) if margin.min() > 0 else np.inf

    rng = np.random.default_rng(0)
    for shift in rng.standard_normal((50, state.size)):
        assert size(state + 0.03 * np.linalg.norm(state) * shift / 5) > size(state)
    run = flow.gradient_flow(
        SAMPLES, START, [10.0 ** (3 * order + 6)], learning_rate=0.04, loss=tails.power_loss(order)
    )
    assert score(run.state[-1]) == pytest.approx(score(state), rel=5e-3)


def test_large_samples_follow_the_equations():
    setting = LogisticSetting(0.1, n_train=1500)
    for order in (1, 4):
        expected = tails.asymptotic_score(order, 0.1, 5.0)
        draws = [
            score(tails.resting_direction(simulate.constant_labels(x), order))
            for x, _ in (simulate.draw(setting, seed) for seed in range(4))
        ]
        assert np.mean(draws) == pytest.approx(expected, rel=0.06)


def score_by_programming(order, ratio, noise_scale):
    """Gordon's problem on quadrature nodes, as it stands before tau: margins, norm S and -b."""
    node, weight = np.polynomial.hermite_e.hermegauss(40)
    weight = weight / weight.sum()

    def size(state):  # log of (mean m^-a)^(1/a), and its slope
        terms = weight * np.exp(-order * state[2:])
        return np.log(terms.sum()) / order, np.append([0, 0], -terms / terms.sum())

    def inside(state):
        spread, depth = noise_scale * state[0], state[1]
        miss = np.exp(np.minimum(state[2:], 9)) - depth - spread * node
        return [ratio**0.5 * spread - (weight @ miss**2) ** 0.5, 1 - state[0] ** 2 - depth**2]

    found = minimize(
        size, np.append([0.3, 0.5], np.full(40, -0.7)), jac=True, method="SLSQP",
        constraints={"type": "ineq", "fun": inside}, options={"maxiter": 1000, "ftol": 1e-12},
    )  # fmt: skip
    assert found.success
    return found.x[1] / (noise_scale * found.x[0])


@pytest.mark.parametrize(("order", "ratio"), [(1, 0.3), (4, 0.1), (2, 0.7), (8, 1.5)])
def test_the_equations_solve_gordons_problem(order, ratio):
    found = tails.asymptotic_score(order, ratio, 5.0)
    assert found == pytest.approx(score_by_programming(order, ratio, 5.0), rel=1e-3)


@pytest.mark.parametrize("ratio", [0.499, 0.7])
def test_equations_are_solved_at_high_order(ratio):
    assert 0 < tails.asymptotic_score(512, ratio, 5.0) < 1e4


def test_rounding_is_that_of_the_formats():
    values = np.random.default_rng(1).standard_normal(2000) * 10
    np.testing.assert_array_equal(freezing.round_to(values, 11), values.astype(np.float16))
    half = torch.tensor(values).to(torch.bfloat16).double().numpy()
    np.testing.assert_array_equal(freezing.round_to(values, 8), half)
    np.testing.assert_array_equal(freezing.round_to(values, 24), values.astype(np.float32))


def test_a_bias_alone_stops_where_the_law_says():
    """From a step of 10.5 spacings down to one of half a spacing, within one octave of b."""
    rest = sum(math.log((2 * k + 1) / (2 * k - 1)) / k for k in range(11, 100_000))
    for bits in (14, 16):
        bias, last, unit = -4.1, 0, 2.0 ** (2 + 1 - bits)
        rate = math.exp(4.1) * 10.5 * unit
        for count in range(1, int(3 / unit)):
            new = float(freezing.round_to(np.array(bias - rate * math.exp(bias)), bits))
            last, bias = (count, new) if new != bias else (last, bias)
        assert last * unit == pytest.approx(freezing.ROUNDED - rest, rel=0.01)
        assert -8 < bias < -4


def test_unrounded_descent_is_the_plain_loop():
    step = [0, 1, 50, 300]
    run = freezing.descend(SMALL, step, [0, 1])
    plain = flow.gradient_descent(SAMPLES, START, step, learning_rate=0.04)
    np.testing.assert_allclose(run.bias[0], plain.state[:, -1], rtol=1e-11)
    np.testing.assert_array_equal(run.last_move, 300)
    single = freezing.descend(SMALL, step, [0], dtype="float32")
    np.testing.assert_allclose(single.bias[0], run.bias[0], rtol=1e-4)
    same = projected.descend(SMALL, step, [0])
    np.testing.assert_allclose(same.state[0], plain.state, rtol=1e-10, atol=1e-13)


def test_rounded_runs_do_not_hang_on_the_last_bit(monkeypatch):
    """Points that differ by 2^-50 of themselves stop within a few per cent of the same step."""
    before = freezing.descend(SMALL, [0, 2000], range(4), bits=11).last_move
    draw = simulate.draw
    monkeypatch.setattr(
        freezing.simulate, "draw", lambda *a: (draw(*a)[0] * (1 + 2.0**-50), draw(*a)[1])
    )
    after = freezing.descend(SMALL, [0, 2000], range(4), bits=11).last_move
    np.testing.assert_allclose(after, before, rtol=0.05)


def test_the_stored_run_begins_as_one_made_here():
    kept = results.load("atlas-freezing")
    live = experiments.float32_freezing([0], 2**14, 2**14, 1)
    np.testing.assert_allclose(live["bias"][1][0], kept["bias"][0, :2], rtol=1e-3)
    assert freezing.freezing_step(experiments.FREEZING, 24) == pytest.approx(
        1.7506 * 2**20, rel=1e-3
    )


@pytest.mark.parametrize("kind", projected.PROJECTIONS)
def test_projections_are_those_of_the_optimiser(kind):
    found = projected.descend(SMALL, [20], [0], projected=kind).state[0, 0]
    state = torch.tensor(START)
    for _ in range(20):
        pull = torch.tensor(expit(SAMPLES.logits(state.numpy())) / len(INPUTS))
        gradient = torch.cat([torch.tensor(INPUTS).T @ pull, pull.sum()[None]])
        spans = {"nothing": [], "weights": [slice(0, -1)], "jointly": [slice(None)]}.get(
            kind, [slice(0, -1), slice(-1, None)]
        )
        for span in spans:
            gradient[span] = orthogonal_part(gradient[span], state[span])
        state = state - 0.04 * gradient
    np.testing.assert_allclose(found, state.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("radius", [0.1, 3.0])
def test_least_loss_on_a_sphere(radius):
    found = projected.on_sphere(SAMPLES, radius)
    assert np.linalg.norm(found) == pytest.approx(radius, rel=1e-6)

    def loss(v):
        return np.logaddexp(0, SAMPLES.logits(radius * v / np.linalg.norm(v))).mean()

    other = minimize(loss, np.append(np.zeros(INPUTS.shape[1]), -1.0), method="L-BFGS-B")
    assert loss(found) == pytest.approx(other.fun, rel=1e-4)
    assert loss(found) <= other.fun + 1e-9


@pytest.mark.parametrize("ratio", [0.3, 0.7])
def test_decay_follows_the_stopped_path(ratio):
    """Score and depth of eight draws, to four standard errors and 10 / N for finite size."""
    path = projected.stopped(LogisticSetting(ratio), np.geomspace(1e-2, 40, 300))
    setting = LogisticSetting(ratio, n_train=300)
    drawn = [simulate.draw(setting, seed)[0] for seed in range(8)]
    found = [projected.decayed(simulate.constant_labels(x), 1e-4) for x in drawn]
    for means, of in ((path.score, score), (path.depth, lambda state: -state[-1])):
        expected = np.interp(math.log(1e-4), path.log_decay[::-1], means[::-1])
        values = np.array([of(state) for state in found]) / expected
        assert abs(values.mean() - 1) < 4 * values.std() / 8**0.5 + 10 / 300


def test_linear_steps_are_those_of_the_loop():
    setting = LinearSetting(0.5, d_in=20)
    plain = projected.linear_descent(setting, [0, 100], [3], projected=False)
    loop = linear.gradient_descent(setting, [0, 100], 3)
    np.testing.assert_allclose(plain["test_loss"][0], loop.test_loss, rtol=1e-9)
    found = projected.linear_descent(setting, [0, 100], [3])
    one = linear.draw(setting, 3)
    student, teacher = torch.tensor(one.student[:, 0]), torch.tensor(one.teacher[:, 0])
    covariance = torch.tensor(one.inputs.T @ one.inputs / setting.n_train)
    for _ in range(100):
        gradient = 2 * covariance @ (student - teacher)
        student = student - setting.learning_rate * orthogonal_part(gradient, student)
    apart = student - teacher
    assert found["test_loss"][0, 1] == pytest.approx(float(apart @ apart), rel=1e-9)
    assert found["norm"][0, 1] == pytest.approx(float(student.norm()), rel=1e-9)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: tails.power_loss(0), "order"),
        (lambda: tails.tail(-1), "order"),
        (lambda: tails.ridge(SAMPLES, tails.tail(1), 0, START - 1), "decay"),
        (lambda: tails.ridge(SAMPLES, tails.tail(1), 1.0, START), "start"),
        (lambda: tails.asymptotic_score(1, 0, 5), "aspect_ratio"),
        (lambda: freezing.descend(SMALL, [1], [0], bits=1), "bits"),
        (lambda: freezing.descend(SMALL, [1.5], [0]), "step"),
        (lambda: freezing.descend(SMALL, [1], [0], dtype="float16"), "dtype"),
        (lambda: projected.descend(SMALL, [1], [0], projected="bias"), "projected"),
        (lambda: projected.on_sphere(SAMPLES, 0), "radius"),
        (lambda: projected.linear_descent(LinearSetting(0.5, d_out=2), [1], [0]), "d_out"),
    ],
)
def test_bad_input(call, says):
    with pytest.raises(ValueError, match=says):
        call()
