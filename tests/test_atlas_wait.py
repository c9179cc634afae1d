"""The atlas: one record for all models, distances to an edge, settings drawn by seed."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.special import ndtr

from grokbook import results
from grokbook.atlas import edges, experiments, held_out, models, networks
from grokbook.curves import Curves
from grokbook.decay import ridge_simulate
from grokbook.decay.ridge_setting import RidgeSetting
from grokbook.linear import LinearSetting, simulate, theory
from grokbook.logistic import LogisticSetting, flow, limits
from grokbook.logistic import simulate as logistic_simulate
from grokbook.logistic import theory as logistic_theory
from grokbook.xor import XorSetting

SMALL = LinearSetting(1.25, d_in=20, accuracy_threshold=0.3)
POINTS = LogisticSetting(0.9, n_train=30, noise_scale=2.0)


def test_the_clock_is_whole_and_increases():
    step = models.clock(2.0, 10)
    assert step[0] == 0
    assert step[-1] == 100
    assert np.all(np.diff(step) > 0)
    assert np.array_equal(step, np.round(step))


@pytest.mark.parametrize(("decades", "per_decade"), [(0, 10), (-1, 10), (2, 0), (2, 2.5)])
def test_a_bad_clock_is_refused(decades, per_decade):
    with pytest.raises(ValueError, match="decade"):
        models.clock(decades, per_decade)


def test_delays_are_counted_at_one_level():
    step = np.arange(8.0)
    train = np.array([[0, 0.7, 1, 1, 1, 1, 1, 1]] * 2)
    test = np.array([[0, 0, 0, 0.7, 0.7, 1, 1, 1], [0, 0, 0, 0.7, 0.7, 0.7, 0.7, 0.7]])
    run = Curves(step, train, train, train, test)
    found = models.delays(run, [0.7, 1 - 1e-9])
    assert found[0] == pytest.approx([2, 2])
    assert found[1] == pytest.approx([3, np.inf])


@pytest.mark.parametrize(
    ("model", "part", "setting", "last"),
    [
        (models.linear, simulate.trajectory, SMALL, 1e6),
        (models.logistic, logistic_simulate.gradient_descent, POINTS, 1e10),
        (models.ridge, ridge_simulate.trajectory, RidgeSetting(10, 40, weight_decay=0.01), 1e6),
    ],
)
def test_the_models_are_the_runs_of_their_parts(model, part, setting, last):
    run = model([3, 4], setting)
    assert (run.step[0], run.step[-1], run.test_loss.shape) == (0, last, (2, run.step.size))
    plain = part(setting, [0, 100], [3, 4])
    found = run.test_loss[:, np.isin(run.step, [0, 100])]
    # A flow and steps of learning rate 0.01.
    np.testing.assert_allclose(found, getattr(plain, "curves", plain).test_loss, rtol=0.01)


def test_the_networks_are_those_of_their_parts():
    setting = XorSetting(d_in=60, n_train=12, n_test=8, width=30, signal_norm=4.0)
    run = models.xor([3, 4], setting, 1.0)
    assert run.step.tolist() == models.clock(1.0, 20).tolist()
    assert run.test_accuracy.shape == (2, run.step.size)
    cell = networks.decayed(0.7, 0.5)
    assert (cell.train_fraction, cell.optimizer.weight_decay) == (0.7, 0.5)
    stopped = networks.addition([0], networks.decayed(0.9, 1.0), 40, stop_at=0.001)
    assert stopped.step[-1] < 40


def test_the_tickets_have_two_records():
    stored = results.load("tickets-transformer")
    dense, ticket = (networks.tickets(stored, which) for which in (0, 1))
    assert np.median(ticket.generalisation_time(0.8)) < np.median(dense.generalisation_time(0.8))
    with pytest.raises(ValueError, match="which"):
        networks.tickets(stored, 2)


def test_the_distance_to_an_edge():
    assert edges.distance([0.5, 0.75], 0.75) == pytest.approx([0.5, 0])
    assert edges.distance([0.5], 1.0) == pytest.approx([1])


@pytest.mark.parametrize(("accuracy", "limit"), [([1.0], 1.0), ([-0.1], 1.0), ([0.5], 1.1)])
def test_a_bad_distance_is_refused(accuracy, limit):
    with pytest.raises(ValueError, match=r"accuracy|limit"):
        edges.distance(accuracy, limit)


@pytest.mark.parametrize("outputs", [1, 3])
def test_a_linear_run_comes_to_its_limit_by_its_slowest_mode(outputs):
    """By plain matrices: S(t) - T = U exp(-2 eta nu t / d_out) U^T (S_0 - T)."""
    setting, step = replace(SMALL, d_out=outputs), np.geomspace(10, 1e4, 7)
    found, slope = edges.linear_approach(setting, 5, step)
    data = simulate.draw(setting, 5)
    nu, basis = np.linalg.eigh(data.inputs.T @ data.inputs / setting.n_train)
    start = np.mean((basis.T @ (data.student - data.teacher)) ** 2, axis=1)
    rate = 2 * setting.learning_rate / outputs * np.maximum(nu, 0)
    loss = np.exp(-2 * np.outer(step, rate)) @ start
    null = nu < 1e-12
    limit = theory.accuracy(np.sum(start[null]), setting)
    accuracy = theory.accuracy(loss, setting)
    assert found == pytest.approx((limit - accuracy) / (1 - accuracy), abs=1e-9)
    assert slope == pytest.approx(1 / (2 * rate[~null][0]), rel=1e-9)


@pytest.mark.parametrize("name", ["weight_decay", "label_noise"])
def test_linear_runs_with_another_end_are_refused(name):
    with pytest.raises(ValueError, match=name):
        edges.linear_approach(replace(SMALL, **{name: 0.1}), 0, [1.0, 2.0])


def test_a_logistic_run_comes_to_its_limit_as_in_time():
    """The same run by the flow in log time on the exponential loss, and the data's own margin."""
    depth = np.array([0.5, 2.0, 6.0])
    found, log_step = edges.logistic_approach(POINTS, 1, depth)
    inputs, weights = logistic_simulate.draw(POINTS, 1)
    step = np.append(0.0, np.exp(log_step))
    samples = logistic_simulate.constant_labels(inputs)
    done = flow.gradient_flow(
        samples,
        np.append(0 * weights, 0.0),
        step,
        learning_rate=POINTS.learning_rate,
        loss="exponential",
        tolerance=1e-7,
        exact=True,
    )
    bias, spread = done.state[1:, -1], 2.0 * np.linalg.norm(done.state[1:, :-1], axis=1)
    # The flow counts from log(1 + t), the depth is met to what one step matters.
    assert -bias == pytest.approx(depth, rel=2e-3)
    limit = ndtr(1 / (2.0 * limits.margin(inputs)))
    accuracy = ndtr(-bias / spread)
    assert found == pytest.approx((limit - accuracy) / (1 - accuracy), rel=5e-3)


def test_points_around_the_origin_have_no_edge():
    with pytest.raises(ValueError, match="separable"):
        edges.logistic_approach(replace(POINTS, aspect_ratio=0.1), 0, [1.0])


@pytest.mark.parametrize(("delta", "outputs"), [(1.0, 1), (0.3, 1), (1e-3, 1), (0.3, 5)])
def test_the_ratio_at_a_distance(delta, outputs):
    """Back through the limits that theory knows."""
    setting = LinearSetting(1.0, d_out=outputs, accuracy_threshold=0.1 / outputs, init_scale=2.0)
    there = replace(setting, aspect_ratio=edges.linear_ratio(setting, delta, 0.95))
    limit = float(theory.accuracy(theory.long_time_losses(there)[1], there))
    assert edges.distance([0.95], limit)[0] == pytest.approx(delta, rel=1e-6)
    if delta < 1:
        margin = logistic_theory.hull_margin(edges.logistic_ratio(5.0, delta, 0.95))
        limit = float(ndtr(1 / (25 * margin)))
        assert edges.distance([0.95], limit)[0] == pytest.approx(delta, rel=1e-5)


def test_a_bad_distance_has_no_ratio():
    with pytest.raises(ValueError, match="delta"):
        edges.linear_ratio(LinearSetting(1.0), 0.0, 0.95)
    with pytest.raises(ValueError, match="delta"):
        edges.logistic_ratio(5.0, 1.0, 0.95)


def test_times_at_a_distance():
    time = np.arange(6.0)
    falling = np.exp(-time)
    assert edges.time_at(falling, time, np.exp([-1.5, -4.0])) == pytest.approx([1.5, 4])
    assert edges.time_at(falling, time, np.exp(-7)) == np.inf
    assert edges.time_at([1, 0.5, -0.1, 0.01], time[:4], [0.6, 0.1])[1] == np.inf


@pytest.mark.parametrize("draw", [partial(held_out.linear, n_runs=1), held_out.ridge])
def test_a_case_depends_on_its_seed_only(draw):
    one, again, other = draw(7), draw(7), draw(8)
    assert one == again
    assert one.setting != other.setting
    assert replace(one, predicted=4.0, measured=10.0).factor == 2.5
    assert 0.5 < one.factor < 2


@pytest.mark.parametrize(
    ("case", "low", "high"),
    [
        (partial(held_out.logistic, 0), 0.8, 5),
        (partial(held_out.xor, 1020, n_runs=3), 0.4, 2.5),
        (partial(held_out.addition, 1000), 0.4, 2.5),
    ],
)
def test_runs_are_near_their_laws(case, low, high):
    """To a factor of 2.5; logistic loss has half the slope of the law's exponential one at 0."""
    assert low < case().factor < high


def test_what_is_drawn_is_in_its_range():
    settings = [held_out.ridge(seed).setting for seed in range(5)]
    assert all(1e-5 <= one.weight_decay <= 1e-3 and 50 <= one.n_train <= 150 for one in settings)


def test_a_part_of_the_stored_run():
    stored = results.load("atlas-xor-edge")
    live = models.xor([2], experiments.NARROW, 1.0)
    size = live.step.size
    assert stored["step"][:size].tolist() == live.step.tolist()
    for name in ("train_accuracy", "test_accuracy"):
        assert results.agree(getattr(live, name)[0], stored[name][2, :size], within=0.011)
