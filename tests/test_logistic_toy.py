"""Paper LS, the toy: its closed form against an ordinary integrator and its own table."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import lambertw, ndtri

from grokbook.logistic import ToySetting, flow, theory, toy

DEPTH = np.array([0.001, 0.1, 1.0, 5.0, 20.0, 60.0])


@pytest.mark.parametrize("gap", [0.3, 0.01, 1e-9, 0.0, -0.02, -0.4, -1.0])
def test_closed_form_solves_the_equation(gap):
    noise_scale = 3.0

    def slope(_, state):
        down, up = np.exp(-state[0]), np.exp(gap * state[0])
        return [noise_scale**2 * (down - gap * up) / (down + up), 2 / (down + up) - state[1]]

    exact = solve_ivp(slope, (0, 60), [0, 0], "LSODA", DEPTH, rtol=1e-11, atol=1e-13).y
    path = toy.path(ToySetting((1 - gap) / 2, noise_scale=noise_scale), DEPTH)
    np.testing.assert_allclose(path.spread, exact[0], rtol=1e-8)
    np.testing.assert_allclose(path.log_step, DEPTH + np.log(exact[1]), atol=1e-8)


def test_lambert_at_one_half():
    path = toy.path(ToySetting(0.5), np.array([1.0, 10.0, 500.0]))
    y = 1 + path.depth
    np.testing.assert_allclose(path.spread, y - lambertw(np.exp(y)).real, rtol=1e-12)
    late = toy.path(ToySetting(0.5), np.array([2000.0]))
    assert late.spread[0] == pytest.approx(np.log(late.log_step[0]), abs=0.01)


def test_table_one():
    for ratio in (0.3, 0.45):
        spread = toy.spread_at(1e6, 1 - 2 * ratio, 5.0)
        closed = np.log(1 / (1 - 2 * ratio)) / (2 * (1 - ratio))
        assert spread == pytest.approx(closed, rel=1e-12)
        assert toy.resting_spread(1 - 2 * ratio) == pytest.approx(closed, rel=1e-12)
    setting = ToySetting(0.7, noise_scale=2.0)
    path = toy.path(setting, np.array([1e3, 3e3]))
    rates = np.diff([-path.depth, path.spread / 2], axis=1)[:, 0] / np.diff(path.log_step)
    np.testing.assert_allclose(rates, theory.late_rates(toy.margin(setting)), atol=1e-9)
    assert toy.resting_spread(0.0) == np.inf


def test_curves_agree_with_the_flow_on_two_points():
    step = np.append(0, np.geomspace(1, 1e9, 60))
    for ratio in (0.4, 0.495, 0.52):
        setting = ToySetting(ratio, noise_scale=4.0, learning_rate=0.01)
        points = flow.Samples(np.array([[-4.0], [4.0 * setting.gap]]), np.ones(2))
        run = flow.gradient_flow(
            points, np.zeros(2), step, learning_rate=0.01, loss="exponential", tolerance=1e-7,
            exact=True,
        )  # fmt: skip
        depth = toy.depth_at(setting, step)
        # The integrator's own error at this tolerance.
        np.testing.assert_allclose(-run.state[:, 1], depth, atol=1e-4)
        spread = toy.spread_at(depth, setting.gap, 4.0)
        np.testing.assert_allclose(4 * run.state[:, 0], spread, atol=1e-4)


def test_curves_start_on_the_boundary_and_generalise():
    step = np.append(0, np.geomspace(1, 1e9, 300))
    curves = toy.curves(ToySetting(0.495, noise_scale=5.0, learning_rate=0.01), step)
    assert curves.test_accuracy[0] == 0.5
    assert curves.train_loss[0] == pytest.approx(1)
    expected = toy.log_time_to_accuracy(0.01, 5.0, learning_rate=0.01)
    assert np.log(curves.generalisation_time()) == pytest.approx(float(expected), abs=0.01)


@pytest.mark.parametrize("gap", [0.2, 0.02, -0.3])
def test_the_train_accuracy_is_that_of_the_two_points(gap):
    """Against the outputs S x + b of trained weights; at a gap of 0.2 the second point is learnt
    late."""
    setting = ToySetting((1 - gap) / 2, noise_scale=5.0, learning_rate=0.01)
    step = np.append(0, np.geomspace(1, 1e6, 40))
    points = flow.Samples(5.0 * np.array([[-1.0], [gap]]), np.ones(2))
    run = flow.gradient_flow(
        points, np.zeros(2), step, learning_rate=0.01, loss="exponential", tolerance=1e-6
    )
    curves = toy.curves(setting, step)
    expected = np.mean(points.logits(run.state) < 0, axis=1)
    np.testing.assert_array_equal(curves.train_accuracy, expected)
    assert (curves.train_accuracy[1] < 1) == (gap == 0.2)


@pytest.mark.parametrize("gap", [0.3, 0.0, -0.02])
def test_the_noise_from_which_on_there_is_a_delay(gap):
    """The accuracy starts at Phi(2 / (sigma^2 (1 - e))): a delay if that is below the level."""
    for level in (0.8, 0.95):
        edge = np.sqrt(2 / (ndtri(level) * (1 - gap)))
        below, above = toy.log_time_to_accuracy(gap, edge * np.array([0.995, 1.005]), level=level)
        assert below == -np.inf
        assert np.isfinite(above)
        start = toy.path(ToySetting((1 - gap) / 2, edge), [1e-7]).accuracy
        assert start == pytest.approx(level, abs=1e-6)


def test_times_to_accuracy_reproduce_the_table():
    noise_scale = np.array([2.0, 5, 30, 300])
    table = {
        0.1: [1.35, 1.65, 1.65, 1.65],
        0.001: [2.26, 4.04, 5.23, 5.23],
        1e-6: [2.27, 4.14, 7.12, 10.07],
        0.0: [2.27, 4.14, 7.13, 10.72],
    }
    for gap, expected in table.items():
        times = toy.log_time_to_accuracy(gap, noise_scale) / np.log(10)
        np.testing.assert_allclose(times, expected, atol=0.02)
    assert toy.log_time_to_accuracy(0.01, 1.0) == -np.inf
    assert toy.log_time_to_accuracy(-0.4, 5.0) == np.inf


def test_times_to_accuracy_grow_by_the_predicted_exponents():
    z = 1.6448536269514722
    gap = np.array([1e-5, 1e-6])
    slope = np.diff(toy.log_time_to_accuracy(gap, 1e6)) / np.diff(np.log(gap))
    assert slope[0] == pytest.approx(-z, abs=1e-3)


def test_loss_times_are_eqs_40_and_41():
    for gap, ratio in ((0.1, 2.58), (0.01, 11.03), (0.001, 24.50), (1e-4, 43.10)):
        train, test = toy.log_loss_times(
            ToySetting((1 - gap) / 2, noise_scale=1000.0), np.log(1e-8)
        )
        assert test - train == pytest.approx(ratio, abs=0.01)
    assert train == pytest.approx(-np.log(1e-8), abs=1e-3)  # Eq. 40: 1 / (eta epsilon)
    assert toy.log_loss_times(ToySetting(0.6), -5.0)[1] == np.inf


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: ToySetting(0.0), "aspect_ratio"),
        (lambda: ToySetting(1.01), "aspect_ratio"),
        (lambda: ToySetting(0.4, noise_scale=-1.0), "noise_scale"),
        (lambda: ToySetting(0.4, learning_rate=0.0), "learning_rate"),
        (lambda: toy.path(ToySetting(0.4), [-1.0, 1.0]), "depth"),
        (lambda: toy.path(ToySetting(0.4), [1.0, np.inf]), "depth"),
        (lambda: toy.depth_at(ToySetting(0.4), [3.0, 2.0]), "step"),
        (lambda: toy.spread_at(-1.0, 0.1, 2.0), "depth reaches -1: must be >= 0"),
        (lambda: toy.spread_at(1.0, 0.1, 0.0), "noise_scale reaches 0: must be > 0"),
        (lambda: toy.resting_spread(1.0), "gap"),
        (lambda: toy.log_time_to_accuracy(0.1, 2.0, level=0.4), "level"),
        (lambda: toy.log_loss_times(ToySetting(0.4), 1.0), "log_epsilon"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=name):
        call()
