"""One thread for numerical libraries, and the chapters for whoever tests them."""

import os
import sys
from pathlib import Path

# Before numpy is imported: two threads a worker make two workers slower than one.
for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "book" / "_ext")]

import hypothesis  # noqa: E402 (after the environment is set)

# A deadline measures the machine's load, not the code.
hypothesis.settings.register_profile("grokbook", deadline=None)
hypothesis.settings.load_profile("grokbook")
