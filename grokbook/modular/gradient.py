"""The gradient of a network's weights, from that of its logits, in one flat vector.

:func:`flatten` moves a module's parameters into one vector, of which they become views: the module
stays usable, optimisers see one tensor, and :class:`TorchOptimizer` shows a torch optimiser the
parameters in their shapes.  :class:`MLPGradient` and :class:`FactoredGradient` are closed forms
without autograd and without allocation; :class:`AutogradGradient` serves any module.
"""

from __future__ import annotations

import inspect

import torch
from torch import nn

from grokbook.modular.data import Dataset
from grokbook.modular.network import MLP, FactoredMLP


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
    if isinstance(network, FactoredMLP):
        return FactoredGradient(network, data)
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


class TorchOptimizer:
    """A torch optimiser of the network's parameters, as the trainer steps it.

    The parameters keep their shapes, so optimisers that look at matrices work too.  ValueError
    if its step has an argument without a default, as a closure, if it holds a parameter that is not
    the network's, or puts another tensor in the place of one: the trainer's weights would no longer
    be the network's.
    """

    def __init__(self, inner: torch.optim.Optimizer, network: nn.Module):
        self.inner, self.parameters = inner, list(network.parameters())
        own = set(map(id, self.parameters))
        held = [one for group in inner.param_groups for one in group["params"]]
        if not held or not all(id(one) in own for one in held):
            raise ValueError("optimizer: its parameters must be the network's")
        takes = inspect.signature(inner.step).parameters.values()
        if any(one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD for one in takes):
            raise ValueError(f"optimizer = {type(inner).__name__}: must step without an argument")
        self.rates = [group["lr"] for group in inner.param_groups]

    def start(self, weights: torch.Tensor) -> dict:
        """State before the first step; the optimiser keeps its own."""
        self.places = [parameter.data_ptr() for parameter in self.parameters]
        return {"step": 0}

    def step(
        self,
        state: dict,
        weights: torch.Tensor,
        gradient: torch.Tensor,
        spans: list[slice],
        factor: float = 1.0,
    ) -> None:
        """Update the parameters, which are views of ``weights``."""
        state["step"] += 1
        for parameter, span in zip(self.parameters, spans, strict=True):
            parameter.grad = gradient[span].view_as(parameter)
        if factor != 1:
            for group, rate in zip(self.inner.param_groups, self.rates, strict=True):
                group["lr"] = rate * factor
        self.inner.step()
        if [parameter.data_ptr() for parameter in self.parameters] != self.places:
            raise ValueError(f"optimizer = {self.inner!r}: must change its parameters in place")

    def state_dict(self) -> dict:
        """State of the torch optimiser."""
        return self.inner.state_dict()

    def load_state_dict(self, state: dict) -> None:
        """Restore the torch optimiser."""
        self.inner.load_state_dict(state)


def _dtype(network: nn.Module) -> torch.dtype:
    return next(network.parameters()).dtype
