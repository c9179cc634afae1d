"""One remedy, several models: a plain loop that takes any gradient, and the rule of the verdicts.

A model is a :class:`Model`: its initial weights, one run a row, and the gradient of its loss.  A
remedy is an argument of :func:`descend` (decay, ⊥Grad, a mask), another format of the weights, or
another loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from grokbook import validate
from grokbook.linear import simulate as linear_simulate
from grokbook.linear.setting import LinearSetting
from grokbook.logistic import simulate as logistic_simulate
from grokbook.logistic.setting import LogisticSetting

# The range of the ratio of times in which nothing is said to have changed.
SAME = (0.8, 1.25)


@dataclass(frozen=True)
class Model:
    """Runs of a model: ``start`` (n_runs, ...) initial weights, the gradient there as a function,
    the learning rate, and how many last entries are ``free``, biases that no projection and no mask
    touches."""

    start: np.ndarray
    gradient: Callable[[np.ndarray], np.ndarray]
    learning_rate: float
    free: int = 0


def without(gradient, weights):
    """Gradients of several runs, each less its part along the run's weights; as it is at zero."""
    axes = tuple(range(1, weights.ndim))
    square = (weights**2).sum(axes, keepdims=True)
    share = (gradient * weights).sum(axes, keepdims=True) / np.where(square > 0, square, 1)
    return gradient - share * weights


def descend(model: Model, step, *, decay: float = 0.0, orthogonal: bool = False, mask=None):
    """Gradient descent W <- W - eta (g(W) + decay W) in the format of the initial weights.

    ValueError if the steps are not whole, or decay is negative.

    Parameters
    ----------
    step : (n_steps,) array
        Whole numbers, increasing: the steps to record.
    decay : float
        Weight decay, on all entries.
    orthogonal : bool
        Take from the gradient of each run its part along the weights (NS Eq. 12, ⊥Grad).
    mask : array of zeros and ones, optional
        Broadcasts to the weights without the free entries: these start, and stay, at zero where the
        mask is zero.

    Returns
    -------
    (n_steps, n_runs, ...) array
    """
    step = validate.whole_steps("step", step)
    validate.number("decay", decay, at_least=0)
    weights = model.start.copy()
    held = (..., slice(None, -model.free or None))
    kept, now, recorded = 1 - model.learning_rate * decay, 0, []
    if mask is not None:
        weights[held] *= mask
    for target in step.astype(int):
        for _ in range(now, target):
            change = model.gradient(weights)
            if orthogonal:
                change[held] = without(change[held], weights[held])
            if mask is not None:
                change[held] *= mask
            weights = kept * weights - model.learning_rate * change
        now = target
        recorded.append(weights)
    return np.stack(recorded)


def linear(setting: LinearSetting, seeds: Iterable[int], dtype="float64") -> Model:
    """LE's student with one output on the draws of ``grokbook.linear.simulate``; weights (n, d).

    ValueError for more outputs, or weight decay: that is an argument of :func:`descend`.
    """
    if setting.d_out != 1:
        raise ValueError(f"d_out = {setting.d_out}: must be 1 here")
    validate.zero(setting, "weight_decay")
    draws = [linear_simulate.draw(setting, seed) for seed in validate.seeds("seeds", seeds)]
    labels = [one.inputs @ one.teacher + one.noise for one in draws]
    back = [2 * one.inputs.T / setting.n_train for one in draws]
    curvature = np.stack([a @ one.inputs for a, one in zip(back, draws, strict=True)]).astype(dtype)
    pull = np.stack([a @ one for a, one in zip(back, labels, strict=True)]).astype(dtype)

    def gradient(weights):
        return (curvature @ weights[..., None] - pull)[..., 0]

    start = np.stack([one.student[:, 0] for one in draws]).astype(dtype)
    return Model(start, gradient, setting.learning_rate)


def linear_loss(setting: LinearSetting, seeds: Iterable[int], weights) -> np.ndarray:
    """Population loss norm(S - T)^2 of records (n_steps, n_runs, d); (n_runs, n_steps)."""
    teacher = np.stack([linear_simulate.draw(setting, seed).teacher[:, 0] for seed in seeds])
    return np.sum((weights - teacher) ** 2, axis=-1).T


def logistic(setting: LogisticSetting, seeds: Iterable[int], dtype="float64") -> Model:
    """LS's model on the draws of ``grokbook.logistic.simulate``; weights (n, d + 1), bias last.

    ValueError for a setting with another loss than the logistic one.
    """
    validate.choice("loss", setting.loss, ("logistic",))
    draws = [logistic_simulate.draw(setting, seed) for seed in validate.seeds("seeds", seeds)]
    inputs = np.stack([np.hstack([one, np.ones((len(one), 1))]) for one, _ in draws]).astype(dtype)
    back = inputs.transpose(0, 2, 1) / inputs.dtype.type(setting.n_train)

    def gradient(weights):
        return (back @ expit(inputs @ weights[..., None]))[..., 0]

    start = np.stack([np.append(weights, setting.init_bias) for _, weights in draws]).astype(dtype)
    return Model(start, gradient, setting.learning_rate, free=1)


@dataclass(frozen=True)
class Verdict:
    """A word, and the ratio of times behind it: its 10, 50 and 90 % quantiles over seeds."""

    word: str
    low: float
    middle: float
    high: float


WORDS = ("helps", "changes nothing", "hurts", "kills the transition")


def verdict(control, remedied, *, beyond=None) -> Verdict:
    """What a remedy does to the generalisation time, by one rule.

    With r the ratio of the times of a seed (1 where neither run generalises, 0 where the control
    alone does not): it *kills the transition* if most remedied runs do not generalise in their
    budget though most controls do, or if most do so on both sides of a critical point beyond which
    the controls do not; else it *helps* if the 90 % quantile of r is below 0.8, *hurts* if the 10 %
    quantile is above 1.25, and *changes nothing* that can be told otherwise.  ValueError if the
    times are not positive, or these or ``beyond`` of different shapes.

    Parameters
    ----------
    control, remedied : (n_seeds,) arrays
        Generalisation times in steps, ``inf`` where there is none in the budget.
    beyond : (n_seeds,) array, optional
        Times of remedied runs beyond the critical point of the model.
    """
    control, remedied = np.asarray(control, float), np.asarray(remedied, float)
    if control.shape != remedied.shape or control.ndim != 1 or not control.size:
        raise ValueError(
            f"remedied has shape {remedied.shape}: must be {control.shape}, (n_seeds,)"
        )
    if not (np.all(control > 0) and np.all(remedied > 0)):
        raise ValueError("control, remedied hold times <= 0: must be > 0")
    if beyond is not None and np.shape(beyond) != control.shape:
        raise ValueError(f"beyond has shape {np.shape(beyond)}: must be {control.shape}")
    neither = np.isinf(control) & np.isinf(remedied)
    ratio = np.where(neither, 1.0, remedied / np.where(neither, 1.0, control))
    low, middle, high = np.quantile(ratio, (0.1, 0.5, 0.9), method="nearest")
    gone = (
        beyond is not None
        and np.isfinite(np.quantile([remedied, beyond], 0.5, axis=1, method="nearest")).all()
    )
    if gone or np.isinf(middle):
        word = WORDS[3]
    elif high < SAME[0]:
        word = WORDS[0]
    else:
        word = WORDS[2] if low > SAME[1] else WORDS[1]
    return Verdict(word, low, middle, high)
