"""Runs at several softmax temperatures (NS App. F)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grokbook import validate
from grokbook.modular import arms
from grokbook.modular.train import Run


def sweep(temperatures: Sequence[float], **options) -> dict[str, np.ndarray]:
    """One arm of cross-entropy for each temperature, all of the same length.

    Parameters
    ----------
    temperatures : sequence of float
        Each > 0; logits are divided by it.
    options
        As for :func:`grokbook.modular.arms.arm`, without ``loss`` and ``stop_at``.

    Returns
    -------
    dict
        ``temperature`` (n_temperatures,), and what an arm returns with a leading axis of
        n_temperatures.

    Raises
    ------
    ValueError
        If a temperature is not positive, or an option is out of range.
    """
    for one in temperatures:
        validate.number("temperatures", one, above=0)
    found = [arms.arm(loss={"temperature": one}, **options) for one in temperatures]
    together = {name: np.stack([arm[name] for arm in found]) for name in found[0]}
    return {"temperature": np.array(temperatures, dtype=float)} | together


def run_at(arrays, temperature: float) -> Run:
    """The run of all seeds at one temperature of a :func:`sweep`; ValueError if it has none."""
    known = list(arrays["temperature"])
    if temperature not in known:
        raise ValueError(f"temperature = {temperature}: must be one of {known}")
    place = known.index(temperature)
    return arms.from_arrays({name: value[place] for name, value in arrays.items()})
