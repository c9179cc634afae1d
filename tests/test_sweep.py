"""Declarations, stores and commands of sweeps: what they hold to, and what they refuse."""

import io
import json
import os
import sqlite3
import sys
import tempfile
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sweep_functions as functions
from grokbook import __main__ as commands
from grokbook import parts, randomness, source, sweep
from grokbook.sweep import command as sweep_command
from grokbook.sweep import engine, grid
from grokbook.sweep.grid import Grid

DECLARED = parts.declared("sweeps")[0]


@pytest.fixture
def declared(tmp_path):
    (tmp_path / "place").mkdir()
    return functions.sweep(tmp_path / "place")


@pytest.fixture
def finished(declared, tmp_path, monkeypatch):
    """A folder with a finished sweep, known to the command."""
    folder = tmp_path / "out"
    folder.mkdir()
    sweep.run(declared, "small", folder)
    monkeypatch.setattr(parts, "declared", lambda *_: ({declared.name: declared}, {}))
    return folder


# Declarations


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_a_declared_sweep_runs_one_of_its_cells(name):
    one = DECLARED[name]
    axes = one.grid("small").axes
    corner = Grid({axis: values[:1] for axis, values in axes.items()}, 1, 1.0)
    found = sweep.run(replace(one, grids={"small": corner}), "small")
    assert set(found.data_vars) == set(one.outputs)
    assert all(one.grid(size).n_runs < 10**6 for size in one.grids)
    assert set(one.grids) == set(grid.SIZES)


def test_all_books_together_take_an_hour_on_two_cores_at_most():
    books = [one.grid("book") for one in DECLARED.values()]
    assert sum(one.n_runs * one.cpu_seconds for one in books) <= 2 * 3600


def test_small_grids_must_be_part_of_book_grids(declared):
    small = declared.grid("small")
    for other in (
        Grid({**small.axes, "a": [1, 2.5]}, 2, 1.0),
        Grid(small.axes, 5, 1.0),
    ):
        with pytest.raises(ValueError, match="small grid of 'a-sweep': must be part of the book"):
            replace(declared, grids=declared.grids | {"small": other})


@pytest.mark.parametrize(
    ("axes", "seeds", "line"),
    [
        ({"a": []}, 1, r"a = \[\]: must hold at least one value"),
        ({"a": [1, 1.0]}, 1, "a = .*: must not hold a value twice"),
        ({"a": [np.nan]}, 1, "a holds nan: must be finite numbers or words"),
        ({"a": [None]}, 1, "a holds None: must be finite numbers or words"),
        ({"a": [1]}, 0, "seeds = 0: must be a whole number >= 1"),
        ({"a": [1]}, [], r"seeds = \[\]: must be different whole numbers from 0 to 1000002"),
        ({}, [3, 3], r"seeds = \[3, 3\]: must be different whole numbers from 0 to 1000002"),
    ],
)
def test_a_bad_grid_is_refused(axes, seeds, line):
    with pytest.raises(ValueError, match=line):
        Grid(axes, seeds, 1.0)


def test_a_bad_declaration_is_refused(declared):
    values = functions.VALUES
    with pytest.raises(ValueError, match=r"axes: draw takes .*, not \['c'\]"):
        replace(declared, axes=declared.axes | {"c": values})
    with pytest.raises(ValueError, match=r"small axes = .*: must be those declared, "):
        replace(declared, axes={"a": values, "b": values})
    with pytest.raises(ValueError, match="name = 'A sweep': must be small letters"):
        replace(declared, name="A sweep")
    with pytest.raises(ValueError, match=r"outputs = \{\}: must name at least one"):
        replace(declared, outputs={})
    with pytest.raises(ValueError, match=r"grids = \{\}: must hold at least one size"):
        replace(declared, grids={})
    with pytest.raises(ValueError, match=r"function = .*: must be a function at the top"):
        replace(declared, function=lambda seed, a, b, place: {})
    with pytest.raises(ValueError, match=r"labels = \[\]: must hold \['step'\] too"):
        replace(declared, dims={"never": ("step",)})
    with pytest.raises(ValueError, match="dtypes = 'typo': must be one of"):
        replace(declared, dtypes={"typo": "float32"})
    with pytest.raises(ValueError, match="size = 'paper': must be one of 'small', 'book'"):
        declared.grid("paper")


def test_seeds_follow_from_parameters_and_number_alone():
    cell = {"a": 1, "b": 0.1, "c": "word"}
    seeds = {sweep.run_seed(cell, number) for number in range(100)}
    assert len(seeds) == 100
    assert min(seeds) >= 0
    same = {"c": "word", "b": np.float64(0.1), "a": 1.0}
    assert sweep.run_seed(same, 3) == sweep.run_seed(cell, 3)
    assert sweep.run_seed({"a": 0.0}, 0) == sweep.run_seed({"a": -0.0}, 0)
    for other in ({**cell, "a": 2}, {**cell, "b": np.nextafter(0.1, 1)}, {"a": 1, "b": 0.1}):
        assert sweep.run_seed(other, 3) != sweep.run_seed(cell, 3)
    # The stores of the book hang on it.
    assert sweep.run_seed({"a": 0.5}, 7) == 14545838445120613195


# What a function depends on

CODE = '''"""M."""
import numpy as np
from grokbook import curves
LEVEL = 1
OTHER = 2
def helper(x):
    """H."""
    return x * LEVEL
def function(seed, a):
    """F."""
    return {"x": helper(a) + curves.LEVEL}
GRID = [1, 2]
'''


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("GRID = [1, 2]", "GRID = [1, 2, 3]", True),
        ("GRID = [1, 2]", "GRID = [x for x in range(3)]", True),
        ("OTHER = 2", "OTHER = 3", True),
        ('"""F."""', '"""G."""  # and a note', True),
        ("LEVEL = 1", "LEVEL = 2", False),
        ("x * LEVEL", "LEVEL * x * 1", False),
        ("helper(a) +", "helper(a) -", False),
        ("from grokbook import curves", "from grokbook import validate as curves", False),
    ],
)
def test_the_fingerprint_follows_what_a_function_uses(tmp_path, monkeypatch, old, new, same):
    path, found = tmp_path / "probe.py", []
    monkeypatch.setattr(source.inspect, "getsourcefile", lambda _: path)
    for code in (CODE, CODE.replace(old, new)):
        path.write_text(code, "utf-8")
        exec(code, space := {"__name__": "probe"})
        found.append(source.fingerprint(space["function"]))
    assert (found[0] == found[1]) == same


def test_a_function_without_a_file_is_refused():
    space = {"__name__": "nowhere"}
    exec("def function(seed, a): return {}", space)
    with pytest.raises(ValueError, match=r"nowhere\.function: must be in a module"):
        source.fingerprint(space["function"])


# Stores


def test_a_finished_sweep_carries_its_provenance(declared, finished):
    found = sweep.load(declared, "small", finished)
    wanted = {"arrays", "command", "commit", "cpu", "cpu_seconds", "date", "function", "name"}
    wanted |= {"instructions", "parameters", "schema", "sha256", "source", "versions"}
    wanted |= {"wall_seconds"}
    assert set(found.provenance) == wanted
    assert "remake with: python -m grokbook sweep a-sweep --size small" in found.note
    assert "Made with" not in found.note
    assert found.provenance["parameters"]["axes"][0] == ["a", [1, 3.0]]
    assert found.provenance["source"] == source.fingerprint(declared.function)
    assert sorted(p.name for p in finished.iterdir()) == [
        "a-sweep-small.json",
        "a-sweep-small.npz",
        "a-sweep.lock",
        "a-sweep.sqlite",
    ]


def change(folder, **changes):
    path = folder / "a-sweep-small.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


def test_another_version_or_source_is_said_in_one_line(declared, finished):
    versions = sweep.load(declared, "small", finished).provenance["versions"]
    change(finished, source="other", versions=versions | {"numpy": "1.0"})
    note = sweep.load(declared, "small", finished).note
    assert "numpy 1.0, now" in note
    assert "another state of its source" in note
    assert "\n" not in note


@pytest.mark.parametrize(
    "changes",
    [{"schema": 0}, {"function": "grokbook.curves.other"}, {"parameters": {}}, {"sha256": ""}],
)
def test_what_does_not_fit_is_refused(declared, finished, changes):
    change(finished, **changes)
    with pytest.raises(ValueError, match=f"'a-sweep-small': {next(iter(changes))} = .*remake it"):
        sweep.load(declared, "small", finished)


def test_axes_in_another_order_are_refused(declared, finished):
    small = declared.grid("small")
    turned = Grid(dict(reversed(small.axes.items())), 2, 0.01)
    with pytest.raises(ValueError, match="parameters = "):
        sweep.load(replace(declared, grids={"small": turned}), "small", finished)


@pytest.mark.parametrize("suffix", ["npz", "json"])
@pytest.mark.parametrize("spoil", [lambda b: b[:-20], lambda b: b"", lambda b: b"x" + b[1:]])
def test_a_damaged_store_is_refused(declared, finished, suffix, spoil):
    path = finished / f"a-sweep-small.{suffix}"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ValueError, match=r"'a-sweep-small': .*; remake it with: python -m"):
        sweep.load(declared, "small", finished)


def test_a_missing_store_says_how_to_make_it(declared, finished):
    with pytest.raises(ValueError, match=r"not there; make it with: .* a-sweep --size book"):
        sweep.load(declared, "book", finished)


@pytest.mark.parametrize("spoil", [lambda b: b[: len(b) // 2], lambda b: b"nothing" * 999])
def test_a_damaged_database_is_refused(declared, finished, spoil):
    path = finished / "a-sweep.sqlite"
    path.write_bytes(spoil(path.read_bytes()))
    for look in (sweep.run, sweep.progress):
        with pytest.raises(ValueError, match=r"^a-sweep\.sqlite: damaged (.*): remove it, its .*$"):
            look(declared, "small", finished)


def test_no_changed_byte_changes_a_result(declared, finished):
    """Each is refused, or its run is made again."""
    expected = sweep.load(declared, "small", finished)
    path = finished / "a-sweep.sqlite"
    whole, made = path.read_bytes(), 0
    pages = np.frombuffer(whole, np.uint8)
    rng = np.random.default_rng(0)
    for place in rng.choice(np.flatnonzero(pages), 60, replace=False):
        spoilt = pages.copy()
        spoilt[place] ^= 1 << rng.integers(8)
        path.write_bytes(spoilt.tobytes())
        for beside in finished.glob("a-sweep.sqlite-*"):
            beside.unlink()
        with suppress(ValueError):
            found = sweep.run(declared, "small", finished)
            assert found.drop_attrs().identical(expected.drop_attrs())
            made += 1
    assert 0 < made < 60


def test_a_changed_digit_is_seen(declared, finished):
    with closing(sqlite3.connect(finished / "a-sweep.sqlite")) as database, database:
        database.execute("UPDATE runs SET result = '[1.0, 2.0]' WHERE number = 1")
    with pytest.raises(ValueError, match=r"damaged \(checksum of a=1\.0, .*, seed 1\)"):
        sweep.run(declared, "small", finished)


@pytest.mark.parametrize("key", ["source", "numpy", "function", "seed_shift"])
def test_another_source_or_version_does_not_resume(declared, finished, key):
    with closing(sqlite3.connect(finished / "a-sweep.sqlite")) as database, database:
        database.execute("UPDATE identity SET value = '\"other\"' WHERE key = ?", (key,))
    with pytest.raises(ValueError, match=f"made with {key} = 'other', now .*: remove it or give"):
        sweep.run(declared, "small", finished)


def test_a_larger_grid_takes_over_what_is_there(declared, finished, tmp_path):
    before = len(functions.calls(tmp_path / "place"))
    sweep.run(declared, "book", finished)
    assert len(functions.calls(tmp_path / "place")) - before == 48 - 8


def test_what_is_stored_in_the_book_is_declared_and_small():
    for name, one in DECLARED.items():
        paths = {size: parts.DATA / f"{name}-{size}.npz" for size in one.grids}
        stored = [size for size, path in paths.items() if path.is_file()]
        assert "book" in stored
        for size in stored:
            assert set(sweep.load(one, size).data_vars) == set(one.outputs)
            assert paths[size].stat().st_size < 2_000_000


# The command


def run(capsys, *arguments):
    code = commands.main(["sweep", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_the_command_lists_and_shows(declared, finished, capsys):
    code, out, err = run(capsys)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "a-sweep: for the tests",
        "  small  2 x 2 x 1 cells x 2 seeds = 8 runs, about 1 s of CPU time",
        "  book   6 x 2 x 1 cells x 4 seeds = 48 runs, about 1 s of CPU time",
    ]
    code, out, err = run(capsys, "--status", "--out", finished)
    assert (code, err) == (0, "")
    assert [line.split(None, 2)[2] for line in out.splitlines()] == [
        "stored     8 of 8 runs in the database",
        "not stored 8 of 48 runs in the database",
    ]


def test_the_command_says_the_estimate_first(declared, finished, capsys):
    code, out, _ = run(capsys, "a-sweep", "--jobs", 1, "--out", finished)
    assert code == 0
    assert out.splitlines() == [
        "a-sweep, book: 6 x 2 x 1 cells x 4 seeds = 48 runs, 40 of them missing: about 1 s of CPU "
        "time, 1 s with 1 at work",
        "a-sweep: all 48 runs are done, written to a-sweep-book.npz",
    ]


def test_the_command_reports_failed_runs(declared, finished, capsys, monkeypatch, tmp_path):
    bad = replace(declared, function=functions.wrong)
    monkeypatch.setattr(parts, "declared", lambda *_: ({"a-sweep": bad}, {}))
    code, _, err = run(capsys, "a-sweep", "--size", "small", "--jobs", 1, "--out", tmp_path)
    assert code == 1
    assert err.startswith('4 x, first at a=1.0, b="left"')
    assert err.splitlines()[-1].startswith("error: a-sweep: 8 of 8 runs failed")
    assert err.endswith("; the same command tries them again\n")
    _, out, _ = run(capsys, "--status", "a-sweep", "--out", tmp_path)
    assert "0 of 8 runs in the database, 8 failed" in out


def test_the_command_refuses_in_one_line(declared, finished, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(engine, "CONNECT_SECONDS", 1)
    nobody = "tcp://127.0.0.1:9"
    for arguments, line in {
        ("b-sweep",): "no sweep 'b-sweep'; there are: a-sweep",
        ("--status", "b-sweep"): "no sweep 'b-sweep'; there are: a-sweep",
        ("a-sweep", "--size", "paper"): "size = 'paper': must be one of 'small', 'book'",
        ("a-sweep", "--out", tmp_path / "none"): "must be an existing folder",
        ("--status", "--out", tmp_path / "none"): "must be an existing folder",
        ("--out", tmp_path): "--size, --out, --jobs and --scheduler need the NAME of a sweep",
        ("--size", "small"): "--size, --out, --jobs and --scheduler need the NAME of a sweep",
        ("a-sweep", "--out", "/proc"): "folder = '/proc': must be one to write to",
        ("a-sweep", "--scheduler", nobody): "must be the address of a running Dask scheduler",
        ("a-sweep", "--scheduler", "a b"): "must be the address of a running Dask scheduler",
    }.items():
        code, _, err = run(capsys, *arguments)
        assert (code, err.count("\n")) == (2, 1), arguments
        assert err.startswith("error: ")
        assert line in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--jobs", "0"],
        ["--jobs", "two"],
        ["--jobs", "2", "--scheduler", "tcp://there:1"],
        ["--size", "large"],
        ["--unknown"],
    ],
)
def test_the_command_refuses_bad_options(capsys, arguments):
    with pytest.raises(SystemExit, match="2"):
        commands.main(["sweep", "xor-signal", *arguments])
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "sweep"])
def test_both_commands_explain_their_exit_codes(capsys, command):
    with pytest.raises(SystemExit, match="0"):
        commands.main([command, "--help"])
    assert commands.EXIT_CODES in capsys.readouterr().out


def test_an_interrupted_run_says_so(monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "run_command", interrupt)
    assert commands.main(["run"]) == 130
    assert capsys.readouterr().err.startswith("interrupted")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.1, "1 s"), (110, "110 s"), (120, "2 min"), (9000, "2 h"), (10**6, "12 days")],
)
def test_times_in_round_words(seconds, words):
    assert sweep_command.duration(seconds) == words


# Shifted seeds, odd folders, odd consoles


def test_shifted_seeds_stay_apart(declared, finished, monkeypatch, capsys):
    monkeypatch.setenv(randomness.VARIABLE, "1")
    with pytest.raises(ValueError, match="made with seed_shift = 0, now 1: remove it or give"):
        sweep.run(declared, "small", finished)
    monkeypatch.setattr(parts, "DATA", finished)
    code, _, err = run(capsys, "a-sweep")
    assert (code, err.count("\n")) == (2, 1)
    assert "GROKBOOK_SEED_SHIFT=1: must not replace the book's results" in err


@pytest.mark.parametrize("name", ["a b", "a%20b", "a#b?mode=rw&x", "Zürich–λ", "a'b\"c"])
def test_any_folder_serves(declared, tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    sweep.run(declared, "small", folder)
    assert sweep.progress(declared, "small", folder) == sweep.Progress(8, 0, 8, True)
    assert [path.name for path in tmp_path.iterdir() if path.suffix] == []
    assert (folder / "a-sweep.sqlite").is_file()


@pytest.fixture
def as_nobody():
    """A folder that this user, however mighty, may not write to; and the right to act so."""
    mask = os.umask(0o022)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield folder
        folder.chmod(0o755)
    os.umask(mask)


def looked_at(folder, declared, mode):
    """Status of the small size under a user without rights in a folder of that mode."""
    sweep_command._status(declared, "small", folder)  # what is imported late, while it may be
    folder.chmod(mode)
    user, root = os.geteuid(), os.geteuid() == 0
    try:
        if root:
            os.seteuid(65534)
        return sweep_command._status(declared, "small", folder)
    finally:
        if root:
            os.seteuid(user)


def test_the_status_of_a_folder_that_may_only_be_read(declared, as_nobody):
    sweep.run(declared, "small", as_nobody)
    assert looked_at(as_nobody, declared, 0o555) == "stored     8 of 8 runs in the database"


def test_the_status_of_a_folder_that_may_not_be_read(declared, as_nobody):
    sweep.run(declared, "small", as_nobody)
    for path in as_nobody.iterdir():
        path.chmod(0o600 if os.geteuid() == 0 else 0)
    found = looked_at(as_nobody, declared, 0o555)
    assert found == "a-sweep.sqlite: cannot be read: unable to open database file"


def test_any_console_can_show_the_list(monkeypatch):
    seen = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(seen, encoding="cp1252"))
    assert commands.main(["sweep"]) == 0
    assert "delay over lambda and weight decay" in seen.getvalue().decode("cp1252")


def test_a_reader_that_leaves_early_is_no_traceback(monkeypatch, capfd):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="utf-8") as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        assert commands.main(["sweep"]) == 1
        monkeypatch.undo()
    assert capfd.readouterr().err == ""


def test_a_part_that_cannot_be_imported_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    torch = ("grokbook.modular", "grokbook.tickets")
    for name in [name for name in sys.modules if name.startswith(torch)]:
        monkeypatch.delitem(sys.modules, name)
    line, other = (
        f"those of grokbook.{part} need torch: pip install 'grokbook[{part}]'"
        for part in ("modular", "tickets")
    )
    code, out, err = run(capsys)
    assert (code, err) == (0, f"{line}\n{other}\n")
    assert "xor-signal: " in out
    assert "tickets-mask: needs torch\n" in out
    code, _, err = run(capsys, "tickets-mask")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("error: no sweep 'tickets-mask'; there are: linear-decay, ")
    assert err.endswith(f"; {line}; {other}\n")
    assert parts.declared("runs")[1] == {"modular": "torch", "tickets": "torch"}
