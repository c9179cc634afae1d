"""Ridge regression with weight decay (paper RR) against literal loops and independent numerics."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import iv

from grokbook import randomness
from grokbook.curves import crossing_time
from grokbook.decay import deep_clock, ridge_simulate, ridge_theory
from grokbook.decay.ridge_setting import NetSetting, RidgeSetting

PAPER = RidgeSetting()
SMALL = RidgeSetting(20, 60, weight_decay=0.01, learning_rate=0.5, label_noise=0.3)
NET = NetSetting(d_in=8, n_train=6, width=20, weight_decay=0.2)


def loop(setting, seed, n_steps):
    """Losses of every step up to ``n_steps``, by the update as RR prints it (Eq. 2)."""
    n, m, k = setting.n_train, setting.n_features, setting.n_spikes
    size = np.where(np.arange(m) < k, 1.0, m**-0.5)
    features = size * randomness.generator(seed, 10).standard_normal((n, m))
    start, teacher = randomness.generator(seed, 12).standard_normal((2, m))
    teacher[k or m :] = 0
    teacher *= setting.teacher_norm / np.linalg.norm(teacher)
    noise = setting.label_noise * randomness.generator(seed, 13).standard_normal(n)
    theta, labels, found = setting.init_variance**0.5 * start, features @ teacher + noise, []
    for _ in range(n_steps + 1):
        error = features @ theta - labels
        found.append((0.5 * np.mean(error**2), np.sum((size * (theta - teacher)) ** 2)))
        slope = features.T @ error / n + setting.weight_decay * theta
        theta = theta - setting.learning_rate * slope
    return np.transpose(found)


@pytest.mark.parametrize(
    "setting",
    [
        SMALL,
        replace(SMALL, label_noise=0.0, teacher_norm=0.0, weight_decay=0.0),
        replace(SMALL, n_spikes=5, init_variance=4.0),
        replace(SMALL, learning_rate=1.0, n_spikes=3),  # modes that oscillate
    ],
)
def test_modes_are_the_loop(setting):
    direct, step = loop(setting, 3, 400), np.arange(401)
    run = ridge_simulate.draw(setting, 3)
    np.testing.assert_allclose(run.losses(step), direct, rtol=1e-9, atol=1e-18)


def test_times_are_the_last_and_the_first_step_of_the_loop():
    setting = replace(SMALL, label_noise=0.02, threshold=0.05)
    train, test = loop(setting, 1, 1000)
    last, first = np.flatnonzero(train >= 0.05)[-1], np.flatnonzero(test <= 0.05)[0]
    assert ridge_simulate.times(setting, [1]).tolist() == [[last, first]]
    assert 0 < last < first


def test_times_that_do_not_exist():
    never = replace(PAPER, weight_decay=0.0)
    assert np.isposinf(ridge_simulate.times(never, [0])[0, 1])
    assert np.isposinf(ridge_theory.times(never)[1])
    assert ridge_theory.sharp_time(never) == np.inf
    biased = replace(PAPER, weight_decay=0.2, teacher_norm=10.0)
    assert np.isposinf(ridge_simulate.times(biased, [0])[0, 0])
    assert np.isposinf(ridge_theory.times(biased)[0])
    small = replace(PAPER, init_variance=1e-3)
    assert ridge_simulate.times(small, [0]).tolist() == [[0, 0]]
    assert ridge_theory.times(small) == (0, 0)
    assert ridge_theory.sharp_time(small) == 0


def test_mean_curves_against_large_runs():
    setting = RidgeSetting(150, 500, weight_decay=1e-3, label_noise=0.2, init_variance=2.0)
    step = [0, 20, 100, 1000, 5000]
    runs = ridge_simulate.trajectory(setting, step, range(60), n_test=200)
    theory = ridge_theory.curves(setting, step)
    np.testing.assert_allclose(runs.test_loss.mean(axis=0), theory.test_loss, rtol=0.05)
    np.testing.assert_allclose(runs.train_loss.mean(axis=0), theory.train_loss, rtol=0.12)
    np.testing.assert_allclose(runs.test_accuracy.mean(axis=0), theory.test_accuracy, atol=0.02)
    np.testing.assert_allclose(runs.train_accuracy.mean(axis=0), theory.train_accuracy, atol=0.03)


@pytest.mark.parametrize("ratio", [0.02, 0.5, 0.99])
def test_nodes_average_over_the_law(ratio):
    nodes, weights = ridge_theory.spectrum(RidgeSetting(round(1000 * ratio), 1000))
    assert weights.sum() == pytest.approx(1, rel=1e-12)
    assert weights @ nodes == pytest.approx(1, rel=1e-12)
    assert weights @ nodes**2 == pytest.approx(1 + ratio, rel=1e-12)
    assert weights @ nodes**-1 == pytest.approx(1 / (1 - ratio), rel=1e-12)


def test_le_times_a_clock():
    """The Bessel form against quadrature of LE's law, and against flow by tiny steps."""
    zero = RidgeSetting(100, 250, teacher_norm=0.0, init_variance=3.0, learning_rate=1e-3)
    step = np.array([0.0, 2e4, 1e5])
    ratio, s = 2.5, 2e-3 * step / 250
    form = ridge_theory.bessel_train_loss(zero, step)
    x = 2 * s[1:] * ratio**0.5
    bessel = np.exp(-s[1:] * (1 + ratio)) * 2 * iv(1, x) / x
    np.testing.assert_allclose(form[1:], 1.5 * np.exp(-2e-7 * step[1:]) * bessel, rtol=1e-12)
    np.testing.assert_allclose(form, ridge_theory.losses(zero, step)[0], rtol=2e-3)
    # L' = -2 eta lambda L - (4 eta / m) L_n, without averages: the test loss by integration.
    eta, decay = zero.learning_rate, zero.weight_decay

    def slope(t):
        train = ridge_theory.bessel_train_loss(zero, [t])[0]
        return np.exp(2 * eta * decay * t) * 4 * eta / 250 * train

    end = 1e5
    fall = quad(slope, 0, end, limit=200, epsrel=1e-10)[0]
    by_hand = np.exp(-2 * eta * decay * end) * (3.0 - fall)
    assert by_hand == pytest.approx(ridge_theory.losses(zero, [end])[1][0], rel=1e-3)


@pytest.mark.parametrize(
    "setting", [PAPER, replace(PAPER, label_noise=0.2), replace(PAPER, n_train=400)]
)
def test_sharp_time_is_the_root_of_the_mean_curve(setting):
    first, second = ridge_theory.times(setting)
    assert ridge_theory.losses(setting, [first])[0][0] == pytest.approx(0.01, rel=1e-8)
    assert ridge_theory.losses(setting, [second])[1][0] == pytest.approx(0.01, rel=1e-8)
    assert ridge_theory.sharp_time(setting) == pytest.approx(second, rel=6e-3)


def test_floor_and_critical_noise():
    noisy = replace(PAPER, label_noise=0.3, weight_decay=1e-6)
    assert ridge_theory.floor(noisy) == pytest.approx(
        ridge_theory.losses(noisy, [1e9])[1][0], rel=1e-3
    )
    critical = ridge_theory.critical_noise(PAPER)
    at = replace(PAPER, label_noise=critical)
    assert ridge_theory.floor(at) == pytest.approx(PAPER.threshold, rel=1e-12)
    assert ridge_theory.sharp_time(replace(PAPER, label_noise=critical * 1.001)) == np.inf
    assert ridge_theory.critical_noise(replace(PAPER, teacher_norm=5.0)) == 0


def test_sharp_time_with_spikes():
    spiked = RidgeSetting(n_spikes=10, learning_rate=0.57)
    found = ridge_simulate.times(spiked, range(40))[:, 1].mean()
    assert found == pytest.approx(ridge_theory.sharp_time(spiked), rel=0.012)


def test_the_slowest_mode_stays_the_slowest_at_the_printed_step():
    """The line that Theorem 4.1 needs: eigenvalues a <= b, eta = 2 / (trace + 2 lambda)."""
    for seed in range(500):
        features = randomness.generator(seed).standard_normal((2 + seed % 4, 30))
        value = np.linalg.eigvalsh(features @ features.T / len(features))
        eta = 2 / (value.sum() + 2e-4)
        slowest = 1 - eta * (value[0] + 1e-4)
        assert np.all(np.abs(1 - eta * (value + 1e-4)) <= slowest + 1e-12)


def test_given_features_are_solved_as_drawn_ones():
    setting = replace(PAPER, n_train=30, n_features=80)
    features, tested = (randomness.generator(5, k).standard_normal((30, 80)) / 9 for k in (0, 1))
    start, teacher = randomness.generator(5, 2).standard_normal((2, 80))
    run = ridge_simulate.solve(
        setting, features, features @ teacher, start, tested, tested @ teacher
    )
    theta = start
    for _ in range(50):
        slope = features.T @ (features @ (theta - teacher)) / 30
        theta = theta - slope - 1e-4 * theta
    train, test = (np.mean((one @ (theta - teacher)) ** 2) for one in (features, tested))
    np.testing.assert_allclose(np.ravel(run.losses([50])), [train / 2, test], rtol=1e-10)
    errors = ((one @ (theta - teacher)) ** 2 for one in (features, tested))
    shares = [np.mean(one < setting.threshold) for one in errors]
    np.testing.assert_array_equal(np.ravel(run.accuracies([50])), shares)


# --- networks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_gradient_against_differences(depth):
    layers, inputs, _ = deep_clock.draw(replace(NET, depth=depth), 0, 1)
    _, slopes = deep_clock.gradient(layers, inputs)
    for k, slope in enumerate(slopes):
        way = np.cos(np.arange(slope.size)).reshape(slope.shape)
        above, below = (
            deep_clock.gradient([*layers[:k], layers[k] + h * way, *layers[k + 1 :]], inputs)[0]
            for h in (1e-6, -1e-6)
        )
        assert np.sum(slope * way) == pytest.approx((above - below) / 2e-6, rel=1e-5)


def test_networks_run_on_the_clock_of_their_depth():
    for depth in (2, 3):
        setting = replace(NET, depth=depth)
        step = [0, 3000, 3200]
        found = deep_clock.trajectory(setting, step, [0, 1], n_test=50)
        fall = found.test_loss[:, 1] / found.test_loss[:, 2]
        for factor in fall:
            steps = ridge_theory.clock_time(setting, factor, depth)
            assert steps == pytest.approx(200, rel=0.01)


def test_records_of_a_network_by_hand():
    setting = replace(NET, threshold=0.3)
    layers, *both = deep_clock.draw(setting, 3, 80)
    found = deep_clock.trajectory(setting, [0], [3], n_test=80)
    train, test = (np.ravel(deep_clock.outputs(layers, one)[-1]) ** 2 for one in both)
    assert np.ravel(found.train_loss) == pytest.approx(train.mean() / 2)
    assert np.ravel(found.test_loss) == pytest.approx(test.mean())
    for record, squares in ((found.train_accuracy, train), (found.test_accuracy, test)):
        assert 0 < np.ravel(record) < 1
        assert np.ravel(record) == np.mean(squares < 0.3)
    assert not set(np.ravel(both[0])) & set(np.ravel(both[1]))


# --- rounding and bad input ----------------------------------------------------------------------


def test_a_last_digit_of_the_learning_rate_moves_no_time():
    moved = replace(PAPER, learning_rate=PAPER.learning_rate * (1 + 2**-50))
    before, after = (ridge_simulate.times(one, range(5)) for one in (PAPER, moved))
    np.testing.assert_allclose(after, before, rtol=1e-6)
    before, after = (ridge_theory.times(one) for one in (PAPER, moved))
    np.testing.assert_allclose(after, before, rtol=1e-6)
    step = np.unique(np.round(np.geomspace(1, 3000, 80)))
    level = -np.log(0.01)
    seen = [
        crossing_time(
            step, -np.log(deep_clock.trajectory(one, step, [0], n_test=50).test_loss), level
        )
        for one in (NET, replace(NET, learning_rate=NET.learning_rate * (1 + 2**-50)))
    ]
    assert np.isfinite(seen).all()
    np.testing.assert_allclose(*seen, rtol=1e-6)


def test_signs_of_eigenvectors_move_nothing(monkeypatch):
    before = ridge_simulate.draw(PAPER, 2, 50)
    eigh = np.linalg.eigh

    def turned(matrix):
        value, vector = eigh(matrix)
        return value, vector * np.where(np.arange(len(value)) % 3, -1.0, 1.0)

    monkeypatch.setattr(np.linalg, "eigh", turned)
    after = ridge_simulate.draw(PAPER, 2, 50)
    for ask in ("losses", "accuracies"):
        pair = (getattr(run, ask)([0, 200, 20_000]) for run in (before, after))
        np.testing.assert_allclose(*pair, rtol=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RidgeSetting(n_features=100), "n_features = 100: must be a whole number >= 101"),
        (lambda: RidgeSetting(weight_decay=1.0), "weight_decay = 1.0: must be"),
        (lambda: RidgeSetting(threshold=0), "threshold = 0: must be"),
        (lambda: RidgeSetting(n_spikes=1001), "n_spikes = 1001: must be"),
        (lambda: NetSetting(depth=1), "depth = 1: must be"),
        (lambda: NetSetting(init_scale=0), "init_scale = 0: must be"),
        (lambda: ridge_theory.losses(RidgeSetting(n_spikes=3), [1]), "n_spikes = 3: must be 0"),
        (lambda: ridge_theory.losses(RidgeSetting(learning_rate=90.0), [1]), "learning_rate = 90"),
        (lambda: ridge_theory.losses(PAPER, [3, 2]), "step = .*increasing"),
        (lambda: ridge_theory.sharp_time(RidgeSetting(n_spikes=100)), "n_spikes = 100: must be"),
        (lambda: ridge_theory.bessel_train_loss(PAPER, [1]), "teacher_norm = 1: must be 0"),
        (lambda: ridge_simulate.draw(PAPER, 0).losses([0.5]), "step holds 0.5: must be whole"),
        (lambda: ridge_simulate.times(PAPER, []), "seeds = .*at least one"),
        (lambda: ridge_simulate.trajectory(PAPER, [1], [0], n_test=0), "n_test = 0: must be"),
        (
            lambda: ridge_simulate.solve(PAPER, np.ones((2, 3)), [1, 2, 3], [1, 2, 3], [], []),
            r"labels has shape \(3,\): must have shape \(2,\)",
        ),
        (
            lambda: ridge_simulate.solve(PAPER, np.ones((3, 2)), [1] * 3, [1, 2], [[1, 2]], [1]),
            r"features has shape \(3, 2\): must have no more rows than columns",
        ),
        (
            lambda: ridge_simulate.times(replace(PAPER, learning_rate=300.0), [0]),
            r"learning_rate = 300\.0: must be at most [\d.]+ here",
        ),
        (lambda: deep_clock.trajectory(NET, [1], [0], n_test=0), "n_test = 0: must be"),
        (
            lambda: deep_clock.trajectory(
                replace(NET, learning_rate=4.0, init_scale=5.0), [300], [0], n_test=1
            ),
            "learning_rate = 4: must be smaller",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=message):
        call()
