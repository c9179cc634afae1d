"""The loss around training paths: paths through weight space, their principal plane, maps of it.

NS Fig. 7 shows paths of several optimisers from one start, in the plane of their two principal
components, over the training and the test loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from grokbook import validate
from grokbook.modular.data import Dataset
from grokbook.modular.train import evaluate


@dataclass(frozen=True)
class Plane:
    """A plane in weight space.

    Attributes
    ----------
    origin : (n_weights,) array
    axes : (2, n_weights) array
        Orthonormal.  Along each the first of the paths' points that is at least half as far out
        as the furthest lies on the positive side.
    explained : (2,) array
        Share of the paths' variance along each axis; at most 1 together.
    """

    origin: np.ndarray
    axes: np.ndarray
    explained: np.ndarray

    def coordinates(self, weights: np.ndarray) -> np.ndarray:
        """Place in the plane, (..., 2), of the projection of weights (..., n_weights)."""
        return (np.asarray(weights) - self.origin) @ self.axes.T

    def direction(self, vector: np.ndarray) -> np.ndarray:
        """Components along the axes, (2,), of a direction in weight space."""
        return self.axes @ np.asarray(vector)

    def point(self, u: float, v: float) -> np.ndarray:
        """Weights at coordinates (u, v); shape (n_weights,)."""
        return self.origin + u * self.axes[0] + v * self.axes[1]


def principal_plane(paths: Sequence[np.ndarray], *, origin: np.ndarray | None = None) -> Plane:
    """The plane of the two principal components of the points of several paths.

    ValueError if there is no path, the paths differ in their number of weights, a weight is not
    finite, the points span no plane, or their components are equal and so have no direction.

    Parameters
    ----------
    paths : sequence of (n_steps, n_weights) arrays
    origin : (n_weights,) array, optional
        Point through which the plane goes, from which the components are taken; the mean of all
        points by default.
    """
    if not len(paths):
        raise ValueError("paths = []: must hold at least one path")
    size = np.shape(paths[0])[-1]
    points = np.concatenate([validate.array("paths", one, shape=(None, size)) for one in paths])
    if origin is None:
        origin = points.mean(axis=0)
    centred = points - validate.array("origin", origin, shape=(size,))
    # Few points, many weights: the Gram matrix has the same eigenvalues.
    value, vector = np.linalg.eigh(centred @ centred.T)
    if len(value) < 2 or value[-2] <= 1e-12 * value[-1]:
        raise ValueError(f"paths: their {len(points)} points must span a plane")
    if np.any(value[-2:] - np.append(0, value)[-3:-1] <= 1e-9 * value[-2:]):
        raise ValueError("paths: their principal components must differ in variance")
    axes = (vector[:, [-1, -2]] / np.sqrt(value[[-1, -2]])).T @ centred
    # The sign of an eigenvector is arbitrary, and the mean of centred points is rounding.
    place = centred @ axes.T
    first = np.argmax(np.abs(place) >= np.abs(place).max(axis=0) / 2, axis=0)
    axes *= np.sign(place[first, [0, 1]])[:, None]
    return Plane(np.asarray(origin, dtype=float), axes, value[[-1, -2]] / value.clip(0).sum())


def loss_map(
    network: nn.Module,
    plane: Plane,
    u: np.ndarray,
    v: np.ndarray,
    data: Sequence[Dataset],
    loss: nn.Module,
) -> np.ndarray:
    """Mean loss on a grid of a plane; the network's weights are the same afterwards.

    ValueError if the numbers of weights differ or a coordinate is not finite.

    Parameters
    ----------
    network : nn.Module
        With as many weights as the plane's points, in the order of its parameters.
    u, v : (n_u,), (n_v,) arrays
        Coordinates in the plane.

    Returns
    -------
    (n_data, n_v, n_u) array
        Nats.
    """
    u, v = validate.array("u", u, ndim=1), validate.array("v", v, ndim=1)
    parameters = list(network.parameters())
    before = nn.utils.parameters_to_vector(parameters).detach().clone()
    if before.numel() != plane.origin.size:
        raise ValueError(f"network has {before.numel()} weights: must be {plane.origin.size}")
    out = np.empty((len(data), v.size, u.size))
    try:
        for i, j in np.ndindex(v.size, u.size):
            _put(torch.from_numpy(plane.point(u[j], v[i])), parameters)
            out[:, i, j] = [evaluate(network, one, loss)[0] for one in data]
    finally:
        _put(before, parameters)
    return out


@torch.no_grad()
def _put(vector: torch.Tensor, parameters: list[nn.Parameter]) -> None:
    start = 0
    for one in parameters:
        one.copy_(vector[start : start + one.numel()].view(one.shape))
        start += one.numel()
