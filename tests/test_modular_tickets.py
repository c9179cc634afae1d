"""The network of GT, its gradient, training under a mask; against plain autograd and torch."""

import numpy as np
import pytest
import torch
from torch import nn

from grokbook.modular import Trainer
from grokbook.modular.loss import CrossEntropy
from grokbook.modular.optimizer import AdamW
from grokbook.modular.tickets import (
    QUICK,
    FactoredGradient,
    FactoredMLP,
    MaskedGradient,
    TicketSetting,
    follow,
    impose,
    schedule,
    start_from,
)

SMALL = QUICK.replace(p=11)


class FourMatrices(nn.Module):
    """The module as GT draws it: embed, project in, project out, unembed; masks multiply."""

    def __init__(self, network, masks=None):
        super().__init__()
        self.weights = nn.ParameterList(w.detach().clone() for w in network.parameters())
        self.masks = masks or [torch.ones_like(w) for w in self.weights]

    def forward(self, inputs):
        emb, into, out, unemb = (w * m for w, m in zip(self.weights, self.masks, strict=True))
        hidden = torch.relu((emb[inputs[:, 0]] + emb[inputs[:, 1]]) @ into)
        return hidden @ out @ unemb


def half(setting, seed=3):
    rng = torch.Generator().manual_seed(seed)
    return (torch.rand(setting.initial(0).numel(), generator=rng) > 0.6).float()


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


def test_masked_training_is_that_of_a_network_that_multiplies_by_its_mask():
    mask, train = half(SMALL), SMALL.data(0)[0]
    trainer = SMALL.trainer(0, mask=mask)
    shapes = [w.shape for w in trainer.network.parameters()]
    parts = [
        part.view(shape)
        for part, shape in zip(mask.split([s.numel() for s in shapes]), shapes, strict=True)
    ]
    plain = FourMatrices(SMALL.network(0), parts)
    optimizer = torch.optim.AdamW(plain.parameters(), 3e-3, betas=(0.9, 0.98), weight_decay=1.0)
    for _ in range(20):
        optimizer.zero_grad()
        nn.functional.cross_entropy(plain(train.inputs).double(), train.labels).backward()
        optimizer.step()
    run = follow(trainer, [20])
    effective = [w * m for w, m in zip(plain.weights, parts, strict=True)]
    wanted = torch.cat([w.detach().flatten() for w in effective])
    torch.testing.assert_close(run.last, wanted, rtol=2e-4, atol=2e-5)
    assert torch.all(run.last[mask == 0] == 0)


def test_follow_trains_as_the_trainer_does():
    one, two = SMALL.trainer(0), SMALL.trainer(0)
    run, wanted = follow(one, [0, 10, 40]), two.run([0, 10, 40])
    torch.testing.assert_close(one.weights, two.weights, rtol=1e-5, atol=1e-7)
    for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy"):
        np.testing.assert_allclose(
            getattr(run.curves, name), getattr(wanted.curves, name), rtol=1e-4
        )


def test_follow_keeps_weights_and_goes_on():
    whole, parts = SMALL.trainer(0), SMALL.trainer(0)
    run = follow(whole, schedule(30, every=10, first=5), keep=[0, 15])
    assert run.step.tolist() == [0, 15, 30]
    assert run.curves.step.tolist() == [0, 1, 2, 3, 4, 5, 10, 20, 30]
    torch.testing.assert_close(run.at(0), SMALL.initial(0))
    follow(parts, [15])
    assert torch.equal(follow(parts, [30]).last, run.last)
    with pytest.raises(ValueError, match="must be one of"):
        run.at(7)
    with pytest.raises(ValueError, match="must not lie before 30"):
        follow(whole, [20, 40])


def test_follow_ends_after_generalisation():
    trainer = SMALL.trainer(0)
    trainer.test = trainer.train
    run = follow(trainer, range(301), wait=25)
    assert np.isfinite(run.t_gen)
    assert 0 <= run.step[-1] - run.t_gen - 25 <= 2
    assert run.tau == run.t_gen / run.t_mem == 1
    assert run.best >= 0.95


@pytest.mark.parametrize("precision", ["float64", "float32", "complement"])
def test_precisions_agree_while_nothing_collapses(precision):
    run = follow(SMALL.replace(precision=precision).trainer(0), [30])
    wanted = follow(SMALL.trainer(0), [30])
    torch.testing.assert_close(run.last, wanted.last, rtol=1e-2, atol=1e-3)


def test_a_fresh_optimiser_starts_from_the_given_weights():
    trainer = SMALL.trainer(0)
    follow(trainer, [5])
    start_from(trainer, SMALL.initial(0))
    assert trainer.step == 0
    assert float(trainer.state["first"].abs().max()) == 0
    torch.testing.assert_close(
        follow(trainer, [5]).last, follow(SMALL.trainer(0), [5]).last, rtol=0, atol=0
    )


def test_the_transformer_takes_masks_too():
    setting = QUICK.replace(p=7, model="transformer")
    mask = half(setting)
    trainer = setting.trainer(0, mask=mask)
    assert isinstance(trainer, Trainer)
    assert isinstance(trainer.gradient, MaskedGradient)
    assert torch.all(follow(trainer, [3]).last[mask == 0] == 0)


def test_settings_of_the_paper():
    train, test = QUICK.data(0)
    assert (len(train), len(test)) == (1139, 1139)
    train, test = TicketSetting(train_fraction=0.4).data(0)
    assert (len(train), len(test)) == (911, 1367)
    assert isinstance(QUICK.trainer(0).optimizer, AdamW)
    assert len(QUICK.replace(operation="subtraction", p=7).data(0)[0]) == 24


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_fraction": 1.0}, "train_fraction"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"precision": "float8"}, "precision = 'float8': must be one of"),
        ({"model": "cnn"}, "model"),
        ({"p": 1}, "p = 1"),
    ],
)
def test_bad_settings(change, message):
    with pytest.raises(ValueError, match=message):
        QUICK.replace(**change)


def test_bad_masks_and_weights():
    with pytest.raises(ValueError, match="mask has shape"):
        SMALL.trainer(0, mask=torch.ones(3))
    with pytest.raises(ValueError, match="besides 0 and 1"):
        impose(SMALL.trainer(0), 0.5 * half(SMALL))
    with pytest.raises(ValueError, match="weights has shape"):
        SMALL.trainer(0, weights=torch.ones(3))
    with pytest.raises(ValueError, match="width = 0"):
        FactoredMLP(5, width=0)
