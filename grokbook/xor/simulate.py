"""Training of the ReLU network on drawn XOR clusters (paper XC): the exact reduction and the loop.

:func:`descend` trains on the inner products that :func:`grokbook.xor.samples.draw` draws;
:func:`descend_directly` is the plain loop on full vectors.

Weights, pre-activations and outputs are in units of the step size alpha throughout, which keeps
them of order one and leaves the signs alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count

import numpy as np
from scipy import sparse
from scipy.special import expit

from grokbook import validate
from grokbook.curves import Curves
from grokbook.xor.samples import Data, Draw, FullDraw, draw, draw_directly
from grokbook.xor.setting import XorSetting

LOSSES = ("logistic", "linear")
# Above this share of changed activations a dense product is faster than a sparse one.
_DENSE = 0.04
# Neurons that the loop on full vectors updates at once.
_BLOCK = 100


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


def descend(setting: XorSetting, step, seed: int, *, loss: str = "logistic") -> Run:
    """Train one network on the reduced draw by full-batch gradient descent (XC, Section 2).

    Parameters
    ----------
    step : (n_steps,) array
        Whole numbers, increasing: the steps to record.
    seed : int
        A run depends on the setting and its seed only.
    loss : {"logistic", "linear"}
        The paper's loss, or -y f / 2, to which it reduces while f is small (XC Lemma A.3).  The
        linear one needs only the activations that changed and is about four times as fast.
    """
    step, _ = validate.whole_steps("step", step), validate.choice("loss", loss, LOSSES)
    return train(draw(setting, seed), step, loss=loss)


def train(draw: Draw, step, *, loss: str = "logistic") -> Run:
    """Train on a given draw; otherwise as :func:`descend`."""
    step, _ = validate.whole_steps("step", step), validate.choice("loss", loss, LOSSES)
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
    step = validate.whole_steps("step", step)
    return train_directly(draw_directly(setting, seed), step)


def train_directly(full: FullDraw, step) -> Run:
    """The plain loop on a given draw; its weights are changed in place."""
    step = validate.whole_steps("step", step)
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
    accuracy the clean labels.  ValueError if there is no run, or their steps differ.
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
