"""What users bring to the trainer: any loss, any torch optimiser, at autograd's speed.

The trainer asks a loss for its ``terms`` and an optimiser for steps on one flat vector.  A plain
function, and a torch optimiser on the network's own parameters, are put into these forms here.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from grokbook.modular.loss import Terms

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class AnyLoss(nn.Module):
    """A function of logits (n_samples, n_classes) and labels (n_samples,) that returns their mean.

    Its gradient is autograd's.  Nothing is known of a sum in it, so no sample counts as collapsed.
    """

    dtype = torch.float32

    def __init__(self, function: Loss):
        super().__init__()
        if not callable(function):
            raise ValueError(f"loss = {function!r}: must be a function of logits and labels")
        self.function = function

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean loss, a scalar; ValueError if the function returns something else."""
        mean = self.function(logits, labels)
        if not isinstance(mean, torch.Tensor) or mean.ndim:
            found = tuple(mean.shape) if isinstance(mean, torch.Tensor) else type(mean).__name__
            raise ValueError(f"loss(logits, labels) is {found}: must be the mean, a scalar tensor")
        return mean

    def terms(self, logits: torch.Tensor, labels: torch.Tensor) -> Terms:
        """The mean as one value, and the gradient of each sample's own loss."""
        with torch.enable_grad():
            leaf = logits.detach().requires_grad_()
            mean = self(leaf, labels)
            (gradient,) = torch.autograd.grad(mean, leaf)
        return Terms(mean.detach()[None], gradient.mul_(len(labels)), None)


class TorchOptimizer:
    """A torch optimiser of the network's parameters, as the trainer steps it.

    The parameters keep their shapes, so optimisers that look at matrices work too.

    Raises
    ------
    ValueError
        If it holds a parameter that is not the network's, or puts another tensor in the place of
        one: the trainer's weights would no longer be the network's.
    """

    def __init__(self, inner: torch.optim.Optimizer, network: nn.Module):
        self.inner, self.parameters = inner, list(network.parameters())
        own = set(map(id, self.parameters))
        held = [one for group in inner.param_groups for one in group["params"]]
        if not held or not all(id(one) in own for one in held):
            raise ValueError("optimizer: its parameters must be the network's")
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
