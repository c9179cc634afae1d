"""Stored results: what is written, and that loading refuses what does not fit."""

import json

import numpy as np
import pytest

from grokbook import __main__ as commands
from grokbook import store, sweep_grid
from grokbook.curves import crossing_time

DECLARED = {"step": [1.0, 2.0, 4.0], "values": [0.1, 0.6, 0.9], "level": 0.5, "hold": 0}


def crossing(**parameters):
    """Stand-in for a computation: a mapping of arrays."""
    return {"time": crossing_time(**parameters), "grid": np.arange(6.0).reshape(2, 3)}


@pytest.fixture
def run(monkeypatch):
    # A stored function must belong to the package; this one stands in for one that does.
    monkeypatch.setattr(crossing, "__module__", "grokbook.curves")
    return store.StoredRun("a-run", crossing, DECLARED, "a crossing", 0.1)


def rewrite(folder, **changes):
    path = folder / "a-run.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


def test_round_trip_with_provenance(run, tmp_path):
    path = store.make(run, tmp_path)
    stored = store.load("a-run", tmp_path, run=run)
    assert stored["time"] == crossing_time(**DECLARED)
    assert stored["grid"].shape == (2, 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a-run.json", "a-run.npz"]
    wanted = {"arrays", "command", "commit", "cpu", "cpu_seconds", "date", "function", "name"}
    wanted |= {"parameters", "schema", "sha256", "source", "versions", "wall_seconds"}
    assert set(stored.provenance) == wanted
    assert "python -m grokbook run a-run" in stored.note
    assert "Made with" not in stored.note
    assert path.read_bytes() == store.make(run, tmp_path).read_bytes()


def test_a_wrong_checksum_is_refused(run, tmp_path):
    path = store.make(run, tmp_path)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match=r"store 'a-run': sha256 = .*: must be .*remake it with"):
        store.load("a-run", tmp_path, run=run)


@pytest.mark.parametrize(
    "changes",
    [{"schema": 0}, {"function": "grokbook.curves.other"}, {"parameters": {"level": 0.9}}],
)
def test_another_schema_function_or_parameter_is_refused(run, tmp_path, changes):
    store.make(run, tmp_path)
    rewrite(tmp_path, **changes)
    with pytest.raises(ValueError, match=f"store 'a-run': {next(iter(changes))} = "):
        store.load("a-run", tmp_path, run=run)


def test_changed_shapes_are_refused(run, tmp_path):
    store.make(run, tmp_path)
    rewrite(tmp_path, arrays={"time": ["float64"]})
    with pytest.raises(ValueError, match="arrays"):
        store.load("a-run", tmp_path, run=run)


def test_another_version_or_source_is_said_in_one_line(run, tmp_path):
    store.make(run, tmp_path)
    facts = json.loads((tmp_path / "a-run.json").read_text("utf-8"))
    rewrite(tmp_path, versions=facts["versions"] | {"numpy": "1.0"}, source="other")
    note = store.load("a-run", tmp_path, run=run).note
    assert "numpy 1.0, now " in note
    assert "another state of its source" in note
    assert "\n" not in note


def test_what_is_missing_or_unknown_is_refused(run, tmp_path):
    with pytest.raises(ValueError, match="not there; make it with: python -m grokbook run a-run"):
        store.load("a-run", tmp_path, run=run)
    with pytest.raises(ValueError, match="name = 'nothing': must be one of"):
        store.load("nothing", tmp_path)
    with pytest.raises(ValueError, match="must be an existing folder"):
        store.load("a-run", tmp_path / "none", run=run)


def test_a_failing_run_leaves_nothing_behind(tmp_path):
    def fail():
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        store.make(store.StoredRun("bad", fail, {}, "", 0), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_every_stored_file_is_declared_and_loads():
    folder, known = store.DATA, store.catalogue()
    sweeps = sweep_grid.catalogue().values()
    finished = {f"{one.name}-{size}" for one in sweeps for size in one.grids}
    assert {path.stem for path in folder.glob("*.npz")} - finished == set(known)
    for name in known:
        assert store.load(name).arrays
        assert (folder / f"{name}.npz").stat().st_size < 2_000_000


def test_the_command_lists_makes_and_refuses(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(store, "catalogue", lambda: {"a-run": run})
    assert commands.main(["run", "--out", str(tmp_path)]) == 0
    assert "not made" in capsys.readouterr().out
    assert commands.main(["run", "a-run", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "a-run.npz").is_file()
    assert commands.main(["run", "b-run", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "error: no stored run 'b-run'; there are: a-run\n"
    assert commands.main(["run", "--out", str(tmp_path / "none")]) == 2
    with pytest.raises(SystemExit, match="2"):
        commands.main(["walk"])


def test_the_command_reports_a_failing_run_in_one_line(tmp_path, monkeypatch, capsys):
    def fail():
        raise ValueError("level = 2: must be < 1")

    bad = store.StoredRun("bad", fail, {}, "", 0)
    monkeypatch.setattr(store, "catalogue", lambda: {"bad": bad})
    assert commands.main(["run", "bad", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "error: bad: ValueError: level = 2: must be < 1\n"
