"""Theory of paper LE against independent numerics, closed forms and the numbers of the paper."""

import math
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import erf

from grokbook.linear import LinearSetting, asymptotics, spectrum, theory
from grokbook.linear.decay import largest_ratio

RATIOS = (0.1, 0.9, 1.0, 1.5)
SCALES = pytest.mark.parametrize("options", [{}, {"init_scale": 3.0}, {"d_out": 5}])


def one(function, setting, step):
    """Values of a function of (setting, step) at a single step."""
    out = function(setting, [step])
    return tuple(float(x[0]) for x in out) if isinstance(out, tuple) else float(out[0])


def initial_loss(setting):
    return (1 + setting.init_scale**2) / (2 * setting.d_out)


def gauss_chebyshev(ratio, s):
    """Nodes and weights of the textbook rule, with as many nodes as time and ratio ask for."""
    near = 0 if ratio == 1 else 45 / abs(math.log(ratio))
    n = math.ceil(max(400, 12 * math.sqrt(1 + s * math.sqrt(ratio)), near))
    angle = np.arange(1, n + 1) * np.pi / (n + 1)
    low = ((1 - ratio) / (1 + math.sqrt(ratio))) ** 2
    nodes = low + 4 * math.sqrt(ratio) * np.cos(angle / 2) ** 2
    weights = 2 * np.sin(angle) ** 2 / ((n + 1) * nodes)
    if ratio == 1:  # the endpoint, where weight / nu tends to a constant, at half weight
        return np.append(nodes, 0.0), np.append(weights, 1 / (n + 1))
    if ratio > 1:
        return np.append(nodes, 0.0), np.append(weights, 1 - 1 / ratio)
    return nodes, weights


# --- the Marchenko-Pastur average ----------------------------------------------------------------


@pytest.mark.parametrize("ratio", [1e-3, 0.1, 0.9, 0.999, 1.0, 1.001, 1.5, 30.0])
def test_moments(ratio):
    nodes, weights = spectrum.spectral_nodes(ratio, 1e-8)
    assert weights.sum() == pytest.approx(1, rel=2e-13)
    assert weights @ nodes == pytest.approx(1, rel=2e-13)
    assert weights @ nodes**2 == pytest.approx(1 + ratio, rel=2e-13)
    bulk = nodes > 0
    if ratio < 1:
        assert weights @ nodes**-1 == pytest.approx(1 / (1 - ratio), rel=2e-13)
        assert weights @ nodes**-2 == pytest.approx(1 / (1 - ratio) ** 3, rel=2e-13)
    elif ratio > 1:
        inverse = weights[bulk] @ nodes[bulk] ** -1
        assert inverse == pytest.approx(1 / (ratio * (ratio - 1)), rel=2e-13)


@pytest.mark.parametrize("ratio", RATIOS)
def test_density_is_what_the_nodes_average_over(ratio):
    low, high = spectrum.spectral_edges(ratio)
    # nu = low + u^2 takes the root out of the lower edge (and the pole at lambda = 1).
    bulk, _ = quad(
        lambda u: math.cos(low + u * u) * 2 * u * spectrum.spectral_density(ratio, low + u * u),
        0, math.sqrt(high - low), epsabs=1e-13, epsrel=1e-11, limit=200,
    )  # fmt: skip
    nodes, weights = spectrum.spectral_nodes(ratio)
    assert weights @ np.cos(nodes) == pytest.approx(bulk + spectrum.null_fraction(ratio), abs=1e-10)
    assert spectrum.spectral_density(ratio, [low - 0.01, high + 0.01]).tolist() == [0, 0]


@pytest.mark.parametrize("ratio", [0.9, 0.99, 0.999, 1.0])
@pytest.mark.parametrize("step", [0.0, 1e2, 1e4, 1e6, 1e9])
def test_losses_against_gauss_chebyshev(ratio, step):
    """Two rules that share nothing, as long as the losses are above 1e-250."""
    s = 0.04 * step
    nodes, weights = gauss_chebyshev(ratio, s)
    decay = np.exp(-s * nodes)
    train, test = one(theory.losses, LinearSetting(ratio), step)
    if test > 1e-250:
        assert train == pytest.approx(weights @ (nodes * decay), rel=1e-11)
        assert test == pytest.approx(weights @ decay, rel=1e-11)


@pytest.mark.parametrize(("ratio", "step"), [(0.5, 3e3), (0.9, 1e5), (0.999, 1e9), (1.5, 1e3)])
def test_test_loss_against_mpmath(ratio, step):
    """The test loss as the integral of the train loss, dL_gen/dt = -4 eta L_tr, in 30 digits."""
    with mp.workdps(30):
        root, s0 = mp.sqrt(ratio), mp.mpf("0.04") * step

        def train(s):
            # e^(-s (1 + lambda)) I_1(2 s root) / (s root), the exponentials joined
            x = 2 * s * root
            if x < 100:
                bessel = mp.besseli(1, x) * mp.exp(-x)
            else:
                bessel = mp.hyp2f0(-0.5, 1.5, 1 / (2 * x)) / mp.sqrt(2 * mp.pi * x)
            return bessel * mp.exp(-s * (1 - root) ** 2) * 2 / x

        scale = 1 / (1 - root) ** 2
        ends = [s0 * mp.mpf(2) ** k for k in range(12)]
        ends += [s0 * 2**12 + k * scale for k in (1, 20, 90)]
        expected = mp.quad(train, ends) + max(0, 1 - 1 / mp.mpf(ratio))
    assert one(theory.losses, LinearSetting(ratio), step)[1] == pytest.approx(
        float(expected), rel=1e-10
    )


@pytest.mark.parametrize("decay", [1e-8, 1e-3, 0.3])
@pytest.mark.parametrize("ratio", [0.5, 0.99, 1.0, 1.5])
def test_weight_decay_against_quad(ratio, decay):
    """LE Eq. 15 integrated the obvious way, in u = sqrt(nu - lambda_-) on a log axis."""
    setting = LinearSetting(ratio, weight_decay=decay, init_scale=0.5)
    low, high = spectrum.spectral_edges(ratio)
    for step in (0.0, 30.0, 3e3, 1e6):
        for which in (0, 1):

            def integrand(log_u, step=step, which=which):
                u = math.exp(log_u)
                nu, g = low + u * u, decay / 2
                kept = math.exp(-0.02 * (nu + g) * step)
                mean = 0.5 * (0.25 * kept**2 + ((nu * kept + g) / (nu + g)) ** 2)
                edge = u * math.sqrt(max(high - nu, 0.0)) / (2 * math.pi * ratio)  # nu * density
                return mean * edge * 2 * u * u / (1 if which == 0 else nu)

            marks = sorted({-25.0, -15.0, -10.0, -6.0, -3.0, -1.0, 0.5 * math.log(high - low)})
            expected = sum(
                quad(integrand, a, b, epsabs=0, epsrel=1e-11, limit=200)[0]
                for a, b in pairwise(marks)
            )
            if which == 1 and ratio > 1:
                expected += (1 - 1 / ratio) * 0.5 * (0.25 * math.exp(-0.02 * decay * step) + 1)
            assert one(theory.losses, setting, step)[which] == pytest.approx(expected, rel=1e-8)


# --- exact relations -----------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", RATIOS)
def test_test_loss_falls_at_the_rate_of_the_train_loss(ratio):
    """LE Eq. 21, by a fourth-order difference."""
    setting = LinearSetting(ratio)
    for step in (50.0, 1e3):
        h = 0.01 * step / (1 + 0.04 * step) + 0.2
        _, test = theory.losses(setting, step + h * np.array([-2, -1, 1, 2]))
        slope = (test[0] - 8 * test[1] + 8 * test[2] - test[3]) / (12 * h)
        assert slope == pytest.approx(-0.04 * one(theory.losses, setting, step)[0], rel=1e-6)


@pytest.mark.parametrize("ratio", [0.01, 0.1, 0.9, 0.9999, 1.0, 1.5, 20.0])
def test_bessel_form_of_the_train_loss(ratio):
    step = np.append(0.0, np.geomspace(1e-9, 1e9, 60))
    setting = LinearSetting(ratio, d_out=3, init_scale=2.0)
    train, _ = theory.losses(setting, step)
    np.testing.assert_allclose(
        asymptotics.train_loss_bessel(setting, step), train, rtol=1e-10, atol=1e-280
    )


@pytest.mark.parametrize("ratio", RATIOS)
def test_outputs_and_initial_scale_rescale(ratio):
    step = np.array([0.0, 10.0, 1e3])
    plain = np.array(theory.losses(LinearSetting(ratio), step))
    many = theory.losses(LinearSetting(ratio, d_out=7), 7 * step)
    np.testing.assert_allclose(many, plain / 7, rtol=1e-13)
    wide = theory.losses(LinearSetting(ratio, init_scale=3.0), step)
    np.testing.assert_allclose(wide, plain * 5, rtol=1e-13)
    decaying = LinearSetting(ratio, weight_decay=0.02)
    np.testing.assert_allclose(
        theory.losses(replace(decaying, d_out=7), 7 * step),
        np.array(theory.losses(decaying, step)) / 7,
        rtol=1e-13,
    )


def test_a_tiny_weight_decay_is_none():
    step = np.geomspace(1, 1e5, 20)
    none = theory.losses(LinearSetting(0.9), step)
    tiny = theory.losses(LinearSetting(0.9, weight_decay=1e-18), step)
    np.testing.assert_allclose(tiny, none, rtol=1e-10)


# --- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [0.1, 0.9, 0.9999, 1.0, 1.0001, 1.5, 30.0])
@pytest.mark.parametrize("decay", [0.0, 1e-7, 1e-3, 0.5])
def test_long_time_limits(ratio, decay):
    setting = LinearSetting(ratio, weight_decay=decay, d_out=2, init_scale=3.0)
    late = one(theory.losses, setting, 1e12)
    if decay or ratio != 1:  # at lambda = 1 the test loss falls as a power of time only
        assert theory.long_time_losses(setting) == pytest.approx(late, rel=1e-9, abs=1e-25)


def test_plateaus_of_weight_decay():
    """LE Eq. 16 holds with the prefactor 1/8 instead of the printed 1/4; at lambda > 1 ours."""
    for ratio in (0.3, 0.5):
        train, test = theory.long_time_losses(LinearSetting(ratio, weight_decay=1e-5))
        assert train == pytest.approx(1e-10 / (8 * (1 - ratio)), rel=1e-4)
        assert test == pytest.approx(1e-10 / (8 * (1 - ratio) ** 3), rel=3e-4)
    train, test = theory.long_time_losses(LinearSetting(1.5, weight_decay=1e-5))
    assert train == pytest.approx(1e-10 / (8 * 1.5 * 0.5), rel=1e-3)
    assert test == pytest.approx(0.5 * (1 - 1 / 1.5), rel=1e-8)
    printed = theory.long_time_losses(LinearSetting(0.9, weight_decay=1e-5))
    assert printed == pytest.approx((1.25e-10, 1.25e-8), rel=0.005)


@SCALES
def test_critical_time_on_both_sides_of_one(options):
    """The law of the divergence meets the exact crossing to first order in L* / L(0)."""
    one_ = LinearSetting(1.0, accuracy_threshold=1e-4, **options)
    edge = largest_ratio(one_)
    for delta in (1.5, 1.0, 0.5, 1e-2, 1e-6):
        setting = replace(one_, aspect_ratio=1 / (1 - (1 - delta) * (1 - 1 / edge)))
        exact = theory.crossing_times(setting)[1]
        assert asymptotics.critical_time(setting) == pytest.approx(exact, rel=2 * (edge - 1))
    assert asymptotics.critical_time(replace(one_, aspect_ratio=edge * (1 + 1e-9))) == math.inf


def test_critical_time_at_one_and_far_below():
    level = theory.PAPER_LEVEL
    assert asymptotics.critical_time(CRITICAL, level) == pytest.approx(4e8 / math.pi, rel=1e-12)
    below = LinearSetting((1 - 30e-4) ** 2, accuracy_threshold=1e-4)
    exact = theory.crossing_times(below)[1]
    assert asymptotics.critical_time(below) == pytest.approx(exact, rel=3e-3)


@SCALES
def test_intermediate_power_laws(options):
    setting = LinearSetting(0.999999, **options)
    step = 1e5 * setting.d_out
    exact = one(theory.losses, setting, step)
    assert one(asymptotics.intermediate_losses, setting, step) == pytest.approx(exact, rel=2e-3)


@pytest.mark.parametrize("scale", [1.0, 1e-2, 1e-6, 1e-12])
def test_nodes_resolve_the_scale_that_they_are_asked_for(scale):
    """E[1 / (nu + g)] in closed form at lambda = 1, where the density diverges at 0."""
    nodes, weights = spectrum.spectral_nodes(1.0, scale)
    exact = 2 / (scale * (1 + math.sqrt(1 + 4 / scale)))
    assert weights @ (1 / (nodes + scale)) == pytest.approx(exact, rel=1e-12)


def test_lambert_times_solve_the_late_form():
    """LE Eq. 11 for the train loss, and with 1/m^2 in front for the test loss, at the level."""
    setting = LinearSetting(0.9, d_out=7, init_scale=3.0)
    level, m = theory.loss_level(setting, 0.9), 1 - math.sqrt(0.9)
    times = asymptotics.crossing_times_lambert(setting, 0.9)
    for time, factor in zip(times, (1, m**-2), strict=True):
        s = setting.learning_rate * time / setting.d_out
        late = math.exp(-4 * m**2 * s) / (16 * math.sqrt(math.pi) * 0.9**0.75 * s**1.5)
        assert factor * late * initial_loss(setting) == pytest.approx(level, rel=1e-9)


@SCALES
def test_late_forms(options):
    """LE Eqs. 22 and 23 within 1 % from eta t = 10 on; Eq. 11 for the test loss much later."""
    setting = LinearSetting(0.9, **options)
    step = setting.d_out * np.geomspace(1e3, 1e6, 10)
    for late, exact in zip(
        asymptotics.late_losses(setting, step), theory.losses(setting, step), strict=True
    ):
        np.testing.assert_allclose(late, exact, rtol=0.01)
    ratio = [
        one(theory.losses, setting, t)[1] / one(asymptotics.late_test_loss_leading, setting, t)
        for t in setting.d_out * np.array([1e3, 1e4, 1e5])
    ]
    assert ratio == pytest.approx([0.12, 0.50, 0.88], abs=0.005)
    half = one(theory.losses, LinearSetting(0.5, **options), 1e5 * setting.d_out)
    assert half[1] / half[0] * (1 - math.sqrt(0.5)) ** 2 == pytest.approx(0.9957, abs=1e-4)


@SCALES
def test_late_forms_above_one(options):
    setting = LinearSetting(1.5, **options)
    step, limit = 1e4 * setting.d_out, initial_loss(setting) / 3
    train, test = one(theory.losses, setting, step)
    late = one(asymptotics.late_losses, setting, step)[1]
    assert late - limit == pytest.approx(test - limit, rel=0.01, abs=0)
    leading = one(asymptotics.late_test_loss_leading, setting, step)
    assert leading - limit == pytest.approx(test - limit, rel=0.1, abs=0)
    assert train < 1e-9


# --- accuracy and crossing times -----------------------------------------------------------------


def test_accuracy():
    setting = LinearSetting(0.9)
    loss = np.geomspace(1e-6, 1, 50)
    np.testing.assert_allclose(
        theory.accuracy(loss, setting), erf(np.sqrt(1e-3 / (2 * loss))), rtol=1e-13
    )
    assert theory.accuracy(0.0, setting) == 1
    assert theory.loss_level(setting, theory.PAPER_LEVEL) == pytest.approx(1e-3 / 4, rel=1e-13)
    assert pytest.approx(0.9545, abs=5e-5) == theory.PAPER_LEVEL
    for outputs, level in ((1, 0.2603), (5, 0.4517), (50, 0.741), (700, 0.918)):
        many = replace(setting, d_out=outputs)
        assert theory.loss_level(many) / 1e-3 == pytest.approx(level, abs=5e-4)
        assert theory.accuracy(theory.loss_level(many), many) == pytest.approx(0.95, rel=1e-12)
    unable = theory.accuracy(1 / 3, replace(setting, aspect_ratio=1.5))
    assert unable == pytest.approx(0.0437, abs=5e-5)


@pytest.mark.parametrize(
    ("ratio", "memorised", "generalised"),
    [(0.1, 273, 297), (0.9, 2409, 22890), (1.5, 776, math.inf)],
)
def test_crossing_times_of_figure_1(ratio, memorised, generalised):
    times = theory.crossing_times(LinearSetting(ratio), theory.PAPER_LEVEL)
    assert times == pytest.approx((memorised, generalised), rel=2e-3)


@pytest.mark.parametrize(
    ("outputs", "memorised", "generalised"),
    [(1, 2353, 22634), (50, 4885, 71414), (700, 4327, 9816)],
)
def test_crossing_times_of_figure_2(outputs, memorised, generalised):
    times = theory.crossing_times(LinearSetting(0.9, d_out=outputs))
    assert times == pytest.approx((memorised, generalised), rel=3e-4)


def test_crossing_times_of_figure_3():
    """Weight decay lengthens the delay at fixed epsilon until it abolishes generalisation."""
    delays = []
    for decay in (0, 1e-5, 1e-4, 5e-4, 1e-3):
        memorised, generalised = theory.crossing_times(LinearSetting(0.9, weight_decay=decay))
        delays.append(generalised - memorised)
    assert delays == pytest.approx([20281, 20296, 20452, 21592, 24724], abs=1)
    assert theory.crossing_times(LinearSetting(0.9, weight_decay=2e-3))[1] == math.inf


def test_delay_grows_with_the_initial_scale():
    delays = []
    for scale in (0, 1, 3, 10, 30):
        setting = LinearSetting(0.9, init_scale=float(scale))
        memorised, generalised = theory.crossing_times(setting, theory.PAPER_LEVEL)
        delays.append(generalised - memorised)
    assert delays == pytest.approx([17.0e3, 20.5e3, 28.0e3, 36.3e3, 41.3e3], rel=3e-3)


def test_crossing_times_are_those_of_the_curves():
    setting = LinearSetting(0.7, d_out=4)
    record = theory.curves(setting, np.geomspace(1, 1e6, 3000))
    expected = theory.crossing_times(setting)
    assert record.memorisation_time() == pytest.approx(expected[0], rel=1e-4)
    assert record.generalisation_time() == pytest.approx(expected[1], rel=1e-4)
    assert theory.crossing_times(replace(setting, accuracy_threshold=9.0)) == (0.0, 0.0)


@SCALES
def test_delay_tends_to_the_leading_form_for_small_thresholds(options):
    """LE Eq. 12 is reached only logarithmically; the Lambert forms are closer (LE Eqs. 24, 25)."""
    ratios, plain = [], LinearSetting(0.9, **options)
    for share in (1e-3, 1e-4, 1e-6, 1e-9, 1e-12):
        # The level at which the loss is a quarter of this share of the initial one.
        setting = replace(plain, accuracy_threshold=share * initial_loss(plain))
        level = float(theory.accuracy(setting.accuracy_threshold / 4, setting))
        memorised, generalised = theory.crossing_times(setting, level)
        ratios.append((generalised - memorised) / asymptotics.delay_leading(setting))
        first, second = asymptotics.crossing_times_lambert(setting, level)
        close = 0.15 if share > 1e-6 else 0.05
        assert second - first == pytest.approx(generalised - memorised, rel=close)
    assert ratios == pytest.approx([0.36, 0.55, 0.76, 0.87, 0.91], abs=0.005)
    assert asymptotics.delay_leading(plain) == pytest.approx(56390 * plain.d_out, rel=1e-3)
    assert asymptotics.delay_leading(replace(plain, aspect_ratio=1.0)) == math.inf


def test_no_divergence_at_fixed_threshold():
    for threshold, expected in ((1e-2, 1.27324e6), (1e-3, 1.27324e8)):
        setting = LinearSetting(1.0, accuracy_threshold=threshold)
        exact = theory.crossing_times(setting, theory.PAPER_LEVEL)
        assert exact[1] == pytest.approx(expected, rel=1e-5)
        assert exact[1] == pytest.approx(4 / (math.pi * threshold**2 * 0.01), rel=0.02)


def test_figure_6_check_point():
    """Read from the paper's own vector figure: L_tr = 1e-12 at t = 1.29e5."""
    assert one(theory.losses, LinearSetting(0.9), 1.29e5)[0] == pytest.approx(1e-12, rel=0.02)


# --- properties ----------------------------------------------------------------------------------

some_setting = st.builds(
    LinearSetting,
    aspect_ratio=st.floats(0.01, 10),
    d_out=st.integers(1, 50),
    weight_decay=st.sampled_from([0.0, 1e-6, 0.01]),
    init_scale=st.floats(0, 5),
)


@settings(deadline=None, max_examples=50)
@given(some_setting)
def test_losses_fall_and_accuracies_rise(setting):
    record = theory.curves(setting, np.append(0.0, np.geomspace(1, 1e7, 60)))
    start = initial_loss(setting)
    for loss in (record.train_loss, record.test_loss):
        assert loss[0] == pytest.approx(start, rel=1e-12)
        assert np.all(np.diff(loss) <= 1e-12 * loss[:-1])
    for accuracy in (record.train_accuracy, record.test_accuracy):
        assert np.all(np.diff(accuracy) >= -1e-12)
    limits = theory.long_time_losses(setting)
    assert np.all(record.train_loss >= limits[0] * (1 - 1e-9))
    assert np.all(record.test_loss >= limits[1] * (1 - 1e-9))


@settings(deadline=None, max_examples=50)
@given(some_setting, st.floats(0.05, 0.99))
def test_the_loss_at_a_crossing_time_is_the_level(setting, level):
    target = theory.loss_level(setting, level)
    for which, time in enumerate(theory.crossing_times(setting, level)):
        if time == 0:
            assert initial_loss(setting) <= target * (1 + 1e-9)
        elif time == math.inf:
            assert theory.long_time_losses(setting)[which] >= target
        else:
            assert one(theory.losses, setting, time)[which] == pytest.approx(target, rel=1e-9)


@given(st.floats(1e-8, 1e3), st.floats(1e-8, 1e3), st.integers(1, 1000))
def test_accuracy_falls_with_the_loss(first, second, outputs):
    setting = LinearSetting(0.9, d_out=outputs)
    low, high = theory.accuracy(sorted((first, second)), setting)
    assert 0 <= high <= low <= 1


# --- bad input -----------------------------------------------------------------------------------

GOOD = LinearSetting(0.9)
DECAYING = LinearSetting(0.9, weight_decay=0.1)
CRITICAL = LinearSetting(1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LinearSetting(0.0), "aspect_ratio = 0.0: must be a finite number > 0"),
        (lambda: LinearSetting(1e5), "n_train = 0: must be a whole number >= 1"),
        (lambda: LinearSetting(0.9, d_in=0), "d_in = 0"),
        (lambda: LinearSetting(0.9, d_out=1.5), "d_out = 1.5"),
        (lambda: LinearSetting(0.9, learning_rate=-1), "learning_rate = -1"),
        (lambda: LinearSetting(0.9, accuracy_threshold=0), "accuracy_threshold = 0"),
        (lambda: LinearSetting(0.9, weight_decay=-1), "weight_decay = -1: .* >= 0"),
        (lambda: LinearSetting(0.9, init_scale=math.nan), "init_scale = nan"),
        (lambda: spectrum.spectral_edges(-1), "aspect_ratio = -1: must be a finite number > 0"),
        (lambda: spectrum.null_fraction(0), "aspect_ratio = 0"),
        (lambda: spectrum.spectral_density(0.9, [math.nan]), "eigenvalue has 1 non-finite"),
        (lambda: spectrum.spectral_nodes(0), "aspect_ratio = 0"),
        (lambda: spectrum.spectral_nodes(0.9, 0.0), "scale = 0.0: must be .* >= 1e-30"),
        (lambda: theory.losses(GOOD, [2, 1]), "step = .*increasing"),
        (lambda: theory.losses(GOOD, [1e40]), r"step = 1e\+40 .*the average resolves"),
        (lambda: theory.losses(LinearSetting(1, weight_decay=1e-40), [1]), "weight_decay = 1e-40"),
        (lambda: theory.curves(GOOD, [-1.0]), "step = .*non-negative"),
        (lambda: theory.accuracy([-1.0], GOOD), "loss reaches -1: must be >= 0"),
        (lambda: theory.accuracy([math.nan], GOOD), "loss has 1 non-finite"),
        (lambda: theory.loss_level(GOOD, 1.0), "level = 1.0: must be .* > 0 and < 1"),
        (lambda: theory.crossing_times(GOOD, 0.0), "level = 0.0"),
        (lambda: asymptotics.train_loss_bessel(DECAYING, [1]), "weight_decay = 0.1: must be 0"),
        (lambda: asymptotics.delay_leading(DECAYING), "weight_decay = 0.1"),
        (lambda: asymptotics.critical_time(DECAYING), "weight_decay = 0.1"),
        (lambda: asymptotics.crossing_times_lambert(DECAYING), "weight_decay = 0.1"),
        (lambda: asymptotics.crossing_times_lambert(CRITICAL), "aspect_ratio = 1: must be < 1"),
        (lambda: asymptotics.late_test_loss_leading(CRITICAL, [1]), "must be different from 1"),
        (lambda: asymptotics.late_losses(GOOD, [0, 1]), "step starts at 0: must be > 0"),
        (lambda: asymptotics.intermediate_losses(GOOD, [0]), "step starts at 0"),
        (lambda: asymptotics.late_losses(GOOD, [[1]]), "step has shape"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_level_table_of_how_to_read():
    """The numbers typed on the page are those of the theory."""
    page = (Path(__file__).resolve().parents[1] / "book" / "how-to-read.md").read_text("utf-8")
    for level in (0.6, 0.95, 0.999):
        memorised, generalised = theory.crossing_times(LinearSetting(0.9), level)
        difference = f"{round(generalised - memorised, -2):,.0f}"
        ratio = f"{np.log10(generalised / memorised):.2f}"
        assert re.search(rf"^\| {level:g}0? +\| {difference} \| {ratio} \|$", page, re.MULTILINE)
