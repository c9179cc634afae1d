"""The Marchenko-Pastur law of the training covariance, and averages over it (LE, Eq. 6)."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import expit

from grokbook import validate

FINEST = 1e-30  # smallest eigenvalue scale that the average resolves in double precision
_NEGLIGIBLE = 38.0  # e^-38 = 3e-17: what is dropped, relative to the result


def edge_gap(aspect_ratio: float) -> float:
    """Return 1 - sqrt(lambda), the square root of the lower edge up to sign, exact near 1."""
    return (1 - aspect_ratio) / (1 + math.sqrt(aspect_ratio))


def spectral_edges(aspect_ratio: float) -> tuple[float, float]:
    """Edges (1 -/+ sqrt(lambda))^2 of the bulk of X^T X / N for N x d Gaussian X (LE Eq. 6).

    Parameters
    ----------
    aspect_ratio : float
        lambda = d / N > 0; ValueError otherwise.
    """
    validate.number("aspect_ratio", aspect_ratio, above=0)
    return edge_gap(aspect_ratio) ** 2, (1 + math.sqrt(aspect_ratio)) ** 2


def null_fraction(aspect_ratio: float) -> float:
    """Weight (1 - 1/lambda)^+ of the eigenvalue 0: directions that no training input touches."""
    validate.number("aspect_ratio", aspect_ratio, above=0)
    return max(0.0, 1 - 1 / aspect_ratio)


def spectral_density(aspect_ratio: float, eigenvalue) -> np.ndarray:
    """Density of the bulk at each ``eigenvalue``; the null fraction comes on top (LE Eq. 6).

    ValueError if an argument is out of range or not finite.

    Parameters
    ----------
    aspect_ratio : float
        lambda = d / N > 0.
    eigenvalue : (...) array
        Finite; the density is 0 outside the edges.
    """
    low, high = spectral_edges(aspect_ratio)
    eigenvalue = validate.array("eigenvalue", eigenvalue)
    inside = (eigenvalue > low) & (eigenvalue < high)
    safe = np.where(inside, eigenvalue, 0.5 * (low + high))
    density = np.sqrt((high - safe) * (safe - low)) / (2 * np.pi * aspect_ratio * safe)
    return np.where(inside, density, 0.0)


def spectral_nodes(aspect_ratio: float, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the Marchenko-Pastur average, to about 1e-13 of the result.

    ``weights @ f(nodes)`` is E[f(nu)] for a smooth positive f on [0, inf) that varies on no
    eigenvalue scale finer than ``scale``: 1/s for exp(-s nu), g for 1 / (nu + g).  For lambda > 1
    the last node is the atom at 0.

    The nodes are a trapezoidal sum in y, equally spaced in the logarithm of the distance to either
    edge: ``nu = (1 - sqrt(lambda))^2 + 4 sqrt(lambda) / (1 + e^(-2y))``.  In the strip
    ``|Im y| < pi/4`` the real part of nu stays above the lower edge, so the error is
    ``e^(-pi^2 / 2h)`` at *every* lambda and every s, up to the factor ``s^(3/2)`` by which the
    result may be smaller than the integrand.  ValueError if an argument is out of range, in
    particular a ``scale`` that cannot be resolved.

    Parameters
    ----------
    aspect_ratio : float
        lambda = d / N > 0.
    scale : float
        At least 1e-30; the finer, the more nodes (a few hundred).
    """
    validate.number("aspect_ratio", aspect_ratio, above=0)
    validate.number("scale", scale, at_least=FINEST)
    low, width = edge_gap(aspect_ratio) ** 2, 4 * math.sqrt(aspect_ratio)
    depth = math.log1p(width / scale)
    spacing = 0.5 * math.pi**2 / (_NEGLIGIBLE + 1.5 * depth)
    y = np.arange(_first_y(low / width, depth), _NEGLIGIBLE / 3, spacing)
    nodes = low + width * expit(2 * y)
    weights = 2 * spacing / (np.pi * nodes * np.cosh(y) ** 3)
    if aspect_ratio > 1:
        nodes = np.append(nodes, 0.0)
        weights = np.append(weights, null_fraction(aspect_ratio))
    return nodes, weights


def _first_y(gap, depth):
    """Where the integrand has become negligible towards the lower edge.

    It falls as e^y once nu - lambda_- is below the scale, and as e^(3y) once below lambda_- too.
    """
    resolved = -0.5 * depth
    below_gap = min(resolved, 0.5 * math.log(gap)) if gap else -math.inf
    return max(resolved - _NEGLIGIBLE, (resolved + 2 * below_gap - _NEGLIGIBLE) / 3)
