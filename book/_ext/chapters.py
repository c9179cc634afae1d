"""Execute the chapters: each once for everything it depends on, two at a time.

    python book/_ext/chapters.py              execute what has no stored result yet
    python book/_ext/chapters.py --in-place   the same, then refresh the committed notebooks

A chapter's result lies under ``_build/chapters/<chapter>/<key>/``: the executed notebook, the CSV
files of its figures and what it cost.  The key covers all that the result depends on.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
import yaml

import pages
from grokbook import source

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "_build" / "chapters"
PICTURE = "book/_static/grokking.png"
# Two chapters at a time, one thread each.
WORKERS = 2
ONE_THREAD = {
    f"{library}_NUM_THREADS": "1"
    for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")
}


class ChapterFailed(RuntimeError):
    """A chapter raised; the message is one line."""


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
        """The executed notebook of the present key."""
        return nbformat.read(self.folder / "executed.ipynb", as_version=4)

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


def key(chapter: Chapter) -> str:
    """SHA-256 over code cells with metadata, modules, ledgers, stores, lock and Python version."""
    cells = [[cell.source, _plain(cell.metadata)] for cell in chapter.code_cells]
    code = "\n".join(_python(cell.source) for cell in chapter.code_cells)
    parts = {
        "cells": cells,
        "modules": source.fingerprint(source.imported_modules(code) | {"grokbook"}),
        "files": {
            path.relative_to(ROOT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in [
                *_ledgers(code),
                *_stores(code),
                ROOT / "requirements.lock",
            ]
        },
        "python": platform.python_version(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _plain(metadata) -> dict:
    return json.loads(json.dumps(metadata))


def _python(cell: str) -> str:
    """A cell's code without IPython's magics and shell lines, so that ``ast`` can read it."""
    return "\n".join(
        f"{line[: len(line) - len(line.lstrip())]}pass" if line.lstrip()[:1] in ("%", "!") else line
        for line in cell.splitlines()
    )


def _strings(code: str) -> set[str]:
    constants = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant))
    return {node.value for node in constants if isinstance(node.value, str)}


def _ledgers(code: str) -> list[Path]:
    """The ledgers whose claims the code checks, found by the claim ids it names."""
    from grokbook import claims

    named = {text for text in _strings(code) if claims.ID.fullmatch(text)}
    files = sorted((ROOT / "grokbook" / "ledger").glob("*.toml"))
    return [
        path
        for path in files
        if any(f'id = "{claim}"' in path.read_text("utf-8") for claim in named)
    ]


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
    if failures:
        raise ChapterFailed("; ".join(failures))


def _attempt(chapter: Chapter, report) -> str | None:
    report(f"  {chapter.name:<40} started")
    try:
        _execute(chapter)
    except ChapterFailed as error:
        return str(error)
    report(_line(chapter, "done"))
    return None


def _line(chapter: Chapter, state: str) -> str:
    cost = chapter.cost()
    return (
        f"  {chapter.name:<40} {state:<7} {cost['wall_seconds']:6.1f} s  "
        f"{cost['cpu_seconds']:6.1f} CPU s  {cost['peak_mb']:5.0f} MB"
    )


def _execute(chapter: Chapter) -> None:
    """Run one chapter in a process of its own; move its result into place only when complete."""
    chapter.folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=chapter.folder.parent, prefix=".running-") as scratch:
        worker = Path(__file__).with_name("execute.py")
        command = [sys.executable, str(worker), str(chapter.path), scratch]
        ran = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | ONE_THREAD,
            capture_output=True,
            text=True,
        )
        if ran.returncode != 0:
            failure = Path(scratch) / "failure.txt"
            reason = failure.read_text("utf-8") if failure.is_file() else ran.stderr.strip()[-300:]
            raise ChapterFailed(f"book/{chapter.name}.ipynb: {reason}")
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
    """Copy the landing page's figure to where the README and link previews show it."""
    for chapter in wanted:
        picture = pages.figure_png(chapter.notebook, pages.LANDING_FIGURE)
        if picture:
            (ROOT / PICTURE).write_bytes(picture)


def main() -> int:
    """The command; 1 if a chapter failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--in-place", action="store_true", help="refresh the committed notebooks")
    options = parser.parse_args()
    wanted = chapters()
    print(f"executing the chapters ({len(wanted)}):", flush=True)
    try:
        run(wanted, report=lambda line: print(line, flush=True))
    except ChapterFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.in_place:
        for chapter in wanted:
            print(f"  book/{chapter.name}.ipynb {'refreshed' if refresh(chapter) else 'unchanged'}")
        refresh_picture(chapters())
    return 0


if __name__ == "__main__":
    sys.exit(main())
