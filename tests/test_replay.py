"""nbval on the build's execution: it must see all that it would see in a kernel.

A small chapter in a checkout of its own is executed as the build does it.  Copies of it, each with
its result, are then spoilt in one way and given to nbval together, with this repository's options.
The first cell counts its executions in a file, so that a test can tell a replay from a kernel.
"""

import copy
import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest

import guards
import replay

TAGGED = {4: "raises-exception", 5: "nbval-ignore-output", 6: "nbval-skip"}
CELLS = (
    "with open('ran.txt', 'a') as file:\n    print(end='1', file=file)",
    "print('N =', 1111)",
    "from IPython.display import HTML\nHTML('<p>kept: <span class=\"measured\">1.5</span></p>')",
    "{'a': 12345}",
    "raise ValueError('meant')",
    "import time\nprint(time.time())",
    "print('skipped')",
    "print('the end')",
)


def chapter():
    """The small chapter, not executed; prose between its cells."""
    notebook = nbformat.v4.new_notebook()
    for number, code in enumerate(CELLS):
        cell = nbformat.v4.new_code_cell(code, id=f"cell-{number}")
        if number in TAGGED:
            cell.metadata["tags"] = [TAGGED[number]]
        notebook.cells += [cell, nbformat.v4.new_markdown_cell("Prose.", id=f"prose-{number}")]
    return notebook


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """This repository with that one chapter, executed by the build and stored."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(
        guards.ROOT / "grokbook",
        folder / "grokbook",
        ignore=shutil.ignore_patterns("data", "ledger", "__pycache__"),
    )
    (folder / "grokbook" / "ledger").mkdir()
    shutil.copytree(guards.ROOT / "book" / "_ext", folder / "book" / "_ext")
    (folder / "tests").mkdir()
    for name in (
        "pyproject.toml",
        "requirements.lock",
        "book/conftest.py",
        "tests/replay.py",
        "tests/nbval_sanitize.cfg",
    ):
        shutil.copy(guards.ROOT / name, folder / name)
    (folder / "_toc.yml").write_text("root: book/index\nchapters:\n- file: book/one\n", "utf-8")
    nbformat.write(chapter(), folder / "book" / "one.ipynb")
    built = python(folder, "book/_ext/chapters.py", "--in-place")
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def python(checkout, *arguments, **variables):
    """Run Python in the checkout; only what is asked for is said about nbval."""
    kept = {name: value for name, value in os.environ.items() if name != replay.VARIABLE}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=checkout,
        env=kept | {"PYTHONPATH": str(checkout)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def nbval(checkout, *paths, **variables):
    """pytest on notebooks with the repository's options: what it said, the cells that failed."""
    ran = python(checkout, "-m", "pytest", "-p", "no:cacheprovider", *paths, **variables)
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)\.ipynb::Cell (\d+)", ran.stdout, re.MULTILINE)
    assert re.search(r"\d+ (passed|failed)", ran.stdout), ran.stdout + ran.stderr
    return ran.stdout, [(path, int(number)) for path, number in failed]


def code(notebook, number):
    return guards.code_cells(notebook)[number]


def edited(number, old, new):
    """A spoiler of what a cell printed."""

    def spoil(notebook):
        cell = code(notebook, number)
        text = nbformat.writes(nbformat.v4.new_notebook(cells=[cell]))
        outputs = text.replace(old, new)
        assert outputs != text
        cell.outputs = nbformat.reads(outputs, as_version=4).cells[0].outputs

    return spoil


def recoded(number, old, new):
    """A spoiler of a cell's code."""

    def spoil(notebook):
        cell = code(notebook, number)
        assert old in cell.source
        cell.source = cell.source.replace(old, new)

    return spoil


def silent(number):
    """A spoiler that takes a cell's outputs."""

    def spoil(notebook):
        assert code(notebook, number).outputs
        code(notebook, number).outputs = []

    return spoil


def not_run(*numbers):
    """A spoiler that leaves cells as if nobody had executed them."""

    def spoil(notebook):
        for number in numbers:
            code(notebook, number).outputs, code(notebook, number).execution_count = [], None

    return spoil


def raised(number):
    """A spoiler that adds an error to a cell's outputs."""
    error = {"ename": "ValueError", "evalue": "no", "traceback": ["ValueError: no"]}
    output = nbformat.v4.new_output("error", **error)
    return lambda notebook: code(notebook, number).outputs.append(output)


def one_more(notebook):
    notebook.cells.append(nbformat.v4.new_code_cell("", id="more", execution_count=9))


def one_less(notebook):
    notebook.cells.remove(code(notebook, 7))


def exchanged(notebook):
    """Two cells in each other's place, code and all."""
    one, other = (notebook.cells.index(code(notebook, number)) for number in (1, 3))
    notebook.cells[one], notebook.cells[other] = notebook.cells[other], notebook.cells[one]


def another_number(notebook):
    edited(1, "1111", "1112")(notebook)


ASKED = {0, 1, 2, 3, 4, 5, 7}  # all that nbval does not skip
# What is done to the build's execution, and the cells that must fail.
EXECUTED = {
    "as-built": (lambda notebook: None, set()),
    "measured-value": (edited(2, "1.5<", "1.6<"), set()),
    "ignored-output": (silent(5), set()),
    "skipped-cell": (edited(6, "skipped", "other"), set()),
    "stdout": (another_number, {1}),
    "html": (edited(2, "kept", "lost"), {2}),
    "plain-result": (edited(3, "12345", "12346"), {3}),
    "error-message": (edited(4, "meant", "not meant"), {4}),
    "no-output": (silent(1), {1}),
    "no-error": (silent(4), {4}),
    "not-run": (not_run(0), {0}),
    "not-run-ignored": (not_run(5), {5}),
    "interrupted": (not_run(3, 4, 5, 6, 7), {3, 4, 5, 7}),
    "raised": (raised(0), {0}),
    "raised-ignored": (raised(5), {5}),
    "other-code": (recoded(0, "'1'", "'2'"), {0}),
    "other-code-ignored": (recoded(5, "time.time()", "1"), {5}),
    "other-code-raises": (recoded(4, "meant", "other"), {4}),
    "exchanged": (exchanged, {1, 3}),
    "one-cell-more": (one_more, ASKED),
    "one-cell-less": (one_less, ASKED),
}
# The same for the committed notebook.
COMMITTED = {
    "stored-stdout": (another_number, {1}),
    "stored-html": (edited(2, "kept", "lost"), {2}),
    "stored-output-lost": (silent(3), {3}),
    "stored-measured-value": (edited(2, "1.5<", "1.7<"), set()),
}


@pytest.fixture(scope="module")
def place(checkout):
    """Makes a copy of the chapter and of its result, which lies under the key of both."""
    committed = nbformat.read(checkout / "book" / "one.ipynb", as_version=4)
    (result,) = (checkout / "_build" / "chapters" / "one").iterdir()
    executed = nbformat.read(result / "executed.ipynb", as_version=4)

    def place(name, to_executed=None, to_committed=None, root="book"):
        stored, ran = copy.deepcopy(committed), copy.deepcopy(executed)
        for spoil, notebook in ((to_committed, stored), (to_executed, ran)):
            if spoil:
                spoil(notebook)
        folder = checkout / "_build" / "chapters" / name / "one" / result.name
        for needed in (folder, checkout / root / name):
            needed.mkdir(parents=True)
        nbformat.write(stored, checkout / root / name / "one.ipynb")
        nbformat.write(ran, folder / "executed.ipynb")
        return folder

    return place


@pytest.fixture(scope="module")
def replayed(checkout, place):
    """For each spoilt copy, the cells that failed; one run for all."""
    for name, (spoil, _) in EXECUTED.items():
        place(name, to_executed=spoil)
    for name, (spoil, _) in COMMITTED.items():
        place(name, to_committed=spoil)
    names = [*EXECUTED, *COMMITTED]
    said, failed = nbval(checkout, *(f"book/{name}" for name in names))
    assert f"chapters compared as the build executed them: {len(names)} (" in said
    assert not list((checkout / "book").glob("*/ran.txt")), "a kernel ran"
    return {name: {n for path, n in failed if path == f"book/{name}/one"} for name in names}


@pytest.mark.parametrize("name", [*EXECUTED, *COMMITTED])
def test_a_replay_fails_where_a_kernel_would(replayed, name):
    assert replayed[name] == (EXECUTED | COMMITTED)[name][1]


def test_a_kernel_runs_what_has_no_result_for_the_present_key(checkout, place):
    """The results would fail, so what passes here has been executed."""
    other_key = place("other-key", to_executed=another_number)
    other_key.rename(other_key.with_name("0" * 16))
    (place("incomplete", to_executed=another_number) / "executed.ipynb").unlink()
    place("edited", to_committed=recoded(1, "1111", "1110 + 2"))
    place("elsewhere", to_executed=another_number, root="examples")
    paths = ("book/other-key", "book/incomplete", "book/edited", "examples/elsewhere")
    said, failed = nbval(checkout, *paths)
    assert failed == [("book/edited/one", 1)]
    assert "as the build executed" not in said
    for path in paths:
        assert (checkout / path / "ran.txt").read_text() == "1"


def test_a_kernel_runs_where_the_environment_asks_for_it(checkout, replayed):
    assert replayed["stdout"]
    said, failed = nbval(checkout, "book/stdout", **{replay.VARIABLE: replay.RUN})
    assert failed == []
    assert "as the build executed" not in said
    assert (checkout / "book" / "stdout" / "ran.txt").read_text() == "1"


def test_one_cell_alone_is_compared_with_its_own(checkout, replayed):
    cells = (f"book/html/one.ipynb::Cell {number}" for number in (3, 2))
    said, failed = nbval(checkout, *cells)
    assert failed == [("book/html/one", 2)]
    assert "1 failed, 1 passed" in said


def test_another_value_is_refused_in_one_line(checkout):
    ran = python(checkout, "-m", "pytest", "book/one.ipynb", **{replay.VARIABLE: "walk"})
    assert ran.returncode == pytest.ExitCode.USAGE_ERROR
    assert ran.stderr.strip() == "ERROR: GROKBOOK_NBVAL = 'walk': must be 'run' or not set"


def test_another_processor_never_replays():
    """What the build printed says nothing of it, and the key does not name it."""
    shown = f"import os; print(os.environ[{replay.VARIABLE!r}])"
    command = ["-m", "tools.processors", "native", "1", sys.executable, "-c", shown]
    assert python(guards.ROOT, *command).stdout.strip() == replay.RUN
