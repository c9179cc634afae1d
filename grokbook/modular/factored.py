"""The network of GT, whose matrices come in linear pairs, and its gradient in closed form."""

from __future__ import annotations

import math

import torch
from torch import nn

from grokbook import randomness, validate
from grokbook.modular.data import Dataset


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
        rng = randomness.torch_generator(seed)

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
