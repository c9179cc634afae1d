"""Diagonal linear networks of paper DI: setting and samples, shared by theory and simulation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from grokbook import randomness, validate

DATA = ("votes", "gap", "regression")
_LARGE = 2_000_000  # entries above which inputs are kept in single precision


@dataclass(frozen=True)
class DiagonalSetting:
    """f(x) = <u^2 - v^2, x>, full-batch gradient descent with weight decay (DI, Section 3).

    The defaults are those of DI Figure 1a; ``MISGROKKING`` has those of Figure 1b.

    Attributes
    ----------
    n_train, d_in : int
        n and d.
    init_scale : float
        alpha > 0: every entry of u and v at the start.  DI gives the norm of all, alpha sqrt(2 d).
    weight_decay : float
        lambda > 0, as in ``torch.optim.SGD``: the penalty is lambda/2 of the squared norm.
    learning_rate : float
        eta > 0, per step.
    data : {"votes", "gap", "regression"}
        votes: x of random signs, y the majority of the first ``n_signal``.  gap: x = z + (gap/2)
        y w*, z ~ N(0, I), y = sign <z, w*>, w* a random unit vector.  regression: x ~ N(0, I),
        y = <x, w*>, w* = (1, ..., 1, 0, ..., 0) with ``n_signal`` ones.
    n_signal : int
        k, odd.
    gap : float
        gamma > 0.
    """

    n_train: int = 256
    d_in: int = 100_000
    init_scale: float = 128 / 200_000**0.5
    weight_decay: float = 1e-3
    learning_rate: float = 0.01
    data: str = "votes"
    n_signal: int = 3
    gap: float = 25.0

    def __post_init__(self):
        for name in ("n_train", "d_in", "n_signal"):
            validate.count(name, getattr(self, name))
        for name in ("init_scale", "weight_decay", "learning_rate", "gap"):
            validate.number(name, getattr(self, name), above=0)
        validate.choice("data", self.data, DATA)
        if self.n_signal % 2 == 0 or self.n_signal > self.d_in:
            raise ValueError(f"n_signal = {self.n_signal}: must be odd and <= d_in = {self.d_in}")

    def step(self, clock) -> np.ndarray:
        """Steps of gradient descent at tau = eta lambda step."""
        return np.asarray(clock, dtype=float) / (self.learning_rate * self.weight_decay)


MISGROKKING = DiagonalSetting(n_train=32, data="gap")


@dataclass(frozen=True)
class Samples:
    """Training samples of a linear model.

    Attributes
    ----------
    inputs : (n, d) array
        For classification each row is multiplied by its label, so that outputs are margins.
    target : (n,) array
        Labels of a regression; zeros for classification.
    teacher : (d,) array
        w*; of votes the indicator of the first coordinates.
    """

    inputs: np.ndarray
    target: np.ndarray
    teacher: np.ndarray

    @cached_property
    def gram(self) -> np.ndarray:
        """Inner products of the inputs, (n, n)."""
        return np.asarray(self.inputs @ self.inputs.T, dtype=float)


def patterns(k: int) -> np.ndarray:
    """All sign patterns of k signals, (2^k, k)."""
    return 2 * (np.arange(2**k)[:, None] >> np.arange(k) & 1) - 1


def draw(setting: DiagonalSetting, seed: int) -> Samples:
    """The training samples of a seed."""
    rng = randomness.generator(seed)
    shape = setting.n_train, setting.d_in
    kind = np.float32 if setting.n_train * setting.d_in > _LARGE else np.float64
    zeros, teacher = np.zeros(setting.n_train), np.zeros(setting.d_in)
    teacher[: setting.n_signal] = 1
    if setting.data == "votes":
        inputs = (2 * rng.integers(0, 2, shape, dtype=np.int8) - 1).astype(kind)
        inputs *= np.sign(inputs[:, : setting.n_signal].sum(axis=1, keepdims=True))
        return Samples(inputs, zeros, teacher)
    inputs = rng.standard_normal(shape, dtype=kind)
    if setting.data == "regression":
        return Samples(inputs, inputs @ teacher, teacher)
    teacher = randomness.generator(seed, 1).standard_normal(setting.d_in)
    teacher /= np.linalg.norm(teacher)
    inputs *= np.sign(inputs @ teacher)[:, None]
    inputs += (setting.gap / 2 * teacher).astype(kind)
    return Samples(inputs, zeros, teacher)
