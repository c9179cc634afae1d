"""What a result was made on: commit and processor."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

from grokbook import source


def commit() -> str:
    """Hash of the checkout's commit, ``+`` if the work tree differs; ``unknown`` without git."""
    head = _git("rev-parse", "HEAD")
    if not head:
        return "unknown"
    return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")


def processor() -> str:
    """Model name of the CPU, or the machine type where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(source.ROOT.parent), *arguments]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return run.stdout.strip() if run.returncode == 0 else ""
