"""Adam on a gradient that falls exponentially: how fast can it fall?

For a loss that is a power of the size of the weights (StableMax at large logits), and a step
relative to their norm, training settles in a state of constant rates.  No part of this module
trains anything.
"""

from __future__ import annotations

import math

from scipy.optimize import brentq

from grokbook import validate


def fastest_fall(beta2: float) -> float:
    """Largest rate, per step, at which gradients can fall under Adam in a steady state.

    Adam's denominator sqrt(v) remembers old gradients and falls by sqrt(beta2) a step at most:
    -ln(beta2) / 2.

    Parameters
    ----------
    beta2 : float
        In (0, 1).
    """
    return -math.log(validate.number("beta2", beta2, above=0, below=1)) / 2


def adam_ratio(fall: float, beta1: float = 0.9, beta2: float = 0.95) -> float:
    """Size of Adam's m / sqrt(v) when the gradient falls as exp(-fall t), at late times.

    1 for a constant gradient, 0 at :func:`fastest_fall`.

    Raises
    ------
    ValueError
        If ``fall`` is outside [0, fastest_fall(beta2)], or beta1 exp(fall) reaches 1.
    """
    validate.number("beta1", beta1, at_least=0, below=1)
    validate.number("fall", fall, at_least=0, at_most=fastest_fall(beta2))
    if beta1 * math.exp(fall) >= 1:
        raise ValueError(f"fall = {fall}: must be below {-math.log(beta1)}, as beta1 = {beta1}")
    first = (1 - beta1) / (1 - beta1 * math.exp(fall))
    second = max(1 - beta2 * math.exp(2 * fall), 0.0) / (1 - beta2)
    return first * math.sqrt(second)


def steady_fall(speed: float, degree: float, beta1: float = 0.9, beta2: float = 0.95) -> float:
    """Rate at which the gradient falls, with a step relative to the weight norm.

    The norm grows at the rate speed * m / sqrt(v) and the gradient is its power -degree, so the
    rate x solves x = degree * speed * adam_ratio(x).

    Parameters
    ----------
    speed : float
        > 0: growth of log ||w|| a step if m / sqrt(v) were 1; the relative learning rate times
        sqrt(n_weights) over the initial norm, times the alignment of step and weights.
    degree : float
        > 0: 7 for StableMax and three homogeneous layers.
    """
    validate.number("speed", speed, above=0)
    validate.number("degree", degree, above=0)
    limit = fastest_fall(beta2)
    return brentq(lambda x: degree * speed * adam_ratio(x, beta1, beta2) - x, 0, limit)
