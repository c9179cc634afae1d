"""Argument checks: one line that names the argument, its value and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from numbers import Integral, Real

import numpy as np


def number(
    name: str,
    value: float,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
) -> float:
    """Return ``value`` as a float; raise ValueError unless it is finite and within the bounds."""
    bounds = {">": above, ">=": at_least, "<": below, "<=": at_most}
    allowed = " and ".join(
        f"{sign} {bound:g}" for sign, bound in bounds.items() if bound is not None
    )
    ok = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    ok = ok and (above is None or value > above) and (at_least is None or value >= at_least)
    ok = ok and (below is None or value < below) and (at_most is None or value <= at_most)
    if not ok:
        raise ValueError(f"{name} = {value!r}: must be a finite number {allowed}".rstrip())
    return float(value)


def count(name: str, value: int, *, at_least: int = 1) -> int:
    """Return ``value`` as an int; raise ValueError unless it is a whole number >= ``at_least``."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < at_least:
        raise ValueError(f"{name} = {value!r}: must be a whole number >= {at_least}")
    return int(value)


def choice(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """Return ``value``; raise ValueError unless it is one of ``allowed``."""
    if value not in allowed:
        raise ValueError(f"{name} = {value!r}: must be one of {', '.join(map(repr, allowed))}")
    return value


def zero(setting, *names: str) -> None:
    """Raise ValueError unless these parameters of a setting are 0."""
    for name in names:
        if value := getattr(setting, name):
            raise ValueError(f"{name} = {value:g}: must be 0 here")


def array(name: str, value, *, ndim: int | None = None, shape: tuple | None = None) -> np.ndarray:
    """Return ``value`` as a float array; raise ValueError unless finite and of the given shape.

    ``shape`` may hold ``None`` for an axis of any length.
    """
    out = np.asarray(value, dtype=float)
    if ndim is not None and out.ndim != ndim:
        raise ValueError(f"{name} has shape {out.shape}: must have {ndim} axes")
    if shape is not None and (
        out.ndim != len(shape)
        or any(
            want is not None and have != want for have, want in zip(out.shape, shape, strict=True)
        )
    ):
        raise ValueError(f"{name} has shape {out.shape}: must have shape {shape}")
    if not np.all(np.isfinite(out)):
        bad = out.size - np.count_nonzero(np.isfinite(out))
        raise ValueError(f"{name} has {bad} non-finite entries: must be finite")
    return out


def steps(name: str, value) -> np.ndarray:
    """Return times as a one-dimensional float array, non-negative and strictly increasing."""
    out = array(name, np.atleast_1d(value), ndim=1)
    if out.size == 0 or out[0] < 0 or np.any(np.diff(out) <= 0):
        shown = np.array2string(out, threshold=6, precision=4)
        raise ValueError(f"{name} = {shown}: must be non-empty, non-negative and increasing")
    return out


def whole_steps(name: str, value) -> np.ndarray:
    """As :func:`steps`, and whole numbers."""
    out = steps(name, value)
    if np.any(out != np.floor(out)):
        raise ValueError(f"{name} holds {out[out != np.floor(out)][0]:g}: must be whole numbers")
    return out


def seeds(name: str, value: Iterable[int]) -> list[int]:
    """Return a list of whole numbers >= 0; raise ValueError unless there is at least one."""
    if not isinstance(value, Iterable) or isinstance(value, str):
        raise ValueError(f"{name} = {value!r}: must be an iterable of whole numbers, one a run")
    out = [count(name, seed, at_least=0) for seed in value]
    if not out:
        raise ValueError(f"{name} = []: must hold at least one")
    return out


def samples(name: str, value) -> tuple[np.ndarray, np.ndarray]:
    """Return a reader's inputs (n, d) and labels (n, ...) as float arrays; ValueError otherwise."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise ValueError(f"{name} is of type {type(value).__name__}: must be (inputs, labels)")
    try:
        inputs, labels = (np.asarray(one, dtype=float) for one in value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold arrays of numbers: {error}") from None
    inputs, labels = array(f"{name} inputs", inputs, ndim=2), array(f"{name} labels", labels)
    if not inputs.size or labels.shape[:1] != inputs.shape[:1]:
        raise ValueError(
            f"{name} has inputs of shape {inputs.shape} and labels of shape {labels.shape}: "
            "must have samples, and a label for each"
        )
    return inputs, labels


def loss(name: str, function: Callable, point: np.ndarray) -> None:
    """Raise ValueError unless function(point) is (loss of each sample, its derivative at point).

    The losses are (n,) or as ``point`` (n, ...), the derivative is as ``point``.  It is compared
    with a difference quotient, to 1e-3: a forgotten factor or a wrong sign is found at once.
    """
    shape, found = point.shape, function(point)
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise ValueError(f"{name} returns {type(found).__name__}: must return loss and derivative")
    shapes = tuple(np.shape(one) for one in found)
    if shapes[0] not in (shape, shape[:1]) or shapes[1] != shape:
        raise ValueError(f"{name} returns arrays of shape {shapes}: must be {shape[:1]}, {shape}")
    # Another number for each entry: errors at two of them must not cancel.
    way, width = np.cos(np.arange(1.0, point.size + 1)).reshape(shape), 1e-5
    above, below = (np.sum(function(point + sign * width * way)[0]) for sign in (1, -1))
    quotient, terms = (above - below) / (2 * width), np.asarray(found[1]) * way
    rounding = 1e-10 * (1 + abs(above))
    if not abs(quotient - terms.sum()) <= 1e-3 * np.abs(terms).sum() + rounding:
        raise ValueError(
            f"{name} returns a derivative of {terms.sum():.6g} where differences of its loss give "
            f"{quotient:.6g}: must be finite, and its derivative"
        )
