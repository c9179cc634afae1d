"""One thread for numerical libraries, the book's seeds, plain git; examples without a deadline."""

import os

# Before numpy is imported: two threads a worker make two workers slower than one.
for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

# The tests know what the book's own seeds give.
os.environ.pop("GROKBOOK_SEED_SHIFT", None)
# Repositories that tests make are not signed, and run nobody's hooks.
_GIT = {"commit.gpgsign": "false", "core.hooksPath": os.devnull}
_before = int(os.environ.get("GIT_CONFIG_COUNT", 0))
os.environ["GIT_CONFIG_COUNT"] = str(_before + len(_GIT))
for _number, _item in enumerate(_GIT.items(), _before):
    os.environ[f"GIT_CONFIG_KEY_{_number}"], os.environ[f"GIT_CONFIG_VALUE_{_number}"] = _item

import hypothesis  # noqa: E402 (after the environment is set)

from explorers import address, browser, engine, opened  # noqa: E402, F401 (fixtures)

# A deadline measures the machine's load, not the code.
hypothesis.settings.register_profile("grokbook", deadline=None)
hypothesis.settings.load_profile("grokbook")
