"""The house style: colours, the two crossing times, and each figure's data as CSV."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from grokbook import validate
from grokbook.curves import Curves

# Okabe-Ito blue and vermilion: apart in hue for every kind of colour vision, and in lightness.
TRAIN, TEST = "#0072B2", "#D55E00"
# Dashes tell the two apart without colour.
LINE = {
    "train": {"color": TRAIN, "linestyle": (0, (4, 1.6))},
    "test": {"color": TEST, "linestyle": "-"},
}
MARKER = {"train": "s", "test": "o"}
# A sequence for several settings in one panel: dark to light, readable in grey.
SEQUENCE = ("#1b1b3a", "#5b2a86", "#a23e7c", "#dd6355", "#f2a65a")
DATA_FOLDER = "GROKBOOK_DATA"


def use_style() -> None:
    """Switch matplotlib to the house style; call it once at the top of a chapter."""
    plt.rcdefaults()
    plt.rcParams.update(
        {
            "figure.dpi": 144,
            "savefig.dpi": 144,
            "savefig.facecolor": "white",
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "font.size": 10,
            "axes.titlesize": 10.5,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#e3e3e3",
            "grid.linewidth": 0.6,
            "lines.linewidth": 1.8,
            "legend.frameon": False,
            "legend.fontsize": 9,
            "image.cmap": "cividis",
            "axes.formatter.use_mathtext": True,
        }
    )


def panels(
    n_columns: int, n_rows: int = 1, *, height: float = 3.1, **subplots
) -> tuple[Figure, np.ndarray]:
    """A figure as wide as the text column with a grid of axes.

    Returns
    -------
    (figure, axes)
        ``axes`` has shape (n_rows, n_columns), squeezed as by ``plt.subplots``.
    """
    validate.count("n_columns", n_columns)
    validate.count("n_rows", n_rows)
    width = 4.2 + 2.6 * (n_columns - 1) if n_columns < 3 else 9.6
    return plt.subplots(n_rows, n_columns, figsize=(width, height * n_rows), **subplots)


def draw_theory(ax: Axes, curves: Curves, record: str, **style) -> None:
    """Draw the train and test lines of ``record`` (``"loss"`` or ``"accuracy"``) against time."""
    validate.choice("record", record, ("loss", "accuracy"))
    for part in ("train", "test"):
        ax.plot(_clock(curves.step), getattr(curves, f"{part}_{record}"), **LINE[part] | style)
    _time_axis(ax)


def draw_runs(ax: Axes, curves: Curves, record: str, *, every: int = 1, band: float = 0.8) -> None:
    """Draw simulated runs: the median over seeds as markers, the central ``band`` as a shade.

    ``curves`` holds the runs on its leading axes; ``every`` thins the markers, not the band.
    """
    validate.choice("record", record, ("loss", "accuracy"))
    validate.number("band", band, above=0, below=1)
    for part in ("train", "test"):
        values = getattr(curves, f"{part}_{record}").reshape(-1, curves.step.size)
        low, middle, high = np.quantile(values, [(1 - band) / 2, 0.5, (1 + band) / 2], axis=0)
        colour = LINE[part]["color"]
        ax.fill_between(_clock(curves.step), low, high, color=colour, alpha=0.22, linewidth=0)
        ax.plot(
            _clock(curves.step)[::every],
            middle[::every],
            linestyle="none",
            marker=MARKER[part],
            markersize=4,
            markerfacecolor="white",
            markeredgecolor=colour,
        )
    _time_axis(ax)


def overlay(ax: Axes, theory: Curves, runs: Curves, record: str, *, every: int = 1) -> None:
    """Theory over simulation, the house figure: :func:`draw_runs`, then :func:`draw_theory`."""
    draw_runs(ax, runs, record, every=every)
    draw_theory(ax, theory, record)


def mark_times(ax: Axes, memorisation: float, generalisation: float) -> None:
    """Mark the memorisation and generalisation time, and shade the delay between them.

    Times that are ``inf`` (never) are not drawn.
    """
    if np.isfinite(memorisation) and np.isfinite(generalisation):
        ax.axvspan(
            _clock(memorisation), _clock(generalisation), color="#f0e442", alpha=0.25, linewidth=0
        )
    for time, part in ((memorisation, "train"), (generalisation, "test")):
        if np.isfinite(time):
            ax.axvline(_clock(time), linewidth=1.0, **LINE[part])


def key(figure: Figure, *entries: str) -> None:
    """Legend below the panels: any of ``train test theory runs band delay``."""
    makers = {
        "train": ("training", Line2D([], [], **LINE["train"])),
        "test": ("test", Line2D([], [], **LINE["test"])),
        "theory": ("theory", Line2D([], [], color="#444444")),
        "runs": ("simulation, median", _marker("o")),
        "band": ("80 % of seeds", Patch(facecolor="#888888", alpha=0.35)),
        "delay": ("delay", Patch(facecolor="#f0e442", alpha=0.4)),
    }
    for entry in entries:
        validate.choice("entries", entry, tuple(makers))
    labels, handles = zip(*(makers[entry] for entry in entries), strict=True)
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))


def tidy(curves: Curves, **labels) -> dict[str, np.ndarray]:
    """Columns for :func:`publish`: one row per step; several runs become quantile columns.

    ``labels`` are constants such as ``aspect_ratio=0.9, source="theory"``.
    """
    columns: dict[str, np.ndarray] = {**labels, "step": curves.step}
    for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy"):
        values = getattr(curves, name)
        if values.ndim == 1:
            columns[name] = values
            continue
        for quantile in (0.1, 0.5, 0.9):
            flat = values.reshape(-1, curves.step.size)
            columns[f"{name}_q{int(100 * quantile)}"] = np.quantile(flat, quantile, axis=0)
    return columns


def publish(figure: Figure, name: str, *tables: Mapping) -> None:
    """Show a figure and hand over its data.

    Parameters
    ----------
    figure : matplotlib figure
    name : str
        The figure's label, as in the cell's ``mystnb`` metadata; the CSV is called after it.
    *tables : mappings from column to scalar or 1-D array
        Arrays of one mapping have one length; scalars are repeated.  Mappings are stacked, and a
        column that one of them lacks stays empty there.

    Raises
    ------
    ValueError
        If there is no table, a table has no array, or its arrays differ in length.
    """
    rows = [row for table in tables for row in _rows(table)]
    if not rows:
        raise ValueError(f"tables of {name} = {tables!r}: must have at least one row")
    if folder := os.environ.get(DATA_FOLDER):
        _write(Path(folder) / f"{name}.csv", rows)
    plt.show()
    plt.close(figure)


def _rows(table: Mapping) -> list[dict]:
    arrays = {key: np.asarray(value) for key, value in table.items()}
    lengths = {array.size for array in arrays.values() if array.ndim == 1}
    if len(lengths) != 1 or any(array.ndim > 1 for array in arrays.values()):
        shapes = {key: array.shape for key, array in arrays.items()}
        raise ValueError(f"table has shapes {shapes}: must be scalars and 1-D arrays of one length")
    columns = {key: np.broadcast_to(array, lengths.copy().pop()) for key, array in arrays.items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _write(path: Path, rows: list[dict]) -> None:
    header = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header, restval="")
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {key: f"{v:.6g}" if isinstance(v, np.floating) else v for key, v in row.items()}
            )


def _marker(marker: str) -> Line2D:
    return Line2D(
        [],
        [],
        linestyle="none",
        marker=marker,
        markersize=5,
        markerfacecolor="white",
        color="#444444",
    )


def _clock(step):
    # A log axis has no zero: the start of training is drawn at step 1/2.
    return np.maximum(step, 0.5)


def _time_axis(ax: Axes) -> None:
    ax.set_xscale("log")
    ax.set_xlabel("step")
