"""Which weights a ticket keeps: by magnitude, by chance, or by scores at initialisation.

Masks are flat float32 vectors of 0 and 1 over all weights of a network, in the order of
``network.named_parameters()``; ``spans`` say where each matrix lies.  The pruning rate is GT's k,
the share of weights that is removed.  Of equal scores those of the lowest indices are kept, so that
no sorting routine decides; scores made from gradients are computed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from grokbook import randomness, validate
from grokbook.modular.gradient import flatten
from grokbook.modular.network import FactoredMLP
from grokbook.modular.setting import Setting

# SynFlow's rounds in its own paper; one shot in the code of GT.
SYNFLOW_ROUNDS = 100
GRASP_TEMPERATURE = 200.0


def largest(score: torch.Tensor, n_kept: int) -> torch.Tensor:
    """A mask of the ``n_kept`` largest scores, of equal ones those of lowest index; (n_weights,).

    ValueError if the scores are not a finite vector, or fewer than ``n_kept``.
    """
    values = score.numpy()
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(f"score has shape {values.shape}: must be a finite vector")
    if not 0 <= n_kept <= values.size:
        raise ValueError(f"n_kept = {n_kept}: must be from 0 to {values.size}")
    if n_kept == 0:
        return torch.zeros(values.size)
    # Any partition finds the value at a rank; which of equal entries it finds, a sort decides.
    level = np.partition(values, values.size - n_kept)[values.size - n_kept]
    kept = values >= level
    equal = np.flatnonzero(values == level)
    kept[equal[equal.size - (np.count_nonzero(kept) - n_kept) :]] = False
    return torch.from_numpy(kept).float()


def keep_largest(score: torch.Tensor, rate: float) -> torch.Tensor:
    """A mask that keeps all but the lowest ``rate`` of the scores; (n_weights,).

    ValueError if the rate is outside [0, 1) or the scores are not a finite vector.
    """
    validate.number("rate", rate, at_least=0, below=1)
    return largest(score, score.numel() - round(rate * score.numel()))


def magnitude(
    weights: torch.Tensor, rate: float, spans: Mapping[str, slice] | None = None
) -> torch.Tensor:
    """GT's mask: keep the largest weights of all matrices together, or of each (with ``spans``).

    Raises ValueError for a rate outside [0, 1).
    """
    if spans is None:
        return keep_largest(weights.abs(), rate)
    mask = torch.ones(weights.numel())
    for span in spans.values():
        mask[span] = keep_largest(weights[span].abs(), rate)
    return mask


def random(n_weights: int, rate: float, seed: int) -> torch.Tensor:
    """A mask drawn uniformly among those with the same number of zeros."""
    validate.count("n_weights", n_weights)
    rng = randomness.torch_generator(seed)
    return keep_largest(torch.rand(n_weights, generator=rng), rate)


def shuffled(mask: torch.Tensor, spans: Mapping[str, slice], seed: int) -> torch.Tensor:
    """The mask with its entries permuted inside each matrix: layer densities stay.

    Raises ValueError for a mask that is not as long as the spans.
    """
    _check_shape("mask", mask, (max(span.stop for span in spans.values()),))
    rng = randomness.torch_generator(seed)
    out = mask.clone()
    for span in spans.values():
        part = mask[span]
        out[span] = part[torch.randperm(part.numel(), generator=rng)]
    return out


def snip(setting: Setting, seed: int, rate: float) -> torch.Tensor:
    """SNIP (Lee et al. 2019), one shot: keep the largest size of ``w dL/dw`` at initialisation."""
    parameters, loss = _initial_loss(setting, seed)
    gradient = torch.autograd.grad(loss, parameters)
    return keep_largest(_times_weights(gradient, parameters).abs(), rate)


def grasp(setting: Setting, seed: int, rate: float) -> torch.Tensor:
    """GraSP (Wang et al. 2020), one shot: keep the largest w (H dL/dw).

    Logits are divided by 200 in the loss, as in the authors' code.  Removing a weight of large
    -w (H g) hurts the gradient's norm least, so those go.
    """
    parameters, loss = _initial_loss(setting, seed, temperature=GRASP_TEMPERATURE)
    first = torch.autograd.grad(loss, parameters, create_graph=True)
    square = sum((one * one.detach()).sum() for one in first)
    product = torch.autograd.grad(square, parameters)
    return keep_largest(_times_weights(product, parameters), rate)


def _initial_loss(setting, seed, temperature=1.0) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Initial weights in float64 and the cross-entropy of the training set as their function."""
    network = setting.untrained(seed).double()
    train, _ = setting.data(seed)
    logits = network(train.inputs) / temperature
    return list(network.parameters()), torch.nn.functional.cross_entropy(logits, train.labels)


def _times_weights(parts: Sequence[torch.Tensor], weights: Sequence[torch.Tensor]) -> torch.Tensor:
    pairs = zip(parts, weights, strict=True)
    return torch.cat([(part * weight.detach()).flatten() for part, weight in pairs])


def synaptic_flow(network: FactoredMLP, weights: torch.Tensor) -> torch.Tensor:
    """SynFlow's score dR/dw w with R the sum of all paths through absolute weights; (n_weights,).

    Every layer's scores add up to R (Tanaka et al. 2020, Theorem 1).  Raises ValueError for a
    network that is not a chain of matrices.
    """
    if not isinstance(network, FactoredMLP):
        raise ValueError(f"network = {type(network).__name__}: must be a FactoredMLP")
    shapes = [weight.shape for weight in network.parameters()]
    sizes = [shape.numel() for shape in shapes]
    parts = [
        part.view(shape).abs().double()
        for part, shape in zip(weights.split(sizes), shapes, strict=True)
    ]
    before = [torch.ones(shapes[0][0], dtype=torch.float64)]
    for part in parts[:-1]:
        before.append(before[-1] @ part)
    after, scores = torch.ones(shapes[-1][1], dtype=torch.float64), []
    for flow, part in zip(before[::-1], parts[::-1], strict=True):
        scores.append((torch.outer(flow, after) * part).flatten())
        after = part @ after
    return torch.cat(scores[::-1])


def synflow(setting: Setting, seed: int, rate: float, *, rounds: int = 1) -> torch.Tensor:
    """SynFlow, one shot (``rounds`` = 1, as in the code of GT) or iterative (100 in its paper).

    With rounds the kept share falls in equal factors; no data are used.
    """
    validate.number("rate", rate, at_least=0, below=1)
    validate.count("rounds", rounds)
    network, weights = setting.untrained(seed), setting.initial(seed)
    mask = torch.ones_like(weights)
    for done in range(1, rounds + 1):
        removed = 1 - (1 - rate) ** (done / rounds)
        score = synaptic_flow(network, weights * mask)
        mask = keep_largest(torch.where(mask > 0, score, -1.0), removed)
    return mask


CRITERIA = {
    "random": lambda setting, seed, rate: random(setting.initial(seed).numel(), rate, 1000 + seed),
    "SNIP": snip,
    "GraSP": grasp,
    "SynFlow": synflow,
    "SynFlow, 100 rounds": lambda *given: synflow(*given, rounds=SYNFLOW_ROUNDS),
}


def at_initialisation(criterion: str, setting: Setting, seed: int, rate: float) -> torch.Tensor:
    """The mask of a criterion that sees the initial weights only; ValueError if it is unknown."""
    validate.choice("criterion", criterion, tuple(CRITERIA))
    return CRITERIA[criterion](setting, seed, rate)


def kept_shares(mask: torch.Tensor, spans: Mapping[str, slice]) -> dict[str, float]:
    """Share of weights that each matrix keeps; ValueError for a mask of another length."""
    _check_shape("mask", mask, (max(span.stop for span in spans.values()),))
    return {name: float(mask[span].mean()) for name, span in spans.items()}


def jaccard_distance(first: torch.Tensor, second: torch.Tensor) -> float:
    """One minus kept by both over kept by either of two masks (GT Eq. 3; Jaccard 1901).

    Raises ValueError if the shapes differ or both are empty.
    """
    _check_shape("second", second, first.shape)
    one, two = first > 0, second > 0
    either = int((one | two).sum())
    if either == 0:
        raise ValueError("first, second keep nothing: at least one must keep a weight")
    return 1 - int((one & two).sum()) / either


def norm_ratio(weights: torch.Tensor, mask: torch.Tensor, order: int) -> float:
    """GT's ratio r_p of the p-norms of masked and of all weights, for p = ``order`` in {1, 2}.

    Raises ValueError for another order, or a mask of another shape than the weights.
    """
    _check_shape("mask", mask, weights.shape)
    if order not in (1, 2):
        raise ValueError(f"order = {order!r}: must be 1 or 2")
    parts = [torch.linalg.vector_norm(w.double(), order) for w in (weights * mask, weights)]
    return float(parts[0] / parts[1])


def agreement(
    initial: torch.Tensor, trained: torch.Tensor, where: torch.Tensor
) -> tuple[float, float]:
    """Share of equal signs, and correlation of sizes, between two weight vectors on a mask.

    Raises ValueError if the shapes differ.
    """
    _check_shape("trained", trained, initial.shape)
    _check_shape("where", where, initial.shape)
    one, two = (weights[where > 0].double().numpy() for weights in (initial, trained))
    if one.size == 0:
        return math.nan, math.nan
    sizes = np.corrcoef(np.abs(one), np.abs(two))[0, 1]
    return float(np.mean(np.sign(one) == np.sign(two))), float(sizes)


def matrices_only(mask: torch.Tensor, network: torch.nn.Module) -> torch.Tensor:
    """The mask with every vector (biases) kept; for networks that have some.

    Raises ValueError for a mask of another length than the network has weights.
    """
    weights, spans = flatten(network)
    _check_shape("mask", mask, weights.shape)
    out = mask.clone()
    for name, weight in network.named_parameters():
        if weight.ndim < 2:
            out[spans[name]] = 1.0
    return out


def _check_shape(name: str, vector: torch.Tensor, wanted: Sequence[int]) -> None:
    if tuple(vector.shape) != tuple(wanted):
        raise ValueError(f"{name} has shape {tuple(vector.shape)}: must be {tuple(wanted)}")
