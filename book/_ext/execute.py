"""Execute one notebook in a fresh kernel and measure it: ``execute.py NOTEBOOK FOLDER``.

Writes ``executed.ipynb``, ``cost.json`` and the figures' CSV files into FOLDER; on failure writes
``failure.txt``, one line, and exits with 1.  The kernel's CPU time and memory include its children.
"""

from __future__ import annotations

import json
import os
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


def execute(path: Path, folder: Path) -> None:
    """Execute ``path`` from its own folder and write the results into ``folder``."""
    notebook = nbformat.read(path, as_version=4)
    os.environ["GROKBOOK_DATA"] = str(folder.resolve())
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
    )
    began = time.perf_counter()
    with client.setup_kernel():
        meter = Meter(client.km.provisioner.pid)
        meter.start()
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
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


def main() -> int:
    """The command."""
    path, folder = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        execute(path, folder)
    except CellExecutionError as error:
        reason = f"{error.ename}: {error.evalue}"
    except (CellTimeoutError, DeadKernelError) as error:
        reason = str(error)
    else:
        return 0
    line = " ".join(reason.split())[:400]
    (folder / "failure.txt").write_text(line, "utf-8")
    return 1


if __name__ == "__main__":
    sys.exit(main())
