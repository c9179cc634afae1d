"""Argument checks: one line that names the argument, its value and what is allowed."""

from __future__ import annotations

import math
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
