"""What a chapter must satisfy before it is run: each guard returns the problems it finds.

Kept apart from the tests so that the suite can be tested on spoilt chapters.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from tools import setup_cell

ROOT = Path(__file__).resolve().parents[1]
MAX_BYTES = 1_500_000
MAX_CELL_LINES = 25
# Cells of a chapter, of all types.
MAX_CELLS = 45
# Lines of code that a chapter shows before anything is unfolded.
MAX_OPEN_LINES = 120
HIDDEN = {"remove-cell", "hide-cell", "hide-input"}
# What a reader wants to see first is none of this.
FOR_THE_BOOK = re.compile(r"^(?:import|from) |claims\.check\(|figures\.publish\(", re.MULTILINE)
MIN_COMPARED = 5
MIN_ALT = 40
IGNORED = {"nbval-ignore-output", "nbval-skip"}


def code_cells(notebook):
    """The code cells that hold code."""
    return [c for c in notebook.cells if c.cell_type == "code" and c.source.strip()]


def prose(notebook):
    """All Markdown of the notebook."""
    return "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


def figure_cells(notebook):
    """The cells that drew something or are meant to."""
    return [
        c
        for c in code_cells(notebook)
        if "mystnb" in c.metadata
        or any("image/png" in output.get("data", {}) for output in c.outputs)
    ]


def executed_in_order(notebook):
    """Every code cell carries its place in one run from top to bottom, and a clean output."""
    counts = [cell.execution_count for cell in code_cells(notebook)]
    problems = [] if counts == list(range(1, len(counts) + 1)) else [f"executed as {counts}"]
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if output.output_type == "error" or output.get("name") == "stderr":
                problems.append(f"cell {cell.id}: an error or something on stderr")
    return problems


def enough_compared_outputs(notebook):
    """A regression test of a notebook needs text outputs to compare."""
    compared = [
        output
        for cell in code_cells(notebook)
        if not IGNORED & set(cell.metadata.get("tags", []))
        for output in cell.outputs
        if output.output_type == "stream" or "image/png" not in output.get("data", {})
    ]
    found = len(compared)
    return (
        [] if found >= MIN_COMPARED else [f"{found} compared text outputs, {MIN_COMPARED} needed"]
    )


def figures_are_described(notebook):
    """Caption, label and alternative text in the cell's metadata, and the label in the prose."""
    problems, text = [], prose(notebook)
    for cell in figure_cells(notebook):
        mystnb = cell.metadata.get("mystnb", {})
        figure, alt = mystnb.get("figure", {}), mystnb.get("image", {}).get("alt", "")
        caption, name = figure.get("caption", ""), figure.get("name", "")
        for problem, present in {
            f"alt text has {len(alt)} characters": len(alt) < MIN_ALT,
            "alt text is the caption": alt.strip() == caption.strip(),
            "no caption": not caption,
            "label must start with fig-": not name.startswith("fig-"),
            f"label {name} is not referred to": f"`{name}`" not in text,
            f"data are not published as {name}": f'"{name}"' not in cell.source,
            "no picture": not any("image/png" in o.get("data", {}) for o in cell.outputs),
        }.items():
            if present:
                problems.append(f"cell {cell.id}: {problem}")
    return problems


def within_size(notebook):
    """The committed file is small, its cells are short, and no statement ends in a semicolon."""
    size = len(json.dumps(notebook, ensure_ascii=False).encode())
    problems = [] if size <= MAX_BYTES else [f"{size} bytes"]
    for cell in code_cells(notebook):
        lines = cell.source.splitlines()
        if len(lines) > MAX_CELL_LINES:
            problems.append(f"cell {cell.id}: {len(lines)} lines")
        if any(line.rstrip().endswith(";") for line in lines):
            problems.append(f"cell {cell.id}: a trailing semicolon silences nothing in the tests")
    return problems


def few_cells(notebook):
    """A chapter has at most 45 cells, text and code together.

    A page of recipes is looked up, not read through.
    """
    if notebook.metadata.get("grokbook", {}).get("page") == "recipes":
        return []
    count = len(notebook.cells)
    return [] if count <= MAX_CELLS else [f"{count} cells, at most {MAX_CELLS}"]


def reads_first(notebook):
    """Few lines of code stand open on the page, and none that draw, check or import.

    A page of recipes is made of code.
    """
    if notebook.metadata.get("grokbook", {}).get("page") == "recipes":
        return []
    problems, count = [], 0
    for cell in code_cells(notebook):
        if HIDDEN & set(cell.metadata.get("tags", [])):
            continue
        count += sum(bool(line.strip()) for line in cell.source.splitlines())
        if "mystnb" in cell.metadata or FOR_THE_BOOK.search(cell.source):
            problems.append(f"cell {cell.id}: draws, checks or imports, and stands open")
    if count > MAX_OPEN_LINES:
        problems.append(f"{count} open lines of code, at most {MAX_OPEN_LINES}")
    return problems


def normalised(notebook):
    """A budget, and no metadata that differs from run to run."""
    problems = []
    if not notebook.metadata.get("grokbook", {}).get("budget_cpu_seconds"):
        problems.append("no budget_cpu_seconds in the metadata")
    if set(notebook.metadata) != {"grokbook", "kernelspec", "language_info"}:
        problems.append(f"metadata {sorted(notebook.metadata)}")
    for cell in notebook.cells:
        if set(cell.metadata) - {"tags", "mystnb", "editable", "slideshow"}:
            problems.append(f"cell {cell.id}: metadata {sorted(cell.metadata)}")
    return problems


def stores_say_their_provenance(notebook):
    """Each loaded store shows its note, which differs between versions and is not compared.

    ``figures.rests_on`` marks it so; a printed one needs a cell that nbval ignores.
    """
    code = "\n".join(cell.source for cell in code_cells(notebook))
    notes = [
        cell.source
        for cell in code_cells(notebook)
        if "nbval-ignore-output" in cell.metadata.get("tags", [])
    ]
    return [
        f"{name} = results.load(...) without figures.rests_on({name})"
        for name in re.findall(r"^(\w+) = results\.load\(", code, re.MULTILINE)
        if f"print({name}.note)" not in notes
        and not re.search(rf"figures\.rests_on\([^=)]*\b{name}\b", code)
    ]


def has_the_template(notebook):
    """Title, what it costs, exercises with folded solutions, and an account at the end.

    A page of recipes (``"page": "recipes"`` in its metadata) has no paper to account for.
    """
    if notebook.metadata.get("grokbook", {}).get("page") == "recipes":
        return []
    text = prose(notebook)
    needed = {
        "one title": len(re.findall(r"^# ", text, re.MULTILINE)) == 1,
        "You will see": "You will see" in text,
        "You need": "You need" in text,
        "It costs": "It costs" in text,
        "Where it breaks": "## Where it breaks" in text,
        "two exercises": len(re.findall(r"^\*\*\d\. ", text, re.MULTILINE)) >= 2,
        "folded solutions": len(re.findall(r"\{dropdown\} Solution", text)) >= 2,
        "What the paper says, what we find": "## What the paper says, what we find" in text,
        "a numbered equation": ":label: eq-" in text,
        "a citation": "{cite" in text,
    }
    return [f"missing: {name}" for name, there in needed.items() if not there]


def begins_with_the_setup_cell(notebook):
    """Before any other code, hidden on the page: the cell that ``tools.setup_cell`` writes."""
    first = code_cells(notebook)[0]
    problems = []
    if "remove-cell" not in first.metadata.get("tags", []):
        problems.append("the first code cell is not hidden")
    if first.source != setup_cell.source():
        problems.append("the first code cell is not the set-up cell: make notebooks")
    return problems


GUARDS = (
    executed_in_order,
    enough_compared_outputs,
    figures_are_described,
    within_size,
    few_cells,
    reads_first,
    normalised,
    stores_say_their_provenance,
    has_the_template,
    begins_with_the_setup_cell,
)
