"""What paper XC predicts for the network on XOR clusters, and what follows from its argument.

Nothing here is trained and nothing is drawn: the functions take a setting, or the inner products of
given data.  Outputs and weights are in units of the step size alpha, as in
``grokbook.xor.simulate``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from grokbook import validate
from grokbook.xor.setting import XorSetting


@dataclass(frozen=True)
class Assumption:
    """One assumption of the theorem: ``left`` must be at least, or at most, ``right``."""

    name: str
    formula: str
    left: float
    right: float
    at_least: bool

    @property
    def holds(self) -> bool:
        """Whether it holds for the given constant."""
        return self.left >= self.right if self.at_least else self.left <= self.right

    @property
    def slack(self) -> float:
        """How many times over it holds; below 1 it is violated by the inverse factor."""
        ratio = (self.left, self.right) if self.at_least else (self.right, self.left)
        return math.inf if ratio[1] == 0 else ratio[0] / ratio[1]


def assumptions(setting: XorSetting, constant: float = 1.0) -> list[Assumption]:
    """A1 to A6 (XC, Section 2.1) for the universal constant C >= 1, which the paper leaves open.

    ValueError if ``constant`` is below 1.
    """
    c = validate.number("constant", constant, at_least=1)
    n, m, p = setting.n_train, setting.width, float(setting.d_in)
    squared, alpha = setting.signal_norm**2, setting.step_size
    rows = [
        ("A1", "‖μ‖² ≥ C n^0.51 √p", squared, c * n**0.51 * math.sqrt(p), True),
        ("A2", "p ≥ C n² ‖μ‖²", p, c * n**2 * squared, True),
        ("A3", "η ≤ 1/C", setting.label_noise, 1 / c, False),
        ("A4", "α ≤ 1/(C n p)", alpha, 1 / (c * n * p), False),
        ("A5", "ω n m^1.5 p ≤ α ‖μ‖²", setting.init_std * n * m**1.5 * p, alpha * squared, False),
        ("A6", "m ≥ C n^0.02", float(m), c * n**0.02, True),
    ]
    return [Assumption(*row) for row in rows]


def linear_output(gram, labels) -> np.ndarray:
    """Network after one step from small weights: <sum_i y_i x_i, x> / (8n) (XC Eq. 4.3).

    ValueError if the shapes differ, an entry is not finite or a label is neither +1 nor -1.

    Parameters
    ----------
    gram : (n_samples, n_train) array
        Inner products of the samples x with the training inputs.
    labels : (n_train,) array
        Training labels, +1 or -1.

    Returns
    -------
    (n_samples,) array
        f(x; W(1)) / alpha, in the limit of infinite width and no initial weights.
    """
    labels = validate.array("labels", labels, ndim=1)
    gram = validate.array("gram", gram, shape=(None, labels.size))
    if np.any(np.abs(labels) != 1):
        raise ValueError(f"labels holds {labels[np.abs(labels) != 1][0]:g}: must be +1 or -1")
    return gram @ labels / (8 * labels.size)


def cluster_spread(setting: XorSetting) -> float:
    """Standard deviation s of the linear classifier's score on a cluster's mean, in noise units.

    The classifier v = sum_i y_i x_i is right on a cluster with probability Phi(z) and on its mirror
    image with Phi(-z); over training sets z ~ N(0, s^2) with
    s^2 = (||mu||^4 / 2 + ||mu||^2) / (p + ||mu||^2), whatever n and the label noise are.
    """
    squared = setting.signal_norm**2
    return math.sqrt((squared**2 / 2 + squared) / (setting.d_in + squared))


def cluster_accuracy_cdf(setting: XorSetting, accuracy) -> np.ndarray:
    """P(accuracy of a cluster after one step <= a), the probability integral of Phi(z).

    Parameters
    ----------
    accuracy : (...) array
        a in (0, 1); ValueError otherwise.
    """
    accuracy = validate.array("accuracy", accuracy)
    if np.any((accuracy <= 0) | (accuracy >= 1)):
        raise ValueError(f"accuracy reaches {accuracy.min():g}..{accuracy.max():g}: not in (0, 1)")
    return ndtr(ndtri(accuracy) / cluster_spread(setting))


def one_step_fit(setting: XorSetting) -> float:
    """Mean train accuracy of the linear classifier sum_i y_i x_i, to leading order.

    A point's own term p + ||mu||^2 competes with the other n - 1: noise of variance
    (n - 1)(p + 2 ||mu||^2), and on its own axis about n / 2 of them with +-||mu||^2.
    """
    squared = setting.signal_norm**2
    noise = (setting.n_train - 1) * (setting.d_in + 2 * squared + squared**2 / 2)
    return float(ndtr((setting.d_in + squared) / math.sqrt(noise)))


def drift(setting: XorSetting, sign, alignment) -> np.ndarray:
    """Change of <w_j, mu_k> in one step: a_j y_k D_k,j ||mu||^2 / (2n) (XC Eq. A.29).

    ValueError if the shapes do not fit the setting's width.

    Parameters
    ----------
    sign : (width,) array
        Signs of the output weights a_j.
    alignment : (..., 2, width) array
        D_{mu_1,j} and D_{mu_2,j}; the labels are y = +1 for mu_1 and -1 for mu_2.
    """
    sign = validate.array("sign", sign, shape=(setting.width,))
    alignment = validate.array("alignment", alignment)
    if alignment.shape[-2:] != (2, setting.width):
        raise ValueError(f"alignment has shape {alignment.shape}: must end in (2, {setting.width})")
    share = np.array([[1.0], [-1.0]]) * sign / math.sqrt(setting.width)
    return share * alignment * setting.signal_norm**2 / (2 * setting.n_train)


def balance_score(members) -> np.ndarray:
    """Score r of each cluster against its mirror: mean of D_nu,j(0) over its standard deviation.

    For orthogonal training points D_nu,j(0) is a sum of independent halves, one a point of the two
    clusters: its mean is half the difference of their clean less flipped points, its variance a
    quarter of all points.
    Over training sets r is about N(0, 1), whatever n is.  ValueError if the shape differs, a
    number is negative or a cluster and its mirror are both empty.

    Parameters
    ----------
    members : (4, 2) array
        Numbers of clean and flipped training points of +mu_1, -mu_1, +mu_2, -mu_2.

    Returns
    -------
    (4,) array
        Opposite for a cluster and its mirror.
    """
    members = validate.array("members", members, shape=(4, 2))
    mirror = members[[1, 0, 3, 2]]
    points = members.sum(axis=1) + mirror.sum(axis=1)
    if np.any(members < 0) or np.any(points == 0):
        raise ValueError(f"members = {members.tolist()}: must be >= 0, no pair of clusters empty")
    return (members[:, 0] - members[:, 1] - mirror[:, 0] + mirror[:, 1]) / np.sqrt(points)


def _coherence(setting, members):
    """Covariance of two points of a cluster activating a neuron; clean less flipped points of each
    pair of clusters; standard deviation of D_nu,j(0)."""
    pairs = members + members[[1, 0, 3, 2]]
    points, net = pairs.sum(axis=1), pairs[:, 0] - pairs[:, 1]
    squared = setting.signal_norm**2
    covariance = math.asin(squared / (setting.d_in + squared)) / (2 * math.pi)
    return covariance, net, np.sqrt(points / 4 + (net**2 - points) * covariance)


def aligned_share(setting: XorSetting, members) -> np.ndarray:
    """Share of neurons with D_nu,j(0) > 0: Phi(r) for orthogonal points (XC Lemma A.11).

    Points of a cluster have cosine ||mu||^2 / (p + ||mu||^2), so a neuron that sees one of them is
    more likely to see another.  This widens D_nu,j(0) and evens the shares out.

    Parameters
    ----------
    members : (4, 2) array
        As for :func:`balance_score`, which also tells what is raised.

    Returns
    -------
    (4,) array
    """
    score = balance_score(members)
    members = np.asarray(members, dtype=float)
    points = (members + members[[1, 0, 3, 2]]).sum(axis=1)
    return ndtr(score * np.sqrt(points) / 2 / _coherence(setting, members)[2])


def aligned_speed(setting: XorSetting, members) -> np.ndarray:
    """Steady growth of <w_j, nu> for neurons aligned with each centre nu (after XC Lemma 4.7).

    Averaged over the neurons with a_j y_nu > 0 and D_nu,j(0) > 0, per step and in units of
    alpha ||mu||^2 / sqrt(m).  From step 1 on all clean points of the cluster are active, its
    flipped ones off, and of the mirror cluster the clean points active at the start remain:
    D_nu = c_nu - d with d their number, whose mean given D_nu(0) > 0 follows from a bivariate
    normal law.  Each step adds D_nu / (2n).

    Parameters
    ----------
    setting, members
        As for :func:`aligned_share`.

    Returns
    -------
    (4,) array
    """
    share = aligned_share(setting, members)
    members = np.asarray(members, dtype=float)
    seen = members[[1, 0, 3, 2], 0]
    covariance, net, spread = _coherence(setting, members)
    excess = np.exp(-(ndtri(share) ** 2) / 2) / math.sqrt(2 * math.pi) / share
    kept = seen / 2 - seen * (0.25 + covariance * (net - 1)) / spread * excess
    return (members[:, 0] - kept) / (2 * members.sum())


def early_fit(setting: XorSetting, step) -> np.ndarray:
    """Mean train accuracy at small steps, while the first activations last: omega >> alpha.

    Then f is linear in time: a point's margin grows by (p + ||mu||^2) / (4n) a step, against the
    initial output, of variance omega^2 (p + ||mu||^2) / (2 alpha^2), and the terms of the other
    points, which carry half the weight of its own, as the other point is active on half of the
    neurons that see it.

    Parameters
    ----------
    step : (n_steps,) array

    Returns
    -------
    (n_steps,) array
        Fractions; 1/2 at step 0.
    """
    step = validate.steps("step", step)
    squared, n = setting.signal_norm**2, setting.n_train
    length = setting.d_in + squared
    others = (n - 1) * (setting.d_in + 2 * squared + squared**2 / 2) / (8 * n) ** 2
    start = setting.init_ratio**2 * length / 2
    with np.errstate(invalid="ignore"):
        score = step * length / (4 * n) / np.sqrt(start + step**2 * others)
    return ndtr(np.nan_to_num(score))


def memorisation_time(setting: XorSetting, level: float = 0.95) -> float:
    """Step at which :func:`early_fit` reaches ``level``: proportional to omega / alpha.

    ``inf`` if it never does.  ValueError if ``level`` is not in (1/2, 1).
    """
    score = float(ndtri(validate.number("level", level, above=0.5, below=1)))
    squared, n = setting.signal_norm**2, setting.n_train
    length = setting.d_in + squared
    others = (n - 1) * (setting.d_in + 2 * squared + squared**2 / 2) / (8 * n) ** 2
    net = (length / (4 * n)) ** 2 - score**2 * others
    return math.inf if net <= 0 else score * setting.init_ratio * math.sqrt(length / 2 / net)


def delay_ratio(setting: XorSetting) -> float:
    """Generalisation over memorisation time at small steps and level 0.8: omega, alpha drop out.

    The output memorises while single neurons hardly move (:func:`memorisation_time`).  A neuron's
    shift towards a centre starts at ||mu||^2 / p of the squared spread of its pre-activations and
    grows at a rate proportional to n ||mu||^2 / p; the network generalises when shift and spread
    are equal.  The ratio is K sqrt(m) p / (n ||mu||^2) ln(p / ||mu||^2) with
    K = sqrt(2) / (z_0.8 phi(0) (1 - 2 eta)), 4.7 at eta = 0.05.  Clusters are taken to be of equal
    size, and the points that see a neuron from the start to stay.
    """
    cosine = setting.signal_norm**2 / setting.d_in
    shares = ndtri(0.8) / math.sqrt(2 * math.pi) * (1 - 2 * setting.label_noise)
    growth = setting.n_train * cosine * shares / math.sqrt(2 * setting.width)
    return -math.log(cosine) / growth


def gradient_deviation(setting: XorSetting, output) -> float:
    """Bound alpha abs(f) / 4 on the distance of all g_i from 1/2 (cf. XC Lemma A.3).

    ``output`` holds outputs f in units of alpha; ValueError unless finite.
    """
    output = validate.array("output", output)
    return float(setting.step_size * np.max(np.abs(output)) / 4)
