"""Delay maps of paper LE (Figure 4): memorisation and generalisation time of many settings at once.

Where ``theory.crossing_times`` finds one root, this finds all roots of a map together: one set of
Marchenko-Pastur nodes for each lambda, Newton's method in the logarithm of time on all settings of
that lambda, started from one table of the losses without decay.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaincinv

from grokbook import validate
from grokbook.curves import LEVEL, time_difference
from grokbook.linear.setting import LinearSetting
from grokbook.linear.spectrum import spectral_nodes

_TABLE = np.geomspace(1e-4, 1e14, 181)  # eta t / d_out, where Newton's method starts from
_NEWTON = 60  # at most; a bracket halves whenever a step leaves it
_LAST_MOVE = 1e-5  # of log time: Newton's next step would be about its square
_BLOCK = 200_000  # array entries (1.6 MB) worked on at a time, to stay in cache


def delay_map(setting: LinearSetting, level: float = LEVEL, **axes) -> np.ndarray:
    """Grokking time in steps on a grid over two of the setting's parameters (LE Fig. 4).

    ValueError if an axis is unknown, or out of its parameter's range; label noise is refused.

    Parameters
    ----------
    setting : LinearSetting
        Everything that the two axes do not set.
    level : float
        Accuracy in (0, 1).
    **axes : two 1-D arrays
        Out of ``aspect_ratio``, ``weight_decay``, ``d_out``: rows first, then columns.

    Returns
    -------
    (n_rows, n_columns) array
        ``inf`` where the test accuracy never reaches the level.
    """
    times = crossing_maps(setting, level, **axes)
    return time_difference(*times)


def crossing_maps(
    setting: LinearSetting, level: float = LEVEL, **axes
) -> tuple[np.ndarray, np.ndarray]:
    """Memorisation and generalisation time on the grid of :func:`delay_map`, in steps.

    Agrees with ``theory.crossing_times`` to 1e-6 at each grid point; raises as :func:`delay_map`.
    """
    validate.number("level", level, above=0, below=1)
    grid = _grid(setting, axes)
    shape = grid["d_out"].shape
    ratio, decay, d_out = (grid[name].ravel() for name in _AXES)
    half = d_out / 2
    # d_out times the loss: it depends on time over d_out only, and passes this value.
    target = half * d_out * setting.accuracy_threshold / gammaincinv(half, level)
    times = np.empty((2, ratio.size))
    for one in np.unique(ratio):
        here = np.flatnonzero(ratio == one)
        times[:, here] = _times(one, setting.init_scale, decay[here], target[here])
    times *= d_out / setting.learning_rate
    return tuple(times.reshape(2, *shape))


_AXES = ("aspect_ratio", "weight_decay", "d_out")


def _grid(setting, axes):
    """The three parameters on the grid, each (n_rows, n_columns)."""
    validate.zero(setting, "label_noise")
    if len(axes) != 2:
        raise ValueError(f"axes = {sorted(axes)}: must be two of {', '.join(_AXES)}")
    bounds = {"aspect_ratio": {"above": 0}, "weight_decay": {"at_least": 0}}
    for name, values in axes.items():
        validate.choice("axes", name, _AXES)
        for value in validate.array(name, values, ndim=1):
            if name == "d_out":
                validate.number(name, float(value), at_least=1)
            else:
                validate.number(name, float(value), **bounds[name])
    first, second = axes
    rows, columns = np.meshgrid(axes[first], axes[second], indexing="ij")
    grid = {name: np.full(rows.shape, getattr(setting, name), dtype=float) for name in _AXES}
    return grid | {first: rows.astype(float), second: columns.astype(float)}


def _times(ratio, scale, decay, target):
    """eta t / d_out at which d_out times each loss passes ``target``; (2, n), one lambda."""
    shift = decay / 2
    last = _last_time(ratio, scale, target.min())
    finest = min(shift[shift > 0].min(initial=1.0), 1 / (4 * last))
    nodes, weights = _half(*spectral_nodes(ratio, finest))
    table = np.exp(-4 * np.multiply.outer(_TABLE, nodes))
    out = np.empty((2, target.size))
    for which, share in enumerate((weights * nodes, weights)):
        free = np.maximum(0.5 * (1 + scale**2) * (table @ share), 1e-300)
        out[which] = _roots(nodes, share, scale, shift, target, np.log(free))
    return out


def _half(nodes, weights):
    """Every second node at twice the weight: the error rises from 1e-13 to its root, 3e-7."""
    bulk, atom = nodes > 0, nodes == 0
    return (
        np.append(nodes[bulk][::2], nodes[atom]),
        np.append(2 * weights[bulk][::2], weights[atom]),
    )


def _last_time(ratio, scale, target):
    """A time of the table by which the loss that can vanish has fallen below ``target``."""
    nodes, weights = _half(*spectral_nodes(ratio, 1 / (4 * _TABLE[-1])))
    decay = np.exp(-4 * np.multiply.outer(_TABLE, nodes[nodes > 0]))
    free = 0.5 * (1 + scale**2) * decay @ weights[nodes > 0]
    return 100 * _TABLE[min(np.searchsorted(-free, -target), _TABLE.size - 1)]


def _roots(nodes, share, scale, shift, target, free):
    """Newton's method on log L(log tau) = log target for all settings of one lambda and loss."""
    start = 0.5 * (scale**2 + 1) * share.sum()
    left = shift[:, None] / np.where(nodes + shift[:, None], nodes + shift[:, None], 1.0)
    limit = 0.5 * (left**2) @ share
    null = share[nodes == 0].sum()
    limit = np.where(shift > 0, limit, 0.5 * (scale**2 + 1) * null)
    times = np.where(target >= start, 0.0, np.inf)
    open_ = np.flatnonzero((target < start) & (target > limit))
    clock = np.log(_TABLE)
    low = np.full(open_.size, clock[0] - 30.0)
    high = np.full(open_.size, clock[-1] + 30.0)
    guess = np.interp(-np.log(target[open_]), -free, clock)
    active = np.arange(open_.size)
    for _ in range(_NEWTON):
        if not active.size:
            break
        now = open_[active]
        value, slope = _log_loss(nodes, share, scale, shift[now], guess[active])
        excess = value - np.log(target[now])
        above = excess > 0
        low[active] = np.where(above, guess[active], low[active])
        high[active] = np.where(above, high[active], guess[active])
        step = guess[active] - excess / np.where(slope, slope, -1.0)
        inside = (step > low[active]) & (step < high[active])
        step = np.where(inside, step, 0.5 * (low[active] + high[active]))
        moved = np.abs(step - guess[active])
        guess[active] = step
        active = active[moved > _LAST_MOVE]
    times[open_] = np.exp(guess)
    return times


def _log_loss(nodes, share, scale, shift, clock):
    """log of d_out times the loss at tau = e^clock, and its slope in clock; each (n,)."""
    value, slope = np.empty(clock.size), np.empty(clock.size)
    height = max(1, _BLOCK // nodes.size)
    for first in range(0, clock.size, height):
        rows = slice(first, first + height)
        g, tau = shift[rows, None], np.exp(clock[rows, None])
        total = nodes + g
        kept = np.exp(-2 * tau * total)
        safe = np.where(total, total, 1.0)
        teacher = np.where(total, (nodes * kept + g) / safe, kept)
        loss = 0.5 * ((scale * kept) ** 2 + teacher**2) @ share
        fall = kept * (scale**2 * total * kept + nodes * teacher) @ share
        value[rows], slope[rows] = np.log(loss), -2 * tau[:, 0] * fall / loss
    return value, slope
