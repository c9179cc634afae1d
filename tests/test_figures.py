"""The house style: what a figure publishes, and what it refuses."""

import csv
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest

matplotlib.use("agg")  # unit tests draw without a screen

from grokbook import figures
from grokbook.curves import Curves

STEP = np.array([0.0, 1.0, 10.0, 100.0])


def curves(*lead):
    rising = np.broadcast_to(np.linspace(0, 1, 4), (*lead, 4))
    return Curves(STEP, 1 - rising / 2, 2 - rising, rising, rising / 2)


@pytest.fixture(autouse=True)
def style():
    figures.use_style()
    yield
    figures.plt.close("all")


def test_publish_writes_the_data_once_asked(tmp_path, monkeypatch):
    figure, _ = figures.panels(1)
    table = figures.tidy(curves(), aspect_ratio=0.9, source="theory")
    runs = figures.tidy(curves(5), aspect_ratio=0.9, source="runs")
    figures.publish(figure, "fig-nowhere", table)
    monkeypatch.setenv(figures.DATA_FOLDER, str(tmp_path))
    figures.publish(figure, "fig-a", table, runs)
    assert [path.name for path in tmp_path.iterdir()] == ["fig-a.csv"]
    with (tmp_path / "fig-a.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert rows[1]["train_accuracy"] == "0.333333"
    assert rows[1]["source"] == "theory"
    assert rows[1]["train_accuracy_q50"] == ""
    assert rows[5]["train_accuracy_q50"] == "0.333333"


def test_columns_of_many_runs_are_their_quantiles():
    share = np.multiply.outer(np.arange(10, -1, -1) / 10, [0.25, 0.5, 0.75, 1])
    table = figures.tidy(Curves(STEP, 4 * share, 3 * share, share, share / 2))
    factors = {"train_loss": 4, "test_loss": 3, "train_accuracy": 1, "test_accuracy": 0.5}
    for name, factor in factors.items():
        for percent in (10, 50, 90):
            wanted = factor * percent / 100 * share[0]
            np.testing.assert_allclose(table[f"{name}_q{percent}"], wanted)


@pytest.mark.parametrize("table", [{}, {"a": 1.0}, {"a": [1, 2], "b": [1]}, {"a": [[1, 2]]}])
def test_publish_refuses_tables_that_are_none(table):
    figure, _ = figures.panels(1)
    with pytest.raises(ValueError, match="table"):
        figures.publish(figure, "fig-a", table)
    with pytest.raises(ValueError, match="at least one row"):
        figures.publish(figure, "fig-a")


def test_train_and_test_differ_in_colour_and_in_dashes():
    figure, ax = figures.panels(1)
    theory, runs = curves(), Curves(STEP, *(k * np.ones((3, 4)) for k in (5, 6, 0, 0)))
    figures.overlay(ax, theory, runs, "loss", every=2)
    train_runs, test_runs, train, test = ax.lines
    assert [line.get_linestyle() for line in (train, test)] == ["--", "-"]
    for line, colour, values in (
        (train, figures.TRAIN, theory.train_loss),
        (test, figures.TEST, theory.test_loss),
        (train_runs, figures.TRAIN, [5] * 4),
        (test_runs, figures.TEST, [6] * 4),
    ):
        assert line.get_color() == colour
        np.testing.assert_array_equal(line.get_ydata(), values)
    assert ax.get_xscale() == "log"
    figures.key(figure, "train", "test", "runs", "band", "delay", "theory")
    assert len(figure.legends) == 1


def test_colours_survive_greyscale():
    def lightness(colour):
        return np.dot(matplotlib.colors.to_rgb(colour), [0.299, 0.587, 0.114])

    assert abs(lightness(figures.TRAIN) - lightness(figures.TEST)) > 0.05
    steps = np.diff([lightness(colour) for colour in figures.SEQUENCE])
    assert np.all(steps > 0.05)


def test_times_that_never_come_are_not_drawn():
    _, ax = figures.panels(1)
    figures.mark_times(ax, np.inf, np.inf)
    assert not ax.lines
    assert not ax.patches
    figures.mark_times(ax, 10.0, np.inf)
    assert not ax.patches
    figures.mark_times(ax, 20.0, 100.0)
    places = [(*line.get_xdata(), line.get_color()) for line in ax.lines]
    train, test = figures.TRAIN, figures.TEST
    assert places == [(10, 10, train), (20, 20, train), (100, 100, test)]
    (shade,) = ax.patches
    ends = ax.transData.transform([(20, 0), (100, 0)])[:, 0]
    np.testing.assert_allclose(shade.get_extents().intervalx, ends)


def test_bad_input():
    _, ax = figures.panels(1)
    with pytest.raises(ValueError, match="record = 'weight': must be one of"):
        figures.draw_theory(ax, curves(), "weight")
    with pytest.raises(ValueError, match="band = 1"):
        figures.draw_runs(ax, curves(3), "loss", band=1)
    with pytest.raises(ValueError, match="entries = 'sun'"):
        figures.key(ax.figure, "sun")
    with pytest.raises(ValueError, match="n_columns = 0"):
        figures.panels(0)
    with pytest.raises(ValueError, match=r"values has shape \(4, 3\): must end in 4 steps"):
        figures.seeds(ax, STEP, np.ones((4, 3)))


def test_items_get_a_style_each():
    found = figures.styled({"a": 1, "b": 2}, marker="os^")
    assert found == [
        ("a", 1, {"color": figures.SEQUENCE[0], "marker": "o"}),
        ("b", 2, {"color": figures.SEQUENCE[1], "marker": "s"}),
    ]
    assert figures.styled({"a": 1}, color=["red"])[0][2] == {"color": "red"}
    with pytest.raises(ValueError, match=r"marker = 'o': must have a value for each of 2"):
        figures.styled({"a": 1, "b": 2}, marker="o")


def test_each_seed_is_a_thin_line_that_starts_before_step_one():
    _, axes = figures.panels(1)
    values = np.arange(24.0).reshape(2, 3, 4)
    figures.seeds(axes, STEP, values, color="red", lw=0.5, label="seeds")
    assert len(axes.lines) == 6
    np.testing.assert_array_equal([line.get_ydata() for line in axes.lines], values.reshape(6, 4))
    assert {line.get_linewidth() for line in axes.lines} == {0.5}
    assert list(axes.lines[0].get_xdata()) == [0.5, 1, 10, 100]
    assert axes.get_legend_handles_labels()[1] == ["seeds"]
    assert axes.get_xscale() == "log"
    figures.seeds(axes, STEP, values[0, 0], start=5)
    assert list(axes.lines[-1].get_xdata()) == [5, 5, 10, 100]


@pytest.mark.parametrize(("band", "ends"), [(0.8, (1, 9)), (1, (0, 10)), (0, (5, 5))])
def test_median_and_band_of_the_seeds(band, ends):
    _, axes = figures.panels(1)
    figures.seeds(axes, STEP, np.arange(11.0)[:, None] + STEP, band=band, color="red", label="x")
    (line,), (shade,) = axes.lines, axes.collections
    np.testing.assert_allclose(line.get_ydata(), 5 + STEP)
    corners = shade.get_paths()[0].vertices
    np.testing.assert_allclose([corners[:, 1].min(), corners[:, 1].max() - 100], ends)
    assert matplotlib.colors.to_hex(shade.get_facecolor()[0]) == matplotlib.colors.to_hex("red")


def test_bars_are_quantiles_and_the_infinite_is_not_drawn():
    _, axes = figures.panels(1)
    draws = [np.arange(11.0) ** 2, [2.0, np.nan, 4.0]]
    np.testing.assert_allclose(
        figures.bars(axes, [1, 2], draws, label="draws"), [[1, 2.2], [25, 3], [81, 3.8]]
    )
    (drawn,) = axes.containers
    segments = np.array(drawn.lines[2][0].get_segments())
    np.testing.assert_allclose(segments[:, :, 1], [[1, 81], [2.2, 3.8]])
    assert axes.get_legend_handles_labels()[1] == ["draws"]
    late = figures.bars(axes, [1], [[1.0, 2, 3, np.inf, np.inf]], method="nearest")
    assert late.ravel().tolist() == [1, 3, np.inf]


@pytest.mark.parametrize("upright", [False, True])
def test_dots_have_a_place_for_never(upright):
    _, axes = figures.panels(1)
    style = {"never": 50, "mark": ">", "upright": upright, "ms": 3, "label": "runs"}
    figures.dots(axes, [1.0, np.inf, np.nan, 3.0], 2, **style)
    found, lost = (line.get_xydata()[:, :: -1 if upright else 1] for line in axes.lines)
    np.testing.assert_array_equal(found, [[1, 2], [np.nan, 2], [3, 2]])
    np.testing.assert_array_equal(lost, [[50, 2]])
    assert [line.get_marker() for line in axes.lines] == ["o", ">"]
    assert {line.get_markersize() for line in axes.lines} == {3}
    assert axes.get_legend_handles_labels()[1] == ["runs"]
    with pytest.raises(ValueError, match="never = None: must be a number, as 1 values are inf"):
        figures.dots(axes, [1.0, np.inf], 0)


def test_a_map_has_its_numbers_in_readable_ink():
    _, axes = figures.panels(1)
    shown, written = np.array([[0.0, 1.0], [0.5, np.nan]]), np.array([[1, 20.4], [np.inf, 3]])
    style = {"rows": (0.1, 1), "columns": ("a", "b"), "cmap": "gray", "vmin": 0, "vmax": 1}
    image = figures.cells(axes, shown, written, form="{:.0f}", never="never", **style)
    np.testing.assert_array_equal(np.ma.filled(image.get_array(), np.nan), shown)
    texts = {one.get_position(): (one.get_text(), one.get_color()) for one in axes.texts}
    assert texts[0, 0] == ("1", "white")
    assert texts[1, 0] == ("20", "black")
    assert texts[0, 1][0] == "never"
    assert texts[1, 1] == ("3", "black")
    assert [one.get_text() for one in axes.get_yticklabels()] == ["0.1", "1"]
    assert [one.get_text() for one in axes.get_xticklabels()] == ["a", "b"]
    assert image.origin == "lower"


def test_a_map_writes_its_own_values_or_texts():
    _, axes = figures.panels(1)
    figures.cells(axes, [[0.25, np.inf]], rows=[1], columns=[1, 2])
    assert [one.get_text() for one in axes.texts] == ["0.25", "–"]
    figures.cells(axes, [[1, 2]], [["C3", "G"]], rows=[1], columns=[1, 2])
    assert [one.get_text() for one in axes.texts][2:] == ["C3", "G"]
    with pytest.raises(ValueError, match=r"must be \(1, 3\), as rows and columns are"):
        figures.cells(axes, [[1, 2]], rows=[1], columns=[1, 2, 3])


def test_a_legend_below_names_what_any_panel_labels_once():
    figure, (left, right) = figures.panels(2)
    left.plot([1], [1], label="left")
    for axes, colour in ((left, "red"), (right, "blue")):
        axes.plot([1], [1], color=colour, label="both")
    right.plot([1], [1], label="right")
    figures.legend_below(figure, fontsize=8)
    (legend,) = figure.legends
    assert [one.get_text() for one in legend.get_texts()] == ["left", "both", "right"]
    assert legend.get_lines()[1].get_color() == "red"
    assert legend._ncols == 3
    assert legend.get_texts()[0].get_fontsize() == 8
    figures.legend_below(figure, ncols=1)
    assert figure.legends[1]._ncols == 1


def test_tables_of_several_sources():
    one, many = curves(), curves(5)
    tables = figures.tidy_each("ratio", {"theory": {0.1: one, 0.9: one}, "runs": {0.9: many}})
    told = [(table["ratio"], table["source"]) for table in tables]
    assert told == [(0.1, "theory"), (0.9, "theory"), (0.9, "runs")]
    assert "test_loss" in tables[0]
    assert "test_loss_q50" in tables[2]


def test_what_a_figure_rests_on_is_said_in_one_line(monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "display", lambda bundle, raw: shown.append(bundle))
    stored = SimpleNamespace(note="Stored result: 5 < 6 CPU seconds.")
    figures.rests_on(stored, stored, live={"fitted within two records": True, "norm": False})
    assert shown[0]["text/plain"] == (
        "⟦Stored result: 5 < 6 CPU seconds. Stored result: 5 < 6 CPU seconds.⟧ "
        "Live run agrees with the stored one: fitted within two records: yes, norm: NO."
    )
    assert '<span class="measured">Stored result: 5 &lt; 6' in shown[0]["text/html"]
    figures.rests_on(stored)
    assert shown[1]["text/plain"] == "⟦Stored result: 5 < 6 CPU seconds.⟧"


def test_bad_bands():
    _, axes = figures.panels(1)
    with pytest.raises(ValueError, match=r"band = 1\.5"):
        figures.seeds(axes, STEP, np.ones((3, 4)), band=1.5)
    with pytest.raises(ValueError, match="band = -1"):
        figures.bars(axes, [1], [[1.0]], band=-1)
