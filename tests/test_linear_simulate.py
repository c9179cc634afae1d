"""Training runs of paper LE: the closed form against the plain loop, and both against the theory.

The last is the evidence of the book: theory and simulation share nothing but the setting.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

from grokbook.linear import LinearSetting, simulate, theory

SMALL = LinearSetting(0.9, d_in=60)
STEP = np.array([0, 1, 2, 10, 100, 1000, 20_000])


def test_draw_has_the_variances_of_the_paper():
    setting = LinearSetting(0.5, d_in=200, d_out=20, init_scale=3.0)
    data = simulate.draw(setting, 0)
    assert data.inputs.shape == (400, 200)
    assert data.teacher.shape == data.student.shape == (200, 20)
    assert data.inputs.var() == pytest.approx(1, rel=0.02)
    assert data.teacher.var() * 2 * 200 * 20 == pytest.approx(1, rel=0.1)
    assert data.student.var() * 2 * 200 * 20 == pytest.approx(9, rel=0.1)


SETTINGS = [
    SMALL,
    replace(SMALL, aspect_ratio=1.0),
    replace(SMALL, aspect_ratio=1.5),
    replace(SMALL, weight_decay=0.05, d_out=3, init_scale=2.0),
    replace(SMALL, aspect_ratio=1.5, weight_decay=0.05, d_out=3),
    replace(SMALL, aspect_ratio=2.0, weight_decay=0.01, d_out=40),  # 2 d_out > null directions
    replace(SMALL, aspect_ratio=0.2, init_scale=0.0, accuracy_threshold=0.3),
]


NOISY = [
    LinearSetting(0.9, d_in=60, label_noise=0.3),
    LinearSetting(1.5, d_in=60, label_noise=0.3, d_out=3),
    LinearSetting(0.7, d_in=60, label_noise=0.3, weight_decay=0.05, init_scale=2.0),
]


@pytest.mark.parametrize("setting", [*SETTINGS, *NOISY])
def test_closed_form_is_the_loop(setting):
    loop = simulate.gradient_descent(setting, STEP, 3)
    exact = simulate.trajectory(setting, STEP, [3], method="steps")
    # With noise the outputs tend to labels of size one, and squares of their rounding stay.
    rounding = 1e-26 if not setting.label_noise else 1e-15
    np.testing.assert_allclose(exact.train_loss[0], loop.train_loss, rtol=1e-10, atol=rounding)
    np.testing.assert_allclose(exact.test_loss[0], loop.test_loss, rtol=1e-10, atol=rounding)
    np.testing.assert_array_equal(exact.train_accuracy[0], loop.train_accuracy)
    np.testing.assert_array_equal(exact.test_accuracy[0], loop.test_accuracy)


@pytest.mark.parametrize("setting", SETTINGS)
def test_flow_is_the_matrix_exponential(setting):
    """LE Eqs. 4 and 31 with the matrix functions formed directly."""
    data = simulate.draw(setting, 1)
    eye = np.eye(setting.d_in)
    shifted = data.inputs.T @ data.inputs / setting.n_train + setting.weight_decay / 2 * eye
    step = np.array([0.0, 3.5, 200.0])
    record = simulate.trajectory(setting, step, [1])
    difference = data.student - data.teacher
    for i, t in enumerate(step):
        kept = expm(-2 * setting.learning_rate / setting.d_out * t * shifted)
        now = kept @ difference
        if setting.weight_decay:
            pulled = setting.weight_decay / 2 * np.linalg.solve(shifted, data.teacher)
            now = kept @ (difference + pulled) - pulled
        errors = data.inputs @ now
        assert record.test_loss[0, i] == pytest.approx(np.sum(now**2) / setting.d_out, rel=1e-10)
        assert record.train_loss[0, i] == pytest.approx(np.mean(errors**2), rel=1e-10)
        squared = np.mean(errors**2, axis=1)
        correct = np.mean(squared < setting.accuracy_threshold)
        assert record.train_accuracy[0, i] == pytest.approx(correct, abs=1e-12)


def test_flow_and_steps():
    """They agree as far as eta nu is small: to a few per cent at lambda = 0.1, t = 100."""
    for ratio, worst in ((0.1, 0.025), (0.9, 0.01)):
        setting = LinearSetting(ratio, d_in=300)
        step = np.array([100] if ratio == 0.1 else [100, 1000])
        flow, steps = (simulate.trajectory(setting, step, [0], method=m) for m in ("flow", "steps"))
        gap = np.abs(steps.test_loss / flow.test_loss - 1)
        assert np.all((gap > 1e-5) & (gap < worst))


def test_a_run_depends_on_its_own_seed_only():
    step = np.geomspace(1, 1e4, 30)
    together = simulate.trajectory(SMALL, step, range(3))
    assert together.train_loss.shape == (3, 30)
    for seed in (0, 2):
        alone = simulate.trajectory(SMALL, step, [seed])
        for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy"):
            np.testing.assert_array_equal(getattr(alone, name)[0], getattr(together, name)[seed])
    assert not np.array_equal(together.test_loss[0], together.test_loss[1])


@pytest.mark.parametrize("d_out", [1, 2, 30])
def test_test_accuracy_is_that_of_fresh_inputs(d_out):
    """Against inputs drawn in full and pushed through D(t) one step at a time."""
    setting = LinearSetting(1.3, d_in=40, d_out=d_out, accuracy_threshold=0.8 / d_out)
    step = np.array([0.0, 5.0, 20.0]) * d_out
    record = simulate.trajectory(setting, step, [5], n_test=40_000)
    data = simulate.draw(setting, 5)
    covariance = data.inputs.T @ data.inputs / setting.n_train
    fresh = np.random.default_rng(99).standard_normal((40_000, 40))
    for i, t in enumerate(step):
        now = expm(-0.02 / d_out * t * covariance) @ (data.student - data.teacher)
        expected = np.mean(np.mean((fresh @ now) ** 2, axis=1) < setting.accuracy_threshold)
        assert 0.05 < expected < 0.999
        spread = math.sqrt(2 * expected * (1 - expected) / 40_000)
        assert record.test_accuracy[0, i] == pytest.approx(expected, abs=4 * spread)


def test_accuracies_in_blocks(monkeypatch):
    setting = replace(SMALL, d_out=7, accuracy_threshold=0.02, weight_decay=0.01)
    step = np.geomspace(1, 1e4, 20)
    whole = simulate.trajectory(setting, step, [0], n_test=500)
    monkeypatch.setattr(simulate, "_BLOCK", 10_000)
    monkeypatch.setattr(simulate, "_CACHED", 1000)
    blocks = simulate.trajectory(setting, step, [0], n_test=500)
    np.testing.assert_array_equal(blocks.train_accuracy, whole.train_accuracy)
    np.testing.assert_array_equal(blocks.test_accuracy, whole.test_accuracy)
    assert np.ptp(whole.train_accuracy) > 0.5


# --- theory and simulation -----------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [0.1, 0.9, 1.5])
def test_mean_losses_are_those_of_the_theory(ratio):
    """Within 4 sqrt(2 / (K n_seeds)): K modes carry the loss of one run (LE sheet, claim 4)."""
    setting = LinearSetting(ratio, d_in=200)
    step = np.array([0.0, 10.0, 100.0, 1000.0] if ratio > 0.5 else [0.0, 10.0, 100.0])
    n_seeds = 40
    record = simulate.trajectory(setting, step, range(n_seeds), n_test=1)
    expected = theory.curves(setting, step)
    late = theory.losses(setting, 2 * step)
    for which, (runs, mean) in enumerate(
        ((record.train_loss, expected.train_loss), (record.test_loss, expected.test_loss))
    ):
        if which == 1:
            modes = 200 * mean**2 / late[1]
        else:
            # E[nu^2 e^(-2 s nu)] is the derivative of E[nu e^(-2 s nu)].
            h = 0.02 * (1 + step)
            high = theory.losses(setting, 2 * step + h)[0]
            modes = 200 * mean**2 / ((late[0] - high) / (0.04 * h))
        spread = np.sqrt(2 / (modes * n_seeds))
        assert np.all(np.abs(runs.mean(axis=0) / mean - 1) < 4 * spread + 0.01)
        assert np.all(np.std(runs, axis=0, ddof=1) / mean < 2 * spread * math.sqrt(n_seeds))


@pytest.mark.parametrize(("d_out", "anisotropy"), [(1, 0.0), (5, 0.03)])
def test_accuracies_follow_from_the_losses(d_out, anisotropy):
    """LE Eqs. 10 and 13, each run with its own losses, within four standard deviations.

    One output: exact for the test set.  Several: few modes are left at late times, and the errors
    of a sample are then not quite alike.
    """
    setting = LinearSetting(0.9, d_in=400, d_out=d_out)
    record = simulate.trajectory(setting, d_out * np.geomspace(1, 2e3, 25), range(20))
    for found, loss, samples in (
        (record.train_accuracy, record.train_loss, 20 * setting.n_train),
        (record.test_accuracy, record.test_loss, 20 * simulate.N_TEST),
    ):
        expected = theory.accuracy(loss, setting).mean(axis=0)
        spread = 4 * np.sqrt(expected * (1 - expected) / samples)
        assert np.all(np.abs(found.mean(axis=0) - expected) < spread + anisotropy + 1e-4)


def test_crossing_times_of_full_size_runs():
    """LE claim 16: the mean of 8 seeds at d_in = 1000, four standard errors."""
    setting = LinearSetting(0.9)
    record = simulate.trajectory(setting, np.geomspace(100, 2e5, 120), range(8), n_test=4000)
    memorised = record.memorisation_time(theory.PAPER_LEVEL)
    generalised = record.generalisation_time(theory.PAPER_LEVEL)
    expected = theory.crossing_times(setting, theory.PAPER_LEVEL)
    assert memorised.mean() == pytest.approx(expected[0], rel=4 * 0.10 / math.sqrt(8))
    assert generalised.mean() == pytest.approx(expected[1], rel=4 * 0.18 / math.sqrt(8))
    assert np.all(generalised > 5 * memorised)


def test_more_dimensions_than_samples_never_generalise():
    setting = LinearSetting(1.5, d_in=300)
    step = np.append(0, np.geomspace(1, 1e6, 80))
    record = simulate.trajectory(setting, step, range(20), n_test=1000)
    assert record.test_loss[:, -1].mean() == pytest.approx(1 / 3, rel=0.03)
    assert np.all(np.isfinite(record.memorisation_time()))
    assert np.all(np.isinf(record.generalisation_time()))
    assert np.all(record.train_loss[:, -1] < 1e-20)


@pytest.mark.parametrize(
    ("ratio", "decay", "step"), [(0.9, 0.1, 1e3), (1.5, 0.01, 1e4), (0.5, 0.02, 3e2)]
)
def test_weight_decay_follows_the_theory(ratio, decay, step):
    """LE Eq. 15 within 5 % at 40 seeds of d_in = 300."""
    setting = LinearSetting(ratio, d_in=300, weight_decay=decay)
    record = simulate.trajectory(setting, [step], range(40), method="steps", n_test=1)
    train, test = theory.losses(setting, [step])
    assert record.train_loss.mean() == pytest.approx(train[0], rel=0.05)
    assert record.test_loss.mean() == pytest.approx(test[0], rel=0.05)


def test_initial_scale_is_a_rescaled_threshold():
    """LE Section 3.1.3: S -> alpha S is epsilon -> 2 epsilon / (1 + alpha^2), without decay."""
    step = np.geomspace(10, 1e5, 120)
    wide = LinearSetting(0.9, d_in=300, init_scale=3.0)
    same = LinearSetting(0.9, d_in=300, accuracy_threshold=1e-3 / 5)
    times = [
        np.median(simulate.trajectory(s, step, range(20), n_test=2000).generalisation_time())
        for s in (wide, same)
    ]
    assert times[0] == pytest.approx(times[1], rel=0.2)
    plain = simulate.trajectory(LinearSetting(0.9, d_in=300), step, range(20), n_test=2000)
    assert times[0] > 1.3 * np.median(plain.generalisation_time())


# --- properties ----------------------------------------------------------------------------------

small_setting = st.builds(
    LinearSetting,
    aspect_ratio=st.floats(0.3, 3),
    d_in=st.integers(2, 12),
    d_out=st.integers(1, 4),
    weight_decay=st.sampled_from([0.0, 0.1]),
    init_scale=st.floats(0, 3),
)


@settings(deadline=None, max_examples=60)
@given(small_setting, st.integers(0, 1000))
def test_any_small_setting(setting, seed):
    """Closed form and loop agree; without decay both losses fall, and accuracies are counts."""
    exact = simulate.trajectory(setting, [0, 1, 7, 50], [seed], method="steps", n_test=50)
    loop = simulate.gradient_descent(setting, [0, 1, 7, 50], seed, n_test=50)
    np.testing.assert_allclose(exact.train_loss[0], loop.train_loss, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(exact.test_loss[0], loop.test_loss, rtol=1e-9, atol=1e-12)
    counts = exact.train_accuracy * setting.n_train
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-9)
    if not setting.weight_decay:
        flow = simulate.trajectory(setting, [0, 1, 7, 50], [seed], n_test=50)
        assert np.all(np.diff(flow.train_loss) <= 1e-15)
        assert np.all(np.diff(flow.test_loss) <= 1e-15)


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: simulate.draw(SMALL, -1), "seed = -1: must be a whole number >= 0"),
        (lambda: simulate.draw(SMALL, 1.5), "seed = 1.5"),
        (lambda: simulate.trajectory(SMALL, [1, 1], [0]), "step = .*increasing"),
        (lambda: simulate.trajectory(SMALL, [1], 20), "seeds = 20: must be an iterable"),
        (lambda: simulate.trajectory(SMALL, [1], []), r"seeds = \[\]: must hold at least one"),
        (lambda: simulate.trajectory(SMALL, [1], [0.5]), "seeds = 0.5: must be a whole number"),
        (lambda: simulate.trajectory(SMALL, [1], [0], method="sgd"), "method = 'sgd': must be one"),
        (lambda: simulate.trajectory(SMALL, [1], [0], n_test=0), "n_test = 0"),
        (
            lambda: simulate.trajectory(SMALL, [0, 1.5], [0], method="steps"),
            "step holds 1.5: must be whole numbers",
        ),
        (
            lambda: simulate.trajectory(
                replace(SMALL, learning_rate=0.5), [1], [0], method="steps"
            ),
            "learning_rate = 0.5: must be < 0.26",
        ),
        (
            lambda: simulate.trajectory(
                replace(SMALL, weight_decay=20.0, learning_rate=0.1), [1], [0], method="steps"
            ),
            "learning_rate = 0.1: must be < 0.0724",
        ),
        (lambda: simulate.gradient_descent(SMALL, [0.5], 0), "step holds 0.5"),
        (lambda: simulate.gradient_descent(SMALL, [1], "a"), "seed = 'a'"),
        (lambda: simulate.gradient_descent(SMALL, [1], 0, n_test=-1), "n_test = -1"),
        (
            lambda: simulate.gradient_descent(replace(SMALL, learning_rate=0.5), [1], 0),
            "learning_rate = 0.5: must be <",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
