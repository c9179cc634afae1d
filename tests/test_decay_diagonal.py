"""Paper DI: the flow in n unknowns against plain loops and other integrators, matrices likewise."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import expit

from grokbook import results
from grokbook.decay import completion, diagonal_simulate, diagonal_theory, experiments
from grokbook.decay.diagonal_setting import MISGROKKING, DiagonalSetting, Samples, draw
from grokbook.decay.diagonal_simulate import flow, grid

SMALL = DiagonalSetting(24, 120, init_scale=2.0, weight_decay=0.01)
PULLS = {
    diagonal_simulate.logistic: expit,
    diagonal_simulate.exponential: np.exp,
}


def weights_of_ode(setting, samples, clock, pull):
    """w by a high-order integrator on u and v."""

    def slope(t, state):
        u, v = state.reshape(2, -1)
        r = pull(samples, samples.inputs @ (u**2 - v**2))
        push = 2 / len(samples.inputs) * (r @ samples.inputs)
        decay = setting.weight_decay
        return np.concatenate([push * u - decay * u, -push * v - decay * v])

    start, time = np.full(2 * setting.d_in, setting.init_scale), clock / setting.weight_decay
    options = {"t_eval": time, "rtol": 1e-9, "atol": 1e-11}
    u, v = np.split(solve_ivp(slope, (0, time[-1]), start, "DOP853", **options).y.T, 2, axis=1)
    return u**2 - v**2


@pytest.mark.parametrize("loss", PULLS)
def test_the_flow_is_that_of_the_layers(loss):
    samples, clock = draw(SMALL, 0), grid(2.0, 0.05)
    fine = np.append(np.geomspace(1e-6, 0.2, 246), np.arange(0.21, 2.001, 0.01))
    exact = weights_of_ode(SMALL, samples, clock[-2:], lambda _, q: PULLS[loss](-q))
    for one, error in ((clock, 3e-3), (fine, 2e-4)):
        found = flow(SMALL, samples, one, loss=loss).weights(samples)[-1]
        assert np.linalg.norm(found - exact[-1]) < error * np.linalg.norm(exact[-1])


def test_regression_is_the_flow_of_the_layers():
    setting = replace(SMALL, data="regression")
    samples, clock = draw(setting, 1), grid(2.0, 0.02)
    exact = weights_of_ode(setting, samples, clock[-2:], lambda s, f: 2 * (s.target - f))
    path = flow(setting, samples, clock, loss=diagonal_simulate.squared)
    np.testing.assert_allclose(path.weights(samples)[-1], exact[-1], atol=2e-3)
    np.testing.assert_allclose(path.output, path.weights(samples) @ samples.inputs.T, atol=1e-7)


def test_gradient_descent_by_hand():
    samples = draw(SMALL, 0)
    u, v = diagonal_simulate.gradient_descent(SMALL, samples, [0, 1])
    q = samples.inputs @ (u[0] ** 2 - v[0] ** 2)
    gradient = -(expit(-q) @ samples.inputs) / SMALL.n_train
    np.testing.assert_allclose(u[1], u[0] - 0.01 * (2 * gradient + 0.01) * u[0])
    np.testing.assert_allclose(v[1], v[0] - 0.01 * (-2 * gradient + 0.01) * v[0])


def test_the_approximate_matrix_finds_the_same(monkeypatch):
    samples, clock = draw(SMALL, 0), grid(3.0, 0.1)
    exact = flow(SMALL, samples, clock)
    monkeypatch.setattr(diagonal_simulate, "_MANY", 100)
    monkeypatch.setattr(diagonal_simulate, "_TOP", 30)
    np.testing.assert_allclose(flow(SMALL, samples, clock).output, exact.output, rtol=1e-7)


def test_rounding_moves_no_time():
    samples, clock = draw(SMALL, 0), grid(4.0, 0.1)
    moved = replace(samples, inputs=samples.inputs * (1 + 2.0**-50))
    one, other = (flow(SMALL, each, clock).output for each in (samples, moved))
    np.testing.assert_allclose(one, other, rtol=1e-8)


@pytest.mark.parametrize("setting", [SMALL, replace(SMALL, data="gap", gap=2.0)])
def test_population_accuracy_is_that_of_fresh_points(setting):
    fresh = draw(replace(setting, n_train=40_000), 7)
    weights = np.append([0.5, 0.4, 0.2], np.full(setting.d_in - 3, 0.02))
    margin = fresh.inputs.astype(float) @ weights
    loss, accuracy = diagonal_simulate.population(setting, fresh, weights)
    assert abs(accuracy - np.mean(margin > 0)) < 0.01
    assert abs(loss - np.logaddexp(0, -margin).mean()) < 0.01


@pytest.mark.parametrize("k", [3, 5])
def test_kernel_accuracy_is_that_of_draws(k):
    """Four standard errors, and x^2/6 of the next order in x = k m^2 sqrt(n/d), m^2 <= 1/4."""
    setting = DiagonalSetting(64, 4000, n_signal=k)
    draws = (draw(setting, seed) for seed in range(40))
    found = [diagonal_simulate.population(setting, s, s.inputs.sum(axis=0))[1] - 0.5 for s in draws]
    bound = 4 * np.std(found) / 40**0.5 + np.mean(found) * (k / 4) ** 2 * 64 / 4000 / 6
    assert 5 * bound < np.mean(found)
    assert abs(np.mean(found) + 0.5 - diagonal_theory.kernel_accuracy(setting)) < bound


def test_theory_by_hand():
    accuracy = partial(diagonal_theory.accuracy_with, DiagonalSetting(n_signal=5))
    assert [accuracy(0), accuracy(1), accuracy(5)] == [0.5, 0.5 + 6 / 32, 1.0]
    assert diagonal_theory.normaliser(np.e, 1.0, 0.5, depth=3) == pytest.approx(2.0)
    assert diagonal_theory.normaliser(np.e, 1 / np.e, 0.5, printed=True) == pytest.approx(1.5)


def test_margin_by_hand():
    """w = (2, -1)/3 has the margins (5, 5)/3, and 2 x_1 + x_2 = (5, -5)."""
    samples = Samples(np.array([[2.0, -1.0], [1.0, -3.0]]), np.zeros(2), np.ones(2))
    bounds = diagonal_theory.margin_bounds(samples, [20.0, -10.0], [4.0, 2.0])
    assert (diagonal_theory.l1_margin(samples), *bounds) == pytest.approx([5 / 3] * 3)


def entry_by_entry(setting, seen, time):
    """U and V by a high-order integrator, the gradient and what is seen by loops over entries."""
    d, cells = setting.d, list(np.ndindex(setting.d, setting.d))

    def errors(u, v):
        weights = u @ u.T - v @ v.T
        return {(i, j): weights[i, j] - (i + 1) * (j + 1) / d**2 for i, j in cells}

    def slope(t, state):
        u, v = state.reshape(2, d, d)
        error, push = errors(u, v), np.zeros((d, d))
        for i, j in seen:
            push[i, j] += 2 / len(seen) * error[i, j]
            push[j, i] += 2 / len(seen) * error[i, j]
        return np.ravel([-push @ u, push @ v]) - setting.weight_decay * state

    start = setting.init_scale * np.tile(np.eye(d).ravel(), 2)
    options = {"t_eval": time, "rtol": 1e-8, "atol": 1e-10}
    for state in solve_ivp(slope, (0, time[-1]), start, "DOP853", **options).y.T:
        u, v = state.reshape(2, d, d)
        error, apart = errors(u, v), [e for e in cells if not {e, e[::-1]} & seen]
        yield {
            "scale": np.mean(np.diag(u.T @ v)) ** 0.5,
            "train_loss": np.mean([error[e] ** 2 for e in seen]),
            "test_loss": np.mean([error[e] ** 2 for e in error if e not in seen]),
            "unseen": max(abs(u[i] @ u[j] - v[i] @ v[j]) for i, j in apart),
            "norm": np.linalg.norm(state),
        }


def test_matrices_follow_the_equations():
    """To 2 h: of first order in the steps h = 0.01 of the flow, in which s^2 falls by 2 h."""
    setting = completion.CompletionSetting(12, 40, 2.0, weight_decay=0.01, learning_rate=0.01)
    clock = np.append(np.geomspace(1e-6, 0.1, 110), np.arange(0.11, 2.001, 0.01))
    path = completion.flow(setting, 0, clock)
    loop = completion.gradient_descent(setting, 0, [2000, 20_000])
    seen = set(zip(*completion.observed(setting, 0), strict=True))
    for k, exact in enumerate(entry_by_entry(setting, seen, [20.0, 200.0])):
        for name, value in exact.items():
            found = np.interp(loop.clock[k], path.clock, getattr(path, name))
            assert (found, getattr(loop, name)[k]) == pytest.approx((value, value), rel=0.02), name
    assert path.balance.max() < 1e-8


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (lambda: DiagonalSetting(data="none"), "data"),
        (lambda: DiagonalSetting(n_signal=2), "n_signal"),
        (lambda: DiagonalSetting(init_scale=0.0), "init_scale"),
        (lambda: flow(SMALL, draw(SMALL, 0), [0.0, 1.0]), "clock"),
        (lambda: flow(SMALL, draw(SMALL, 0), [0.1, 0.2, 5.0]), "clock"),
        (lambda: grid(1.0, 2.0), "last"),
        (lambda: diagonal_simulate.gradient_descent(SMALL, draw(SMALL, 0), [0.5]), "step"),
        (lambda: diagonal_theory.kernel_accuracy(MISGROKKING), "data"),
        (lambda: diagonal_theory.normaliser(0.5, 0.1, 0.5), "init_scale"),
        (lambda: completion.CompletionSetting(3, 9), "n_train"),
        (
            lambda: completion.gradient_descent(
                completion.CompletionSetting(5, 9, learning_rate=5.0), 0, [300]
            ),
            "learning_rate = 5: must be smaller here",
        ),
        (lambda: completion.flow(completion.CompletionSetting(5, 9), 0, [0.0, 1.0]), "clock"),
    ],
)
def test_bad_input_is_named(call, names):
    with pytest.raises(ValueError, match=names.replace("[", r"\[")):
        call()


@pytest.mark.parametrize("declared", experiments.RUNS, ids=lambda one: one.name)
def test_the_first_of_the_stored_runs_is_what_the_flow_gives(declared):
    kept = results.load(declared.name)
    for name, record in declared.function(seed=0).items():
        # Each implicit step is solved to 3e-5 of the outputs.
        error = 3e-5 * len(record)
        np.testing.assert_allclose(record, kept[name][0], rtol=error, atol=error, err_msg=name)
