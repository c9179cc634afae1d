"""The XOR cluster setting of paper XC, shared by theory and simulation."""

from __future__ import annotations

import math
from dataclasses import dataclass

from grokbook import validate

PAPER_SIGNAL = 2.5 * math.sqrt(40_000 / 200)


@dataclass(frozen=True)
class XorSetting:
    """A two-layer ReLU network learns XOR clusters with flipped labels (XC, Section 2).

    Inputs are x ~ N(nu, I) around one of four centres, +mu_1 and -mu_1 (label +1), +mu_2 and -mu_2
    (label -1), which are orthogonal in pairs and equally long.  The network is
    f(x) = sum_j a_j relu(<w_j, x>) with a_j = +-1/sqrt(width) fixed and w_j trained by full-batch
    gradient descent on the logistic loss.  The defaults are the paper's experiment, with the step
    size of Figs. 1 (left), 2 and 3.

    Attributes
    ----------
    d_in : int
        p, the input dimension; at least n_train + n_test + 2.
    n_train, n_test : int
        n, and the number of test samples, which carry clean labels.
    width : int
        m, the number of hidden neurons.
    signal_norm : float
        ||mu|| > 0, the length of each centre.
    label_noise : float
        eta in [0, 1/2), the probability that a training label is flipped.
    step_size : float
        alpha > 0.
    init_std : float
        omega_init >= 0, the standard deviation of each initial weight.
    """

    d_in: int = 40_000
    n_train: int = 200
    n_test: int = 200
    width: int = 1000
    signal_norm: float = PAPER_SIGNAL
    label_noise: float = 0.05
    step_size: float = 1e-12
    init_std: float = 1e-15

    def __post_init__(self):
        validate.count("n_train", self.n_train, at_least=2)
        validate.count("n_test", self.n_test)
        validate.count("width", self.width)
        validate.number("signal_norm", self.signal_norm, above=0)
        validate.number("label_noise", self.label_noise, at_least=0, below=0.5)
        validate.number("step_size", self.step_size, above=0)
        validate.number("init_std", self.init_std, at_least=0)
        enough = self.n_train + self.n_test + 2
        validate.count("d_in", self.d_in, at_least=1)
        if self.d_in < enough:
            raise ValueError(
                f"d_in = {self.d_in!r}: must be at least n_train + n_test + 2 = {enough}, "
                "or the samples' noise is not in general position and has no triangular factor"
            )

    @property
    def init_ratio(self) -> float:
        """omega_init / alpha: the initial weights in units of the step size."""
        return self.init_std / self.step_size


def within_assumptions(n_train: int, d_in: int, *, strength: float = 2.0, **others) -> XorSetting:
    """A setting that satisfies the theorem's assumptions A1, A4 and A5 (XC, Section 2.1).

    The signal is ||mu||^2 = ``strength`` n^0.51 sqrt(p), the step alpha = 1 / (100 n p), and the
    initial scale the largest that A5 allows, omega = alpha ||mu||^2 / (n m^1.5 p).  A2 is left to
    the caller's ``d_in``; see :func:`grokbook.xor.theory.assumptions`.
    """
    validate.count("n_train", n_train, at_least=2)
    validate.count("d_in", d_in)
    validate.number("strength", strength, above=0)
    width = validate.count("width", others.get("width", 1000))
    squared = strength * n_train**0.51 * math.sqrt(d_in)
    step = 1 / (100 * n_train * d_in)
    return XorSetting(
        d_in=d_in,
        n_train=n_train,
        signal_norm=math.sqrt(squared),
        step_size=step,
        init_std=step * squared / (n_train * width**1.5 * d_in),
        **others,
    )
