"""Grokking tickets: the network of GT, its gradient in closed form, and training under a mask.

A ticket is a mask on the initial weights.  It is made in :mod:`grokbook.modular.masks`; here it is
trained, from the original initial weights and with a fresh optimiser.  All masks and weights are
flat vectors in the order of ``network.named_parameters()``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from grokbook import validate
from grokbook.curves import HOLD, LEVEL, Curves
from grokbook.modular.data import Dataset, modular_pairs, split
from grokbook.modular.gradient import flatten
from grokbook.modular.loss import CrossEntropy
from grokbook.modular.network import Transformer
from grokbook.modular.optimizer import AdamW
from grokbook.modular.train import Trainer

PRECISIONS = {"float64": ("float64", False), "float32": ("float32", False)} | {
    "complement": ("float32", True)
}


class FactoredMLP(nn.Module):
    """The network of GT: relu((E_a + E_b) W_in) W_out W_unemb, four matrices without biases.

    Between embedding and W_in, and between W_out and unembedding, stands no nonlinearity.  So the
    two pairs are multiplied first: a table over symbols and a head over hidden units.

    Attributes
    ----------
    W_emb : (p, d_emb); W_in : (d_emb, width); W_out : (width, d_emb); W_unemb : (d_emb, p)

    Parameters
    ----------
    n_symbols : int
        p; also the number of classes.  67 in GT.
    d_emb, width : int
        500 and 48 in GT.
    init_scale : float
        Factor > 0 (GT's kappa) on initial weights of standard deviation 1/sqrt(rows).
    seed : int

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    def __init__(
        self,
        n_symbols: int = 67,
        *,
        d_emb: int = 500,
        width: int = 48,
        init_scale: float = 1.0,
        seed: int = 0,
    ):
        super().__init__()
        for name, value in {"n_symbols": n_symbols, "d_emb": d_emb, "width": width}.items():
            validate.count(name, value)
        validate.number("init_scale", init_scale, above=0)
        rng = torch.Generator().manual_seed(validate.count("seed", seed, at_least=0))

        def normal(rows, columns):
            draw = torch.randn(rows, columns, generator=rng)
            return nn.Parameter(draw * (init_scale / math.sqrt(rows)))

        self.W_emb, self.W_in = normal(n_symbols, d_emb), normal(d_emb, width)
        self.W_out, self.W_unemb = normal(width, d_emb), normal(d_emb, n_symbols)

    @property
    def table(self) -> torch.Tensor:
        """What each symbol sends to each hidden unit, W_emb W_in; (p, width)."""
        return self.W_emb @ self.W_in

    @property
    def head(self) -> torch.Tensor:
        """What each hidden unit sends to each class, W_out W_unemb; (width, p)."""
        return self.W_out @ self.W_unemb

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits; shape (n_samples, p)."""
        table = self.table
        return torch.relu(table[inputs[:, 0]] + table[inputs[:, 1]]) @ self.head


class FactoredGradient:
    """Logits and weight gradients of a :class:`FactoredMLP` in closed form, into fixed buffers."""

    def __init__(self, network: FactoredMLP, data: Dataset):
        self.network = network
        self.rows = [data.inputs[:, 0].contiguous(), data.inputs[:, 1].contiguous()]
        weights = [network.W_emb, network.W_in, network.W_out, network.W_unemb]
        sizes, dtype = [weight.numel() for weight in weights], network.W_emb.dtype
        self.out = torch.empty(sum(sizes), dtype=dtype)
        self.parts = [
            part.view(weight.shape)
            for part, weight in zip(self.out.split(sizes), weights, strict=True)
        ]
        p, width = network.W_emb.shape[0], network.W_in.shape[1]
        self.before, self.spare, self.hidden, self.flow = torch.empty(4, len(data), width).to(dtype)
        self.logits = torch.empty(len(data), p, dtype=dtype)
        self.table = torch.empty(p, width, dtype=dtype)
        self.head = torch.empty(width, p, dtype=dtype)

    @torch.no_grad()
    def forward(self) -> torch.Tensor:
        """Logits of the training set, (n_train, p); overwritten by the next call."""
        net = self.network
        torch.mm(net.W_emb, net.W_in, out=self.table)
        torch.mm(net.W_out, net.W_unemb, out=self.head)
        torch.index_select(self.table, 0, self.rows[0], out=self.before)
        torch.index_select(self.table, 0, self.rows[1], out=self.spare)
        self.before.add_(self.spare)
        torch.clamp_min(self.before, 0, out=self.hidden)
        return torch.mm(self.hidden, self.head, out=self.logits)

    @torch.no_grad()
    def backward(self, logit_gradient: torch.Tensor) -> torch.Tensor:
        """Gradient of all weights, (n_weights,); overwritten by the next call."""
        net, flow, (emb, into, out, unemb) = self.network, self.flow, self.parts
        torch.mm(logit_gradient, self.head.t(), out=flow)
        torch.ops.aten.threshold_backward.grad_input(flow, self.before, 0, grad_input=flow)
        # Table and head are no longer needed: their buffers take their gradients.
        head = torch.mm(self.hidden.t(), logit_gradient, out=self.head)
        torch.mm(head, net.W_unemb.t(), out=out)
        torch.mm(net.W_out.t(), head, out=unemb)
        table = self.table.zero_()
        for rows in self.rows:
            table.index_add_(0, rows, flow)
        torch.mm(table, net.W_in.t(), out=emb)
        torch.mm(net.W_emb.t(), table, out=into)
        return self.out


class MaskedGradient:
    """Another gradient, zero where a mask is zero.

    With the masked weights at zero this is the same training as a network that multiplies its
    weights by the mask in its forward pass, without that multiplication.
    """

    def __init__(self, inner, mask: torch.Tensor):
        self.inner, self.mask = inner, mask

    def forward(self) -> torch.Tensor:
        """Logits of the training set."""
        return self.inner.forward()

    def backward(self, logit_gradient: torch.Tensor) -> torch.Tensor:
        """Gradient of all weights, (n_weights,)."""
        return self.inner.backward(logit_gradient).mul_(self.mask)


@dataclass(frozen=True)
class TicketSetting:
    """A setting of GT; the defaults are our quick one.

    Attributes
    ----------
    train_fraction : float
        Share of the 2,278 unordered pairs that is for training; 0.4 in GT.
    learning_rate : float
        1e-3 in GT.
    weight_decay : float
        GT's alpha, decoupled: 1.
    precision : {"float64", "float32", "complement"}
        Of the cross-entropy; "complement" is float32 with the gradient of the right class taken as
        minus the sum of the others.
    model : {"mlp", "transformer"}
        :class:`FactoredMLP`, or a transformer of width 128 with one head.
    operation : str
        One of ``data.OPERATIONS``.
    p : int

    Raises
    ------
    ValueError
        If a value is out of range.
    """

    train_fraction: float = 0.5
    learning_rate: float = 3e-3
    weight_decay: float = 1.0
    precision: str = "float64"
    model: str = "mlp"
    operation: str = "addition"
    p: int = 67

    def __post_init__(self):
        validate.number("train_fraction", self.train_fraction, above=0, below=1)
        validate.number("learning_rate", self.learning_rate, above=0)
        validate.number("weight_decay", self.weight_decay, at_least=0)
        validate.choice("precision", self.precision, tuple(PRECISIONS))
        validate.choice("model", self.model, ("mlp", "transformer"))
        validate.count("p", self.p, at_least=2)

    def replace(self, **changes) -> TicketSetting:
        """The same setting with some values changed."""
        return replace(self, **changes)

    def data(self, seed: int) -> tuple[Dataset, Dataset]:
        """Training and test set of a seed; ordered pairs where the operation does not commute."""
        unordered = self.operation not in ("subtraction", "division")
        unordered &= "x^3" not in self.operation and not self.operation.endswith("+x")
        samples = modular_pairs(self.operation, self.p, unordered=unordered)
        return split(samples, self.train_fraction, seed)

    def network(self, seed: int) -> nn.Module:
        """The network of a seed with its initial weights."""
        if self.model == "mlp":
            return FactoredMLP(self.p, seed=seed)
        return Transformer(self.p, d_model=128, n_heads=1, d_mlp=128, seed=seed)

    def trainer(
        self, seed: int, *, mask: torch.Tensor | None = None, weights: torch.Tensor | None = None
    ) -> Trainer:
        """A trainer of one seed at step 0, with a fresh optimiser.

        Parameters
        ----------
        mask : (n_weights,) tensor of 0 and 1, optional
            Masked weights are zero and stay so.
        weights : (n_weights,) tensor, optional
            Where to start; the seed's initial weights by default.

        Raises
        ------
        ValueError
            If mask or weights have another shape, or the mask other values than 0 and 1.
        """
        dtype, complement = PRECISIONS[self.precision]
        network = self.network(seed)
        trainer = Trainer(
            network,
            *self.data(seed),
            loss=CrossEntropy(dtype, complement=complement),
            optimizer=AdamW(
                self.learning_rate, beta2=0.98, epsilon=1e-8, weight_decay=self.weight_decay
            ),
        )
        if isinstance(network, FactoredMLP):
            trainer.gradient = FactoredGradient(network, trainer.train)
        if weights is not None:
            start_from(trainer, weights)
        if mask is not None:
            impose(trainer, mask)
        return trainer

    def initial(self, seed: int) -> torch.Tensor:
        """The initial weights of a seed, (n_weights,)."""
        return flatten(self.network(seed))[0].clone()

    def spans(self) -> dict[str, slice]:
        """Where each matrix lies among the weights."""
        return flatten(self.network(0))[1]


QUICK = TicketSetting()
PAPER = TicketSetting(train_fraction=0.4, learning_rate=1e-3)


def start_from(trainer: Trainer, weights: torch.Tensor) -> None:
    """Put a trainer that has not started at other weights; ValueError for another shape."""
    if weights.shape != trainer.weights.shape:
        shape = tuple(trainer.weights.shape)
        raise ValueError(f"weights has shape {tuple(weights.shape)}: must be {shape}")
    trainer.weights.copy_(weights)
    trainer.state = trainer.optimizer.start(trainer.weights)


def impose(trainer: Trainer, mask: torch.Tensor) -> None:
    """Set masked weights to zero and keep them there.

    Raises
    ------
    ValueError
        If the mask has another shape than the weights or other values than 0 and 1.
    """
    mask = torch.as_tensor(mask).to(trainer.weights.dtype)
    if mask.shape != trainer.weights.shape:
        shape = tuple(trainer.weights.shape)
        raise ValueError(f"mask has shape {tuple(mask.shape)}: must be {shape}")
    if not torch.all((mask == 0) | (mask == 1)):
        raise ValueError("mask has values besides 0 and 1: must be 0 or 1")
    trainer.weights.mul_(mask)
    trainer.gradient = MaskedGradient(trainer.gradient, mask)
    trainer.state = trainer.optimizer.start(trainer.weights)


@dataclass(frozen=True)
class Path:
    """What a training run left behind.

    Attributes
    ----------
    curves : Curves
        Shapes (n_steps,).
    step : (n_kept,) array of int
        Steps at which weights were kept; the last is where training ended.
    weights : (n_kept, n_weights) float32 tensor
    """

    curves: Curves
    step: np.ndarray
    weights: torch.Tensor

    @property
    def t_mem(self) -> float:
        """Memorisation time (steps), ``inf`` if never."""
        return float(self.curves.memorisation_time())

    @property
    def t_gen(self) -> float:
        """Generalisation time (steps), ``inf`` if never."""
        return float(self.curves.generalisation_time())

    @property
    def tau(self) -> float:
        """GT's tau_grok = t_gen / t_mem; ``inf`` without generalisation."""
        return self.t_gen / self.t_mem if math.isfinite(self.t_gen) else math.inf

    @property
    def best(self) -> float:
        """Highest recorded test accuracy."""
        return float(self.curves.test_accuracy.max())

    @property
    def last(self) -> torch.Tensor:
        """The weights where training ended, (n_weights,)."""
        return self.weights[-1]

    def at(self, step: int) -> torch.Tensor:
        """The weights kept at a step; ValueError if none were kept there."""
        found = np.flatnonzero(self.step == step)
        if not found.size:
            raise ValueError(f"step = {step}: must be one of {self.step.tolist()}")
        return self.weights[found[0]]


def schedule(n_steps: int, *, every: int = 10, first: int = 200) -> list[int]:
    """Steps to record: each one up to ``first``, where memorisation happens, then every few."""
    validate.count("n_steps", n_steps)
    validate.count("every", every)
    early = range(min(first, n_steps) + 1)
    return sorted({*early, *range(0, n_steps + 1, every), n_steps})


def follow(
    trainer: Trainer, record: Sequence[int], *, keep: Sequence[int] = (), wait: float = math.inf
) -> Path:
    """Train through ``record``, keeping weights on the way.

    A loop of its own beside :meth:`grokbook.modular.train.Trainer.run`: it records curves only,
    four times as fast, which matters where every early step is recorded.

    Parameters
    ----------
    record : sequence of int
        Steps at which to record, increasing, from where the trainer stands.
    keep : sequence of int
        Steps at which to keep the weights; they are always kept at the end.
    wait : float
        Training ends this many steps after the generalisation time, if not before.

    Raises
    ------
    ValueError
        If the steps do not increase or lie behind.
    """
    wanted = validate.steps("record", list(record))
    if wanted[0] < trainer.step:
        raise ValueError(f"record starts at {wanted[0]:g}: must not lie before {trainer.step}")
    wanted, keep, last = set(wanted.astype(int)), set(keep), int(wanted[-1])
    rows, kept, spans = [], [], list(trainer.spans.values())
    held = math.inf
    for step in range(trainer.step, last + 1):
        logits = trainer.gradient.forward()
        terms = trainer.loss.terms(logits, trainer.train.labels)
        if step in wanted or step == last:
            rows.append((step, *accuracy_and_loss(trainer, logits, terms.value)))
            if math.isinf(held) and _holds(rows):
                held = rows[-HOLD - 1][0]
                last = int(min(last, max(step, held + wait)))
        if step in keep or step == last:
            kept.append((step, trainer.weights.clone()))
        if step == last:
            break
        gradient = terms.gradient.mul_(trainer.scale).to(trainer.weights.dtype)
        gradient = trainer.gradient.backward(gradient)
        trainer.optimizer.step(trainer.state, trainer.weights, gradient, spans)
    steps, weights = zip(*kept, strict=True)
    return Path(Curves(*np.array(rows).T), np.array(steps), torch.stack(weights).float())


@torch.no_grad()
def accuracy_and_loss(trainer: Trainer, logits, value) -> tuple[float, float, float, float]:
    """Train and test loss, train and test accuracy, given the training logits and loss values."""
    test = trainer.network(trainer.test.inputs)
    labels = trainer.train.labels, trainer.test.labels
    loss = value.mean(), trainer.loss.terms(test, labels[1]).value.mean()
    right = [
        (one.argmax(dim=1) == true).float().mean()
        for one, true in zip((logits, test), labels, strict=True)
    ]
    return tuple(float(one) for one in (*loss, *right))


def _holds(rows: list[tuple]) -> bool:
    """Whether the last records confirm generalisation."""
    last = rows[-HOLD - 1 :]
    return len(last) > HOLD and all(row[-1] >= LEVEL for row in last)
