"""Paper NS: a training step without one-hot products and autograd, against the obvious loop."""

from __future__ import annotations

import functools
import math

import torch
from torch import nn

from benchmarks.harness import Benchmark, shortest_seconds
from grokbook.modular import MLP, AdamW, Trainer, Transformer, modular_pairs, split

N_STEPS = 100
PAPER = {"p": 113, "width": 200, "train_fraction": 0.4}
SMALL = {"p": 59, "width": 128, "train_fraction": 0.5}
RATE, BETA2, EPSILON = 0.001, 0.99, 1e-8


@functools.cache
def trainer(p, width, train_fraction):
    """The book's trainer and where it starts, made once."""
    optimizer = AdamW(RATE, beta2=BETA2, epsilon=EPSILON)
    samples = split(modular_pairs(p=p), train_fraction)
    one = Trainer(MLP(p, p, width=width), *samples, optimizer=optimizer)
    return one, one.checkpoint()


def engine_steps(**setting):
    """The trainer's first steps, and one record: the weights' norm, losses and accuracies."""
    one, start = trainer(**setting)
    one.restore(start)
    run = one.run([N_STEPS])
    curves = run.curves
    recorded = (curves.train_loss, curves.test_loss, curves.train_accuracy, curves.test_accuracy)
    return [run.weight_norm[-1], *(1 + values[-1] for values in recorded)]


def plain_network(p, width):
    """The same network and initial weights with ``nn.Linear`` on joined one-hot vectors."""
    ours = MLP(p, p, width=width)
    linear = [nn.Linear(2 * p, width, bias=False), nn.Linear(width, width, bias=False)]
    linear.append(nn.Linear(width, p, bias=False))
    with torch.no_grad():
        for layer, weight in zip(
            linear, [ours.first.T, ours.layers[0].weight, ours.layers[1].weight], strict=True
        ):
            layer.weight.copy_(weight)
    return nn.Sequential(linear[0], nn.ReLU(), linear[1], nn.ReLU(), linear[2])


@functools.cache
def plain_setting(p, width, train_fraction):
    """Network, its initial weights, one-hot inputs and labels of both sets, made once."""
    train, test = split(modular_pairs(p=p), train_fraction)
    sets = [
        (nn.functional.one_hot(one.inputs, p).flatten(1).float(), one.labels)
        for one in (train, test)
    ]
    network = plain_network(p, width)
    return network, {name: one.clone() for name, one in network.state_dict().items()}, sets


def obvious_steps(**setting):
    """The same from one-hot inputs, ``nn.Linear``, autograd and ``torch.optim.AdamW``."""
    network, start, sets = plain_setting(**setting)
    network.load_state_dict(start)
    options = {"lr": RATE, "betas": (0.9, BETA2), "eps": EPSILON, "weight_decay": 0.0}
    optimizer, loss = torch.optim.AdamW(network.parameters(), **options), nn.CrossEntropyLoss()
    inputs, labels = sets[0]
    for _ in range(N_STEPS):
        optimizer.zero_grad()
        loss(network(inputs), labels).backward()
        optimizer.step()
    with torch.no_grad():
        logits = [(network(inputs), labels) for inputs, labels in sets]
        losses = [loss(*one).item() for one in logits]
        right = [(one.argmax(dim=1) == label).float().mean().item() for one, label in logits]
        norm = math.sqrt(sum(weight.square().sum().item() for weight in network.parameters()))
    return [norm, *(1 + value for value in losses + right)]


def products(p, width, n_train):
    """The six matrix products of a step, each with its operations."""
    hidden, head = torch.randn(width, width), torch.randn(p, width)
    x, z = torch.randn(n_train, width), torch.randn(n_train, p)
    square, wide = 2 * n_train * width**2, 2 * n_train * width * p
    return [
        (lambda: torch.mm(x, hidden.T), square),
        (lambda: torch.mm(x, head.T), wide),
        (lambda: torch.mm(z.T, x), wide),
        (lambda: torch.mm(z, head), wide),
        (lambda: torch.mm(x.T, x), square),
        (lambda: torch.mm(x, hidden), square),
    ]


def limit(p, width, train_fraction):
    """Rate and share of the step's matrix products, against the best rate at the same shapes."""

    def sentence(seconds):
        calls = products(p, width, int(train_fraction * p * p))
        each = [shortest_seconds(call) for call, _ in calls]
        best = max(work / time for (_, work), time in zip(calls, each, strict=True))
        step, work = seconds / N_STEPS, sum(work for _, work in calls)
        rate = work / sum(each)
        return (
            f"{1e3 * step:.1f} ms a step, a record included; its matrix products take "
            f"{sum(each) / step:.0%} of it at {rate / 1e9:.0f} GFLOP/s, {rate / best:.0%} of the "
            f"best rate at one of these shapes ({best / 1e9:.0f})."
        )

    return sentence


def transformer_losses(call):
    """Mean loss after three plain gradient steps of a Nanda-form transformer."""
    train, _ = split(modular_pairs(p=PAPER["p"]), 0.1)
    network, loss = Transformer(PAPER["p"]), nn.CrossEntropyLoss()
    for _ in range(3):
        value = loss(call(network, train.inputs), train.labels)
        slopes = torch.autograd.grad(value, list(network.parameters()))
        with torch.no_grad():
            for weight, slope in zip(network.parameters(), slopes, strict=True):
                weight -= 0.1 * slope
    return [value.item()]


def all_positions(model, inputs):
    """The same transformer at all three positions, with a causal mask."""
    n, n_heads, d_head = len(inputs), *model.W_Q.shape[::2]
    tokens = torch.cat([inputs, torch.full((n, 1), model.n_symbols)], dim=1)
    stream = model.W_E[tokens] + model.W_pos
    query, key, value = (
        torch.einsum("ntd,hdk->nhtk", stream, weight)
        for weight in (model.W_Q, model.W_K, model.W_V)
    )
    mixed = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    stream = stream + mixed.transpose(1, 2).reshape(n, 3, n_heads * d_head) @ model.W_O
    hidden = torch.relu(stream @ model.W_in + model.b_in)
    return ((stream + hidden @ model.W_out + model.b_out) @ model.W_U)[:, -1]


def step_benchmark(setting, floor, aim):
    """The dense MLP step at one size."""
    n_train = int(setting["train_fraction"] * setting["p"] ** 2)
    return Benchmark(
        name=f"{N_STEPS} AdamW steps of the MLP, p = {setting['p']}, width {setting['width']}, "
        f"{n_train} samples",
        fast=lambda: engine_steps(**setting),
        obvious=lambda: obvious_steps(**setting),
        what_is_timed="Steps in single precision from the same start, and one record of loss and "
        "accuracy on both sets. Table rows, closed forms, one flat vector, "
        "against one-hot vectors, nn.Linear, autograd, torch's AdamW.",
        # Single precision, added up in another order; accuracies move by whole samples.
        tolerance=5e-3,
        floor=floor,
        aim=aim,
        limit=limit(**setting),
    )


BENCHMARKS = [
    step_benchmark(PAPER, 1.2, 1.4),
    step_benchmark(SMALL, 1.4, 1.8),
    Benchmark(
        name="3 gradient steps of a one-layer transformer, p = 113, 1276 samples",
        fast=lambda: transformer_losses(lambda model, inputs: model(inputs)),
        obvious=lambda: transformer_losses(all_positions),
        what_is_timed="Both by autograd in single precision: tables of keys and values and one "
        "position against all three positions.",
        tolerance=1e-4,
        floor=0,
        aim=2,
        limit=lambda seconds: f"{1e3 * seconds / 3:.0f} ms a step; no floor is set.",
    ),
]


torch.set_num_threads(1)
