"""What users bring to logistic regression: their own points and labels, and any loss of the margin.

A run on them returns the same :class:`~grokbook.logistic.simulate.Record` as a seed of the paper's
setting, so that ``simulate.collect`` stacks several.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from grokbook import validate
from grokbook.curves import Curves
from grokbook.logistic import flow
from grokbook.logistic.flow import Samples, Trajectory
from grokbook.logistic.simulate import Record, on_samples


def labelled(name: str, pair, *, bias: bool = True) -> Samples:
    """A reader's own points (N, d) and labels, -1 or +1 (N,), for a model with or without bias.

    ``name`` is what the ValueError calls the ``pair`` (inputs, labels).
    """
    inputs, labels = validate.samples(name, pair)
    if labels.ndim != 1 or np.any(np.abs(labels) != 1):
        shown = np.array2string(np.unique(labels), threshold=6, precision=4)
        raise ValueError(
            f"{name} has labels {shown} of shape {labels.shape}: must be -1 or 1, (n,)"
        )
    return Samples(-labels[:, None] * inputs, -labels if bias else None)


def fit(
    train,
    test,
    step,
    *,
    learning_rate: float,
    loss: flow.Loss = "logistic",
    start=None,
    bias: bool = True,
    method: Callable[..., Trajectory] = flow.gradient_flow,
) -> Record:
    """Train on a reader's own points, with any differentiable loss of the margin.

    Parameters
    ----------
    train, test : pairs of arrays (inputs, labels)
        Inputs (n, d), labels -1 or +1, (n,).
    step : (n_steps,) array
        Non-negative and increasing; whole numbers for discrete steps.
    loss : {"logistic", "exponential"}, or callable
        As for :func:`grokbook.logistic.flow.gradient_flow`.
    start : (d + 1,) array, optional
        Initial weights and bias, 0 by default; (d,) without bias.
    bias : bool
        Whether the model has one.
    method : callable
        ``gradient_flow``, ``gradient_descent`` or ``adam`` of :mod:`grokbook.logistic.flow`;
        ``functools.partial`` gives it more arguments.

    Returns
    -------
    Record
        Its curves are those of the loss, and of the share of samples with y f(x) > 0; its
        trajectory holds weights and bias, and why a run stopped short; ``bias`` and ``spread`` are
        mean and standard deviation of -y f(x) over the test set.

    Raises
    ------
    ValueError
        If an argument is out of range, or the shapes do not match.
    RuntimeError
        If the integrator fails.
    """
    samples, fresh = labelled("train", train, bias=bias), labelled("test", test, bias=bias)
    if samples.n_weights != fresh.n_weights:
        widths = fresh.features.shape[1], samples.features.shape[1]
        raise ValueError("test has {} inputs a sample: must have {}, as train".format(*widths))
    if not callable(method):
        raise ValueError(f"method = {method!r}: must be a function such as flow.gradient_descent")
    start = np.zeros(samples.n_weights) if start is None else start
    done = method(samples, start, step, learning_rate=learning_rate, loss=loss)
    both = [on_samples(one, done, loss) for one in (samples, fresh)]
    losses, accuracies = zip(*both, strict=True)
    z = fresh.logits(done.state)
    return Record(done, Curves(done.step, *losses, *accuracies), z.mean(axis=1), z.std(axis=1))
