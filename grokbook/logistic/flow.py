"""Training on given samples: gradient flow in log time, the bias clock, the plain loop, Adam.

A sample enters the loss only through z = S.v + c b with v = -y x and c = -y: it is correct if
z < 0, and the loss is the mean of log(1 + e^z) or e^z.  With constant labels -1, v = x and c = 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import expit, logsumexp

from grokbook import validate
from grokbook.logistic import chebyshev
from grokbook.logistic.setting import LOSSES

TOLERANCE = 1e-4
_SMALLEST = 1e-6  # a state below this needs no relative accuracy
_PROBE = np.array([-3.14, -1.73, -0.57, 0.43, 1.41, 2.72])  # where a reader's loss is tried
_BEND = 1e-3  # half the width over which its slope is compared

# A name of ``LOSSES``, or the reader's own: from an array z to the losses and derivatives there.
Loss = str | Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class LossTerms:
    """A loss of z = -y f(x), minus the margin, and its derivatives; functions of arrays of z."""

    value: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    curvature: Callable[[np.ndarray], np.ndarray]


_LOSSES = {
    "logistic": LossTerms(lambda z: np.logaddexp(0, z), expit, lambda z: expit(z) * expit(-z)),
    "exponential": LossTerms(np.exp, np.exp, np.exp),
}


def loss_terms(loss: Loss) -> LossTerms:
    """The terms of a named loss, or of any function that returns (loss, derivative) at each z.

    Its curvature, which only sets the length of steps, is a difference.  ValueError if it is
    neither a name nor such a function; the derivative is tried at six values of z.
    """
    if not callable(loss):
        if loss not in LOSSES:
            names = ", ".join(map(repr, LOSSES))
            raise ValueError(f"loss = {loss!r}: must be one of {names}, or a function of z")
        return _LOSSES[loss]
    validate.loss("loss(z)", loss, _PROBE)

    def curvature(z):
        return (loss(z + _BEND)[1] - loss(z - _BEND)[1]) / (2 * _BEND)

    return LossTerms(lambda z: loss(z)[0], lambda z: loss(z)[1], curvature)


@dataclass(frozen=True)
class Samples:
    """What the loss sees: signed inputs (N, d), and the signed weight of the bias, (N,).

    ``offset`` None means a model without bias.  ValueError if shapes differ or an entry is not
    finite.
    """

    features: np.ndarray
    offset: np.ndarray | None = None

    def __post_init__(self):
        object.__setattr__(self, "features", validate.array("features", self.features, ndim=2))
        if 0 in self.features.shape:
            raise ValueError(f"features has shape {self.features.shape}: must not be empty")
        if self.offset is not None:
            shape = (self.features.shape[0],)
            object.__setattr__(self, "offset", validate.array("offset", self.offset, shape=shape))

    @property
    def n_weights(self) -> int:
        """Length of a state (S, b): d + 1, or d without bias."""
        return self.features.shape[1] + (self.offset is not None)

    def start(self, weights, bias: float = 0.0) -> np.ndarray:
        """The state (S, b), or S without bias."""
        weights = validate.array("weights", weights, shape=self.features.shape[1:])
        return weights if self.offset is None else np.append(weights, bias)

    def logits(self, state) -> np.ndarray:
        """z for states (..., n_weights): shape (..., N)."""
        state = np.asarray(state, dtype=float)
        if self.offset is None:
            return state @ self.features.T
        return state[..., :-1] @ self.features.T + state[..., -1:] * self.offset


@dataclass(frozen=True)
class Trajectory:
    """A run on given samples.

    Attributes
    ----------
    step : (n_steps,) array
        The recorded steps, those that were reached.
    state : (n_steps, n_weights) array
        (S, b) there.
    gradients : int
        Gradients evaluated, Hessian products included.
    stopped : str
        Empty if the horizon was reached, else why not.
    """

    step: np.ndarray
    state: np.ndarray
    gradients: int
    stopped: str = ""


class _Products:
    """Sums over samples, with the matrix in single precision unless ``exact``.

    Logits are then wrong by 1e-6, less than the integrator's tolerance, at half the memory traffic,
    which is what a gradient costs; the state, the losses and the bias stay in double precision.
    """

    def __init__(self, samples: Samples, exact: bool):
        self.type = np.float64 if exact else np.float32
        self.matrix = np.ascontiguousarray(samples.features, dtype=self.type)
        self.offset = samples.offset

    def logits(self, state):
        """z, (N,)."""
        inner = state if self.offset is None else state[:-1]
        z = (self.matrix @ inner.astype(self.type)).astype(float)
        return z if self.offset is None else z + self.offset * state[-1]

    def mean(self, weight):
        """Mean over samples of weight times (v, c), scaled into the range of the precision."""
        size = np.abs(weight).max() or 1.0
        total = ((weight / size).astype(self.type) @ self.matrix).astype(float)
        if self.offset is not None:
            total = np.append(total, (weight / size) @ self.offset)
        return total * (size / len(self.matrix))


def _error(tolerance, has_bias):
    """Local error over what is tolerated, for S by its norm and for b by itself."""

    def error(estimate, state):
        weights, change = (state[:-1], estimate[:-1]) if has_bias else (state, estimate)
        allowed = tolerance * max(np.sqrt(weights @ weights), _SMALLEST)
        size = np.sqrt(change @ change) / allowed
        if has_bias:
            size = max(size, abs(estimate[-1]) / (tolerance * max(abs(state[-1]), 1.0)))
        return size

    return error


def _log_time_dynamics(products, learning_rate, loss):
    """Right-hand side of the flow in u = log(1 + t), and its Jacobian times a vector."""
    last, terms = (None, None), loss_terms(loss)

    def logits(state):
        # The Jacobian is asked for where the slope was just evaluated.
        nonlocal last
        if last[0] is not state:
            last = (state, products.logits(state))
        return last[1]

    def slope(clock, state):
        z = logits(state)
        rate = np.exp(clock + z) if loss == "exponential" else np.exp(clock) * terms.slope(z)
        return -learning_rate * products.mean(rate)

    def jacobian(clock, state, vector):
        curvature = terms.curvature(logits(state))
        return -learning_rate * products.mean(np.exp(clock) * curvature * products.logits(vector))

    return slope, jacobian


def gradient_flow(
    samples: Samples,
    start,
    step,
    *,
    learning_rate: float,
    loss: Loss = "logistic",
    tolerance: float = TOLERANCE,
    exact: bool = False,
    max_gradients: int = 100_000,
) -> Trajectory:
    """Gradient flow of the mean loss, integrated in u = log(1 + t) (LS, Section 2, Eq. 7).

    In log time the flow is smooth for ever: 700 gradients reach 10^9 steps, and further decades
    cost the same each.  The method is that of :mod:`grokbook.logistic.chebyshev`: at N = 2000 a
    third of the gradients of an ordinary Runge-Kutta pair, without a Jacobian.

    Parameters
    ----------
    start : (n_weights,) array
    step : (n_steps,) array
        Time in steps of size ``learning_rate``, up to 1e300.
    loss : {"logistic", "exponential"}, or callable
        The reader's own: a function of an array z = -y f(x), minus the margin, that returns the
        loss and its derivative at each z, such as ``lambda z: (np.exp(z), np.exp(z))``.  One with a
        kink where its weights come to rest, as a squared hinge's, makes late steps stiff: past 1e5
        a run may stop short, in one draw of four, and says so.
    tolerance : float
        Relative local error; 1e-4 leaves 1e-4 in the accuracy.
    exact : bool
        Keep the features in double precision (for tolerances below 1e-5); a reader's own loss
        always does.
    max_gradients : int
        The run stops there, returns what it has reached, and says so.

    Raises
    ------
    ValueError
        If an argument is out of range or the shapes do not match.
    RuntimeError
        If the integrator fails.
    """
    step = validate.steps("step", step)
    start = validate.array("start", start, shape=(samples.n_weights,))
    validate.number("step", step[-1], above=0, at_most=1e300)
    validate.number("learning_rate", learning_rate, above=0)
    validate.number("tolerance", tolerance, above=0, below=1)
    products = _Products(samples, exact or callable(loss))
    slope, jacobian = _log_time_dynamics(products, learning_rate, loss)
    clocks = np.log1p(step)
    padded = clocks if step[0] == 0 else np.append(0.0, clocks)
    error = _error(tolerance, samples.offset is not None)
    done = chebyshev.integrate(slope, jacobian, error, padded, start, max_evaluations=max_gradients)
    state = done.state[padded.size - clocks.size :]
    return Trajectory(step[: len(state)], state, done.evaluations, done.stopped)


@dataclass(frozen=True)
class ClockedPath:
    """A flow with the falling bias as its clock.

    depth (n,) is beta = -b, weights (n, d) are S there, ``log_step`` (n,) is log t (-inf at the
    start), ``log_loss`` (n,) the log of the mean of e^(S.x), without the factor e^b.
    """

    depth: np.ndarray
    weights: np.ndarray
    log_step: np.ndarray
    log_loss: np.ndarray
    gradients: int


def bias_clock(
    inputs, weights, depth, *, learning_rate: float, tolerance: float = 1e-5
) -> ClockedPath:
    """The exponential-loss flow with beta = -b as its clock: exact to t = e^3000 and beyond.

    Dividing LS Eq. 7 by db/dt leaves dS/dbeta = -grad log L(S), with L(S) the mean of e^(S.x): no
    factor e^b, no overflow.  The time follows from dt/dbeta = e^beta / (eta L).

    Parameters
    ----------
    inputs : (N, d) array
        Points with the label -1.
    weights : (d,) array
        S at ``depth[0]``.
    depth : (n,) array
        Increasing values of beta; time is counted from the first.
    learning_rate, tolerance
        As for :func:`gradient_flow`.

    Raises
    ------
    ValueError, RuntimeError
        As :func:`gradient_flow`.
    """
    inputs = validate.array("inputs", inputs, ndim=2)
    weights = validate.array("weights", weights, shape=inputs.shape[1:])
    depth = validate.array("depth", depth, ndim=1)
    validate.number("learning_rate", learning_rate, above=0)
    validate.number("tolerance", tolerance, above=0, below=1)
    n_samples = inputs.shape[0]

    def share(z):
        p = np.exp(z - z.max())
        return p / p.sum()

    # The last entry of a state is v = eta L t e^(-beta), which stays between 0 and 1: with
    # g = grad log L, dv/dbeta = 1 - v (1 + g.g).
    def slope(clock, state):
        pull = share(inputs @ state[:-1]) @ inputs
        return np.append(-pull, 1 - state[-1] * (1 + pull @ pull))

    def bend(clock, state, vector):
        p = share(inputs @ state[:-1])
        image, pull = inputs @ vector[:-1], p @ inputs
        change = -((p * (image - p @ image)) @ inputs)
        return np.append(change, -vector[-1] * (1 + pull @ pull))

    error = _error(tolerance, True)
    start = np.append(weights, 0.0)
    done = chebyshev.integrate(slope, bend, error, depth, start)
    if done.stopped:
        raise RuntimeError(f"the bias clock stopped: {done.stopped}")
    path = done.state[:, :-1]
    log_loss = logsumexp(path @ inputs.T, axis=1) - np.log(n_samples)
    with np.errstate(divide="ignore"):
        late = np.log(np.maximum(done.state[:, -1], 0.0))
    log_step = depth + late - log_loss - np.log(learning_rate)
    return ClockedPath(depth, path, log_step, log_loss, done.evaluations)


def conformal_time(trajectory: Trajectory) -> np.ndarray:
    """tau = integral of e^b dt at each recorded step (LS, above Eq. 8); the first must be 0.

    A spline in log time; with 100 records a decade it is good to 1e-8.
    """
    if trajectory.step[0] != 0 or trajectory.step.size < 4:
        raise ValueError("trajectory: must be recorded at step 0 and at three or more later steps")
    clock = np.log1p(trajectory.step)
    return CubicSpline(clock, np.exp(trajectory.state[:, -1] + clock)).antiderivative()(clock)


def gradient_descent(
    samples: Samples, start, step, *, learning_rate: float, loss: Loss = "logistic"
) -> Trajectory:
    """The plain full-batch loop, in double precision.

    ``step`` must be whole numbers; other parameters and errors as :func:`gradient_flow`.
    """
    validate.number("learning_rate", learning_rate, above=0)
    return _loop(samples, start, step, lambda gradient, _: learning_rate * gradient, loss)


def adam(
    samples: Samples,
    start,
    step,
    *,
    learning_rate: float,
    loss: Loss = "logistic",
    betas: tuple[float, float] = (0.8, 0.9),
    epsilon: float = 1e-12,
) -> Trajectory:
    """Full-batch Adam, in double precision (LS, Appendix B, Fig. 5: on the logistic loss).

    The default ``epsilon`` is smaller than the usual 1e-8, which would freeze a run whose
    gradients have become as small as that.  Other parameters and errors as
    :func:`gradient_descent`.
    """
    validate.number("learning_rate", learning_rate, above=0)
    first, second = (validate.number("betas", beta, at_least=0, below=1) for beta in betas)
    validate.number("epsilon", epsilon, above=0)
    mean, square = np.zeros(samples.n_weights), np.zeros(samples.n_weights)

    def change(gradient, count):
        nonlocal mean, square
        mean = first * mean + (1 - first) * gradient
        square = second * square + (1 - second) * gradient**2
        corrected = np.sqrt(square / (1 - second**count)) + epsilon
        return learning_rate * mean / (1 - first**count) / corrected

    return _loop(samples, start, step, change, loss)


def _loop(samples, start, step, change, loss):
    """Subtract ``change(gradient, count)`` from the state up to the last step."""
    step = validate.whole_steps("step", step)
    slope = loss_terms(loss).slope
    state = validate.array("start", start, shape=(samples.n_weights,)).copy()
    products = _Products(samples, exact=True)
    now, recorded = 0, []
    for target in step.astype(int):
        for count in range(now + 1, target + 1):
            state = state - change(products.mean(slope(products.logits(state))), count)
        now = int(target)
        recorded.append(state)
    return Trajectory(step, np.array(recorded), now)
