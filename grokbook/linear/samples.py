"""Errors of many samples at once, without their inputs (used by the training runs of paper LE)."""

from __future__ import annotations

import numpy as np


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
