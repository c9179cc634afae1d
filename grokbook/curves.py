"""One record of a run, and the one definition of grokking time.

Every model of the book, in theory and in simulation, returns :class:`Curves`; every crossing time
of the book is read from it by :func:`crossing_time`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from grokbook import validate

LEVEL = 0.95
HOLD = 3


@dataclass(frozen=True)
class Curves:
    """Losses and accuracies of one run, or of several runs at the same steps.

    ValueError if the steps decrease, a record is not finite, or the shapes do not agree.

    Attributes
    ----------
    step : (n_steps,) array
        Optimiser steps, non-negative and increasing (a float: theory may stand between steps).
    train_loss, test_loss : (..., n_steps) arrays
        Mean loss on the training set and on the population (or test set), in the paper's own
        units.  Leading axes are seeds or settings.
    train_accuracy, test_accuracy : (..., n_steps) arrays
        Fractions in [0, 1].
    """

    step: np.ndarray
    train_loss: np.ndarray
    test_loss: np.ndarray
    train_accuracy: np.ndarray
    test_accuracy: np.ndarray

    def __post_init__(self):
        object.__setattr__(self, "step", validate.steps("step", self.step))
        shape = np.shape(self.train_loss)
        for field in fields(self)[1:]:
            record = validate.array(field.name, getattr(self, field.name))
            if record.shape != shape or record.shape[-1:] != self.step.shape:
                raise ValueError(
                    f"{field.name} has shape {record.shape}: "
                    f"must be that of train_loss, {shape}, ending in {self.step.size} steps"
                )
            object.__setattr__(self, field.name, record)
        for name in ("train_accuracy", "test_accuracy"):
            record = getattr(self, name)
            if np.any((record < 0) | (record > 1)):
                raise ValueError(
                    f"{name} reaches {record.min():g}..{record.max():g}: must stay in [0, 1]"
                )

    def memorisation_time(self, level: float = LEVEL) -> np.ndarray:
        """Step at which the train accuracy reaches ``level``; shape (...), ``inf`` if never."""
        return crossing_time(self.step, self.train_accuracy, _fraction(level))

    def generalisation_time(self, level: float = LEVEL) -> np.ndarray:
        """Step at which the test accuracy reaches ``level``; shape (...), ``inf`` if never."""
        return crossing_time(self.step, self.test_accuracy, _fraction(level))

    def delay(self, level: float = LEVEL) -> np.ndarray:
        """Grokking time in steps: generalisation minus memorisation time; ``inf`` if never."""
        return time_difference(self.memorisation_time(level), self.generalisation_time(level))

    def log10_ratio(self, level: float = LEVEL) -> np.ndarray:
        """Grokking time as log10(generalisation / memorisation time); ``inf`` if never.

        A crossing at step 0 counts as step 1, so that the ratio exists.
        """
        memorised = np.maximum(self.memorisation_time(level), 1.0)
        generalised = np.maximum(self.generalisation_time(level), 1.0)
        return time_difference(np.log10(memorised), np.log10(generalised))


def _fraction(level: float) -> float:
    return validate.number("level", level, above=0, below=1)


def time_difference(earlier, later) -> np.ndarray:
    """``later - earlier`` where the later event happened, ``inf`` where it never did.

    ``nan`` where only the earlier one never happened: there is no delay to speak of.
    """
    earlier, later = np.broadcast_arrays(np.asarray(earlier, float), np.asarray(later, float))
    out = np.full(later.shape, np.inf)
    happened = np.isfinite(later)
    out[happened] = np.where(
        np.isfinite(earlier[happened]), later[happened] - earlier[happened], np.nan
    )
    return out if out.ndim else out[()]


def crossing_time(step, values, level: float, *, hold: int = HOLD) -> np.ndarray:
    """First step from which ``values`` stays at or above ``level``.

    The crossing is at the first record that is at or above ``level`` together with the next
    ``hold`` records (or all that are left), interpolated in log(1 + step) between it and the record
    before.  To find a *fall* below a loss level, negate both.

    Parameters
    ----------
    step : (n_steps,) array
        Recorded steps, increasing.
    values : (..., n_steps) array
        Any finite level is accepted here; accuracies take one in (0, 1).
    hold : int
        How many further records must confirm the crossing.

    Returns
    -------
    (...) array
        Steps; ``step[0]`` if the level holds from the start, ``inf`` if it is never held.
    """
    step = validate.steps("step", step)
    values = validate.array("values", values)
    validate.number("level", level)
    validate.count("hold", hold, at_least=0)
    if values.shape[-1:] != step.shape:
        raise ValueError(f"values has shape {values.shape}: must end in {step.size} steps")
    padded = np.pad(
        values >= level, [(0, 0)] * (values.ndim - 1) + [(0, hold)], constant_values=True
    )
    held = np.lib.stride_tricks.sliding_window_view(padded, hold + 1, axis=-1).all(axis=-1)
    found = held.any(axis=-1)
    after = np.argmax(held, axis=-1)
    before = np.maximum(after - 1, 0)

    def at(index):
        return np.take_along_axis(values, index[..., None], axis=-1)[..., 0]

    rise = at(after) - at(before)
    fraction = np.where(rise > 0, (level - at(before)) / np.where(rise > 0, rise, 1.0), 1.0)
    clock = np.log1p(step)
    time = np.expm1(clock[before] + fraction * (clock[after] - clock[before]))
    return np.where(found, np.where(after == 0, step[0], time), np.inf)[()]
