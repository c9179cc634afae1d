"""Paper LS, closed forms against quadrature, enumeration, known tables and each other."""

from itertools import product

import numpy as np
import pytest
from scipy.integrate import quad

from grokbook.logistic import LogisticSetting, TwoGaussianSetting, limits, population, theory


@pytest.mark.parametrize(
    ("bias", "spread"), [(0.5, 0.3), (-3.0, 1.0), (-30.0, 2.0), (-8.0, 12.0), (4.0, 60.0)]
)
def test_population_loss_is_the_integral(bias, spread):
    def integrand(z):
        return np.logaddexp(0, bias + spread * z) * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)

    kink = -bias / spread
    points = [min(max(kink, -11), 11), min(spread, 11)]
    exact = quad(integrand, -12, 14, points=points, epsabs=0, epsrel=1e-12, limit=400)[0]
    assert population.loss(bias, spread) == pytest.approx(exact, rel=1e-10)


def test_population_loss_keeps_shape_and_order():
    bias = np.array([[-1.0, 2.0, 0.0], [-40.0, 5.0, -3.0]])
    spread = np.array([30.0, 0.0, 1.0])
    whole = population.loss(bias, spread)
    one_by_one = [[population.loss(b, r) for b, r in zip(row, spread, strict=True)] for row in bias]
    np.testing.assert_allclose(whole, one_by_one, rtol=1e-12)
    assert whole[0, 1] == pytest.approx(np.log1p(np.exp(2.0)), rel=1e-13)


def test_population_accuracy_at_its_ends():
    np.testing.assert_array_equal(
        population.accuracy([-1.0, 1.0, 0.0, 0.0], [0, 0, 0, 2]), [1, 0, 0.5, 0.5]
    )
    assert population.exponential_loss(-1.0, 2.0) == pytest.approx(np.e)


def test_wendel_counts_the_sign_patterns():
    points = np.random.default_rng(1).standard_normal((8, 3))
    signs = product((-1, 1), repeat=8)
    share = np.mean([limits.separable(np.array(s)[:, None] * points) for s in signs])
    assert share == pytest.approx(theory.separable_probability(8, 3), abs=1e-12)
    assert theory.separable_probability(40, 20) == pytest.approx(0.5, abs=1e-12)
    np.testing.assert_allclose(
        theory.separable_probability(40_000, [19_800, 20_200]), [0.023, 0.977], atol=1e-3
    )


def test_hull_margin_and_its_limits():
    assert theory.hull_margin(0.6) == pytest.approx(0.11655, abs=1e-5)
    accuracy = [theory.limiting_accuracy(5.0, 5 * theory.hull_margin(x)) for x in (0.52, 0.55, 0.7)]
    np.testing.assert_allclose(accuracy, [0.947, 0.746, 0.572], atol=1e-3)
    assert theory.limiting_accuracy(5.0, 0.0) == 1


def test_minimiser_matches_its_table_and_its_equations():
    table = {0.1: (0.376, 0.946), 0.3: (1.110, 0.795), 0.48: (5.883, 0.506), 0.499: (28.76, 0.404)}
    for ratio, (spread, rest) in table.items():
        np.testing.assert_allclose(theory.minimiser(ratio)[:2], (spread, rest), rtol=2e-3)
    spread, rest, level = theory.minimiser(0.45)
    from scipy.special import lambertw

    def mean(function):
        def integrand(g):
            shrunk = lambertw(np.exp(level + spread * g)).real
            return function(shrunk) * np.exp(-(g**2) / 2) / np.sqrt(2 * np.pi)

        return quad(integrand, -9, 9, epsabs=1e-13, limit=400)[0]

    assert mean(lambda w: w / (1 + w)) == pytest.approx(0.45, abs=1e-9)
    assert mean(lambda w: w**2) == pytest.approx(0.45 * spread**2, rel=1e-8)
    assert mean(lambda w: w) / np.exp(level) == pytest.approx(rest, rel=1e-8)


def test_minimiser_approaches_the_power_law():
    exact = theory.minimiser(0.5 - 1e-6)
    near = theory.minimiser_near_half(0.5 - 1e-6)
    # The first correction is of order sqrt(1/2 - lambda) = 1e-3.
    np.testing.assert_allclose(exact[:2], near, rtol=3e-3)


def test_rested_curves_cross_where_the_closed_form_says():
    for loss in ("logistic", "exponential"):
        setting = LogisticSetting(0.45, loss=loss)
        curves = theory.rested_curves(setting, np.append(0, np.geomspace(1, 1e9, 4000)))
        closed = theory.generalisation_time(setting)
        assert curves.generalisation_time() == pytest.approx(closed, rel=1e-3)
        assert curves.memorisation_time() < curves.generalisation_time()
    assert theory.generalisation_time(LogisticSetting(0.5)) == np.inf
    # b + r^2/2 = log L_gen of the exponential loss, and L_tr = L_inf e^b.
    assert curves.train_loss[0] == pytest.approx(theory.minimiser(0.45)[1])


def test_the_rest_distribution_has_the_loss_of_the_minimum():
    setting = LogisticSetting(0.4, init_bias=-12.0)
    curves = theory.rested_curves(setting, np.array([0.0, 1.0]))
    # So far down the logistic loss is the exponential one up to e^b.
    assert curves.train_loss[0] == pytest.approx(theory.minimiser(0.4)[1] * np.exp(-12), rel=1e-3)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: LogisticSetting(0.0), "aspect_ratio"),
        (lambda: LogisticSetting(-0.2), "aspect_ratio"),
        (lambda: LogisticSetting(0.4, n_train=0), "n_train"),
        (lambda: LogisticSetting(0.1, n_train=2), "d_in"),
        (lambda: LogisticSetting(0.4, noise_scale=0.0), "noise_scale"),
        (lambda: LogisticSetting(0.4, loss="hinge"), "loss"),
        (lambda: LogisticSetting(0.4, learning_rate=np.nan), "learning_rate"),
        (lambda: TwoGaussianSetting(0.4, separation=0.0), "separation"),
        (lambda: TwoGaussianSetting(0.4, noise_along=-0.1), "noise_along"),
        (lambda: theory.separable_probability(0, 3), "n_train"),
        (lambda: theory.separable_probability(5, 2.5), "d_in"),
        (lambda: theory.hull_margin(0.5), "aspect_ratio"),
        (lambda: theory.minimiser(0.5), "aspect_ratio"),
        (lambda: theory.minimiser_near_half(0.6), "aspect_ratio"),
        (lambda: theory.limiting_accuracy(-1.0, 0.3), "noise_scale"),
        (lambda: theory.late_rates(-0.3), "margin"),
        (lambda: theory.generalisation_time(LogisticSetting(0.4), level=1.0), "level"),
        (lambda: theory.rested_curves(LogisticSetting(0.4), [2.0, 1.0]), "step"),
        (lambda: population.loss(0.0, -1.0), "spread"),
        (lambda: population.accuracy(np.inf, 1.0), "bias"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=name):
        call()
