"""The trainer: against a plain torch loop, its records, resuming, ending, threads."""

import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from grokbook.modular import (
    MLP,
    SGD,
    AdamW,
    CrossEntropy,
    StableMaxCrossEntropy,
    Trainer,
    data,
)
from grokbook.modular.train import evaluate, train

DATA = data.split(data.modular_pairs(p=11), 0.5, seed=0)


def model(seed=0, **options):
    return MLP(11, 11, **({"width": 20, "seed": seed} | options))


def plain_loop(network, steps, optimizer, loss):
    """The obvious PyTorch loop."""
    train_set, _ = DATA
    for _ in range(steps):
        optimizer.zero_grad()
        loss(network(train_set.inputs), train_set.labels).backward()
        optimizer.step()


@pytest.mark.parametrize("loss", [CrossEntropy("float64"), StableMaxCrossEntropy()])
def test_trains_as_the_obvious_loop_does(loss):
    ours, theirs = model().double(), model().double()
    trainer = Trainer(
        ours, *DATA, loss=loss, optimizer=AdamW(0.01, beta2=0.99, epsilon=1e-8, weight_decay=1.0)
    )
    trainer.run([30])
    torch_adamw = torch.optim.AdamW(
        theirs.parameters(), lr=0.01, betas=(0.9, 0.99), eps=1e-8, weight_decay=1.0
    )
    plain_loop(theirs, 30, torch_adamw, loss)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(mine, other, rtol=1e-8, atol=1e-12)


def test_records_are_what_they_say():
    network, (train_set, test_set) = model(), DATA
    trainer = Trainer(network, train_set, test_set, optimizer=AdamW(0.01))
    run = trainer.run(range(0, 41, 10))
    logits = network(train_set.inputs).detach()
    assert run.step.tolist() == [0, 10, 20, 30, 40]
    assert trainer.step == 40
    expected = CrossEntropy()(logits, train_set.labels)
    assert np.isclose(run.curves.train_loss[-1], float(expected), rtol=1e-5)
    accuracy = (network(test_set.inputs).argmax(dim=1) == test_set.labels).double().mean()
    assert run.curves.test_accuracy[-1] == float(accuracy)
    assert np.isclose(run.max_logit[-1], float(logits.abs().max()), rtol=1e-6)
    norm = torch.cat([p.detach().flatten() for p in network.parameters()]).norm()
    assert np.isclose(run.weight_norm[-1], float(norm), rtol=1e-6)
    assert run.tensors == ("first", "layers.0.weight", "layers.1.weight")
    assert run.alignment.shape == (3, 5)
    value = CrossEntropy()(network(train_set.inputs), train_set.labels)
    slopes = torch.autograd.grad(value, list(network.parameters()))
    for cosine, weight, slope in zip(
        run.alignment[:, -1], network.parameters(), slopes, strict=True
    ):
        expected = -torch.cosine_similarity(weight.flatten(), slope.flatten(), dim=0)
        assert np.isclose(cosine, float(expected.detach()), atol=1e-5)


def test_collapse_and_absorption_are_recorded():
    frozen = Trainer(model(init_scale=40.0), *DATA, optimizer=AdamW(1e-12))
    run = frozen.run([0, 1])
    assert run.collapsed[0] > 0.3
    assert run.absorbed[0] == 0
    assert run.absorbed[1] > 0.9
    assert run.zero_gradient[0] <= run.collapsed[0]
    free = Trainer(model(), *DATA).run([0, 1])
    assert free.collapsed[0] == free.zero_gradient[0] == 0
    assert free.absorbed[1] < 0.1


def test_edit_changes_the_gradient_in_place():
    seen = []

    def nothing(step, gradient, labels):
        seen.append(step)
        assert gradient.shape == (len(labels), 11)
        gradient.zero_()

    trainer = Trainer(model(), *DATA, edit=nothing)
    run = trainer.run([0, 5])
    assert seen == list(range(6))
    assert run.zero_weight_gradient[-1] == 1
    assert run.weight_norm[0] == run.weight_norm[1]


@pytest.mark.parametrize("orthogonal", ["", "rescaled"])
def test_resumes_bit_for_bit(orthogonal):
    def fresh():
        return Trainer(
            model(), *DATA, optimizer=AdamW(0.01, weight_decay=1.0, orthogonal=orthogonal)
        )

    whole = fresh()
    through = whole.run(range(0, 41, 5))
    half = fresh()
    half.run(range(0, 21, 5))
    kept = half.checkpoint()
    half.run([25])  # what happens after a checkpoint does not touch it
    later = fresh()
    later.restore(kept)
    resumed = later.run(range(20, 41, 5))
    assert torch.equal(later.weights, whole.weights)
    for name in ("train_loss", "test_loss", "test_accuracy"):
        whole_run = getattr(through.curves, name)[4:]
        assert np.array_equal(getattr(resumed.curves, name), whole_run)


def test_resumes_with_dropout():
    def fresh():
        torch.manual_seed(1)
        layers = (torch.nn.Embedding(11, 8), torch.nn.Flatten(), torch.nn.Dropout(0.3))
        return Trainer(torch.nn.Sequential(*layers, torch.nn.Linear(16, 11)), *DATA)

    first = fresh()
    first.run([5])
    kept = first.checkpoint()
    end = first.run([5, 12])
    second = fresh()
    second.restore(kept)
    assert np.array_equal(second.run([5, 12]).curves.train_loss, end.curves.train_loss)


def test_stops_when_the_test_accuracy_has_held():
    easy = data.split(data.modular_pairs(p=11), 0.8, seed=0)
    decay = AdamW(0.01, weight_decay=1.0)
    run = train(model(), easy, range(0, 2000, 5), stop_at=0.1, optimizer=decay)
    assert run.ended.startswith("test accuracy has held 0.1 at step")
    held = run.curves.test_accuracy >= 0.1
    assert held[-4:].all()
    assert not any(held[k : k + 4].all() for k in range(held.size - 4))


def test_a_diverging_run_stops_and_says_where():
    with pytest.warns(RuntimeWarning, match="the loss is .* at step"):
        run = train(model(), DATA, range(0, 300, 5), optimizer=AdamW(1e25))
    assert "at step" in run.ended
    assert np.all(np.isfinite(run.curves.train_loss))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        broken = Trainer(model(), *DATA)
        broken.weights.fill_(float("nan"))
        with pytest.raises(FloatingPointError, match="at step 0"):
            broken.run([0, 1])


def test_test_loss_is_wide_where_the_training_loss_is_narrow():
    network, (_, test_set) = model(init_scale=30.0), DATA
    narrow, _ = evaluate(network, test_set, CrossEntropy("float16"))
    wide, _ = evaluate(network, test_set, CrossEntropy("float32"))
    assert narrow == wide


# Threads that wait without spinning: two of them on a busy machine would hinder each other.
TIMES = """
import json, sys, torch
from functools import partial
from grokbook.modular import *
torch.set_num_threads(int(sys.argv[1]))
small = Setting(Pairs(p=31), 0.75, partial(MLP.on, width=64))
arms = {
    "decay": Arm(small.replace(optimizer=AdamW(0.01, weight_decay=1.0)), 400),
    "orthogonal": Arm(
        small.replace(optimizer=AdamW(0.01, epsilon=1e-8, orthogonal="rescaled")), 150
    ),
    "stablemax": Arm(
        small.replace(
            loss=StableMaxCrossEntropy(complement=True),
            optimizer=AdamW(0.005, beta2=0.95, relative=True),
            gradient_scale=1e10,
        ),
        900,
    ),
}
curves = arms[sys.argv[2]].run(0).curves
print(json.dumps([float(curves.memorisation_time()), float(curves.generalisation_time(0.5))]))
"""


@pytest.mark.parametrize("name", ["decay", "orthogonal", "stablemax"])
def test_event_times_agree_on_one_and_two_threads(name):
    environment = os.environ | {"OMP_WAIT_POLICY": "passive"}
    times = []
    for threads in ("1", "2"):
        command = [sys.executable, "-c", TIMES, threads, name]
        out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        times.append(json.loads(out.stdout))
    assert np.all(np.isfinite(times[0]))
    assert np.all(np.abs(np.subtract(*times)) <= 20)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Trainer(model(), *DATA).run([3, 2]), "record"),
        (lambda: Trainer(model(), *DATA).run([0.5]), "must be whole"),
        (lambda: Trainer(model(), *DATA).run([1], stop_at=2), "stop_at = 2"),
        (lambda: Trainer(model(), *DATA, gradient_scale=0), "gradient_scale = 0"),
        (lambda: Trainer(model(), DATA[0], data.digits()), "same task"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_checkpoint_of_another_network_is_refused():
    other = Trainer(model(width=8), *DATA).checkpoint()
    with pytest.raises(ValueError, match="checkpoint has shape"):
        Trainer(model(), *DATA).restore(other)


def test_going_back_in_time_is_refused():
    trainer = Trainer(model(), *DATA)
    trainer.run([5])
    with pytest.raises(ValueError, match="from 5 on"):
        trainer.run([3])


def test_gradient_scale_is_a_factor_on_the_gradient():
    moves = []
    for scale in (1.0, 3.0):
        trainer = Trainer(model(), *DATA, optimizer=SGD(0.1), gradient_scale=scale)
        before = trainer.weights.clone()
        trainer.run([0, 1])
        moves.append(trainer.weights - before)
    assert torch.allclose(moves[1], 3 * moves[0], rtol=1e-3, atol=1e-7)
    assert float(moves[0].norm()) > 1e-3
