"""Training of the ReLU network on drawn XOR clusters (paper XC): the exact reduction and the loop.

Gradient descent moves each neuron in the span of the training inputs, so outputs depend on the data
through inner products alone: those of the samples with the training inputs (the Gram matrix) and
with the initial weights.  :func:`draw` draws these without the d_in-dimensional vectors, in the
same law; :func:`descend` trains on them.  :func:`descend_directly` is the plain loop on full
vectors.

Weights, pre-activations and outputs are in units of the step size alpha throughout, which keeps
them of order one and leaves the signs alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import count

import numpy as np
from scipy import sparse
from scipy.special import expit

from grokbook import randomness, validate
from grokbook.curves import Curves
from grokbook.xor.setting import XorSetting

LOSSES = ("logistic", "linear")
# Above this share of changed activations a dense product is faster than a sparse one.
_DENSE = 0.04
# Neurons that the loop on full vectors updates at once.
_BLOCK = 100


@dataclass(frozen=True)
class Data:
    """Data of one draw, as far as training and testing can see them, and the output weights.

    Samples are the n_train training inputs, then the n_test test inputs.

    Attributes
    ----------
    setting : XorSetting
    cluster : (n_train + n_test,) int array
        0, 1, 2, 3 for the centres +mu_1, -mu_1, +mu_2, -mu_2.
    flipped : (n_train,) bool array
        Whether the training label is wrong.
    sign : (width,) array
        +1 or -1: sqrt(width) times the output weight a_j.
    gram : (n_train + n_test + 2, n_train) array
        Inner products of the samples, then mu_1 and mu_2, with the training inputs.
    """

    setting: XorSetting
    cluster: np.ndarray
    flipped: np.ndarray
    sign: np.ndarray
    gram: np.ndarray

    @cached_property
    def clean(self) -> np.ndarray:
        """Clean labels +1 or -1 of all samples; (n_train + n_test,)."""
        return 1 - 2 * (self.cluster // 2)

    @cached_property
    def labels(self) -> np.ndarray:
        """Training labels y_i, some of them flipped; (n_train,)."""
        return np.where(self.flipped, -1, 1) * self.clean[: self.setting.n_train]

    @cached_property
    def groups(self) -> np.ndarray:
        """Members of each cluster, clean and flipped apart; (4, 2, n_train) of 0 and 1."""
        own = self.cluster[: self.setting.n_train] == np.arange(4)[:, None]
        return np.stack([own & ~self.flipped, own & self.flipped], axis=1).astype(float)

    @property
    def members(self) -> np.ndarray:
        """Numbers c_nu and n_nu of clean and flipped training points by cluster; (4, 2)."""
        return self.groups.sum(axis=2)


@dataclass(frozen=True)
class Draw:
    """Data and the initial network: all that training depends on.

    ``initial`` (width, n_train + n_test + 2) holds the inner products of the initial weights with
    the samples, then mu_1 and mu_2, in units of alpha.
    """

    data: Data
    initial: np.ndarray


@dataclass(frozen=True)
class Run:
    """What one training run showed at the recorded steps; in units of alpha where it has units.

    Attributes
    ----------
    data : Data
    step : (n_steps,) array
    output : (n_steps, n_train + n_test) array
        f(x; W(t)) / alpha of every sample.
    projection : (n_steps, 2, width) array
        <w_j(t), mu_1> and <w_j(t), mu_2>, over alpha.
    members : (n_steps, 4, 2, width) int16 array
        Numbers of training points that activate each neuron, by cluster, clean and flipped: the
        sizes of the paper's C_nu,j(t) and N_nu,j(t).
    """

    data: Data
    step: np.ndarray
    output: np.ndarray
    projection: np.ndarray
    members: np.ndarray

    @property
    def train_correct(self) -> np.ndarray:
        """Whether each training label, flipped or not, is fitted; (n_steps, n_train)."""
        n_train = self.data.setting.n_train
        return self.output[:, :n_train] * self.data.labels > 0

    @property
    def test_correct(self) -> np.ndarray:
        """Whether each test sample's clean label is predicted; (n_steps, n_test)."""
        n_train = self.data.setting.n_train
        return self.output[:, n_train:] * self.data.clean[n_train:] > 0

    @property
    def cluster_accuracy(self) -> np.ndarray:
        """Test accuracy of each cluster, nan for one without samples; (n_steps, 4)."""
        own = self.data.cluster[self.data.setting.n_train :] == np.arange(4)[:, None]
        with np.errstate(invalid="ignore"):
            return self.test_correct.astype(float) @ own.T / own.sum(axis=1)

    @property
    def alignment(self) -> np.ndarray:
        """D_{nu,j}(t) for nu = mu_1 and mu_2 (XC, Section 4.1); (n_steps, 2, width).

        d_nu counts the clean members of cluster nu that activate the neuron, less the flipped ones;
        D_nu = d_nu - d_{-nu}.
        """
        net = self.members[:, :, 0] - self.members[:, :, 1]
        return net[:, 0::2] - net[:, 1::2]


def draw(setting: XorSetting, seed: int) -> Draw:
    """Draw what training can see, in n_train + n_test + 2 dimensions instead of d_in.

    The noise of N samples orthogonal to both centres is an N x (d_in - 2) Gaussian matrix Z = L Q
    with L lower triangular and Q orthonormal.  L (the Bartlett factor) is independent of Q: its
    entries are independent, N(0, 1) below the diagonal and chi with d_in - 2, d_in - 3, ... degrees
    of freedom on it.  Initial weights are isotropic, so their coordinates along the two centres and
    the rows of Q are N(0, omega^2) too.  Nothing else enters: the law is that of full vectors.

    Raises
    ------
    ValueError
        If ``seed`` is not a whole number >= 0.
    """
    rng = randomness.generator(seed)
    n_samples = setting.n_train + setting.n_test
    cluster, flipped, sign = _labels_and_signs(setting, rng)
    inputs = np.zeros((n_samples + 2, n_samples + 2))
    inputs[:-2, :2] = rng.standard_normal((n_samples, 2))
    inputs[:-2, 2:] = np.tril(rng.standard_normal((n_samples, n_samples)), -1)
    freedom = float(setting.d_in - 2) - np.arange(n_samples)
    diagonal = np.arange(n_samples)
    inputs[diagonal, diagonal + 2] = np.sqrt(rng.chisquare(freedom))
    inputs[diagonal, cluster // 2] += setting.signal_norm * (1 - 2 * (cluster % 2))
    inputs[[-2, -1], [0, 1]] = setting.signal_norm
    weights = setting.init_ratio * rng.standard_normal((setting.width, n_samples + 2))
    return _reduce(setting, cluster, flipped, sign, inputs, weights)


def members(setting: XorSetting, seed: int) -> np.ndarray:
    """Clean and flipped training points of each cluster, (4, 2), as :func:`draw` draws them.

    A thousand training sets can be looked at in a second, to choose among them by their counts.
    ValueError if ``seed`` is not a whole number >= 0.
    """
    cluster, flipped, _ = _labels_and_signs(setting, randomness.generator(seed))
    kinds = 2 * cluster[: setting.n_train] + flipped
    return np.bincount(kinds, minlength=8).reshape(4, 2)


@dataclass(frozen=True)
class FullDraw:
    """One draw in full: samples (n_train + n_test + 2, d_in), mu_1 and mu_2 last; weights
    (width, d_in) in units of alpha; ``reduced`` is what training can see of it."""

    samples: np.ndarray
    weights: np.ndarray
    reduced: Draw


def draw_directly(setting: XorSetting, seed: int) -> FullDraw:
    """Draw full vectors, with centres in random directions; independent of :func:`draw`.

    Holds (n_train + n_test + width) d_in numbers: 450 MB for the paper's experiment.
    """
    rng = randomness.generator(seed, 1)
    n_samples = setting.n_train + setting.n_test
    cluster, flipped, sign = _labels_and_signs(setting, rng)
    directions, _ = np.linalg.qr(rng.standard_normal((setting.d_in, 2)))
    centres = setting.signal_norm * directions.T
    samples = np.empty((n_samples + 2, setting.d_in))
    rng.standard_normal(out=samples[:-2])
    samples[:-2] += (1 - 2 * (cluster % 2))[:, None] * centres[cluster // 2]
    samples[-2:] = centres
    weights = rng.standard_normal((setting.width, setting.d_in))
    weights *= setting.init_ratio
    reduced = _reduce(setting, cluster, flipped, sign, samples, weights)
    return FullDraw(samples, weights, reduced)


def _labels_and_signs(setting, rng):
    cluster = rng.integers(4, size=setting.n_train + setting.n_test)
    flipped = rng.random(setting.n_train) < setting.label_noise
    sign = np.where(rng.random(setting.width) < 0.5, -1.0, 1.0)
    return cluster, flipped, sign


def _reduce(setting, cluster, flipped, sign, samples, weights):
    gram = samples @ samples[: setting.n_train].T
    return Draw(Data(setting, cluster, flipped, sign, gram), weights @ samples.T)


def descend(setting: XorSetting, step, seed: int, *, loss: str = "logistic") -> Run:
    """Train one network on the reduced draw by full-batch gradient descent (XC, Section 2).

    Parameters
    ----------
    setting : XorSetting
    step : (n_steps,) array
        Whole numbers, increasing: the steps to record.
    seed : int
        A run depends on the setting and its seed only.
    loss : {"logistic", "linear"}
        The paper's loss, or -y f / 2, to which it reduces while f is small (XC Lemma A.3).  The
        linear one needs only the activations that changed and is about four times as fast.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    step, _ = _whole(step), validate.choice("loss", loss, LOSSES)
    return train(draw(setting, seed), step, loss=loss)


def train(draw: Draw, step, *, loss: str = "logistic") -> Run:
    """Train on a given draw; otherwise as :func:`descend`."""
    step, _ = _whole(step), validate.choice("loss", loss, LOSSES)
    descent = coefficients(draw, loss=loss)
    wanted, found = set(step.astype(int)), []
    for now, share in enumerate(descent):
        if now in wanted:
            found.append(_observe(draw.data, draw.initial + share() @ draw.data.gram.T))
        if now == step[-1]:
            return Run(draw.data, step, *(np.stack(one) for one in zip(*found, strict=True)))


def coefficients(draw: Draw, *, loss: str = "logistic") -> Iterator:
    """Gradient descent in the span of the training inputs, one item a step, from step 0, endless.

    Each item is a function that returns the (width, n_train) array c with
    w_j(t) = w_j(0) + sum_i c_ji x_i, in units of alpha; it is valid until the next item is taken.
    """
    validate.choice("loss", loss, LOSSES)
    return _logistic_steps(draw) if loss == "logistic" else _linear_steps(draw)


def _logistic_steps(draw):
    """w_j += (a_j / n) sum_i g_i 1[<w_j, x_i> > 0] y_i x_i with g_i = 1 / (1 + exp(y_i f_i))."""
    data, setting = draw.data, draw.data.setting
    n_train = setting.n_train
    out = data.sign / np.sqrt(setting.width)
    gram = data.gram[:n_train]
    inside = draw.initial[:, :n_train].copy()
    total = np.zeros_like(inside)
    while True:
        yield total.copy
        active = (inside > 0).astype(float)
        output = out @ (active * inside)
        pull = expit(-setting.step_size * data.labels * output) * data.labels / n_train
        change = np.multiply(active, np.multiply.outer(out, pull), out=active)
        total += change
        inside += change @ gram


def _linear_steps(draw):
    """The same with g_i = 1/2: velocities change only with the activations that change.

    Pre-activations are kept in units of alpha |a_j|.  ``since`` holds what the steps before the
    last change contribute to the number of steps in which a neuron was active on a point, so that
    the number itself is since + t * active.
    """
    data, setting = draw.data, draw.data.setting
    n_train, sign = setting.n_train, data.sign[:, None]
    rows = data.labels[:, None] / (2 * n_train) * data.gram[:n_train]
    inside = draw.initial[:, :n_train] * np.sqrt(setting.width)
    since = np.zeros_like(inside)
    active = inside > 0
    velocity = sign * (active.astype(float) @ rows)
    now = 0
    while True:
        yield partial(_shares, data, since, now, active)
        inside += velocity
        now += 1
        latest = inside > 0
        changed = np.flatnonzero(latest != active)
        switch = np.where(latest.ravel()[changed], 1.0, -1.0)
        since.ravel()[changed] -= now * switch
        active = latest
        if changed.size > _DENSE * active.size:
            velocity = sign * (active.astype(float) @ rows)
        else:
            velocity += _sparse(changed, switch, data.sign, n_train) @ rows


def _shares(data, since, now, active):
    """The coefficients of :func:`coefficients` from numbers of active steps."""
    setting = data.setting
    scale = data.sign / np.sqrt(setting.width)
    return (since + now * active) * np.multiply.outer(scale, data.labels / (2 * setting.n_train))


def _sparse(changed, switch, sign, n_train):
    """The changes of activation, times the sign of their neuron, as a sparse (width, n_train)."""
    neuron, point = np.divmod(changed, n_train)
    starts = np.searchsorted(neuron, np.arange(sign.size + 1))
    return sparse.csr_array((switch * sign[neuron], point, starts), shape=(sign.size, n_train))


def _observe(data, inside):
    """Outputs, projections on the centres and active members, from all pre-activations."""
    samples, n_train = inside[:, :-2], data.setting.n_train
    output = (data.sign / np.sqrt(data.setting.width)) @ np.maximum(samples, 0.0)
    members = data.groups @ (samples[:, :n_train] > 0).T.astype(float)
    return output, inside[:, -2:].T.copy(), members.astype(np.int16)


def descend_directly(setting: XorSetting, step, seed: int) -> Run:
    """The plain loop on full vectors, as a user would write it: the check on :func:`descend`.

    Its draw is independent of that of :func:`descend` with the same seed, and its cost grows with
    ``d_in``: for the paper's experiment 600 MB and about a second a step.
    """
    step = _whole(step)
    return train_directly(draw_directly(setting, seed), step)


def train_directly(full: FullDraw, step) -> Run:
    """The plain loop on a given draw; its weights are changed in place."""
    step = _whole(step)
    data, weights = full.reduced.data, full.weights
    setting = data.setting
    inputs = full.samples[: setting.n_train]
    out, wanted, found = data.sign / np.sqrt(setting.width), set(step.astype(int)), []
    for now in count():
        if now in wanted:
            found.append(_observe(data, weights @ full.samples.T))
        if now == step[-1]:
            return Run(data, step, *(np.stack(one) for one in zip(*found, strict=True)))
        inside = weights @ inputs.T
        output = out @ np.maximum(inside, 0.0)
        pull = expit(-setting.step_size * data.labels * output) * data.labels / setting.n_train
        change = (inside > 0) * np.multiply.outer(out, pull)
        for rows in range(0, setting.width, _BLOCK):  # in blocks, for their memory
            weights[rows : rows + _BLOCK] += change[rows : rows + _BLOCK] @ inputs


def curves(runs: Sequence[Run]) -> Curves:
    """Losses (nats) and accuracies of runs at the same steps, one run a row.

    The train loss and accuracy take the training labels, flipped ones included; the test loss and
    accuracy the clean labels.

    Raises
    ------
    ValueError
        If there is no run, or their steps differ.
    """
    if not runs or any(not np.array_equal(run.step, runs[0].step) for run in runs):
        raise ValueError(f"runs = {len(runs)} runs: must be at least one, all at the same steps")
    train, test = zip(*(_losses(run) for run in runs), strict=True)
    return Curves(
        runs[0].step,
        np.stack(train),
        np.stack(test),
        np.stack([run.train_correct.mean(axis=1) for run in runs]),
        np.stack([run.test_correct.mean(axis=1) for run in runs]),
    )


def _losses(run):
    setting = run.data.setting
    labels = np.concatenate([run.data.labels, run.data.clean[setting.n_train :]])
    loss = np.logaddexp(0.0, -setting.step_size * labels * run.output)
    return loss[:, : setting.n_train].mean(axis=1), loss[:, setting.n_train :].mean(axis=1)


def _whole(step):
    step = validate.steps("step", step)
    if np.any(step != np.floor(step)):
        raise ValueError(f"step holds {step[step != np.floor(step)][0]:g}: must be whole numbers")
    return step
