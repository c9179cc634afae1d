"""AdamW on spheres: every parameter tensor keeps the norm it started with.

⊥Grad takes the radial part out of the *gradient* (NS Eq. 12); Adam's moments and a finite step put
some of it back, and the norm grows.  Here it is taken out of the *step*, and the tensor is put back
on its sphere.  What then remains is training at a norm that one chooses.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from grokbook.curves import Curves
from grokbook.modular import arms
from grokbook.modular.optimizer import AdamW, norm_of, orthogonal_part


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
        self,
        state: dict,
        weights: torch.Tensor,
        gradient: torch.Tensor,
        spans: list[slice],
        factor: float = 1.0,
    ) -> None:
        """Update ``weights`` in place; ``spans`` are the parameter tensors within them."""
        before = weights.clone()
        super().step(state, weights, gradient, spans, factor)
        for span in spans:
            old = before[span]
            moved = old + orthogonal_part(weights[span] - old, old)
            norm = norm_of(moved)
            floor = torch.finfo(norm.dtype).tiny
            weights[span] = moved * (norm_of(old) / norm.clamp_min(floor))


def run(
    seed: int,
    *,
    n_steps: int = 400,
    every: int = 10,
    learning_rate: float = 0.01,
    **setting,
) -> tuple[Curves, float]:
    """Curves of one run on spheres, and the norm of all weights that it keeps.

    ``setting`` as in :func:`grokbook.modular.arms.prepare`, without the optimiser.
    """
    trainer = arms.prepare(seed, **setting)
    trainer.optimizer = SphericalAdamW(learning_rate)
    trainer.state = trainer.optimizer.start(trainer.weights)
    curves = trainer.run(range(0, n_steps + 1, every)).curves
    return curves, float(norm_of(trainer.weights))


def sweep(
    scales: Sequence[float],
    seeds: Sequence[int],
    *,
    p: int = 59,
    width: int = 128,
    train_fraction: float = 0.5,
    **options,
) -> dict[str, np.ndarray]:
    """:func:`run` for each factor on the initial weights and each seed, addition modulo p.

    Returns
    -------
    dict
        ``step`` (n_steps,); ``scale`` (n_scales,); ``norm`` (n_scales, n_seeds); ``train_accuracy``
        and ``test_accuracy`` (n_scales, n_seeds, n_steps), float32.
    """
    found = [
        [
            run(
                seed,
                task={"kind": "pairs", "p": p},
                network={"kind": "mlp", "width": width, "init_scale": scale},
                train_fraction=train_fraction,
                **options,
            )
            for seed in seeds
        ]
        for scale in scales
    ]
    accuracies = {
        name: np.array([[getattr(curves, name) for curves, _ in row] for row in found], np.float32)
        for name in ("train_accuracy", "test_accuracy")
    }
    norm = np.array([[norm for _, norm in row] for row in found])
    return {"step": found[0][0][0].step, "scale": np.array(scales), "norm": norm} | accuracies
