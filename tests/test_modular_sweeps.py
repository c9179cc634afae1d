"""Phases of modular addition, and the runs behind its maps."""

import math
from dataclasses import replace

import numpy as np
import pytest

from grokbook import phases, sweep
from grokbook.modular import experiments
from grokbook.modular import maps as sweeps
from grokbook.sweep.grid import run_seed
from grokbook.tickets import experiments as tickets

INF = math.inf
DECLARED = {one.name: one for one in (*experiments.SWEEPS, *tickets.SWEEPS)}


@pytest.mark.parametrize(
    ("memorised", "generalised", "name"),
    [
        (INF, INF, "confusion"),
        (INF, 100.0, "confusion"),  # a test set is not fitted before the training set
        (50.0, INF, "memorisation"),
        (50.0, 100.1, "grokking"),
        (50.0, 100.0, "comprehension"),
        (50.0, 20.0, "comprehension"),
        (0.0, 2.0, "comprehension"),  # a crossing before step 1 counts as step 1
        (0.0, 2.1, "grokking"),
    ],
)
def test_each_phase_and_its_edges(memorised, generalised, name):
    assert phases.PHASES[int(phases.phase(memorised, generalised))] == name


def test_the_threshold_is_an_argument():
    assert phases.phase(50.0, 100.1, late=3.0) == phases.PHASES.index("comprehension")


def test_a_cell_is_judged_by_its_medians():
    memorised = [[10.0, 20.0, 30.0], [10.0, INF, INF], [10.0, 10.0, 10.0]]
    generalised = [[90.0, 35.0, INF], [20.0, 20.0, 20.0], [INF, 15.0, INF]]
    found = phases.median_phase(memorised, generalised)
    assert [phases.PHASES[k] for k in found] == ["grokking", "confusion", "memorisation"]
    # Of two runs one of which never gets there, the cell does not either.
    assert phases.median_phase([10.0, 10.0], [15.0, INF]) == phases.PHASES.index("memorisation")


def test_whole_maps_are_judged_at_once():
    memorised = np.full((2, 3, 5), 10.0)
    found = phases.phase(memorised, memorised * np.arange(5))
    assert found.shape == (2, 3, 5)
    np.testing.assert_array_equal(found[0, 0], [0, 0, 0, 1, 1])


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((math.nan, 1.0), "memorised = nan: must hold times >= 0"),
        ((1.0, -1.0), "generalised = -1.0: must hold times >= 0"),
        (([1.0, 2.0], [1.0]), r"generalised has shape \(1,\): must be \(2,\)"),
        ((1.0, 1.0, 0.5), "late = 0.5: must be a finite number >= 1"),
    ],
)
def test_what_has_no_phase_is_refused(arguments, line):
    with pytest.raises(ValueError, match=line):
        phases.phase(*arguments)


@pytest.fixture
def short(monkeypatch):
    """Runs of a few steps."""
    monkeypatch.setattr(sweeps, "MAP_STEPS", 60)
    monkeypatch.setattr(tickets, "N_STEPS", 60)


SETTING = {"train_fraction": 0.8, "learning_rate": 0.03, "weight_decay": 0.1}


def test_a_run_is_fixed_by_its_seed(short):
    one, again, other = (sweeps.addition(seed, "plain", **SETTING) for seed in (5, 5, 6))
    assert one == again
    assert one["memorised"] != other["memorised"]
    assert 0 <= one["memorised"] < 60
    assert one["generalised"] == INF


def test_the_arms_differ(short):
    found = {arm: sweeps.addition(3, arm, **SETTING) for arm in sweeps.MAP_ARMS}
    assert len({run["memorised"] for run in found.values()}) == 3
    assert found["⊥Grad"]["test_accuracy"] > found["plain"]["test_accuracy"] + 0.2


def test_too_much_decay_is_confusion(short):
    run = sweeps.addition(0, "plain", 0.8, 0.03, 30.0)
    assert phases.phase(run["memorised"], run["generalised"]) == phases.PHASES.index("confusion")


def test_a_continued_run_is_the_run_of_the_map(short, monkeypatch):
    """Up to the map's last step; its late accuracies are medians over the last fifths."""
    monkeypatch.setattr(sweeps, "PATIENCE", (60, 100))
    one, longer = (made(5, "plain", **SETTING) for made in (sweeps.addition, sweeps.continued))
    assert longer["memorised"] == one["memorised"]
    setting = sweeps.MAP_ARMS["plain"].replace(
        train_fraction=0.8, optimizer=sweeps.AdamW(0.03, weight_decay=0.1)
    )
    test = sweeps.Arm(setting, 100).run(5).curves.test_accuracy
    assert one["test_accuracy"] == test[6]
    late = [test[5:7].mean(), test[9:].mean()]  # records 50 and 60, 90 and 100
    np.testing.assert_allclose(longer["test_accuracy"], late, rtol=1e-6)


def test_a_run_that_ends_early_keeps_its_last_accuracy():
    found = sweeps.continued(0, "⊥Grad", 0.9, 0.03, 0.0)
    assert found["generalised"] < 100
    # Up to 600 steps there are no records in the last fifth either.
    assert len(set(found["test_accuracy"])) == 1
    assert found["test_accuracy"][0] >= 0.95


def test_every_seed_of_the_engine_is_taken(short):
    """A run's seed has 64 bits, those of torch one less."""
    seeds = [run_seed({"a": k}, 0) for k in range(6)]
    assert max(seeds) >= 2**63
    found = [sweeps.addition(seed, "plain", **SETTING)["train_accuracy"] for seed in seeds]
    assert all(0 < accuracy <= 1 for accuracy in found)


def test_a_ticket_follows_from_seed_rate_and_mask_time(short):
    one, again = (tickets.ticket(4, 0.6, 20) for _ in range(2))
    assert one == again
    dense = tickets.ticket(4, 0.0, 20)
    assert dense["dense_accuracy"] == one["dense_accuracy"]
    assert dense["memorised"] < one["memorised"] or one["memorised"] == INF


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: sweeps.addition(0, "Adam", **SETTING), "arm = 'Adam': must be one of 'plain'"),
        (lambda: sweeps.addition(0, "plain", 1.0, 0.1, 0.1), "train_fraction = 1.0"),
        (lambda: sweeps.addition(0, "plain", 0.5, 0.0, 0.1), "learning_rate = 0.0"),
        (lambda: sweeps.addition(0, "plain", 0.5, 0.1, -1.0), "weight_decay = -1.0"),
        (lambda: tickets.ticket(0, 1.0, 0), "pruning_rate = 1.0"),
        (lambda: tickets.ticket(0, 0.5, -1), "mask_time = -1: must be a whole number >= 0"),
        (
            lambda: tickets.ticket(0, 0.5, 9999),
            "mask_time = 9999: must be at most 1600 steps",
        ),
    ],
)
def test_bad_settings_are_refused(call, line):
    with pytest.raises(ValueError, match=line):
        call()


def test_maps_of_one_cell_agree():
    """Both maps of an arm hold the cells they share, and a run depends on its cell alone."""
    fraction, rate = (
        DECLARED[f"modular-{name}-plain"].grid("book") for name in ("fraction", "rate")
    )
    cells = [{tuple(sorted(cell.items())) for cell in one.cells()} for one in (fraction, rate)]
    assert len(cells[0] & cells[1]) == len(rate.axes["weight_decay"])


@pytest.mark.parametrize("name", ["modular-fraction-perp", "tickets-mask"])
def test_a_stored_cell_again(name):
    """One run of the book's map, made again: the same phase, times within a quarter."""
    kept = sweep.load(DECLARED[name])
    small = DECLARED[name].grid("small")
    axes = {axis: values[-1:] for axis, values in small.axes.items()}
    one = type(small)(axes, 1, small.cpu_seconds)
    again = sweep.run(replace(DECLARED[name], grids={"small": one}), "small").squeeze()
    stored = kept.sel({axis: values[0] for axis, values in axes.items()}).isel(seed=0)
    for event in ("memorised", "generalised"):
        if np.isfinite(stored[event]):
            assert float(again[event]) == pytest.approx(float(stored[event]), rel=0.25)
        else:
            assert again[event] == INF
