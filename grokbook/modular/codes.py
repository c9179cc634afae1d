"""Numbers as vectors of bits: random codes, binary digits, and the arms that compare them.

NS Section 4.1 gives every number a random code of 14 bits.  The binary digits of a number below 113
are seven bits, so that a pair has 14 of them: as few dimensions, but not random.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from grokbook import randomness, validate
from grokbook.modular import data
from grokbook.modular.loss import CrossEntropy
from grokbook.modular.network import MLP
from grokbook.modular.optimizer import AdamW
from grokbook.modular.train import CURVES, Run, stack, train


def binary_digits(pairs: data.Dataset, *, seed: int | None = None) -> data.Dataset:
    """Replace each symbol by its binary digits, the lowest first.

    Parameters
    ----------
    pairs : Dataset
        Pairs of symbols below p.
    seed : int, optional
        Deal the same codes to the symbols in a random order: as many dimensions, the same set of
        vectors, no arithmetic in them.

    Returns
    -------
    Dataset
        Vectors of 0 and 1 of length 2 ceil(log2 p).

    Raises
    ------
    ValueError
        If ``pairs`` holds vectors.
    """
    if pairs.n_symbols == 0:
        raise ValueError("pairs = vectors: must be pairs of symbols")
    number = np.arange(pairs.n_symbols)
    n_bits = max(1, int(number[-1]).bit_length())
    if seed is not None:
        number = randomness.generator(seed).permutation(number)
    digits = (number[:, None] >> np.arange(n_bits)) & 1
    vectors = torch.from_numpy(digits.astype(np.float32))[pairs.inputs].flatten(1)
    return data.Dataset(vectors, pairs.labels, 0, pairs.n_classes)


# Each makes vectors of the pairs; the seed is that of the run.
CODES: dict[str, Callable[[data.Dataset, int], data.Dataset]] = {
    "random": lambda pairs, seed: data.random_codes(pairs, n_bits=14, seed=seed),
    "shuffled": lambda pairs, seed: binary_digits(pairs, seed=seed),
    "binary": lambda pairs, seed: binary_digits(pairs),
}


def run_code(
    seed: int,
    *,
    code: str,
    operation: str = "addition",
    p: int = 113,
    width: int = 200,
    train_fraction: float = 0.4,
    n_steps: int = 600,
    every: int = 10,
    **optimizer,
) -> Run:
    """Train the paper's MLP on one code of a task; nothing regularises it.

    Parameters
    ----------
    seed : int
        Of the codes, the training set and the initial weights.
    code : {"random", "shuffled", "binary"}
        Random codes of 14 bits a number; the binary digits dealt out at random; the binary digits.
    operation, p, width, train_fraction
        Of the task, the network's two hidden layers, and the split.
    n_steps, every : int
        Length of the run and distance of its records, in steps.
    optimizer
        Arguments of :class:`~grokbook.modular.optimizer.AdamW`; its learning rate is 0.01 here.

    Raises
    ------
    ValueError
        For an unknown code or task, or a number out of range.
    """
    validate.choice("code", code, tuple(CODES))
    record = range(0, validate.count("n_steps", n_steps) + 1, validate.count("every", every))
    vectors = CODES[code](data.modular_pairs(operation, p), seed)
    network = MLP(0, p, d_in=vectors.inputs.shape[1], width=width, seed=seed)
    return train(
        network,
        data.split(vectors, train_fraction, seed),
        record,
        loss=CrossEntropy(),
        optimizer=AdamW(**({"learning_rate": 0.01} | optimizer)),
    )


def arm(seeds: Sequence[int], **options) -> dict[str, np.ndarray]:
    """All seeds of one code as arrays, for a stored run; see :func:`run_code` for ``options``.

    Returns
    -------
    dict
        ``step`` (n_steps,); losses and accuracies (n_seeds, n_steps), as float32.
    """
    together = stack([run_code(seed, **options) for seed in seeds])
    curves = {name: getattr(together.curves, name).astype(np.float32) for name in CURVES}
    return {"step": together.step} | curves
