"""Squared loss against targets of any height."""

import pytest
import torch

from grokbook.modular.loss import MeanSquare
from grokbook.modular.targets import ScaledMeanSquare

LOGITS = torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(6) % 5


def test_it_is_the_distance_from_a_target_of_that_height_in_its_square():
    target = 3.0 * torch.nn.functional.one_hot(LABELS, 5)
    wanted = (LOGITS - target).square().mean() / 9
    loss = ScaledMeanSquare(3.0, "float64")
    assert torch.isclose(loss(LOGITS, LABELS), wanted)
    assert torch.isclose(loss.terms(LOGITS, LABELS).value.mean(), wanted)


def test_closed_form_and_autograd_agree():
    loss, logits = ScaledMeanSquare(7.0, "float64"), LOGITS.clone().requires_grad_()
    loss(logits, LABELS).backward()
    assert torch.allclose(loss.terms(LOGITS, LABELS).gradient / len(LABELS), logits.grad)


def test_height_one_is_the_plain_loss():
    plain, scaled = MeanSquare("float64"), ScaledMeanSquare(1.0, "float64")
    assert torch.equal(plain.terms(LOGITS, LABELS).gradient, scaled.terms(LOGITS, LABELS).gradient)


def test_the_logits_are_left_alone():
    before = LOGITS.clone()
    ScaledMeanSquare(2.0, "float64").terms(LOGITS, LABELS)
    assert torch.equal(before, LOGITS)


def test_a_height_must_be_positive():
    with pytest.raises(ValueError, match="height = 0"):
        ScaledMeanSquare(0)
