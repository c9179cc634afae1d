"""⊥Grad (paper NS, Eq. 12) on the book's other models, and weight decay as a stopping time.

What is projected is written out: the weights S alone, S and bias together, or each parameter tensor
by itself as the authors' code does.  Derived for this book; not in papers LE, LS or NS.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.integrate import cumulative_trapezoid
from scipy.optimize import brentq
from scipy.special import expit

from grokbook import validate
from grokbook.atlas import remedies
from grokbook.atlas.tails import ridge
from grokbook.linear import simulate as linear
from grokbook.linear.setting import LinearSetting
from grokbook.logistic import edge, population, simulate
from grokbook.logistic.flow import Samples, loss_terms
from grokbook.logistic.setting import LogisticSetting

_RESTS = 1e-4  # slope d ln norm S / d ln beta that the path gives to a few digits
PROJECTIONS = ("nothing", "weights", "jointly", "each tensor")


@dataclass(frozen=True)
class Descent:
    """Logistic regression by steps: ``step`` (n_steps,), ``state`` (S, b) (n_seeds, n_steps, d+1).

    ``train_loss`` (n_seeds, n_steps) is the mean logistic loss, ``noise_scale`` sigma.
    """

    step: np.ndarray
    state: np.ndarray
    train_loss: np.ndarray
    noise_scale: float

    @property
    def norm(self) -> np.ndarray:
        """norm S, (n_seeds, n_steps)."""
        return np.linalg.norm(self.state[..., :-1], axis=-1)

    @property
    def accuracy(self) -> np.ndarray:
        """On the population, (n_seeds, n_steps)."""
        return population.accuracy(self.state[..., -1], self.noise_scale * self.norm)


def descend(
    setting: LogisticSetting, step, seeds: Iterable[int], *, projected: str = "nothing"
) -> Descent:
    """Gradient descent on the logistic loss with ⊥Grad, without its rescaling.

    ValueError for a setting with another loss, or bad steps, seeds or projection.

    Parameters
    ----------
    step : (n_steps,) array
        Whole, non-negative and increasing: what is recorded.
    projected : {"nothing", "weights", "jointly", "each tensor"}
        Of whose direction the gradient is rid: none; that of S, for the gradient of S; that of
        (S, b), for the gradient of both; those of S and of b, each for its own gradient.
    """
    step = validate.whole_steps("step", step).astype(int)
    seeds = validate.seeds("seeds", seeds)
    validate.choice("projected", projected, PROJECTIONS)
    validate.choice("loss", setting.loss, ("logistic",))
    drawn = [simulate.draw(setting, seed) for seed in seeds]
    inputs = np.stack([np.column_stack([x, np.ones(len(x))]) for x, _ in drawn])
    state = np.stack([np.append(weights, setting.init_bias) for _, weights in drawn])
    turned = np.ascontiguousarray(inputs.transpose(0, 2, 1))

    def slope(state):
        gradient = (turned @ expit(inputs @ state[..., None]))[..., 0] / setting.n_train
        if projected == "jointly":
            gradient = remedies.without(gradient, state)
        elif projected != "nothing":
            gradient[:, :-1] = remedies.without(gradient[:, :-1], state[:, :-1])
        if projected == "each tensor":
            gradient[:, -1:] = np.where(state[:, -1:] == 0, gradient[:, -1:], 0.0)
        return gradient

    states = remedies.descend(remedies.Model(state, slope, setting.learning_rate), step)
    losses = [np.logaddexp(0, inputs @ one[..., None]).mean(axis=(1, 2)) for one in states]
    return Descent(step, np.stack(states, 1), np.stack(losses, 1), setting.noise_scale)


def decayed(samples: Samples, decay: float, start=None) -> np.ndarray:
    """(S, b) where the logistic loss with weight decay on both comes to rest.

    ``decay`` > 0 multiplies half their squared length; ``start`` (d + 1,) saves iterations.
    """
    start = np.zeros(samples.n_weights) if start is None else start
    return ridge(samples, loss_terms("logistic"), decay, start)


def on_sphere(samples: Samples, radius: float) -> np.ndarray:
    """The least logistic loss on the sphere of a radius, at (S, b): :func:`decayed` of that norm.

    The norm falls as the decay grows, so there is one decay for it; a convex loss without a
    minimum has its least value in the ball on the sphere.

    ValueError if ``radius`` is not positive; RuntimeError if no decay above e^-60 gives it.
    """
    validate.number("radius", radius, above=0)
    last = np.zeros(samples.n_weights)

    def excess(log_decay):
        nonlocal last
        last = decayed(samples, math.exp(log_decay), last)
        return math.log(np.linalg.norm(last) / radius)

    high = 3.0
    while excess(high) > 0:
        high += 3
    low = high - 3
    while excess(low) < 0:
        low -= 3
        if low < -60:
            raise RuntimeError(f"radius = {radius:g}: no decay found")
    return decayed(samples, math.exp(brentq(excess, low, low + 3, xtol=1e-8)), last)


@dataclass(frozen=True)
class Stopped:
    """N, d -> inf, by spread: where decay rests, and the flow at that spread; all (n,).

    ``log_decay``, its ``depth`` -b and ``score``, log t and ``flow_score``; a score is z of the
    accuracy Phi(z).
    """

    log_decay: np.ndarray
    depth: np.ndarray
    score: np.ndarray
    log_step: np.ndarray
    flow_score: np.ndarray


def stopped(setting: LogisticSetting, depth) -> Stopped:
    """Weight decay against a stopped flow, both for large N and on the exponential loss.

    With beta = -b, decay rests where S = -beta grad log L(S), L = mean e^(S.x), and the flow obeys
    dS/dbeta = -grad log L(S).  On the flow's path, where norm S has the slope s = d ln norm S /
    d ln beta, decay has therefore the depth beta / s: at one norm it is deeper by the factor 1/s,
    one where S grows with beta, three at lambda = 1/2, without bound where S rests.  Its strength
    is e^-beta L / beta at its own depth.

    Parameters as for :func:`grokbook.logistic.edge.growth`; ``depth`` dense in its logarithm.  The
    result is shorter where S no longer grows within rounding.
    """
    path = edge.growth(setting, depth)
    slope = np.gradient(np.log(path.spread), np.log(path.depth))
    clock = setting.noise_scale**2 * path.depth
    log_loss = -cumulative_trapezoid((slope * path.spread / clock) ** 2, clock, initial=0)
    grows = np.cumprod(slope > _RESTS).astype(bool)
    deeper = path.depth[grows] / slope[grows]
    return Stopped(
        log_loss[grows] - deeper - np.log(deeper),
        deeper,
        deeper / path.spread[grows],
        path.log_step,
        path.depth / path.spread,
    )


def linear_descent(setting: LinearSetting, step, seeds: Iterable[int], *, projected: bool = True):
    """⊥Grad, or plain gradient descent, on the linear estimator of one output, without decay.

    Steps are taken in the eigenvectors of the training covariance, where they are the same.

    Parameters
    ----------
    setting : LinearSetting
        With one output, no decay and no label noise.
    step : (n_steps,) array
        Whole, non-negative and increasing.

    Returns
    -------
    dict
        ``train_loss``, ``test_loss`` and ``norm`` norm S, each (n_seeds, n_steps); ``teacher``
        norm T, (n_seeds,).
    """
    step = validate.whole_steps("step", step)
    if setting.d_out != 1 or setting.weight_decay or setting.label_noise:
        raise ValueError("setting: must have d_out = 1, no weight_decay and no label_noise")
    drawn = [linear.draw(setting, seed) for seed in validate.seeds("seeds", seeds)]
    modes = [np.linalg.eigh(one.inputs.T @ one.inputs / setting.n_train) for one in drawn]
    value = np.stack([one for one, _ in modes])
    turned = [(v.T @ one.student[:, 0], v.T @ one.teacher[:, 0]) for (_, v), one in
              zip(modes, drawn, strict=True)]  # fmt: skip
    student, teacher = (np.stack(one) for one in zip(*turned, strict=True))

    def slope(state):
        gradient = 2 * value * (state - teacher)
        return remedies.without(gradient, state) if projected else gradient

    path = remedies.descend(remedies.Model(student, slope, setting.learning_rate), step)
    apart = (path - teacher) ** 2
    return {
        "train_loss": (value * apart).sum(axis=2).T,
        "test_loss": apart.sum(axis=2).T,
        "norm": np.linalg.norm(path, axis=2).T,
        "teacher": np.linalg.norm(teacher, axis=1),
    }
