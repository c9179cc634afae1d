"""Paper LS: the same seed gives the same event times on every processor.

Another processor adds in another order and so rounds differently.  Here that is a learning rate or
inputs that differ by a relative 2^-50, and the points in reverse order.
"""

from dataclasses import replace

import numpy as np
import pytest

from grokbook.curves import Curves
from grokbook.logistic import (
    LogisticSetting,
    ToySetting,
    TwoGaussianSetting,
    flow,
    limits,
    population,
    simulate,
    toy,
    variants,
)

NUDGE = 2.0**-50
SEEDS = (0, 1, 2)
LOG_STEP = np.append(0, np.geomspace(1, 1e7, 29))
WHOLE = np.unique(np.round(np.geomspace(1, 800, 30)))


def event_times(curves: Curves):
    """Memorisation time and the time to a test accuracy of 0.7, (2, n_seeds); ``inf`` if never."""
    times = np.stack([curves.memorisation_time(), curves.generalisation_time(0.7)])
    assert np.isfinite(times).mean() > 0.5
    return times


def nudged(inputs):
    """Entries up or down by a relative 2^-50."""
    signs = np.random.default_rng(9).choice([-1.0, 1.0], inputs.shape)
    return inputs * (1 + NUDGE * signs)


def reversed_order(inputs):
    """The same points, summed from the last to the first."""
    return inputs[::-1]


RUNS = {
    "descent": (
        simulate.gradient_descent,
        LogisticSetting(0.3, n_train=40, noise_scale=2.0),
        WHOLE,
    ),
    "flow": (simulate.flow, LogisticSetting(0.4, n_train=100), LOG_STEP),
    "two Gaussians": (
        variants.two_gaussians,
        TwoGaussianSetting(0.4, n_train=100, noise_along=0.02),
        LOG_STEP,
    ),
    "discriminative": (
        lambda setting, step, seeds: variants.discriminative(setting, 0.95, step, seeds),
        LogisticSetting(0.3, n_train=60),
        LOG_STEP,
    ),
}


def with_inputs(change, monkeypatch):
    """Have every simulator draw changed inputs."""
    draw = simulate.draw

    def moved(*arguments):
        inputs, weights = draw(*arguments)
        return change(inputs), weights

    for module in (simulate, variants):
        monkeypatch.setattr(module, "draw", moved)


@pytest.mark.parametrize("name", RUNS)
def test_a_nudge_leaves_event_times(name, monkeypatch):
    """Within 1e-6, though a flow with the local tolerance of 1e-4 knows its times to 1e-3 only: the
    steps that its error control takes do not hang on rounding."""
    train, setting, step = RUNS[name]
    plain = event_times(train(setting, step, SEEDS).curves)
    faster = replace(setting, learning_rate=setting.learning_rate * (1 + NUDGE))
    np.testing.assert_allclose(event_times(train(faster, step, SEEDS).curves), plain, rtol=1e-6)
    with_inputs(nudged, monkeypatch)
    np.testing.assert_allclose(event_times(train(setting, step, SEEDS).curves), plain, rtol=1e-6)


@pytest.mark.parametrize("name", ["descent", "flow"])
def test_another_order_of_sums_leaves_event_times(name, monkeypatch):
    """A flow multiplies in single precision unless ``exact``: its times keep its tolerance."""
    train, setting, step = RUNS[name]
    plain = event_times(train(setting, step, SEEDS).curves)
    with_inputs(reversed_order, monkeypatch)
    tolerance = flow.TOLERANCE if name == "flow" else 1e-6
    found = event_times(train(setting, step, SEEDS).curves)
    np.testing.assert_allclose(found, plain, rtol=tolerance)


def test_other_features_keep_their_event_times():
    setting = LogisticSetting(0.4, n_train=100)
    law = variants.anisotropic(setting.d_in, 5.0)
    faster = replace(setting, learning_rate=setting.learning_rate * (1 + NUDGE))
    plain, found = (
        event_times(variants.other_features(one, law, LOG_STEP, SEEDS).curves)
        for one in (setting, faster)
    )
    np.testing.assert_allclose(found, plain, rtol=1e-6)


def test_adam_keeps_its_event_times_within_a_record():
    """Adam divides by the size of the gradient: near rest it magnifies rounding, so that its times
    agree to a record, not to six digits."""
    setting = LogisticSetting(0.4, n_train=60, noise_scale=1.0)
    step = np.arange(0, 1001, 40)
    faster = replace(setting, learning_rate=setting.learning_rate * (1 + NUDGE))
    plain, found = (
        event_times(simulate.adam(one, step, SEEDS).curves) for one in (setting, faster)
    )
    assert np.all((found == plain) | (np.abs(found - plain) <= 40))


@pytest.mark.parametrize("aspect_ratio", [0.3, 0.6])
def test_the_bias_clock_keeps_its_times(aspect_ratio):
    """log t at which the accuracy reaches 0.8, read off the curve against depth."""
    depth = np.append(0, np.geomspace(0.1, 30, 20))
    for seed in SEEDS:
        inputs, weights = simulate.draw(LogisticSetting(aspect_ratio, n_train=20), seed)
        found = []
        for one in (inputs, nudged(inputs)):
            path = flow.bias_clock(one, weights, depth, learning_rate=0.01)
            accuracy = population.accuracy(-depth, 5 * np.linalg.norm(path.weights, axis=1))
            found.append([np.interp(0.8, accuracy[1:], path.log_step[1:]), path.log_step[-1]])
        np.testing.assert_allclose(found[1], found[0], rtol=1e-6)


@pytest.mark.parametrize("aspect_ratio", [0.4, 0.495, 0.505])
def test_the_toy_keeps_its_times(aspect_ratio):
    step = np.append(0, np.geomspace(1, 1e8, 40))
    setting = ToySetting(aspect_ratio, 5.0, 0.01)
    moved = replace(setting, learning_rate=0.01 * (1 + NUDGE), noise_scale=5 * (1 + NUDGE))
    plain, found = (toy.curves(one, step).generalisation_time() for one in (setting, moved))
    assert found == pytest.approx(plain, rel=1e-6)
    closed = [
        toy.log_time_to_accuracy(one.gap, one.noise_scale, learning_rate=one.learning_rate)
        for one in (setting, moved)
    ]
    assert closed[1] == pytest.approx(closed[0], rel=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_where_training_ends_does_not_hang_on_rounding(seed):
    for ratio in (0.4, 0.6):
        points = simulate.draw(LogisticSetting(ratio, n_train=60), seed)[0]
        moved = nudged(points)[::-1]
        size = limits.margin(points)
        assert limits.margin(moved) == pytest.approx(size, rel=1e-9)
        assert limits.separable(moved) == limits.separable(points)
        if size == 0:
            rest = [limits.minimiser(one).weights for one in (points, moved)]
            assert np.linalg.norm(rest[1] - rest[0]) < 1e-6 * np.linalg.norm(rest[0])
