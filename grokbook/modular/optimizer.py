"""Optimisers: ⊥Grad around any torch optimiser, and flat AdamW and SGD for the fast trainer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

import torch

from grokbook import validate


def orthogonal_part(
    gradient: torch.Tensor, weight: torch.Tensor, *, rescale: bool = False
) -> torch.Tensor:
    """Gradient without its component along the weights, g - (w.g / w.w) w (NS Eq. 12).

    ``rescale`` restores the norm of the raw gradient, as the authors' code does and the paper does
    not say; what is left of a gradient along the weights is rounding and is zero then.  A tensor of
    zero weights has no direction to remove and keeps its gradient.  16-bit tensors are projected in
    float32; the result has the gradient's shape and dtype.  ValueError if the shapes differ.
    """
    if gradient.shape != weight.shape:
        shapes = f"{tuple(gradient.shape)}, {tuple(weight.shape)}"
        raise ValueError(f"gradient, weight have shapes {shapes}: must have the same")
    wide = _wide(torch.promote_types(gradient.dtype, weight.dtype))
    along, flat = weight.flatten().to(wide), gradient.flatten().to(wide)
    square = torch.dot(along, along)
    if square == 0:
        return gradient.clone()
    part = flat - (torch.dot(along, flat) / square) * along
    if rescale:
        whole, norm = torch.linalg.vector_norm(flat), torch.linalg.vector_norm(part)
        rounding = torch.finfo(wide).eps * max(8.0, math.sqrt(flat.numel()))
        # A gradient that is infinite or nan, or whose norm is, has to stay seen.
        nothing = torch.isfinite(whole) and norm <= rounding * whole
        part = torch.zeros_like(part) if nothing else part * (whole / norm)
    return part.to(gradient.dtype).view_as(gradient)


def norm_of(tensor: torch.Tensor) -> torch.Tensor:
    """Euclidean norm of all entries, in float32 at least: 16 bits have too little room for it."""
    return torch.linalg.vector_norm(tensor, dtype=_wide(tensor.dtype))


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)


class OrthogonalGradient(torch.optim.Optimizer):
    """⊥Grad: hand each gradient to an optimiser without its part along the weights (NS Sec. 5.3).

    The projection is per parameter tensor.  Groups, state and defaults are those of the wrapped
    optimiser: schedulers, new groups, copies, pickles and state dicts work as they do with it.
    ValueError if ``inner`` is not an optimiser.

    Parameters
    ----------
    inner : torch.optim.Optimizer
        Any optimiser.
    rescale : bool
        Restore the norm of the raw gradient after the projection: on in the authors' code, absent
        from Eq. 12.
    """

    def __init__(self, inner: torch.optim.Optimizer, *, rescale: bool = True):
        if not isinstance(inner, torch.optim.Optimizer):
            raise ValueError(f"inner = {inner!r}: must be a torch optimiser")
        super().__init__(inner.param_groups, inner.defaults)
        self.inner, self.rescale = inner, rescale
        self._share()

    def _share(self):
        self.defaults, self.state = self.inner.defaults, self.inner.state
        self.param_groups = self.inner.param_groups

    def __getstate__(self) -> dict:
        return {"inner": self.inner, "rescale": self.rescale}

    def __setstate__(self, state: dict) -> None:
        self.inner, self.rescale = state["inner"], state["rescale"]
        self._share()
        super().__setstate__({})

    def add_param_group(self, param_group: dict) -> None:
        """Add a group with the wrapped optimiser's defaults."""
        if hasattr(self, "inner"):
            self.inner.add_param_group(param_group)
        else:  # torch's constructor takes over the groups that there are
            super().add_param_group(param_group)

    def project(self) -> None:
        """Replace each gradient by its orthogonal part, in place."""
        with torch.no_grad():
            for group in self.param_groups:
                for weight in group["params"]:
                    if weight.grad is not None:
                        part = orthogonal_part(weight.grad, weight, rescale=self.rescale)
                        weight.grad.copy_(part)

    def step(self, closure: Callable | None = None):
        """Project, then step; with a closure, project after each of its evaluations."""
        if closure is None:
            self.project()
            return self.inner.step()

        def projected():
            with torch.enable_grad():
                value = closure()
            self.project()
            return value

        return self.inner.step(projected)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients."""
        self.inner.zero_grad(set_to_none)

    def state_dict(self) -> dict:
        """State of the wrapped optimiser."""
        return self.inner.state_dict()

    def load_state_dict(self, state_dict: dict) -> None:
        """Restore the wrapped optimiser."""
        self.inner.load_state_dict(state_dict)
        self._share()


@dataclass(frozen=True)
class _Flat:
    """What the flat optimisers share: the step size and the projection.

    They are frozen values; what changes during training is in the state that they start.
    """

    learning_rate: float = 1e-3
    _: KW_ONLY
    weight_decay: float = 0.0
    relative: bool = False
    orthogonal: str = ""

    def __post_init__(self):
        validate.number("learning_rate", self.learning_rate, above=0)
        validate.number("weight_decay", self.weight_decay, at_least=0)
        validate.choice("orthogonal", self.orthogonal, ("", "rescaled", "plain"))

    def start(self, weights: torch.Tensor) -> dict:
        """State before the first step, for weights of shape (n_weights,)."""
        return {"step": 0, "start_norm": float(norm_of(weights))}

    def step(
        self,
        state: dict,
        weights: torch.Tensor,
        gradient: torch.Tensor,
        spans: list[slice],
        factor: float = 1.0,
    ) -> None:
        """Update ``weights`` in place; ``spans`` are the parameter tensors within them.

        ``factor`` multiplies the learning rate of this step.
        """
        state["step"] += 1
        if self.orthogonal:
            rescale = self.orthogonal == "rescaled"
            for span in spans:
                part = orthogonal_part(gradient[span], weights[span], rescale=rescale)
                gradient[span] = part
        rate = self.learning_rate * factor
        if self.relative:
            rate *= float(norm_of(weights)) / state["start_norm"]
        self._move(state, weights, gradient, rate, spans)


@dataclass(frozen=True)
class AdamW(_Flat):
    """AdamW on one flat vector of weights, with bias correction and decoupled weight decay.

    The step is torch's: w <- (1 - rate decay) w - rate m_hat / (sqrt(v_hat) + epsilon).

    Parameters
    ----------
    learning_rate : float
        > 0.
    weight_decay : float
        >= 0; decoupled, as in ``torch.optim.AdamW``.
    relative : bool
        Multiply the learning rate by the norm of all weights over that at the start.
    orthogonal : {"", "rescaled", "plain"}
        ⊥Grad per tensor: off, as in the authors' code, or as in NS Eq. 12.
    beta1, beta2 : float
        In [0, 1).
    epsilon : float
        >= 0.  NS: 1e-25 or 1e-30; torch's default of 1e-8 stops learning before collapse (App. I).
    """

    beta1: float = 0.9
    beta2: float = 0.99
    epsilon: float = 1e-30

    def __post_init__(self):
        super().__post_init__()
        validate.number("beta1", self.beta1, at_least=0, below=1)
        validate.number("beta2", self.beta2, at_least=0, below=1)
        validate.number("epsilon", self.epsilon, at_least=0)

    def start(self, weights: torch.Tensor) -> dict:
        """State before the first step: moments of shape (n_weights,)."""
        moments = {"first": torch.zeros_like(weights), "second": torch.zeros_like(weights)}
        return super().start(weights) | moments

    def _move(self, state, weights, gradient, rate, spans):
        first, second, step = state["first"], state["second"], state["step"]
        first.lerp_(gradient, 1 - self.beta1)
        second.mul_(self.beta2).addcmul_(gradient, gradient, value=1 - self.beta2)
        if self.weight_decay:
            weights.mul_(1 - rate * self.weight_decay)
        correction = math.sqrt(1 - self.beta2**step)
        scale = torch.sqrt(second).div_(correction).add_(self.epsilon)
        weights.addcdiv_(first, scale, value=-rate / (1 - self.beta1**step))


@dataclass(frozen=True)
class SphericalAdamW(AdamW):
    """AdamW whose step keeps the norm of each parameter tensor: training on spheres.

    ⊥Grad takes the radial part out of the *gradient* (NS Eq. 12); Adam's moments and a finite step
    put some of it back, and the norm grows.  Here it is taken out of the *step*, and the tensor is
    put back on its sphere.  The moments are those of the raw gradient.  A tensor of zero weights
    stays zero; weight decay changes nothing.  The defaults are those of the authors' code.
    """

    learning_rate: float = 0.01
    _: KW_ONLY
    beta2: float = 0.999
    epsilon: float = 1e-8

    def _move(self, state, weights, gradient, rate, spans):
        before = weights.clone()
        super()._move(state, weights, gradient, rate, spans)
        for span in spans:
            old = before[span]
            moved = old + orthogonal_part(weights[span] - old, old)
            norm = norm_of(moved)
            floor = torch.finfo(norm.dtype).tiny
            weights[span] = moved * (norm_of(old) / norm.clamp_min(floor))


@dataclass(frozen=True)
class SGD(_Flat):
    """Gradient descent on one flat vector of weights, with momentum.

    Parameters
    ----------
    learning_rate : float
        > 0.
    weight_decay : float
        >= 0; added to the gradient, as in ``torch.optim.SGD``.
    relative : bool
        Multiply the learning rate by the norm of all weights over that at the start.
    orthogonal : {"", "rescaled", "plain"}
        ⊥Grad per tensor: off, as in the authors' code, or as in NS Eq. 12.
    momentum : float
        In [0, 1).
    normalised : bool
        Divide the step by the norm of the whole gradient (NS App. B.2).
    """

    learning_rate: float = 0.1
    _: KW_ONLY
    momentum: float = 0.0
    normalised: bool = False

    def __post_init__(self):
        super().__post_init__()
        validate.number("momentum", self.momentum, at_least=0, below=1)

    def start(self, weights: torch.Tensor) -> dict:
        """State before the first step: a velocity of shape (n_weights,)."""
        return super().start(weights) | {"velocity": torch.zeros_like(weights)}

    def _move(self, state, weights, gradient, rate, spans):
        if self.normalised:
            norm = norm_of(gradient)
            gradient.div_(norm.clamp_min(torch.finfo(norm.dtype).tiny))
        if self.weight_decay:
            gradient.add_(weights, alpha=self.weight_decay)
        velocity = state["velocity"].mul_(self.momentum).add_(gradient)
        weights.sub_(velocity, alpha=rate)
