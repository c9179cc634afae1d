"""The factored network and its gradient, against plain autograd."""

import pytest
import torch

from four_matrices import FourMatrices
from grokbook.modular.data import Pairs
from grokbook.modular.gradient import FactoredGradient
from grokbook.modular.loss import CrossEntropy
from grokbook.modular.network import FactoredMLP
from grokbook.tickets.setting import QUICK

SMALL = QUICK.replace(task=Pairs(p=11, unordered=True))


def test_shapes_and_initial_scale():
    network = FactoredMLP(seed=1)
    assert [tuple(w.shape) for w in network.parameters()] == [
        (67, 500),
        (500, 48),
        (48, 500),
        (500, 67),
    ]
    assert sum(w.numel() for w in network.parameters()) == 115_000
    for weight in network.parameters():
        assert float(weight.detach().std()) == pytest.approx(weight.shape[0] ** -0.5, rel=0.02)


def test_pairs_multiplied_first_give_the_same_logits():
    network = FactoredMLP(11, d_emb=20, width=7).double()
    train, _ = SMALL.data(0)
    torch.testing.assert_close(network(train.inputs), FourMatrices(network)(train.inputs))
    gradient = FactoredGradient(network, train)
    torch.testing.assert_close(gradient.forward(), network(train.inputs))


def test_gradient_against_autograd():
    network = FactoredMLP(11, d_emb=20, width=7, seed=5).double()
    train, _ = SMALL.data(0)
    loss, plain = CrossEntropy("float64"), FourMatrices(network)
    loss(plain(train.inputs), train.labels).backward()
    gradient = FactoredGradient(network, train)
    terms = loss.terms(gradient.forward(), train.labels)
    found = gradient.backward(terms.gradient / len(train))
    wanted = torch.cat([w.grad.flatten() for w in plain.weights])
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-14)


def test_bad_sizes():
    with pytest.raises(ValueError, match="width = 0"):
        FactoredMLP(5, width=0)
