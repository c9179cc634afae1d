"""Draws of paper LE, with their inputs or, for the errors of many samples at once, without."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grokbook import randomness
from grokbook.linear.setting import LinearSetting


@dataclass(frozen=True)
class TeacherStudent:
    """One draw: inputs (n_train, d_in), teacher and initial student, both (d_in, d_out).

    ``noise`` (n_train, d_out) is what the training labels have on top of the teacher's.
    """

    inputs: np.ndarray
    teacher: np.ndarray
    student: np.ndarray
    noise: np.ndarray


def draw(setting: LinearSetting, seed: int) -> TeacherStudent:
    """Draw teacher, student and training inputs (LE Section 2; all entries independent Gaussian).

    Inputs have variance 1, teacher and student entries 1 / (2 d_in d_out), the student's times
    ``init_scale`` squared; label noise has standard deviation ``label_noise``.  The draw depends
    on the setting and the seed only.  ValueError if ``seed`` is not a whole number >= 0.
    """
    rng = randomness.generator(seed)
    shape = (setting.d_in, setting.d_out)
    spread = (2 * setting.d_in * setting.d_out) ** -0.5
    teacher = spread * rng.standard_normal(shape)
    student = setting.init_scale * spread * rng.standard_normal(shape)
    inputs = rng.standard_normal((setting.n_train, setting.d_in))
    noise = setting.label_noise * rng.standard_normal((setting.n_train, setting.d_out))
    return TeacherStudent(inputs, teacher, student, noise)


def fresh_inputs(setting, seed, n_test):
    """Test inputs of a seed, (n_test, d_in); their stream is independent of that of its draw."""
    return randomness.generator(seed, 1).standard_normal((n_test, setting.d_in))


def covariance_root(vectors: np.ndarray) -> np.ndarray:
    """The root R of V^T V = R^T R that stays closest to the columns of V (d, m); (m, m).

    The errors G V of samples with independent Gaussian coordinates G have the law of H R, with H
    Gaussian in m dimensions.  R is the symmetric root for columns of length 1, times their lengths.
    Unlike the triangle of a QR decomposition it is a Lipschitz function of V, also where columns
    depend on each other: rounding has no say in which samples H makes.
    """
    length = np.linalg.norm(vectors, axis=0)
    triangle = np.linalg.qr(vectors / np.where(length, length, 1.0), mode="r")
    _, singular, right = np.linalg.svd(triangle, full_matrices=False)
    return (right.T * singular) @ right * length
