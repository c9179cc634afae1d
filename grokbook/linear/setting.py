"""The linear teacher-student setting of paper LE, shared by theory and simulation."""

from __future__ import annotations

from dataclasses import dataclass

from grokbook import validate


@dataclass(frozen=True)
class LinearSetting:
    """A linear student learns a linear teacher by full-batch gradient descent (LE, Section 2).

    Inputs are x ~ N(0, I); the teacher T and the initial student have independent Gaussian entries
    of variance 1 / (2 d_in d_out), the student's scaled by ``init_scale``.  The loss is the mean
    squared error over samples and outputs, without a factor 1/2.

    Attributes
    ----------
    aspect_ratio : float
        lambda = d_in / n_train > 0; below 1 the training set determines the teacher.
    d_in, d_out : int
        Input dimension and number of outputs.
    learning_rate : float
        eta_0 > 0, per gradient-descent step.
    accuracy_threshold : float
        epsilon > 0: a sample counts as correct if its squared error per output is below it.
    weight_decay : float
        gamma >= 0 as in LE Eq. 3: each step subtracts (eta gamma / d_out) S from the student S.
        (``torch.optim.SGD(weight_decay=g)`` subtracts eta g S: gamma = g d_out.)
    init_scale : float
        alpha >= 0: the initial student is alpha times the draw described above.
    label_noise : float
        sigma >= 0: standard deviation of the noise on each training label, drawn once and kept.
        Test labels are clean.
    """

    aspect_ratio: float
    d_in: int = 1000
    d_out: int = 1
    learning_rate: float = 0.01
    accuracy_threshold: float = 1e-3
    weight_decay: float = 0.0
    init_scale: float = 1.0
    label_noise: float = 0.0

    def __post_init__(self):
        validate.number("aspect_ratio", self.aspect_ratio, above=0)
        validate.count("d_in", self.d_in)
        validate.count("d_out", self.d_out)
        validate.number("learning_rate", self.learning_rate, above=0)
        validate.number("accuracy_threshold", self.accuracy_threshold, above=0)
        validate.number("weight_decay", self.weight_decay, at_least=0)
        validate.number("init_scale", self.init_scale, at_least=0)
        validate.number("label_noise", self.label_noise, at_least=0)
        validate.count("n_train", self.n_train)

    @property
    def n_train(self) -> int:
        """Number of training samples N = d_in / lambda, rounded."""
        return round(self.d_in / self.aspect_ratio)


@dataclass(frozen=True)
class TwoLayerSetting:
    """A two-layer student learns a two-layer teacher of the same shape (LE, Section 4).

    The student computes phi(x S0) S1 with S0 of shape (d_in, d_hidden) and S1 of shape
    (d_hidden, d_out); the teacher likewise.  Entries of each layer are Gaussian of variance
    1 / (2 fan_in fan_out).  The loss is the mean squared error over samples and outputs.

    Attributes
    ----------
    aspect_ratio : float
        lambda = d_in / n_train > 0.
    d_in, d_hidden, d_out : int
        Widths.
    activation : {"linear", "tanh"}
        phi(z) = z, or phi(z) = tanh(gain z) / gain.
    gain : float
        > 0; how far into its curved range tanh is driven.  Without effect on "linear".
    learning_rate : float
        eta_0 > 0, per gradient-descent step.
    accuracy_threshold : float
        epsilon > 0: a sample counts as correct if its squared error per output is below it.
    """

    aspect_ratio: float
    d_in: int = 1000
    d_hidden: int = 50
    d_out: int = 5
    activation: str = "linear"
    gain: float = 1.0
    learning_rate: float = 0.01
    accuracy_threshold: float = 1e-4

    def __post_init__(self):
        validate.number("aspect_ratio", self.aspect_ratio, above=0)
        for name in ("d_in", "d_hidden", "d_out"):
            validate.count(name, getattr(self, name))
        validate.choice("activation", self.activation, ("linear", "tanh"))
        validate.number("gain", self.gain, above=0)
        validate.number("learning_rate", self.learning_rate, above=0)
        validate.number("accuracy_threshold", self.accuracy_threshold, above=0)
        validate.count("n_train", self.n_train)

    @property
    def n_train(self) -> int:
        """Number of training samples N = d_in / lambda, rounded."""
        return round(self.d_in / self.aspect_ratio)
