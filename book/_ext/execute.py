"""Execute one notebook in a fresh kernel and measure it: ``execute.py NOTEBOOK FOLDER [--go-on]``.

Writes ``executed.ipynb``, ``cost.json`` and the figures' CSV files into FOLDER.  If a cell raises,
``failure.txt`` has a line with the cell's number and the reason, and the exit code is 1; with
``--go-on`` the cells after it run all the same, and each that raises has a line.  The kernel's CPU
time and memory include its children.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient
from nbclient.exceptions import (
    CellExecutionError,
    CellTimeoutError,
    DeadKernelError,
)

CELL_TIMEOUT = 600
SAMPLE_EVERY = 0.1
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# Marks the failing line of each frame of IPython's traceback.
ARROW = re.compile(r"^-+> *\d+ (.*)$", re.MULTILINE)


class Meter(threading.Thread):
    """Samples the summed memory and CPU time of a process and its children."""

    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self.process = psutil.Process(pid)
        self.stop = threading.Event()
        self.peak_bytes = 0
        self.cpu_seconds: dict[int, float] = {}

    def sample(self) -> None:
        """One reading; processes that have just ended keep their last one."""
        memory = 0
        try:
            family = [self.process, *self.process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for member in family:
            try:
                times = member.cpu_times()
                memory += member.memory_info().rss
            except psutil.NoSuchProcess:
                continue
            self.cpu_seconds[member.pid] = times.user + times.system
        self.peak_bytes = max(self.peak_bytes, memory)

    def run(self) -> None:
        """Sample until told to stop."""
        while not self.stop.wait(SAMPLE_EVERY):
            self.sample()


def execute(path: Path, folder: Path, *, go_on: bool = False) -> list[str]:
    """Execute ``path`` from its own folder, write the results into ``folder``; what it raised."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None  # none of an earlier run stays
    os.environ["GROKBOOK_DATA"] = str(folder.resolve())
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        allow_errors=go_on,
    )
    began = time.perf_counter()
    with client.setup_kernel():
        meter = Meter(client.km.provisioner.pid)
        meter.start()
        raised = run_cells(client)
        meter.sample()
        meter.stop.set()
        meter.join()
    cost = {
        "wall_seconds": round(time.perf_counter() - began, 2),
        "cpu_seconds": round(sum(meter.cpu_seconds.values()), 2),
        "peak_mb": round(meter.peak_bytes / 1e6, 1),
    }
    nbformat.write(notebook, folder / "executed.ipynb")
    (folder / "cost.json").write_text(json.dumps(cost), "utf-8")
    return raised


def run_cells(client: NotebookClient) -> list[str]:
    """Run the cells in order; a line for each that raised, the last one for what ended it all."""
    raised, number = [], 0  # the number that a page shows beside the cell
    for index, cell in enumerate(client.nb.cells):
        number += cell.cell_type == "code" and bool(cell.source.strip())
        end = None
        try:
            client.execute_cell(cell, index)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            end = error
        errors = [one for one in cell.get("outputs", []) if one.output_type == "error"]
        if end or (errors and "raises-exception" not in cell.metadata.get("tags", [])):
            why = reason(errors[0]) if errors else str(end)
            raised.append(f"cell [{number}]: {' '.join(why.split())[:400]}")
        if end:
            break
    return raised


def reason(error: nbformat.NotebookNode) -> str:
    """Name and message of an error output; where it has no message, the line that raised it."""
    message = error.evalue
    if not message:
        lines = ARROW.findall(COLOUR.sub("", "\n".join(error.traceback)))
        message = lines[-1] if lines else "no message"
    return f"{error.ename}: {message}"


def main() -> int:
    """The command."""
    raised = execute(Path(sys.argv[1]), Path(sys.argv[2]), go_on="--go-on" in sys.argv[3:])
    if raised:
        (Path(sys.argv[2]) / "failure.txt").write_text("\n".join(raised), "utf-8")
    return int(bool(raised))


if __name__ == "__main__":
    sys.exit(main())
