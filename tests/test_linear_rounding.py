"""Rounding has no say in which samples a run of paper LE draws.

The last digits of inputs, rates and eigenvectors differ between processors, and the signs of
eigenvectors are anybody's: event times must not see either.
"""

from dataclasses import replace

import numpy as np
import pytest

from grokbook.linear import LinearSetting, TwoLayerSetting, reduced, simulate, two_layer_simulate
from grokbook.linear.samples import covariance_root

ONE = LinearSetting(0.9, d_in=60)
SEVERAL = LinearSetting(0.8, d_in=60, d_out=4, accuracy_threshold=0.02)
DECAYING = replace(SEVERAL, weight_decay=0.02, init_scale=2.0)
NOISY = replace(SEVERAL, label_noise=0.1, accuracy_threshold=0.2)
WIDE = replace(SEVERAL, aspect_ratio=1.5, weight_decay=0.01, accuracy_threshold=0.3)
MANY = replace(SEVERAL, d_out=20, accuracy_threshold=0.02)  # more errors than modes
STEP = np.append(0, np.unique(np.round(np.geomspace(1, 3e5, 60))))
SEEDS = range(3)


def events(run):
    """Memorisation and generalisation times of all seeds."""
    return np.ravel([run.memorisation_time(), run.generalisation_time()])


def nudged(setting, factor=1 + 2**-50):
    """The setting with another last digit of its learning rate."""
    return replace(setting, learning_rate=setting.learning_rate * factor)


def nudge_inputs(module, monkeypatch, factor=1 + 2**-50):
    """Every draw of the module with other last digits of its inputs."""
    draw = module.draw

    def moved(*args):
        data = draw(*args)
        return replace(data, inputs=data.inputs * factor)

    monkeypatch.setattr(module, "draw", moved)


def turn_eigenvectors(monkeypatch):
    """Eigenvectors as another processor may give them: with other signs."""
    eigh = np.linalg.eigh

    def turned(matrix):
        value, vector = eigh(matrix)
        return value, vector * np.where(np.arange(len(value)) % 3, -1.0, 1.0)

    monkeypatch.setattr(np.linalg, "eigh", turned)


def same_events(first, second):
    assert np.isfinite(events(first)).any()
    np.testing.assert_allclose(events(second), events(first), rtol=1e-6)


@pytest.mark.parametrize("setting", [ONE, SEVERAL, DECAYING, WIDE, MANY])
def test_runs_without_data(setting, monkeypatch):
    def run(one):
        return reduced.trajectory(one, STEP, SEEDS, n_test=500)

    plain = run(setting)
    same_events(plain, run(nudged(setting)))
    drawn = reduced.covariance_eigenvalues
    monkeypatch.setattr(
        reduced, "covariance_eigenvalues", lambda *args: drawn(*args) * (1 + 2**-50)
    )
    same_events(plain, run(setting))


def rounding_has_no_say(run, setting, module, monkeypatch):
    """The same events with other last digits of rate and inputs, and eigenvectors turned round."""
    plain = run(setting)
    same_events(plain, run(nudged(setting)))
    with monkeypatch.context() as patch:
        nudge_inputs(module, patch)
        same_events(plain, run(setting))
    turn_eigenvectors(monkeypatch)
    same_events(plain, run(setting))


@pytest.mark.parametrize("setting", [ONE, SEVERAL, DECAYING, NOISY, WIDE, MANY])
@pytest.mark.parametrize("method", ["flow", "steps"])
def test_runs_on_data(setting, method, monkeypatch):
    def run(one):
        return simulate.trajectory(one, STEP, SEEDS, method=method, n_test=500)

    rounding_has_no_say(run, setting, simulate, monkeypatch)


@pytest.mark.parametrize("setting", [ONE, NOISY, WIDE])
def test_the_loop(setting, monkeypatch):
    setting = replace(setting, d_in=20, accuracy_threshold=0.1)
    step = STEP[STEP < 3000]

    def run(seed, one):
        return simulate.gradient_descent(one, step, seed, n_test=500)

    plain = [run(seed, setting) for seed in SEEDS]
    for seed in SEEDS:
        same_events(plain[seed], run(seed, nudged(setting)))
    nudge_inputs(simulate, monkeypatch)
    for seed in SEEDS:
        same_events(plain[seed], run(seed, setting))


@pytest.mark.parametrize("d_in", [36, 2])
def test_two_linear_layers(d_in, monkeypatch):
    setting = TwoLayerSetting(0.9, d_in=d_in, d_hidden=7, d_out=3, accuracy_threshold=0.01)
    step = np.append(0, np.geomspace(30, 1e5, 40))

    def run(one):
        return two_layer_simulate.trajectory(one, step, SEEDS, stride=50, n_test=500)

    rounding_has_no_say(run, setting, two_layer_simulate, monkeypatch)


@pytest.mark.parametrize("d_in", [36, 10])  # 10: fewer than both hidden layers together
def test_two_layers_of_tanh(d_in, monkeypatch):
    """Within one record and for a change of 2^-22: training is in single precision."""
    setting = TwoLayerSetting(
        0.9, d_in=d_in, d_hidden=7, d_out=3, accuracy_threshold=0.01, activation="tanh", gain=2.0
    )
    step = np.append(0, np.geomspace(30, 1e5, 40))

    def records():
        run = two_layer_simulate.trajectory(setting, step, SEEDS, stride=50, n_test=500)
        assert np.isfinite(events(run)).any()
        return np.searchsorted(step, events(run))

    plain = records()
    nudge_inputs(two_layer_simulate, monkeypatch, 1 + 2**-22)
    assert np.max(np.abs(records() - plain)) <= 1


def test_a_covariance_root_is_a_root_and_moves_with_its_vectors():
    """Also of dependent columns, of columns of very different length, and of columns of zeros."""
    rng = np.random.default_rng(0)
    decay = np.exp(-np.multiply.outer(rng.uniform(0.1, 4, 50), np.geomspace(1e-6, 8, 30)))
    vectors = np.hstack([decay, decay[:, :1], np.zeros((50, 1)), rng.standard_normal((50, 2))])
    assert np.linalg.matrix_rank(vectors) < vectors.shape[1]
    root = covariance_root(vectors)
    length = np.linalg.norm(vectors, axis=0)
    length[length == 0] = 1.0
    np.testing.assert_allclose(root, root.T * length / length[:, None], rtol=1e-9, atol=1e-14)
    gap = (root.T @ root - vectors.T @ vectors) / np.multiply.outer(length, length)
    assert np.abs(gap).max() < 1e-13
    moved = covariance_root(vectors * (1 + 1e-12 * rng.uniform(-1, 1, vectors.shape)))
    assert np.max(np.linalg.norm(moved - root, axis=0) / length) < 1e-11
