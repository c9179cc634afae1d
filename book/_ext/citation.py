"""How to cite a page or a claim: one line, and BibTeX, of this edition and commit."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from functools import cache

import grokbook
from grokbook import machine

BOOK = "Grokbook: an executable companion to seven papers on grokking"


@cache
def state() -> str:
    """Edition and commit, as in the footer."""
    commit = machine.commit()
    changed = " with local changes" if commit.endswith("+") else ""
    return f"edition {grokbook.edition()}, commit {commit[:10]}{changed}"


def line(what: str, address: str, author: str) -> str:
    """The citation as one line of text."""
    return f"{author}: {what}. In: {BOOK}, {state()}, {datetime.now(UTC).year}. {address}"


def bibtex(key: str, title: str, address: str, author: str) -> str:
    """The citation as an entry for BibTeX."""
    fields = {
        "author": f"{{{author}}}",  # a body, not a person of several names
        "title": f"{{{title}}}",
        "howpublished": f"In: {BOOK}, {state()}",
        "year": str(datetime.now(UTC).year),
        "url": address,
    }
    said = "".join(f"  {name} = {{{text}}},\n" for name, text in fields.items())
    return f"@misc{{{key},\n{said}}}"


def block(text: str) -> str:
    """HTML of text with a button to copy it, which sphinx-copybutton adds."""
    return f'<div class="highlight cite-text"><pre>{html.escape(text, quote=False)}</pre></div>'


def box(title: str, page: str, home: str, author: str) -> str:
    """HTML for the end of a page: the line, and BibTeX in a fold."""
    address = f"{home}{page}.html"
    key = "grokbook-" + page.removeprefix("book/").replace("/", "-")
    return (
        '<aside class="cite-page" aria-label="Cite this page"><p>Cite this page</p>\n'
        f"{block(line(f'“{title}”', address, author))}\n<details><summary>BibTeX</summary>\n"
        f"{block(bibtex(key, title, address, author))}\n</details></aside>\n"
    )
