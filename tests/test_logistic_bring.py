"""What users bring to logistic regression: points, labels, any loss of the margin."""

from functools import partial

import numpy as np
import pytest
from scipy.special import expit

from grokbook.logistic import LogisticSetting, bring, flow, population, simulate

STEP = np.append(0, np.geomspace(1, 1e6, 40))
WHOLE = np.arange(0, 300, 20)
SETTING = LogisticSetting(0.45, n_train=100)
INPUTS, WEIGHTS = simulate.draw(SETTING, 0)
TRAIN = INPUTS, -np.ones(len(INPUTS))
START = np.append(WEIGHTS, 0.0)
RECORDS = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")


def logistic(z):
    return np.logaddexp(0, z), expit(z)


def exponential(z):
    return np.exp(z), np.exp(z)


def squared_hinge(z):
    short = np.maximum(1 + z, 0)
    return short**2, 2 * short


def test_own_points_are_the_papers_run():
    paper = simulate.flow(SETTING, STEP, [0])
    own = bring.fit(TRAIN, TRAIN, STEP, learning_rate=SETTING.learning_rate, start=START)
    for one, other in (("train_loss", "train_loss"), ("test_accuracy", "train_accuracy")):
        np.testing.assert_array_equal(
            getattr(own.curves, one), getattr(paper.curves, other)[0], err_msg=one
        )
    np.testing.assert_array_equal(own.trajectory.state[:, -1], paper.bias[0])


@pytest.mark.parametrize(("name", "own"), [("logistic", logistic), ("exponential", exponential)])
def test_the_generic_path_is_the_fast_one(name, own):
    """Both to tolerance, in double precision; discrete steps to the last bit."""
    test = np.vstack([INPUTS[::2], -INPUTS[::2]]), np.repeat([-1.0, 1.0], 50)
    options = {"learning_rate": SETTING.learning_rate, "start": START}
    fine = partial(flow.gradient_flow, tolerance=1e-7, exact=True)
    fast, slow = (
        bring.fit(TRAIN, test, STEP, loss=loss, method=fine, **options) for loss in (name, own)
    )
    np.testing.assert_allclose(fast.trajectory.state, slow.trajectory.state, rtol=1e-3, atol=1e-5)
    for record in RECORDS:
        np.testing.assert_allclose(
            getattr(fast.curves, record), getattr(slow.curves, record), rtol=1e-3, atol=1e-12
        )
    for method in (flow.gradient_descent, flow.adam):
        fast, slow = (
            bring.fit(TRAIN, test, WHOLE, loss=loss, method=method, **options)
            for loss in (name, own)
        )
        np.testing.assert_array_equal(fast.trajectory.state, slow.trajectory.state)


def test_labels_of_both_signs_and_no_bias():
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((200, 5))
    labels = np.where(inputs[:, 0] > 0, 1.0, -1.0)
    own = bring.fit(
        (inputs[:100], labels[:100]),
        (inputs[100:], labels[100:]),
        STEP,
        learning_rate=0.1,
        bias=False,
    )
    assert own.trajectory.state.shape == (41, 5)
    outputs = inputs @ own.trajectory.state[-1]
    assert own.curves.train_accuracy[-1] == 1
    assert own.curves.test_accuracy[-1] == np.mean(outputs[100:] * labels[100:] > 0)
    loss = np.logaddexp(0, -labels[100:] * outputs[100:]).mean()
    assert own.curves.test_loss[-1] == pytest.approx(loss)
    assert own.bias[-1] == pytest.approx(np.mean(-labels[100:] * outputs[100:]))


def test_another_loss_is_minimised():
    """The squared hinge comes to rest: once every margin is 1 there is nothing left to learn."""
    early = STEP[STEP < 1e5]  # later the rounding of a processor decides how stiff its kink is
    done = bring.fit(TRAIN, TRAIN, early, learning_rate=0.01, loss=squared_hinge, start=START)
    assert done.trajectory.stopped == ""
    assert done.curves.train_loss[-1] < 1e-8
    np.testing.assert_allclose(*done.trajectory.state[-2:], rtol=1e-3, atol=1e-4)
    loop = bring.fit(
        TRAIN,
        TRAIN,
        [0, 1000],
        learning_rate=1e-3,
        loss=squared_hinge,
        start=START,
        method=flow.gradient_descent,
    )
    flow_ = bring.fit(TRAIN, TRAIN, [0, 1000], learning_rate=1e-3, loss=squared_hinge, start=START)
    np.testing.assert_allclose(loop.trajectory.state, flow_.trajectory.state, atol=5e-3)


def test_a_run_on_own_points_is_collected_as_the_papers_are():
    def run(seed):
        inputs, weights = simulate.draw(SETTING, seed)
        fresh, _ = simulate.draw(SETTING, seed + 100)
        own = (inputs, -np.ones(100)), (fresh, -np.ones(100))
        return bring.fit(*own, STEP, learning_rate=0.01, start=np.append(weights, 0))

    runs = simulate.collect(run, [0, 1])
    assert runs.curves.test_accuracy.shape == (2, 41)
    expected = population.accuracy(runs.bias, runs.spread)
    assert np.abs(runs.curves.test_accuracy - expected).max() < 5 * 0.5 / 10


def fit(train=TRAIN, test=TRAIN, step=STEP, learning_rate=0.01, **options):
    return bring.fit(train, test, step, learning_rate=learning_rate, **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit(train=INPUTS), r"train is of type ndarray: must be \(inputs, labels\)"),
        (lambda: fit(train=(INPUTS, np.zeros(100))), r"train has labels \[0.\] of shape .* -1 or"),
        (lambda: fit(train=(INPUTS, np.ones((100, 1)))), r"shape \(100, 1\): must be -1 or 1"),
        (lambda: fit(test=(INPUTS, np.ones(3))), "test has inputs of shape .* a label for each"),
        (lambda: fit(test=(np.ones((4, 3)), np.ones(4))), "3 inputs a sample: must have 45"),
        (lambda: fit(step=[-1.0]), "step = "),
        (lambda: fit(step=[0.5], method=flow.gradient_descent), "step holds 0.5"),
        (lambda: fit(learning_rate=0), "learning_rate = 0"),
        (lambda: fit(learning_rate=0, method=flow.adam), "learning_rate = 0"),
        (lambda: fit(start=np.ones(3)), r"start has shape \(3,\): must have shape \(46,\)"),
        (lambda: fit(bias=False, start=START), r"must have shape \(45,\)"),
        (lambda: fit(method="flow"), "method = 'flow': must be a function such as"),
        (lambda: fit(loss="hinge"), "loss = 'hinge': must be one of .*, or a function of z"),
        (lambda: fit(loss=3), "loss = 3: must be one of 'logistic', 'exponential', or"),
        (lambda: fit(loss=np.exp), r"loss\(z\) returns ndarray: must return loss and derivative"),
        (
            lambda: fit(loss=lambda z: (np.exp(z).mean(), np.exp(z))),
            r"arrays of shape \(\(\), \(6,\)\): must be \(6,\), \(6,\)",
        ),
        (
            lambda: fit(loss=lambda z: (np.exp(-z), np.exp(-z))),
            r"loss\(z\) returns a derivative of .* must be finite, and its derivative",
        ),
    ],
)
def test_what_cannot_work_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
