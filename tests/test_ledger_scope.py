"""Every attempted claim says what was tested and what would refute it, and earns its big words.

Rows, titles and captions that do not yet are named here; nothing is ever added to these lists.
"""

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

# Rows whose test is to be mended first, by ledger; scope and fails_if come with that.
WAITING = {
    "NS": """
        NS-01 NS-09 NS-11 NS-16 NS-19 NS-20 NS-22 NS-23 NS-F7 GB-64 GB-65 GB-76
    """,
}
# Titles (by chapter) and captions (by label) whose word a row earns: its scope has the range.
EARNED_BY = {
    "linear/02-how-long-does-it-take": "GB-130",
    "fig-le-01-asymptotics": "LE-10",
    "fig-ls-01-conformal": "LS-09",
}
# Titles and captions whose word is not earned yet.
UNEARNED = {
    "modular/03-stablemax",
    "fig-le-01-spectrum",
    "fig-ns-02-optimisers",
    "fig-ns-03-phenomenon",
}

LEDGER = claims.ledgers()
NOTEBOOKS = {chapter.name: chapter.notebook for chapter in chapters.chapters()}
WAITING_IDS = {claim_id for ids in WAITING.values() for claim_id in ids.split()}


def says_its_scope(ledger, waiting):
    """Both fields in every attempted row but the waiting ones, which lack at least one."""
    problems = [f"{claim_id} waits, but is no attempted row" for claim_id in waiting - set(ledger)]
    for claim in ledger.values():
        attempted = claim.verdict != claims.NOT_ATTEMPTED
        waits = claim.id in waiting
        both = bool(claim.scope.strip() and claim.fails_if.strip())
        for problem, present in {
            "needs scope and fails_if": attempted and not waits and not both,
            "has both fields: take it off the list": waits and both,
            "waits, but is no attempted row": waits and not attempted,
            f"scope has more than {LONGEST} characters": len(claim.scope) > LONGEST,
            "scope and fails_if must be one line each": "\n" in claim.scope + claim.fails_if,
        }.items():
            if present:
                problems.append(f"{claim.id}: {problem}")
    return problems


def earns(claim):
    """Whether the row's scope names a range or a horizon."""
    return bool(NUMBER.search(claim.scope))


def statements_earn_their_words(ledger, waiting):
    """A statement with a promise has a scope with a number."""
    return [
        f"{claim.id}: {PROMISES.findall(claim.statement)} and no range in its scope"
        for claim in ledger.values()
        if claim.id not in waiting
        and claim.verdict != claims.NOT_ATTEMPTED
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


def headlines_earn_their_words(texts, ledger, waiting, earned_by, unearned):
    """A title or caption with a promise has a number in the sentence, or a row that earns it."""
    problems = [f"{key}: no such chapter or figure" for key in {*earned_by, *unearned} - set(texts)]
    for key, text in texts.items():
        words = bare_promises(text)
        row = ledger.get(earned_by.get(key))
        by_row = row is not None and row.id not in waiting and earns(row)
        for problem, present in {
            f"{words} and no range": words and not by_row and key not in unearned,
            "is listed, but has nothing to earn": not words and (key in unearned or row),
            "is on both lists": key in unearned and key in earned_by,
            f"{earned_by.get(key)} does not earn it": key in earned_by and not by_row,
        }.items():
            if present:
                problems.append(f"{key}: {problem}")
    return problems


def test_every_attempted_row_says_its_scope():
    assert says_its_scope(LEDGER, WAITING_IDS) == []


def test_no_row_waits_twice_or_in_another_ledger():
    listed = [(paper, one) for paper, ids in WAITING.items() for one in ids.split()]
    assert len(listed) == len(WAITING_IDS)
    assert [paper for paper, one in listed] == [LEDGER[one].paper for _, one in listed]


def test_statements_earn_their_words():
    assert statements_earn_their_words(LEDGER, WAITING_IDS) == []


def test_titles_and_captions_earn_their_words():
    texts = headlines(NOTEBOOKS)
    assert headlines_earn_their_words(texts, LEDGER, WAITING_IDS, EARNED_BY, UNEARNED) == []


ROW = next(
    claim
    for claim in LEDGER.values()
    if claim.verdict != claims.NOT_ATTEMPTED and claim.id not in WAITING_IDS
)
LISTED = {ROW.id: replace(ROW, scope="", fails_if="")}


@pytest.mark.parametrize(
    ("ledger", "waiting", "right"),
    [
        ({ROW.id: ROW}, set(), True),
        ({ROW.id: replace(ROW, scope="")}, set(), False),
        ({ROW.id: replace(ROW, scope=" ")}, set(), False),
        ({ROW.id: replace(ROW, fails_if="")}, set(), False),
        ({ROW.id: replace(ROW, scope="N = 10 " * 30)}, set(), False),
        ({ROW.id: replace(ROW, scope="N = 10,\n5 seeds")}, set(), False),
        (LISTED, {ROW.id}, True),
        ({ROW.id: replace(ROW, verdict=claims.NOT_ATTEMPTED, scope="", fails_if="")}, set(), True),
        ({ROW.id: ROW}, {ROW.id}, False),
        (LISTED, {ROW.id, "LE-99"}, False),
        ({ROW.id: replace(LISTED[ROW.id], verdict=claims.NOT_ATTEMPTED)}, {ROW.id}, False),
    ],
)
def test_guard_sees_a_row_without_its_scope(ledger, waiting, right):
    assert (says_its_scope(ledger, waiting) == []) == right


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
    assert (statements_earn_their_words(ledger, set()) == []) == right
    assert statements_earn_their_words(ledger, {ROW.id}) == []


@pytest.mark.parametrize(
    ("text", "earned_by", "unearned", "right"),
    [
        ("Runs never get there.", {}, set(), False),
        ("Runs never get there by step 1,000.", {}, set(), True),
        ("Ten runs, 2,000 steps. Runs never get there.", {}, set(), False),
        (r"All lie along $\mu_1$ in float32 (the paper's Fig. 9, {eq}`eq-2`).", {}, set(), False),
        ("Runs never get there.", {"fig-a": ROW.id}, set(), True),
        ("Runs never get there.", {"fig-a": "LE-99"}, set(), False),
        ("Runs never get there.", {}, {"fig-a"}, True),
        ("Runs get there late.", {}, {"fig-a"}, False),
        ("Runs get there late.", {"fig-a": ROW.id}, set(), False),
        ("Runs never get there.", {"fig-a": ROW.id}, {"fig-a"}, False),
        ("Runs get there late.", {}, {"fig-b"}, False),
    ],
)
def test_guard_sees_a_caption_that_promises_too_much(text, earned_by, unearned, right):
    ledger = {ROW.id: replace(ROW, scope="20 seeds")}
    found = headlines_earn_their_words({"fig-a": text}, ledger, set(), earned_by, unearned)
    assert (found == []) == right


def test_a_waiting_row_earns_no_caption():
    texts, by = {"fig-a": "Runs never get there."}, {"fig-a": ROW.id}
    assert headlines_earn_their_words(texts, {ROW.id: ROW}, {ROW.id}, by, set()) != []


def test_guard_sees_a_spoilt_title_and_caption():
    title = nbformat.v4.new_markdown_cell("# It always groks")
    figure = {"name": "fig-a", "caption": "Runs never get there."}
    drawn = nbformat.v4.new_code_cell("pass", metadata={"mystnb": {"figure": figure}})
    texts = headlines({"one": nbformat.v4.new_notebook(cells=[title, drawn])})
    assert texts == {"one": "It always groks", "fig-a": "Runs never get there."}
    assert len(headlines_earn_their_words(texts, LEDGER, WAITING_IDS, {}, set())) == 2
