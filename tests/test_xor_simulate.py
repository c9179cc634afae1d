"""Training on XOR clusters (paper XC): the reduction against full vectors, as algebra and law."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.stats import ks_2samp

from grokbook.xor import XorSetting, samples, simulate, within_assumptions

SMALL = XorSetting(d_in=60, n_train=12, n_test=8, width=30, signal_norm=4.0, label_noise=0.2)
PAPER = XorSetting()


# --- algebra: inner products are enough ----------------------------------------------------------


@pytest.mark.parametrize("step_size", [1e-12, 0.02])
def test_inner_products_train_like_full_vectors(step_size):
    """The same draw, once by its inner products and once by its weights; 0.02 moves the loss."""
    setting = replace(SMALL, step_size=step_size, init_std=0.3 * step_size)
    step = [0, 1, 2, 7, 40]
    for seed in range(5):
        full = simulate.draw_directly(setting, seed)
        reduced = simulate.train(full.reduced, step)
        direct = simulate.train_directly(full, step)
        np.testing.assert_array_equal(reduced.members, direct.members)
        for name in ("output", "projection"):
            ours, theirs = getattr(reduced, name), getattr(direct, name)
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-10 * np.abs(theirs).max())


def test_groups_hold_each_point_by_cluster_and_flip():
    one = samples.draw(SMALL, 0).data
    wanted = np.zeros((4, 2, 12))
    for i in range(12):
        wanted[one.cluster[i], int(one.flipped[i]), i] = 1
    assert 0 < one.flipped.sum() < 12
    np.testing.assert_array_equal(one.groups, wanted)


def test_the_logistic_loss_matters_once_outputs_are_large():
    setting = replace(SMALL, step_size=0.02, init_std=0.006)
    runs = [simulate.descend(setting, [40], 0, loss=loss) for loss in simulate.LOSSES]
    assert runs[0].output.std() < 0.9 * runs[1].output.std()


@pytest.mark.parametrize("step_size", [1e-12, 1e-16])
def test_the_linear_loss_gives_the_same_run(step_size):
    """At the paper's size; both sparse and dense updates of the fast path are used."""
    setting = replace(PAPER, step_size=step_size, width=300)
    step = [0, 1, 2, 5, 20, 60]
    logistic, linear = (simulate.descend(setting, step, 1, loss=loss) for loss in simulate.LOSSES)
    np.testing.assert_array_equal(logistic.members, linear.members)
    scale = np.abs(logistic.output).max(axis=1, keepdims=True)
    # g differs from 1/2 by alpha |f| / 4, here 2e-9; relative to 1/2 it is twice that.
    assert np.max(np.abs(logistic.output - linear.output) / scale) < 1e-8


def test_recorded_steps_do_not_change_a_run():
    every = simulate.descend(SMALL, range(13), 3, loss="linear")
    some = simulate.descend(SMALL, [0, 5, 12], 3, loss="linear")
    np.testing.assert_array_equal(every.output[[0, 5, 12]], some.output)
    other = simulate.descend(SMALL, [0, 5, 12], 4, loss="linear")
    assert not np.array_equal(other.output, some.output)


# --- law: the Bartlett factor --------------------------------------------------------------------


def statistics(draw, run):
    """Scalars of one run that see the data, the initial weights and the training."""
    data, n = draw.data, draw.data.setting.n_train
    return (
        np.linalg.eigvalsh(data.gram[:n])[-1],
        np.linalg.slogdet(data.gram[:n])[1],
        data.gram[n - 1, 0] * data.clean[0] * data.clean[-1],
        draw.initial[0, -1],
        draw.initial[0, -3] * draw.initial[0, 0],
        run.output[-1, -1] * data.clean[-1],
        np.abs(run.projection[-1, 0]).mean(),
        run.test_correct[-1].mean(),
        run.train_correct[0].mean(),
    )


def reduced_statistics(setting, seed):
    draw = simulate.draw(setting, seed)
    return statistics(draw, simulate.train(draw, [1, 3]))


def direct_statistics(setting, seed):
    full = simulate.draw_directly(setting, seed)
    return statistics(full.reduced, simulate.train_directly(full, [1, 3]))


def smallest_p_value(first, second, n_runs):
    one, other = (np.array([make(seed) for seed in range(n_runs)]) for make in (first, second))
    return min(ks_2samp(a, b).pvalue for a, b in zip(one.T, other.T, strict=True))


# Nine tests share a false-alarm rate of 1e-3; Kolmogorov-Smirnov is conservative for ties.
FALSE_ALARM = 1e-3 / 9
# As few dimensions as are allowed, where a wrong factor shows most.
TIGHT = XorSetting(22, 12, 8, 10, 2.0, 0.2, 1e-12, 1e-12)


@pytest.mark.parametrize(
    ("setting", "n_runs"), [(TIGHT, 1000), (XorSetting(10_000, 20, 20, 20), 50)]
)
def test_reduced_draws_have_the_law_of_full_vectors(setting, n_runs):
    reduced, direct = partial(reduced_statistics, setting), partial(direct_statistics, setting)
    assert smallest_p_value(reduced, direct, n_runs) > FALSE_ALARM


def test_a_wrong_factor_is_noticed():
    """The same test with four degrees of freedom too many: it must fail."""
    wrong = partial(reduced_statistics, replace(TIGHT, d_in=26))
    assert smallest_p_value(wrong, partial(direct_statistics, TIGHT), 400) < FALSE_ALARM


def test_any_dimension():
    setting = within_assumptions(100, 10**19, n_test=50, width=50)
    run = simulate.descend(setting, [0, 1, 8], 0)
    assert np.all(np.isfinite(run.output))
    assert run.train_correct[1:].all()
    lengths = np.diag(run.data.gram[:100])
    assert np.all(np.abs(lengths / 1e19 - 1) < 1e-7)


# --- the same seed, the same run ----------------------------------------------------------------

NUDGE = 2.0**-50  # relative; what another order of sums may leave


@pytest.mark.parametrize("loss", simulate.LOSSES)
@pytest.mark.parametrize("init_ratio", [1e-3, 0.3])
def test_rounding_leaves_the_events_of_a_run(loss, init_ratio):
    """The same neurons active on the same points at every record, hence the same event times."""
    setting = XorSetting(d_in=4000, n_train=60, n_test=40, width=100, signal_norm=14.0)
    setting = replace(setting, init_std=init_ratio * setting.step_size)
    signs = np.random.default_rng(3)
    for seed in range(3):
        plain = simulate.draw(setting, seed)
        nudged = simulate.Draw(
            replace(
                plain.data,
                gram=plain.data.gram * (1 + NUDGE * signs.choice([-1, 1], plain.data.gram.shape)),
            ),
            plain.initial * (1 + NUDGE * signs.choice([-1, 1], plain.initial.shape)),
        )
        runs = [simulate.train(one, range(0, 31, 3), loss=loss) for one in (plain, nudged)]
        np.testing.assert_array_equal(runs[1].members, runs[0].members)
        np.testing.assert_array_equal(runs[1].output > 0, runs[0].output > 0)
        times = [simulate.curves([run]).memorisation_time(0.9) for run in runs]
        np.testing.assert_array_equal(times[1], times[0])


def test_full_vectors_have_centres_that_rounding_cannot_turn(monkeypatch):
    """Directions of two random vectors, far from parallel: a nudge moves the samples as little."""
    plain = simulate.draw_directly(SMALL, 0)
    qr = np.linalg.qr
    monkeypatch.setattr(np.linalg, "qr", lambda matrix: qr(matrix * (1 + NUDGE)))
    np.testing.assert_allclose(simulate.draw_directly(SMALL, 0).samples, plain.samples, atol=1e-13)


# --- what a run tells ----------------------------------------------------------------------------


def test_records_against_their_definitions():
    start = simulate.draw(SMALL, 2)
    run = simulate.train(start, [0, 3])
    draw, n = run.data, SMALL.n_train
    inside = start.initial[:, :n]
    for j in range(SMALL.width):
        for nu in range(4):
            own = (draw.cluster[:n] == nu) & (inside[j] > 0)
            assert run.members[0, nu, 0, j] == np.sum(own & ~draw.flipped)
            assert run.members[0, nu, 1, j] == np.sum(own & draw.flipped)
    net = run.members[0, :, 0] - run.members[0, :, 1]
    np.testing.assert_array_equal(run.alignment[0], [net[0] - net[1], net[2] - net[3]])
    np.testing.assert_array_equal(run.projection[0], start.initial[:, -2:].T)
    np.testing.assert_array_equal(draw.labels == draw.clean[:n], ~draw.flipped)
    np.testing.assert_array_equal(draw.clean, np.where(draw.cluster < 2, 1, -1))
    own = draw.cluster[n:] == 0
    assert run.cluster_accuracy[1, 0] == run.test_correct[1, own].mean()


def test_counts_alone_are_those_of_the_draw():
    for seed in range(5):
        np.testing.assert_array_equal(
            samples.members(SMALL, seed), simulate.draw(SMALL, seed).data.members
        )


def test_curves_stack_runs_and_keep_the_loss_near_log_2():
    runs = [simulate.descend(SMALL, [0, 1, 5], seed) for seed in range(3)]
    curves = simulate.curves(runs)
    assert curves.train_accuracy.shape == (3, 3)
    np.testing.assert_array_equal(curves.test_accuracy[1], runs[1].test_correct.mean(axis=1))
    np.testing.assert_allclose(curves.train_loss, np.log(2), atol=1e-9)
    moved = np.log(2) - curves.train_loss[:, -1]
    margin = [np.mean(run.data.labels * run.output[-1, : SMALL.n_train]) for run in runs]
    np.testing.assert_allclose(moved, np.array(margin) * SMALL.step_size / 2, rtol=1e-3)


def test_flipped_labels_are_as_frequent_as_stated():
    draws = [simulate.draw(SMALL, seed).data for seed in range(300)]
    flipped = np.mean([draw.flipped.mean() for draw in draws])
    spread = np.sqrt(0.2 * 0.8 / (300 * SMALL.n_train))
    assert abs(flipped - 0.2) < 4 * spread  # a false alarm in 16,000
    counts = np.bincount(np.concatenate([draw.cluster for draw in draws]), minlength=4)
    assert np.all(np.abs(counts - counts.mean()) < 4 * np.sqrt(counts.sum() * 3 / 16))


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"label_noise": 0.5}, "label_noise = 0.5"),
        ({"label_noise": -0.1}, "label_noise = -0.1"),
        ({"n_train": 1}, "n_train = 1"),
        ({"n_test": 0}, "n_test = 0"),
        ({"width": 0}, "width = 0"),
        ({"signal_norm": 0.0}, "signal_norm = 0.0"),
        ({"step_size": 0.0}, "step_size = 0.0"),
        ({"step_size": float("nan")}, "step_size = nan"),
        ({"init_std": -1.0}, "init_std = -1.0"),
        ({"d_in": 401}, "d_in = 401: must be at least n_train .* = 402"),
        ({"d_in": 4e4}, "d_in = 40000.0"),
    ],
)
def test_settings_out_of_range(changes, named):
    with pytest.raises(ValueError, match=named):
        replace(PAPER, **changes)


@pytest.mark.parametrize("function", [simulate.descend, simulate.descend_directly])
def test_bad_arguments_stop_before_any_work(function, monkeypatch):
    monkeypatch.setattr(np.random, "default_rng", None)
    for step, seed in ((([3, 1]), 0), ([0.5], 0), ([-1], 0), ([0], -1), ([0], 1.5)):
        with pytest.raises(ValueError, match=r"step|seed"):
            function(PAPER, step, seed)


def test_bad_loss_runs_and_assumption_settings():
    with pytest.raises(ValueError, match="loss = 'hinge'"):
        simulate.descend(PAPER, [0], 0, loss="hinge")
    with pytest.raises(ValueError, match="loss = 'hinge'"):
        simulate.coefficients(simulate.draw(SMALL, 0), loss="hinge")
    with pytest.raises(ValueError, match="0 runs"):
        simulate.curves([])
    with pytest.raises(ValueError, match="2 runs"):
        simulate.curves([simulate.descend(SMALL, [t], 0) for t in (0, 1)])
    with pytest.raises(ValueError, match="strength = 0"):
        within_assumptions(100, 10**13, strength=0)
    with pytest.raises(ValueError, match="n_train = 1"):
        within_assumptions(1, 10**13)
