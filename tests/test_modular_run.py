"""What a run keeps, when it ends, how runs are joined, and their way into a store."""

import numpy as np
import pytest
import torch
from torch import nn

from grokbook.curves import LEVEL
from grokbook.modular import AdamW, Arm, Pairs, Setting
from grokbook.modular.run import from_arrays, schedule, stack, to_arrays
from grokbook.tickets.setting import QUICK

SMALL = QUICK.replace(task=Pairs(p=11, unordered=True))
TINY = Setting(Pairs(p=11), optimizer=AdamW(0.01))


def test_a_run_keeps_weights_and_goes_on():
    whole, parts = SMALL.trainer(0), SMALL.trainer(0)
    run = whole.run(schedule(30, every=10, first=5), keep=[0, 15])
    assert run.kept.tolist() == [0, 15, 30]
    assert run.step.tolist() == [0, 1, 2, 3, 4, 5, 10, 20, 30]
    torch.testing.assert_close(run.at(0), SMALL.initial(0))
    parts.run([15])
    assert torch.equal(parts.run([30]).last, run.last)
    with pytest.raises(ValueError, match="must be one of"):
        run.at(7)
    # Steps of another run are floats; any iterable will do, or a single step.
    again = SMALL.trainer(0).run((k for k in (0.0, 30.0)), keep={*run.step[:3]})
    assert (again.kept.tolist(), again.step.tolist()) == ([0, 1, 2, 30], [0, 30])
    assert SMALL.trainer(0).run(2, keep=1).kept.tolist() == [1, 2]
    for keep in ([7.5], [-1], np.nan):
        with pytest.raises(ValueError, match=r"keep = .*: must hold whole numbers >= 0"):
            SMALL.trainer(0).run([0, 10], keep=keep)
    with pytest.raises(ValueError, match="record starts at 0: must start from 30 on"):
        parts.run([0, 40])


def test_a_run_ends_some_steps_after_generalisation():
    trainer = SMALL.trainer(0)
    trainer.test = trainer.train
    run = trainer.run(range(301), stop_at=LEVEL, wait=25)
    assert np.isfinite(run.t_gen)
    assert 0 <= run.kept[-1] - run.t_gen - 25 <= 2
    assert run.step[-1] == run.kept[-1]
    assert run.tau == run.t_gen / run.t_mem == 1
    assert run.best >= 0.95


def test_an_end_that_is_no_record_is_recorded():
    trainer = SMALL.trainer(0)
    trainer.test = trainer.train
    record = schedule(300, every=100, first=20)
    run = trainer.run(record, stop_at=LEVEL, wait=25)
    assert run.step[-1] not in record
    assert 20 < run.step[-1] == run.kept[-1]


def test_a_run_goes_on_as_one():
    trainer = SMALL.trainer(0)
    parts = trainer.run([0, 10]).then(trainer.run([10, 15, 20], keep=[15]))
    whole = SMALL.trainer(0).run([0, 10, 15, 20], keep=[10, 15])
    assert parts.kept.tolist() == whole.kept.tolist() == [10, 15, 20]
    assert torch.equal(parts.weights, whole.weights)
    np.testing.assert_array_equal(parts.curves.test_loss, whole.curves.test_loss)
    np.testing.assert_array_equal(parts.alignment, whole.alignment)


@pytest.mark.parametrize("setting", [SMALL, TINY])
def test_what_is_put_into_the_network_counts(setting):
    """As by ``vector_to_parameters``, which gives each parameter a tensor of its own."""
    trainer, other = setting.trainer(0), setting.trainer(0)
    trainer.run([3])
    nn.utils.vector_to_parameters(setting.initial(1), trainer.network.parameters())
    run = trainer.run([3, 20], keep=[3])
    assert torch.equal(run.at(3), setting.initial(1))
    other.run([3])
    other.weights.copy_(setting.initial(1))
    assert torch.equal(run.last, other.run([20]).last)
    assert run.curves.train_loss[-1] < run.curves.train_loss[0]


def test_masked_weights_that_are_put_in_stay_zero():
    mask = (SMALL.initial(0) > 0).float()
    trainer = SMALL.trainer(0, mask=mask)
    nn.utils.vector_to_parameters(SMALL.initial(1), trainer.network.parameters())
    assert torch.all(trainer.run([0, 2]).last[mask == 0] == 0)


def test_arrays_hold_each_seeds_run():
    arm = Arm(TINY, n_steps=60, stop_at=0.02)
    runs = arm.runs([0, 3])
    arrays = to_arrays(runs)
    together = from_arrays(arrays)
    assert arrays["n_records"].tolist() == [run.step.size for run in runs]
    for k, run in enumerate(runs):
        n = run.step.size
        assert np.allclose(together.curves.test_accuracy[k, :n], run.curves.test_accuracy)
        assert np.all(together.weight_norm[k, n:] == together.weight_norm[k, n - 1])
    assert together.tensors == runs[0].tensors
    with pytest.raises(ValueError, match="at least one run"):
        stack([])
    with pytest.raises(ValueError, match="several runs as one have no weights"):
        stack(arm.runs([0])).at(60)
