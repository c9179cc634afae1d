"""The record of a run, and the one definition of grokking time."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokbook.curves import HOLD, Curves, crossing_time, time_difference
from grokbook.phases import median_time

STEP = np.array([0.0, 1.0, 10.0, 100.0, 1000.0, 10_000.0, 100_000.0])


def record(train, test=None, step=STEP):
    train = np.asarray(train, float)
    test = train if test is None else np.asarray(test, float)
    return Curves(step, 1 - train, 1 - test, train, test)


def test_crossing_is_interpolated_in_log_of_one_plus_step():
    values = [0.0, 0.0, 0.9, 1.0, 1.0, 1.0, 1.0]
    expected = math.expm1(0.5 * math.log1p(10) + 0.5 * math.log1p(100))
    assert crossing_time(STEP, values, 0.95) == pytest.approx(expected, rel=1e-14)


def test_a_rise_that_is_not_held_does_not_count():
    dip = [0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0]
    held = [0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0]
    assert 1000 < crossing_time(STEP, dip, 0.5) < 10_000
    assert 0 < crossing_time(STEP, held, 0.5) < 1
    assert 0 < crossing_time(STEP, dip, 0.5, hold=2) < 1
    assert 0 < crossing_time(STEP, [0, 1, 0, 0, 0, 0, 0], 0.5, hold=0) < 1


def test_a_rise_that_holds_to_the_end_counts():
    assert 10_000 < crossing_time(STEP, [0, 0, 0, 0, 0, 0, 1], 0.5) < 100_000


def test_never_and_from_the_start():
    assert crossing_time(STEP, np.zeros(7), 0.5) == math.inf
    assert crossing_time(STEP, np.ones(7), 0.5) == 0
    assert crossing_time([5.0], [1.0], 0.5) == 5


def test_a_level_met_exactly_counts():
    assert crossing_time(STEP, [0, 0, 0.5, 0.5, 0.5, 0.5, 0.5], 0.5) == pytest.approx(10)


def test_a_fall_below_a_loss_level():
    loss = 1 / (1 + STEP)
    assert crossing_time(STEP, -loss, -0.3) == pytest.approx(crossing_time(STEP, 1 - loss, 0.7))


def test_leading_axes():
    rng = np.random.default_rng(0)
    values = np.sort(rng.random((2, 3, STEP.size)), axis=-1)
    together = crossing_time(STEP, values, 0.5)
    assert together.shape == (2, 3)
    for i in np.ndindex(2, 3):
        assert together[i] == crossing_time(STEP, values[i], 0.5)


rising = st.lists(st.floats(0, 1), min_size=7, max_size=7).map(sorted)


@given(rising, st.floats(0.01, 0.99), st.integers(0, 5))
def test_an_inserted_record_on_the_line_changes_nothing(values, level, where):
    """Monotone records: a record added on the interpolating line leaves the crossing alone."""
    values = np.array(values)
    middle = np.expm1((np.log1p(STEP[where]) + np.log1p(STEP[where + 1])) / 2)
    step = np.insert(STEP, where + 1, middle)
    more = np.insert(values, where + 1, (values[where] + values[where + 1]) / 2)
    before, after = crossing_time(STEP, values, level), crossing_time(step, more, level)
    if np.min(np.abs(more - level)) > 1e-9:  # not where rounding decides
        assert after == pytest.approx(before, rel=1e-6, abs=1e-6)


@given(st.lists(st.floats(0, 1), min_size=7, max_size=7), st.floats(0.01, 0.99))
def test_crossing_against_the_definition(values, level):
    time = crossing_time(STEP, values, level)
    ok = [all(v >= level for v in values[i : i + HOLD + 1]) for i in range(7)]
    if not any(ok):
        assert time == math.inf
        return
    first = ok.index(True)
    assert (STEP[first - 1] if first else 0) <= time * (1 + 1e-12) + 1e-12
    assert time <= STEP[first] * (1 + 1e-12)


@given(rising, st.floats(0.01, 0.98))
def test_a_higher_level_is_reached_later(values, level):
    higher = crossing_time(STEP, values, level + 0.01)
    assert crossing_time(STEP, values, level) <= higher * (1 + 1e-12)


def test_times_of_a_run():
    """The level, 0.95, lies 0.95 of the way in log(1 + step), from 1 to 10 and from 100 to 1000."""
    run = record([0, 0, 1, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1, 1])
    memorised, generalised = 2**0.05 * 11**0.95 - 1, 101**0.05 * 1001**0.95 - 1
    assert run.memorisation_time() == pytest.approx(memorised)
    assert run.generalisation_time() == pytest.approx(generalised)
    assert run.delay() == pytest.approx(generalised - memorised)
    assert run.log10_ratio() == pytest.approx(math.log10(generalised / memorised))
    assert run.memorisation_time(0.5) == pytest.approx(22**0.5 - 1)
    assert record(np.ones(7)).log10_ratio() == 0  # both at step 0, counted as step 1
    assert record(np.ones(7), np.zeros(7)).delay() == math.inf
    assert math.isnan(record(np.zeros(7), np.ones(7)).delay())


def test_median_time():
    inf = math.inf
    assert [median_time(one) for one in ([30, 10, 20], [40, 10, 30, 20])] == [20, 30]
    assert median_time([[100, 1, inf, inf], [5, inf, 7, 1]]).tolist() == [inf, 7]


def test_time_difference():
    inf = math.inf
    out = time_difference([1, 1, inf, inf], [3, inf, inf, 2])
    np.testing.assert_array_equal(out, [2, inf, inf, np.nan])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: crossing_time(STEP, np.ones(6), 0.5), "values has shape .*must end in 7 steps"),
        (lambda: crossing_time(STEP[::-1], np.ones(7), 0.5), "step = .*increasing"),
        (lambda: crossing_time(STEP, np.full(7, np.nan), 0.5), "values has 7 non-finite"),
        (lambda: crossing_time(STEP, np.ones(7), math.nan), "level = nan"),
        (lambda: crossing_time(STEP, np.ones(7), 0.5, hold=-1), "hold = -1"),
        (lambda: record(np.ones(7)).delay(1.0), "level = 1.0: must be .* > 0 and < 1"),
        (lambda: record(np.full(7, 1.5)), r"train_accuracy reaches 1.5..1.5: must stay in"),
        (lambda: record(np.ones(6)), "train_loss has shape .*ending in 7 steps"),
        (lambda: record(np.ones(7), np.ones((2, 7))), "test_loss has shape .*that of train_loss"),
        (lambda: record(np.full(7, np.inf)), "train_loss has 7 non-finite"),
        (lambda: record(np.ones(7), step=-STEP), "step = .*non-negative"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
