"""The chapters are compared as the build executed them (``tests/replay.py``)."""

from replay import (  # noqa: F401 (pytest finds them by name)
    pytest_collect_file,
    pytest_configure,
    pytest_runtest_call,
    pytest_terminal_summary,
)
