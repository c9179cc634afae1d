"""The ledger: what it accepts, what it refuses, and that a claim out of bounds fails."""

import numpy as np
import pytest

from grokbook import claims

ROW = """
paper = "LE"
title = "A paper"
[[claim]]
id = "LE-01"
where = "Eq. 1"
statement = "Two is two."
kind = "identity"
verdict = "reproduced"
chapter = "linear/a"
reason = "exact"
test = [{ name = "two", relative = 0.1, expected = 2.0 }]
"""


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    """Write a ledger of its own; returns a function that does it."""
    folder = tmp_path / "ledger"
    folder.mkdir()
    monkeypatch.setattr(claims, "LEDGER", folder)

    def write(text, name="LE.toml"):
        (folder / name).write_text(text, "utf-8")
        return folder / name

    return write


def edited(**changes):
    text = ROW
    for key, line in changes.items():
        start = text.index(f"\n{key} = ") + 1
        text = text[:start] + line + text[text.index("\n", start) :]
    return text


def test_reads_a_row(ledger):
    (claim,) = claims.read_ledger(ledger(ROW))
    assert (claim.id, claim.paper, claim.anchor) == ("LE-01", "LE", "claim-le-01")
    assert claim.tests == (claims.Expectation("two", "relative", 0.1, 2.0),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            ROW + ROW.partition("[[claim]]")[1] + ROW.partition("[[claim]]")[2],
            "LE-01.*more than once",
        ),
        (ROW + 'colour = "red"', "unknown keys .*colour"),
        (ROW.replace('where = "Eq. 1"\n', ""), "missing keys .*where"),
        (ROW.replace('title = "A paper"', 'subtitle = "x"'), "must have paper, title"),
        (edited(id='id = "XC-01"'), "belong to LE"),
        (edited(id='id = "LE-1"'), "id must match"),
        (edited(kind='kind = "hunch"'), "kind = 'hunch': must be one of"),
        (edited(verdict='verdict = "true"'), "verdict = 'true': must be one of"),
        (edited(test="test = []"), "at least one test"),
        (edited(chapter='chapter = ""'), "needs a chapter"),
        (edited(reason='reason = ""'), "reason for its tolerances"),
        (edited(verdict='verdict = "not reproduced"'), "needs a correction"),
        (edited(verdict='verdict = "not attempted"'), "must have a reason and no test"),
        (edited(test='test = [{ name = "two" }]'), "must have a name, one of"),
        (edited(test='test = [{ name = "two", relative = 1, holds = true }]'), "one of"),
        (edited(test='test = [{ name = "two", between = [3, 1] }]'), "not a bound"),
        (edited(test='test = [{ name = "two", holds = false }]'), "not a bound"),
        (
            edited(test='test = [{ name = "a", at_most = 1 }, { name = "a", at_most = 2 }]'),
            "two tests of one name",
        ),
    ],
)
def test_refuses_a_bad_ledger(ledger, text, message):
    with pytest.raises(ValueError, match=message):
        claims.read_ledger(ledger(text))


def test_refuses_an_id_in_two_ledgers(ledger):
    ledger(ROW.replace('id = "LE-01"', 'id = "GB-01"'))
    ledger(ROW.replace('id = "LE-01"', 'id = "GB-01"').replace('"LE"', '"LS"'), "LS.toml")
    with pytest.raises(ValueError, match=r"GB-01.*more than once"):
        claims.ledgers()


@pytest.mark.parametrize(
    ("comparison", "bound", "expected", "good", "bad"),
    [
        ("relative", 0.1, -2.0, [-2.1, -1.9], -2.3),
        ("absolute", 0.1, 2.0, [2.05, 1.95], 2.2),
        ("at_most", 1.0, None, [-5.0, 1.0], 1.1),
        ("at_least", 1.0, None, [1.0, 9.0], 0.9),
        ("between", (1.0, 2.0), None, [1.0, 2.0], 2.1),
        ("differs_by", 0.5, 2.0, [3.5, 0.5], 2.5),
        ("holds", True, None, [True], False),
    ],
)
def test_comparisons(comparison, bound, expected, good, bad):
    test = claims.Expectation("x", comparison, bound, expected)
    assert test.passes(good, expected)
    assert not test.passes([*good, bad], expected)
    assert not test.passes(float("nan"), expected)
    assert not test.passes([], expected)


def test_check_shows_the_box_and_keeps_the_measured_value_in_its_span(ledger, capsys):
    ledger(ROW)
    claims.check("LE-01", 2.05)
    assert "LE-01 reproduced: Two is two." in capsys.readouterr().out


def test_box_text_is_the_same_for_any_passing_value(ledger):
    (claim,) = claims.read_ledger(ledger(ROW))
    boxes = [claims._box(claim, claims._results(claim, value, None)) for value in (2.0, 2.1)]
    assert boxes[0] != boxes[1]
    assert boxes[0].replace('measured">2<', 'measured">2.1<') == boxes[1]


def test_box_escapes_html(ledger):
    (claim,) = claims.read_ledger(ledger(edited(statement='statement = "a < b & <script>"')))
    assert "a &lt; b &amp; &lt;script&gt;" in claims._box(claim, claims._results(claim, 2, None))


def test_array_shows_its_worst_entry(ledger):
    (claim,) = claims.read_ledger(ledger(ROW))
    (result,) = claims._results(claim, np.array([2.0, 2.15, 1.9]), None)
    assert result["measured"] == "2.15 (worst of 3)"


def test_check_fails_out_of_bounds(ledger):
    ledger(ROW)
    with pytest.raises(claims.ClaimFailed, match=r"LE-01.*measured 3, expected 2 within 10 %"):
        claims.check("LE-01", 3.0)


def test_check_refuses_what_does_not_fit_the_row(ledger):
    ledger(ROW)
    with pytest.raises(ValueError, match=r"claim_id = .LE-99.: must be one of.*LE-01"):
        claims.check("LE-99", 2.0)
    with pytest.raises(ValueError, match="measured for LE-01"):
        claims.check("LE-01", {"three": 2.0})
    with pytest.raises(ValueError, match="expected for LE-01"):
        claims.check("LE-01", 2.0, expected=2.0)


def test_expected_value_may_come_from_the_chapter(ledger):
    ledger(edited(test='test = [{ name = "two", relative = 0.1 }]'))
    claims.check("LE-01", 2.0, expected=2.1)
    with pytest.raises(ValueError, match=r"expected for LE-01 has \[\]: must have \['two'\]"):
        claims.check("LE-01", 2.0)


def test_not_attempted_is_never_checked(ledger):
    text = edited(verdict='verdict = "not attempted"', test="")
    ledger(text.replace('chapter = "linear/a"\n', ""))
    with pytest.raises(ValueError, match="not attempted: it must not be checked"):
        claims.check("LE-01", 2.0)


def test_numbers_are_shown_alike_everywhere():
    shown = [claims._show(v) for v in (0, 0.95449974, 22889.7, 1.53e-13, 2e7, float("inf"))]
    assert shown == ["0", "0.9545", "22890", "1.53e-13", "2e7", "inf"]
