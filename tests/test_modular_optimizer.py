"""Flat optimisers against torch's, and ⊥Grad as geometry."""

import copy
import inspect
import io
import pickle
from dataclasses import replace

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
    flat = replace(flat, orthogonal=orthogonal)
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
    gradient = torch.tensor([1.0, 2.0])
    assert torch.equal(orthogonal_part(gradient, torch.zeros(2)), gradient)


@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e30])
def test_a_gradient_that_left_the_numbers_does_not_become_zero(bad, rescale):
    part = orthogonal_part(torch.tensor([1.0, bad]), torch.tensor([1.0, 2.0]), rescale=rescale)
    assert part.ne(0).all()  # true of nan


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


INNER = {
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.05, weight_decay=0.1),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.5),
    "adam": lambda p: torch.optim.Adam(p, lr=0.05, amsgrad=True),
}


def wrapped(make, **options):
    """A parameter under ⊥Grad, after three steps."""
    parameter = torch.nn.Parameter(torch.tensor([1.0, 2.0, -1.0]))
    optimizer = OrthogonalGradient(make([parameter]), **options)
    walk(parameter, optimizer, 3)
    return parameter, optimizer


def walk(parameter, optimizer, n_steps):
    for _ in range(n_steps):
        optimizer.zero_grad()
        (parameter - torch.tensor([2.0, 0.0, 1.0])).pow(4).sum().backward()
        optimizer.step()


def pickled(pair):
    return pickle.loads(pickle.dumps(pair))


def saved(pair):
    file = io.BytesIO()
    torch.save(pair, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled, saved])
@pytest.mark.parametrize("rescale", [True, False])
@pytest.mark.parametrize("name", INNER)
def test_copies_and_pickles_step_as_the_original_does(name, rescale, copied):
    parameter, optimizer = wrapped(INNER[name], rescale=rescale)
    other, twin = copied((parameter, optimizer))
    assert twin.param_groups is twin.inner.param_groups
    assert twin.param_groups[0]["params"][0] is other
    assert twin.state is twin.inner.state
    before = parameter.detach().clone()
    walk(other, twin, 4)
    assert torch.equal(parameter, before)
    walk(parameter, optimizer, 4)
    assert torch.equal(parameter, other)
    assert not torch.equal(parameter, before)
    # A scheduler moves the copy, and the copy alone.
    torch.optim.lr_scheduler.ConstantLR(twin, 0.5, 9)
    assert twin.inner.param_groups[0]["lr"] == 0.5 * optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize("name", INNER)
def test_a_new_group_is_as_torchs_own(name):
    first, second = (torch.nn.Parameter(torch.ones(2) * k) for k in (1, 2))
    plain, optimizer = INNER[name]([first]), OrthogonalGradient(INNER[name]([first]))
    for one in (plain, optimizer):
        one.add_param_group({"params": [second], "lr": 0.7})
    assert [set(group) for group in optimizer.param_groups] == [
        set(group) for group in plain.param_groups
    ]
    assert optimizer.defaults == plain.defaults
    assert optimizer.param_groups is optimizer.inner.param_groups
    assert optimizer.param_groups[1]["lr"] == 0.7
    second.grad = torch.tensor([1.0, 0.0])
    optimizer.step()
    assert second[0] < second[1]
    optimizer.zero_grad()
    assert second.grad is None
    with pytest.raises(ValueError, match="more than one parameter group"):
        optimizer.add_param_group({"params": [second]})


def test_a_group_can_be_added_to_a_copy_too():
    parameter, optimizer = wrapped(INNER["adamw"])
    _, twin = copy.deepcopy((parameter, optimizer))
    twin.add_param_group({"params": [torch.nn.Parameter(torch.ones(2))]})
    assert len(twin.param_groups) == len(twin.inner.param_groups) == 2
    assert len(optimizer.param_groups) == 1
    assert set(twin.param_groups[1]) == set(twin.param_groups[0])


@pytest.mark.parametrize("name", INNER)
def test_a_state_dict_takes_another_where_the_first_was(name):
    parameter, optimizer = wrapped(INNER[name])
    other = torch.nn.Parameter(parameter.detach().clone())
    fresh = OrthogonalGradient(INNER[name]([other]))
    # The wrapped optimiser's own format: either can take the other's.
    fresh.load_state_dict(copy.deepcopy(optimizer.inner.state_dict()))
    assert fresh.state is fresh.inner.state
    walk(parameter, optimizer, 3)
    walk(other, fresh, 3)
    assert torch.equal(parameter, other)


SCHEDULERS = {
    "step": lambda o: torch.optim.lr_scheduler.StepLR(o, 2, 0.5),
    "cosine": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 5),
    "one cycle": lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=8),
    "warm-up, then linear": lambda o: torch.optim.lr_scheduler.SequentialLR(
        o,
        [
            torch.optim.lr_scheduler.ConstantLR(o, 0.1, 2),
            torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.5, 4),
        ],
        [2],
    ),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers_set_the_same_rates_as_with_torchs_own(name):
    rates = []
    for wrap in (lambda o: o, OrthogonalGradient):
        parameter = torch.nn.Parameter(torch.tensor([1.0, 2.0, -1.0]))
        optimizer = wrap(torch.optim.AdamW([parameter], lr=0.05))
        scheduler, seen = SCHEDULERS[name](optimizer), []
        for _ in range(6):
            walk(parameter, optimizer, 1)
            inner = getattr(optimizer, "inner", optimizer)
            seen.append(inner.param_groups[0]["lr"])
            scheduler.step()
        rates.append(seen)
    assert rates[0] == rates[1]
    assert len(set(rates[0])) > 1


def test_a_plateau_scheduler_lowers_the_rate():
    _, optimizer = wrapped(INNER["sgd"])
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    for _ in range(2):
        scheduler.step(1.0)
    assert optimizer.inner.param_groups[0]["lr"] == 0.005


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("size", [1e-5, 1.0, 300.0])
def test_low_precision_is_projected_in_a_higher_one(dtype, size):
    """Sums of 40,000 squares of 300 overflow float16, those of 1e-5 vanish in it."""
    rng = torch.Generator().manual_seed(2)
    weight = (size * torch.randn(40_000, generator=rng)).to(dtype)
    gradient = (1e-2 * torch.randn(40_000, generator=rng) + 0.02 / size * weight.float()).to(dtype)
    for rescale in (False, True):
        part = orthogonal_part(gradient, weight, rescale=rescale)
        exact = orthogonal_part(gradient.double(), weight.double(), rescale=rescale)
        assert part.dtype == dtype
        # float32's own error, where little is left: sums of 40,000 terms.
        single = 200 * torch.finfo(torch.float32).eps * float(exact.abs().max())
        unit = torch.finfo(dtype).eps * exact.abs() + single
        assert bool(((part.double() - exact).abs() <= unit).all())
    parameter = torch.nn.Parameter(weight.clone())
    parameter.grad = gradient.clone()
    optimizer = OrthogonalGradient(torch.optim.SGD([parameter], lr=1.0), rescale=False)
    optimizer.project()
    assert torch.equal(parameter.grad, orthogonal_part(gradient, weight))


def test_a_gradient_along_the_weights_leaves_nothing():
    """What is left of it is rounding, which rescaling must not blow up to a step."""
    rng = torch.Generator().manual_seed(3)
    for n in (1, 3, 1000):
        weight = torch.randn(n, generator=rng)
        for factor in (0.3, -7.0):
            part = orthogonal_part(factor * weight, weight, rescale=True)
            assert torch.equal(part, torch.zeros(n))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_flat_steps_know_the_norm_of_16_bit_weights(dtype):
    weights, flat = torch.full((40_000,), 400.0, dtype=dtype), SGD(0.1, relative=True)
    assert flat.start(weights)["start_norm"] == pytest.approx(80_000, rel=1e-6)
    normalised = SGD(1000.0, normalised=True)
    moved = torch.zeros(40_000, dtype=dtype)
    normalised.step(normalised.start(moved), moved, weights.clone(), [slice(0, 40_000)])
    assert torch.all(moved == -5)


def test_defaults_of_the_flat_optimisers():
    """NS: β₂ 0.99 and a tiny ε; a change of a default would change every run that leaves it out."""
    adam, descent = AdamW(), SGD()
    assert (adam.learning_rate, adam.beta1, adam.beta2, adam.epsilon) == (1e-3, 0.9, 0.99, 1e-30)
    assert (descent.learning_rate, descent.momentum, descent.normalised) == (0.1, 0.0, False)
    for one in (adam, descent):
        assert (one.weight_decay, one.relative, one.orthogonal) == (0.0, False, "")
    assert inspect.signature(OrthogonalGradient).parameters["rescale"].default is True
    # The same by what they do: the third of three gradients decides between betas.
    weights = torch.zeros(1, dtype=torch.float64)
    state = adam.start(weights)
    for slope in (1.0, -2.0, 3.0):
        adam.step(state, weights, torch.tensor([slope], dtype=torch.float64), [slice(0, 1)])
    parameter = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    theirs = torch.optim.AdamW([parameter], 1e-3, betas=(0.9, 0.99), eps=1e-30, weight_decay=0)
    for slope in (1.0, -2.0, 3.0):
        parameter.grad = torch.tensor([slope], dtype=torch.float64)
        theirs.step()
    assert torch.allclose(weights, parameter.detach(), rtol=1e-12)


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
        (lambda: orthogonal_part(torch.ones(2, 3), torch.ones(3, 2)), "must have the same"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
