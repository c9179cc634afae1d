"""What paper LS bends: two noisy Gaussians, other features, labels that discriminate.

Figs. 4 and 16 and Appendices G, H and I.  Each returns the same :class:`Runs` as ``simulate``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from grokbook import randomness, validate
from grokbook.curves import Curves
from grokbook.logistic import population
from grokbook.logistic.flow import Samples, Trajectory, gradient_flow
from grokbook.logistic.setting import LogisticSetting, TwoGaussianSetting
from grokbook.logistic.simulate import (
    Record,
    Runs,
    collect,
    constant_labels,
    draw,
    initial_weights,
    on_samples,
    record,
    trained,
)


def draw_two_gaussians(setting: TwoGaussianSetting, seed: int) -> tuple[Samples, np.ndarray]:
    """Signed samples -y x, (N, d+1), for a model without bias, and initial weights (d+1,).

    At sigma_A = 0 and after division by mu they are the points of ``draw(setting.reduced, seed)``,
    with -1 (the signed signal) in front: -y z is as Gaussian as z.
    """
    inputs, weights = draw(setting.reduced, seed)
    along = randomness.generator(seed, 1).standard_normal(len(inputs))
    signal = -setting.separation + setting.noise_along * along
    features = np.column_stack([signal, inputs * setting.separation])
    return Samples(features), np.append(0.0, weights / setting.separation)


def two_gaussians(setting: TwoGaussianSetting, step, seeds: Iterable[int], **options) -> Runs:
    """Gradient flow on two Gaussian classes, one run a seed (LS Fig. 4).

    ``Runs.bias`` is the population mean of -y f, -mu S_1; ``Runs.spread`` its standard deviation.
    Parameters and errors as :func:`grokbook.logistic.simulate.flow`.
    """

    def run(seed):
        samples, start = draw_two_gaussians(setting, seed)
        done = gradient_flow(samples, start, step, learning_rate=setting.learning_rate, **options)
        along, across = done.state[:, 0], np.linalg.norm(done.state[:, 1:], axis=1)
        spread = np.hypot(setting.noise_along * along, setting.noise_across * across)
        return record(samples, done, -setting.separation * along, spread)

    return collect(run, seeds)


@dataclass(frozen=True)
class FeatureLaw:
    """Points s m + sigma_i g_i, with s = +-1 at random or, ``shifted``, always +1 (LS, Appendix G).

    ValueError if the shapes differ, an entry is not finite or a scale is not positive.

    Attributes
    ----------
    scale : (d,) array
        Standard deviation of each coordinate, > 0.
    centre : (d,) array
        m; zero for a single Gaussian.
    shifted : bool
        A single Gaussian with mean m: not symmetric about the origin.
    """

    scale: np.ndarray
    centre: np.ndarray
    shifted: bool = False

    def __post_init__(self):
        object.__setattr__(self, "scale", validate.array("scale", self.scale, ndim=1))
        centre = validate.array("centre", self.centre, shape=self.scale.shape)
        object.__setattr__(self, "centre", centre)
        if np.any(self.scale <= 0):
            raise ValueError(f"scale reaches {self.scale.min():g}: must be > 0")

    def sample(self, n_train: int, rng: np.random.Generator) -> np.ndarray:
        """Points (n_train, d)."""
        validate.count("n_train", n_train)
        sign = np.ones(n_train) if self.shifted else rng.choice([-1.0, 1.0], n_train)
        noise = rng.standard_normal((n_train, self.scale.size)) * self.scale
        return noise + np.multiply.outer(sign, self.centre)

    def outputs(self, state) -> tuple[np.ndarray, np.ndarray]:
        """Means of f on the two components, (2, n_steps), and its deviation in each, (n_steps,)."""
        weights, bias = state[:, :-1], state[:, -1]
        offset = weights @ self.centre
        other = bias + offset if self.shifted else bias - offset
        return np.stack([bias + offset, other]), np.linalg.norm(weights * self.scale, axis=1)


def anisotropic(d_in: int, noise_scale: float, exponent: float = 0.5) -> FeatureLaw:
    """Standard deviations that fall as k^(-exponent), with root mean square ``noise_scale``."""
    validate.count("d_in", d_in)
    validate.number("noise_scale", noise_scale, above=0)
    scale = np.arange(1, d_in + 1) ** -validate.number("exponent", exponent)
    return FeatureLaw(noise_scale * scale / np.sqrt(np.mean(scale**2)), np.zeros(d_in))


def mixture(d_in: int, noise_scale: float, distance: float, *, shifted: bool = False) -> FeatureLaw:
    """Two Gaussians at +-``distance`` along the first axis (or one, ``shifted``)."""
    validate.count("d_in", d_in)
    validate.number("noise_scale", noise_scale, above=0)
    centre = np.zeros(d_in)
    centre[0] = validate.number("distance", distance)
    return FeatureLaw(np.full(d_in, noise_scale), centre, shifted)


def other_features(
    setting: LogisticSetting, law: FeatureLaw, step, seeds: Iterable[int], **options
) -> Runs:
    """Constant labels on points of another law (LS, Appendix G).

    ``setting.noise_scale`` is not used; ``Runs.bias`` is the mean of f over the population.
    ValueError if the law's dimension is not ``setting.d_in`` or the loss not logistic; otherwise as
    :func:`grokbook.logistic.simulate.flow`.
    """
    validate.choice("loss", setting.loss, ("logistic",))
    if law.scale.size != setting.d_in:
        raise ValueError(f"law has {law.scale.size} dimensions: must have d_in = {setting.d_in}")

    def run(seed):
        rng = randomness.generator(seed)
        weights = initial_weights(rng, setting.d_in, setting.init_norm)
        samples = constant_labels(law.sample(setting.n_train, rng))
        done = trained(setting, samples, weights, step, **options)
        means, spread = law.outputs(done.state)
        test = np.mean([population.loss(mean, spread) for mean in means], axis=0)
        accuracy = np.mean([population.accuracy(mean, spread) for mean in means], axis=0)
        train, train_accuracy = on_samples(samples, done)
        curves = Curves(done.step, train, test, train_accuracy, accuracy)
        return Record(done, curves, means.mean(axis=0), spread)

    return collect(run, seeds)


def discriminative(
    setting: LogisticSetting, fraction: float, step, seeds: Iterable[int], **options
) -> Runs:
    """Labels that depend on x: -1 below a plane, for a ``fraction`` r of the points (LS Fig. 16).

    y = -1 for x_1 < mu' and +1 above, with Phi(mu' / sigma) = r.  ``Runs.bias`` is b and
    ``Runs.spread`` the deviation of f.  ValueError unless r is in (0, 1] and the loss logistic;
    otherwise as :func:`grokbook.logistic.simulate.flow`.
    """
    validate.choice("loss", setting.loss, ("logistic",))
    validate.number("fraction", fraction, above=0, at_most=1)
    cut = setting.noise_scale * float(ndtri(fraction))

    def run(seed):
        inputs, weights = draw(setting, seed)
        sign = np.where(inputs[:, 0] < cut, 1.0, -1.0)
        samples = Samples(sign[:, None] * inputs, sign)
        done = trained(setting, samples, weights, step, **options)
        train, train_accuracy = on_samples(samples, done)
        test, accuracy = discriminating_population(done, setting.noise_scale, cut)
        curves = Curves(done.step, train, test, train_accuracy, accuracy)
        spread = setting.noise_scale * np.linalg.norm(done.state[:, :-1], axis=1)
        return Record(done, curves, done.state[:, -1], spread)

    return collect(run, seeds)


def discriminating_population(done: Trajectory, noise_scale: float, cut: float):
    """Population loss and accuracy when the label is the side of x_1 = cut; both (n_steps,).

    Given x_1 the output is Gaussian; the average over x_1 is a Gauss-Legendre sum on each side.
    """
    along, bias = done.state[:, :1], done.state[:, -1:]
    spread = noise_scale * np.linalg.norm(done.state[:, 1:-1], axis=1)[:, None]
    total, right = np.zeros(len(along)), np.zeros(len(along))
    edge = min(max(cut / noise_scale, -9.0), 9.0)
    for low, high, sign in ((-9.0, edge, 1.0), (edge, 9.0, -1.0)):
        nodes, weights = np.polynomial.legendre.leggauss(80)
        g = low + (high - low) * (nodes + 1) / 2
        weights = weights * (high - low) / 2 * np.exp(-(g**2) / 2) / np.sqrt(2 * np.pi)
        mean = sign * (bias + along * noise_scale * g)
        total += population.loss(mean, spread) @ weights
        right += ndtr(-mean / spread) @ weights
    return total, np.clip(right, 0.0, 1.0)
