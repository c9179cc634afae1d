"""The footer of every page: commit, date, versions, processor and its instructions in use."""

from __future__ import annotations

import html
import platform
from datetime import UTC, datetime
from importlib.metadata import version

import grokbook
from grokbook import machine

PACKAGES = ("numpy", "scipy", "torch", "matplotlib", "jupyter-book")


def footer() -> str:
    """The build's facts as HTML."""
    packages = ", ".join(
        [f"grokbook {grokbook.__version__}", *(f"{name} {version(name)}" for name in PACKAGES)]
    )
    commit = machine.commit()
    facts = (
        f"Built on {datetime.now(UTC):%Y-%m-%d} from commit {commit[:10]}"
        f"{' with local changes' if commit.endswith('+') else ''} "
        f"with Python {platform.python_version()}, {packages}, on {machine.processor()} "
        f"({machine.instructions()})."
    )
    licence = "Text and figures CC BY 4.0, code MIT."
    return f'<p class="build-facts">{html.escape(facts)} {licence}</p>'
