"""The house style: what a figure publishes, and what it refuses."""

import csv

import matplotlib
import numpy as np
import pytest

matplotlib.use("agg")  # unit tests draw without a screen

from grokbook import figures
from grokbook.curves import Curves

STEP = np.array([0.0, 1.0, 10.0, 100.0])


def curves(*lead):
    rising = np.broadcast_to(np.linspace(0, 1, 4), (*lead, 4))
    return Curves(STEP, 1 - rising / 2, 1 - rising / 2, rising, rising)


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


@pytest.mark.parametrize("table", [{}, {"a": 1.0}, {"a": [1, 2], "b": [1]}, {"a": [[1, 2]]}])
def test_publish_refuses_tables_that_are_none(table):
    figure, _ = figures.panels(1)
    with pytest.raises(ValueError, match="table"):
        figures.publish(figure, "fig-a", table)
    with pytest.raises(ValueError, match="at least one row"):
        figures.publish(figure, "fig-a")


def test_train_and_test_differ_in_colour_and_in_dashes():
    figure, ax = figures.panels(1)
    figures.overlay(ax, curves(), curves(3), "loss", every=2)
    lines = {line.get_linestyle() for line in ax.lines if line.get_marker() == "None"}
    colours = {line.get_color() for line in ax.lines if line.get_marker() == "None"}
    assert lines == {"--", "-"}
    assert colours == {figures.TRAIN, figures.TEST}
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
    assert len(ax.lines) == 1
    figures.mark_times(ax, 10.0, 100.0)
    assert len(ax.patches) == 1


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
