"""Draws of XOR clusters and initial weights (paper XC), as far as training can see them.

Gradient descent moves each neuron in the span of the training inputs, so outputs depend on the data
through inner products alone: those of the samples with the training inputs (the Gram matrix) and
with the initial weights.  :func:`draw` draws these without the d_in-dimensional vectors, in the
same law; :func:`draw_directly` draws the vectors.  Initial weights are in units of the step size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from grokbook import randomness
from grokbook.xor.setting import XorSetting


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


def draw(setting: XorSetting, seed: int) -> Draw:
    """Draw what training can see, in n_train + n_test + 2 dimensions instead of d_in.

    The noise of N samples orthogonal to both centres is an N x (d_in - 2) Gaussian matrix Z = L Q
    with L lower triangular and Q orthonormal.  L (the Bartlett factor) is independent of Q: its
    entries are independent, N(0, 1) below the diagonal and chi with d_in - 2, d_in - 3, ... degrees
    of freedom on it.  Initial weights are isotropic, so their coordinates along the two centres and
    the rows of Q are N(0, omega^2) too.  Nothing else enters: the law is that of full vectors.
    ValueError if ``seed`` is not a whole number >= 0.
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
