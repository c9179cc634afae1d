"""How far one run strays from the mean curves at finite d_in (derived by us).

A loss is a sum over the modes of the training covariance, each with its own random share of the
initial difference.  The number of modes that still carry the loss sets its spread between seeds.
The fluctuations of the spectrum itself, smaller by 1/d_in, are left out.
"""

from __future__ import annotations

import numpy as np
from scipy.special import chdtr, gammainc

from grokbook import validate
from grokbook.curves import LEVEL, Curves
from grokbook.linear import theory
from grokbook.linear.setting import LinearSetting
from grokbook.linear.spectrum import spectral_nodes


def effective_modes(setting: LinearSetting, step) -> tuple[np.ndarray, np.ndarray]:
    """Participation ratio K = d_in F(s)^2 / E[(weight of a mode)^2] of the train and test loss.

    A mode of eigenvalue nu weighs nu e^(-s nu) in the train and e^(-s nu) in the test loss, with
    s = 4 eta t / d_out; with weight decay, its term of LE Eq. 15 instead.  Shapes (n_steps,);
    d_in / (1 + lambda) and d_in at the start.  ValueError if the setting has label noise, or
    the steps are invalid.
    """
    validate.zero(setting, "label_noise")
    s = 4 * setting.learning_rate * validate.steps("step", step) / setting.d_out
    scale = min(1 / max(1.0, 2 * s[-1]), setting.weight_decay / 2 or 1.0)
    nodes, weights = spectral_nodes(setting.aspect_ratio, scale)

    def participation(share):
        seen = share > 0
        # Common factors cancel in the ratio: the slowest decay is taken out before it underflows.
        if setting.weight_decay:
            decay = _decaying_power(setting, s, nodes[seen])
        else:
            decay = np.exp(-np.multiply.outer(s, nodes[seen] - nodes[seen].min()))
        first, second = weights[seen] * share[seen], weights[seen] * share[seen] ** 2
        return setting.d_in * (decay @ first) ** 2 / (decay**2 @ second)

    return participation(nodes), participation(np.ones_like(nodes))


def _decaying_power(setting, s, nodes):
    """Twice the mean squared difference of each mode with weight decay (LE Eq. 15)."""
    shift = setting.weight_decay / 2
    kept = np.exp(-np.multiply.outer(s / 2, nodes + shift))
    return (setting.init_scale * kept) ** 2 + ((nodes * kept + shift) / (nodes + shift)) ** 2


def loss_spread(setting: LinearSetting, step) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviation over mean of one run's train and test loss, sqrt(2 / (K d_out))."""
    return tuple(np.sqrt(2 / (modes * setting.d_out)) for modes in effective_modes(setting, step))


def time_spread(setting: LinearSetting, step: float, slope: float, *, part: str) -> float:
    """Standard deviation over mean of the time at which one run passes a loss level.

    Parameters
    ----------
    step : float
        Time at which the mean curve passes the level, > 0.
    slope : float
        d log L / d log t of the mean curve there, non-zero.
    part : {"train", "test"}
    """
    validate.choice("part", part, ("train", "test"))
    validate.number("step", step, above=0)
    if not validate.number("slope", slope):
        raise ValueError("slope = 0: must not be 0")
    return float(loss_spread(setting, [step])[part == "test"][0] / abs(slope))


def effective_outputs(setting: LinearSetting, step) -> tuple[np.ndarray, np.ndarray]:
    """Number of independent errors of a sample, of the training set and of fresh ones (by us).

    The d_out errors of a sample share the K modes that carry the loss and are not independent.  The
    squared error then has the mean and variance of a chi-squared variable with fewer degrees of
    freedom, 1 / d_eff = 1 / d_out + (1 + 1 / d_out) / K for a fresh sample.  Training samples are
    rows of one matrix with orthonormal columns, which takes 1 / n_train off the right-hand side.
    Shapes (n_steps,); d_out where K >> d_out.
    """
    train, test = effective_modes(setting, step)
    alone = 1 / setting.d_out
    shared_train = (1 + alone) / train - 1 / setting.n_train
    return 1 / (alone + shared_train), 1 / (alone + (1 + alone) / test)


def finite_size_curves(setting: LinearSetting, step) -> Curves:
    """Mean curves whose accuracies allow for finite d_in (LE Eq. 13, corrected by us).

    P(d_eff / 2, d_eff epsilon / (2 L)) with d_eff of :func:`effective_outputs` in place of d_out;
    the losses are those of ``theory.losses``.  Raises as :func:`effective_modes`.
    """
    losses = theory.losses(setting, step)
    accuracies = [
        gammainc(outputs / 2, outputs * setting.accuracy_threshold / (2 * loss))
        for outputs, loss in zip(effective_outputs(setting, step), losses, strict=True)
    ]
    return Curves(step, *losses, *accuracies)


def generalising_share(setting: LinearSetting, level: float = LEVEL) -> float:
    """Share of runs whose test accuracy ever reaches ``level``; exact for one output (by us).

    A run of n_train < d_in keeps its initial difference in k = d_in - n_train directions, a limit
    loss of (1 + alpha^2) / (2 d_in) times a chi-squared variable with k degrees of freedom.
    ValueError if the setting has weight decay, label noise or several outputs, or the level is
    no share.
    """
    for name, allowed in (("weight_decay", 0), ("label_noise", 0), ("d_out", 1)):
        if (value := getattr(setting, name)) != allowed:
            raise ValueError(f"{name} = {value:g}: must be {allowed} here")
    null = max(0, setting.d_in - setting.n_train)
    scaled = 2 * setting.d_in * theory.loss_level(setting, level) / (1 + setting.init_scale**2)
    return float(chdtr(null, scaled)) if null else 1.0
