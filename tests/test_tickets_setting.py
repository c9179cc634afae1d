"""GT's settings and training under a mask; against plain autograd and torch."""

from functools import partial

import pytest
import torch
from torch import nn

from four_matrices import FourMatrices
from grokbook.modular import CrossEntropy, Pairs, Trainer
from grokbook.modular.gradient import MaskedGradient
from grokbook.tickets.setting import PAPER, QUICK, TRANSFORMER
from grokbook.tickets.tables import PRECISIONS

SMALL = QUICK.replace(task=Pairs(p=11, unordered=True))


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
    plain = FourMatrices(SMALL.untrained(0), parts)
    optimizer = torch.optim.AdamW(plain.parameters(), 3e-3, betas=(0.9, 0.98), weight_decay=1.0)
    for _ in range(20):
        optimizer.zero_grad()
        nn.functional.cross_entropy(plain(train.inputs).double(), train.labels).backward()
        optimizer.step()
    run = trainer.run([20])
    effective = [w * m for w, m in zip(plain.weights, parts, strict=True)]
    wanted = torch.cat([w.detach().flatten() for w in effective])
    torch.testing.assert_close(run.last, wanted, rtol=2e-4, atol=2e-5)
    assert torch.all(run.last[mask == 0] == 0)


@pytest.mark.parametrize("precision", ["float32", "complement"])
def test_precisions_agree_while_nothing_collapses(precision):
    run = SMALL.replace(loss=PRECISIONS[precision]).trainer(0).run([30])
    torch.testing.assert_close(run.last, SMALL.trainer(0).run([30]).last, rtol=1e-2, atol=1e-3)


def test_a_trainer_starts_from_the_given_weights():
    trained = SMALL.trainer(0)
    trained.run([5])
    trainer = SMALL.trainer(1, weights=trained.weights)
    assert torch.equal(trainer.run([0]).last, trained.weights)
    assert float(trainer.state["first"].abs().max()) == 0


def test_the_transformer_takes_masks_too():
    setting = SMALL.replace(network=partial(TRANSFORMER, d_model=16))
    mask = half(setting)
    trainer = setting.trainer(0, mask=mask)
    assert isinstance(trainer, Trainer)
    assert isinstance(trainer.gradient, MaskedGradient)
    assert torch.all(trainer.run([3]).last[mask == 0] == 0)


def test_settings_of_the_paper():
    train, test = QUICK.data(0)
    assert (len(train), len(test)) == (1139, 1139)
    train, test = PAPER.data(0)
    assert (len(train), len(test)) == (911, 1367)
    shapes = [tuple(one.shape) for one in PAPER.untrained(0).parameters()]
    assert shapes == [(67, 500), (500, 48), (48, 500), (500, 67)]
    assert PAPER.loss == CrossEntropy("float64")
    optimizer = PAPER.optimizer
    assert (optimizer.learning_rate, optimizer.weight_decay) == (1e-3, 1.0)
    assert (optimizer.beta1, optimizer.beta2, optimizer.epsilon) == (0.9, 0.98, 1e-8)


def test_bad_masks_and_weights():
    with pytest.raises(ValueError, match="mask has shape"):
        SMALL.trainer(0, mask=torch.ones(3))
    with pytest.raises(ValueError, match="besides 0 and 1"):
        SMALL.trainer(0, mask=0.5 * half(SMALL))
    with pytest.raises(ValueError, match="weights has shape"):
        SMALL.trainer(0, weights=torch.ones(3))
