"""GT's settings and training under a mask; against plain autograd and torch."""

import pytest
import torch
from torch import nn

from four_matrices import FourMatrices
from grokbook.modular import Trainer
from grokbook.modular.optimizer import AdamW
from grokbook.modular.path import follow
from grokbook.tickets.setting import QUICK, MaskedGradient, TicketSetting, impose, start_from

SMALL = QUICK.replace(p=11)


def half(setting, seed=3):
    rng = torch.Generator().manual_seed(seed)
    return (torch.rand(setting.initial(0).numel(), generator=rng) > 0.6).float()


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
        ({"d_model": 0}, "d_model = 0"),
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
