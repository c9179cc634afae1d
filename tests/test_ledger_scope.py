"""Every attempted claim says what was tested and what would refute it, and earns its big words."""

import re
from dataclasses import replace

import nbformat
import pytest

import chapters
from grokbook import claims
from guards import figure_cells, prose

# What a box has room for.
LONGEST = 140
# Words that promise more than a finite test can show.
PROMISES = re.compile(
    r"\b(?:never|always|all|any|only|finite|diverges|whatever|vanishes)\b", re.IGNORECASE
)
# A number that stands by itself: not an index, an exponent or part of a name (μ₁, m^2, float32).
NUMBER = re.compile(r"(?<![\w^_{.])\d")
REFERENCES = re.compile(r"\{\w+\}`[^`]*`|\b(?:Figs?|Eqs?)\. \d+\w?")

# Titles (by chapter) and captions (by label) whose word a row earns: its scope has the range.
EARNED_BY = {
    "linear/02-how-long-does-it-take": "GB-130",
    "fig-le-01-asymptotics": "LE-10",
}

LEDGER = claims.ledgers()
NOTEBOOKS = {chapter.name: chapter.notebook for chapter in chapters.chapters()}


def says_its_scope(ledger):
    """Both fields in every attempted row."""
    problems = []
    for claim in ledger.values():
        attempted = claim.verdict != claims.NOT_ATTEMPTED
        both = bool(claim.scope.strip() and claim.fails_if.strip())
        for problem, present in {
            "needs scope and fails_if": attempted and not both,
            f"scope has more than {LONGEST} characters": len(claim.scope) > LONGEST,
            "scope and fails_if must be one line each": "\n" in claim.scope + claim.fails_if,
        }.items():
            if present:
                problems.append(f"{claim.id}: {problem}")
    return problems


def earns(claim):
    """Whether the row's scope names a range or a horizon."""
    return bool(NUMBER.search(claim.scope))


def statements_earn_their_words(ledger):
    """A statement with a promise has a scope with a number."""
    return [
        f"{claim.id}: {PROMISES.findall(claim.statement)} and no range in its scope"
        for claim in ledger.values()
        if claim.verdict != claims.NOT_ATTEMPTED
        and PROMISES.search(claim.statement)
        and not earns(claim)
    ]


def bare_promises(text):
    """The promises in sentences that name no number."""
    sentences = re.split(r"(?<=[.!?])\s+", REFERENCES.sub("", text))
    return [
        word
        for sentence in sentences
        if not NUMBER.search(sentence)
        for word in PROMISES.findall(sentence)
    ]


def headlines(notebooks):
    """Title of each chapter by its name, caption of each figure by its label."""
    found = {}
    for name, notebook in notebooks.items():
        found[name] = re.search(r"^# (.+)$", prose(notebook), re.MULTILINE)[1]
        for cell in figure_cells(notebook):
            figure = cell.metadata.get("mystnb", {}).get("figure", {})
            found[figure.get("name", cell.id)] = figure.get("caption", "")
    return found


def headlines_earn_their_words(texts, ledger, earned_by):
    """A title or caption with a promise has a number in the sentence, or a row that earns it."""
    problems = [f"{key}: no such chapter or figure" for key in set(earned_by) - set(texts)]
    for key, text in texts.items():
        words = bare_promises(text)
        row = ledger.get(earned_by.get(key))
        by_row = row is not None and earns(row)
        for problem, present in {
            f"{words} and no range": words and not by_row,
            "is listed, but has nothing to earn": not words and row,
            f"{earned_by.get(key)} does not earn it": key in earned_by and not by_row,
        }.items():
            if present:
                problems.append(f"{key}: {problem}")
    return problems


def test_every_attempted_row_says_its_scope():
    assert says_its_scope(LEDGER) == []


def test_statements_earn_their_words():
    assert statements_earn_their_words(LEDGER) == []


def test_titles_and_captions_earn_their_words():
    texts = headlines(NOTEBOOKS)
    assert headlines_earn_their_words(texts, LEDGER, EARNED_BY) == []


ROW = next(one for one in LEDGER.values() if one.verdict != claims.NOT_ATTEMPTED)


@pytest.mark.parametrize(
    ("row", "right"),
    [
        (ROW, True),
        (replace(ROW, scope=""), False),
        (replace(ROW, scope=" "), False),
        (replace(ROW, fails_if=""), False),
        (replace(ROW, scope="N = 10 " * 30), False),
        (replace(ROW, scope="N = 10,\n5 seeds"), False),
        (replace(ROW, verdict=claims.NOT_ATTEMPTED, scope="", fails_if=""), True),
    ],
)
def test_guard_sees_a_row_without_its_scope(row, right):
    assert (says_its_scope({row.id: row}) == []) == right


@pytest.mark.parametrize(
    ("statement", "scope", "right"),
    [
        ("It never does.", "20 seeds, to step 10⁶", True),
        ("It never does.", "many seeds, for a long time", False),
        ("Whatever ε is.", "in float32, in the limit", False),
        ("The time diverges.", "", False),
        ("A company of finitely many.", "", True),
    ],
)
def test_guard_sees_a_statement_that_promises_too_much(statement, scope, right):
    ledger = {ROW.id: replace(ROW, statement=statement, scope=scope)}
    assert (statements_earn_their_words(ledger) == []) == right


@pytest.mark.parametrize(
    ("text", "earned_by", "right"),
    [
        ("Runs never get there.", {}, False),
        ("Runs never get there by step 1,000.", {}, True),
        ("Ten runs, 2,000 steps. Runs never get there.", {}, False),
        (r"All lie along $\mu_1$ in float32 (the paper's Fig. 9, {eq}`eq-2`).", {}, False),
        ("Runs never get there.", {"fig-a": ROW.id}, True),
        ("Runs never get there.", {"fig-a": "LE-99"}, False),
        ("Runs get there late.", {"fig-a": ROW.id}, False),
    ],
)
def test_guard_sees_a_caption_that_promises_too_much(text, earned_by, right):
    ledger = {ROW.id: replace(ROW, scope="20 seeds")}
    found = headlines_earn_their_words({"fig-a": text}, ledger, earned_by)
    assert (found == []) == right


def test_guard_sees_a_spoilt_title_and_caption():
    title = nbformat.v4.new_markdown_cell("# It always groks")
    figure = {"name": "fig-a", "caption": "Runs never get there."}
    drawn = nbformat.v4.new_code_cell("pass", metadata={"mystnb": {"figure": figure}})
    texts = headlines({"one": nbformat.v4.new_notebook(cells=[title, drawn])})
    assert texts == {"one": "It always groks", "fig-a": "Runs never get there."}
    assert len(headlines_earn_their_words(texts, LEDGER, {})) == 2
