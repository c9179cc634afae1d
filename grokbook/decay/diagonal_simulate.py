"""Gradient flow of diagonal linear networks with weight decay, exactly and in n unknowns.

With g the gradient of the loss in w = u^2 - v^2, the flow is du/dt = -2 g u - lambda u and
dv/dt = 2 g v - lambda v.  So u v = s^2 with s = alpha exp(-lambda t), u = s exp(a), v = s exp(-a),
w = 2 s^2 sinh(2 a), and a, which starts at 0 and moves along gradients, is a combination of the
inputs: a = sum_i c_i x_i with dc_i/dt = -(2/n) l'_i.  The n numbers c are all that has to be found,
and decay enters through s alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, ndtr

from grokbook import validate
from grokbook.curves import Curves
from grokbook.decay.diagonal_setting import DiagonalSetting, Samples, patterns

# With more inputs Newton's matrix is approximate, and takes so many of them exactly.
_MANY, _TOP = 1000, 400
_NODE, _WEIGHT = np.polynomial.hermite_e.hermegauss(40)
_WEIGHT = _WEIGHT / _WEIGHT.sum()


def logistic(output, target):
    """-l' and l'' of log(1 + exp(-q)); ``target`` is not used."""
    pull = expit(-output)
    return pull, pull * (1 - pull)


def exponential(output, target):
    """-l' and l'' of exp(-q); ``target`` is not used."""
    pull = np.exp(-output)
    return pull, pull


def squared(output, target):
    """-l' and l'' of (f - y)^2."""
    return 2 * (target - output), np.full_like(output, 2.0)


@dataclass(frozen=True)
class Path:
    """A run in n unknowns.

    Attributes
    ----------
    clock : (n_times,) array
        tau = lambda t, with t the steps times the learning rate.
    scale : (n_times,) array
        s = alpha exp(-tau).
    coefficient, output : (n_times, n) arrays
        c, and the outputs on the training samples: margins, for classification.
    """

    clock: np.ndarray
    scale: np.ndarray
    coefficient: np.ndarray
    output: np.ndarray

    def weights(self, samples: Samples) -> np.ndarray:
        """w at each time, (n_times, d)."""
        pairs = zip(self.scale, self.coefficient, strict=True)
        return np.array([_weights(samples, *pair)[1] for pair in pairs])

    def parameter_norm(self, samples: Samples) -> np.ndarray:
        """Norm of (u, v) at each time; its square is the sum of 2 s^2 cosh(2 a)."""
        pairs = zip(self.scale, self.coefficient, strict=True)
        return np.array(
            [s * (2 * np.cosh(2 * (c @ samples.inputs)).sum()) ** 0.5 for s, c in pairs]
        )


def grid(last: float, width: float, first: float = 1e-5, factor: float = 2.0) -> np.ndarray:
    """Times tau up to ``last``: each ``factor`` times the one before, then multiples of ``width``.

    They start at ``first`` or just below.
    """
    validate.number("width", width, above=0)
    validate.number("last", last, at_least=width)
    validate.number("first", first, above=0, below=width)
    validate.number("factor", factor, above=1, at_most=2.4)
    n_early = int(np.ceil(np.log(width / first) / np.log(factor)))
    early = width * factor ** -np.arange(n_early, 0.0, -1)
    return np.concatenate([early, width * np.arange(1, round(last / width) + 1)])


def flow(setting: DiagonalSetting, samples: Samples, clock, *, loss: Callable = logistic) -> Path:
    """Gradient flow from u = v = alpha, at the times ``clock``, which are the integrator's too.

    Backward differences of second order in tau; each step by Newton's method on the n outputs,
    which barely move while c grows by orders of magnitude.  ValueError if the times are not as
    described, or Newton's method fails at one of them.

    Parameters
    ----------
    clock : (n_times,) array
        tau > 0, each step at most 2.4 times the one before; see :func:`grid`.
    loss : callable
        (output, target) to -l' and l'', such as :func:`logistic`.
    """
    clock = validate.steps("clock", clock)
    width = np.diff(clock, prepend=0.0)
    if clock[0] == 0 or np.any(width[1:] > 2.41 * width[:-1]):
        raise ValueError(f"clock = {clock}: must be > 0, its steps growing by 2.4 at most")
    scale = setting.init_scale * np.exp(-clock)
    grow = np.append(0.0, width[1:] / width[:-1])
    pull = 2 / (len(samples.inputs) * setting.weight_decay) * width * (1 + grow) / (1 + 2 * grow)
    c, q = [[np.zeros(len(samples.inputs))] * 2 for _ in range(2)]
    for k, ratio in enumerate(grow):
        base = ((1 + ratio) ** 2 * c[-1] - ratio**2 * c[-2]) / (1 + 2 * ratio)
        found = _implicit(samples, loss, scale[k], base, pull[k], 2 * q[-1] - q[-2])
        if found is None:
            raise ValueError(f"clock[{k}] = {clock[k]:g}: Newton's method fails, take finer steps")
        c.append(found[0])
        q.append(found[1])
    return Path(clock, scale, np.array(c[2:]), np.array(q[2:]))


def _weights(samples, scale, coefficient):
    """a and w."""
    a = coefficient.astype(samples.inputs.dtype) @ samples.inputs
    with np.errstate(over="ignore", invalid="ignore"):
        return a, 2 * scale**2 * np.sinh(2.0 * a.astype(float))


def _implicit(samples, loss, scale, base, pull, output):
    """c and q with c = base - pull l'(q), q the outputs at c; None if Newton's method fails."""
    tolerance = 3e-5 if samples.inputs.dtype == np.float32 else 1e-10
    # Margins guessed too low make c, and w exponentially, far too large: c grows by less in a step.
    most = np.inf if samples.target.any() else 10 * np.max(np.abs(base)) or np.inf
    for _ in range(200):
        slope, curvature = loss(output, samples.target)
        coefficient = base + pull * slope
        wild = np.abs(pull * slope) > most
        if wild.any():
            output = output + 0.5 * wild
            continue
        a, weights = _weights(samples, scale, coefficient)
        miss = output - samples.inputs @ weights.astype(samples.inputs.dtype)
        if not np.all(np.isfinite(miss)):
            output = output + 1
            continue
        if np.max(np.abs(miss)) <= tolerance * (1 + np.max(np.abs(output))):
            return coefficient, output
        matrix = _sensitivity(samples, scale, a) * (pull * curvature)
        matrix[np.diag_indices_from(matrix)] += 1
        change = np.linalg.solve(matrix, miss)
        output = output - change * min(1, 3 / np.max(np.abs(change)))
    return None


def _sensitivity(samples, scale, a):
    """dq/dc, (n, n); with many inputs by the mean of cosh(2 a) for all but the largest of a."""
    stretch = 4 * scale**2 * np.cosh(2.0 * a.astype(float))
    if len(a) <= _MANY:
        return (samples.inputs * stretch) @ samples.inputs.T
    top = np.argpartition(stretch, -_TOP)[-_TOP:]
    mean = (stretch.sum() - stretch[top].sum()) / (len(stretch) - _TOP)
    some = samples.inputs[:, top].astype(float)
    return mean * samples.gram + (some * (stretch[top] - mean)) @ some.T


def gradient_descent(
    setting: DiagonalSetting, samples: Samples, step, *, loss: Callable = logistic
) -> tuple[np.ndarray, np.ndarray]:
    """The plain loop on u and v, 2 d numbers, as the authors train.

    ValueError if the steps are not whole numbers, non-negative and increasing.

    Returns
    -------
    u, v : (n_steps, d) arrays
        At the steps recorded.
    """
    step = validate.whole_steps("step", step)
    inputs, kept = samples.inputs, []
    u, v = np.full((2, inputs.shape[1]), setting.init_scale, dtype=inputs.dtype)
    shrink = inputs.dtype.type(setting.learning_rate * setting.weight_decay)
    for k in range(int(step[-1]) + 1):
        if k in step:
            kept.append((u.copy(), v.copy()))
        slope, _ = loss(np.asarray(inputs @ (u**2 - v**2), float), samples.target)
        push = (2 * setting.learning_rate / len(inputs) * slope).astype(inputs.dtype) @ inputs
        u, v = u + push * u - shrink * u, v - push * v - shrink * v
    u, v = zip(*kept, strict=True)
    return np.array(u), np.array(v)


def population(setting: DiagonalSetting, samples: Samples, weights) -> tuple[float, float]:
    """Logistic loss and accuracy of weights (d,) on fresh points of a classification.

    The margin is a mixture of Gaussians: exactly for ``gap``, by the central limit theorem over
    the coordinates without signal for ``votes``.  ValueError for a regression.
    """
    if setting.data == "regression":
        raise ValueError(f"data = {setting.data!r}: must be a classification")
    weights = validate.array("weights", weights, shape=samples.teacher.shape)
    if setting.data == "votes":
        k = setting.n_signal
        signs = patterns(k)
        mean = np.sign(signs.sum(axis=1)) * (signs @ weights[:k])
        chance, rest = np.full(2**k, 0.5**k), weights[k:] @ weights[k:]
    else:
        along = weights @ samples.teacher
        mean, chance = (np.abs(_NODE) + setting.gap / 2) * along, _WEIGHT
        rest = max(weights @ weights - along**2, 0.0)
    margin = mean[:, None] + rest**0.5 * _NODE
    loss = chance @ np.logaddexp(0, -margin) @ _WEIGHT
    return loss, chance @ ndtr(mean / max(rest, 1e-300) ** 0.5)


def curves(setting: DiagonalSetting, samples: Samples, path: Path) -> Curves:
    """Logistic losses and accuracies of a path, by steps of gradient descent."""
    fresh = [population(setting, samples, one) for one in path.weights(samples)]
    loss, accuracy = np.transpose(fresh)
    return Curves(
        setting.step(path.clock),
        np.logaddexp(0, -path.output).mean(axis=1),
        loss,
        (path.output > 0).mean(axis=1),
        np.clip(accuracy, 0, 1),
    )
