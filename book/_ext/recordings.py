"""Runs recorded for the explorers when the site is built, as JSON that a page fetches.

A recording is made once for the code and the setting it depends on and kept under
``_build/recordings``; a rebuild copies it.  Each ``recorded_*.py`` declares one: NAME, ``marks`` of
what it depends on, ``record`` and ``pack``.
"""

from __future__ import annotations

import base64
import hashlib
import inspect
import json
import os
from pathlib import Path
from types import ModuleType

import numpy as np

from grokbook import randomness

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "_build" / "recordings"
# Largest number that a stored coordinate takes.
FULL = 32_767


def write(folder: Path, declared: list[ModuleType]) -> list[Path]:
    """Put the recordings into ``folder/recordings``, and make first what is not kept."""
    target = folder / "recordings"
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for one in declared:
        written.append(target / f"{one.NAME}.json")
        written[-1].write_bytes(kept(one).read_bytes())
    return written


def kept(recording: ModuleType) -> Path:
    """The file in which a recording is kept."""
    found = KEPT / f"{recording.NAME}-{key(recording)}.json"
    if not found.is_file():
        text = json.dumps(recording.pack(recording.record()), separators=(",", ":"))
        KEPT.mkdir(parents=True, exist_ok=True)
        for old in KEPT.glob(f"{recording.NAME}-*.json"):
            old.unlink()
        scratch = found.with_suffix(f".{os.getpid()}")
        scratch.write_text(text, "utf-8")
        scratch.replace(found)
    return found


def key(recording: ModuleType) -> str:
    """Hash of the run's code and setting, of the reader's seed shift and of how it is packed."""
    packed = [inspect.getsource(one) for one in (recording.pack, numbers)]
    parts = [*recording.marks(), *packed, repr((FULL, randomness.shift(), np.__version__))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def numbers(values: np.ndarray) -> str:
    """Values in [-1, 1] as 16-bit integers, little-endian, in base64, of which FULL is one unit."""
    return base64.b64encode(np.rint(values * FULL).astype("<i2").tobytes()).decode("ascii")
