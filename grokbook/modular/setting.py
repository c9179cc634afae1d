"""A setting: everything that a training run is made of, under the papers' own names.

From a setting come trainers, one a seed; :class:`Arm` adds how long and how closely it is followed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import nn

from grokbook import validate
from grokbook.modular import data
from grokbook.modular.data import Dataset, Pairs, Parity
from grokbook.modular.gradient import flatten
from grokbook.modular.loss import AnyLoss, CrossEntropy, MeanSquare, StableMaxCrossEntropy
from grokbook.modular.network import MLP
from grokbook.modular.optimizer import SGD, AdamW, SphericalAdamW
from grokbook.modular.run import CURVES, Run, events, to_arrays
from grokbook.modular.train import Trainer


@dataclass(frozen=True)
class Setting:
    """A setting of NS or GT; the defaults are those of NS Section 3.

    Attributes
    ----------
    task : Pairs, Parity or another with ``samples(seed)``
    train_fraction : float
        Share of the samples that is for training, in (0, 1); 0.4 in NS and GT.
    network : callable
        From samples and ``seed`` to a module: ``MLP.on``, ``partial(MLP.on, width=128)``.
    loss : loss of this package
    optimizer : AdamW, SGD, or another of this package
    double : bool
        Hold the network in float64.
    gradient_scale : float
        As in :class:`~grokbook.modular.train.Trainer`.
    """

    task: Pairs | Parity = Pairs()
    train_fraction: float = 0.4
    network: Callable[..., nn.Module] = MLP.on
    loss: CrossEntropy | StableMaxCrossEntropy | MeanSquare | AnyLoss = CrossEntropy()
    optimizer: AdamW | SGD = AdamW()
    double: bool = False
    gradient_scale: float = 1.0

    def __post_init__(self):
        validate.number("train_fraction", self.train_fraction, above=0, below=1)
        validate.number("gradient_scale", self.gradient_scale, above=0)

    def replace(self, **changes) -> Setting:
        """The same setting with some values changed."""
        return replace(self, **changes)

    def data(self, seed: int) -> tuple[Dataset, Dataset]:
        """Training and test set of a seed."""
        return data.split(self.task.samples(seed), self.train_fraction, seed)

    def untrained(self, seed: int) -> nn.Module:
        """The network of a seed with its initial weights."""
        network = self.network(self.task.samples(seed), seed=seed)
        return network.double() if self.double else network

    def initial(self, seed: int) -> torch.Tensor:
        """The initial weights of a seed, (n_weights,)."""
        return flatten(self.untrained(seed))[0].clone()

    def spans(self) -> dict[str, slice]:
        """Where each parameter tensor lies among the weights."""
        return flatten(self.untrained(0))[1]

    def trainer(
        self, seed: int, *, mask: torch.Tensor | None = None, weights: torch.Tensor | None = None
    ) -> Trainer:
        """A trainer of one seed at step 0.

        Parameters
        ----------
        seed : int
            Of the training set, the initial weights, and of samples that are random.
        mask, weights : (n_weights,) tensors, optional
            As for :class:`~grokbook.modular.train.Trainer`.
        """
        return Trainer(
            self.untrained(seed),
            *self.data(seed),
            loss=self.loss,
            optimizer=self.optimizer,
            gradient_scale=self.gradient_scale,
            mask=mask,
            weights=weights,
        )


@dataclass(frozen=True)
class Arm:
    """A setting, and how its runs are recorded.

    Attributes
    ----------
    setting : Setting
    n_steps, every : int
        Length of a run and distance of its records, in steps.
    stop_at : float, optional
        Test accuracy at which a run ends; see :meth:`grokbook.modular.train.Trainer.run`.
    """

    setting: Setting = Setting()
    n_steps: int = 1000
    every: int = 10
    stop_at: float | None = None

    def __post_init__(self):
        validate.count("n_steps", self.n_steps)
        validate.count("every", self.every)

    def replace(self, **changes) -> Arm:
        """The same arm with some values changed."""
        return replace(self, **changes)

    def run(self, seed: int) -> Run:
        """The run of one seed."""
        record = range(0, self.n_steps + 1, self.every)
        return self.setting.trainer(seed).run(record, stop_at=self.stop_at)

    def runs(self, seeds: Sequence[int]) -> list[Run]:
        """The runs of several seeds."""
        return [self.run(seed) for seed in seeds]


def curves(seeds: Sequence[int], arm: Arm) -> dict[str, np.ndarray]:
    """All seeds of an arm, for a stored run; see :func:`grokbook.modular.run.to_arrays`."""
    return to_arrays(arm.runs(seeds))


def losses_and_accuracies(seeds: Sequence[int], arm: Arm) -> dict[str, np.ndarray]:
    """The same without the other records: ``step``, and the curves as float32."""
    return {name: one for name, one in curves(seeds, arm).items() if name in ("step", *CURVES)}


def several(seeds: Sequence[int], arms: Mapping[str, Arm]) -> dict[str, np.ndarray]:
    """All seeds of several arms, as the arrays ``"name: record"``; see :func:`curves`."""
    return {
        f"{name}: {record}": values
        for name, arm in arms.items()
        for record, values in curves(seeds, arm).items()
    }


def event_times(
    seeds: Sequence[int], arms: Sequence[Sequence[Arm]], *, level: float = 0.95
) -> dict[str, np.ndarray]:
    """When each run of a grid of arms memorised and generalised.

    Returns
    -------
    dict
        As :func:`grokbook.modular.run.events`, each of shape (n_rows, n_columns, n_seeds).
    """
    validate.number("level", level, above=0, below=1)
    found = [[[events(run, level) for run in arm.runs(seeds)] for arm in row] for row in arms]
    names = found[0][0][0]
    values = np.array([[[list(one.values()) for one in cell] for cell in row] for row in found])
    return dict(zip(names, np.moveaxis(values, -1, 0), strict=True))


def decay_cell(
    setting: Setting, learning_rate: float, weight_decay: float, *, seed: int = 0
) -> dict[str, float]:
    """One run under AdamW with decay, until its test accuracy holds 99 % (NS App. E, Fig. 15).

    Returns
    -------
    dict
        :func:`grokbook.modular.run.events`, ``best_test`` accuracy, and the ``weight_norm`` of the
        last record.
    """
    validate.number("learning_rate", learning_rate, above=0)
    validate.number("weight_decay", weight_decay, above=0)
    # Decay shrinks the weights by e in 1 / (rate decay) steps.
    n_steps = int(min(2000, 12 / (learning_rate * weight_decay) + 300)) // 20 * 20
    setting = setting.replace(optimizer=AdamW(learning_rate, weight_decay=weight_decay))
    run = Arm(setting, n_steps, every=20, stop_at=0.99).run(seed)
    return events(run) | {"best_test": run.best, "weight_norm": run.weight_norm[-1]}


def decay_cells(
    cells: Sequence[Sequence[float]], *, setting: Setting, seed: int
) -> dict[str, np.ndarray]:
    """:func:`decay_cell` for each (learning rate, decay); arrays of shape (n_cells,)."""
    rows = [
        {"learning_rate": rate, "weight_decay": one} | decay_cell(setting, rate, one, seed=seed)
        for rate, one in cells
    ]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def on_sphere(setting: Setting, scale: float, *, logits: float | None = None) -> Setting:
    """A setting whose initial weights are larger by a factor, and whose steps keep the norms.

    ``logits`` sets the scale of the logits κ = c³/T of three homogeneous layers by the temperature
    of the softmax (eq-ns-logit-scale); without it T = 1 and κ = c³.
    """
    network = partial(setting.network, init_scale=scale)
    if logits is not None:
        setting = setting.replace(loss=replace(setting.loss, temperature=scale**3 / logits))
    return setting.replace(network=network, optimizer=SphericalAdamW())
