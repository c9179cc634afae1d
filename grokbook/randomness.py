"""Where all random numbers of the book come from.

A draw belongs to a seed that its setting or chapter names.  ``GROKBOOK_SEED_SHIFT`` moves every
seed at once, so that a reader can ask whether a claim holds with seeds its author never saw:
``make challenge SHIFT=7``.
"""

from __future__ import annotations

import os

import numpy as np

from grokbook import validate

VARIABLE = "GROKBOOK_SEED_SHIFT"
# More than any plain seed of the book, so that no two shifts share one.
STRIDE = 1_000_003
_SEEDS = 2**64  # what torch and numpy both take


def shift() -> int:
    """The reader's shift, 0 by default; ValueError unless it is a whole number >= 0."""
    text = os.environ.get(VARIABLE, "").strip() or "0"
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"{VARIABLE} = {text!r}: must be a whole number >= 0")
    return int(text)


def shifted(seed: int) -> int:
    """``seed`` moved by the reader's shift; ValueError unless it is a whole number >= 0."""
    return (validate.count("seed", seed, at_least=0) + STRIDE * shift()) % _SEEDS


def generator(seed: int, *stream: int) -> np.random.Generator:
    """NumPy's generator of a seed; streams of one seed are independent of each other.

    ValueError if the seed or a number of the stream is not a whole number >= 0.
    """
    streams = [validate.count("stream", number, at_least=0) for number in stream]
    moved = shifted(seed)
    return np.random.default_rng([moved, *streams] if streams else moved)


def torch_generator(seed: int):
    """torch's generator of a seed; errors as :func:`generator`."""
    import torch

    return torch.Generator().manual_seed(shifted(seed))


def from_digest(digest: bytes, number: int) -> int:
    """A 64-bit seed from a hash and a number; not shifted: what draws with it is."""
    sequence = np.random.SeedSequence(int.from_bytes(digest, "big"), spawn_key=(number,))
    return int(sequence.generate_state(1, np.uint64)[0])
