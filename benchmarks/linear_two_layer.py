"""Paper LE: training a two-layer linear network in the eigenbasis against autograd."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.harness import Benchmark, shortest_seconds
from grokbook.linear import TwoLayerSetting
from grokbook.linear import two_layer_simulate as simulate

N_STEPS = 300
# Steps of eta = 1, the same on both sides; LE's eta = 0.01 is a hundred times smaller.
SETTING = TwoLayerSetting(0.9, d_in=1000, d_hidden=50, d_out=5, learning_rate=1.0)


def in_eigenbasis():
    """Test loss after plain steps with written-out gradients, decomposition included."""
    return simulate.trajectory(SETTING, [N_STEPS], [0], stride=1, n_test=100).test_loss[0]


def by_autograd():
    """The same draw and steps through torch, in double precision."""
    torch.set_num_threads(1)
    data = simulate.draw(SETTING, 0)
    inputs = torch.tensor(data.inputs)
    teacher = torch.tensor(data.teacher[0] @ data.teacher[1])
    labels = inputs @ teacher
    layers = [torch.tensor(layer, requires_grad=True) for layer in data.student]
    optimiser = torch.optim.SGD(layers, lr=SETTING.learning_rate)
    for _ in range(N_STEPS):
        optimiser.zero_grad()
        torch.nn.functional.mse_loss(inputs @ layers[0] @ layers[1], labels).backward()
        optimiser.step()
    difference = (layers[0] @ layers[1]).detach() - teacher
    return np.array([difference.square().sum().item() / SETTING.d_out])


def limit(seconds):
    """The loop alone, and what longer updates add, apart."""
    data = simulate.rotate(simulate.draw(SETTING, 0))
    loop = shortest_seconds(
        lambda: list(simulate.linear_layers(SETTING, [N_STEPS], data, stride=1))
    )
    literal = TwoLayerSetting(0.9)
    longest = simulate.longest_stride(literal)
    updates = sum(1 for _ in simulate._updates(0.0, 3e5, longest))
    return (
        f"The {N_STEPS} steps alone take {loop / seconds:.0%} of it, {1e3 * loop / N_STEPS:.2f} ms "
        f"a step; the rest is the draw and the eigendecomposition, once a run. Apart from this "
        f"ratio, which is at the same step size: the run of Figure 5 to step 300,000 at eta = 0.01 "
        f"needs {updates:,} updates when up to {longest:.0f} steps are taken at once, "
        f"{3e5 / updates:.0f} times fewer."
    )


BENCHMARKS = [
    Benchmark(
        name=f"two-layer network 1000-50-5, {N_STEPS} steps of eta = 1",
        fast=in_eigenbasis,
        obvious=by_autograd,
        what_is_timed="The same draw, the same steps, full batch, double precision: written-out "
        "gradients in the covariance's eigenbasis, decomposition included, against torch autograd.",
        tolerance=1e-8,
        floor=3,
        aim=6,
        limit=limit,
    ),
]
