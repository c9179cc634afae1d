"""Execute the chapters: each once for everything it depends on, two at a time.

    python book/_ext/chapters.py              execute what has no stored result yet
    python book/_ext/chapters.py --in-place   the same, then refresh the committed notebooks

A chapter's result lies under ``_build/chapters/<chapter>/<key>/``: the executed notebook, the CSV
files of its figures and what it cost.  The key covers all that the result depends on.  A chapter
with a claim that failed is kept like any other, so that the site can show it, but is not accepted
where failed claims raise (``claims.strict``) and never refreshes its notebook.
"""

from __future__ import annotations

import argparse
import ast
import copy
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import nbformat
import yaml

import pages
from grokbook import claims, randomness, source

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "_build" / "chapters"
PICTURE = "book/_static/grokking.png"
# Two chapters at a time, one thread each.
WORKERS = 2
# Tag of a cell whose code the page shows on demand; what the cell computes does not depend on it.
FOLDED = "hide-input"
ONE_THREAD = {
    f"{library}_NUM_THREADS": "1"
    for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")
}


class ChapterFailed(RuntimeError):
    """A chapter raised; the message has a line for each that did."""


@dataclass(frozen=True)
class Chapter:
    """One notebook of the table of contents; ``name`` is its path in ``book`` without suffix."""

    name: str

    @property
    def path(self) -> Path:
        """The committed notebook."""
        return ROOT / "book" / f"{self.name}.ipynb"

    @cached_property
    def notebook(self) -> nbformat.NotebookNode:
        """The committed notebook, parsed."""
        return nbformat.read(self.path, as_version=4)

    @property
    def code_cells(self) -> list[nbformat.NotebookNode]:
        """Its code cells, in order."""
        return [cell for cell in self.notebook.cells if cell.cell_type == "code"]

    @cached_property
    def key(self) -> str:
        """Hash of all that its result depends on."""
        return key(self)

    @property
    def folder(self) -> Path:
        """Where its result for the present key lies, or will lie."""
        return RESULTS / self.name / self.key

    @property
    def done(self) -> bool:
        """Whether the result for the present key is there."""
        return self.folder.is_dir()

    def executed(self) -> nbformat.NotebookNode:
        """The executed notebook of the present key, its code folded as in the committed one."""
        executed = nbformat.read(self.folder / "executed.ipynb", as_version=4)
        ran = [cell for cell in executed.cells if cell.cell_type == "code"]
        if len(ran) == len(self.code_cells):  # else the tests say that it is another notebook
            for cell, committed in zip(ran, self.code_cells, strict=True):
                cell.metadata = copy.deepcopy(committed.metadata)
        return executed

    def failed_claims(self) -> list[str]:
        """A line for each claim that failed in the execution, with both numbers."""
        return failed_claims(self.name, [one for one, _ in pages.boxes(self.executed())])

    def cost(self) -> dict:
        """Wall seconds, CPU seconds and peak memory in MB of the execution."""
        return json.loads((self.folder / "cost.json").read_text("utf-8"))


def chapters() -> list[Chapter]:
    """The notebooks of ``_toc.yml``, in order."""
    found = []

    def walk(node):
        if isinstance(node, dict):
            if "file" in node and (ROOT / f"{node['file']}.ipynb").is_file():
                found.append(Chapter(Path(node["file"]).relative_to("book").as_posix()))
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8")))
    return found


def failed_claims(name: str, records: list[dict]) -> list[str]:
    """A line for each claim that failed, of the boxes' records of a chapter."""
    failures = {record["id"]: claims.failures(record) for record in records}
    return [f"{one} failed in book/{name}.ipynb: {said}" for one, said in failures.items() if said]


def key(chapter: Chapter) -> str:
    """SHA-256 over cells with metadata, what they use, claims, stores, lock, Python, shift."""
    cells = [[cell.source, _plain(cell.metadata)] for cell in chapter.code_cells]
    code = "\n".join(_python(cell.source) for cell in chapter.code_cells)
    parts = {
        "cells": cells,
        "claims": _rows(code),
        "code": source.code_fingerprint(code),
        "files": {
            path.relative_to(ROOT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in [*_stores(code), ROOT / "requirements.lock"]
        },
        "python": platform.python_version(),
        "shift": randomness.shift(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _plain(metadata) -> dict:
    """The metadata without the tag that folds a cell's code on the page."""
    plain = json.loads(json.dumps(metadata))
    tags = [tag for tag in plain.pop("tags", []) if tag != FOLDED]
    return plain | ({"tags": tags} if tags else {})


def _python(cell: str) -> str:
    """A cell's code without IPython's magics and shell lines, so that ``ast`` can read it."""
    return "\n".join(
        f"{line[: len(line) - len(line.lstrip())]}pass" if line.lstrip()[:1] in ("%", "!") else line
        for line in cell.splitlines()
    )


def _strings(code: str) -> set[str]:
    constants = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant))
    return {node.value for node in constants if isinstance(node.value, str)}


def _rows(code: str) -> list[dict]:
    """The rows of the ledger that the code names: what a claim's box says and is tested by."""
    named = _strings(code)
    rows = []
    for path in (ROOT / "grokbook" / "ledger").glob("*.toml"):
        ledger = _toml(path.read_text("utf-8"))
        own = (row for row in ledger.get("claim", ()) if row["id"] in named)
        rows += [row | {"paper": ledger["paper"]} for row in own]
    return sorted(rows, key=lambda row: row["id"])


_toml = cache(tomllib.loads)


def _stores(code: str) -> list[Path]:
    """The stored results whose names the code mentions; not the database of a sweep under way."""
    named, kinds = _strings(code), (".npz", ".json")
    found = sorted((ROOT / "grokbook" / "data").glob("*.*"))
    return [path for path in found if path.stem in named and path.suffix in kinds]


def run(wanted: list[Chapter], *, report=print) -> None:
    """Execute the chapters that have no result for their key; ChapterFailed if one raises."""
    waiting = [chapter for chapter in wanted if not chapter.done]
    for chapter in wanted:
        if chapter.done:
            report(_line(chapter, "kept"))
    with ThreadPoolExecutor(WORKERS) as pool:
        failures = [
            error for error in pool.map(lambda one: _attempt(one, report), waiting) if error
        ]
    if claims.strict():
        failures += [line for one in wanted if one.done for line in one.failed_claims()]
    if failures:
        raise ChapterFailed("\n".join(failures))


def _attempt(chapter: Chapter, report) -> str | None:
    report(f"  {chapter.name:<40} started")
    try:
        _execute(chapter)
    except ChapterFailed as error:
        return str(error)
    report(_line(chapter, "done"))
    return None


def _line(chapter: Chapter, state: str) -> str:
    return progress(chapter.name, state, chapter.cost(), len(chapter.failed_claims()))


def progress(name: str, state: str, cost: dict, failed: int) -> str:
    """A line about one chapter: what it cost, and how many of its claims failed."""
    return (
        f"  {name:<40} {state:<7} {cost['wall_seconds']:6.1f} s  "
        f"{cost['cpu_seconds']:6.1f} CPU s  {cost['peak_mb']:5.0f} MB"
        + (f"  {failed} claim{'s' if failed > 1 else ''} FAILED" if failed else "")
    )


def execute(chapter: Chapter, folder: Path, environment: dict, *options: str) -> list[str]:
    """Run one chapter in a process of its own into ``folder``; a line for each cell that raised."""
    worker = Path(__file__).with_name("execute.py")
    command = [sys.executable, str(worker), str(chapter.path), str(folder), *options]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if ran.returncode == 0:
        return []
    failure = folder / "failure.txt"
    reasons = (
        failure.read_text("utf-8") if failure.is_file() else " ".join(ran.stderr.split())[-300:]
    )
    return [f"book/{chapter.name}.ipynb, {line}" for line in reasons.splitlines()]


def _execute(chapter: Chapter) -> None:
    """Execute a chapter; move its result into place only when complete."""
    chapter.folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=chapter.folder.parent, prefix=".running-") as scratch:
        raised = execute(chapter, Path(scratch), os.environ | ONE_THREAD)
        if raised:
            raise ChapterFailed("\n".join(raised))
        for old in chapter.folder.parent.iterdir():
            if not old.name.startswith(".running-"):
                shutil.rmtree(old)
        complete = Path(scratch).with_name(chapter.key)
        Path(scratch).rename(complete)
        Path(scratch).mkdir()  # for TemporaryDirectory to remove


def refresh(chapter: Chapter) -> bool:
    """Copy the executed outputs into the committed notebook; False if they were there already."""
    if chapter.notebook.metadata.get("grokbook", {}).get("key") == chapter.key:
        return False
    fresh = nbformat.read(chapter.path, as_version=4)
    executed = [cell for cell in chapter.executed().cells if cell.cell_type == "code"]
    for cell, ran in zip((c for c in fresh.cells if c.cell_type == "code"), executed, strict=True):
        cell.outputs, cell.execution_count = ran.outputs, ran.execution_count
    fresh.metadata = nbformat.from_dict(
        {
            "kernelspec": {
                "display_name": "Python 3",
                "language": "python",
                "name": "python3",
            },
            "language_info": {"name": "python"},
            "grokbook": {**fresh.metadata.get("grokbook", {}), "key": chapter.key},
        }
    )
    nbformat.write(fresh, chapter.path)
    return True


def refresh_picture(wanted: list[Chapter]) -> None:
    """Copy the landing page's first figure to where the README and link previews show it."""
    for chapter in wanted:
        picture = pages.figure_png(chapter.notebook, pages.LANDING_FIGURES[0])
        if picture:
            (ROOT / PICTURE).write_bytes(picture)


def main() -> int:
    """The command; 1 if a chapter raised, or if a claim failed that a notebook was to store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--in-place", action="store_true", help="refresh the committed notebooks")
    options = parser.parse_args()
    try:
        shift = randomness.shift()
    except ValueError as error:
        return refuse(str(error))
    if shift and options.in_place:
        return refuse(f"{randomness.VARIABLE} = {shift}: the notebooks keep runs of shift 0")
    wanted = chapters()
    print(f"executing the chapters ({len(wanted)}):", flush=True)
    try:
        run(wanted, report=lambda line: print(line, flush=True))
    except ChapterFailed as error:
        print(*(f"error: {line}" for line in str(error).splitlines()), sep="\n", file=sys.stderr)
        return 1
    return refresh_all(wanted) if options.in_place else 0


def refuse(line: str) -> int:
    """Say in one line why nothing was done."""
    print(f"error: {line}", file=sys.stderr)
    return 2


def refresh_all(wanted: list[Chapter]) -> int:
    """Refresh the notebooks whose claims held; 1 if there are others."""
    failed = {chapter.name: chapter.failed_claims() for chapter in wanted}
    for chapter in wanted:
        changed = not failed[chapter.name] and refresh(chapter)
        state = "not refreshed" if failed[chapter.name] else "refreshed" if changed else "unchanged"
        print(f"  book/{chapter.name}.ipynb {state}")
    refresh_picture(chapters())
    lines = [line for found in failed.values() for line in found]
    print(*(f"error: {line}" for line in lines), sep="\n", end="\n" * bool(lines), file=sys.stderr)
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
