"""What users bring to the linear student: samples, a covariance, a teacher, a loss.

The paths share no code: one takes a decomposition, the other the plain loop.
"""

from dataclasses import replace

import numpy as np
import pytest

from grokbook.linear import LinearSetting, bring, simulate, theory

STEP = [0, 1, 2, 10, 100, 1000]
SMALL = LinearSetting(0.9, d_in=40)
SETTINGS = [
    SMALL,
    replace(SMALL, aspect_ratio=1.5, d_out=3, weight_decay=0.05),
    replace(SMALL, label_noise=0.2, weight_decay=0.01),
    replace(SMALL, aspect_ratio=1.5, d_out=2, init_scale=2.0),
]
RECORDS = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")


def of_the_setting(setting, seed=3):
    """The options of a fit that make it a run of the setting."""
    names = ("learning_rate", "weight_decay", "accuracy_threshold")
    options = {name: getattr(setting, name) for name in names}
    return options | {"student": simulate.draw(setting, seed).student}


def assert_same(one, other, **tolerances):
    for name in RECORDS:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), **tolerances)


@pytest.mark.parametrize("setting", SETTINGS)
def test_both_paths_are_the_papers_run(setting):
    train, test = bring.draw(setting, 3, n_test=500)
    fast = bring.fit(train, test, STEP, **of_the_setting(setting))
    slow = bring.fit(train, test, STEP, loss=bring.squared, **of_the_setting(setting))
    paper = simulate.trajectory(setting, STEP, [3], method="steps", n_test=500)
    np.testing.assert_allclose(fast.student, slow.student, rtol=1e-9, atol=1e-13)
    assert_same(fast.curves, slow.curves, rtol=1e-9, atol=1e-20)
    np.testing.assert_allclose(fast.curves.train_loss, paper.train_loss[0], rtol=1e-9, atol=1e-20)
    np.testing.assert_array_equal(fast.curves.train_accuracy, paper.train_accuracy[0])
    np.testing.assert_array_equal(fast.curves.test_accuracy, paper.test_accuracy[0])
    # The paper's test loss is the population's: 500 samples scatter about it.
    scatter = 5 * np.sqrt(2 / 500)
    np.testing.assert_allclose(fast.curves.test_loss, paper.test_loss[0], rtol=scatter)


def test_inputs_of_any_rank_and_labels_of_one_axis_will_do():
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((12, 20))
    inputs = np.vstack([inputs, inputs[:3]])
    inputs -= inputs.mean(axis=0)
    labels = rng.standard_normal(15)
    start = rng.standard_normal((20, 1))
    for decay in (0.0, 0.1):
        fast, slow = (
            bring.fit(
                (inputs, labels),
                (inputs[:4], labels[:4]),
                STEP,
                weight_decay=decay,
                student=start,
                loss=loss,
            )
            for loss in (None, bring.squared)
        )
        np.testing.assert_allclose(fast.student, slow.student, rtol=1e-9, atol=1e-11)
        assert_same(fast.curves, slow.curves, rtol=1e-9, atol=1e-20)


def test_a_covariance_and_a_teacher_give_their_law():
    setting = LinearSetting(0.1, d_in=4)
    teacher = np.array([[1.0], [0.0], [-2.0], [0.5]])
    mixing = np.random.default_rng(1).standard_normal((4, 4))
    covariance = mixing @ mixing.T
    train, (inputs, labels) = bring.draw(
        setting, 0, covariance=covariance, teacher=teacher, n_test=200_000
    )
    np.testing.assert_allclose(inputs.T @ inputs / 200_000, covariance, atol=0.1)
    np.testing.assert_allclose(labels, inputs @ teacher, atol=1e-12)
    np.testing.assert_allclose(train[1], train[0] @ teacher, atol=1e-12)
    plain, _ = bring.draw(setting, 0)
    along, _ = bring.draw(setting, 0, covariance=[4.0, 1.0, 1.0, 0.0])
    np.testing.assert_allclose(along[0], plain[0] * [2, 1, 1, 0], atol=1e-12)


def huber(outputs, labels):
    errors = outputs - labels
    clipped = np.clip(errors, -0.1, 0.1)
    return np.sum(clipped * (errors - clipped / 2), axis=1), clipped


def test_another_loss_trains_too():
    train, test = bring.draw(replace(SMALL, aspect_ratio=0.2), 0, n_test=100)
    done = bring.fit(train, test, [0, 3000], learning_rate=0.05, loss=huber)
    assert done.curves.test_loss[-1] < 1e-4 * done.curves.test_loss[0]
    assert done.curves.test_accuracy[-1] == 1
    assert done.student.shape == (2, 40, 1)


@pytest.mark.parametrize("decay", [0.0, 0.02])
def test_the_theory_of_a_spectrum_is_the_mean_run(decay):
    """Over 400 teachers and students on the same inputs, within 5 standard errors."""
    setting = LinearSetting(0.8, d_in=20, weight_decay=decay)
    variance = np.geomspace(0.2, 3, 20)
    (inputs, _), (fresh, _) = bring.draw(setting, 0, covariance=variance, n_test=20_000)
    eigenvalue, axes = np.linalg.eigh(inputs.T @ inputs / len(inputs))
    predicted = theory.spectrum_curves(setting, STEP, eigenvalue, axes.T**2 @ variance)
    rng = np.random.default_rng(1)
    runs = []
    for _ in range(400):
        teacher, student = rng.standard_normal((2, 20, 1)) / np.sqrt(40)
        path = bring.fit(
            (inputs, inputs @ teacher),
            (fresh[:2], fresh[:2] @ teacher),
            STEP,
            learning_rate=setting.learning_rate,
            weight_decay=decay,
            student=student,
        )
        wrong = (path.student - teacher)[..., 0]
        runs.append((path.curves.train_loss, wrong**2 @ variance))
    train, test = np.array(runs).transpose(1, 0, 2)
    for found, wanted in ((train, predicted.train_loss), (test, predicted.test_loss)):
        error = found.std(axis=0) / 20
        assert np.all(np.abs(found.mean(axis=0) - wanted) < 5 * error)


def test_the_theory_of_a_large_gaussian_spectrum_is_the_papers():
    setting = LinearSetting(0.5, d_in=800)
    inputs = simulate.draw(setting, 0).inputs
    eigenvalue = np.linalg.eigvalsh(inputs.T @ inputs / len(inputs))
    one, mean = (
        theory.spectrum_curves(setting, STEP, eigenvalue),
        theory.curves(setting, STEP),
    )
    np.testing.assert_allclose(one.test_loss, mean.test_loss, rtol=0.03)


TRAIN, TEST = bring.draw(SMALL, 0, n_test=10)


def fit(train=TRAIN, test=TEST, step=(0, 5), **options):
    return bring.fit(train, test, step, **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit(train=TRAIN[0]), r"train is of type ndarray: must be \(inputs, labels\)"),
        (lambda: fit(train=(["a"], [1])), "train must hold arrays of numbers"),
        (lambda: fit(train=(TRAIN[0][0], TRAIN[1][0])), r"train inputs has shape \(40,\)"),
        (lambda: fit(train=(TRAIN[0], TRAIN[1][:5])), "train has inputs of shape .* a label for"),
        (lambda: fit(train=(TRAIN[0], TRAIN[1] * np.nan)), "train labels has 44 non-finite"),
        (lambda: fit(train=(TRAIN[0], TRAIN[1][..., None])), "train labels has shape"),
        (lambda: fit(test=(np.ones((0, 40)), [])), r"test has inputs of shape \(0, 40\)"),
        (lambda: fit(test=(np.ones((3, 7)), np.ones(3))), r"= \(7, 1\): must have \(40, 1\)"),
        (lambda: fit(step=[0.5]), "step holds 0.5: must be whole numbers"),
        (lambda: fit(learning_rate=-1), "learning_rate = -1: must be a finite number > 0"),
        (lambda: fit(learning_rate=9), r"learning_rate = 9: must be < 0\.\d+ on these inputs"),
        (lambda: fit(weight_decay=-1), "weight_decay = -1"),
        (lambda: fit(accuracy_threshold=0), "accuracy_threshold = 0"),
        (lambda: fit(student=np.ones((3, 1))), r"student has shape \(3, 1\): must have shape"),
        (lambda: fit(loss="l1"), "loss = 'l1': must be a function of outputs and labels"),
        (
            lambda: fit(loss=bring.squared, learning_rate=1e4, step=[0, 500]),
            "learning_rate = 10000: must be smaller, for the descent diverges before step 500",
        ),
        (lambda: bring.draw(SMALL, 0, n_test=0), "n_test = 0"),
        (lambda: bring.draw(SMALL, 0, teacher=np.ones(40)), r"teacher has shape \(40,\)"),
        (lambda: bring.draw(SMALL, 0, covariance=np.ones(3)), r"covariance has shape \(3, 3\)"),
        (lambda: bring.draw(SMALL, 0, covariance=[-1.0] + 39 * [1.0]), "has the eigenvalue -1"),
        (
            lambda: bring.draw(SMALL, 0, covariance=np.triu(np.ones((40, 40)))),
            "covariance differs from its transpose",
        ),
        (lambda: theory.spectrum_curves(SMALL, STEP, np.ones(3)), "eigenvalue has shape"),
        (lambda: theory.spectrum_curves(SMALL, STEP, -np.ones(40)), "eigenvalue reaches -1"),
        (
            lambda: theory.spectrum_curves(SMALL, STEP, np.ones(40), -np.ones(40)),
            "test_weight reaches -1: must be >= 0",
        ),
        (
            lambda: theory.spectrum_curves(replace(SMALL, label_noise=0.1), STEP, np.ones(40)),
            "label_noise = 0.1: must be 0",
        ),
    ],
)
def test_what_cannot_work_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda z, y: np.sum((z - y) ** 2), "returns float64: must return loss and derivative"),
        (lambda z, y: (np.mean((z - y) ** 2), 2 * (z - y)), r"arrays of shape \(\(\), \(44, 1\)\)"),
        (lambda z, y: ((z - y) ** 2, z - y), "returns a derivative of .* where differences of"),
        (lambda z, y: ((z - y) ** 2, 2 * (y - z)), "returns a derivative of"),
        (lambda z, y: ((z - y) ** 2, np.nan * z), "returns a derivative of nan"),
    ],
)
def test_a_loss_that_does_not_fit_is_refused_before_any_work(loss, message):
    with pytest.raises(ValueError, match=message):
        fit(step=[0, 10**9], loss=loss)
