"""Losses: value and gradient of each sample in closed form, and what floating point does to them.

A loss is a frozen value: called on logits (n_samples, n_classes) and labels (n_samples,) it
returns the mean, for autograd and any torch optimiser.  ``terms`` returns the same in closed form,
with the bookkeeping of collapse.  Other shapes, labels that are no classes and empty batches are
refused with ValueError; a logit of -inf is a class that is switched off.

A sample has *collapsed* when the sum in the denominator equals its largest term in floating point:
the small terms are absorbed, the loss is exactly 0, and so is the gradient of the largest logit
(NS Section 2.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

import torch
from torch.nn import functional

from grokbook import validate
from grokbook.precision import DTYPES


@dataclass(frozen=True)
class Terms:
    """Loss of each sample and its gradient.

    Attributes
    ----------
    value : (n_samples,) tensor
        Nats, in the dtype of the loss.
    gradient : (n_samples, n_classes) tensor
        Of each sample's own loss with respect to its logits, in the dtype of the loss.
    collapsed : (n_samples,) bool tensor or None
        Whether the small terms were absorbed; None for a loss without a sum.
    """

    value: torch.Tensor
    gradient: torch.Tensor
    collapsed: torch.Tensor | None


def stablemax(logits: torch.Tensor) -> torch.Tensor:
    """StableMax, s(z_i) / sum_j s(z_j), s(z) = z + 1 for z >= 0, 1 / (1 - z) below (NS Eq. 7).

    ``logits`` may have any leading axes; the last one is the classes.  It equals the softmax of
    ``sign(z) log(1 + |z|)`` (NS Proposition 1).
    """
    above, below = _branches(logits)
    magnitude = torch.where(logits >= 0, 1 + above, 1 / (1 + below))
    return magnitude / magnitude.sum(dim=-1, keepdim=True)


def log_stablemax(logits: torch.Tensor) -> torch.Tensor:
    """Logarithm of :func:`stablemax`, by the softmax form; keeps small probabilities."""
    above, below = _branches(logits)
    squeezed = torch.where(logits >= 0, torch.log1p(above), -torch.log1p(below))
    return functional.log_softmax(squeezed, dim=-1)


def _branches(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """|z| where z >= 0 and where z < 0, and 0 elsewhere, so that autograd meets no 0 * inf.

    Not by ``abs`` and ``sign``: their derivative at 0 is 0, and that of StableMax is 1.
    """
    return logits.clamp_min(0), (-logits).clamp_min(0)


def _check(logits: torch.Tensor, labels: torch.Tensor) -> None:
    """Refuse what the convention of shapes does not cover; see the module's docstring."""
    shapes = f"logits, labels have shapes {tuple(logits.shape)}, {tuple(labels.shape)}"
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or not len(labels):
        raise ValueError(
            f"{shapes}: must be (n_samples, n_classes) and (n_samples,), n_samples > 0"
        )
    if labels.dtype != torch.int64:
        raise ValueError(f"labels has dtype {labels.dtype}: must be torch.int64")
    low, high = (int(one) for one in torch.aminmax(labels))
    if low < 0 or high >= logits.shape[1]:
        raise ValueError(f"labels = {low}..{high}: must be classes in 0..{logits.shape[1] - 1}")


@dataclass(frozen=True)
class _Loss:
    """Mean over samples, by autograd; ``terms`` by hand.  It is computed in ``dtype``."""

    dtype: str = "float32"

    def __post_init__(self):
        validate.choice("dtype", self.dtype, tuple(DTYPES))

    def _cast(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.to(DTYPES[self.dtype])


@dataclass(frozen=True)
class CrossEntropy(_Loss):
    """Softmax cross-entropy, computed in a chosen floating-point format (NS Eq. 3).

    ValueError if an argument is out of range, or complement is combined with label smoothing.

    Parameters
    ----------
    dtype : {"float16", "bfloat16", "float32", "float64"}
        Format of the loss; the network keeps its own.
    complement : bool
        Take the gradient of the right class as minus the sum of the others, and the loss as
        log(1 + r) with r their ratio to it: exact where the usual form collapses.  It changes
        :meth:`terms` only; autograd goes through torch's own log-softmax.
    label_smoothing : float
        In [0, 1): share of the target spread evenly over all classes (NS App. F).
    temperature : float
        > 0: logits are divided by it (NS App. F).
    logit_penalty : float
        >= 0: weight of the mean square of a sample's logits, added to its loss (NS App. C.1).
    """

    _: KW_ONLY
    complement: bool = False
    label_smoothing: float = 0.0
    temperature: float = 1.0
    logit_penalty: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        validate.number("label_smoothing", self.label_smoothing, at_least=0, below=1)
        validate.number("temperature", self.temperature, above=0)
        validate.number("logit_penalty", self.logit_penalty, at_least=0)
        if self.complement and self.label_smoothing:
            raise ValueError("complement = True: must be False with label_smoothing > 0")

    def __call__(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean loss in nats; a scalar tensor of the loss's dtype."""
        _check(logits, labels)
        z = self._cast(logits)
        log_p = functional.log_softmax(z / self.temperature, dim=-1)
        value = functional.nll_loss(log_p, labels)
        # What is switched off is left out: 0 * inf is not 0.
        if self.label_smoothing:
            value = (1 - self.label_smoothing) * value - self.label_smoothing * log_p.mean()
        if self.logit_penalty:
            value = value + self.logit_penalty * z.square().mean()
        return value

    def terms(self, logits: torch.Tensor, labels: torch.Tensor) -> Terms:
        """Loss, gradient and collapse of each sample; see :class:`Terms`."""
        _check(logits, labels)
        z, column = self._cast(logits), labels[:, None]
        scaled = z if self.temperature == 1 else z / self.temperature
        shifted = scaled - scaled.amax(dim=1, keepdim=True)
        right, smooth = shifted.gather(1, column), self.label_smoothing
        even = shifted.mean(dim=1, keepdim=True) if smooth else 0.0
        weight = shifted.exp_()
        total = weight.sum(dim=1, keepdim=True)
        collapsed = total[:, 0] == 1
        if self.complement:
            value, gradient = _complement(weight, right, column)
        else:
            value = total.log() - (1 - smooth) * right - smooth * even
            gradient = weight.div_(total)
            if smooth:
                gradient -= smooth / z.shape[1]
            gradient.scatter_add_(1, column, gradient.new_full(column.shape, smooth - 1))
        if self.temperature != 1:
            gradient /= self.temperature
        if self.logit_penalty:
            value += self.logit_penalty * z.square().mean(dim=1, keepdim=True)
            gradient += 2 * self.logit_penalty / z.shape[1] * z
        return Terms(value[:, 0], gradient, collapsed)


@dataclass(frozen=True)
class StableMaxCrossEntropy(_Loss):
    """Cross-entropy of StableMax (NS Eqs. 7 and 8); the authors compute it in float64.

    Its gradient is ``(q_k - 1[k = y]) / (1 + |z_k|)`` with q the StableMax probabilities.

    Parameters
    ----------
    dtype, complement
        As in :class:`CrossEntropy`.
    """

    dtype: str = "float64"
    _: KW_ONLY
    complement: bool = False

    def __call__(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean loss in nats; a scalar tensor of the loss's dtype."""
        _check(logits, labels)
        return functional.nll_loss(log_stablemax(self._cast(logits)), labels)

    def terms(self, logits: torch.Tensor, labels: torch.Tensor) -> Terms:
        """Loss, gradient and collapse of each sample; see :class:`Terms`."""
        _check(logits, labels)
        z, column = self._cast(logits), labels[:, None]
        grown = z.abs().add_(1)
        weight = torch.where(z >= 0, grown, 1 / grown)
        total = weight.sum(dim=1, keepdim=True)
        collapsed = total[:, 0] == weight.amax(dim=1)
        right = weight.gather(1, column)
        if self.complement:
            value, gradient = _complement(weight, right.log(), column)
        else:
            value = total.log() - right.log()
            gradient = weight.div_(total)
            gradient.scatter_add_(1, column, gradient.new_full(column.shape, -1))
        return Terms(value[:, 0], gradient.div_(grown), collapsed)


@dataclass(frozen=True)
class MeanSquare(_Loss):
    """Mean squared distance of logits / height from the one-hot label, over classes (NS App. C.1).

    The same as a one-hot target of that height, with the loss in units of its square.  The paper
    does not say its height; ten is met by larger weights than one.

    Parameters
    ----------
    dtype : str
        As in :class:`CrossEntropy`.
    height : float
        > 0: value of the right logit at zero loss.
    """

    height: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        validate.number("height", self.height, above=0)

    def __call__(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean loss; a scalar tensor of the loss's dtype."""
        _check(logits, labels)
        target = functional.one_hot(labels, logits.shape[-1]).to(DTYPES[self.dtype])
        return functional.mse_loss(self._cast(logits) / self.height, target)

    def terms(self, logits: torch.Tensor, labels: torch.Tensor) -> Terms:
        """Loss and gradient of each sample; nothing collapses.  See :class:`Terms`."""
        _check(logits, labels)
        error = self._cast(logits) / self.height
        error.scatter_add_(1, labels[:, None], error.new_full((len(labels), 1), -1))
        gradient = error * (2 / error.shape[1])
        return Terms(error.square().mean(dim=1), gradient.div_(self.height), None)


@dataclass(frozen=True)
class AnyLoss:
    """A function of logits (n_samples, n_classes) and labels (n_samples,) that returns their mean.

    Its gradient is autograd's.  Nothing is known of a sum in it, so no sample counts as collapsed.
    """

    function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    dtype: str = "float32"

    def __post_init__(self):
        if not callable(self.function):
            raise ValueError(f"loss = {self.function!r}: must be a function of logits and labels")

    def __call__(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
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


def _complement(weight, log_right, column):
    """Value and gradient from the sum of the wrong classes; ``weight`` is overwritten."""
    right = weight.gather(1, column)
    wrong = weight.scatter_(1, column, 0.0).sum(dim=1, keepdim=True)
    total = wrong + right
    value = torch.where(wrong < right, torch.log1p(wrong / right), total.log() - log_right)
    return value, weight.div_(total).scatter_(1, column, -wrong / total)
