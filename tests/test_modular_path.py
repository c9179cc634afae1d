"""Following a run: as the trainer trains, what is kept, when it ends."""

import numpy as np
import pytest
import torch

from grokbook.modular.path import follow, schedule
from grokbook.tickets.setting import QUICK

SMALL = QUICK.replace(p=11)


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
