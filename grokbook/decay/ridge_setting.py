"""The settings of paper RR: linear regression on features, and bias-free ReLU networks."""

from __future__ import annotations

from dataclasses import dataclass

from grokbook import validate

HORIZON = 10**9  # steps after which a level that has not been reached counts as out of reach


@dataclass(frozen=True)
class RidgeSetting:
    """Gradient descent with weight decay on Gaussian features, more features than samples.

    RR, Section 5.1: features phi ~ N(0, I/m), labels <theta*, phi>, start theta ~ N(0, nu^2 I),
    update theta <- theta - (eta/n) Phi^T (Phi theta - y) - eta lambda theta (RR, Eq. 2).  The
    train loss is (1/2n) sum of squared errors, the test loss their mean *without* the 1/2.

    Attributes
    ----------
    n_train, n_features : int
        n < m: samples and features.
    weight_decay : float
        lambda >= 0.
    learning_rate : float
        eta > 0, with eta lambda < 1.
    init_variance : float
        nu^2 >= 0 of each initial weight.
    teacher_norm : float
        Norm of theta*, >= 0; the direction is uniform.
    label_noise : float
        sigma >= 0: standard deviation of the noise on each training label, drawn once.
    threshold : float
        epsilon = c > 0: a loss above (train) or at most (test) it counts as not (as) learnt.
    n_spikes : int
        k >= 0: the first k features have variance 1 instead of 1/m, and the teacher lies in them
        (ours; 0 is the paper's setting, where it lies anywhere).

    A parameter outside its range raises ValueError.
    """

    n_train: int = 100
    n_features: int = 1000
    weight_decay: float = 1e-4
    learning_rate: float = 1.0
    init_variance: float = 1.0
    teacher_norm: float = 1.0
    label_noise: float = 0.0
    threshold: float = 0.01
    n_spikes: int = 0

    def __post_init__(self):
        validate.count("n_train", self.n_train)
        validate.count("n_features", self.n_features, at_least=self.n_train + 1)
        _decaying(self)
        for name in ("init_variance", "teacher_norm", "label_noise"):
            validate.number(name, getattr(self, name), at_least=0)
        validate.count("n_spikes", self.n_spikes, at_least=0)
        validate.number("n_spikes", self.n_spikes, at_most=self.n_features)


@dataclass(frozen=True)
class NetSetting:
    """A bias-free ReLU network learns the zero function with weight decay (RR, Section 5.3).

    Inputs x ~ N(0, I) (RR does not name their law); losses as in :class:`RidgeSetting`; each layer
    is drawn from N(0, alpha^2 / fan_in).

    Attributes
    ----------
    depth : int
        Number of layers, at least 2: the network is homogeneous of this degree in its weights.
    d_in, n_train, width : int
        Inputs, samples, and units of each hidden layer.
    weight_decay, learning_rate : float
        lambda >= 0 and eta > 0, with eta lambda < 1.
    init_scale : float
        alpha > 0 multiplies every initial weight.
    threshold : float
        epsilon = c > 0 as in :class:`RidgeSetting`.

    A parameter outside its range raises ValueError.
    """

    depth: int = 2
    d_in: int = 50
    n_train: int = 50
    width: int = 1000
    weight_decay: float = 0.05
    learning_rate: float = 0.01
    init_scale: float = 1.0
    threshold: float = 0.01

    def __post_init__(self):
        validate.count("depth", self.depth, at_least=2)
        for name in ("d_in", "n_train", "width"):
            validate.count(name, getattr(self, name))
        _decaying(self)
        validate.number("init_scale", self.init_scale, above=0)


def _decaying(setting):
    validate.number("learning_rate", setting.learning_rate, above=0)
    largest = 1 / setting.learning_rate
    validate.number("weight_decay", setting.weight_decay, at_least=0, below=largest)
    validate.number("threshold", setting.threshold, above=0)
