"""The scoreboard: every claim in the order of the book, its verdict, and what was measured."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from itertools import groupby

import yaml

import chapters
import citation
import pages
from grokbook import claims
from grokbook.boxes import typeset

SCRIPT = "scoreboard.js"
NOWHERE = "Not attempted"


def chapter_titles() -> dict[str, tuple[str, str]]:
    """Part and title of each chapter, in the order of the table of contents."""
    contents = yaml.safe_load((pages.ROOT / "_toc.yml").read_text("utf-8"))
    found = {}
    for part in contents["parts"]:
        for entry in part["chapters"]:
            chapter = chapters.Chapter(entry["file"].removeprefix("book/"))
            if chapter.path.is_file():
                heading = chapter.notebook.cells[0].source
                title = re.search(r"^# (.+)$", heading, re.MULTILINE)[1]
                found[chapter.name] = (part["caption"], title)
    return found


def ordered(found: dict[str, dict], names: Sequence[str]) -> list[claims.Claim]:
    """All claims: by chapter, in it as they are checked there, then those that were not."""
    chapter = {name: k for k, name in enumerate(names)}
    checked = {claim_id: k for k, claim_id in enumerate(found)}

    def place(claim: claims.Claim) -> tuple:
        in_book = chapter.get(claim.chapter, len(chapter))
        return (in_book, checked.get(claim.id, len(checked)), claim.id)

    return sorted(claims.ledgers().values(), key=place)


def write(found: dict[str, dict], home: str = "", author: str = "") -> None:
    """Write ``book/scoreboard.md``; a claim is cited with the site's address and the author."""
    titles, sections, last = chapter_titles(), [], None
    for chapter, rows in groupby(ordered(found, [*titles]), key=lambda one: one.chapter):
        part, title = titles.get(chapter, (NOWHERE, ""))
        if part != last:
            sections.append(f"## {part}\n")
            last = part
        sections.append(table(chapter, title, list(rows), found, (home, author)))
    text = (
        "(scoreboard)=\n# Scoreboard\n\n"
        f"{pages.summary(found)} The counts do not weigh: a misprint and a formula that fails "
        "count one each, and the list of claims is our choice. Ids that begin with GB are findings "
        "of this book; for these *reproduced* says only that our own test passed again. The id "
        "leads to the check in its chapter, the mark # is the address of a row. "
        '<a href="../claims.json" download>All of it as JSON</a>.\n\n'
        f'<div id="scoreboard-tools"></div>\n<script src="../{SCRIPT}" defer></script>\n\n'
        f":::{{dropdown}} Counts by paper and verdict\n{pages.verdict_table(found)}\n:::\n\n"
    )
    pages.write_if_new(pages.BOOK / "scoreboard.md", text + "\n".join(sections))


def table(
    chapter: str, title: str, rows: list[claims.Claim], found: dict[str, dict], source: tuple
) -> str:
    """The rows of one chapter; ``source`` is the site's address and the author."""
    caption = f'<a href="{chapter}.html">{html.escape(title)}</a>' if title else NOWHERE
    body = "\n".join(row(claim, found.get(claim.id), source) for claim in rows)
    return (
        f'```{{raw}} html\n<table class="scoreboard"><caption>{caption}</caption>\n'
        '<thead><tr><th scope="col">claim</th><th scope="col">statement</th>'
        '<th scope="col">verdict</th></tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table>\n```\n"
    )


def row(claim: claims.Claim, record: dict | None, source: tuple) -> str:
    """One claim as a row of the table, with what its filters ask for."""
    failed = claims.failures(record) if record else ""
    verdict = f"<strong>{pages.FAILED}:</strong> not " if failed else ""
    facts = {"paper": claim.paper, "verdict": claim.verdict, "whose": pages.group(claim)}
    marks = "".join(f' data-{name}="{html.escape(said)}"' for name, said in facts.items())
    name = pages.box_link(claim, claim.id) if record else claim.id
    statement = typeset(claim.statement)
    return (
        f'<tr id="{claim.id}"{marks}{" data-failed" if failed else ""}>'
        f'<th scope="row">{name} <a class="row-address" href="#{claim.id}" '
        f'aria-label="Address of {claim.id}">#</a></th>'
        f"<td>{statement}{detail(claim, record, source)}</td>"
        f"<td>{verdict}<em>{html.escape(claim.verdict)}</em></td></tr>"
    )


def detail(claim: claims.Claim, record: dict | None, source: tuple) -> str:
    """Where it is claimed, what was tested and measured and would refute it, folded."""
    said = {
        "Where": claim.where,
        "Measured": pages.measured(record) if record else "",
        "Tested": claim.scope,
        "Refuted by": claim.fails_if,
        "Because": claim.reason,
    }
    items = "".join(
        f"<dt>{name}</dt><dd>{typeset(text)}</dd>" for name, text in said.items() if text
    )
    home, author = source
    cited = citation.line(
        f"Claim {claim.id}, {claim.verdict}", f"{home}claims.html#{claim.id}", author
    )
    items += f"<dt>Cite</dt><dd>{citation.block(cited)}</dd>"
    return f"<details><summary>{claim.id} in detail</summary><dl>{items}</dl></details>"
