"""Full-batch training, close to the machine's limit, with the records that the papers look at."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from grokbook import validate
from grokbook.modular.data import Dataset
from grokbook.modular.gradient import MaskedGradient, TorchOptimizer, flatten, gradient_of
from grokbook.modular.loss import AnyLoss, CrossEntropy
from grokbook.modular.optimizer import SGD, AdamW, norm_of
from grokbook.modular.run import Log, Run

# A gradient of the logits, (n_train, n_classes), that may be edited in place before it is used.
Edit = Callable[[int, torch.Tensor, torch.Tensor], None]


class Trainer:
    """Trains a network on the whole training set at every step.

    The network's parameters become views of one vector (:func:`~grokbook.modular.gradient.flatten`)
    and stay usable.  What is put into them between runs counts.  ValueError if an argument is
    out of range or has another shape, or the two sets hold different tasks.

    Parameters
    ----------
    network : nn.Module
        From inputs to logits.  MLPs of this package on pairs without biases use closed forms; any
        other module, autograd.
    train, test : Dataset
    loss : loss of this package, or callable, optional
        :class:`CrossEntropy` in float32 by default.  Any function of logits and labels that returns
        their mean will do; its gradient is autograd's.
    optimizer : AdamW or SGD of this package, or torch.optim.Optimizer, optional
        ``AdamW()`` by default.  A torch optimiser holds parameters of ``network``.
    schedule : callable, optional
        ``schedule(step)`` multiplies the learning rate of the step that leads from ``step`` on.
    gradient_scale : float
        Factor > 0 on the gradient; with AdamW and a tiny epsilon it changes nothing but keeps
        squares of gradients above the smallest float32.
    edit : callable, optional
        ``edit(step, gradient, labels)`` may change the logits' gradient in place.
    mask : (n_weights,) tensor of 0 and 1, optional
        Masked weights are zero and stay so (GT).
    weights : (n_weights,) tensor, optional
        Where to start; the network's own weights by default.
    """

    def __init__(
        self,
        network: nn.Module,
        train: Dataset,
        test: Dataset,
        *,
        loss: Callable | None = None,
        optimizer: AdamW | SGD | torch.optim.Optimizer | None = None,
        schedule: Callable[[int], float] | None = None,
        gradient_scale: float = 1.0,
        edit: Edit | None = None,
        mask: torch.Tensor | None = None,
        weights: torch.Tensor | None = None,
    ):
        shapes = [(one.n_symbols, one.n_classes, one.inputs.shape[1]) for one in (train, test)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"train, test = {shapes}: must hold the same task")
        validate.number("gradient_scale", gradient_scale, above=0)
        self.network, self.train, self.test = network, train, test
        self.loss = CrossEntropy() if loss is None else loss
        if not hasattr(self.loss, "terms"):
            self.loss = AnyLoss(self.loss)
        self.optimizer = AdamW() if optimizer is None else optimizer
        if isinstance(optimizer, torch.optim.Optimizer):
            self.optimizer = TorchOptimizer(optimizer, network)
        elif isinstance(optimizer, type) or not hasattr(self.optimizer, "start"):
            kinds = "AdamW or SGD of this package or a torch.optim.Optimizer"
            raise ValueError(f"optimizer = {optimizer!r}: must be {kinds}")
        self.schedule = schedule
        self.scale, self.edit = gradient_scale / len(train), edit
        self.weights, self.spans = flatten(network)
        if weights is not None:
            self.weights.copy_(self._like_weights("weights", weights))
        self.mask = None if mask is None else self._like_weights("mask", mask)
        self.gradient = gradient_of(network, train)
        if mask is not None:
            self.gradient = MaskedGradient(self.gradient, self.mask)
            self.weights.mul_(self.mask)
        self.state = self.optimizer.start(self.weights)

    @property
    def step(self) -> int:
        """Steps done so far."""
        return self.state["step"]

    def run(
        self,
        record: Sequence[int],
        *,
        keep: Sequence[int] = (),
        stop_at: float | None = None,
        wait: float = 0,
    ) -> Run:
        """Train up to the last recorded step, from where the trainer stands.

        ValueError if steps are not whole, fall or lie behind, or a level is out of range.

        Parameters
        ----------
        record : sequence of int
            Steps at which to record, increasing, none before the current one.
        keep : sequence of int
            Steps at which to keep the weights; they are always kept at the end.
        stop_at : float, optional
            Test accuracy in (0, 1]: end once it has held for 4 records.
        wait : float
            End no sooner than this many steps after the first of these records.

        Returns
        -------
        Run
            With shapes (n_steps,); its end is recorded.  If the loss stops being finite the run
            ends there, with a warning that names the step; the records up to it are kept.
        """
        log = Log(self.step, record, keep, stop_at, wait)
        self._take_back()
        before = None
        while True:
            step, logits = self.step, self.gradient.forward()
            terms = self.loss.terms(logits, self.train.labels)
            value = float(terms.value.double().mean())
            if not np.isfinite(value):
                log.ended = f"the loss is {value} at step {step}"
                warnings.warn(log.ended, RuntimeWarning, stacklevel=2)
                break
            facts = self._facts(value, terms, logits) if log.wants(step) else None
            weight_gradient = self._weight_gradient(step, terms.gradient)
            if facts is not None:
                log.add({"step": step} | facts | self._geometry(weight_gradient, before))
            if step == log.last:
                break
            log.keep_weights(step, self.weights)
            before = self.weights.clone() if log.wants(step + 1) else None
            self.move(weight_gradient)
        log.keep_weights(self.step, self.weights, end=True)
        return log.run(tuple(self.spans))

    def move(self, gradient: torch.Tensor) -> None:
        """One step of the optimiser with a gradient of all weights, (n_weights,)."""
        factor = 1.0 if self.schedule is None else float(self.schedule(self.step))
        spans = list(self.spans.values())
        self.optimizer.step(self.state, self.weights, gradient, spans, factor)

    def checkpoint(self) -> dict:
        """All that a later :meth:`restore` needs to go on as if unstopped; for ``torch.save``."""
        return {
            "weights": self.weights.clone(),
            "state": copy.deepcopy(self.state),
            "optimizer": copy.deepcopy(getattr(self.optimizer, "state_dict", dict)()),
            "rng": torch.get_rng_state(),
        }

    def restore(self, checkpoint: dict) -> None:
        """Return to a checkpoint of a trainer with the same network and optimiser.

        ValueError if the weights differ in number.
        """
        self.weights.copy_(self._like_weights("checkpoint", checkpoint["weights"]))
        self.state = copy.deepcopy(checkpoint["state"])
        if checkpoint["optimizer"]:
            self.optimizer.load_state_dict(copy.deepcopy(checkpoint["optimizer"]))
        torch.set_rng_state(checkpoint["rng"])

    def _like_weights(self, name: str, vector: torch.Tensor) -> torch.Tensor:
        vector = torch.as_tensor(vector).to(self.weights.dtype)
        if vector.shape != self.weights.shape:
            shapes = tuple(vector.shape), tuple(self.weights.shape)
            raise ValueError(f"{name} has shape {shapes[0]}: must be {shapes[1]}")
        if name == "mask" and not torch.all((vector == 0) | (vector == 1)):
            raise ValueError("mask has values besides 0 and 1: must be 0 or 1")
        return vector

    @torch.no_grad()
    def _take_back(self) -> None:
        """Parameters that were given tensors of their own become views again, values and all."""
        for parameter, span in zip(self.network.parameters(), self.spans.values(), strict=True):
            own = self.weights[span].view_as(parameter)
            if parameter.data_ptr() != own.data_ptr():
                own.copy_(parameter)
                parameter.data = own
        if self.mask is not None:
            self.weights.mul_(self.mask)

    def _weight_gradient(self, step, logit_gradient):
        if self.edit is not None:
            self.edit(step, logit_gradient, self.train.labels)
        # Scaled in the wider format: gradients of a float64 loss reach below the smallest float32,
        # and those of a float16 loss divided by n_train below the smallest float16.
        wide = torch.promote_types(logit_gradient.dtype, self.weights.dtype)
        scaled = logit_gradient.to(wide).mul_(self.scale)
        return self.gradient.backward(scaled.to(self.weights.dtype))

    def _facts(self, value, terms, logits):
        labels = self.train.labels
        right = terms.gradient.gather(1, labels[:, None])
        test_loss, test_accuracy = evaluate(self.network, self.test, self.loss)
        return {
            "train_loss": value,
            "test_loss": test_loss,
            "train_accuracy": float((logits.argmax(dim=1) == labels).double().mean()),
            "test_accuracy": test_accuracy,
            "max_logit": float(logits.abs().max()),
            "collapsed": 0.0 if terms.collapsed is None else float(terms.collapsed.double().mean()),
            "zero_gradient": float((right == 0).double().mean()),
        }

    def _geometry(self, gradient, before):
        wide = torch.promote_types(self.weights.dtype, torch.float32)
        here, slope = self.weights.to(wide), gradient.to(wide)
        cosines = [
            -float(torch.cosine_similarity(here[one], slope[one], dim=0, eps=0))
            for one in self.spans.values()
        ]
        absorbed = 0.0 if before is None else float((before == self.weights).double().mean())
        return {
            "weight_norm": float(norm_of(self.weights)),
            "absorbed": absorbed,
            "zero_weight_gradient": float((gradient == 0).double().mean()),
            "alignment": np.nan_to_num(cosines),
        }


def train(
    network: nn.Module, data: tuple[Dataset, Dataset], record: Sequence[int], *,
    stop_at: float | None = None, **options,
) -> Run:  # fmt: skip
    """Train a network on ``data`` = (train, test): :class:`Trainer` and its ``run`` in one call.

    ``options`` are the trainer's: ``loss``, ``optimizer``, ``schedule``, ``gradient_scale``,
    ``edit``, ``mask``, ``weights``.
    """
    return Trainer(network, *data, **options).run(record, stop_at=stop_at)


@torch.no_grad()
def evaluate(network: nn.Module, data: Dataset, loss: CrossEntropy) -> tuple[float, float]:
    """Mean loss and accuracy on a data set, in float32 at least, without dropout."""
    network.eval()
    logits = network(data.inputs)
    wide = logits.double() if loss.dtype == "float64" else logits
    precise = replace(loss, dtype=str(wide.dtype).removeprefix("torch."))
    accuracy = float((logits.argmax(dim=1) == data.labels).double().mean())
    return float(precise(wide, data.labels)), accuracy
