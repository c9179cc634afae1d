"""Stored runs of paper XC: a slice of each is computed again."""

import numpy as np
import pytest

from grokbook import results
from grokbook.xor import XorSetting, experiments, simulate

# Chaos near zero may turn a prediction on another processor: one of 200 in a run.
ONE_PREDICTION = 0.5 / 100


@pytest.mark.parametrize("declared", experiments.RUNS, ids=lambda one: one.name)
def test_stored_arrays_have_the_declared_shape(declared):
    kept = results.load(declared.name)
    (grid,) = declared.grids.values()
    for name in declared.outputs:
        sizes = [len(declared.labels[dim]) for dim in declared.dims[name]]
        assert kept[name].shape == (*grid.shape, *sizes)
        if "accuracy" in name:
            recorded = kept[name][~np.isnan(kept[name])]
            assert np.all((recorded >= 0) & (recorded <= 1))


def test_a_slice_of_the_small_steps(monkeypatch):
    last = experiments.RECORDED.index(251)
    monkeypatch.setattr(experiments, "RECORDED", experiments.RECORDED[: last + 1])
    kept = results.load("xor-small-step")
    for seed in (0, 1):
        again = experiments.small_step(seed)
        for key in ("train_accuracy", "test_accuracy"):
            assert np.max(np.abs(again[key] - kept[key][seed, : last + 1])) <= ONE_PREDICTION
        moved = np.abs(again["neurons"] - kept["neurons"][seed, :2]).sum(axis=-1) / 2
        assert np.all(moved <= 5), "of some five hundred neurons at most five change their bin"


def test_a_slice_of_the_initial_scales():
    kept = results.load("xor-init-ratio")
    for ratio, seed in ((0.1, 0), (1.0, 1)):
        again, stored = experiments.init_scale(seed, ratio), kept.sel(init_ratio=ratio, seed=seed)
        recorded = stored.step <= experiments.LAST[ratio]
        for key, values in again.items():
            np.testing.assert_array_equal(np.isfinite(stored[key]), recorded)
            assert np.nanmax(np.abs(values - stored[key])) <= ONE_PREDICTION


@pytest.mark.parametrize("case", ["‖μ‖ × 2", "n = 100, same n‖μ‖²"])
def test_a_slice_of_the_delays(case):
    again = experiments.delay(1, case)
    stored = results.load("xor-delay").sel(case=case, seed=1)
    for key, values in again.items():
        np.testing.assert_array_equal(np.isfinite(values), np.isfinite(stored[key]))
        assert np.nanmax(np.abs(values - stored[key])) <= ONE_PREDICTION


def test_delays_cross_their_level():
    """No run ends before the mean accuracy has passed 0.8, the level of the law."""
    kept = results.load("xor-delay")
    for case in experiments.DELAY:
        mean = kept.sel(case=case).dropna("step").test_accuracy.values.mean(axis=0)
        assert np.all(mean[-4:] > 0.8), case


def test_a_slice_of_the_lost_clusters():
    kept = results.load("xor-lost-clusters")
    for where in ("outside", "inside"):
        again = experiments.lost_clusters(1001, 50, where)
        stored = kept.sel(n_train=50, where=where, seed=1001)
        np.testing.assert_array_equal(again["members"], stored.members)
        # A cluster has some fifty test points, and one prediction may turn.
        assert np.max(np.abs(again["cluster_accuracy"] - stored.cluster_accuracy.values)) < 0.05


def test_unknown_cases_are_refused():
    with pytest.raises(ValueError, match="case = 'none': must be one of"):
        experiments.delay(0, "none")
    with pytest.raises(ValueError, match="where = 'none': must be one of"):
        experiments.lost_clusters(0, 50, "none")


def test_the_loop_on_full_vectors_at_another_size(monkeypatch):
    """At the paper's size a run needs 600 MB: the chapter repeats a slice of one."""
    small = XorSetting(d_in=60, n_train=12, n_test=8, width=30, signal_norm=4.0)
    monkeypatch.setattr(experiments, "XorSetting", lambda: small)
    monkeypatch.setattr(experiments, "FULL_STEP", [0, 1])
    found = experiments.full_vectors(1)
    run = simulate.descend_directly(small, [0, 1], 1)
    np.testing.assert_array_equal(found["test_accuracy"], run.test_correct.mean(axis=1))
    size = np.abs(run.projection[1][:, run.data.sign > 0]).mean(axis=1)
    assert found["alignment_ratio"][1] == pytest.approx(size[0] / size[1])
