"""The footer of every page: commit, date, versions and processor of the build."""

from __future__ import annotations

import html
import platform
from datetime import UTC, datetime
from importlib.metadata import version

from grokbook import machine

PACKAGES = ("grokbook", "numpy", "scipy", "torch", "matplotlib", "jupyter-book")


def footer() -> str:
    """The build's facts as HTML."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    commit = machine.commit()
    facts = (
        f"Built on {datetime.now(UTC):%Y-%m-%d} from commit {commit[:10]}"
        f"{' with local changes' if commit.endswith('+') else ''} "
        f"with Python {platform.python_version()}, {packages}, on {machine.processor()}."
    )
    licence = "Text and figures CC BY 4.0, code MIT."
    return f'<p class="build-facts">{html.escape(facts)} {licence}</p>'
