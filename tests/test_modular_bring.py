"""What users bring: any loss, any torch optimiser, a schedule; and what is refused."""

import copy

import numpy as np
import pytest
import torch
from torch.nn import functional

from grokbook.modular import AdamW, CrossEntropy, OrthogonalGradient, Trainer, data, network

HALVES = data.split(data.modular_pairs(p=11), 0.6, 0)


def mlp(seed=0):
    return network.MLP(11, 11, width=16, seed=seed)


def curves(run):
    return np.array([run.curves.train_loss, run.curves.test_loss, run.curves.test_accuracy])


def test_a_plain_function_trains_as_the_closed_form_does():
    own = Trainer(mlp(), *HALVES, loss=CrossEntropy(), optimizer=AdamW(0.01, epsilon=1e-8))
    any_loss = Trainer(
        mlp(), *HALVES, loss=functional.cross_entropy, optimizer=AdamW(0.01, epsilon=1e-8)
    )
    np.testing.assert_allclose(
        curves(own.run([0, 5, 40])), curves(any_loss.run([0, 5, 40])), rtol=1e-4
    )


def focal(logits, labels):
    chance = logits.log_softmax(1).gather(1, labels[:, None])[:, 0]
    return -((1 - chance.exp()) ** 2 * chance).mean()


def test_the_gradient_is_that_of_each_samples_loss():
    trainer = Trainer(mlp(), *HALVES, loss=focal, optimizer=AdamW(0.01))
    logits = trainer.gradient.forward()
    labels = trainer.train.labels
    found = trainer.loss.terms(logits, labels)
    assert float(found.value.mean()) == pytest.approx(float(focal(logits, labels)))
    nudge = torch.zeros_like(logits)
    nudge[3, 4] = 1e-2
    slope = focal(logits + nudge, labels) - focal(logits - nudge, labels)
    wanted = float(slope) / 2e-2 * len(labels)
    assert float(found.gradient[3, 4]) == pytest.approx(wanted, rel=1e-2, abs=1e-4)
    assert trainer.run([0, 200]).curves.train_accuracy[-1] > 0.9


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_torch_optimiser_steps_as_the_flat_one(wrapped):
    net = mlp()
    inner = torch.optim.AdamW(net.parameters(), 0.01, (0.9, 0.99), 1e-8, weight_decay=0.5)
    theirs = Trainer(net, *HALVES, optimizer=OrthogonalGradient(inner) if wrapped else inner)
    flat = AdamW(0.01, epsilon=1e-8, weight_decay=0.5, orthogonal="rescaled" if wrapped else "")
    ours = Trainer(mlp(), *HALVES, optimizer=flat)
    np.testing.assert_allclose(
        curves(theirs.run([0, 5, 30])), curves(ours.run([0, 5, 30])), rtol=2e-3
    )
    assert theirs.weights.data_ptr() == next(net.parameters()).data_ptr()


class Shapes(torch.optim.SGD):
    """Sees matrices, as Muon needs them."""

    def step(self):
        self.seen = [one.grad.shape for group in self.param_groups for one in group["params"]]
        super().step()


def test_an_optimiser_sees_the_parameters_shapes():
    net = mlp()
    optimizer = Shapes(net.parameters(), 0.1)
    Trainer(net, *HALVES, optimizer=optimizer).run([0, 1])
    assert optimizer.seen == [one.shape for one in net.parameters()]


@pytest.mark.parametrize("theirs", [False, True])
def test_a_schedule_multiplies_the_learning_rate(theirs):
    def trainer(rate, schedule=None):
        net = mlp()
        optimizer = torch.optim.SGD(net.parameters(), rate) if theirs else AdamW(rate)
        return Trainer(net, *HALVES, optimizer=optimizer, schedule=schedule)

    still = trainer(0.1, lambda step: 0.0)
    before = still.weights.clone()
    still.run([0, 4])
    assert torch.equal(still.weights, before)
    seen = []
    halved = trainer(0.1, lambda step: seen.append(step) or 0.5)
    half = trainer(0.05)
    np.testing.assert_allclose(curves(halved.run([0, 8])), curves(half.run([0, 8])), rtol=1e-6)
    assert seen == list(range(8))


def test_a_checkpoint_holds_the_torch_optimisers_state():
    def fresh():
        net = mlp()
        return Trainer(net, *HALVES, optimizer=torch.optim.Adam(net.parameters(), 0.01))

    first = fresh()
    first.run([7])
    kept = copy.deepcopy(first.checkpoint())
    end = curves(first.run([7, 15]))
    second = fresh()
    second.restore(kept)
    assert np.array_equal(curves(second.run([7, 15])), end)


class Replaces(torch.optim.SGD):
    """Puts another tensor in the place of a parameter's."""

    def step(self):
        for group in self.param_groups:
            for one in group["params"]:
                one.data = one.data - 0.1 * one.grad


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Trainer(mlp(), *HALVES, loss=3), "loss = 3: must be a function of logits"),
        (
            lambda: Trainer(
                mlp(), *HALVES, loss=lambda z, y: functional.cross_entropy(z, y, reduction="none")
            ).run([0]),
            r"loss\(logits, labels\) is \(72,\): must be the mean, a scalar tensor",
        ),
        (lambda: Trainer(mlp(), *HALVES, loss=lambda z, y: 1.0).run([0]), "is float: must be"),
        (
            lambda: Trainer(mlp(), *HALVES, optimizer=torch.optim.SGD(mlp(1).parameters(), 0.1)),
            "optimizer: its parameters must be the network's",
        ),
        (
            lambda: Trainer(net := mlp(), *HALVES, optimizer=torch.optim.LBFGS(net.parameters())),
            "optimizer = LBFGS: must step without an argument",
        ),
        (
            lambda: Trainer(mlp(), *HALVES, optimizer="adam"),
            "optimizer = 'adam': must be AdamW or SGD of this package or a torch",
        ),
        (
            lambda: Trainer(mlp(), *HALVES, optimizer=AdamW),
            "optimizer = <class .*AdamW'>: must be AdamW or SGD of this package or a torch",
        ),
        (
            lambda: Trainer(net := mlp(), *HALVES, optimizer=Replaces(net.parameters(), 0.1)).run(
                [0, 2]
            ),
            "must change its parameters in place",
        ),
    ],
)
def test_what_cannot_work_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
