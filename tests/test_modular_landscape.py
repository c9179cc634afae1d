"""Paths through weight space, their principal plane, and the loss on it."""

from functools import partial

import numpy as np
import pytest
import torch

from grokbook.modular import MLP, SGD, CrossEntropy, Pairs, Setting, landscape
from grokbook.modular.train import evaluate

SMALL = Setting(Pairs(p=11), network=partial(MLP.on, width=16), optimizer=SGD(1.0))


def paths_in_a_plane(n_weights=40, seed=0):
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(n_weights, 2)))[0].T
    shift = rng.normal(size=n_weights)
    return [shift + rng.normal(size=(n, 2)) * [3, 1] @ basis for n in (7, 5)], basis


def test_points_of_a_plane_are_recovered_from_their_coordinates():
    paths, basis = paths_in_a_plane()
    plane = landscape.principal_plane(paths)
    np.testing.assert_allclose(plane.axes @ plane.axes.T, np.eye(2), atol=1e-10)
    assert plane.explained.sum() == pytest.approx(1)
    assert plane.explained[0] > plane.explained[1]
    for point in paths[0]:
        np.testing.assert_allclose(plane.point(*plane.coordinates(point)), point, atol=1e-9)
    place = plane.coordinates(plane.origin + basis[0])
    np.testing.assert_allclose(plane.direction(basis[0]), place, atol=1e-12)


def test_components_are_taken_from_the_given_origin():
    paths, _ = paths_in_a_plane()
    plane = landscape.principal_plane(paths, origin=paths[0][0])
    np.testing.assert_allclose(plane.coordinates(paths[0][0]), 0, atol=1e-12)
    other = landscape.principal_plane([-one for one in paths], origin=-paths[0][0])
    np.testing.assert_allclose(other.axes, -plane.axes, atol=1e-9)


def test_explained_is_a_share_of_all_the_variance():
    points = np.diag([3.0, 2.0, 1.0]) @ np.eye(3, 8)
    plane = landscape.principal_plane([points], origin=np.zeros(8))
    np.testing.assert_allclose(plane.explained, [9 / 14, 4 / 14])


def test_rounding_decides_no_sign():
    """Points around their mean have a mean of rounding, so that it cannot give the signs."""
    paths, _ = paths_in_a_plane()
    plane = landscape.principal_plane(paths)
    place = plane.coordinates(np.concatenate(paths))
    first = np.argmax(np.abs(place) >= np.abs(place).max(axis=0) / 2, axis=0)
    assert np.all(place[first, [0, 1]] > 0)
    for seed in range(5):
        rounding = 1 + 1e-13 * np.random.default_rng(seed).standard_normal(paths[0].shape[1])
        other = landscape.principal_plane([one * rounding for one in paths])
        np.testing.assert_allclose(other.axes, plane.axes, atol=1e-9)


def test_map_is_the_loss_at_the_points_and_leaves_the_network_alone():
    trainer = SMALL.trainer(0)
    path = trainer.run([0, 10, 20], keep=[0, 10])
    plane = landscape.principal_plane([path.weights], origin=path.weights[0])
    before = trainer.weights.clone()
    u, v = np.array([0.0, 1.5]), np.array([-1.0, 0.0, 2.0])
    data = (trainer.train, trainer.test)
    grid = landscape.loss_map(trainer.network, plane, u, v, data, CrossEntropy())
    assert grid.shape == (2, 3, 2)
    assert torch.equal(before, trainer.weights)
    np.testing.assert_allclose(
        grid[:, 1, 0], [path.curves.train_loss[0], path.curves.test_loss[0]], rtol=1e-4
    )
    moved = MLP(11, 11, width=16)
    torch.nn.utils.vector_to_parameters(
        torch.from_numpy(plane.point(u[1], v[2])).float(), moved.parameters()
    )
    want = evaluate(moved, trainer.test, CrossEntropy())[0]
    assert grid[1, 2, 1] == pytest.approx(want, rel=1e-4)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="at least one path"):
        landscape.principal_plane([])
    with pytest.raises(ValueError, match="must span a plane"):
        landscape.principal_plane([np.outer(np.arange(4.0), np.ones(5))])
    with pytest.raises(ValueError, match="must differ in variance"):
        landscape.principal_plane([np.concatenate([np.eye(3), -np.eye(3)])])
    with pytest.raises(ValueError, match="must have shape"):
        landscape.principal_plane([np.ones((2, 5)), np.ones((2, 6))])
    paths, _ = paths_in_a_plane()
    plane = landscape.principal_plane(paths)
    with pytest.raises(ValueError, match="must be 40"):
        landscape.loss_map(MLP(5, 5, width=4), plane, np.ones(1), np.ones(1), (), CrossEntropy())
