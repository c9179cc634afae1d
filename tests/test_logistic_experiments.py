"""The stored runs of paper LS: a slice of each, computed again."""

import numpy as np
import pytest

from grokbook import results
from grokbook.logistic import (
    LogisticSetting,
    TwoGaussianSetting,
    experiments,
    limits,
    simulate,
    variants,
)


@pytest.mark.parametrize("ratio", [0.4, 0.55])
def test_a_slice_of_the_flows(ratio):
    kept = results.load("logistic-large").sel(n_train=4000, aspect_ratio=ratio, seed=0)
    again = experiments.flow(0, 4000, ratio)
    assert np.max(np.abs(again["test_accuracy"] - kept.test_accuracy.values)) < 1e-3
    assert again["spread"] == pytest.approx(kept.spread.values, rel=1e-2)


def test_the_large_flows_are_not_the_small_ones():
    kept = results.load("logistic-large").sel(seed=0)
    small, large = (kept.sel(n_train=n).test_accuracy.values for n in experiments.SIZES)
    assert np.all(np.abs(small - large).max(axis=-1) > 1e-3)
    assert np.all(large[:, -1] > [0.99, 0.99, 0.98, 0.95, 0.7, 0.6])


def test_a_slice_of_adam():
    kept, few = results.load("logistic-adam"), experiments.ADAM_STEP[:12]
    run = simulate.adam(LogisticSetting(0.495, 4000, 1.0), few, [1])
    assert run.curves.test_accuracy[0] == pytest.approx(kept["test_accuracy"][1, :12], abs=1e-4)
    assert np.isfinite(kept["resting_spread"]).sum() == 5


def test_max_margin_weights_bear_on_their_points():
    pair = TwoGaussianSetting(0.4, n_train=100, noise_along=0.1)
    points = -variants.draw_two_gaussians(pair, 0)[0].features
    weights = limits.max_margin_weights(points)
    assert np.min(points @ weights) == pytest.approx(1)
    assert 1 / np.linalg.norm(weights) == pytest.approx(limits.margin(points))
    assert limits.max_margin_weights(np.vstack([points, -points])) is None
