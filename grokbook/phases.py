"""The four phases of a network that learns an algorithm, by when it memorised and generalised.

Liu et al. 2022 (*Towards Understanding Grokking: An Effective Theory of Representation Learning*,
arXiv 2205.10343) named them and drew the first maps.  The names are theirs.  They ask for 90 %
accuracy within 1e5 steps and call it grokking when generalisation comes 1,000 steps or more after
memorisation.  Our maps run over learning rates, where a thousand steps mean different things, so
our threshold is a ratio.
"""

from __future__ import annotations

import numpy as np

from grokbook import validate

PHASES = ("comprehension", "grokking", "memorisation", "confusion")
# Generalisation is late when it takes more than this many times as long as memorisation.
LATE = 2.0


def phase(memorised, generalised, late: float = LATE) -> np.ndarray:
    """Phase of each run, or of each cell when the times are medians over seeds.

    *confusion*: the train accuracy never held its level; *memorisation*: it did, the test accuracy
    never; *grokking*: generalised > late * memorised; *comprehension*: at most that.  A crossing
    before step 1 counts as step 1.  ValueError if a time is negative or not a number, the
    shapes differ, or ``late`` is below 1.

    Parameters
    ----------
    memorised, generalised : arrays of the same shape
        Steps at which train and test accuracy reached their level, ``inf`` if never.
    late : float
        At least 1.

    Returns
    -------
    array of int
        Index into ``PHASES``.
    """
    validate.number("late", late, at_least=1)
    first, second = (np.asarray(one, float) for one in (memorised, generalised))
    for name, times in {"memorised": first, "generalised": second}.items():
        if np.any(np.isnan(times) | (times < 0)):
            raise ValueError(f"{name} = {times}: must hold times >= 0, inf for never")
    if first.shape != second.shape:
        raise ValueError(f"generalised has shape {second.shape}: must be {first.shape}")
    never = [np.isinf(one) for one in (first, second)]
    early = second <= late * np.maximum(first, 1.0)
    return np.select([never[0], never[1], early], [3, 2, 0], 1)


def median_phase(memorised, generalised, late: float = LATE) -> np.ndarray:
    """Phase of the median times over the last axis, the seeds; see :func:`phase`."""
    return phase(median_time(memorised), median_time(generalised), late)


def median_time(times) -> np.ndarray:
    """Median over the last axis, ``inf`` where half of the runs or more never got there.

    Of an even number it is the upper of the two in the middle: none lies between 100 and never.
    nan where one of the times is.
    """
    return np.quantile(np.asarray(times, float), 0.5, axis=-1, method="higher")
