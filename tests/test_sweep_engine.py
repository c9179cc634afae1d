"""Sweeps on every backend: the same results, and nothing lost, doubled or silently wrong."""

import contextlib
import importlib
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from threadpoolctl import threadpool_info

import sweep_functions as functions
from grokbook import __main__ as commands
from grokbook import parts, results, sweep
from grokbook.sweep import database, engine, worker
from grokbook.sweep.grid import Grid

TESTS = Path(__file__).resolve().parent
PATH = os.pathsep.join([str(TESTS), str(TESTS.parent)])
ENVIRONMENT = os.environ | {"PYTHONPATH": PATH}
# Generous, for a machine with other work to do.
PATIENCE = 600
# The command, in a process of its own, with the tests' sweep in the catalogue.
COMMAND = """
import os, sys
from grokbook import __main__, parts
import sweep_functions
place = sys.argv[1]
parts.declared = lambda *_: ({"a-sweep": sweep_functions.sweep(place)}, {})
order = os.path.join(place, "order")
if os.path.exists(order):
    text = open(order).read().replace("CALLER", str(os.getpid()))
    open(order, "w").write(text)
sys.exit(__main__.main(sys.argv[2:]))
"""


@contextlib.contextmanager
def processes():
    """Processes that are gone afterwards, whatever happens."""
    started = []

    def start(*arguments, **options):
        started.append(
            subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                env=ENVIRONMENT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                **options,
            )
        )
        return started[-1]

    try:
        yield start
    finally:
        for one in started:
            with contextlib.suppress(ProcessLookupError):
                one.kill()
            one.communicate()


@contextlib.contextmanager
def dask_cluster(folder, n_workers):
    """A scheduler and its workers, each a process, over TCP; gives address and processes."""
    where = folder / "scheduler.json"
    with processes() as start:
        common = ["--no-dashboard", "--host", "127.0.0.1"]
        scheduler = start(
            "-m", "distributed.cli.dask_scheduler", *common, "--port", 0, "--scheduler-file", where
        )
        deadline = time.monotonic() + PATIENCE
        while not where.exists() and time.monotonic() < deadline:
            assert scheduler.poll() is None, scheduler.communicate()
            time.sleep(0.05)
        one = ["--nthreads", 1, "--no-nanny", "--local-directory", folder]
        for _ in range(n_workers):
            start("-m", "distributed.cli.dask_worker", "--scheduler-file", where, *common, *one)
        from distributed import Client

        with Client(scheduler_file=str(where), timeout=PATIENCE) as client:
            client.wait_for_workers(n_workers, timeout=PATIENCE)
            address = client.scheduler.address
        yield address, scheduler


def command(place, *arguments, **options):
    """Run the command to its end; exit code, stdout, stderr."""
    with processes() as start:
        process = start("-c", COMMAND, place, *arguments, **options)
        out, err = process.communicate(timeout=PATIENCE)
        return process.returncode, out, err


def rows(folder):
    """The runs in the database."""
    with contextlib.closing(sqlite3.connect(folder / "a-sweep.sqlite")) as connection:
        return connection.execute("SELECT cell, number, result FROM runs").fetchall()


def same(one, other):
    """Equal to the last bit, labels and all."""
    return xr.testing.assert_identical(one.drop_attrs(), other.drop_attrs())


@pytest.fixture
def place(tmp_path):
    """The folder through which runs are watched and disturbed."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


@pytest.fixture
def expected(place):
    """What an undisturbed sweep in this process gives."""
    found = sweep.run(functions.sweep(place), "book")
    (place / "calls").unlink()
    return found


def order(place, target, number):
    (place / "order").write_text(f"{target} {int(number)}", "utf-8")


N_RUNS = 6 * 2 * 4


def test_the_result_is_labelled(expected):
    assert expected.largest.dims == ("a", "b", "place", "seed")
    assert expected.sizes == {"a": 6, "b": 2, "place": 1, "seed": 4}
    assert expected.largest.attrs == {"units": "1", "long_name": "a value"}
    assert expected.a.attrs["units"] == "1"
    assert np.all(np.isinf(expected.never.sel(b="left")))
    assert np.all(np.isnan(expected.never.sel(b="right")))
    assert len(np.unique(expected.largest)) == N_RUNS
    assert "48 runs" in expected.note
    assert "\n" not in expected.note


def test_a_run_depends_on_its_cell_and_seed_alone(place, expected):
    small = sweep.run(functions.sweep(place), "small")
    np.testing.assert_array_equal(small.largest, expected.largest.sel(a=[1.0, 3.0], seed=[0, 1]))


def test_outputs_may_have_a_step_axis(place, tmp_path):
    steps = {"dims": {"never": ("step",)}, "labels": {"step": functions.STEP}}
    declared = functions.sweep(place, functions.curve, n_a=4, dtypes={"never": "float32"}, **steps)
    found = sweep.run(declared, "book", tmp_path)
    assert found.never.dims == ("a", "b", "place", "seed", "step")
    assert found.never.dtype == np.float32
    one = {"a": 2.0, "b": "left", "place": str(place)}
    alone = functions.curve(sweep.run_seed(one, 3), **one)
    np.testing.assert_array_equal(found.sel(one).sel(seed=3).never, alone["never"].astype("f4"))
    assert found.sel(one).sel(seed=3).largest == alone["largest"]
    with sweep.processes(2) as workers:
        same(sweep.run(declared, "book", workers=workers), found)
    before = len(functions.calls(place))
    same(sweep.run(declared, "small", tmp_path), found.sel(a=[1.0, 3.0], seed=[0, 1]))
    assert len(functions.calls(place)) == before
    with pytest.raises(ValueError, match=r"made with outputs = \['largest', \['never', 3\]\], now"):
        sweep.run(functions.sweep(place, functions.curve), "book", tmp_path)
    with pytest.raises(sweep.FailedRuns, match=r"never = array.*: must be numbers of shape \(3,\)"):
        sweep.run(functions.sweep(place, functions.curve, **steps), "book")


def test_a_run_has_plain_seeds_and_takes_others(place, tmp_path, capsys, monkeypatch):
    grid = Grid({"a": [1.0], "b": ["left"], "place": [str(place)]}, [0, 1], 0.01)
    declared = replace(functions.sweep(place), grids={"book": grid})
    monkeypatch.setattr(parts, "declared", lambda *_: ({"a-sweep": declared}, {}))
    call = ["run", "a-sweep", "--out", str(tmp_path)]
    assert commands.main(call) == 0
    found = results.load("a-sweep", tmp_path)
    assert found["largest"].shape == (1, 1, 1, 2)
    assert found["seed"].tolist() == [0, 1]
    one = {"a": 1.0, "b": "left", "place": str(place)}
    assert found.sel(one | {"seed": 1}).largest == functions.draw(1, **one)["largest"]
    assert "remake with: python -m grokbook run a-sweep." in found.note
    before = len(functions.calls(place))
    assert commands.main([*call, "--seeds", "1,7"]) == 0
    assert len(functions.calls(place)) == before + 1  # that of 1 is there
    other = results.find("a-sweep").with_seeds([1, 7])
    np.testing.assert_array_equal(
        results.load("a-sweep", tmp_path, run=other).sel(seed=1).largest,
        found.sel(seed=1).largest,
    )
    assert other.command == "python -m grokbook run a-sweep --seeds 1,7 --out DIR"
    with pytest.raises(ValueError, match=r"store 'a-sweep': parameters = .*7.*: must be "):
        results.load("a-sweep", tmp_path)


def test_two_processes_give_the_same_as_one(place, expected, tmp_path):
    with sweep.processes(2) as workers:
        same(sweep.run(functions.sweep(place), "book", tmp_path, workers=workers), expected)
    assert len(rows(tmp_path)) == N_RUNS


def test_a_killed_worker_process_loses_nothing(place, expected, tmp_path):
    order(place, "worker", signal.SIGKILL)
    with sweep.processes(2) as workers:
        same(sweep.run(functions.sweep(place), "book", tmp_path, workers=workers), expected)
    assert not (place / "order").exists()
    assert len(rows(tmp_path)) == N_RUNS


def test_a_run_that_kills_every_worker_ends_the_sweep_with_one_line(place, tmp_path):
    declared = functions.sweep(place, functions.deadly, n_a=3)
    with (
        sweep.processes(2) as workers,
        pytest.raises(RuntimeError, match="workers died 3 times without finishing a run"),
    ):
        sweep.run(declared, "book", tmp_path, workers=workers)
    assert sweep.progress(declared, "book", tmp_path).failed == 0


def test_a_run_that_never_comes_back_ends_the_sweep_with_one_line(place, tmp_path, monkeypatch):
    declared = functions.sweep(place, functions.silent, n_a=3)
    with sweep.processes(2) as workers:
        # Wakes the workers, so that silence is silence.
        sweep.run(declared, "small", tmp_path, workers=workers)
        monkeypatch.setattr(engine, "SILENCE_SECONDS", 8)
        with pytest.raises(RuntimeError, match="no run has finished for 8 s"):
            sweep.run(declared, "book", tmp_path, workers=workers)
    assert sweep.progress(declared, "book", tmp_path).done >= 8


def test_a_cluster_gives_the_same_also_when_a_worker_is_killed(place, expected, tmp_path):
    declared = functions.sweep(place)
    with dask_cluster(tmp_path, 3) as (address, _), sweep.cluster(address) as workers:
        assert workers.n == 3
        same(sweep.run(declared, "book", workers=workers), expected)
        order(place, "worker", signal.SIGKILL)
        same(sweep.run(declared, "book", tmp_path, workers=workers), expected)
        assert not (place / "order").exists()
        assert len(rows(tmp_path)) == N_RUNS


def test_workers_with_other_versions_or_without_the_sweep_are_refused(place, tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("def f(seed, a, b, place):\n    return {}\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    unknown = functions.sweep(place, importlib.import_module("only_here").f)
    job = worker.job(functions.sweep(place))._replace(identity={"numpy": "1.0"})
    with dask_cluster(tmp_path, 1) as (address, _), sweep.cluster(address) as workers:
        with pytest.raises(ValueError, match="a worker cannot import the sweep: No module named"):
            sweep.run(unknown, "small", workers=workers)
        monkeypatch.setattr(worker, "job", lambda _: job)
        with pytest.raises(ValueError, match=r"a worker's numpy = .*: must be the caller's"):
            sweep.run(functions.sweep(place), "small", workers=workers)


def test_a_killed_scheduler_loses_nothing(place, expected, tmp_path):
    with dask_cluster(tmp_path, 2) as (address, scheduler):
        order(place, scheduler.pid, signal.SIGKILL)
        arguments = ["sweep", "a-sweep", "--scheduler", address, "--out", tmp_path]
        code, out, err = command(place, *arguments)
    assert code == 1, err
    assert "48 of them missing" in out
    last = err.splitlines()[-1]
    assert last.startswith("error: a-sweep: ")
    assert last.endswith("what was done is kept, the same command resumes")
    resumes(place, tmp_path, expected)


def resumes(place, tmp_path, expected):
    """What is there is not made again, and the end is that of an undisturbed sweep."""
    kept = len(rows(tmp_path))
    assert 0 < kept < N_RUNS
    before = len(functions.calls(place))
    same(sweep.run(functions.sweep(place), "book", tmp_path), expected)
    assert len(functions.calls(place)) - before == N_RUNS - kept
    assert len(rows(tmp_path)) == N_RUNS


def test_an_interrupt_ends_with_its_exit_code_and_resumes(place, expected, tmp_path):
    order(place, "groupCALLER", signal.SIGINT)
    arguments = ["sweep", "a-sweep", "--jobs", 2, "--out", tmp_path]
    code, _, err = command(
        place,
        *arguments,
        start_new_session=True,
        # A suite that a shell started in the background ignores interrupts, and so do its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert code == 130
    assert err.splitlines()[-1] == (
        "interrupted: a-sweep: what was done is kept, the same command resumes"
    )
    resumes(place, tmp_path, expected)


def test_a_killed_sweep_resumes(place, expected, tmp_path):
    order(place, "CALLER", signal.SIGKILL)
    code, _, _ = command(place, "sweep", "a-sweep", "--jobs", 1, "--out", tmp_path)
    assert code == -signal.SIGKILL
    assert len(rows(tmp_path)) == 8  # one after the other: all before the run that killed it
    resumes(place, tmp_path, expected)


def limited():
    """Let no file grow beyond 100 kB, so that the write-ahead log meets the end half-way."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def test_a_disk_that_fills_up_loses_nothing(place, expected, tmp_path):
    arguments = ["sweep", "a-sweep", "--jobs", 1, "--out", tmp_path]
    code, _, err = command(place, *arguments, preexec_fn=limited)
    assert code == 1, err
    assert err.count("\n") == 1
    assert err.startswith("error: a-sweep: a-sweep.sqlite: cannot be written: ")
    assert not list(tmp_path.glob("*.npz"))
    resumes(place, tmp_path, expected)


def test_a_full_disk_is_called_so(place, tmp_path, monkeypatch):
    connect = sqlite3.connect

    def small(*arguments, **options):
        connection = connect(*arguments, **options)
        connection.execute("PRAGMA max_page_count = 6")
        return connection

    monkeypatch.setattr(database.sqlite3, "connect", small)
    with pytest.raises(OSError, match="cannot be written: database or disk is full"):
        sweep.run(functions.sweep(place, n_a=30), "book", tmp_path)
    monkeypatch.undo()
    kept = len(rows(tmp_path))
    assert kept > 0
    assert sweep.progress(functions.sweep(place, n_a=30), "book", tmp_path).done == kept


def test_two_sweeps_on_one_store_are_refused(place, tmp_path):
    declared = functions.sweep(place)
    job = worker.job(declared)
    with database.Database(tmp_path, declared.name, job):
        code, _, err = command(place, "sweep", "a-sweep", "--jobs", 1, "--out", tmp_path)
        assert (code, err) == (2, "error: a-sweep.sqlite: another sweep is writing to it\n")
        with pytest.raises(ValueError, match="another sweep is writing"):
            sweep.run(declared, "book", tmp_path)
        assert sweep.progress(declared, "book", tmp_path).done == 0  # may look
    assert sweep.run(declared, "small", tmp_path).sizes["a"] == 2


def test_one_thread_while_it_runs_and_what_there_was_afterwards(place):
    def now():
        return [one["num_threads"] for one in threadpool_info()]

    before = now()
    assert np.all(sweep.run(functions.sweep(place, functions.threads), "small").largest == 1)
    assert now() == before
    with sweep.processes(2) as workers:
        found = sweep.run(functions.sweep(place, functions.threads), "small", workers=workers)
    assert np.all(found.largest == 1)


def test_failed_runs_are_kept_reported_and_tried_again(place, tmp_path):
    declared = functions.sweep(place, functions.fragile)
    (place / "fail").touch()
    with pytest.raises(sweep.FailedRuns) as caught:
        sweep.run(declared, "book", tmp_path)
    assert "4 of 48 runs failed, the others are kept; the first, at a=2.0, b=" in str(caught.value)
    cell, number, text = caught.value.failures[0]
    assert (cell.split(", ")[:2], number) == (["a=2.0", 'b="left"'], 0)
    assert text.endswith("LinAlgError: Matrix is not positive definite")
    assert sweep.progress(declared, "book", tmp_path) == sweep.Progress(44, 4, 48, False)
    (place / "fail").unlink()
    assert sweep.run(declared, "book", tmp_path).largest.sel(a=2.0).values.min() == 2.0
    assert len(functions.calls(place)) == 48 + 4
    assert sweep.progress(declared, "book", tmp_path) == sweep.Progress(48, 0, 48, True)


def test_a_wrong_return_value_is_a_failure(place):
    with pytest.raises(sweep.FailedRuns) as caught:
        sweep.run(functions.sweep(place, functions.wrong), "small")
    texts = {text.splitlines()[-1] for _, _, text in caught.value.failures}
    assert texts == {
        "ValueError: outputs = ['largest']: must be ['largest', 'never']",
        "ValueError: largest = 'much': must be a number",
    }


def test_a_traceback_names_no_folder_outside_the_package():
    try:
        parts.data_folder("/home/someone/there")
    except ValueError as error:
        error.add_note("see /home/someone/there/file.txt, or 1/2")
        text = worker.describe(error)
    assert "grokbook/parts.py:" in text
    assert "in data_folder: raise ValueError" in text
    assert "home" not in text
    assert "see file.txt, or 1/2" in text


def test_a_delivery_that_comes_twice_changes_nothing(place, tmp_path):
    job, grid = worker.job(functions.sweep(place)), Grid({"a": [1.0]}, 1, 1.0)
    good = worker.Outcome(0, 0, (1.0, 2.0), None, 0.1)
    bad = worker.Outcome(0, 0, None, "ValueError: no", 0.1)
    other = worker.Outcome(0, 0, (3.0, 4.0), None, 0.1)
    with database.Database(tmp_path, "a-sweep", job) as kept:
        for outcome in (bad, good, good, bad, other):
            kept.add({"a": 1.0}, outcome)
        assert kept.results(grid).tolist() == [[[1.0, 2.0]]]
        assert kept.failures(grid) == []
    assert len(rows(tmp_path)) == 1
