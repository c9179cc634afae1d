"""When a floating-point sum absorbs its small terms: thresholds of collapse, measured and exact.

A sample with its right logit a gap g above all others has the sum 1 + (n - 1) exp(-g), which has
collapsed when it equals 1 (NS Section 2.1, Eq. 4).  Two independent paths lead to the smallest such
gap: :func:`threshold` searches the neighbouring floats with torch's arithmetic, and
:func:`exact_threshold` with rational numbers rounded by hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction

import torch

from grokbook import validate

DTYPES = {
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float32": torch.float32,
    "float64": torch.float64,
}
# Bits of the significand, the leading one included, and exponent of the smallest number.
BITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
SMALLEST = {"float16": -24, "bfloat16": -133, "float32": -149, "float64": -1074}
INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
ORDERS = ("left to right", "pairwise", "torch")
DIGITS = 60


def spacing(value: float, dtype: str) -> float:
    """Distance from a positive ``value``, rounded to ``dtype``, to the next larger number."""
    validate.choice("dtype", dtype, tuple(DTYPES))
    number = torch.tensor(validate.number("value", value, above=0), dtype=DTYPES[dtype])
    following = torch.nextafter(number.double(), torch.tensor(math.inf, dtype=torch.float64))
    if dtype != "float64":
        integers = INTEGERS[number.element_size()]
        following = (number.view(integers) + 1).view(number.dtype)
    return float(following.double() - number.double())


def absorbs(large: torch.Tensor, small: torch.Tensor) -> torch.Tensor:
    """Whether large + small == large in the tensors' own format; elementwise."""
    return large + small == large


def ordered_sum(terms: torch.Tensor, order: str = "left to right") -> torch.Tensor:
    """Sum over the last axis, rounded to the format of ``terms`` after each addition.

    ``order`` is "left to right", "pairwise" (halves, recursively) or "torch" (whatever the library
    does on this machine: several partial sums, and float32 inside for 16-bit formats).
    ValueError for an unknown order.
    """
    validate.choice("order", order, ORDERS)
    if order == "torch":
        return terms.sum(dim=-1)
    if order == "pairwise" and terms.shape[-1] > 1:
        half = terms.shape[-1] // 2
        return ordered_sum(terms[..., :half], order) + ordered_sum(terms[..., half:], order)
    total = terms[..., 0].clone()
    for k in range(1, terms.shape[-1]):
        total = total + terms[..., k]
    return total


def smallest_float(
    condition: Callable[[torch.Tensor], bool], dtype: str, low: float, high: float
) -> float:
    """Smallest number of ``dtype`` in (low, high] that satisfies a condition.

    Bisects over neighbouring positive floats: as integers, their bit patterns are in order.
    ValueError for an unknown dtype, or ends that do not bracket the change.

    Parameters
    ----------
    condition : callable
        From a 0-d tensor of ``dtype`` to bool; false below some number and true from there on.
    low, high : float
        Positive; the condition must fail at ``low`` and hold at ``high``.
    """
    validate.choice("dtype", dtype, tuple(DTYPES))
    validate.number("low", low, above=0)
    validate.number("high", high, above=low)
    ends = torch.tensor([low, high], dtype=DTYPES[dtype])
    if condition(ends[0]) or not condition(ends[1]):
        raise ValueError(f"low, high = {low:g}, {high:g}: condition must fail, then hold")
    integers = INTEGERS[ends.element_size()]
    below, above = ends.view(integers).tolist()
    while above - below > 1:
        middle = (below + above) // 2
        value = torch.tensor(middle, dtype=integers).view(ends.dtype)
        below, above = (below, middle) if condition(value) else (middle, above)
    return float(torch.tensor(above, dtype=integers).view(ends.dtype))


def bounds(dtype: str, n_classes: int = 2) -> tuple[float, float]:
    """Least and largest gap at which a sum can collapse: P ln 2 and P ln 2 + ln(n_classes - 1).

    The first holds where each small term meets the 1 alone, the second where all of them are added
    up first; P is the number of bits of the significand.
    """
    validate.choice("dtype", dtype, tuple(DTYPES))
    validate.count("n_classes", n_classes, at_least=2)
    least = BITS[dtype] * math.log(2)
    return least, least + math.log(n_classes - 1)


def threshold(
    dtype: str, n_classes: int = 2, *, position: int = 0, order: str = "left to right"
) -> float:
    """Smallest gap of ``dtype`` at which the softmax sum collapses, by torch's arithmetic.

    Parameters
    ----------
    dtype : {"float16", "bfloat16", "float32", "float64"}
        Format of the logits, their exponentials and the sum.
    n_classes : int
        At least 2; the n_classes - 1 wrong logits are equal.
    position : int
        Index of the right class among the terms, from 0.
    order : str
        See :func:`ordered_sum`.
    """
    _check_place(n_classes, position)
    least, largest = bounds(dtype, n_classes)
    validate.choice("order", order, ORDERS)

    def collapsed(gap):
        logits = (-gap).repeat(n_classes)
        logits[position] = 0
        return bool(ordered_sum(logits.exp(), order) == 1)

    return smallest_float(collapsed, dtype, least / 2, 2 * largest)


def exact_threshold(dtype: str, n_classes: int = 2, *, position: int = 0) -> float:
    """The same for a sum from left to right, in rational arithmetic rounded by hand.

    Every exponential is rounded correctly, and so is every partial sum: to nearest, ties to even.
    """
    _check_place(n_classes, position)
    least, largest = bounds(dtype, n_classes)

    def collapsed(gap):
        with localcontext() as context:
            context.prec = DIGITS
            small = rounded(Fraction((-Decimal(float(gap))).exp()), dtype)
        total = Fraction(0)
        for k in range(n_classes):
            total = rounded(total + (1 if k == position else small), dtype)
        return total == 1

    return smallest_float(collapsed, dtype, least / 2, 2 * largest)


def rounded(value: Fraction, dtype: str) -> Fraction:
    """Nearest number of ``dtype`` to a rational 0 <= value, ties to even, without overflow."""
    validate.choice("dtype", dtype, tuple(DTYPES))
    if value < 0:
        raise ValueError(f"value = {value}: must be >= 0")
    if value == 0:
        return value
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    if Fraction(2) ** exponent > value:
        exponent -= 1
    unit = Fraction(2) ** max(exponent - BITS[dtype] + 1, SMALLEST[dtype])
    # Python rounds a Fraction to the nearest integer, ties to even.
    return round(value / unit) * unit


def collapse_point(loss_of: Callable, dtype: str, n_classes: int = 113) -> float:
    """Smallest Z at which logits +Z (right class) and -Z (all others) collapse.

    Parameters
    ----------
    loss_of : callable
        Class of a loss, such as ``StableMaxCrossEntropy``; its ``terms`` judge the collapse.
    """
    validate.count("n_classes", n_classes, at_least=2)
    loss, label = loss_of(dtype), torch.tensor([0])

    def collapsed(size):
        logits = (-size).repeat(1, n_classes)
        logits[0, 0] = size
        return bool(loss.terms(logits, label).collapsed[0])

    return smallest_float(collapsed, dtype, 1.0, 1e12 if dtype == "float64" else 1e7)


def _check_place(n_classes, position):
    validate.count("n_classes", n_classes, at_least=2)
    if validate.count("position", position, at_least=0) >= n_classes:
        raise ValueError(f"position = {position}: must be below n_classes = {n_classes}")
