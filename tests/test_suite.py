"""The suite itself: what is spoilt must turn it red.

A small chapter with a claim is executed once; copies of it are then spoilt, one way each, and given
to nbval or to the guards.  A spoilt package is given to the theory tests.
"""

import copy
import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient

import grokbook
import guards
from grokbook import claims

LEDGER = """paper = "LE"
title = "A paper"
[[claim]]
id = "LE-01"
where = "Eq. 1"
statement = "Two is two."
kind = "identity"
verdict = "reproduced"
chapter = "one"
reason = "exact"
test = [{ name = "two", relative = 0.1, expected = 2.0 }]
"""
CELLS = ("from grokbook import claims", "print('N =', 1111)", "claims.check('LE-01', 2.05)")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A package whose ledger has one claim."""
    folder = tmp_path_factory.mktemp("checkout")
    ignored = shutil.ignore_patterns("data", "ledger")
    shutil.copytree(guards.ROOT / "grokbook", folder / "grokbook", ignore=ignored)
    (folder / "grokbook" / "ledger").mkdir()
    (folder / "grokbook" / "ledger" / "LE.toml").write_text(LEDGER, "utf-8")
    return folder


@pytest.fixture(scope="module")
def executed(checkout):
    """The small chapter, executed."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in CELLS])
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    resources = {"metadata": {"path": str(checkout)}}
    NotebookClient(notebook, kernel_name="python3", resources=resources).execute()
    return notebook


def replaced(old, new):
    """A spoiler that edits the stored outputs, but no source."""

    def spoil(notebook):
        for cell in notebook.cells:
            for output in cell.outputs:
                if "text" in output:
                    output.text = output.text.replace(old, new)
                for kind, text in output.get("data", {}).items():
                    output.data[kind] = text.replace(old, new)

    return spoil


def past_its_tolerance(notebook):
    """A measured value out of bounds, in code."""
    notebook.cells[2].source = notebook.cells[2].source.replace("2.05", "2.5")


SPOILERS = {
    "as executed": (lambda notebook: None, True),
    "measured value differs": (replaced("2.05", "2.06"), True),
    "number outside a measured span": (replaced("1111", "1112"), False),
    "verdict in a stored box": (replaced("reproduced", "not reproduced"), False),
    "tolerance in a stored box": (replaced("10 %", "11 %"), False),
    "measured past its tolerance": (past_its_tolerance, False),
}


@pytest.fixture(scope="module")
def verdicts(checkout, executed):
    """For each spoiler, whether nbval accepts the chapter; one run for all."""
    for name, (spoil, _) in SPOILERS.items():
        notebook = copy.deepcopy(executed)
        spoil(notebook)
        nbformat.write(notebook, checkout / f"{name.replace(' ', '-')}.ipynb")
    sanitiser = guards.ROOT / "tests" / "nbval_sanitize.cfg"
    command = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "-p", "no:cacheprovider"]
    command += ["--nbval", "--nbval-current-env", f"--nbval-sanitize-with={sanitiser}", "-rf"]
    # Where a failed claim does not raise, its box must turn nbval red.
    lenient = {name: value for name, value in os.environ.items() if name not in claims.STRICT}
    run = subprocess.run(
        [*command, "."], cwd=checkout, env=lenient, capture_output=True, text=True, check=False
    )
    failed = set(re.findall(r"^FAILED (\S+?)\.ipynb", run.stdout, re.MULTILINE))
    assert "passed" in run.stdout, run.stdout + run.stderr
    return {name: name.replace(" ", "-") not in failed for name in SPOILERS}


@pytest.mark.parametrize("name", SPOILERS)
def test_nbval_sees(verdicts, name):
    assert verdicts[name] == SPOILERS[name][1]


def stripped(notebook):
    """Outputs and execution counts cleared: nbval alone would pass it."""
    for cell in guards.code_cells(notebook):
        cell.outputs, cell.execution_count = [], None


def without_alt(notebook):
    del guards.figure_cells(notebook)[0].metadata["mystnb"]["image"]


def alt_is_caption(notebook):
    mystnb = guards.figure_cells(notebook)[0].metadata["mystnb"]
    mystnb["image"]["alt"] = mystnb["figure"]["caption"]


def out_of_order(notebook):
    guards.code_cells(notebook)[-1].execution_count += 1


def warned(notebook):
    output = nbformat.v4.new_output("stream", name="stderr", text="RuntimeWarning")
    guards.code_cells(notebook)[2].outputs.append(output)


def too_long(notebook):
    guards.code_cells(notebook)[2].source += "\n" * 30 + "pass"


def too_many(notebook):
    notebook.cells += notebook.cells


def unlabelled(notebook):
    del guards.figure_cells(notebook)[0].metadata["mystnb"]["figure"]["name"]


def without_exercises(notebook):
    for cell in notebook.cells:
        cell.source = cell.source.replace("{dropdown} Solution", "")


def without_budget(notebook):
    del notebook.metadata["grokbook"]


def of_another_version(notebook):
    cell = guards.code_cells(notebook)[0]
    cell.source = cell.source.replace(grokbook.__version__, "9.9.9")


def shown_on_the_page(notebook):
    guards.code_cells(notebook)[0].metadata.tags.remove("remove-cell")


def set_up_too_late(notebook):
    notebook.cells.insert(0, nbformat.v4.new_code_cell("import grokbook"))


@pytest.mark.parametrize(
    ("spoil", "guard"),
    [
        (stripped, guards.executed_in_order),
        (stripped, guards.enough_compared_outputs),
        (out_of_order, guards.executed_in_order),
        (warned, guards.executed_in_order),
        (without_alt, guards.figures_are_described),
        (alt_is_caption, guards.figures_are_described),
        (unlabelled, guards.figures_are_described),
        (too_long, guards.within_size),
        (too_many, guards.few_cells),
        (without_exercises, guards.has_the_template),
        (without_budget, guards.normalised),
        (of_another_version, guards.begins_with_the_setup_cell),
        (shown_on_the_page, guards.begins_with_the_setup_cell),
        (set_up_too_late, guards.begins_with_the_setup_cell),
    ],
    ids=lambda one: one.__name__,
)
def test_guard_sees(spoil, guard):
    path = next((guards.ROOT / "book" / "linear").glob("01-*.ipynb"))
    notebook = nbformat.read(path, as_version=4)
    assert guard(notebook) == []
    spoil(notebook)
    assert guard(notebook) != []


@pytest.mark.parametrize(
    ("count", "page", "fine"), [(45, {}, True), (46, {}, False), (46, {"page": "recipes"}, True)]
)
def test_a_chapter_has_at_most_45_cells(count, page, fine):
    cells = [nbformat.v4.new_markdown_cell("A sentence.") for _ in range(count)]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"grokbook": page})
    assert (guards.few_cells(notebook) == []) == fine


@pytest.mark.parametrize("factor", ["2", "2.02"])
def test_an_edited_theory_constant_turns_the_theory_tests_red(tmp_path, factor):
    shutil.copytree(guards.ROOT / "grokbook", tmp_path / "grokbook")
    theory = tmp_path / "grokbook" / "linear" / "theory.py"
    code, rate = theory.read_text("utf-8"), "rate = {} * setting.learning_rate"
    assert rate.format(2) in code
    theory.write_text(code.replace(rate.format(2), rate.format(factor)), "utf-8")
    tests = guards.ROOT / "tests" / "test_linear_theory.py"
    options = ["-q", "-x", "-o", "addopts=", "-o", "pythonpath=", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-p", "no:nbval", str(tests)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == (factor != "2"), run.stdout
    assert ("1 failed" in run.stdout) == (factor != "2")


def test_a_store_without_its_provenance_is_seen():
    code = nbformat.v4.new_code_cell('kept = results.load("a-run")')
    notebook = nbformat.v4.new_notebook(cells=[code])
    assert guards.stores_say_their_provenance(notebook) != []
    shown = nbformat.v4.new_code_cell("print(kept.note)")
    shown.metadata["tags"] = ["nbval-ignore-output"]
    notebook.cells.append(shown)
    assert guards.stores_say_their_provenance(notebook) == []
    shown.source = "figures.rests_on(other, live=kept)"
    assert guards.stores_say_their_provenance(notebook) != []
    shown.source = "figures.rests_on(other, kept, live={})"
    assert guards.stores_say_their_provenance(notebook) == []


@pytest.mark.parametrize(
    "source", ["import numpy as np", "claims.check('LE-01', 1)", "x = 1\n" * 121]
)
def test_code_that_does_not_teach_is_folded(source):
    code = nbformat.v4.new_code_cell(source)
    notebook = nbformat.v4.new_notebook(cells=[code])
    assert guards.reads_first(notebook) != []
    code.metadata["tags"] = ["hide-input"]
    assert guards.reads_first(notebook) == []
    code.source, code.metadata["tags"] = "x = 1\n" * 120, []
    assert guards.reads_first(notebook) == []
    code.metadata["mystnb"] = {}
    assert guards.reads_first(notebook) != []
