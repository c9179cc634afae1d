"""One thread for numerical libraries; examples without a deadline."""

import os

# Before numpy is imported: two threads a worker make two workers slower than one.
for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import hypothesis  # noqa: E402 (after the environment is set)

from explorers import address, browser, engine, opened  # noqa: E402, F401 (fixtures)

# A deadline measures the machine's load, not the code.
hypothesis.settings.register_profile("grokbook", deadline=None)
hypothesis.settings.load_profile("grokbook")
