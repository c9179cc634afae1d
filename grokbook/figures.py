"""The house style: colours, what many figures draw alike, and each figure's data as CSV."""

from __future__ import annotations

import csv
import html
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib import cbook
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
    open_mark = {"linestyle": "none", "markersize": 4, "mfc": "white", "markevery": every}
    for part, mark in MARKER.items():
        values, look = getattr(curves, f"{part}_{record}"), {"color": LINE[part]["color"]}
        seeds(ax, curves.step, values, band=band, marker=mark, **look, **open_mark)


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
    ring = {"linestyle": "none", "marker": "o", "markersize": 5, "mfc": "white", "color": "#444444"}
    makers = {
        "train": ("training", Line2D([], [], **LINE["train"])),
        "test": ("test", Line2D([], [], **LINE["test"])),
        "theory": ("theory", Line2D([], [], color="#444444")),
        "runs": ("simulation, median", Line2D([], [], **ring)),
        "band": ("80 % of seeds", Patch(facecolor="#888888", alpha=0.35)),
        "delay": ("delay", Patch(facecolor="#f0e442", alpha=0.4)),
    }
    for entry in entries:
        validate.choice("entries", entry, tuple(makers))
    labels, handles = zip(*(makers[entry] for entry in entries), strict=True)
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))


def styled(items: Mapping, **properties: Sequence) -> list[tuple]:
    """The items of a mapping, each with a style of its own: the lines of one panel.

    ``properties`` are sequences by matplotlib's names, such as ``marker="os^"``; the colour is that
    of ``SEQUENCE``, dark to light, unless given.  Returns (key, value, style) for each item;
    ValueError if a sequence is shorter than the mapping.
    """
    properties = {"color": SEQUENCE} | properties
    for name, values in properties.items():
        if len(values) < len(items):
            raise ValueError(f"{name} = {values!r}: must have a value for each of {len(items)}")
    looks = zip(*properties.values(), strict=False)
    styles = [dict(zip(properties, look, strict=True)) for look in looks]
    return [(key, value, style) for (key, value), style in zip(items.items(), styles, strict=False)]


def seeds(axes: Axes, step, values, *, band: float | None = None, start: float = 0.5, **line):
    """Draw a record of several seeds against time.

    Parameters
    ----------
    step : array of shape (n_steps,)
    values : array of shape (..., n_steps)
        ValueError for another length.
    band : float, optional
        Draw the median, and shade this central share of the seeds (1: their range, 0: no shade).
        By default each seed is a thin line.
    start : float
        Where earlier steps are drawn, step 0 above all: a log axis has no zero.
    **line
        Style of the lines; ``label`` names them once.
    """
    if np.shape(values)[-1:] != np.shape(step):
        raise ValueError(f"values has shape {np.shape(values)}: must end in {np.size(step)} steps")
    clock, records = np.maximum(step, start), np.reshape(values, (-1, np.size(step)))
    style = cbook.normalize_kwargs(line, Line2D)
    if band is None:
        for k, one in enumerate(records):
            axes.plot(clock, one, **{"linewidth": 0.8} | style | ({"label": None} if k else {}))
    else:
        low, middle, high = np.quantile(records, _central(band), axis=0)
        (drawn,) = axes.plot(clock, middle, **style)
        axes.fill_between(clock, low, high, color=drawn.get_color(), alpha=0.2, linewidth=0)
    _time_axis(axes)


def bars(axes: Axes, x, draws: Sequence, *, band: float = 0.8, method="linear", **style):
    """The median of each sample as a marker, its central ``band`` as a bar.

    Parameters
    ----------
    x : sequence of n numbers
    draws : sequence of n samples
        Of any lengths; nan is left out.
    method : str
        As in ``numpy.quantile``: ``"nearest"`` where times may be inf.

    Returns
    -------
    array of shape (3, n)
        Lower ends, medians and upper ends.
    """
    ends = [np.nanquantile(one, _central(band), method=method) for one in draws]
    low, middle, high = np.transpose(ends)
    with np.errstate(invalid="ignore"):  # what is infinite is not drawn
        axes.errorbar(x, middle, (middle - low, high - middle), **{"fmt": "o"} | style)
    return np.array([low, middle, high])


def dots(axes: Axes, values, row, *, never=None, mark="x", upright=False, **style) -> None:
    """A dot for each value along a row, and a ``mark`` where "never" stands for each that is inf.

    ``row`` is one height or an array of the shape of ``values``; with ``upright`` rows are columns.
    nan is not drawn; ValueError if a value is inf and ``never`` has no place.
    """
    values, row = np.broadcast_arrays(np.asarray(values, dtype=float), row)
    lost = np.isposinf(values)
    if lost.any() and never is None:
        raise ValueError(f"never = None: must be a number, as {lost.sum()} values are inf")
    style = {"marker": "o", "linestyle": "none"} | cbook.normalize_kwargs(style, Line2D)
    found, missed = (values[~lost], row[~lost]), (np.full(lost.sum(), never), row[lost])
    for place, change in ((found, {}), (missed, {"marker": mark, "label": None})):
        axes.plot(*place[:: -1 if upright else 1], **style | change)


def cells(axes: Axes, colours, written=None, *, rows, columns, form="{:g}", never="–", **image):
    """A map of few cells with a number in each, black or white by the cell's lightness.

    ValueError if the shapes differ.

    Parameters
    ----------
    colours : array of shape (n_rows, n_columns)
        What is shown as colour; what is not finite stays grey.
    written : array of the same shape, optional
        Texts, or numbers written by ``form`` (``never`` for inf and nan); ``colours`` by default.
    rows, columns : sequences
        The parameter along each axis, upwards and rightwards.
    **image
        For ``imshow``, such as ``vmin`` and ``cmap``.

    Returns
    -------
    matplotlib image
        For a colour bar.
    """
    written = np.asarray(colours if written is None else written)
    colours = np.asarray(colours, dtype=float)
    if not colours.shape == written.shape == (len(rows), len(columns)):
        raise ValueError(
            f"colours and written have shapes {colours.shape} and {written.shape}: "
            f"must be {(len(rows), len(columns))}, as rows and columns are"
        )
    drawn = axes.imshow(colours, **{"origin": "lower", "aspect": "auto"} | image)
    axes.set_facecolor("#d9d9d9")
    dark = drawn.to_rgba(colours)[..., :3] @ [0.299, 0.587, 0.114] < 0.5
    for place, value in np.ndenumerate(written):
        text = value if isinstance(value, str) else form.format(value)
        text = text if isinstance(value, str) or np.isfinite(value) else never
        ink = "white" if dark[place] and np.isfinite(colours[place]) else "black"
        axes.text(*place[::-1], text, ha="center", va="center", fontsize=7.5, color=ink)
    for ticks, labels in ((axes.set_xticks, columns), (axes.set_yticks, rows)):
        ticks(range(len(labels)), [one if isinstance(one, str) else f"{one:g}" for one in labels])
    axes.grid(visible=False)
    return drawn


def legend_below(figure: Figure, **options) -> None:
    """Legend below the panels: what they label, each label once; ``options`` as ``ncols``."""
    entries = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    options = {"loc": "outside lower center", "ncols": len(entries)} | options
    figure.legend([*entries.values()], [*entries], **options)


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


def tidy_each(label: str, sources: Mapping[str, Mapping]) -> list[dict[str, np.ndarray]]:
    """Tables for :func:`publish` of several sources' curves, by the value of ``label``.

    ``sources`` is such as ``{"theory": {0.1: curves, …}, "runs": {…}}``.
    """
    return [
        tidy(curves, **{label: value, "source": source})
        for source, group in sources.items()
        for value, curves in group.items()
    ]


def publish(figure: Figure, name: str, *tables: Mapping) -> None:
    """Show a figure and hand over its data.

    ValueError if there is no table, a table has no array, or its arrays differ in length.

    Parameters
    ----------
    name : str
        The figure's label, as in the cell's ``mystnb`` metadata; the CSV is called after it.
    *tables : mappings from column to scalar or 1-D array
        Arrays of one mapping have one length; scalars are repeated.  Mappings are stacked, and a
        column that one of them lacks stays empty there.
    """
    rows = [row for table in tables for row in _rows(table)]
    if not rows:
        raise ValueError(f"tables of {name} = {tables!r}: must have at least one row")
    if folder := os.environ.get(DATA_FOLDER):
        _write(Path(folder) / f"{name}.csv", rows)
    plt.show()
    plt.close(figure)


def rests_on(*stored, live: Mapping[str, bool] | None = None) -> None:
    """Say in a line under a figure which stored results it rests on, and whether they still hold.

    Parameters
    ----------
    *stored : loaded results
        Whatever has a ``note``, which differs between versions: the notebooks' tests let it.
    live : mapping from str to bool
        What ran again in the chapter, and whether it agrees (:func:`grokbook.results.agree`).
    """
    notes = " ".join(one.note for one in stored)
    found = [f"{what}: {'yes' if agrees else 'NO'}" for what, agrees in (live or {}).items()]
    check = f"Live run agrees with the stored one: {', '.join(found)}." if found else ""
    shown = f'<span class="measured">{html.escape(notes)}</span> {html.escape(check)}'
    plain = f"⟦{notes}⟧ {check}".rstrip()
    display({"text/html": f'<p class="rests-on">{shown}</p>', "text/plain": plain}, raw=True)


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


def _central(band: float) -> tuple[float, float, float]:
    validate.number("band", band, at_least=0, at_most=1)
    return (1 - band) / 2, 0.5, (1 + band) / 2


def _clock(step):
    # A log axis has no zero: the start of training is drawn at step 1/2.
    return np.maximum(step, 0.5)


def _time_axis(ax: Axes) -> None:
    ax.set_xscale("log")
    ax.set_xlabel("step")
