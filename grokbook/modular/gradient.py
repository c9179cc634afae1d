"""The gradient of a network's weights, from that of its logits, in one flat vector.

:func:`flatten` moves a module's parameters into one vector, of which they become views: the module
stays usable, optimisers see one tensor.  :class:`MLPGradient` is the closed form without autograd
and without allocation; :class:`AutogradGradient` serves any module.
"""

from __future__ import annotations

import torch
from torch import nn

from grokbook.modular.data import Dataset
from grokbook.modular.network import MLP


def flatten(network: nn.Module) -> tuple[torch.Tensor, dict[str, slice]]:
    """Make the parameters views of one vector.

    Returns
    -------
    weights : (n_weights,) tensor
    spans : dict from parameter name to slice
        Where each parameter lies, in the order of ``network.named_parameters()``.
    """
    named = dict(network.named_parameters())
    weights = torch.cat([parameter.detach().reshape(-1) for parameter in named.values()])
    spans, start = {}, 0
    for name, parameter in named.items():
        spans[name] = slice(start, start + parameter.numel())
        parameter.data = weights[spans[name]].view(parameter.shape)
        start += parameter.numel()
    return weights, spans


def gradient_of(network: nn.Module, data: Dataset) -> MLPGradient | AutogradGradient:
    """The fastest gradient there is for a network on a training set."""
    closed = isinstance(network, MLP) and network.n_symbols and network.layers[0].bias is None
    return (MLPGradient if closed else AutogradGradient)(network, data)


class AutogradGradient:
    """Logits and weight gradients of any module by autograd."""

    def __init__(self, network: nn.Module, data: Dataset):
        self.network, self.inputs = network, data.inputs
        self.parameters = list(network.parameters())
        self.out = torch.empty(sum(p.numel() for p in self.parameters), dtype=_dtype(network))

    def forward(self) -> torch.Tensor:
        """Logits of the training set, (n_train, n_classes)."""
        self.network.train()
        with torch.enable_grad():
            self.logits = self.network(self.inputs)
        return self.logits.detach()

    def backward(self, logit_gradient: torch.Tensor) -> torch.Tensor:
        """Gradient of all weights, (n_weights,); overwritten by the next call."""
        parts = torch.autograd.grad(self.logits, self.parameters, logit_gradient)
        self.logits = None
        return torch.cat([part.reshape(-1) for part in parts], out=self.out)


class MLPGradient:
    """Logits and weight gradients of an :class:`MLP` on pairs, without biases.

    The first layer adds two table rows forward and adds up samples by symbol backward; the others
    are one matrix product forward and two backward, into buffers made once.  The rows of the
    logits are padded to a multiple of 16 numbers: 59 or 113 columns cost a third more than 64 or
    128.
    """

    def __init__(self, network: MLP, data: Dataset):
        self.network, self.square = network, network.activation == "square"
        n_train, p = len(data), network.n_symbols
        dtype, width = _dtype(network), network.first.shape[1]
        self.columns = [data.inputs[:, 0].contiguous(), data.inputs[:, 1] + p]
        self.before = [torch.empty(n_train, width, dtype=dtype) for _ in network.layers]
        self.after = [torch.empty_like(one) if self.square else one for one in self.before]
        self.spare = torch.empty(n_train, width, dtype=dtype)
        n_classes = network.layers[-1].out_features
        self.head = torch.zeros(-(-n_classes // 16) * 16, width, dtype=dtype)
        self.padded = torch.empty(n_train, len(self.head), dtype=dtype)
        self.logits = self.padded[:, :n_classes]
        sizes = [network.first, *(layer.weight for layer in network.layers)]
        self.out = torch.empty(sum(weight.numel() for weight in sizes), dtype=dtype)
        self.views, start = [], 0
        for weight in sizes:
            self.views.append(self.out[start : start + weight.numel()].view(weight.shape))
            start += weight.numel()

    @torch.no_grad()
    def forward(self) -> torch.Tensor:
        """Logits of the training set, (n_train, n_classes); overwritten by the next call."""
        *hidden, head = self.network.layers
        for column, into in zip(self.columns, (self.before[0], self.spare), strict=True):
            torch.index_select(self.network.first, 0, column, out=into)
        self.before[0].add_(self.spare)
        self._activate(0)
        for k, layer in enumerate(hidden):
            torch.mm(self.after[k], layer.weight.t(), out=self.before[k + 1])
            self._activate(k + 1)
        self.head[: self.logits.shape[1]] = head.weight
        torch.mm(self.after[-1], self.head.t(), out=self.padded)
        return self.logits

    def _activate(self, k):
        if self.square:
            torch.square(self.before[k], out=self.after[k])
        else:
            self.after[k] = self.before[k].clamp_min_(0)

    @torch.no_grad()
    def backward(self, logit_gradient: torch.Tensor) -> torch.Tensor:
        """Gradient of all weights, (n_weights,); overwritten by the next call."""
        flow, free = logit_gradient, self.spare
        for k in range(len(self.after) - 1, -1, -1):
            torch.mm(flow.t(), self.after[k], out=self.views[k + 1])
            down = torch.mm(flow, self.network.layers[k].weight, out=free)
            if self.square:
                down.mul_(self.before[k]).mul_(2)
            else:
                torch.ops.aten.threshold_backward.grad_input(
                    down, self.after[k], 0, grad_input=down
                )
            # The layer's output is no longer needed: its buffer takes the next gradient.
            flow, free = down, self.after[k]
        table = self.views[0].zero_()
        for column in self.columns:
            table.index_add_(0, column, flow)
        return self.out


def _dtype(network: nn.Module) -> torch.dtype:
    return next(network.parameters()).dtype
