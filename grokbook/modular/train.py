"""Full-batch training, close to the machine's limit, with the records that the papers look at."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from grokbook import validate
from grokbook.curves import HOLD, Curves
from grokbook.modular.bring import AnyLoss, TorchOptimizer
from grokbook.modular.data import Dataset
from grokbook.modular.gradient import flatten, gradient_of
from grokbook.modular.loss import CrossEntropy
from grokbook.modular.optimizer import SGD, AdamW, norm_of

# A gradient of the logits, (n_train, n_classes), that may be edited in place before it is used.
Edit = Callable[[int, torch.Tensor, torch.Tensor], None]
CURVES = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
RECORDS = (
    "weight_norm",
    "max_logit",
    "collapsed",
    "zero_gradient",
    "absorbed",
    "zero_weight_gradient",
)


@dataclass(frozen=True)
class Run:
    """Curves of one run, or of several at the same steps, and what else happened meanwhile.

    Attributes
    ----------
    curves : Curves
        Losses in nats, of the chosen loss; accuracies as fractions.
    weight_norm : (..., n_steps) array
        Norm of all weights.
    max_logit : (..., n_steps) array
        Largest absolute logit on the training set.
    collapsed : (..., n_steps) array
        Share of training samples whose softmax sum equals its largest term (NS Section 2.1);
        0 for a loss without a sum.
    zero_gradient : (..., n_steps) array
        Share of training samples with an exactly zero gradient at the right class.
    absorbed : (..., n_steps) array
        Share of weights that the step just done left as they were; 0 at the start (NS App. C).
    zero_weight_gradient : (..., n_steps) array
        Share of weights whose gradient is exactly zero.
    alignment : (..., n_tensors, n_steps) array
        Cosine between each parameter tensor and its negative gradient (NS Fig. 5).
    tensors : tuple of str
        Names of the parameter tensors.
    ended : str
        Why a run ended before its last step; empty if it did not.
    """

    curves: Curves
    weight_norm: np.ndarray
    max_logit: np.ndarray
    collapsed: np.ndarray
    zero_gradient: np.ndarray
    absorbed: np.ndarray
    zero_weight_gradient: np.ndarray
    alignment: np.ndarray
    tensors: tuple[str, ...]
    ended: str = ""

    @property
    def step(self) -> np.ndarray:
        """Recorded steps, (n_steps,)."""
        return self.curves.step


class Trainer:
    """Trains a network on the whole training set at every step.

    The network's parameters become views of one vector (:func:`~grokbook.modular.gradient.flatten`)
    and stay usable.

    Parameters
    ----------
    network : nn.Module
        From inputs to logits.  An :class:`MLP` on pairs without biases uses closed forms; any other
        module, autograd.
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

    Raises
    ------
    ValueError
        If an argument is out of range, or the two sets hold different tasks.
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
    ):
        shapes = [(one.n_symbols, one.n_classes, one.inputs.shape[1]) for one in (train, test)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"train, test = {shapes}: must hold the same task")
        validate.number("gradient_scale", gradient_scale, above=0)
        self.network, self.train, self.test = network, train, test
        self.loss = CrossEntropy() if loss is None else loss
        if not hasattr(self.loss, "terms"):
            self.loss = AnyLoss(self.loss)
        self.optimizer = optimizer or AdamW()
        if isinstance(optimizer, torch.optim.Optimizer):
            self.optimizer = TorchOptimizer(optimizer, network)
        self.schedule = schedule
        self.scale, self.edit = gradient_scale / len(train), edit
        self.weights, self.spans = flatten(network)
        self.gradient = gradient_of(network, train)
        self.state = self.optimizer.start(self.weights)

    @property
    def step(self) -> int:
        """Steps done so far."""
        return self.state["step"]

    def run(self, record: Sequence[int], *, stop_at: float | None = None) -> Run:
        """Train up to the last recorded step, from where the trainer stands.

        Parameters
        ----------
        record : sequence of int
            Steps at which to record, increasing, none before the current one.
        stop_at : float, optional
            Test accuracy in (0, 1]: end once it has held for 4 records.

        Returns
        -------
        Run
            With shapes (n_steps,).  If the loss stops being finite the run ends there, with a
            warning that names the step; the records up to it are kept.

        Raises
        ------
        ValueError
            If the steps do not increase or lie behind, or a level is out of range.
        """
        record = self._checked(record, stop_at)
        wanted, rows, ended, before = set(record), [], "", None
        for step in range(self.step, record[-1] + 1):
            logits = self.gradient.forward()
            terms = self.loss.terms(logits, self.train.labels)
            value = float(terms.value.double().mean())
            if not np.isfinite(value):
                ended = f"the loss is {value} at step {step}"
                warnings.warn(ended, RuntimeWarning, stacklevel=2)
                break
            facts = self._facts(value, terms, logits) if step in wanted else None
            weight_gradient = self._weight_gradient(step, terms.gradient)
            if facts is not None:
                rows.append({"step": step} | facts | self._geometry(weight_gradient, before))
                if stop_at is not None and self._held(rows, stop_at):
                    ended = f"test accuracy has held {stop_at:g} at step {step}"
            if ended or step == record[-1]:
                break
            before = self.weights.clone() if step + 1 in wanted else None
            self.move(weight_gradient)
        return _collect(rows, tuple(self.spans), ended)

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

        Raises
        ------
        ValueError
            If the weights differ in number.
        """
        if checkpoint["weights"].shape != self.weights.shape:
            shape = tuple(checkpoint["weights"].shape)
            raise ValueError(f"checkpoint has {shape} weights: must be {tuple(self.weights.shape)}")
        self.weights.copy_(checkpoint["weights"])
        self.state = copy.deepcopy(checkpoint["state"])
        if checkpoint["optimizer"]:
            self.optimizer.load_state_dict(copy.deepcopy(checkpoint["optimizer"]))
        torch.set_rng_state(checkpoint["rng"])

    def _checked(self, record, stop_at):
        steps = validate.steps("record", list(record))
        if steps[0] < self.step or np.any(steps != steps.astype(int)):
            raise ValueError(f"record starts at {steps[0]:g}: must be whole, from {self.step} on")
        if stop_at is not None:
            validate.number("stop_at", stop_at, above=0, at_most=1)
        return [int(step) for step in steps]

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

    @staticmethod
    def _held(rows, level):
        last = rows[-HOLD - 1 :]
        return len(last) > HOLD and all(row["test_accuracy"] >= level for row in last)


def train(
    network: nn.Module,
    data: tuple[Dataset, Dataset],
    record: Sequence[int],
    *,
    stop_at: float | None = None,
    **options,
) -> Run:
    """Train a network on ``data`` = (train, test): :class:`Trainer` and its ``run`` in one call.

    ``options`` are the trainer's: ``loss``, ``optimizer``, ``schedule``, ``gradient_scale``,
    ``edit``.
    """
    trainer = Trainer(network, *data, **options)
    return trainer.run(record, stop_at=stop_at)


@torch.no_grad()
def evaluate(network: nn.Module, data: Dataset, loss: nn.Module) -> tuple[float, float]:
    """Mean loss and accuracy on a data set, in float32 at least, without dropout."""
    network.eval()
    logits = network(data.inputs)
    wide = logits if loss.dtype != torch.float64 else logits.double()
    precise = copy.copy(loss)
    precise.dtype = wide.dtype
    accuracy = float((logits.argmax(dim=1) == data.labels).double().mean())
    return float(precise(wide, data.labels)), accuracy


def stack(runs: Sequence[Run]) -> Run:
    """Several runs as one, at the steps of the longest; those that ended keep their last values.

    Shapes become (n_runs, n_steps).

    Raises
    ------
    ValueError
        If there is no run, or two runs have different steps or tensors.
    """
    if not runs:
        raise ValueError("runs = []: must hold at least one run")
    step = max((run.step for run in runs), key=len)
    for run in runs:
        if not np.array_equal(run.step, step[: run.step.size]) or run.tensors != runs[0].tensors:
            raise ValueError("runs: must have the same steps, up to where they end, and tensors")

    def joined(values):
        return np.stack(
            [
                np.pad(one, [(0, 0)] * (one.ndim - 1) + [(0, step.size - one.shape[-1])], "edge")
                for one in values
            ]
        )

    curves = {name: joined([getattr(run.curves, name) for run in runs]) for name in CURVES}
    rest = {name: joined([getattr(run, name) for run in runs]) for name in (*RECORDS, "alignment")}
    ended = "; ".join(run.ended for run in runs if run.ended)
    return Run(Curves(step, **curves), tensors=runs[0].tensors, ended=ended, **rest)


def _collect(rows: list[dict], tensors: tuple[str, ...], ended: str) -> Run:
    if not rows:
        raise FloatingPointError(f"no record: {ended}")
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    curves = Curves(columns["step"], **{name: columns[name] for name in CURVES})
    rest = {name: columns[name] for name in RECORDS}
    return Run(curves, alignment=columns["alignment"].T, tensors=tensors, ended=ended, **rest)
