"""An arm: one setting, described by plain values, for one or for many seeds.

The chapters run single seeds of an arm; stored runs hold all of its seeds.  Seed s draws the
training set and the initial weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from grokbook import validate
from grokbook.curves import Curves
from grokbook.modular import data, loss, network, optimizer
from grokbook.modular.train import CURVES, RECORDS, Run, Trainer, stack

TASKS = {"pairs": data.modular_pairs, "parity": data.sparse_parity}
NETWORKS = {
    "mlp": network.MLP,
    "transformer": network.Transformer,
}
LOSSES = {
    "cross-entropy": loss.CrossEntropy,
    "stablemax": loss.StableMaxCrossEntropy,
    "mean square": loss.MeanSquare,
    "scaled mean square": loss.MeanSquare,
}
OPTIMIZERS = {"adamw": optimizer.AdamW, "sgd": optimizer.SGD}


def prepare(
    seed: int,
    *,
    task: Mapping | None = None,
    train_fraction: float = 0.4,
    network: Mapping | None = None,
    loss: Mapping | None = None,
    optimizer: Mapping | None = None,
    double: bool = False,
    gradient_scale: float = 1.0,
) -> Trainer:
    """The trainer of one seed.

    Parameters
    ----------
    seed : int
        Of the training set and the initial weights; also of the samples of "parity".
    task, network, loss, optimizer : mapping, optional
        ``{"kind": name, **arguments}`` with a name from ``TASKS``, ``NETWORKS``, ``LOSSES``,
        ``OPTIMIZERS``; defaults: addition modulo 113, its MLP, cross-entropy in float32, AdamW.
    train_fraction : float
        In (0, 1).
    double : bool
        Hold the network in float64.
    gradient_scale : float
        As in :class:`~grokbook.modular.train.Trainer`.

    Raises
    ------
    ValueError
        For an unknown kind, or an argument that its function refuses.
    """
    make_task, arguments = _choose("task", task, TASKS)
    if make_task is data.sparse_parity:
        arguments = {"seed": seed} | arguments
    samples = make_task(**arguments)
    build, arguments = _choose("network", network, NETWORKS)
    sizes = {"n_symbols": samples.n_symbols}
    if build is NETWORKS["mlp"]:
        sizes |= {"n_classes": samples.n_classes}
        sizes |= {} if samples.n_symbols else {"d_in": samples.inputs.shape[1]}
    model = build(**sizes, seed=seed, **arguments)
    make_loss, loss_arguments = _choose("loss", loss, LOSSES)
    make_optimizer, optimizer_arguments = _choose("optimizer", optimizer, OPTIMIZERS)
    return Trainer(
        model.double() if double else model,
        *data.split(samples, train_fraction, seed),
        loss=make_loss(**loss_arguments),
        optimizer=make_optimizer(**optimizer_arguments),
        gradient_scale=gradient_scale,
    )


def run_seeds(
    seeds: Sequence[int],
    *,
    n_steps: int,
    every: int,
    stop_at: float | None = None,
    **setting,
) -> list[Run]:
    """Train each seed for ``n_steps``, recording every ``every`` steps; see :func:`prepare`."""
    record = range(0, validate.count("n_steps", n_steps) + 1, validate.count("every", every))
    return [prepare(seed, **setting).run(record, stop_at=stop_at) for seed in seeds]


def arm(seeds: Sequence[int], **options) -> dict[str, np.ndarray]:
    """All seeds of an arm as arrays, for a stored run; see :func:`run_seeds` for ``options``.

    Returns
    -------
    dict
        ``step`` (n_steps,); ``n_records`` (n_seeds,), how many of them each seed reached; the
        records of :class:`Run`, (n_seeds, n_steps) and ``alignment`` (n_seeds, n_tensors,
        n_steps), as float32; ``tensors``.
    """
    runs = run_seeds(seeds, **options)
    together = stack(runs)
    curves = {name: getattr(together.curves, name).astype(np.float32) for name in CURVES}
    rest = {name: getattr(together, name).astype(np.float32) for name in (*RECORDS, "alignment")}
    sizes = {"step": together.step, "n_records": np.array([run.step.size for run in runs])}
    return sizes | curves | rest | {"tensors": np.array(together.tensors)}


def from_arrays(arrays: Mapping[str, np.ndarray]) -> Run:
    """The :class:`Run` of all seeds that :func:`arm` stored."""
    curves = Curves(arrays["step"], **{name: arrays[name] for name in CURVES})
    rest = {name: arrays[name] for name in (*RECORDS, "alignment")}
    return Run(curves, tensors=tuple(arrays["tensors"].tolist()), **rest)


def several(seeds: Sequence[int], arms: Mapping[str, Mapping]) -> dict[str, np.ndarray]:
    """Several arms, by name, as the arrays ``"name: record"``; see :func:`arm`."""
    return {
        f"{name}: {record}": values
        for name, options in arms.items()
        for record, values in arm(seeds, **options).items()
    }


def select(arrays: Mapping[str, np.ndarray], name: str) -> Run:
    """The :class:`Run` of one of the arms that :func:`several` stored.

    Raises
    ------
    ValueError
        If there is no arm of that name.
    """
    start = f"{name}: "
    found = {key.removeprefix(start): one for key, one in arrays.items() if key.startswith(start)}
    if not found:
        names = sorted({key.partition(": ")[0] for key in arrays})
        raise ValueError(f"name = {name!r}: must be one of {names}")
    return from_arrays(found)


def _choose(name, given, known):
    arguments = dict(given or {})
    kind = arguments.pop("kind", next(iter(known)))
    return known[validate.choice(f"{name} kind", kind, tuple(known))], arguments
