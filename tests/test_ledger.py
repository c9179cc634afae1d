"""The ledger against the executed chapters: one row, one check, its verdict supported."""

import re
from collections import Counter

import pytest

import chapters
import pages
import scoreboard
from grokbook import boxes, claims
from guards import ROOT

LEDGER = claims.ledgers()
CHAPTERS = {chapter.name: chapter for chapter in chapters.chapters()}
CORRECTIONS = {
    path.stem: path.read_text("utf-8") for path in (ROOT / "book" / "corrections").glob("*.md")
}


def checks():
    """(claim id, chapter, record) of every box in the committed chapters."""
    for name, chapter in CHAPTERS.items():
        for record, _ in pages.boxes(chapter.notebook):
            yield record["id"], name, record


def test_every_row_has_exactly_one_check_and_every_check_a_row():
    counted = Counter(claim_id for claim_id, _, _ in checks())
    wanted = {claim.id: 1 for claim in LEDGER.values() if claim.verdict != claims.NOT_ATTEMPTED}
    assert dict(counted) == wanted


def test_check_stands_in_the_chapter_that_the_row_names():
    for claim_id, chapter, _ in checks():
        assert LEDGER[claim_id].chapter == chapter, claim_id


def test_stored_records_support_the_present_verdicts():
    for claim_id, _, record in checks():
        claim = LEDGER[claim_id]
        assert record["verdict"] == claim.verdict, claim_id
        assert [one["test"] for one in record["results"]] == [test.name for test in claim.tests]
        assert claims.failures(record) == "", claim_id
        assert "left_out" not in record, claim_id


def test_boxes_show_what_the_ledger_says():
    for name, chapter in CHAPTERS.items():
        for record, output in pages.boxes(chapter.notebook):
            box = boxes.in_html(LEDGER[record["id"]], record)
            assert output["data"]["text/html"] == box, (name, record["id"])


@pytest.mark.parametrize("paper", sorted({claim.paper for claim in LEDGER.values()}))
def test_corrected_rows_and_corrections_entries_match(paper):
    text = CORRECTIONS.get(paper, "")  # the ledger of our own findings has no page to correct
    entries = re.findall(r"^## ((?:[A-Z]{2})-\w+)\b", text, re.MULTILINE)
    corrected = [
        claim.id
        for claim in LEDGER.values()
        if claim.paper == paper and claim.verdict in claims.CORRECTED
    ]
    assert sorted(entries) == sorted(corrected)
    for claim_id in corrected:
        assert f"{{{{ {claim_id.replace('-', '_')} }}}}" in text


def test_counts_add_up():
    counts = pages.counts({})
    assert sum(counter.total() for counter in counts.values()) == len(LEDGER)
    assert all(kind in pages.GROUPS for _, kind in counts)


def test_scoreboard_has_every_row(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "BOOK", tmp_path)
    found = {claim_id: record | {"chapter": name} for claim_id, name, record in checks()}
    scoreboard.write(found)
    text = (tmp_path / "scoreboard.md").read_text("utf-8")
    for claim in LEDGER.values():
        assert f'<tr id="{claim.id}"' in text
        assert boxes.typeset(claim.statement) in text
        assert (f'#{claim.anchor}"' in text) == (claim.id in found)


def test_no_bibliography_key_stands_twice():
    keys = []
    for path in (ROOT / "book" / "references").glob("*.bib"):
        keys += re.findall(r"^@\w+\{([^,]+),", path.read_text("utf-8"), re.MULTILINE)
    assert [key for key, n in Counter(keys).items() if n > 1] == []
