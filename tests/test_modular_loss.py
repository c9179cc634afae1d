"""Losses: closed forms against autograd, StableMax against its definition, collapse bit by bit."""

import math

import numpy as np
import pytest
import torch

from grokbook.modular import loss

CASES = {
    "softmax": loss.CrossEntropy("float64"),
    "complement": loss.CrossEntropy("float64", complement=True),
    "smoothing": loss.CrossEntropy("float64", label_smoothing=0.1),
    "temperature": loss.CrossEntropy("float64", temperature=3.0),
    "penalty": loss.CrossEntropy("float64", logit_penalty=0.2),
    "everything": loss.CrossEntropy(
        "float64", label_smoothing=0.2, temperature=0.5, logit_penalty=0.1
    ),
    "stablemax": loss.StableMaxCrossEntropy(),
    "stablemax complement": loss.StableMaxCrossEntropy(complement=True),
    "mean square": loss.MeanSquare("float64"),
}


def sample(scale=5.0, n=60, classes=7, seed=0):
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(scale * rng.standard_normal((n, classes)))
    return logits, torch.from_numpy(rng.integers(classes, size=n))


@pytest.mark.parametrize("case", CASES)
def test_closed_form_agrees_with_autograd(case):
    logits, labels = sample()
    logits.requires_grad_()
    mean = CASES[case](logits, labels)
    (gradient,) = torch.autograd.grad(mean, logits)
    terms = CASES[case].terms(logits.detach(), labels)
    assert torch.allclose(terms.value.mean(), mean.detach(), rtol=1e-13)
    assert torch.allclose(terms.gradient / len(labels), gradient, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("case", CASES)
def test_terms_leave_the_logits_alone(case):
    logits, labels = sample()
    before = logits.clone()
    CASES[case].terms(logits, labels)
    assert torch.equal(logits, before)


def test_cross_entropy_is_torchs():
    logits, labels = sample()
    for smoothing in (0.0, 0.1):
        ours = loss.CrossEntropy("float64", label_smoothing=smoothing)(logits, labels)
        theirs = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=smoothing)
        assert math.isclose(float(ours), float(theirs), rel_tol=1e-13)


def test_stablemax_by_its_definition():
    logits = torch.tensor([-3.0, -0.5, 0.0, 2.0], dtype=torch.float64)
    s = torch.tensor([1 / 4, 1 / 1.5, 1.0, 3.0], dtype=torch.float64)
    assert torch.allclose(loss.stablemax(logits), s / s.sum(), rtol=1e-15)
    assert torch.allclose(loss.log_stablemax(logits).exp(), s / s.sum(), rtol=1e-14)
    z = torch.cat([logits, torch.tensor([1e6, -1e6], dtype=torch.float64)])
    softmax = torch.softmax(torch.sign(z) * torch.log1p(z.abs()), dim=0)
    assert torch.allclose(loss.stablemax(z), softmax, rtol=1e-12, atol=0)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("kind", [loss.CrossEntropy, loss.StableMaxCrossEntropy])
def test_every_format_is_right_to_its_precision(kind, dtype):
    logits, labels = sample(scale=2.0)
    exact = kind("float64").terms(logits, labels)
    terms = kind(dtype).terms(logits, labels)
    tolerance = 8 * torch.finfo(loss.DTYPES[dtype]).eps
    assert terms.value.dtype == terms.gradient.dtype == loss.DTYPES[dtype]
    assert torch.allclose(terms.value.double(), exact.value, rtol=tolerance, atol=3 * tolerance)
    assert torch.allclose(terms.gradient.double(), exact.gradient, atol=tolerance)
    # The module itself too, under autograd.
    wide = logits.to(loss.DTYPES[dtype]).requires_grad_()
    (gradient,) = torch.autograd.grad(kind(dtype)(wide, labels), wide)
    assert torch.allclose(len(labels) * gradient.double(), exact.gradient, atol=4 * tolerance)


@pytest.mark.parametrize(("dtype", "digits"), [("float16", 11), ("float32", 24), ("float64", 53)])
def test_two_classes_collapse_at_the_spacing_of_one(dtype, digits):
    gap = digits * math.log(2)
    labels = torch.zeros(1, dtype=torch.long)
    for shift, wanted in ((-0.1, False), (0.1, True)):
        logits = torch.tensor([[gap + shift, 0.0]], dtype=torch.float64)
        terms = loss.CrossEntropy(dtype).terms(logits, labels)
        assert bool(terms.collapsed) is wanted
        assert (float(terms.value) == 0) is wanted
        assert (float(terms.gradient[0, 0]) == 0) is wanted
        assert float(terms.gradient[0, 1]) > 0


def test_complement_keeps_what_collapse_loses():
    logits = torch.tensor([[40.0, 0.0, -1.0]], dtype=torch.float64)
    labels = torch.zeros(1, dtype=torch.long)
    plain = loss.CrossEntropy("float32").terms(logits, labels)
    whole = loss.CrossEntropy("float32", complement=True).terms(logits, labels)
    rest = math.exp(-40) + math.exp(-41)
    assert float(plain.value) == 0
    assert float(plain.gradient.sum()) > 0  # the broken zero-sum
    assert bool(plain.collapsed)
    assert bool(whole.collapsed)
    assert math.isclose(float(whole.value), rest, rel_tol=1e-6)
    assert math.isclose(float(whole.gradient[0, 0]), -rest, rel_tol=1e-6)


def test_complement_survives_a_hopeless_sample():
    logits = torch.tensor([[-200.0, 0.0]])
    terms = loss.CrossEntropy(complement=True).terms(logits, torch.zeros(1, dtype=torch.long))
    assert float(terms.value) == 200
    assert terms.gradient.tolist() == [[-1.0, 1.0]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: loss.CrossEntropy("float8"), "dtype = 'float8'"),
        (lambda: loss.StableMaxCrossEntropy("double"), "dtype = 'double'"),
        (lambda: loss.CrossEntropy(temperature=0), "temperature = 0"),
        (lambda: loss.CrossEntropy(label_smoothing=1.0), "label_smoothing = 1.0"),
        (lambda: loss.CrossEntropy(logit_penalty=-1), "logit_penalty = -1"),
        (lambda: loss.CrossEntropy(complement=True, label_smoothing=0.1), "complement = True"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
