"""The edge of LS: the growth at fixed norm, its poles, and the law of a finite number of points."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from grokbook.logistic import LogisticSetting, edge, theory

Z = norm.ppf(0.95)


def decades(aspect_ratio, noise_scale, **other):
    setting = LogisticSetting(aspect_ratio, 2000, noise_scale, **other)
    return edge.log_time_to_accuracy(setting) / np.log(10)


def test_growth_at_one_half_is_that_of_an_independent_solution():
    found = edge.growth(LogisticSetting(0.5, 2000, 1.0), np.array([5.0, 23, 110, 524, 1144, 2500]))
    assert found.spread == pytest.approx([1.487, 3.257, 6.276, 11.224, 14.81, 19.44], rel=1e-3)
    # r^3 / T approaches its limit 3 c^2 sqrt(pi / 2) as 1 / r.
    end = edge.growth(LogisticSetting(0.5, 2000, 1.0), np.array([1e9]))
    assert end.spread**3 / end.depth == pytest.approx(3.2226, rel=3e-3)


def test_growth_rests_below_one_half_and_runs_at_the_margin_above():
    for ratio in (0.3, 0.49):
        rest, loss, _ = theory.minimiser(ratio)
        end = edge.growth(LogisticSetting(ratio, 2000, 3.0), np.array([1e4]))
        assert end.spread == pytest.approx(rest, rel=1e-4)
        # t = e^beta / (eta L) once the weights are at rest.
        assert end.log_step - end.depth == pytest.approx(np.log(1 / (0.01 * loss)), abs=1e-3)
    end = edge.growth(LogisticSetting(0.55, 2000, 1.0), np.array([1e6, 2e6]))
    assert np.diff(end.spread) / np.diff(end.depth) == pytest.approx(theory.hull_margin(0.55), 1e-5)


def test_small_weights_start_as_the_mean_of_the_points():
    start = edge.growth(LogisticSetting(0.4, 2000, 2.0), np.array([1e-4]))
    assert start.spread == pytest.approx(np.sqrt(0.4) * 4e-4, rel=1e-3)
    assert start.log_step == pytest.approx(np.log(1e-4 / 0.01), abs=3e-3)
    assert start.accuracy == pytest.approx(norm.cdf(1 / (4 * np.sqrt(0.4))), abs=1e-3)


# From another program, to its printed digits.
@pytest.mark.parametrize(
    ("noise_scale", "ratio", "expected"),
    [
        (5.0, 0.48, 6.23),
        (5.0, 0.5, 9.84),
        (5.0, 0.515, 32.4),
        (3.0, 0.5, 6.36),
        (3.0, 0.5504, 41.7),
    ],
)
def test_time_on_both_sides_of_one_half(noise_scale, ratio, expected):
    assert decades(ratio, noise_scale) == pytest.approx(expected, rel=2e-3)


def test_time_is_infinite_from_the_edge_on_and_has_its_pole_before():
    far = edge.critical_ratio(5.0)
    assert far == pytest.approx(0.51970, abs=1e-5)
    assert theory.limiting_accuracy(5.0, 5 * theory.hull_margin(far)) == pytest.approx(0.95)
    assert np.isinf(decades(far, 5.0))
    poles = []
    for share in (0.99, 0.999):
        ratio = 0.5 + share * (far - 0.5)
        left = 1 - 25 * Z * theory.hull_margin(ratio)
        poles.append(decades(ratio, 5.0) * left)
    kappa = theory.hull_margin(far)
    late = edge.growth(LogisticSetting(far, 2000, 1.0), np.array([1e6]))
    lead = late.spread[0] - 1e6 * kappa
    first_order = (1 + 25 * kappa**2) * Z * lead / np.log(10)
    assert poles[0] == pytest.approx(poles[1], rel=0.05)
    assert poles[1] == pytest.approx(first_order, rel=0.02)


def test_time_scales_with_the_rate_and_little_noise_has_no_delay():
    assert decades(0.45, 5.0, learning_rate=0.1) == pytest.approx(decades(0.45, 5.0) - 1)
    assert decades(0.3, 1.0) == -np.inf


def test_scaling_function_and_its_three_limits():
    assert edge.scaling_function(0.0) == pytest.approx(1.795, abs=1e-3)
    assert edge.scaling_function([-1e-4, 1e-4]) == pytest.approx(1.795, abs=1e-3)
    assert edge.scaling_function(-1e4) == pytest.approx(0.9258 / 100, rel=0.02)
    near = np.sqrt(2 / np.pi) * (1 - 1e-4)
    assert edge.scaling_function(near) == pytest.approx(1.628e4, rel=2e-3)
    assert np.isinf(edge.scaling_function(0.8))
    # The exact time approaches it slowly, as 1 / r.
    errors = []
    for noise_scale in (20.0, 200.0):
        y = noise_scale**2 * Z * 1e-3 / noise_scale
        scale = Z**1.5 * noise_scale
        ratio = 0.5 + y / (noise_scale**2 * Z)
        exact = decades(ratio, noise_scale) * np.log(10) / scale
        errors.append(exact / edge.scaling_function(y) - 1)
    assert np.abs(errors).max() < 0.15
    assert abs(errors[1]) < abs(errors[0]) / 2


def test_share_that_never_passes_is_wendels_at_large_noise():
    setting = LogisticSetting(0.48, 1000, 1e4)
    wendel = theory.separable_probability(1000, 480)
    assert edge.never_probability(setting) == pytest.approx(wendel, abs=0.005)
    at_edge = replace(setting, aspect_ratio=edge.critical_ratio(3.0), noise_scale=3.0)
    assert edge.never_probability(at_edge) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: edge.growth(LogisticSetting(0.4), [1.0, 0.5]), "depth"),
        (lambda: edge.growth(LogisticSetting(0.4), [0.0, 0.5]), "depth"),
        (lambda: edge.log_time_to_accuracy(LogisticSetting(0.4), 0.4), "level"),
        (lambda: edge.critical_ratio(0.0), "noise_scale"),
        (lambda: theory.ratio_of_margin(-1.0), "kappa"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=name):
        call()
