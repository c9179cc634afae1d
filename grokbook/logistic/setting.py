"""The settings of paper LS: constant labels, two Gaussians, and the two-point toy."""

from __future__ import annotations

from dataclasses import dataclass

from grokbook import validate

LOSSES = ("logistic", "exponential")


@dataclass(frozen=True)
class LogisticSetting:
    """Logistic regression with a bias on points that all carry the label -1 (LS, Section 2).

    Inputs are x ~ N(0, sigma^2 I_d), the model is f(x) = S.x + b, a point is correct if f(x) < 0.
    The loss is the mean of log(1 + e^f), full batch, without regularisation.  ValueError if a
    parameter is outside its range, or lambda N rounds to no dimension at all.

    Attributes
    ----------
    aspect_ratio : float
        lambda = d / N > 0; below 1/2 the points surround the origin, above they do not.
    n_train : int
        N, the number of training points.
    noise_scale : float
        sigma > 0, the standard deviation of each coordinate of x.
    learning_rate : float
        eta > 0, per gradient-descent step.
    init_norm : float
        ||S_0|| >= 0; the direction is random.
    init_bias : float
        b_0.
    loss : {"logistic", "exponential"}
        log(1 + e^f), or its late-time form e^f (LS Eq. 6).
    """

    aspect_ratio: float
    n_train: int = 2000
    noise_scale: float = 5.0
    learning_rate: float = 0.01
    init_norm: float = 0.1
    init_bias: float = 0.0
    loss: str = "logistic"

    def __post_init__(self):
        validate.number("aspect_ratio", self.aspect_ratio, above=0)
        validate.count("n_train", self.n_train)
        validate.number("noise_scale", self.noise_scale, above=0)
        validate.number("learning_rate", self.learning_rate, above=0)
        validate.number("init_norm", self.init_norm, at_least=0)
        validate.number("init_bias", self.init_bias)
        validate.choice("loss", self.loss, LOSSES)
        validate.count("d_in", self.d_in)

    @property
    def d_in(self) -> int:
        """Input dimension d = lambda N, rounded."""
        return round(self.aspect_ratio * self.n_train)


@dataclass(frozen=True)
class TwoGaussianSetting:
    """Two Gaussian classes told apart by a classifier through the origin (LS, Sections 2 and 5).

    x in R^(d+1) with label y = +-1: the first coordinate is y mu + sigma_A g, the other d are
    N(0, sigma_B^2).  The model is f(x) = S.x, the loss mean log(1 + e^(-y f)).

    Attributes
    ----------
    aspect_ratio : float
        lambda = d / N > 0, with d the number of coordinates without signal.
    n_train : int
        N.
    separation : float
        mu > 0, the distance of each class mean from the origin.
    noise_along, noise_across : float
        sigma_A >= 0 along the separation axis, sigma_B > 0 in the d other directions.
    learning_rate, init_norm
        As in :class:`LogisticSetting`; ``init_norm`` is that of the d other weights in the reduced
        model, and the first weight starts at 0.
    """

    aspect_ratio: float
    n_train: int = 1000
    separation: float = 0.2
    noise_along: float = 0.0
    noise_across: float = 1.0
    learning_rate: float = 0.1
    init_norm: float = 0.1

    def __post_init__(self):
        validate.number("separation", self.separation, above=0)
        validate.number("noise_along", self.noise_along, at_least=0)
        validate.number("noise_across", self.noise_across, above=0)
        _ = self.reduced

    @property
    def reduced(self) -> LogisticSetting:
        """The constant-label setting it is equivalent to at sigma_A = 0 (LS, Appendix H).

        sigma = sigma_B / mu and eta' = eta mu^2: the same number of steps means the same state,
        with S' = mu S and b = -mu S_1.
        """
        return LogisticSetting(
            aspect_ratio=self.aspect_ratio,
            n_train=self.n_train,
            noise_scale=self.noise_across / self.separation,
            learning_rate=self.learning_rate * self.separation**2,
            init_norm=self.init_norm,
        )


@dataclass(frozen=True)
class ToySetting:
    """Two points on a line, x_1 = -sigma and x_2 = sigma (1 - 2 lambda) (LS, Eq. 11).

    Both have the label -1, the loss is the mean of e^(S x + b), the test law is N(0, sigma^2).
    Training starts at S = 0, b = 0.

    Attributes
    ----------
    aspect_ratio : float
        lambda in (0, 1]; the origin lies between the points below 1/2, outside them above.
    noise_scale : float
        sigma > 0.
    learning_rate : float
        eta > 0.
    """

    aspect_ratio: float
    noise_scale: float = 1.0
    learning_rate: float = 1.0

    def __post_init__(self):
        validate.number("aspect_ratio", self.aspect_ratio, above=0, at_most=1)
        validate.number("noise_scale", self.noise_scale, above=0)
        validate.number("learning_rate", self.learning_rate, above=0)

    @property
    def gap(self) -> float:
        """e = 1 - 2 lambda, in [-1, 1): the second point in units of sigma."""
        return 1 - 2 * self.aspect_ratio
