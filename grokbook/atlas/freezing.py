"""When gradient descent stops because its steps are rounded away: predicted, and run.

Late in logistic regression the bias moves by 1/t a step, whatever the learning rate and the data.
Once that is less than half the spacing of the numbers around b, the rounded sum is b again.
Derived for this book; not in papers LS or NS.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from grokbook import validate
from grokbook.logistic import simulate, theory
from grokbook.logistic.setting import LogisticSetting

# A step of delta spacings moves b by round(delta): it spends ln((2k+1)/(2k-1))/k on k spacings.
ROUNDED = math.fsum(math.log((2 * k + 1) / (2 * k - 1)) / k for k in range(1, 100_000))


@dataclass(frozen=True)
class Descent:
    """Several seeds of plain gradient descent with rounded weights.

    Attributes
    ----------
    step : (n_steps,) array
    bias, spread : (n_seeds, n_steps) arrays
        b and sigma norm S at these steps.
    moving : (n_seeds, n_steps) array of bool
        Whether an entry of S differs from its value at the record before.
    last_move : (n_seeds,) array
        The last step that changed b.
    """

    step: np.ndarray
    bias: np.ndarray
    spread: np.ndarray
    moving: np.ndarray
    last_move: np.ndarray


def round_to(values, bits: int) -> np.ndarray:
    """Nearest numbers with a significand of ``bits`` bits, ties to even; no limit on exponents."""
    fraction, exponent = np.frexp(values)
    return np.ldexp(np.rint(np.ldexp(fraction, bits)), exponent - bits)


def descend(
    setting: LogisticSetting,
    step,
    seeds: Iterable[int],
    *,
    bits: int | None = None,
    dtype: str = "float64",
) -> Descent:
    """Full-batch gradient descent on the logistic loss, all seeds at once.

    The points have the label -1: the gradient of one with output f is sigma(f), which keeps its
    relative accuracy however small it gets.  ValueError for a setting with another loss.

    Parameters
    ----------
    step : (n_steps,) array
        Whole, non-negative and increasing: what is recorded.
    bits : int, optional
        Round S and b to so many bits after each step, and nothing else.
    dtype : {"float64", "float32"}
        In which everything is computed: points, outputs, sums, gradients and steps.
    """
    step = validate.whole_steps("step", step).astype(int)
    seeds = validate.seeds("seeds", seeds)
    validate.choice("dtype", dtype, ("float64", "float32"))
    validate.choice("loss", setting.loss, ("logistic",))
    if bits is not None:
        validate.count("bits", bits, at_least=2)
    drawn = [simulate.draw(setting, seed) for seed in seeds]
    inputs = np.stack([one for one, _ in drawn]).astype(dtype)
    weights = np.stack([one for _, one in drawn])[..., None].astype(dtype)
    bias = np.full((len(seeds), 1, 1), setting.init_bias, dtype)
    rate = np.asarray(setting.learning_rate / setting.n_train, dtype)
    turned = np.ascontiguousarray(inputs.transpose(0, 2, 1))
    keep = (lambda values: values) if bits is None else (lambda values: round_to(values, bits))
    weights, bias = keep(weights), keep(bias)
    last, now, before, records = np.zeros(len(seeds), int), 0, weights, []
    for target in step:
        for count in range(now + 1, target + 1):
            pull = expit(inputs @ weights + bias)
            moved = keep(bias - rate * pull.sum(axis=1, keepdims=True))
            weights = keep(weights - rate * (turned @ pull))
            last[(moved != bias)[:, 0, 0]] = count
            bias = moved
        now = target
        size = setting.noise_scale * np.linalg.norm(weights.astype(float), axis=1)
        changed = (weights != before).any(axis=(1, 2))
        records.append((bias[:, 0, 0].astype(float), size[:, 0], changed))
        before = weights
    bias, spread, moving = (np.stack(one, axis=-1) for one in zip(*records, strict=True))
    return Descent(step, bias, spread, moving, last)


def freezing_step(setting: LogisticSetting, bits: int) -> float:
    """The step after which b no longer moves, from the setting alone; lambda < 1/2.

    Late b = -log(eta L t), L = min mean e^(S.x) of :func:`grokbook.logistic.theory.minimiser`.
    Its exact step 1/t is half a spacing of b at t = 2 / spacing.  Rounded steps get there sooner,
    at ``ROUNDED`` / spacing = 1.750 / spacing, as those of over half a spacing are rounded up.
    """
    validate.count("bits", bits, at_least=2)
    log_rate = math.log(setting.learning_rate) + math.log(theory.minimiser(setting.aspect_ratio)[1])
    for octave in range(-bits, 64):
        enters, leaves = (math.exp(min(2.0**k, 700) - log_rate) for k in (octave, octave + 1))
        stop = max(ROUNDED * 2.0 ** (bits - 1 - octave), enters)
        if stop < leaves:
            return stop
    raise ValueError(f"bits = {bits}: must be fewer, b does not freeze below 2^64")
