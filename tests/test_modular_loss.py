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
    "tall mean square": loss.MeanSquare("float64", 7.0),
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


FORMATS = ("float16", "bfloat16", "float32", "float64")
KINDS = {
    "softmax": loss.CrossEntropy,
    "stablemax": loss.StableMaxCrossEntropy,
    "mean square": loss.MeanSquare,
    "scaled mean square": lambda dtype: loss.MeanSquare(dtype, 2.0),
}


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_at_zero_logits_autograd_has_the_derivative_of_the_loss(kind, dtype):
    """StableMax has a kink in its second derivative at 0, none in its first: slope 1."""
    logits = torch.zeros(1, 3, dtype=loss.DTYPES[dtype], requires_grad=True)
    label = torch.tensor([0])
    KINDS[kind](dtype)(logits, label).backward()
    right = {"softmax": -2 / 3, "stablemax": -2 / 3, "mean square": -2 / 3}.get(kind, -1 / 3)
    wrong = {"softmax": 1 / 3, "stablemax": 1 / 3}.get(kind, 0.0)
    tolerance = 4 * torch.finfo(logits.dtype).eps
    wanted = torch.tensor([[right, wrong, wrong]], dtype=torch.float64)
    torch.testing.assert_close(logits.grad.double(), wanted, rtol=0, atol=tolerance)
    closed = KINDS[kind](dtype).terms(logits.detach(), label).gradient
    torch.testing.assert_close(closed.double(), wanted, rtol=0, atol=tolerance)


def test_stablemax_itself_has_its_slope_at_zero():
    logits = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    for probability in (lambda z: loss.stablemax(z)[0], lambda z: loss.log_stablemax(z)[0].exp()):
        (slope,) = torch.autograd.grad(probability(logits), logits)
        assert torch.allclose(slope, torch.tensor([2 / 9, -1 / 9, -1 / 9], dtype=torch.float64))


def test_a_zero_head_learns_with_stablemax():
    head = torch.nn.Linear(4, 3, bias=False).double()
    torch.nn.init.zeros_(head.weight)
    inputs, labels = torch.eye(4, dtype=torch.float64)[:3], torch.arange(3)
    optimizer = torch.optim.SGD(head.parameters(), lr=1.0)
    for _ in range(50):
        optimizer.zero_grad()
        value = loss.StableMaxCrossEntropy()(head(inputs), labels)
        value.backward()
        optimizer.step()
    assert float(value.detach()) < 0.5 < math.log(3)


OFF = {  # logits 1, 0 and a class that is switched off; label 0
    "softmax": (loss.CrossEntropy, math.log(1 + math.exp(-1))),
    "complement": (lambda d: loss.CrossEntropy(d, complement=True), math.log(1 + math.exp(-1))),
    "temperature": (
        lambda d: loss.CrossEntropy(d, temperature=0.5),
        math.log(1 + math.exp(-2)),
    ),
    "stablemax": (loss.StableMaxCrossEntropy, math.log(1.5)),
    "stablemax complement": (
        lambda d: loss.StableMaxCrossEntropy(d, complement=True),
        math.log(1.5),
    ),
}


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("kind", OFF)
def test_a_class_that_is_switched_off_counts_for_nothing(kind, dtype):
    make, expected = OFF[kind]
    criterion, label = make(dtype), torch.tensor([0])
    logits = torch.tensor([[1.0, 0.0, -math.inf]], dtype=loss.DTYPES[dtype], requires_grad=True)
    value = criterion(logits, label)
    (slope,) = torch.autograd.grad(value, logits)
    terms = criterion.terms(logits.detach(), label)
    two = criterion.terms(logits.detach()[:, :2], label)
    tolerance = 4 * torch.finfo(logits.dtype).eps
    assert float(value.detach()) == pytest.approx(expected, abs=tolerance)
    assert float(terms.value) == pytest.approx(expected, abs=tolerance)
    for gradient in (slope, terms.gradient):
        torch.testing.assert_close(gradient[:, :2], two.gradient, rtol=0, atol=tolerance)
        assert gradient[0, 2] == 0
    assert bool(terms.collapsed) is bool(two.collapsed) is False


def test_stablemax_of_a_class_that_is_switched_off():
    logits = torch.tensor([1.0, 0.0, -math.inf], dtype=torch.float64)
    assert torch.allclose(loss.stablemax(logits), torch.tensor([2 / 3, 1 / 3, 0]).double())
    assert loss.log_stablemax(logits)[2] == -math.inf


EVERY = {
    "softmax": loss.CrossEntropy(),
    "complement": loss.CrossEntropy(complement=True),
    "smoothing": loss.CrossEntropy(label_smoothing=0.1),
    "stablemax": loss.StableMaxCrossEntropy(),
    "mean square": loss.MeanSquare(),
    "scaled mean square": loss.MeanSquare(height=2.0),
}


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (torch.zeros(7, 7, 7), torch.zeros(7, 7, dtype=torch.long), r"\(7, 7, 7\), \(7, 7\): must"),
        (torch.zeros(7), torch.tensor(0), "must be"),
        (torch.zeros(4, 3), torch.zeros(3, dtype=torch.long), r"\(4, 3\), \(3,\): must be"),
        (torch.zeros(4, 3), torch.zeros(4, 1, dtype=torch.long), "must be"),
        (torch.zeros(4, 3), torch.zeros(4, 3), "must be"),
        (torch.zeros(0, 3), torch.zeros(0, dtype=torch.long), "n_samples > 0"),
        (torch.zeros(2, 3), torch.zeros(2), "dtype torch.float32: must be torch.int64"),
        (torch.zeros(2, 3), torch.tensor([0, 3]), r"labels = 0\.\.3: must be classes in 0\.\.2"),
        (torch.zeros(2, 3), torch.tensor([-100, 1]), r"labels = -100\.\.1"),
    ],
)
def test_other_shapes_and_labels_are_refused(kind, logits, labels, message):
    for call in (EVERY[kind], EVERY[kind].terms):
        with pytest.raises(ValueError, match=message):
            call(logits, labels)


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


# A squared loss against targets of any height


TARGETS = torch.arange(6) % 5
OUTPUTS = torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_a_height_is_the_distance_from_a_target_of_it_in_its_square():
    target = 3.0 * torch.nn.functional.one_hot(TARGETS, 5)
    wanted = (OUTPUTS - target).square().mean() / 9
    tall, before = loss.MeanSquare("float64", 3.0), OUTPUTS.clone()
    assert torch.isclose(tall(OUTPUTS, TARGETS), wanted)
    assert torch.isclose(tall.terms(OUTPUTS, TARGETS).value.mean(), wanted)
    assert torch.equal(OUTPUTS, before)


def test_a_height_must_be_positive():
    with pytest.raises(ValueError, match="height = 0"):
        loss.MeanSquare(height=0)
