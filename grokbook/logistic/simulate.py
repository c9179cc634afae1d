"""Training on drawn data (paper LS): flows, the plain loop and Adam, many seeds at a time.

A run draws its points and its initial direction; its population loss and accuracy are integrals
over the law of f(x), which needs the bias and sigma ||S|| only.  The same setting and steps go to
``grokbook.logistic.theory.rested_curves``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from grokbook import randomness, validate
from grokbook.curves import Curves
from grokbook.logistic import flow as engine
from grokbook.logistic import population
from grokbook.logistic.flow import Samples, Trajectory
from grokbook.logistic.setting import LogisticSetting


@dataclass(frozen=True)
class Runs:
    """Several runs at the same steps.

    Attributes
    ----------
    curves : Curves
        With leading axis n_seeds.
    bias, spread : (n_seeds, n_steps) arrays
        Mean of f over the population, and its standard deviation (sigma ||S||).
    gradients : (n_seeds,) array
        Gradients spent.
    stopped : tuple of str
        One entry a seed: empty, or why the run ended before the last step.  All records then end
        at the last step that every seed reached.
    """

    curves: Curves
    bias: np.ndarray
    spread: np.ndarray
    gradients: np.ndarray
    stopped: tuple[str, ...]


def draw(setting: LogisticSetting, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (n_train, d_in) ~ N(0, sigma^2) and initial weights (d_in,) of norm ``init_norm``.

    They depend on the setting and the seed only; ValueError if ``seed`` is not a whole number >= 0.
    """
    rng = randomness.generator(seed)
    weights = initial_weights(rng, setting.d_in, setting.init_norm)
    inputs = rng.standard_normal((setting.n_train, setting.d_in))
    inputs *= setting.noise_scale
    return inputs, weights


def initial_weights(rng: np.random.Generator, d_in: int, norm: float) -> np.ndarray:
    """A random direction (d_in,) of length ``norm``."""
    direction = rng.standard_normal(d_in)
    return norm * direction / np.linalg.norm(direction)


def constant_labels(inputs) -> Samples:
    """Points (N, d) that all carry the label -1, for a model with bias."""
    inputs = validate.array("inputs", inputs, ndim=2)
    return Samples(inputs, np.ones(len(inputs)))


def flow(setting: LogisticSetting, step, seeds: Iterable[int], **options) -> Runs:
    """Gradient flow in log time, one run a seed (LS Figs. 1 and 2).

    Parameters
    ----------
    step : (n_steps,) array
        Non-negative and increasing, up to 1e300.
    **options
        ``tolerance``, ``exact`` and ``max_gradients`` of
        :func:`grokbook.logistic.flow.gradient_flow`.

    Raises
    ------
    ValueError
        If an argument is out of range.
    RuntimeError
        If the integrator fails.
    """
    return _isotropic(setting, step, seeds, engine.gradient_flow, **options)


def gradient_descent(setting: LogisticSetting, step, seeds: Iterable[int]) -> Runs:
    """The plain loop, one run a seed, in whole steps; otherwise as :func:`flow`."""
    return _isotropic(setting, step, seeds, engine.gradient_descent)


def adam(setting: LogisticSetting, step, seeds: Iterable[int], **options) -> Runs:
    """Full-batch Adam, one run a seed (LS Fig. 5); ``options``: ``betas`` and ``epsilon``."""
    return _isotropic(setting, step, seeds, engine.adam, **options)


def trained(setting, samples, weights, step, method=engine.gradient_flow, **options) -> Trajectory:
    """The trajectory of a method from given weights and the setting's bias, at its rate."""
    start = samples.start(weights, setting.init_bias)
    return method(samples, start, step, learning_rate=setting.learning_rate, **options)


def _isotropic(setting, step, seeds, method, **options):
    def run(seed):
        inputs, weights = draw(setting, seed)
        samples = constant_labels(inputs)
        done = trained(setting, samples, weights, step, method, loss=setting.loss, **options)
        bias, spread = (
            done.state[:, -1],
            setting.noise_scale * np.linalg.norm(done.state[:, :-1], axis=1),
        )
        return record(samples, done, bias, spread, loss=setting.loss)

    return collect(run, seeds)


@dataclass(frozen=True)
class Record:
    """One run: its trajectory and its curves, the mean of f and its standard deviation."""

    trajectory: Trajectory
    curves: Curves
    bias: np.ndarray
    spread: np.ndarray


def record(samples: Samples, done: Trajectory, bias, spread, *, loss: str = "logistic") -> Record:
    """Losses and accuracies of a trajectory whose population output is N(bias, spread^2).

    Samples are correct where z < 0.  ``bias`` and ``spread`` are (n_steps,).
    """
    if loss == "logistic":
        test = population.loss(bias, spread)
    else:
        test = population.exponential_loss(bias, spread)
    train, train_accuracy = on_samples(samples, done, loss)
    accuracy = population.accuracy(bias, spread)
    return Record(done, Curves(done.step, train, test, train_accuracy, accuracy), bias, spread)


def on_samples(samples: Samples, done: Trajectory, loss: engine.Loss = "logistic"):
    """Mean loss and accuracy on samples at the recorded steps; both (n_steps,)."""
    z = samples.logits(done.state)
    return engine.loss_terms(loss).value(z).mean(axis=1), np.mean(z < 0, axis=1)


def collect(run: Callable[[int], Record], seeds: Iterable[int]) -> Runs:
    """``run`` every seed and stack the records; ValueError if ``seeds`` is empty."""
    records = [run(seed) for seed in validate.seeds("seeds", seeds)]
    shortest = min((one.curves.step for one in records), key=len)
    n = shortest.size

    def stack(values):
        return np.stack([value[:n] for value in values])

    names = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
    return Runs(
        Curves(
            shortest, *(stack([getattr(one.curves, name) for one in records]) for name in names)
        ),
        stack([one.bias for one in records]),
        stack([one.spread for one in records]),
        np.array([one.trajectory.gradients for one in records]),
        tuple(one.trajectory.stopped for one in records),
    )
