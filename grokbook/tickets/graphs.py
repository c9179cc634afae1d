"""What a mask looks like as a graph: rows on one side, columns on the other, edges where it keeps.

GT Section 5.2 measures spectral gaps, the Ramanujan gap, path length and clustering, averaged over
layers.  Singular values come from numpy, paths from scipy, clustering from networkx.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from grokbook import validate


def spectral_gap(matrix: np.ndarray) -> float:
    """First minus second eigenvalue of the bipartite graph of ``matrix``; (n_rows, n_columns).

    They are the two largest singular values of the matrix: of the mask for the plain gap, of the
    absolute weights for the weighted one.  Raises ValueError unless it is a finite matrix with at
    least two rows and columns, without negative entries.
    """
    first, second = _largest(_biadjacency(matrix))
    return float(first - second)


def ramanujan_gap(mask: np.ndarray, *, biregular: bool = False) -> float:
    """Bound on the second singular value minus that value; GT Section 5.2.

    Parameters
    ----------
    mask : (n_rows, n_columns) array of 0 and 1
    biregular : bool
        GT's bound is sqrt(2 d - 1) with the average degree d; a graph is Ramanujan by the usual
        definition below sqrt(d_rows - 1) + sqrt(d_columns - 1), which is 2 sqrt(d - 1) for equal
        sides.
    """
    mask = _biadjacency(mask)
    edges, (rows, columns) = float(np.count_nonzero(mask)), mask.shape
    if biregular:
        bound = math.sqrt(max(edges / rows - 1, 0)) + math.sqrt(max(edges / columns - 1, 0))
    else:
        bound = math.sqrt(max(4 * edges / (rows + columns) - 1, 0))
    return float(bound - _largest(mask)[1])


def path_length(mask: np.ndarray) -> float:
    """Mean number of edges between two connected nodes, rows and columns being the nodes."""
    mask = _biadjacency(mask)
    kept = sparse.csr_matrix(mask > 0)
    graph = sparse.bmat([[None, kept], [kept.T, None]], format="csr")
    distance = csgraph.shortest_path(graph, unweighted=True)
    reached = np.isfinite(distance) & (distance > 0)
    if not reached.any():
        raise ValueError("mask keeps no weight: must have an edge")
    return float(distance[reached].mean())


def clustering(mask: np.ndarray) -> float:
    """Mean bipartite clustering of the smaller side, by networkx.

    The share of common neighbours among all neighbours of two nodes with a common one, averaged
    over such pairs and then over nodes (Latapy et al. 2008).
    """
    from networkx.algorithms import bipartite

    mask = _biadjacency(mask)
    mask = mask if mask.shape[0] <= mask.shape[1] else mask.T
    graph = bipartite.from_biadjacency_matrix(sparse.csr_matrix(mask > 0))
    return float(bipartite.average_clustering(graph, range(mask.shape[0]), mode="dot"))


def _biadjacency(matrix) -> np.ndarray:
    matrix = validate.array("matrix", matrix, ndim=2)
    if min(matrix.shape) < 2 or np.any(matrix < 0):
        raise ValueError(
            f"matrix of shape {matrix.shape}, lowest entry {matrix.min():g}: "
            "must have two rows and columns and no negative entry"
        )
    return matrix


def _largest(matrix: np.ndarray) -> np.ndarray:
    """The two largest singular values, from the smaller Gram matrix."""
    small = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    return np.sqrt(np.maximum(np.linalg.eigvalsh(small @ small.T)[:-3:-1], 0))
