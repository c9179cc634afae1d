"""Label noise, weight-decay roots, delay maps and finite-size accuracies of paper LE."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad

from grokbook.linear import (
    LinearSetting,
    decay,
    delay_maps,
    fluctuations,
    reduced,
    simulate,
    theory,
)
from grokbook.randomness import generator

GOOD = LinearSetting(0.9)
DECAYING = replace(GOOD, weight_decay=1e-3)
NOISY = replace(GOOD, label_noise=0.1)


# --- label noise ---------------------------------------------------------------------------------


def test_noise_leaves_the_rest_of_a_draw_alone():
    clean, noisy = (simulate.draw(s, 7) for s in (GOOD, NOISY))
    np.testing.assert_array_equal(clean.inputs, noisy.inputs)
    np.testing.assert_array_equal(clean.student, noisy.student)
    assert not clean.noise.any()
    assert noisy.noise.std() == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize("ratio", [0.5, 0.9, 1.5])
@pytest.mark.parametrize("g", [0.0, 0.02])
def test_noise_term_against_quad(ratio, g):
    """sigma^2 lambda E[nu (1 - e^(-2 eta (nu + g) t))^2 / (nu + g)^2], integrated plainly."""
    one = LinearSetting(ratio, label_noise=0.5, weight_decay=2 * g)
    low, high = (1 - math.sqrt(ratio)) ** 2, (1 + math.sqrt(ratio)) ** 2
    for step in (10.0, 3e3):

        def integrand(u, step=step):
            nu = low + u * u
            learnt = (1 - math.exp(-0.02 * (nu + g) * step)) / (nu + g)
            density = u * math.sqrt(max(high - nu, 0)) / (2 * math.pi * ratio)  # times nu
            return learnt**2 * density * 2 * u

        expected = 0.25 * ratio * quad(integrand, 0, math.sqrt(high - low), epsabs=0, limit=300)[0]
        clean = theory.losses(replace(one, label_noise=0.0), [step])[1]
        assert theory.losses(one, [step])[1] - clean == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("ratio", [0.5, 0.9, 1.5])
@pytest.mark.parametrize("gamma", [0.0, 1e-3, 0.5])
def test_noisy_limits(ratio, gamma):
    one = LinearSetting(ratio, label_noise=0.2, weight_decay=gamma, d_out=2)
    late = [float(x[0]) for x in theory.losses(one, [1e10])]
    assert theory.long_time_losses(one) == pytest.approx(late, rel=1e-8, abs=1e-14)


def test_noise_limits_in_closed_form():
    assert theory.long_time_losses(NOISY) == pytest.approx((1e-3, 0.09))
    assert theory.long_time_losses(replace(NOISY, aspect_ratio=1.0))[1] == math.inf
    assert theory.long_time_losses(LinearSetting(1.0)) == (0.0, 0.0)


def test_mean_noisy_losses_are_those_of_the_theory():
    """LE sheet, claim 18: at d_in = 200, 40 seeds, four standard errors of the noise part."""
    one = LinearSetting(0.9, d_in=200, label_noise=0.1)
    step = [10.0, 1e3, 1e4]
    runs = simulate.trajectory(one, step, range(40), n_test=1)
    train, test = theory.losses(one, step)
    np.testing.assert_allclose(runs.test_loss.mean(axis=0), test, rtol=0.15)
    np.testing.assert_allclose(runs.train_loss.mean(axis=0), train, rtol=0.1)
    long = theory.losses(NOISY, np.geomspace(10, 1e7, 60))[1]
    assert long[-1] > 1.4 * long.min()  # it rises again


# --- runs without data ---------------------------------------------------------------------------


@pytest.mark.parametrize(("d_in", "n_train"), [(8, 20), (8, 8), (12, 5), (1, 4)])
def test_eigenvalues_have_the_moments_of_a_wishart_matrix(d_in, n_train):
    rng = np.random.default_rng(0)
    drawn = np.array([reduced.covariance_eigenvalues(d_in, n_train, rng) for _ in range(1500)])
    inputs = rng.standard_normal((1500, n_train, d_in))
    direct = np.linalg.eigvalsh(inputs.transpose(0, 2, 1) @ inputs / n_train)
    assert np.all(np.diff(drawn, axis=1) >= 0)
    for power in (1, 2, 3):
        found, expected = ((values**power).sum(axis=1) for values in (drawn, direct))
        error = math.hypot(found.std(), expected.std()) / math.sqrt(1500)
        assert abs(found.mean() - expected.mean()) < 4 * error
    spread = np.maximum(direct.std(axis=0), 1e-6)
    assert np.all(np.abs(drawn.mean(axis=0) - direct.mean(axis=0)) < 5 * spread / math.sqrt(750))


@pytest.mark.parametrize(
    "setting",
    [
        LinearSetting(0.9, d_in=100),
        LinearSetting(1.5, d_in=60, weight_decay=0.02, d_out=3, accuracy_threshold=0.05),
        LinearSetting(0.5, d_in=40, d_out=30, accuracy_threshold=0.01, init_scale=2.0),
        LinearSetting(2.0, d_in=40, d_out=30, accuracy_threshold=0.01),
    ],
)
def test_reduced_runs_have_the_law_of_runs_on_data(setting):
    """Mean and spread of every record over 100 seeds, five standard errors."""
    step = np.array([0.0, 20.0, 300.0]) * setting.d_out
    full, short = (
        module.trajectory(setting, step, range(100), n_test=100) for module in (simulate, reduced)
    )
    for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy"):
        first, second = getattr(full, name), getattr(short, name)
        error = np.hypot(first.std(axis=0), second.std(axis=0)) / math.sqrt(100)
        gap = np.abs(first.mean(axis=0) - second.mean(axis=0))
        assert np.all(gap <= 5 * error + 1e-12), name


@pytest.mark.parametrize("outputs", [1, 3])
def test_losses_of_reduced_runs_are_per_output(outputs):
    """1 / d_out each at the start, in the mean; and LE's dL_gen/dt = -4 eta L_tr / d_out, a run."""
    setting = LinearSetting(0.8, d_in=50, d_out=outputs)
    runs = reduced.trajectory(setting, [0.0, 1e-3], range(200), n_test=1)
    spread = math.sqrt(2 / (50 * outputs * 200))
    assert outputs * runs.test_loss[:, 0].mean() == pytest.approx(1, abs=4 * spread)
    assert outputs * runs.train_loss[:, 0].mean() == pytest.approx(1, abs=6 * spread)
    rate = (runs.test_loss[:, 0] - runs.test_loss[:, 1]) / 1e-3
    np.testing.assert_allclose(rate, 0.04 / outputs * runs.train_loss[:, 0], rtol=1e-4)


def test_reduced_runs_end_where_the_theory_says():
    """With decay, in the mean of 200 runs that scatter by 25 % at most each."""
    setting = LinearSetting(0.9, d_in=100, d_out=2, weight_decay=0.1)
    runs = reduced.trajectory(setting, [1e5], range(200), n_test=1)
    for loss, limit in zip(
        (runs.train_loss, runs.test_loss), theory.long_time_losses(setting), strict=True
    ):
        assert loss.mean() == pytest.approx(limit, rel=0.1)


# --- weight decay --------------------------------------------------------------------------------


def test_plateaus_are_half_of_the_printed_ones():
    for ratio in (0.3, 0.5, 1.5):
        one = LinearSetting(ratio, weight_decay=1e-6, d_out=2)
        exact = theory.long_time_losses(one)
        assert decay.small_decay_losses(one) == pytest.approx(exact, rel=1e-4, abs=0)


def test_saturation():
    """LE sheet 2.8: 313 against 311.7 at lambda = 0.5, 12.1k against 12.7k at 0.9."""
    for ratio, found, formula in ((0.5, 313, 311.7), (0.9, 12129, 12667)):
        one = LinearSetting(ratio, weight_decay=1e-5)
        first, second = decay.saturation_times(one)
        assert second - first == pytest.approx(found, rel=3e-3)
        assert decay.saturation_delay(one) == pytest.approx(formula, rel=1e-3)
        limits = theory.long_time_losses(one)
        assert theory.losses(one, [first])[0] == pytest.approx(2 * limits[0], rel=1e-8)
    close = np.diff(decay.saturation_times(LinearSetting(0.5, weight_decay=1e-5), 1 + 1e-10))
    assert 1.75 < close[0] / 311.7 < 2, "towards twice the formula"
    slow = LinearSetting(0.5, weight_decay=1e-5, d_out=4)
    assert decay.saturation_delay(slow) == pytest.approx(4 * 311.7, rel=1e-3)


def test_critical_decay():
    for ratio, train, test in (
        (0.3, 0.0397, 0.0277),
        (0.5, 0.0344, 0.0169),
        (0.9, 0.0227, 0.00166),
    ):
        found = decay.critical_decay(LinearSetting(ratio))
        assert found == pytest.approx((train, test), rel=5e-3)
        for factor, reached in ((0.999, True), (1.001, False)):
            one = LinearSetting(ratio, weight_decay=factor * found[1])
            assert math.isfinite(theory.crossing_times(one)[1]) == reached
    finer = LinearSetting(0.5, accuracy_threshold=1e-7)
    small = math.sqrt(8 * theory.loss_level(finer) * 0.5**3)
    assert decay.critical_decay(finer)[1] == pytest.approx(small, rel=2e-3)
    assert decay.critical_decay(LinearSetting(1.5))[1] == 0
    assert decay.critical_decay(LinearSetting(0.5, d_out=900))[1] == math.inf


@pytest.mark.parametrize(
    ("outputs", "largest"), [(1, 1.0003), (10, 1.0055), (100, 1.0875), (300, 1.358), (700, 2.797)]
)
def test_largest_ratio(outputs, largest):
    one = LinearSetting(0.9, d_out=outputs)
    found = decay.largest_ratio(one)
    assert found == pytest.approx(largest, rel=5e-4)
    for factor, reached in ((0.9999, True), (1.0001, False)):
        times = theory.crossing_times(replace(one, aspect_ratio=found * factor))
        assert math.isfinite(times[1]) == reached
    share = 1 - 1 / found
    with_decay = decay.largest_ratio(replace(one, weight_decay=1e-6))
    expected = 1 / (1 - 2 * share) if share < 0.5 else math.inf
    assert with_decay == pytest.approx(expected, rel=1e-9)


# --- delay maps ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "axes",
    [
        {"weight_decay": [0.0, 1e-6, 1e-3, 0.03], "d_out": [1, 7, 300, 2000]},
        {"aspect_ratio": [0.02, 0.9, 0.999, 1.0, 1.3], "weight_decay": [0.0, 1e-5, 1e-2]},
        {"d_out": [1, 40, 600], "aspect_ratio": [0.3, 1.0, 1.2, 2.5]},
    ],
)
@pytest.mark.parametrize("scale", [1.0, 0.0, 4.0])
def test_maps_are_the_crossing_times_one_by_one(axes, scale):
    base = LinearSetting(0.9, init_scale=scale)
    maps = delay_maps.crossing_maps(base, 0.9, **axes)
    (first, rows), (second, columns) = axes.items()
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            one = replace(base, **{first: row, second: column})
            expected = theory.crossing_times(one, 0.9)
            found = (maps[0][i, j], maps[1][i, j])
            assert found == pytest.approx(expected, rel=1e-6), one
    delay = delay_maps.delay_map(base, 0.9, **axes)
    finite = np.isfinite(maps[1])
    np.testing.assert_allclose(delay[finite], maps[1][finite] - maps[0][finite])
    assert np.all(np.isinf(delay[~finite]))


# --- many outputs at finite size -----------------------------------------------------------------


def test_effective_outputs():
    few = fluctuations.effective_outputs(replace(GOOD, d_out=1, d_in=10**6), [0.0, 100.0])
    np.testing.assert_allclose(few, 1, rtol=1e-3)
    many = replace(GOOD, d_out=700)
    train, test = fluctuations.effective_outputs(many, [0.0])
    # D is independent of the inputs at the start: training and fresh samples are alike.
    assert train == pytest.approx(test, rel=2e-3)
    assert test == pytest.approx(700 / (1 + 701 / 1000), rel=1e-9)


def spread(draws):
    """Standard deviation over mean, and four standard errors of it by the fourth moment."""
    scaled = (draws - draws.mean(axis=0)) / draws.std(axis=0)
    error = np.sqrt((np.mean(scaled**4, axis=0) - 1) / (4 * len(draws)))
    found = draws.std(axis=0) / draws.mean(axis=0)
    return found, 4 * error * found


@pytest.mark.parametrize("outputs", [1, 4])
def test_spread_of_losses_and_times(outputs):
    """Of 800 runs: losses at two times, and the times at which each passes the later mean loss."""
    one = replace(GOOD, d_in=80, d_out=outputs, aspect_ratio=0.5)
    step = outputs * np.append(1.0, 30 * np.geomspace(0.25, 4, 17))
    runs = reduced.trajectory(one, step, range(800), n_test=1)
    spreads = fluctuations.loss_spread(one, step)
    for part, means, predicted in zip(
        ("train", "test"), theory.losses(one, step), spreads, strict=True
    ):
        loss = getattr(runs, f"{part}_loss")
        found, error = spread(loss[:, [0, 9]])
        assert np.all(np.abs(found - predicted[[0, 9]]) < error)
        # In logarithms, in which the mean curve is nearly straight there.
        log_step, log_loss = np.log(step), np.log(loss)
        level = np.log(means[9])
        times = [np.exp(np.interp(-level, -run, log_step)) for run in log_loss]
        slope = np.log(means[10] / means[8]) / (log_step[10] - log_step[8])
        found, error = spread(np.array(times))
        assert abs(found - fluctuations.time_spread(one, step[9], slope, part=part)) < error


@pytest.mark.parametrize(("outputs", "decay"), [(5, 0.0), (40, 0.0), (150, 0.0), (150, 0.05)])
def test_finite_size_accuracies_are_those_of_the_runs(outputs, decay):
    """Where the printed form is off by 0.05 and more, the corrected one is right to 0.025."""
    one = LinearSetting(0.9, d_in=200, d_out=outputs, accuracy_threshold=0.4 / outputs)
    one = replace(one, weight_decay=decay)
    step = outputs * np.geomspace(1, 400, 14)
    runs = reduced.trajectory(one, step, range(25), n_test=400)
    corrected, printed = (
        form(one, step) for form in (fluctuations.finite_size_curves, theory.curves)
    )
    for part in ("train", "test"):
        counted = getattr(runs, f"{part}_accuracy").mean(axis=0)
        name = f"{part}_accuracy"
        assert np.abs(counted - getattr(corrected, name)).max() < 0.025
        if outputs > 100 and part == "test":
            assert np.abs(counted - getattr(printed, name)).max() > 0.05


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_generalising_share_is_that_of_projected_draws(scale):
    """The loss left in k random directions, drawn; 4 binomial errors of 4000 draws."""
    one = LinearSetting(60 / 50, d_in=60, accuracy_threshold=0.4 * (1 + scale**2), init_scale=scale)
    rng = generator(5, 7)
    basis = np.linalg.qr(rng.standard_normal((60, 10)))[0]
    teacher, student = rng.standard_normal((2, 4000, 60)) / np.sqrt(120)
    left = np.sum(((scale * student - teacher) @ basis) ** 2, axis=1)
    share = fluctuations.generalising_share(one)
    counted = np.mean(left < theory.loss_level(one))
    assert abs(counted - share) < 4 * np.sqrt(share * (1 - share) / 4000)
    assert 0.5 < share < 0.95
    assert fluctuations.generalising_share(replace(one, aspect_ratio=1.0)) == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LinearSetting(0.9, label_noise=-1), "label_noise = -1: must be .* >= 0"),
        (lambda: theory.crossing_times(NOISY), "label_noise = 0.1: must be 0 here"),
        (lambda: theory.time_of_loss(GOOD, 0, 0.0), "target = 0.0: must be .* > 0"),
        (lambda: fluctuations.effective_modes(NOISY, [1]), "label_noise = 0.1: must be 0"),
        (lambda: fluctuations.generalising_share(NOISY), "label_noise = 0.1: must be 0"),
        (lambda: fluctuations.generalising_share(replace(GOOD, d_out=2)), "d_out = 2: must be 1"),
        (lambda: reduced.trajectory(NOISY, [1], [0]), "label_noise = 0.1: must be 0"),
        (lambda: reduced.trajectory(GOOD, [1], []), r"seeds = \[\]: must hold at least one"),
        (lambda: reduced.trajectory(GOOD, [1], [-1]), "seeds = -1"),
        (lambda: reduced.covariance_eigenvalues(0, 5, None), "d_in = 0"),
        (lambda: decay.small_decay_losses(GOOD), "weight_decay = 0: must be > 0"),
        (lambda: decay.small_decay_losses(replace(DECAYING, aspect_ratio=1.0)), "different from 1"),
        (lambda: decay.small_decay_losses(replace(DECAYING, label_noise=0.1)), "label_noise"),
        (lambda: decay.saturation_times(replace(DECAYING, aspect_ratio=1.5)), "must be < 1"),
        (lambda: decay.saturation_delay(LinearSetting(1.5)), "aspect_ratio = 1.5: must be < 1"),
        (lambda: delay_maps.delay_map(GOOD, aspect_ratio=[0.5]), "must be two of"),
        (lambda: delay_maps.delay_map(GOOD, aspect_ratio=[0.5], gain=[1]), "axes = 'gain'"),
        (lambda: delay_maps.delay_map(GOOD, aspect_ratio=[0], d_out=[1]), "aspect_ratio = 0.0"),
        (lambda: delay_maps.delay_map(GOOD, weight_decay=[-1], d_out=[1]), "weight_decay = -1.0"),
        (lambda: delay_maps.delay_map(GOOD, weight_decay=[1], d_out=[0.5]), "d_out = 0.5"),
        (lambda: delay_maps.delay_map(NOISY, weight_decay=[1], d_out=[1]), "label_noise = 0.1"),
        (lambda: delay_maps.delay_map(GOOD, 1.0, weight_decay=[1], d_out=[1]), "level = 1.0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
