"""Exact mean curves of the linear teacher-student setting, in the limit of large d_in (paper LE).

Everything here is an average over the Marchenko-Pastur law; nothing is trained.  The same setting
and steps go to ``grokbook.linear.simulate.trajectory``, and both return a :class:`Curves`.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammainc, gammaincinv

from grokbook import validate
from grokbook.curves import LEVEL, Curves
from grokbook.linear.setting import LinearSetting
from grokbook.linear.spectrum import FINEST, null_fraction, spectral_nodes

PAPER_LEVEL = math.erf(math.sqrt(2))  # 0.9545, LE's accuracy level: loss epsilon / 4 at d_out = 1


def losses(setting: LinearSetting, step) -> tuple[np.ndarray, np.ndarray]:
    """Mean train and test loss under gradient flow (LE Eqs. 7, 8, 13, 15).

    The average over teacher, student and large Gaussian data sets, for any lambda, number of
    outputs, weight decay, initial scale and label noise (derived by us; LE's remark on it is
    wrong for labels that stay fixed), to about 1e-13 relative.  With label noise the train loss is
    that on the noisy labels, the test loss that on clean ones.  ValueError if the steps are
    invalid, or so late (about 1e30 / learning_rate) that the average cannot be resolved.

    Parameters
    ----------
    step : (n_steps,) array
        Time in gradient-descent steps, non-negative and increasing.

    Returns
    -------
    train_loss, test_loss : (n_steps,) arrays
        Squared error per sample and output.
    """
    step = validate.steps("step", step)
    return _mean_losses(setting, step, _nodes(setting, step[-1]))


def _nodes(setting, last_step):
    """Nodes and weights that resolve every step up to ``last_step``."""
    sharpness = max(1.0, 4 * setting.learning_rate * last_step / setting.d_out)
    scale = 1 / sharpness
    if setting.weight_decay:
        scale = min(scale, setting.weight_decay / 2)
    if scale < FINEST:
        raise ValueError(
            f"step = {last_step:g} with weight_decay = {setting.weight_decay:g}: the average "
            f"resolves 4 eta t / d_out <= {1 / FINEST:g} and weight_decay >= {2 * FINEST:g} (or 0)"
        )
    return spectral_nodes(setting.aspect_ratio, scale)


def _mean_losses(setting, step, rule):
    nodes, weights = rule
    shift = setting.weight_decay / 2
    rate = 2 * setting.learning_rate / setting.d_out
    kept = np.multiply.outer(step, -rate * (nodes + shift))
    np.exp(kept, out=kept)
    # Student and teacher each have mean squared norm 1/2; only decay treats them differently.
    if shift:
        teacher = (nodes * kept + shift) / (nodes + shift)
        squared = (setting.init_scale * kept) ** 2 + teacher**2
    else:
        squared = (1 + setting.init_scale**2) * kept**2
    share = weights / (2 * setting.d_out)
    train, test = squared @ (share * nodes), squared @ share
    if setting.label_noise:
        noisy_train, noisy_test = _noise_losses(setting, step, rule)
        return train + noisy_train, test + noisy_test
    return train, test


def _noise_losses(setting, step, rule):
    """What fixed noise on the training labels adds to the mean losses.

    Each mode fits the share nu (1 - kept) / (nu + g) of its noise and carries it into the student.
    """
    nodes, weights = rule
    shift = setting.weight_decay / 2
    rate = 2 * setting.learning_rate / setting.d_out * (nodes + shift)
    learnt = -np.expm1(-np.multiply.outer(step, rate)) / np.where(rate, nodes + shift, 1.0)
    power, ratio = setting.label_noise**2, setting.aspect_ratio
    left = (1 - nodes * learnt) ** 2 @ weights  # of the noise in the span of the inputs
    return power * (1 - ratio + ratio * left), power * ratio * (learnt**2 @ (weights * nodes))


def long_time_losses(setting: LinearSetting) -> tuple[float, float]:
    """Limits of the mean train and test loss for t -> infinity.

    Without weight decay 0 and (1 - 1/lambda)^+ of the initial loss.  With it the exact limits,
    of which LE Eq. 16 is the leading order in gamma (with the prefactor 1/8 instead of 1/4).
    Label noise adds to both; at lambda = 1 without decay its test loss grows for ever: ``inf``.
    """
    ratio, shift, power = setting.aspect_ratio, setting.weight_decay / 2, setting.label_noise**2
    if not shift:
        initial = (1 + setting.init_scale**2) / (2 * setting.d_out)
        noisy = power and (power * min(ratio, 1.0) / abs(1 - ratio) if ratio != 1 else math.inf)
        return power * max(0.0, 1 - ratio), null_fraction(ratio) * initial + noisy
    # Stieltjes transform m = E[1 / (nu + g)], the root of ratio g m^2 + (1 - ratio + g) m = 1.
    gap = 1 - ratio + shift
    root = math.sqrt(gap**2 + 4 * ratio * shift)
    stieltjes = 2 / (gap + root) if gap > 0 else (root - gap) / (2 * ratio * shift)
    # root - g - ratio g m = 1 - ratio + ratio g m, without cancellation on either side of 1.
    if ratio < 1:
        remainder = 1 - ratio + ratio * shift * stieltjes
    else:
        remainder = 2 * shift / (root + ratio - 1 + shift)
    # E[1 / (nu + g)^2] and E[nu / (nu + g)^2]
    plain, weighted = (stieltjes * x / root for x in (1 + ratio * stieltjes, remainder))
    bias = 0.5 * shift**2 / setting.d_out
    train = bias * weighted + power * (1 - ratio + ratio * shift**2 * plain)
    return train, bias * plain + power * ratio * weighted


def accuracy(loss, setting: LinearSetting) -> np.ndarray:
    """Fraction of samples with squared error per output below epsilon (LE Eqs. 10, 13).

    P(d_out / 2, d_out epsilon / (2 L)), the regularised lower incomplete gamma function, because
    the d_out errors of a sample are independent with variance L; erf(sqrt(epsilon / 2L)) for one
    output.  For many outputs it needs d_in much larger than d_out.

    Parameters
    ----------
    loss : (...) array
        Non-negative; ValueError otherwise.
    setting : LinearSetting
        Its ``d_out`` and ``accuracy_threshold`` are used.
    """
    loss = validate.array("loss", loss)
    if np.any(loss < 0):
        raise ValueError(f"loss reaches {loss.min():g}: must be >= 0")
    half = setting.d_out / 2
    with np.errstate(divide="ignore", over="ignore"):
        return gammainc(half, half * setting.accuracy_threshold / loss)


def loss_level(setting: LinearSetting, level: float = LEVEL) -> float:
    """Loss at which the accuracy is ``level``, in (0, 1): d_out epsilon / chi^2 quantile.

    For one output and ``level=PAPER_LEVEL`` it is epsilon / 4.
    """
    validate.number("level", level, above=0, below=1)
    half = setting.d_out / 2
    return half * setting.accuracy_threshold / float(gammaincinv(half, level))


def curves(setting: LinearSetting, step) -> Curves:
    """Mean losses and their accuracies at each step (LE Figs. 1-3); raises as :func:`losses`."""
    train, test = losses(setting, step)
    return Curves(step, train, test, accuracy(train, setting), accuracy(test, setting))


def spectrum_curves(setting: LinearSetting, step, eigenvalue, test_weight=None) -> Curves:
    """Mean curves over teacher and student for given inputs, instead of Marchenko-Pastur's (by us).

    ValueError if an argument is out of range, or there is label noise.

    Parameters
    ----------
    setting : LinearSetting
        Its ``aspect_ratio`` is not used; label noise is refused.
    step : (n_steps,) array
    eigenvalue : (d_in,) array
        Eigenvalues of the training covariance X^T X / N, >= 0.
    test_weight : (d_in,) array, optional
        v^T Sigma v for the eigenvectors v of the training covariance, where the population has the
        covariance Sigma; 1 by default, as for LE's inputs.
    """
    step, shape = validate.steps("step", step), (setting.d_in,)
    validate.zero(setting, "label_noise")
    test_weight = np.ones(shape) if test_weight is None else test_weight
    nodes, weights = (
        validate.array(name, value, shape=shape)
        for name, value in (("eigenvalue", eigenvalue), ("test_weight", test_weight))
    )
    for name, value in (("eigenvalue", nodes), ("test_weight", weights)):
        if value.min() < 0:
            raise ValueError(f"{name} reaches {value.min():g}: must be >= 0")
    train, _ = _mean_losses(setting, step, (nodes, np.full(shape, 1 / setting.d_in)))
    _, test = _mean_losses(setting, step, (nodes, weights / setting.d_in))
    return Curves(step, train, test, accuracy(train, setting), accuracy(test, setting))


def crossing_times(setting: LinearSetting, level: float = LEVEL) -> tuple[float, float]:
    """Memorisation and generalisation time of the mean curves, by root finding (LE Figs. 1-4).

    ValueError if the level is out of range, or there is label noise: the test loss may then
    rise again, and its times are read from :func:`curves`.

    Parameters
    ----------
    level : float
        Accuracy in (0, 1); LE uses ``PAPER_LEVEL`` in Figs. 1-3 and 0.95 in Fig. 4.

    Returns
    -------
    memorisation_time, generalisation_time : float
        Steps; 0 if the accuracy starts there, ``inf`` if it is never reached.
    """
    target = loss_level(setting, level)
    return tuple(time_of_loss(setting, which, target) for which in (0, 1))


def time_of_loss(setting: LinearSetting, which: int, target: float) -> float:
    """Step at which the mean train (``which`` = 0) or test loss (1) has fallen to ``target`` > 0.

    0 if it starts there, ``inf`` if it never gets there; ValueError with label noise.
    """
    validate.zero(setting, "label_noise")
    validate.number("target", target, above=0)
    if losses(setting, [0.0])[which][0] <= target:
        return 0.0
    if long_time_losses(setting)[which] >= target:
        return math.inf
    unit = setting.d_out / setting.learning_rate
    late = 1.0
    while losses(setting, [late * unit])[which][0] > target:
        late *= 10
    rule = _nodes(setting, late * unit)

    def excess(log_time):
        step = np.array([math.expm1(log_time) * unit])
        return math.log(_mean_losses(setting, step, rule)[which][0] / target)

    return math.expm1(brentq(excess, 0.0, math.log1p(late), xtol=1e-14, rtol=1e-13)) * unit
