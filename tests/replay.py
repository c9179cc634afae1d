"""nbval compares each chapter as the build executed it, instead of executing it again.

``make book`` has run the chapter's cells in a fresh kernel and keeps what they printed under a key
of all that it depends on; a second run of the same code on the same machine costs as much and says
no more.  So where there is a result for the present key, nbval's cells are given its messages in
place of a kernel's; how they compare, sanitise and read tags is theirs.  Anything else runs in a
kernel as ever, and so does everything with ``GROKBOOK_NBVAL=run``.

``book/conftest.py`` takes the hooks from here, so that no notebook outside ``book`` is concerned.
"""

from __future__ import annotations

import os
import queue

import nbformat
import pytest
from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError

import chapters

VARIABLE = "GROKBOOK_NBVAL"
RUN = "run"
REPLAYED = "grokbook-replayed"


def in_kernel() -> bool:
    """Whether the environment asks for a second execution; UsageError for any other value."""
    value = os.environ.get(VARIABLE, "").strip()
    if value not in ("", RUN):
        raise pytest.UsageError(f"{VARIABLE} = {value!r}: must be {RUN!r} or not set")
    return value == RUN


class Recording:
    """What nbval asks of a kernel, answered from an executed notebook.

    A cell that the build did not execute, or whose code differs, raises: no outputs must not look
    like equal outputs, and an error message would pass where the cell is tagged to raise.
    """

    def __init__(self, executed: nbformat.NotebookNode, count: int):
        self.cells = [cell for cell in executed.cells if cell.cell_type == "code"]
        self.count = count  # of code cells in the committed notebook
        self.number = 0  # the cell to answer for: nbval names only its code
        self.messages: queue.SimpleQueue = queue.SimpleQueue()

    def objection(self, code: str) -> str:
        """Why the present cell's outputs cannot be those of ``code``; empty if they can."""
        if len(self.cells) != self.count:
            return f"The build executed {len(self.cells)} code cells, of {self.count}"
        if self.cells[self.number].source != code:
            return "The build executed other code in this cell"
        if self.cells[self.number].execution_count is None:
            return "The build did not execute this cell"
        return ""

    def execute_cell_input(self, code: str, allow_stdin: bool | None = None) -> int:
        """Queue the messages of the present cell; the id of the request is its number."""
        if wrong := self.objection(code):
            raise NbCellError(self.number, wrong, code)
        for output in self.cells[self.number].outputs:
            self._queue(output.output_type, output)
        self._queue("status", {"execution_state": "idle"})
        return self.number

    def _queue(self, kind: str, content: dict) -> None:
        parent = {"msg_id": self.number}
        self.messages.put({"msg_type": kind, "content": content, "parent_header": parent})

    def get_message(self, stream: str, timeout: float | None = None) -> dict:
        """The next message; ``queue.Empty`` if there is none, as from a kernel that is silent."""
        return self.messages.get_nowait()

    def await_reply(self, msg_id: int, timeout: float | None = None) -> None:
        """Nothing to wait for."""

    def await_idle(self, parent_id: int, timeout: float) -> None:
        """Drop the messages up to the one that says the cell has ended."""
        while self.get_message("iopub")["msg_type"] != "status":
            pass

    def is_alive(self) -> bool:
        """Always: no cell can have killed it."""
        return True

    def stop(self) -> None:
        """Nothing to stop."""


class ChapterFile(IPyNbFile):
    """A notebook of the book: replayed if the build has executed it, else run by nbval."""

    def setup(self) -> None:
        """Set a recording up in place of the kernel, where there is one to compare."""
        executed = self.executed()
        if executed is None:
            super().setup()
            return
        count = sum(cell.cell_type == "code" for cell in self.nb.cells)
        self.kernel = Recording(executed, count)
        self.setup_sanitize_files()

    def executed(self) -> nbformat.NotebookNode | None:
        """The build's execution for the present key, unless a kernel was asked for."""
        options = self.config.option
        if in_kernel() or options.nbval_kernel_name or getattr(options, "cov_source", None):
            return None
        name = self.path.relative_to(chapters.ROOT / "book").with_suffix("").as_posix()
        chapter = chapters.Chapter(name)
        complete = chapter.done and (chapter.folder / "executed.ipynb").is_file()
        return chapter.executed() if complete else None


def pytest_configure(config) -> None:
    """Refuse a value that means nothing before anything runs."""
    in_kernel()


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    """Put a ChapterFile where nbval collected a notebook."""
    found = yield
    return [
        ChapterFile.from_parent(parent, path=file_path) if type(one) is IPyNbFile else one
        for one in found
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item) -> None:
    """Tell the recording which cell is next: skipped and deselected ones never ask."""
    if isinstance(item, IPyNbCell) and isinstance(item.parent.kernel, Recording):
        item.parent.kernel.number = item.cell_num
        item.user_properties.append((REPLAYED, True))


def pytest_terminal_summary(terminalreporter) -> None:
    """Say of how many chapters the build's execution was compared, so that nobody need guess."""
    reports = [one for found in terminalreporter.stats.values() for one in found]
    replayed = {
        one.nodeid.split("::")[0]
        for one in reports
        if (REPLAYED, True) in map(tuple, getattr(one, "user_properties", ()))
    }
    if replayed:
        terminalreporter.write_line(
            f"chapters compared as the build executed them: {len(replayed)} "
            f"({VARIABLE}={RUN} executes them again)"
        )
