"""Thresholds of collapse: torch's arithmetic against rational numbers, and against the formulae."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from grokbook import precision
from grokbook.modular import CrossEntropy, StableMaxCrossEntropy

FORMATS = tuple(precision.BITS)


# 11, 8, 24 and 53 times ln 2.
LEAST = {"float16": 7.624618986, "bfloat16": 5.545177444, "float32": 16.6355323334}
LEAST["float64"] = 36.73680056967710


@pytest.mark.parametrize(("dtype", "wanted"), LEAST.items())
def test_two_classes_collapse_at_p_ln_2(dtype, wanted):
    gap = precision.threshold(dtype)
    assert abs(gap - wanted) <= precision.spacing(wanted, dtype)


@pytest.mark.parametrize("position", [1, 112])
@pytest.mark.parametrize("dtype", FORMATS)
def test_torch_agrees_with_rational_arithmetic(dtype, position):
    gap = precision.threshold(dtype, 113, position=position)
    exact = precision.exact_threshold(dtype, 113, position=position)
    assert abs(gap - exact) <= precision.spacing(exact, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_terms_before_the_right_one_count(dtype):
    for before in (1, 10, 112):
        gap = precision.threshold(dtype, 113, position=before)
        wanted = precision.BITS[dtype] * math.log(2) + math.log(before)
        assert abs(gap - wanted) <= precision.spacing(wanted, dtype)


@pytest.mark.parametrize("order", precision.ORDERS)
@pytest.mark.parametrize("dtype", FORMATS)
def test_every_order_keeps_the_bounds(dtype, order):
    low, high = precision.bounds(dtype, 113)
    step = 2 * precision.spacing(high, dtype)
    assert low - step <= precision.threshold(dtype, 113, order=order, position=56) <= high + step


def test_rounding_by_hand_is_torchs():
    values = np.random.default_rng(0).lognormal(sigma=8, size=200)
    for dtype in FORMATS:
        in_range = torch.tensor(values[values < 6e4])
        rounded = in_range.to(precision.DTYPES[dtype]).double().tolist()
        by_hand = [float(precision.rounded(Fraction(x), dtype)) for x in in_range.tolist()]
        assert by_hand == rounded
    assert precision.rounded(1 + Fraction(1, 2**24), "float32") == 1
    assert precision.rounded(1 + Fraction(3, 2**24), "float32") == 1 + Fraction(2, 2**23)
    assert precision.rounded(Fraction(0), "float16") == 0


def test_orders_of_a_sum():
    terms = torch.tensor([1.0, 2**-24, 2**-24, 2**-24], dtype=torch.float32)
    assert precision.ordered_sum(terms) == 1
    assert precision.ordered_sum(terms.flip(0)) > 1
    assert precision.ordered_sum(terms, "pairwise") > 1


def test_smallest_float_and_spacing():
    for dtype in FORMATS:
        found = precision.smallest_float(lambda x: bool(x >= 3.0), dtype, 1, 10)
        assert found == 3.0
        assert precision.spacing(1.0, dtype) == 2.0 ** (1 - precision.BITS[dtype])


def test_absorption_ends_at_half_a_spacing():
    one = torch.ones(3)
    small = torch.tensor([2**-24, 2**-24 * (1 + 2**-20), 2**-25])
    assert precision.absorbs(one, small).tolist() == [True, False, True]


def test_collapse_points_of_the_two_losses():
    soft = precision.collapse_point(CrossEntropy, "float32")
    stable = precision.collapse_point(StableMaxCrossEntropy, "float32")
    assert 24 * math.log(2) / 2 - 0.1 < soft < (24 * math.log(2) + math.log(112)) / 2 + 0.1
    assert 2**12 - 1 <= stable <= math.sqrt(112) * 2**12


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: precision.bounds("float8", 2), "dtype = 'float8'"),
        (lambda: precision.threshold("float32", 1), "n_classes = 1"),
        (lambda: precision.threshold("float32", 3, position=3), "position = 3"),
        (lambda: precision.threshold("float32", order="random"), "order = 'random'"),
        (lambda: precision.exact_threshold("float32", 3, position=-1), "position = -1"),
        (lambda: precision.ordered_sum(torch.ones(2), "up"), "order = 'up'"),
        (lambda: precision.spacing(-1.0, "float32"), "value = -1"),
        (lambda: precision.rounded(Fraction(-1), "float32"), "value = -1"),
        (lambda: precision.smallest_float(lambda x: True, "float32", 1, 2), "must fail"),
        (lambda: precision.collapse_point(CrossEntropy, "float32", 1), "n_classes = 1"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_bounds_are_apart_by_the_logarithm_of_the_wrong_classes():
    """24 ln 2, and ln 112 more."""
    low, high = precision.bounds("float32", 113)
    assert low == pytest.approx(16.635532333438687, rel=1e-15)
    assert high - low == pytest.approx(4.718498871295095, rel=1e-14)
