"""Stored results: what is written, and that loading refuses what does not fit."""

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from grokbook import __main__ as commands
from grokbook import parts, randomness, results, source
from grokbook.curves import crossing_time

DECLARED = {"step": [1.0, 2.0, 4.0], "values": [0.1, 0.6, 0.9], "level": 0.5, "hold": 0}


def crossing(**parameters):
    """Stand-in for a computation: a mapping of arrays."""
    return {"time": crossing_time(**parameters), "grid": np.arange(6.0).reshape(2, 3)}


@pytest.fixture
def run(monkeypatch):
    # A stored function must belong to the package; this one stands in for one that does.
    monkeypatch.setattr(crossing, "__module__", "grokbook.curves")
    return results.StoredRun("a-run", crossing, DECLARED, "a crossing", 0.1)


def rewrite(folder, **changes):
    path = folder / "a-run.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


def test_round_trip_with_provenance(run, tmp_path):
    path = results.make(run, tmp_path)
    stored = results.load("a-run", tmp_path, run=run)
    assert stored["time"] == crossing_time(**DECLARED)
    assert stored["grid"].shape == (2, 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a-run.json", "a-run.npz"]
    wanted = {"arrays", "command", "commit", "cpu", "cpu_seconds", "date", "function", "name"}
    wanted |= {"instructions", "parameters", "schema", "sha256", "source", "versions"}
    wanted |= {"wall_seconds"}
    assert set(stored.provenance) == wanted
    assert "python -m grokbook run a-run" in stored.note
    assert "Made with" not in stored.note
    assert stored.provenance["versions"]["grokbook"] == results.grokbook.__version__
    assert path.read_bytes() == results.make(run, tmp_path).read_bytes()


def test_a_wrong_checksum_is_refused(run, tmp_path):
    path = results.make(run, tmp_path)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match=r"store 'a-run': sha256 = .*: must be .*remake it with"):
        results.load("a-run", tmp_path, run=run)


@pytest.mark.parametrize(
    "changes",
    [{"schema": 0}, {"function": "grokbook.curves.other"}, {"parameters": {"level": 0.9}}],
)
def test_another_schema_function_or_parameter_is_refused(run, tmp_path, changes):
    results.make(run, tmp_path)
    rewrite(tmp_path, **changes)
    with pytest.raises(ValueError, match=f"store 'a-run': {next(iter(changes))} = "):
        results.load("a-run", tmp_path, run=run)


def test_a_parameter_in_another_rounding_is_the_same_one(monkeypatch, tmp_path):
    """The steps of a log axis differ in their last digit between processors."""
    monkeypatch.setattr(settled, "__module__", "grokbook.curves")
    given = {"setting": Setting(0.1, rates=(0.1, 3.981071705534973)), "more": ()}
    run = results.StoredRun("a-run", settled, given, "", 0.1)
    results.make(run, tmp_path)
    for rate, same in ((3.9810717055349733, True), (3.98107170554, False), (4.0, False)):
        other = replace(run, parameters={**given, "setting": Setting(0.1, rates=(0.1, rate))})
        if same:
            results.load("a-run", tmp_path, run=other)
        else:
            with pytest.raises(ValueError, match="parameters"):
                results.load("a-run", tmp_path, run=other)


def test_changed_shapes_are_refused(run, tmp_path):
    results.make(run, tmp_path)
    rewrite(tmp_path, arrays={"time": ["float64"]})
    with pytest.raises(ValueError, match="arrays"):
        results.load("a-run", tmp_path, run=run)


def test_another_version_or_source_is_said_in_one_line(run, tmp_path):
    results.make(run, tmp_path)
    facts = json.loads((tmp_path / "a-run.json").read_text("utf-8"))
    rewrite(tmp_path, versions=facts["versions"] | {"numpy": "1.0"}, source="other")
    note = results.load("a-run", tmp_path, run=run).note
    assert "numpy 1.0, now " in note
    assert "another state of its source" in note
    assert "\n" not in note


def test_a_gpu_that_helped_is_said(run, tmp_path):
    results.make(run, tmp_path)
    assert "GPU" not in results.load("a-run", tmp_path, run=run).note
    rewrite(tmp_path, accelerator="a card")
    note = results.load("a-run", tmp_path, run=run).note
    assert "CPU seconds and as many of a GPU (a card) on " in note


@dataclass(frozen=True)
class Setting:
    """Stand-in for the setting of a part."""

    level: float
    rates: tuple[float, ...] = (0.1, 0.2)
    step: object = None


def settled(setting, more):
    """Stand-in for a computation on settings."""
    return {"level": np.array([one.level for one in (setting, *more)])}


def test_a_parameter_that_is_no_json_value_is_recorded_by_name_and_fields(monkeypatch, tmp_path):
    monkeypatch.setattr(settled, "__module__", "grokbook.curves")
    given = {
        "setting": Setting(0.5, step=settled),
        "more": (Setting(0.1), Setting(np.float64(0.2), step=partial(settled, more=[]))),
    }
    run = results.StoredRun("a-run", settled, given, "", 0.1)
    results.make(run, tmp_path)
    found = results.load("a-run", tmp_path, run=run)
    assert found["level"].tolist() == [0.5, 0.1, 0.2]
    said = found.provenance["parameters"]
    assert said["setting"] == {"Setting": {"level": 0.5, "rates": [0.1, 0.2], "step": "settled"}}
    assert said["more"][1]["Setting"]["step"] == {"settled": [{"more": []}]}
    other = replace(run, parameters={**given, "setting": Setting(0.6)})
    with pytest.raises(ValueError, match=r"'a-run': parameters = .*: must be .*'level': 0.6"):
        results.load("a-run", tmp_path, run=other)
    for bad in (lambda: 0, Setting(0.5, step=lambda: 0), object()):
        with pytest.raises(ValueError, match="must be a value that can be written down"):
            results.make(replace(run, parameters={**given, "setting": bad}), tmp_path)
    assert results.load("a-run", tmp_path, run=run)["level"].size == 3


def test_what_is_missing_or_unknown_is_refused(run, tmp_path):
    with pytest.raises(ValueError, match="not there; make it with: python -m grokbook run a-run"):
        results.load("a-run", tmp_path, run=run)
    with pytest.raises(ValueError, match="no stored run 'nothing'; there are: atlas-freezing"):
        results.load("nothing", tmp_path)
    # As an unset variable of a shell gives it: not the book's own folder.
    with pytest.raises(ValueError, match="folder = '': must be an existing folder"):
        parts.output_folder("")
    with pytest.raises(ValueError, match="must be an existing folder"):
        results.load("a-run", tmp_path / "none", run=run)


def test_a_failing_run_leaves_nothing_behind(tmp_path):
    def fail():
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        results.make(results.StoredRun("bad", fail, {}, "", 0), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_every_stored_file_is_declared_and_loads():
    folder, known = parts.DATA, parts.declared("runs")[0]
    sweeps = parts.declared("sweeps")[0].values()
    finished = {f"{one.name}-{size}" for one in sweeps for size in one.grids}
    assert {path.stem for path in folder.glob("*.npz")} - finished == set(known)
    for name in known:
        assert results.load(name).arrays
        assert (folder / f"{name}.npz").stat().st_size < 2_000_000


def test_the_command_lists_makes_and_refuses(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(parts, "declared", lambda *_: ({"a-run": run}, {}))
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

    bad = results.StoredRun("bad", fail, {}, "", 0)
    monkeypatch.setattr(parts, "declared", lambda *_: ({"bad": bad}, {}))
    assert commands.main(["run", "bad", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "error: bad: ValueError: level = 2: must be < 1\n"


# Labels


def labelled(seeds):
    """Stand-in for a run of several seeds that says what is along its axes."""
    loss = np.arange(len(seeds) * 3.0).reshape(-1, 3)
    return {"step": ("step", [0, 10, 100]), "loss": (("seed", "step"), loss), "seed": seeds}


def unlabelled(seeds):
    """The same arrays, of which the declaration says it."""
    found = labelled(seeds)
    return found | {"step": found["step"][1], "loss": found["loss"][1]}


@pytest.mark.parametrize("function", [labelled, unlabelled])
def test_a_result_is_selected_by_label(monkeypatch, tmp_path, function):
    monkeypatch.setattr(function, "__module__", "grokbook.curves")
    says = {"loss": {"units": "nats"}}
    run = results.StoredRun("a-run", function, {"seeds": [3, 5]}, "losses", 0.1, says=says)
    if function is unlabelled:
        run = replace(run, dims={"loss": ("seed", "step")})
    results.make(run, tmp_path)
    found = results.load("a-run", tmp_path, run=run)
    np.testing.assert_array_equal(found["loss"], [[0, 1, 2], [3, 4, 5]])
    assert found["step"].tolist() == [0, 10, 100]
    assert found.sel(seed=5, step=10)["loss"] == 4
    assert set(found.dataset.coords) == {"seed", "step"}
    assert found.dataset.loss.units == "nats"
    assert found.dataset.note == found.note
    assert ("dims" in found.provenance) == (function is labelled)


def test_arrays_without_labels_are_in_the_dataset_too(run, tmp_path):
    results.make(run, tmp_path)
    found = results.load("a-run", tmp_path, run=run).dataset
    assert (found.time.dims, found.grid.dims) == ((), ("grid_0", "grid_1"))


def test_dimensions_that_do_not_fit_are_refused(tmp_path):
    run = results.StoredRun("a-run", lambda: {"loss": (("seed", "step"), [1.0])}, {}, "", 0.1)
    with pytest.raises(ValueError, match=r"loss: has 1 dimensions, not \['seed', 'step'\]"):
        results.make(run, tmp_path)
    assert list(tmp_path.iterdir()) == []


# Other seeds


def sample(seeds, size):
    """Stand-in for a run of several seeds."""
    return {"draw": np.array([randomness.generator(seed).standard_normal(size) for seed in seeds])}


@pytest.fixture
def seeded(monkeypatch):
    monkeypatch.setattr(sample, "__module__", "grokbook.curves")
    run = results.StoredRun("a-run", sample, {"seeds": [0, 1], "size": 3}, "draws", 0.1)
    one = results.StoredRun("one", crossing, {"seed": 0}, "one seed", 0.1)
    none = results.StoredRun("none", crossing, DECLARED, "no seed", 0.1)
    known = {"a-run": run, "one": one, "none": none}
    monkeypatch.setattr(parts, "declared", lambda *_: (known, {}))
    return run


def command(capsys, *arguments):
    code = commands.main([*map(str, arguments)])
    return code, *capsys.readouterr()


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("100-104", [100, 101, 102, 103, 104]),
        ("3,5,9", [3, 5, 9]),
        ("7", [7]),
        ("0-1,5", [0, 1, 5]),
    ],
)
def test_seeds_are_read_from_ranges_and_lists(text, numbers):
    assert commands.parse_seeds(text) == numbers


def test_other_seeds_in_any_number(seeded, tmp_path, capsys):
    code, _, err = command(capsys, "run", "a-run", "--seeds", "100-102", "--out", tmp_path)
    assert (code, err) == (0, "")
    other = seeded.with_seeds([100, 101, 102])
    found = results.load("a-run", tmp_path, run=other)
    np.testing.assert_array_equal(found["draw"], sample([100, 101, 102], 3)["draw"])
    assert found.provenance["parameters"]["seeds"] == [100, 101, 102]
    assert found.provenance["command"] == (
        "python -m grokbook run a-run --seeds 100,101,102 --out DIR"
    )
    with pytest.raises(ValueError, match=r"store 'a-run': parameters = .*100.*: must be "):
        results.load("a-run", tmp_path)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["a-run", "--seeds", "4-2"], "seeds = '4-2': must be like 100-104 or 3,5,9"),
        (["a-run", "--seeds", "0-9999999"], "seeds = '0-9999999': must be different whole numbers"),
        (["a-run", "--seeds", "x"], "seeds = 'x': must be like"),
        (["a-run", "--seeds", "-1"], "seeds = '-1': must be like"),
        (["a-run", "--seeds", "٣"], "must be like"),
        (["a-run", "--seeds", "3,3"], "seeds = [3, 3]: must be different whole numbers from 0 to"),
        (["a-run", "--seeds", "9999999"], "must be different whole numbers from 0 to 1000002"),
        (["one", "--seeds", "3,5"], "seeds = [3, 5]: 'one' takes one seed"),
        (["none", "--seeds", "3"], "seeds = [3]: 'none' takes no seeds"),
        (["--seeds", "3"], "--seeds needs the NAME of a run"),
    ],
)
def test_bad_seeds_are_refused_in_one_line(seeded, tmp_path, capsys, arguments, line):
    code, _, err = command(capsys, "run", *arguments, "--out", tmp_path)
    assert (code, err.count("\n")) == (2, 1)
    assert line in err
    assert list(tmp_path.iterdir()) == []


def test_other_seeds_never_replace_the_books_results(seeded, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(parts, "DATA", tmp_path)
    for out in ([], ["--out", tmp_path]):
        code, _, err = command(capsys, "run", "a-run", "--seeds", "3", *out)
        assert (code, err.count("\n")) == (2, 1)
        assert "--out" in err
    monkeypatch.setenv(randomness.VARIABLE, "7")
    code, _, err = command(capsys, "run", "a-run")
    assert (code, err.count("\n")) == (2, 1)
    assert "GROKBOOK_SEED_SHIFT=7: must not replace the book's results" in err
    assert list(tmp_path.iterdir()) == []


def test_every_stored_run_takes_other_seeds():
    for run in map(results.stored, parts.declared("runs")[0].values()):
        assert run.with_seeds([100]).parameters != run.parameters


def test_shifted_results_load_under_their_shift_only(seeded, tmp_path, monkeypatch):
    results.make(seeded, tmp_path)
    plain = results.load("a-run", tmp_path)
    assert "seed_shift" not in plain.provenance
    monkeypatch.setenv(randomness.VARIABLE, "2")
    np.testing.assert_array_equal(results.load("a-run", tmp_path)["draw"], plain["draw"])
    results.make(seeded, tmp_path)
    shifted = results.load("a-run", tmp_path)
    assert shifted.provenance["seed_shift"] == 2
    assert "Seeds shifted by 2." in shifted.note
    assert np.all(shifted["draw"] != plain["draw"])
    for other in ("0", "3"):
        monkeypatch.setenv(randomness.VARIABLE, other)
        with pytest.raises(ValueError, match=r"'a-run': its seeds were shifted: .*SHIFT=2"):
            results.load("a-run", tmp_path)


@pytest.mark.parametrize(
    ("live", "stored", "bound", "agrees"),
    [
        ([1.0, 2.0], [1.5, 2.0], {"within": 0.5}, True),
        ([1.0, 2.0], [1.6, 2.0], {"within": 0.5}, False),
        ([np.inf, np.nan, 1], [np.inf, np.nan, 1], {"within": 0}, True),
        ([np.inf, 1], [9.0, 1], {"within": 100}, False),
        ([9.0, 1], [np.inf, 1], {"factor": 100}, False),
        ([np.nan], [1.0], {"within": 100}, False),
        ([2.0, -1.0, 0.0], [1.0, -2.0, 0.0], {"factor": 2}, True),
        ([2.1], [1.0], {"factor": 2}, False),
        ([1.0], [2.1], {"factor": 2}, False),
        ([1.0], [-1.0], {"factor": 2}, False),
        ([1e-9], [0.0], {"factor": 2}, False),
        (3.0, 3.0, {"within": 0}, True),
    ],
)
def test_live_agrees_with_stored(live, stored, bound, agrees):
    assert results.agree(live, stored, **bound) is agrees


def test_agreement_needs_one_bound_and_one_shape():
    with pytest.raises(ValueError, match="must be exactly one of them"):
        results.agree(1, 1)
    with pytest.raises(ValueError, match="must be exactly one of them"):
        results.agree(1, 1, within=1, factor=1)
    with pytest.raises(ValueError, match="within or factor = -1: must be a finite number >= 0"):
        results.agree(1, 1, within=-1)
    with pytest.raises(ValueError, match=r"live has shape \(2,\): must be \(3,\)"):
        results.agree([1, 2], [1, 2, 3], within=1)
    with pytest.raises(ValueError, match="not empty"):
        results.agree([], [], within=1)


# Where results may go, and what an installed package lacks


def test_an_installed_package_is_not_written_to(seeded, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(parts, "DATA", tmp_path / "data")
    monkeypatch.setattr(source, "checkout", lambda: None)
    (tmp_path / "data").mkdir()
    for out in ([], ["--out", tmp_path / "data"]):
        code, _, err = command(capsys, "run", "a-run", *out)
        assert (code, err.count("\n")) == (2, 1)
        assert "an installed grokbook is not written to: give a folder with --out" in err
    assert command(capsys, "run", "a-run", "--out", tmp_path)[0] == 0
    assert list((tmp_path / "data").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(tmp_path, capsys, monkeypatch):
    def never():
        raise AssertionError("computed")

    run = results.StoredRun("a-run", never, {}, "", 0)
    monkeypatch.setattr(parts, "declared", lambda *_: ({"a-run": run}, {}))
    code, _, err = command(capsys, "run", "a-run", "--out", "/proc")
    assert (code, err.count("\n")) == (2, 1)
    assert "folder = '/proc': must be one to write to" in err


def test_a_run_is_found_without_the_parts_that_need_not_be_imported():
    code = "import sys; from grokbook import results; results.load('xor-full-vectors'); "
    code += "assert 'grokbook.modular' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_two_declarations_of_one_name_are_refused(monkeypatch):
    monkeypatch.setattr(parts.importlib, "import_module", lambda _: SimpleNamespace(RUNS=TWICE))
    with pytest.raises(ValueError, match="runs 'a-run': declared twice"):
        parts.declared("runs")


TWICE = (results.StoredRun("a-run", crossing, {}, "", 0.1),) * 2
