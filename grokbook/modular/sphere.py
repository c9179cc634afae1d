"""AdamW on spheres: every parameter tensor keeps the norm it started with.

⊥Grad takes the radial part out of the *gradient* (NS Eq. 12); Adam's moments and a finite step put
some of it back, and the norm grows.  Here it is taken out of the *step*, and the tensor is put back
on its sphere.  What then remains is training at a norm that one chooses.
"""

from __future__ import annotations

import torch

from grokbook.modular.optimizer import AdamW, orthogonal_part


class SphericalAdamW(AdamW):
    """AdamW without decay whose step keeps the norm of each parameter tensor.

    Its moments are those of the raw gradient.  A tensor of zero weights stays zero.

    Parameters
    ----------
    learning_rate, beta1, beta2, epsilon
        As in :class:`~grokbook.modular.optimizer.AdamW`.

    Raises
    ------
    ValueError
        If one of them is out of range.
    """

    def __init__(
        self,
        learning_rate: float = 0.01,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ):
        super().__init__(learning_rate, beta1=beta1, beta2=beta2, epsilon=epsilon)

    def step(
        self, state: dict, weights: torch.Tensor, gradient: torch.Tensor, spans: list[slice]
    ) -> None:
        """Update ``weights`` in place; ``spans`` are the parameter tensors within them."""
        before = weights.clone()
        super().step(state, weights, gradient, spans)
        for span in spans:
            old = before[span]
            moved = old + orthogonal_part(weights[span] - old, old)
            norm = torch.linalg.vector_norm(moved)
            floor = torch.finfo(weights.dtype).tiny
            weights[span] = moved * (torch.linalg.vector_norm(old) / norm.clamp_min(floor))
