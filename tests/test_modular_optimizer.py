"""Flat optimisers against torch's, and ⊥Grad as geometry."""

import pytest
import torch

from grokbook.modular import SGD, AdamW, OrthogonalGradient
from grokbook.modular.optimizer import orthogonal_part


def quadratic(dtype=torch.float64):
    """Weights of two tensors, and the gradient of a fixed quadratic at any weights."""
    rng = torch.Generator().manual_seed(0)
    weights = torch.randn(12, generator=rng, dtype=dtype)
    matrix = torch.randn(12, 12, generator=rng, dtype=dtype)
    matrix = matrix @ matrix.T / 12
    return weights, lambda w: matrix @ w - 1


SPANS = [slice(0, 5), slice(5, 12)]
PAIRS = {
    "adamw": (
        AdamW(0.05, beta1=0.8, beta2=0.95, epsilon=1e-9, weight_decay=0.3),
        lambda p: torch.optim.AdamW(p, lr=0.05, betas=(0.8, 0.95), eps=1e-9, weight_decay=0.3),
    ),
    "sgd": (
        SGD(0.05, momentum=0.7, weight_decay=0.2),
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.7, weight_decay=0.2),
    ),
}


@pytest.mark.parametrize("orthogonal", ["", "plain", "rescaled"])
@pytest.mark.parametrize("name", PAIRS)
def test_flat_optimisers_step_like_torchs(name, orthogonal):
    flat, make = PAIRS[name]
    flat.orthogonal = orthogonal
    weights, gradient = quadratic()
    parameters = [torch.nn.Parameter(weights[span].clone()) for span in SPANS]
    theirs = make(parameters)
    if orthogonal:
        theirs = OrthogonalGradient(theirs, rescale=orthogonal == "rescaled")
    state = flat.start(weights)
    for _ in range(20):
        joined = torch.cat([p.detach() for p in parameters])
        for parameter, span in zip(parameters, SPANS, strict=True):
            parameter.grad = gradient(joined)[span].clone()
        theirs.step()
        flat.step(state, weights, gradient(weights), SPANS)
    flat.orthogonal = ""
    assert torch.allclose(weights, torch.cat([p.detach() for p in parameters]), rtol=1e-10)
    assert state["step"] == 20


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_orthogonal_part(dtype):
    rng = torch.Generator().manual_seed(1)
    weight = torch.randn(6, 4, generator=rng).to(dtype)
    gradient = (torch.randn(6, 4, generator=rng) + 3 * weight.float()).to(dtype)
    tolerance = 60 * torch.finfo(dtype).eps
    for rescale in (False, True):
        part = orthogonal_part(gradient, weight, rescale=rescale)
        assert part.dtype == dtype
        assert part.shape == weight.shape
        cosine = torch.cosine_similarity(part.flatten().double(), weight.flatten().double(), dim=0)
        assert abs(float(cosine)) < tolerance
    norm = torch.linalg.vector_norm
    assert abs(float(norm(part.double()) / norm(gradient.double())) - 1) < tolerance
    plain = orthogonal_part(gradient, weight).double()
    # NS Proposition 2: a descent direction.
    assert abs(float((plain * gradient).sum() / plain.square().sum()) - 1) < 4 * tolerance


def test_parallel_gradients_and_zero_weights():
    weight = torch.tensor([3.0, 4.0])
    assert torch.allclose(orthogonal_part(2 * weight, weight), torch.zeros(2), atol=1e-6)
    assert torch.isfinite(orthogonal_part(2 * weight, weight, rescale=True)).all()
    gradient = torch.tensor([1.0, 2.0])
    assert torch.equal(orthogonal_part(gradient, torch.zeros(2)), gradient)


def test_wrapper_with_schedulers_closures_and_state():
    parameter = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    optimizer = OrthogonalGradient(torch.optim.SGD([parameter], lr=0.1), rescale=False)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

    def closure():
        optimizer.zero_grad()
        value = (parameter * torch.tensor([2.0, 1.0])).sum()
        value.backward()
        return value

    before = parameter.detach().clone()
    value = optimizer.step(closure)
    scheduler.step()
    assert value.item() == 4
    moved = parameter.detach() - before
    assert abs(float(moved @ before)) < 1e-6
    assert optimizer.param_groups[0]["lr"] == optimizer.inner.param_groups[0]["lr"] == 0.05
    optimizer.load_state_dict(optimizer.state_dict())
    assert optimizer.param_groups is optimizer.inner.param_groups


def test_lbfgs_runs_under_the_wrapper():
    parameter = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    optimizer = OrthogonalGradient(torch.optim.LBFGS([parameter], max_iter=2))

    def closure():
        optimizer.zero_grad()
        value = (parameter - torch.tensor([2.0, 0.0])).square().sum()
        value.backward()
        return value

    assert optimizer.step(closure).item() == 5


def test_relative_step_grows_with_the_weights():
    weights, flat = torch.full((4,), 2.0), SGD(0.1, relative=True)
    state = flat.start(weights)
    weights.mul_(3)
    flat.step(state, weights, torch.ones(4), [slice(0, 4)])
    assert torch.allclose(weights, torch.full((4,), 6 - 0.3))


def test_normalised_step_has_one_length():
    weights, flat = torch.zeros(4), SGD(0.1, normalised=True)
    flat.step(flat.start(weights), weights, torch.tensor([30.0, 40.0, 0, 0]), [slice(0, 4)])
    assert torch.allclose(weights, torch.tensor([-0.06, -0.08, 0, 0]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: AdamW(-0.1), "learning_rate = -0.1"),
        (lambda: AdamW(0.1, beta2=1.0), "beta2 = 1.0"),
        (lambda: AdamW(0.1, epsilon=-1), "epsilon = -1"),
        (lambda: AdamW(0.1, weight_decay=-1), "weight_decay = -1"),
        (lambda: AdamW(0.1, orthogonal="yes"), "orthogonal = 'yes'"),
        (lambda: SGD(0.1, momentum=1.0), "momentum = 1.0"),
        (lambda: OrthogonalGradient(3), "inner = 3"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
