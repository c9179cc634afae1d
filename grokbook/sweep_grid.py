"""The former name of ``grokbook.sweep.grid``, for what still imports it."""

from grokbook.sweep.grid import Grid, Quantity, Sweep, run_seed  # noqa: F401
