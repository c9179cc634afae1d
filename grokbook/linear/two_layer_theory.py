"""Two-layer networks in theory: the frozen-kernel approximation (paper LE, Section 4, Eq. 19).

While the hidden layer stays near its initial weights, the product of the layers learns as a single
layer does, 2 d_out^2 times more slowly and from a loss of 1 / (2 d_hidden d_out).  Nothing is
trained here; the same setting and steps go to ``two_layer_simulate.trajectory``.
"""

from __future__ import annotations

import numpy as np

from grokbook import validate
from grokbook.curves import LEVEL, Curves
from grokbook.linear import theory
from grokbook.linear.setting import LinearSetting, TwoLayerSetting


def equivalent(setting: TwoLayerSetting) -> LinearSetting:
    """The single layer whose loss is 2 d_hidden times that of the frozen two-layer network.

    Its learning rate is eta / (2 d_out) and its threshold 2 d_hidden epsilon; accuracies agree.
    """
    return LinearSetting(
        setting.aspect_ratio,
        d_in=setting.d_in,
        d_out=setting.d_out,
        learning_rate=setting.learning_rate / (2 * setting.d_out),
        accuracy_threshold=2 * setting.d_hidden * setting.accuracy_threshold,
    )


def losses(setting: TwoLayerSetting, step) -> tuple[np.ndarray, np.ndarray]:
    """Mean train and test loss, (1 / (2 d_hidden d_out)) F(2 eta t / d_out^2) (LE Eq. 19).

    F is the mean loss of a single layer with one output as a function of 4 eta t.  Each (n_steps,).
    """
    return tuple(loss / (2 * setting.d_hidden) for loss in theory.losses(equivalent(setting), step))


def curves(setting: TwoLayerSetting, step) -> Curves:
    """Mean losses and their accuracies at each step (LE Fig. 5)."""
    record = theory.curves(equivalent(setting), step)
    train, test = losses(setting, step)
    return Curves(record.step, train, test, record.train_accuracy, record.test_accuracy)


def crossing_times(setting: TwoLayerSetting, level: float = LEVEL) -> tuple[float, float]:
    """Memorisation and generalisation time in steps of :func:`curves`."""
    return theory.crossing_times(equivalent(setting), level)


def frozen_losses(
    setting: TwoLayerSetting, step, eigenvalue, difference
) -> tuple[np.ndarray, np.ndarray]:
    """LE Eq. 19 for one draw instead of the mean: its own spectrum and initial difference.

    Parameters
    ----------
    step : (n_steps,) array
    eigenvalue : (d_in,) array
        Eigenvalues of the training covariance, non-negative.
    difference : (d_in, d_out) array
        Initial student map minus teacher map, in the eigenvectors' basis.

    Returns
    -------
    train_loss, test_loss : (n_steps,) arrays
    """
    step = validate.steps("step", step)
    shape = (setting.d_in, setting.d_out)
    difference = validate.array("difference", difference, shape=shape)
    eigenvalue = validate.array("eigenvalue", eigenvalue, shape=shape[:1])
    if eigenvalue.min() < 0:
        raise ValueError(f"eigenvalue reaches {eigenvalue.min():g}: must be >= 0")
    rate = 2 * setting.learning_rate / setting.d_out**2
    power = np.sum(difference**2, axis=1) / setting.d_out
    kept = np.exp(-np.multiply.outer(step, rate * eigenvalue))
    return kept @ (eigenvalue * power), kept @ power


def half_norm_rate(setting: TwoLayerSetting, eigenvalue, student, teacher) -> float:
    """dh/dt per step of the half squared norm: -(4 eta / d_out) Tr[S^T Sigma (S - T)].

    Corrects LE Eq. 18, which prints 8 eta without trace and without 1 / d_out.  ``student`` and
    ``teacher`` are the maps S = S0 S1 and T, (d_in, d_out), in the basis of the eigenvectors of
    the training covariance; linear activation.
    """
    shape = (setting.d_in, setting.d_out)
    student = validate.array("student", student, shape=shape)
    teacher = validate.array("teacher", teacher, shape=shape)
    eigenvalue = validate.array("eigenvalue", eigenvalue, shape=shape[:1])
    overlap = eigenvalue @ np.sum(student * (student - teacher), axis=1)
    return float(-4 * setting.learning_rate / setting.d_out * overlap)
