"""The former name of ``grokbook.results``, for what still imports it."""

from grokbook.results import Stored, StoredRun, load  # noqa: F401
