"""The tasks: a ∘ b mod p, sparse parity, small digits; and their split into training and test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from grokbook import randomness, validate

# Each operation on integer arrays a, b modulo p.
OPERATIONS: dict[str, Callable] = {
    "addition": lambda a, b, p: a + b,
    "subtraction": lambda a, b, p: a - b,
    "multiplication": lambda a, b, p: a * b,
    "division": lambda a, b, p: a * _inverse(b, p),
    "x^2+y^2": lambda a, b, p: a**2 + b**2,
    "x^2+xy+y^2": lambda a, b, p: a**2 + a * b + b**2,
    "x^2+xy+y^2+x": lambda a, b, p: a**2 + a * b + b**2 + a,
    "x^3+xy": lambda a, b, p: a**3 + a * b,
    "x^3+xy^2+y": lambda a, b, p: a**3 + a * b**2 + b,
}
NEEDS_PRIME = ("division",)


@dataclass(frozen=True)
class Dataset:
    """Labelled samples of a task.

    ValueError if shapes do not agree, a label is not a class or an entry of a pair no symbol.

    Attributes
    ----------
    inputs : torch tensor
        Pairs of symbols, int64 of shape (n_samples, 2) with entries below ``n_symbols``; or
        vectors, float32 of shape (n_samples, d_in).
    labels : (n_samples,) int64 tensor
        Classes, below ``n_classes``.
    n_symbols : int
        p for pairs; 0 for vectors.
    n_classes : int
    """

    inputs: torch.Tensor
    labels: torch.Tensor
    n_symbols: int
    n_classes: int

    def __post_init__(self):
        if self.inputs.ndim != 2 or self.labels.shape != self.inputs.shape[:1]:
            raise ValueError(
                f"inputs, labels have shapes {tuple(self.inputs.shape)}, "
                f"{tuple(self.labels.shape)}: must be (n, d) and (n,)"
            )
        if len(self) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < self.n_classes:
            raise ValueError(
                f"labels reach {int(self.labels.max())}: must be classes below {self.n_classes}"
            )
        if len(self) and self.n_symbols:
            low, high = (one.item() for one in self.inputs.aminmax())
            if self.inputs.is_floating_point() or low < 0 or high >= self.n_symbols:
                last = self.n_symbols - 1
                raise ValueError(f"inputs = {low} to {high}: must be whole, from 0 to {last}")

    def __len__(self) -> int:
        return self.labels.shape[0]

    def __getitem__(self, index) -> Dataset:
        """The samples of ``index`` (a slice, mask or integer tensor)."""
        return Dataset(self.inputs[index], self.labels[index], self.n_symbols, self.n_classes)


def modular_pairs(operation: str = "addition", p: int = 113, *, unordered: bool = False) -> Dataset:
    """All pairs (a, b) with their label a ∘ b mod p (NS Section 3, GT Section 3).

    ValueError for an unknown operation, or a p or ``unordered`` that the operation does not
    allow.

    Parameters
    ----------
    operation : str
        One of ``OPERATIONS``.
    p : int
        The modulus, at least 2; prime for "division", which leaves out b = 0.
    unordered : bool
        Keep a >= b only, p (p + 1) / 2 pairs (GT); for operations that commute.

    Returns
    -------
    Dataset
        p² pairs, p (p - 1) for division.
    """
    validate.choice("operation", operation, tuple(OPERATIONS))
    validate.count("p", p, at_least=2)
    if operation in NEEDS_PRIME and not is_prime(p):
        raise ValueError(f"p = {p}: must be prime for {operation!r}")
    a, b = (side.ravel() for side in np.indices((p, p)))
    if operation == "division":
        a, b = a[b > 0], b[b > 0]
    label = OPERATIONS[operation](a, b, p) % p
    if unordered:
        if not np.array_equal(label, OPERATIONS[operation](b, a, p) % p):
            raise ValueError(f"unordered = True: must be False, {operation!r} does not commute")
        a, b, label = a[a >= b], b[a >= b], label[a >= b]
    pairs = torch.from_numpy(np.stack([a, b], axis=1))
    return Dataset(pairs, torch.from_numpy(label), p, p)


def sparse_parity(
    n_samples: int = 2000, *, n_bits: int = 43, n_parity: int = 3, seed: int = 0
) -> Dataset:
    """Parity of the first ``n_parity`` of ``n_bits`` random bits, vectors of 0 and 1 (NS Fig. 4).

    ValueError if a number is not positive or ``n_parity`` exceeds ``n_bits``.
    """
    for name, value in {"n_samples": n_samples, "n_bits": n_bits, "n_parity": n_parity}.items():
        validate.count(name, value)
    if n_parity > n_bits:
        raise ValueError(f"n_parity = {n_parity}: must be at most n_bits = {n_bits}")
    bits = randomness.generator(seed).integers(2, size=(n_samples, n_bits))
    label = bits[:, :n_parity].sum(axis=1) % 2
    return Dataset(torch.from_numpy(bits.astype(np.float32)), torch.from_numpy(label), 0, 2)


def random_codes(data: Dataset, *, n_bits: int = 14, seed: int = 0) -> Dataset:
    """Replace each symbol by its own random binary vector (NS Section 4.1, Fig. 4 right).

    The two codes of a pair are joined: the inputs become vectors of length 2 ``n_bits``.
    ValueError if ``data`` holds vectors, or there are fewer codes than symbols.
    """
    validate.count("n_bits", n_bits)
    if data.n_symbols == 0:
        raise ValueError("data = vectors: must be pairs of symbols")
    if 2**n_bits < data.n_symbols:
        raise ValueError(f"n_bits = {n_bits}: must give a code to each of {data.n_symbols} symbols")
    rng = randomness.generator(seed)
    return _in_bits(data, rng.choice(2**n_bits, size=data.n_symbols, replace=False), n_bits)


def binary_digits(pairs: Dataset, *, seed: int = 0) -> Dataset:
    """Replace each symbol by its binary digits, the lowest first; they are the same for any seed.

    NS Section 4.1 gives every number a random code of 14 bits.  The digits of a number below 113
    are seven bits, so that a pair has 14 of them: as few dimensions, but not random.

    Returns
    -------
    Dataset
        Vectors of 0 and 1 of length 2 ceil(log2 p); ValueError if ``pairs`` holds vectors.
    """
    return _as_digits(pairs, np.arange(pairs.n_symbols))


def shuffled_digits(pairs: Dataset, *, seed: int = 0) -> Dataset:
    """The same codes as :func:`binary_digits`, dealt to the symbols in a random order.

    As many dimensions and the same set of vectors, but no arithmetic in them.
    """
    return _as_digits(pairs, randomness.generator(seed).permutation(np.arange(pairs.n_symbols)))


def _as_digits(pairs: Dataset, number: np.ndarray) -> Dataset:
    if pairs.n_symbols == 0:
        raise ValueError("pairs = vectors: must be pairs of symbols")
    return _in_bits(pairs, number, max(1, (pairs.n_symbols - 1).bit_length()))


def _in_bits(pairs: Dataset, number: np.ndarray, n_bits: int) -> Dataset:
    """Symbol k replaced by the bits of ``number[k]``, the lowest first."""
    bits = (number[:, None] >> np.arange(n_bits)) & 1
    vectors = torch.from_numpy(bits.astype(np.float32))[pairs.inputs].flatten(1)
    return Dataset(vectors, pairs.labels, 0, pairs.n_classes)


def digits() -> Dataset:
    """The 1,797 digits of 8 x 8 pixels that scikit-learn carries, scaled to [0, 1]."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    pixels = torch.from_numpy((images / 16).astype(np.float32))
    return Dataset(pixels, torch.from_numpy(labels.astype(np.int64)), 0, 10)


@dataclass(frozen=True)
class Pairs:
    """All pairs (a, b) with label a ∘ b mod p; see :func:`modular_pairs`.

    ``code`` turns symbols into vectors: :func:`random_codes`,
    :func:`binary_digits` or another function of the pairs and ``seed``.
    """

    operation: str = "addition"
    p: int = 113
    unordered: bool = False
    code: Callable[..., Dataset] | None = None

    def samples(self, seed: int) -> Dataset:
        """The pairs; their codes, if they are random, are those of the seed."""
        pairs = modular_pairs(self.operation, self.p, unordered=self.unordered)
        return pairs if self.code is None else self.code(pairs, seed=seed)


@dataclass(frozen=True)
class Parity:
    """Sparse parity; see :func:`sparse_parity`."""

    n_samples: int = 2000
    n_bits: int = 43
    n_parity: int = 3

    def samples(self, seed: int) -> Dataset:
        """The samples of a seed."""
        bits = {"n_bits": self.n_bits, "n_parity": self.n_parity}
        return sparse_parity(self.n_samples, **bits, seed=seed)


def split(data: Dataset, train_fraction: float, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Draw the training set; the rest is the test set.

    ValueError if the fraction is outside (0, 1) or leaves one of the two sets empty.

    Parameters
    ----------
    train_fraction : float
        In (0, 1); train_fraction * n_samples of them, rounded down, are for training (NS: 0.4).
    seed : int
        Seed of the permutation.
    """
    validate.number("train_fraction", train_fraction, above=0, below=1)
    # A product that is whole but for rounding is whole.
    n_train = int(train_fraction * len(data) + 1e-6)
    if n_train in (0, len(data)):
        raise ValueError(f"train_fraction = {train_fraction}: must leave samples in both sets")
    order = torch.from_numpy(randomness.generator(seed).permutation(len(data)))
    return data[order[:n_train]], data[order[n_train:]]


def is_prime(n: int) -> bool:
    """Whether n is a prime number."""
    return n > 1 and all(n % k for k in range(2, int(n**0.5) + 1))


def _inverse(b: np.ndarray, p: int) -> np.ndarray:
    return np.array([pow(int(value), -1, p) for value in range(1, p)])[b - 1]
