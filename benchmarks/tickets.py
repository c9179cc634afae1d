"""Paper GT: dense and masked steps in closed form against the obvious loop on four matrices."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from benchmarks.harness import Benchmark, shortest_seconds
from grokbook.tickets.masks import magnitude
from grokbook.tickets.setting import QUICK

N_STEPS = 100
torch.set_num_threads(1)


class FourMatrices(nn.Module):
    """Embed, project in, project out, unembed, one after the other; masks multiply if given."""

    def __init__(self, network, mask=None):
        super().__init__()
        self.weights = nn.ParameterList(w.detach().clone() for w in network.parameters())
        self.masks = None
        if mask is not None:
            sizes = [w.numel() for w in self.weights]
            parts = zip(mask.split(sizes), self.weights, strict=True)
            self.masks = [part.view(w.shape) for part, w in parts]

    def forward(self, inputs):
        """Logits of pairs."""
        weights = list(self.weights)
        if self.masks is not None:
            weights = [w * m for w, m in zip(weights, self.masks, strict=True)]
        emb, into, out, unemb = weights
        embedded = nn.functional.embedding(inputs, emb).sum(dim=1)
        return torch.relu(embedded @ into) @ out @ unemb


def fast(mask=None):
    """Loss every 10 steps, by the package."""
    return QUICK.trainer(0, mask=mask).run(range(0, N_STEPS + 1, 10)).curves.train_loss


def obvious(mask=None):
    """Loss every 10 steps, by autograd and torch's optimiser."""
    network, (train, test) = FourMatrices(QUICK.untrained(0), mask), QUICK.data(0)
    optimizer = torch.optim.AdamW(
        network.parameters(), QUICK.optimizer.learning_rate, betas=(0.9, 0.98), weight_decay=1.0
    )
    losses = []
    for step in range(N_STEPS + 1):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(train.inputs).double(), train.labels)
        if step % 10 == 0:
            losses.append(loss.item())
            with torch.no_grad():
                network(test.inputs)
        loss.backward()
        optimizer.step()
    return np.array(losses)


MASK = magnitude(QUICK.initial(0), 0.6)


def limit(seconds):
    """A step, and the share of it that the products by matrix cannot do without."""
    rng = np.random.default_rng(0)
    hidden, head = (
        rng.standard_normal(shape).astype(np.float32) for shape in ((1139, 48), (48, 67))
    )
    product = shortest_seconds(lambda: [hidden @ head for _ in range(100)]) / 100
    step = seconds / N_STEPS
    return (
        f"A step takes {1e3 * step:.2f} ms; its three products over all samples "
        f"{3e3 * product:.2f} ms at {2e-9 * 1139 * 48 * 67 / product:.0f} GFLOP/s."
    )


BENCHMARKS = [
    Benchmark(
        name="dense step of the ticket network, 1,139 samples, loss in float64",
        fast=fast,
        obvious=obvious,
        what_is_timed=f"{N_STEPS} steps from the same weights, the test set read every 10.",
        tolerance=0.02,
        floor=4,
        aim=5.5,
        limit=limit,
    ),
    Benchmark(
        name="masked step of the same",
        fast=lambda: fast(MASK),
        obvious=lambda: obvious(MASK),
        what_is_timed="The same; the obvious way multiplies every matrix by its mask.",
        tolerance=0.02,
        floor=1,
        aim=5.5,
        limit=limit,
    ),
]
