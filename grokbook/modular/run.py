"""What a training run leaves behind: curves, what else happened meanwhile, weights on the way."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from grokbook import validate
from grokbook.curves import HOLD, Curves

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
    kept : (n_kept,) array of int, or None for several runs
        Steps at which weights were kept; the last is where training ended.
    weights : (n_kept, n_weights) float32 tensor, or None for several runs
        All weights at these steps, in the order of the network's parameters.
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
    kept: np.ndarray | None = None
    weights: torch.Tensor | None = None

    @property
    def step(self) -> np.ndarray:
        """Recorded steps, (n_steps,)."""
        return self.curves.step

    @property
    def t_mem(self) -> float:
        """Memorisation time of one run (steps), ``inf`` if never."""
        return float(self.curves.memorisation_time())

    @property
    def t_gen(self) -> float:
        """Generalisation time of one run (steps), ``inf`` if never."""
        return float(self.curves.generalisation_time())

    @property
    def tau(self) -> float:
        """GT's tau_grok = t_gen / t_mem of one run; ``inf`` without generalisation."""
        return self.t_gen / self.t_mem if math.isfinite(self.t_gen) else math.inf

    @property
    def best(self) -> float:
        """Highest recorded test accuracy."""
        return float(self.curves.test_accuracy.max())

    @property
    def last(self) -> torch.Tensor:
        """The weights where training ended, (n_weights,)."""
        return self.weights[-1]

    def at(self, step: int) -> torch.Tensor:
        """The weights kept at a step; ValueError if none were kept there."""
        if self.kept is None:
            raise ValueError(f"step = {step}: several runs as one have no weights, look in each")
        found = np.flatnonzero(self.kept == step)
        if not found.size:
            raise ValueError(f"step = {step}: must be one of {self.kept.tolist()}")
        return self.weights[found[0]]

    def continued(self, name: str, record: Sequence[int]) -> np.ndarray:
        """A curve at all of ``record``, by its last value after the run has ended; float32."""
        where = np.searchsorted(self.step, record, side="right") - 1
        return getattr(self.curves, name)[where].astype(np.float32)

    def then(self, later: Run) -> Run:
        """This run and the one that went on from its end, as one."""
        new, kept = later.step > self.step[-1], later.kept > self.kept[-1]

        def joined(name, of=lambda run: run):
            one, other = (getattr(of(run), name) for run in (self, later))
            return np.concatenate([one, other[..., new]], axis=-1)

        return Run(
            Curves(*(joined(name, lambda run: run.curves) for name in ("step", *CURVES))),
            **{name: joined(name) for name in (*RECORDS, "alignment")},
            tensors=self.tensors,
            ended=later.ended,
            kept=np.concatenate([self.kept, later.kept[kept]]),
            weights=torch.cat([self.weights, later.weights[torch.from_numpy(kept)]]),
        )


class Log:
    """The records of a run under way, the weights it keeps, and when it ends.

    Arguments as for :meth:`grokbook.modular.train.Trainer.run`; ``start`` is the present step.
    """

    def __init__(self, start: int, record, keep, stop_at, wait):
        steps = validate.whole_steps("record", _listed(record))
        kept = np.array(_listed(keep), float)
        if steps[0] < start:
            raise ValueError(f"record starts at {steps[0]:g}: must start from {start} on")
        if np.any((kept < 0) | (kept % 1 != 0)):
            raise ValueError(f"keep = {kept}: must hold whole numbers >= 0")
        if stop_at is not None:
            validate.number("stop_at", stop_at, above=0, at_most=1)
        self.wait = validate.number("wait", wait, at_least=0)
        self.record, self.keep = set(steps.astype(int)), set(kept.astype(int))
        self.stop_at = stop_at
        self.last, self.rows, self.kept, self.ended = int(steps[-1]), [], {}, ""

    def wants(self, step: int) -> bool:
        """Whether a step is recorded."""
        return step in self.record or step == self.last

    def add(self, row: dict) -> None:
        """One record; from the one on that confirms the level, the end is known."""
        self.rows.append(row)
        held = self.rows[-HOLD - 1 :]
        if self.stop_at is None or self.ended or len(held) <= HOLD:
            return
        if all(one["test_accuracy"] >= self.stop_at for one in held):
            self.last = min(self.last, max(row["step"], int(held[0]["step"] + self.wait)))
            self.ended = f"test accuracy has held {self.stop_at:g} at step {row['step']}"

    def keep_weights(self, step: int, weights: torch.Tensor, *, end: bool = False) -> None:
        """Keep them if they are asked for here, or at the end."""
        if end or step in self.keep:
            self.kept[step] = weights.float().clone()

    def run(self, tensors: tuple[str, ...]) -> Run:
        """What was logged; FloatingPointError if the loss was never finite."""
        if not self.rows:
            raise FloatingPointError(f"no record: {self.ended}")
        columns = {name: np.array([row[name] for row in self.rows]) for name in self.rows[0]}
        return Run(
            Curves(columns["step"], **{name: columns[name] for name in CURVES}),
            **{name: columns[name] for name in RECORDS},
            alignment=columns["alignment"].T,
            tensors=tensors,
            ended=self.ended,
            kept=np.array(list(self.kept)),
            weights=torch.stack(list(self.kept.values())),
        )


def _listed(steps) -> list:
    return [*steps] if isinstance(steps, Iterable) else [steps]


def schedule(n_steps: int, *, every: int = 10, first: int = 200) -> list[int]:
    """Steps to record: each one up to ``first``, where memorisation happens, then every few."""
    validate.count("n_steps", n_steps)
    validate.count("every", every)
    early = range(min(first, n_steps) + 1)
    return sorted({*early, *range(0, n_steps + 1, every), n_steps})


def events(run: Run, level: float = 0.95) -> dict[str, float]:
    """When a run memorised and generalised, and where it ended.

    Returns
    -------
    dict
        ``memorised``, ``generalised``: steps at which train and test accuracy reach ``level``,
        ``inf`` if never; ``train_accuracy``, ``test_accuracy``, ``last_step`` of the last record.
    """
    curves = run.curves
    return {
        "memorised": float(curves.memorisation_time(level)),
        "generalised": float(curves.generalisation_time(level)),
        "train_accuracy": float(curves.train_accuracy[-1]),
        "test_accuracy": float(curves.test_accuracy[-1]),
        "last_step": int(curves.step[-1]),
    }


def stack(runs: Sequence[Run]) -> Run:
    """Several runs as one, at the steps of the longest; those that ended keep their last values.

    Shapes become (n_runs, n_steps); weights are left out.  ValueError if there is no run, or
    two runs have different steps or tensors.
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


def to_arrays(runs: Sequence[Run]) -> dict[str, np.ndarray]:
    """The runs of several seeds as arrays, for a stored result.

    Returns
    -------
    dict
        ``step`` (n_steps,); ``n_records`` (n_seeds,), how many of them each seed reached; the
        records of :class:`Run`, (n_seeds, n_steps) and ``alignment`` (n_seeds, n_tensors,
        n_steps), as float32; ``tensors``.
    """
    together = stack(runs)
    curves = {name: getattr(together.curves, name).astype(np.float32) for name in CURVES}
    rest = {name: getattr(together, name).astype(np.float32) for name in (*RECORDS, "alignment")}
    sizes = {"step": together.step, "n_records": np.array([run.step.size for run in runs])}
    return sizes | curves | rest | {"tensors": np.array(together.tensors)}


def from_arrays(arrays: Mapping[str, np.ndarray], name: str = "") -> Run:
    """The :class:`Run` of all seeds from the arrays that :func:`to_arrays` made of them.

    Of several arms in one result, ``"name: record"``, the one called ``name``.  ValueError if
    there is no arm of that name.
    """
    start = f"{name}: " if name else ""
    if f"{start}step" not in arrays:
        names = sorted({key.partition(": ")[0] for key in arrays if ": " in key})
        raise ValueError(f"name = {name!r}: must be one of {names}")
    curves = Curves(*(arrays[f"{start}{one}"] for one in ("step", *CURVES)))
    rest = {one: arrays[f"{start}{one}"] for one in (*RECORDS, "alignment")}
    return Run(curves, tensors=tuple(arrays[f"{start}tensors"].tolist()), **rest)
