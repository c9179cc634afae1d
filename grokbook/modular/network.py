"""The networks, as ordinary modules: the MLPs of NS and GT, a one-layer transformer (Nanda's form).

Pairs of symbols never become one-hot vectors: a layer on one-hot inputs is a sum of table rows.
Each constructor takes a seed of its own and leaves torch's global generator alone.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import nn
from torch.nn import functional

from grokbook import randomness, validate
from grokbook.modular.data import Dataset

ACTIVATIONS = {"relu": torch.relu, "square": torch.square}


class MLP(nn.Module):
    """Fully connected network, 2p -> width -> ... -> n_classes (NS Section 3).

    The NS network is ``MLP(113, 113)``: two hidden layers of 200, ReLU, no biases.  ValueError
    if an argument is out of range, or not exactly one of n_symbols and d_in is positive.

    Attributes
    ----------
    first : (2 p, width) parameter, or nn.Linear for vectors
        For pairs: rows 0..p-1 serve the first symbol, rows p..2p-1 the second; the transpose of
        the weight that ``nn.Linear`` has on joined one-hot vectors.
    layers : nn.ModuleList of nn.Linear
        The further hidden layers and the output layer.

    Parameters
    ----------
    n_symbols : int
        p; 0 for inputs that are vectors, which then need ``d_in``.
    n_classes, width : int
    depth : int
        Number of hidden layers, at least 1.
    bias : bool
        Whether layers have biases (NS: for parity and Fig. 5b; tables never have one).
    activation : {"relu", "square"}
    init_scale : float
        Factor > 0 on torch's default initial weights, uniform in +-1/sqrt(fan_in).
    seed : int
    """

    def __init__(
        self,
        n_symbols: int,
        n_classes: int,
        *,
        width: int = 200,
        depth: int = 2,
        d_in: int = 0,
        bias: bool = False,
        activation: str = "relu",
        init_scale: float = 1.0,
        seed: int = 0,
    ):
        super().__init__()
        for name, value in {"n_classes": n_classes, "width": width, "depth": depth}.items():
            validate.count(name, value)
        for name, value in {"n_symbols": n_symbols, "d_in": d_in}.items():
            validate.count(name, value, at_least=0)
        if (n_symbols > 0) == (d_in > 0):
            raise ValueError(f"n_symbols, d_in = {n_symbols}, {d_in}: must be one 0, one positive")
        validate.choice("activation", activation, tuple(ACTIVATIONS))
        validate.number("init_scale", init_scale, above=0)
        self.n_symbols, self.activation = n_symbols, activation
        widths = [width] * depth + [n_classes]
        with torch.random.fork_rng(devices=[]):
            if n_symbols:
                self.first = nn.Parameter(torch.empty(2 * n_symbols, width))
            else:
                self.first = nn.Linear(d_in, width, bias=bias)
            self.layers = nn.ModuleList(
                nn.Linear(inner, outer, bias=bias) for inner, outer in itertools.pairwise(widths)
            )
        fan_in = [2 * n_symbols or d_in, *widths[:-1]]
        _draw_uniform(self, fan_in, init_scale, seed)

    @classmethod
    def on(cls, samples: Dataset, **sizes) -> MLP:
        """A network for the samples of a task; ``sizes`` as above."""
        d_in = 0 if samples.n_symbols else samples.inputs.shape[1]
        return cls(samples.n_symbols, samples.n_classes, d_in=d_in, **sizes)

    def preactivation(self, inputs: torch.Tensor) -> torch.Tensor:
        """Input of the first activation; shape (n_samples, width)."""
        if not self.n_symbols:
            return self.first(inputs)
        offset = torch.tensor([0, self.n_symbols])
        return functional.embedding_bag(inputs + offset, self.first, mode="sum")

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits; shape (n_samples, n_classes)."""
        hidden = self.preactivation(inputs)
        for layer in self.layers:
            hidden = layer(ACTIVATIONS[self.activation](hidden))
        return hidden


def _draw_uniform(network: MLP, fan_in: list[int], init_scale: float, seed: int) -> None:
    """torch's default for nn.Linear: weights and biases uniform in +-1/sqrt(fan_in)."""
    rng = randomness.torch_generator(seed)
    blocks = [network.first, *network.layers]
    with torch.no_grad():
        for block, fan in zip(blocks, fan_in, strict=True):
            for weight in [block] if isinstance(block, nn.Parameter) else block.parameters():
                bound = init_scale / math.sqrt(fan)
                weight.uniform_(-bound, bound, generator=rng)


def _check_sizes(**sizes: int) -> None:
    for name, value in sizes.items():
        validate.count(name, value)
    if sizes["d_model"] % sizes["n_heads"]:
        raise ValueError(
            f"d_model = {sizes['d_model']}: must be a multiple of n_heads = {sizes['n_heads']}"
        )


class Transformer(nn.Module):
    """One-layer transformer in Nanda's form: tokens a, b, "=", causal, no layer norm.

    The answer is read at "=", and its residual stream is the only one anybody reads.  So the query
    is one constant vector per head, keys and values are tables over symbols, and the MLP runs on
    one position instead of three; see tests for the equality with the plain form.

    Attributes
    ----------
    W_E : (p + 1, d_model); W_pos : (3, d_model); W_U : (d_model, p)
    W_Q, W_K, W_V : (n_heads, d_model, d_head); W_O : (n_heads * d_head, d_model)
    W_in, b_in, W_out, b_out : (d_model, d_mlp), (d_mlp,), (d_mlp, d_model), (d_model,)

    Parameters
    ----------
    n_symbols : int
        p; also the number of classes.
    d_model, n_heads, d_mlp : int
        128, 4 and 512 in Nanda et al. (2023); d_model must be a multiple of n_heads.
    seed : int
    """

    def __init__(
        self,
        n_symbols: int,
        *,
        d_model: int = 128,
        n_heads: int = 4,
        d_mlp: int = 512,
        seed: int = 0,
    ):
        super().__init__()
        _check_sizes(n_symbols=n_symbols, d_model=d_model, n_heads=n_heads, d_mlp=d_mlp)
        d_head = d_model // n_heads
        rng = randomness.torch_generator(seed)

        def normal(*shape, width):
            return nn.Parameter(torch.randn(*shape, generator=rng) / math.sqrt(width))

        self.n_symbols = n_symbols
        self.W_E = normal(n_symbols + 1, d_model, width=d_model)
        self.W_pos = normal(3, d_model, width=d_model)
        self.W_Q = normal(n_heads, d_model, d_head, width=d_model)
        self.W_K = normal(n_heads, d_model, d_head, width=d_model)
        self.W_V = normal(n_heads, d_model, d_head, width=d_model)
        self.W_O = normal(n_heads * d_head, d_model, width=d_model)
        self.W_in = normal(d_model, d_mlp, width=d_model)
        self.b_in = nn.Parameter(torch.zeros(d_mlp))
        self.W_out = normal(d_mlp, d_model, width=d_mlp)
        self.b_out = nn.Parameter(torch.zeros(d_model))
        self.W_U = normal(d_model, n_symbols, width=n_symbols)

    @classmethod
    def on(cls, samples: Dataset, **sizes) -> Transformer:
        """A network for the pairs of a task; ``sizes`` as above."""
        return cls(samples.n_symbols, **sizes)

    def residual(self, inputs: torch.Tensor) -> torch.Tensor:
        """Residual stream at "=" after attention; shape (n_samples, d_model)."""
        first, second, last = self.W_E[:-1] + self.W_pos[0], self.W_E[:-1] + self.W_pos[1], 2
        end = self.W_E[-1] + self.W_pos[last]
        places = (first, second, end[None])
        query = end @ self.W_Q  # (heads, 1, d_head): the same for every sample
        keys = [torch.einsum("pd,hdk,hk->ph", one, self.W_K, query) for one in places]
        values = [torch.einsum("pd,hdk->phk", one, self.W_V) for one in places]
        rows = (inputs[:, 0], inputs[:, 1], torch.zeros_like(inputs[:, 0]))
        d_head = self.W_Q.shape[-1]
        scores = [functional.embedding(row, key) for row, key in zip(rows, keys, strict=True)]
        weight = torch.softmax(torch.stack(scores) / math.sqrt(d_head), dim=0)  # (3, n, heads)
        mixed = sum(
            weight[k, :, :, None]
            * functional.embedding(rows[k], values[k].flatten(1)).unflatten(1, values[k].shape[1:])
            for k in range(3)
        )
        return end + mixed.flatten(1) @ self.W_O

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits at "="; shape (n_samples, p)."""
        stream = self.residual(inputs)
        hidden = torch.relu(torch.addmm(self.b_in, stream, self.W_in))
        return (stream + torch.addmm(self.b_out, hidden, self.W_out)) @ self.W_U


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
        rng = randomness.torch_generator(seed)

        def normal(rows, columns):
            draw = torch.randn(rows, columns, generator=rng)
            return nn.Parameter(draw * (init_scale / math.sqrt(rows)))

        self.W_emb, self.W_in = normal(n_symbols, d_emb), normal(d_emb, width)
        self.W_out, self.W_unemb = normal(width, d_emb), normal(d_emb, n_symbols)

    @classmethod
    def on(cls, samples: Dataset, **sizes) -> FactoredMLP:
        """A network for the pairs of a task; ``sizes`` as above."""
        return cls(samples.n_symbols, **sizes)

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
