"""Graph measures against graphs whose spectrum and distances are known, and networkx."""

import math

import networkx as nx
import numpy as np
import pytest
from scipy import sparse

from grokbook.tickets import graphs


def random_mask(rows=12, columns=20, density=0.4, seed=0):
    return (np.random.default_rng(seed).random((rows, columns)) < density).astype(float)


def test_complete_bipartite_graph():
    mask = np.ones((6, 24))
    assert graphs.spectral_gap(mask) == pytest.approx(12)
    assert graphs.path_length(mask) == pytest.approx(
        (2 * 6 * 24 + 2 * (6 * 5 + 24 * 23)) / (30 * 29)
    )
    assert graphs.clustering(mask) == pytest.approx(1)
    assert graphs.ramanujan_gap(mask, biregular=True) == pytest.approx(
        math.sqrt(23) + math.sqrt(5), abs=1e-6
    )
    assert graphs.ramanujan_gap(mask) == pytest.approx(math.sqrt(2 * 9.6 - 1), abs=1e-6)


def test_against_the_adjacency_matrix_and_networkx():
    mask = random_mask()
    graph = nx.bipartite.from_biadjacency_matrix(sparse.csr_matrix(mask))
    assert nx.is_connected(graph)
    eigenvalues = np.sort(np.linalg.eigvalsh(nx.to_numpy_array(graph)))[::-1]
    assert graphs.spectral_gap(mask) == pytest.approx(eigenvalues[0] - eigenvalues[1])
    assert graphs.path_length(mask) == pytest.approx(nx.average_shortest_path_length(graph))
    degree = np.mean([d for _, d in graph.degree()])
    assert graphs.ramanujan_gap(mask) == pytest.approx(math.sqrt(2 * degree - 1) - eigenvalues[1])


@pytest.mark.parametrize(("rows", "columns"), [(67, 500), (500, 48)])
def test_a_random_mask_passes_the_bipartite_bound_as_a_random_matrix_does(rows, columns):
    """Its second singular value is Marchenko and Pastur's edge, below that bound by √(1 - q)."""
    mask = random_mask(rows, columns)
    share, degree = mask.mean(), 2 * mask.sum() / (rows + columns)
    edge = math.sqrt(share * (1 - share)) * (math.sqrt(rows) + math.sqrt(columns))
    second = np.linalg.svd(mask, compute_uv=False)[1]
    assert second == pytest.approx(edge, rel=0.08)
    printed = graphs.ramanujan_gap(mask) + second
    bipartite = graphs.ramanujan_gap(mask, biregular=True) + second
    assert printed == pytest.approx(math.sqrt(2 * degree - 1))
    assert printed < 2 * math.sqrt(degree - 1) < second < bipartite
    assert bipartite > math.sqrt(2) * printed
    assert edge / bipartite == pytest.approx(math.sqrt(1 - share), rel=0.03)


def test_clustering_of_a_random_graph():
    """Two rows share d^2 of the columns out of 1 - (1 - d)^2 that either has."""
    mask = random_mask(30, 400, 0.4)
    assert graphs.clustering(mask) == pytest.approx(0.16 / 0.64, rel=0.05)
    assert graphs.clustering(mask.T) == graphs.clustering(mask)


def test_paths_leave_out_what_is_not_connected():
    mask = np.zeros((3, 3))
    mask[0, 0] = mask[1, 1] = 1
    assert graphs.path_length(mask) == 1
    with pytest.raises(ValueError, match="keeps no weight"):
        graphs.path_length(np.zeros((3, 3)))


@pytest.mark.parametrize("parts", [1, 2])
def test_measures_do_not_depend_on_the_order_of_rows_and_columns(parts):
    """Neither on that of two components, nor on which eigenvector a routine finds."""
    mask = np.kron(np.eye(parts), random_mask(8, 11))
    rng = np.random.default_rng(4)
    moved = mask[rng.permutation(len(mask))][:, rng.permutation(mask.shape[1])]
    for measure in (
        graphs.spectral_gap,
        graphs.ramanujan_gap,
        graphs.path_length,
        graphs.clustering,
    ):
        assert measure(moved) == pytest.approx(measure(mask), rel=1e-10, abs=1e-7)
    if parts == 2:
        assert graphs.spectral_gap(mask) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("bad", [np.ones(3), -np.ones((3, 3)), np.full((3, 3), np.nan)])
def test_bad_matrices(bad):
    with pytest.raises(ValueError, match="matrix"):
        graphs.spectral_gap(bad)
