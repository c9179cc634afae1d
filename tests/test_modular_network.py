"""Networks: structure used against the plain form, gradients against autograd."""

import math

import pytest
import torch

from grokbook.modular import data, loss, network
from grokbook.modular.gradient import AutogradGradient, MLPGradient, flatten, gradient_of

PAIRS = data.modular_pairs(p=7)


def test_tables_are_the_one_hot_product():
    model = network.MLP(7, 7, width=12, depth=2, seed=3)
    one_hot = torch.nn.functional.one_hot(PAIRS.inputs, 7).flatten(1).float()
    hidden = torch.relu(one_hot @ model.first)
    hidden = torch.relu(hidden @ model.layers[0].weight.T)
    assert torch.allclose(model(PAIRS.inputs), hidden @ model.layers[1].weight.T, atol=1e-6)


def test_initial_weights_are_torchs_default():
    model = network.MLP(113, 113)
    shapes = [tuple(p.shape) for p in model.parameters()]
    assert shapes == [(226, 200), (200, 200), (113, 200)]
    weights = [parameter.detach() for parameter in model.parameters()]
    for weight, fan_in in zip(weights, (226, 200, 200), strict=True):
        bound = 1 / math.sqrt(fan_in)
        assert 0.98 * bound < float(weight.abs().max()) <= bound
        assert math.isclose(float(weight.var()), bound**2 / 3, rel_tol=0.03)
    scaled = network.MLP(113, 113, init_scale=100)
    # Drawn on (-b, b) as 2bx - b: the product rounds by eps b at most, the sum by half of that, on
    # both sides; without AVX the largest difference is 2.4 eps b.
    rounding = 4 * torch.finfo(torch.float32).eps * 100 / math.sqrt(226)
    assert torch.allclose(scaled.first, 100 * model.first, rtol=0, atol=rounding)


def test_seeds_decide_and_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    makers = (
        lambda seed: network.MLP(7, 7, width=4, seed=seed),
        lambda seed: network.Transformer(7, d_model=8, n_heads=2, d_mlp=4, seed=seed),
    )
    for make in makers:
        one, same, other = (next(make(seed).parameters()) for seed in (1, 1, 2))
        assert torch.equal(one, same)
        assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def plain_transformer(model, inputs):
    """The Nanda-form transformer on all three positions with a causal mask."""
    n, n_heads, d_head = len(inputs), *model.W_Q.shape[::2]
    tokens = torch.cat([inputs, torch.full((n, 1), model.n_symbols)], dim=1)
    stream = model.W_E[tokens] + model.W_pos
    query, key, value = (
        torch.einsum("ntd,hdk->nhtk", stream, w) for w in (model.W_Q, model.W_K, model.W_V)
    )
    scores = query @ key.transpose(2, 3) / math.sqrt(d_head)
    scores = scores.masked_fill(torch.ones(3, 3).triu(1).bool(), -math.inf)
    mixed = (scores.softmax(dim=-1) @ value).transpose(1, 2).reshape(n, 3, n_heads * d_head)
    stream = stream + mixed @ model.W_O
    hidden = torch.relu(stream @ model.W_in + model.b_in)
    return ((stream + hidden @ model.W_out + model.b_out) @ model.W_U)[:, -1]


def test_transformer_is_the_plain_one():
    model = network.Transformer(7, d_model=16, n_heads=4, d_mlp=20, seed=1).double()
    with torch.no_grad():
        model.b_in.add_(0.1)
        model.b_out.add_(0.2)
    assert torch.allclose(model(PAIRS.inputs), plain_transformer(model, PAIRS.inputs), atol=1e-12)


@pytest.mark.parametrize("activation", ["relu", "square"])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_closed_form_gradient_agrees_with_autograd(depth, activation):
    model = network.MLP(7, 7, width=10, depth=depth, activation=activation).double()
    flatten(model)
    train = PAIRS[torch.arange(5, 40)]
    closed, automatic = gradient_of(model, train), AutogradGradient(model, train)
    assert isinstance(closed, MLPGradient)
    assert torch.allclose(closed.forward(), automatic.forward(), atol=1e-13)
    flow = loss.CrossEntropy("float64").terms(closed.forward(), train.labels).gradient
    expected = automatic.backward(flow).clone()
    for _ in range(2):  # the buffers are used again
        closed.forward()
        assert torch.allclose(closed.backward(flow), expected, atol=1e-13)


def test_flat_weights_are_the_parameters():
    model = network.MLP(7, 7, width=4)
    weights, spans = flatten(model)
    assert list(spans) == [name for name, _ in model.named_parameters()]
    weights.zero_()
    assert model(PAIRS.inputs).abs().max().item() == 0


def test_other_networks_use_autograd():
    for model in (network.MLP(7, 7, width=4, bias=True), network.MLP(0, 2, d_in=3, width=4)):
        assert isinstance(gradient_of(model, PAIRS), AutogradGradient)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: network.MLP(0, 3), "n_symbols, d_in = 0, 0"),
        (lambda: network.MLP(3, 3, d_in=4), "n_symbols, d_in = 3, 4"),
        (lambda: network.MLP(3, 3, depth=0), "depth = 0"),
        (lambda: network.MLP(3, 3, width=-1), "width = -1"),
        (lambda: network.MLP(3, 3, activation="tanh"), "activation = 'tanh'"),
        (lambda: network.MLP(3, 3, init_scale=0), "init_scale = 0"),
        (lambda: network.MLP(3, 3, seed=-1), "seed = -1"),
        (lambda: network.Transformer(3, d_model=6, n_heads=4), "d_model = 6"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
