"""Grokking tickets: GT's settings, and training under a mask.

A ticket is a mask on the initial weights.  It is made in :mod:`grokbook.tickets.masks`; here it is
put on a network, which starts from the original initial weights with a fresh optimiser.  All masks
and weights are flat vectors in the order of ``network.named_parameters()``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import nn

from grokbook import validate
from grokbook.modular.data import Dataset, modular_pairs, split
from grokbook.modular.factored import FactoredGradient, FactoredMLP
from grokbook.modular.gradient import flatten
from grokbook.modular.loss import CrossEntropy
from grokbook.modular.network import Transformer
from grokbook.modular.optimizer import AdamW
from grokbook.modular.train import Trainer

PRECISIONS = {"float64": ("float64", False), "float32": ("float32", False)} | {
    "complement": ("float32", True)
}


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
        :class:`FactoredMLP`, or a transformer with one head and 128 hidden units.
    d_model : int
        Width of the transformer; 128 in GT's code.
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
    d_model: int = 128
    operation: str = "addition"
    p: int = 67

    def __post_init__(self):
        validate.number("train_fraction", self.train_fraction, above=0, below=1)
        validate.number("learning_rate", self.learning_rate, above=0)
        validate.number("weight_decay", self.weight_decay, at_least=0)
        validate.choice("precision", self.precision, tuple(PRECISIONS))
        validate.choice("model", self.model, ("mlp", "transformer"))
        validate.count("d_model", self.d_model)
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
        return Transformer(self.p, d_model=self.d_model, n_heads=1, d_mlp=128, seed=seed)

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
