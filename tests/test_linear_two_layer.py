"""Two-layer networks of paper LE: gradients, the eigenbasis, the frozen kernel, bad input."""

from dataclasses import replace

import numpy as np
import pytest

from grokbook.linear import TwoLayerSetting
from grokbook.linear import two_layer_simulate as simulate
from grokbook.linear import two_layer_theory as theory

SMALL = TwoLayerSetting(0.9, d_in=36, d_hidden=7, d_out=3)
TANH = replace(SMALL, activation="tanh", gain=2.0)


def loss(setting, inputs, labels, first, second):
    """The training loss, written once more."""
    hidden = inputs @ first
    if setting.activation == "tanh":
        hidden = np.tanh(setting.gain * hidden) / setting.gain
    return np.mean((hidden @ second - labels) ** 2)


def descend(setting, data, n_steps):
    """Plain gradient descent with the gradient by central differences in double precision."""
    labels = data.inputs @ data.teacher[0]
    if setting.activation == "tanh":
        labels = np.tanh(setting.gain * labels) / setting.gain
    labels = labels @ data.teacher[1]
    layers = [layer.copy() for layer in data.student]
    for _ in range(n_steps):
        gradients = []
        for layer in layers:
            gradient = np.empty_like(layer)
            for index in np.ndindex(layer.shape):
                kept = layer[index]
                values = []
                for shift in (1e-5, -1e-5):
                    layer[index] = kept + shift
                    values.append(loss(setting, data.inputs, labels, *layers))
                layer[index] = kept
                gradient[index] = (values[0] - values[1]) / 2e-5
            gradients.append(gradient)
        layers = [w - setting.learning_rate * g for w, g in zip(layers, gradients, strict=True)]
    return loss(setting, data.inputs, labels, *layers)


@pytest.mark.parametrize("setting", [SMALL, TANH, replace(TANH, gain=8.0)])
def test_training_descends_the_gradient(setting, monkeypatch):
    """Twenty plain steps with differentiated losses give the loss that closed gradients give."""
    monkeypatch.setattr(simulate, "_DTYPE", np.float64)
    setting = replace(setting, learning_rate=0.5, d_in=12)
    expected = descend(setting, simulate.draw(setting, 4), 20)
    found = simulate.trajectory(setting, [0, 20], [4], stride=1).train_loss[0]
    assert found[1] == pytest.approx(expected, rel=1e-7)
    assert found[1] < 0.98 * found[0]


def test_rotation_changes_nothing():
    data = simulate.draw(SMALL, 2)
    turned = simulate.rotate(data)
    for first, second in ((data.student, turned.student), (data.teacher, turned.teacher)):
        np.testing.assert_allclose(
            data.inputs @ first[0] @ first[1], turned.inputs @ second[0] @ second[1], atol=1e-12
        )
    covariance = turned.inputs.T @ turned.inputs / len(turned.inputs)
    np.testing.assert_allclose(covariance, np.diag(turned.eigenvalue), atol=1e-12)


def test_population_loss_and_accuracies_of_a_linear_network():
    run = simulate.trajectory(
        replace(SMALL, accuracy_threshold=0.01), [0, 3000], [1], n_test=40_000
    )
    data = simulate.draw(SMALL, 1)
    difference = data.student[0] @ data.student[1] - data.teacher[0] @ data.teacher[1]
    assert run.test_loss[0, 0] == pytest.approx(np.sum(difference**2) / 3, rel=1e-12)
    errors = np.random.default_rng(5).standard_normal((40_000, 36)) @ difference
    expected = np.mean(np.mean(errors**2, axis=1) < 0.01)
    assert run.test_accuracy[0, 0] == pytest.approx(expected, abs=0.015)
    counted = np.mean(np.mean((data.inputs @ difference) ** 2, axis=1) < 0.01)
    assert run.train_accuracy[0, 0] == pytest.approx(counted, abs=1e-12)


def test_tanh_with_a_small_gain_is_linear():
    step = [0, 1000, 20000]
    linear = simulate.trajectory(SMALL, step, [0], n_test=20_000)
    small = simulate.trajectory(replace(TANH, gain=1e-2), step, [0], n_test=20_000)
    np.testing.assert_allclose(small.train_loss, linear.train_loss, rtol=1e-3)
    np.testing.assert_allclose(small.test_loss, linear.test_loss, rtol=0.05)


@pytest.mark.parametrize("setting", [replace(SMALL, d_in=100, d_hidden=20), TANH])
def test_long_strides_give_the_curve_of_single_steps(setting):
    step = np.array([0, 300, 3000])
    single, long = (simulate.trajectory(setting, step, [0], stride=s) for s in (1, 60))
    np.testing.assert_allclose(long.train_loss, single.train_loss, rtol=0.02)
    np.testing.assert_allclose(long.test_loss, single.test_loss, rtol=0.02)
    assert not np.array_equal(long.train_loss, single.train_loss)


def test_conserved_quantity():
    data = simulate.rotate(simulate.draw(SMALL, 0))
    first, last = (
        a.T @ a - b @ b.T for a, b in simulate.linear_layers(SMALL, [0, 5000], data, stride=1)
    )
    np.testing.assert_allclose(first, last, atol=2e-3 * np.linalg.norm(first))


def test_longest_stride_takes_the_largest_mode_to_rest():
    """One update of that length shrinks the mode of largest rate by its whole distance."""
    setting = TwoLayerSetting(0.9, d_in=400, d_hidden=200)
    data = simulate.rotate(simulate.draw(setting, 0))
    kernel = np.linalg.norm(data.student[1], 2) ** 2
    rate = 2 * setting.learning_rate / setting.d_out * data.eigenvalue[-1] * kernel
    assert rate * simulate.longest_stride(setting) == pytest.approx(1, abs=0.15)


def test_longest_stride_is_the_default():
    default, longest, single = (
        simulate.trajectory(SMALL, [0, 3000], [0], stride=stride, n_test=10).train_loss
        for stride in (None, simulate.longest_stride(SMALL), 1)
    )
    np.testing.assert_array_equal(default, longest)
    assert not np.array_equal(default, single)
    assert default[0, 1] < 0.9 * default[0, 0]


def test_rate_of_the_half_norm():
    """-(4 eta / d_out) Tr[S^T Sigma (S - T)], not -8 eta (LE Eq. 18)."""
    setting = TwoLayerSetting(0.9, d_in=80, d_hidden=20, learning_rate=1e-6)
    data = simulate.rotate(simulate.draw(setting, 0))
    before, after = simulate.linear_layers(setting, [0, 1], data, stride=1)
    h = [0.5 * sum(np.sum(w**2) for w in one) for one in (before, after)]
    rate = theory.half_norm_rate(
        setting, data.eigenvalue, before[0] @ before[1], data.teacher[0] @ data.teacher[1]
    )
    assert h[1] - h[0] == pytest.approx(rate, rel=1e-4)
    assert h[0] == pytest.approx(0.5, rel=0.15)  # 100 entries of S1: a scatter of 7 %


def test_frozen_kernel_in_the_limit_of_width():
    """LE Eq. 19 with the run's own spectrum: 10 % at d_h / d_out = 10, 7 % at 100.

    What is left there is S0 S0^T, d_out / d_in = 3 % of the kernel, in an exponent of about two.
    """
    for hidden, close in ((50, 0.1), (500, 0.07)):
        setting = TwoLayerSetting(0.9, d_in=150, d_hidden=hidden)
        data = simulate.rotate(simulate.draw(setting, 3))
        teacher = data.teacher[0] @ data.teacher[1]
        start = data.student[0] @ data.student[1] - teacher
        step = np.array([0.5, 4.0, 32.0]) * 25 / 0.01
        frozen = theory.frozen_losses(setting, step, data.eigenvalue, start)[1]
        layers = simulate.linear_layers(setting, step, data)
        trained = [np.sum((a @ b - teacher) ** 2) / 5 for a, b in layers]
        np.testing.assert_allclose(trained, frozen, rtol=close)


@pytest.mark.parametrize(("hidden", "times"), [(50, (6.85e3, 1.17e5)), (200, (2.60e3, 2.40e4))])
def test_crossing_times_of_figure_5(hidden, times):
    setting = TwoLayerSetting(0.9, d_hidden=hidden)
    assert theory.crossing_times(setting) == pytest.approx(times, rel=5e-3)
    record = theory.curves(setting, np.geomspace(1, 1e6, 2000))
    assert record.train_loss[0] == pytest.approx(1 / (10 * hidden), rel=5e-3)
    assert record.memorisation_time() == pytest.approx(times[0], rel=5e-3)
    assert record.generalisation_time() == pytest.approx(times[1], rel=5e-3)


def test_mean_frozen_losses_average_those_of_draws():
    setting = TwoLayerSetting(0.9, d_in=200, d_hidden=300)
    step = np.array([0.0, 1.0, 10.0]) * 25 / 0.01
    frozen = []
    for seed in range(30):
        data = simulate.rotate(simulate.draw(setting, seed))
        start = data.student[0] @ data.student[1] - data.teacher[0] @ data.teacher[1]
        frozen.append(theory.frozen_losses(setting, step, data.eigenvalue, start))
    np.testing.assert_allclose(np.mean(frozen, axis=0), theory.losses(setting, step), rtol=0.04)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TwoLayerSetting(0), "aspect_ratio = 0"),
        (lambda: TwoLayerSetting(0.9, d_hidden=0), "d_hidden = 0: must be a whole number >= 1"),
        (lambda: TwoLayerSetting(0.9, d_out=0), "d_out = 0"),
        (lambda: TwoLayerSetting(0.9, gain=0), "gain = 0: must be a finite number > 0"),
        (lambda: TwoLayerSetting(0.9, activation="relu"), "activation = 'relu'"),
        (lambda: TwoLayerSetting(0.9, learning_rate=0), "learning_rate = 0"),
        (lambda: TwoLayerSetting(0.9, accuracy_threshold=0), "accuracy_threshold = 0"),
        (lambda: simulate.draw(SMALL, -1), "seed = -1"),
        (lambda: simulate.trajectory(SMALL, [1], []), r"seeds = \[\]"),
        (lambda: simulate.trajectory(SMALL, [2, 1], [0]), "step = .*increasing"),
        (lambda: simulate.trajectory(SMALL, [1], [0], stride=0.5), "stride = 0.5: must be .* >= 1"),
        (
            lambda: simulate.trajectory(SMALL, [1], [0], stride=1e4),
            "stride = 10000: must be at most",
        ),
        (lambda: simulate.trajectory(SMALL, [1.5], [0], stride=1), "step holds 1.5"),
        (lambda: simulate.trajectory(SMALL, [1], [0], n_test=0), "n_test = 0"),
        (lambda: list(simulate.linear_layers(TANH, [1], None)), "activation = 'tanh'"),
        (
            lambda: list(simulate.linear_layers(SMALL, [1], simulate.draw(SMALL, 0))),
            "data.eigenvalue = None",
        ),
        (
            lambda: theory.frozen_losses(SMALL, [1], np.zeros(3), np.zeros((36, 3))),
            r"eigenvalue has shape \(3,\)",
        ),
        (
            lambda: theory.frozen_losses(SMALL, [1], -np.ones(36), np.zeros((36, 3))),
            "eigenvalue reaches -1",
        ),
        (
            lambda: theory.half_norm_rate(SMALL, np.ones(36), np.zeros((36, 2)), np.zeros((36, 3))),
            r"student has shape \(36, 2\)",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
