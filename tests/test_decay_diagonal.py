"""Paper DI: the flow in n unknowns against plain loops and other integrators, matrices likewise."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import expit

from grokbook.decay import completion, diagonal_simulate, diagonal_theory
from grokbook.decay.diagonal_setting import MISGROKKING, DiagonalSetting, draw
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


def test_theory_by_other_ways():
    assert diagonal_theory.kernel_accuracy(DiagonalSetting()) == pytest.approx(0.51514, abs=1e-5)
    assert diagonal_theory.accuracy_with(DiagonalSetting(), 0) == 0.5
    assert diagonal_theory.accuracy_with(DiagonalSetting(), 3) == 1.0
    samples = draw(SMALL, 0)
    margin = diagonal_theory.l1_margin(samples)
    low, high = diagonal_theory.margin_bounds(samples, samples.teacher, np.ones(SMALL.n_train))
    assert low == pytest.approx(1 / 3)  # the majority of three wins by one at least
    assert low - 1e-9 <= margin <= high + 1e-9
    assert diagonal_theory.normaliser(np.e, 1.0, 0.5, depth=3) == pytest.approx(2.0)


def test_matrices_follow_the_plain_loop():
    setting = completion.CompletionSetting(12, 40, 2.0, weight_decay=0.01, learning_rate=0.01)
    clock = np.append(np.geomspace(1e-6, 0.1, 110), np.arange(0.11, 2.001, 0.01))
    path = completion.flow(setting, 0, clock)
    loop = completion.gradient_descent(setting, 0, [2000, 20_000])
    for name in ("test_loss", "norm"):
        found = np.interp(loop.clock, path.clock, getattr(path, name))
        np.testing.assert_allclose(found, getattr(loop, name), rtol=0.01)
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
        (lambda: completion.flow(completion.CompletionSetting(5, 9), 0, [0.0, 1.0]), "clock"),
    ],
)
def test_bad_input_is_named(call, names):
    with pytest.raises(ValueError, match=names.replace("[", r"\[")):
        call()
