"""Modular arithmetic in Fourier space: spectra, the trigonometric algorithm, progress measures.

The circle of p residues has the real waves cos(2 pi k a / p) and sin(2 pi k a / p), with
frequencies k = 1 .. (p - 1) / 2 for odd p.  A network that computes a + b mod p by way of
cos(2 pi k (a + b - c) / p) is sparse in them (Nanda et al. 2023; NS App. D.1; GT Section 5).
"""

from __future__ import annotations

import numpy as np
import torch

from grokbook import randomness, validate
from grokbook.modular.network import MLP


def n_frequencies(p: int) -> int:
    """Number of frequencies on an odd circle, (p - 1) / 2; ValueError for an even p or p < 3."""
    if validate.count("p", p, at_least=3) % 2 == 0:
        raise ValueError(f"p = {p}: must be odd")
    return (p - 1) // 2


def power(table: np.ndarray) -> np.ndarray:
    """Share of each frequency in the variance of each column.

    Parameters
    ----------
    table : (p, n_columns) array
        Rows are symbols, columns neurons or embedding directions.

    Returns
    -------
    ((p - 1) / 2, n_columns) array
        Non-negative, columns sum to 1 (to 0 where a column is zero).
    """
    table = validate.array("table", table, ndim=2)
    n = n_frequencies(table.shape[0])
    square = np.abs(np.fft.rfft(table, axis=0)[1 : n + 1]) ** 2
    total = square.sum(axis=0)
    return np.divide(square, total, out=np.zeros_like(square), where=total > 0)


def spectrum(table: np.ndarray) -> np.ndarray:
    """Power of each frequency summed over columns, as shares that sum to 1; ((p - 1) / 2,)."""
    table = validate.array("table", table, ndim=2)
    n = n_frequencies(table.shape[0])
    square = np.sum(np.abs(np.fft.rfft(table, axis=0)[1 : n + 1]) ** 2, axis=1)
    return square / square.sum()


def entropy(table: np.ndarray) -> np.ndarray:
    """Fourier entropy of each column in nats, -sum_k s_k ln s_k (GT Section 5.1).

    s is the amplitude spectrum over the frequencies, normalised to sum 1, as in GT; a column of
    zeros has entropy 0.  Shape (n_columns,); at most ln((p - 1) / 2).
    """
    amplitude = np.sqrt(power(table))
    total = amplitude.sum(axis=0)
    share = np.divide(amplitude, total, out=np.zeros_like(amplitude), where=total > 0)
    return -np.sum(share * np.log(np.where(share > 0, share, 1.0)), axis=0)


def waves(p: int, frequency: int) -> tuple[np.ndarray, np.ndarray]:
    """cos and sin of 2 pi k a / p over a = 0 .. p - 1; ValueError unless 1 <= k <= (p - 1) / 2."""
    if not 1 <= frequency <= n_frequencies(p):
        raise ValueError(f"frequency = {frequency}: must be in 1..{n_frequencies(p)}")
    angle = 2 * np.pi * frequency * np.arange(p) / p
    return np.cos(angle), np.sin(angle)


def all_logits(network: torch.nn.Module, p: int) -> np.ndarray:
    """Logits of every pair, as an array (p, p, p) over a, b, c."""
    pairs = torch.cartesian_prod(torch.arange(p), torch.arange(p))
    network.eval()
    with torch.no_grad():
        return network(pairs).double().numpy().reshape(p, p, p)


def coefficients(logits: np.ndarray, pairs: np.ndarray | None = None) -> np.ndarray:
    """Weight of cos(2 pi k (a + b - c) / p) in the logits, for each k.

    ValueError if ``pairs`` has another shape or dtype, or holds no pair.

    Parameters
    ----------
    logits : (p, p, p) array
        Over a, b, c.
    pairs : (p, p) array of bool, optional
        Pairs a, b that count; all of them by default.  What a network has memorised of its training
        pairs has a part in the waves: whether it generalises shows on the others alone.

    Returns
    -------
    ((p - 1) / 2,) array
        Least-squares coefficients; the waves are orthogonal over c, so each is a projection.
    """
    logits = validate.array("logits", logits, ndim=3)
    p = logits.shape[0]
    mean = _mean_by_answer(logits, np.ones((p, p), bool) if pairs is None else pairs)
    return np.array([2 / p * mean @ waves(p, k)[0] for k in range(1, n_frequencies(p) + 1)])


def restricted(logits: np.ndarray, frequencies, pairs: np.ndarray | None = None) -> np.ndarray:
    """The part of the logits in cos(2 pi k (a + b - c) / p) for the given k alone, (p, p, p).

    Its loss is the restricted loss of Nanda et al. (2023): how far the trigonometric algorithm
    carries by itself.  They project over all pairs; ``pairs`` as for :func:`coefficients`.
    """
    logits = validate.array("logits", logits, ndim=3)
    p = logits.shape[0]
    all_coefficients = coefficients(logits, pairs)
    wave = sum(all_coefficients[k - 1] * waves(p, k)[0] for k in frequencies)
    a, b, c = np.ogrid[:p, :p, :p]
    return wave[(a + b - c) % p]


def excluded(logits: np.ndarray, frequencies, pairs: np.ndarray | None = None) -> np.ndarray:
    """The logits without what :func:`restricted` keeps, (p, p, p).

    Its loss on the training pairs is the excluded loss: how far memorisation carries by itself.
    """
    return logits - restricted(logits, frequencies, pairs)


def key_frequencies(logits: np.ndarray, share: float = 0.95) -> list[int]:
    """The fewest frequencies that hold ``share`` of the power in cos(2 pi k (a + b - c) / p).

    Of waves that are equal up to rounding those of low frequency come first.
    """
    validate.number("share", share, above=0, at_most=1)
    square = coefficients(logits) ** 2
    # In units of the largest and to nine digits: rounding does not decide between equals.
    order = np.argsort(-np.round(square / square.max(), 9), kind="stable")
    held = np.cumsum(square[order]) / square.sum()
    needed = np.searchsorted(held, share - 1e-9) + 1
    return sorted(int(k) + 1 for k in order[:needed])


def analytic_network(p: int, width: int, *, seed: int = 0) -> MLP:
    """A network of one layer of squares that adds modulo p by construction (Gromov 2023, Eq. 2).

    Neuron j has a frequency k_j and phases f_j, g_j: its first layer is cos(w k_j a + f_j) and
    cos(w k_j b + g_j), w = 2 pi / p, its output cos(w k_j c + f_j + g_j).  Squared and summed over
    random phases, only cos(w k (a + b - c)) survives.  ValueError if p is even or below 3, or
    width is not positive.
    """
    n = n_frequencies(p)
    network = MLP(p, p, width=width, depth=1, activation="square", seed=seed)
    rng = randomness.generator(seed)
    frequency = 1 + np.arange(width) % n
    phase = rng.uniform(0, 2 * np.pi, (2, width))
    angle = 2 * np.pi / p * np.outer(np.arange(p), frequency)
    first = np.concatenate([np.cos(angle + phase[0]), np.cos(angle + phase[1])])
    last = np.cos(angle + phase.sum(axis=0))
    with torch.no_grad():
        network.first.copy_(torch.from_numpy(first))
        network.layers[0].weight.copy_(torch.from_numpy(last))
    return network


def _mean_by_answer(logits: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Mean logit over the chosen (a, b) with a + b - c = d mod p, for each d; (p,)."""
    p = logits.shape[0]
    if pairs.shape != (p, p) or pairs.dtype != bool or not pairs.any():
        shape = f"{pairs.shape} of {pairs.dtype}"
        raise ValueError(f"pairs has shape {shape}: must be {(p, p)} of bool, with a pair in it")
    a, b = np.nonzero(pairs)
    answer = (np.add.outer(a + b, -np.arange(p))) % p
    return np.bincount(answer.ravel(), weights=logits[pairs].ravel()) / a.size
