"""The ledger: what it accepts, what it refuses, and how a claim out of bounds fails."""

import os
import re
import subprocess
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from grokbook import boxes, claims, console, randomness

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


@pytest.fixture
def shown(monkeypatch):
    """What a check displays in a notebook: a list that fills with (bundle, record)."""
    displayed = []

    def display(bundle, *, raw, metadata):
        assert raw
        displayed.append((bundle, metadata["grokbook"]["claim"]))

    ipython = SimpleNamespace(get_ipython=object, display=SimpleNamespace(display=display))
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    return displayed


@pytest.fixture(autouse=True)
def _lenient(monkeypatch):
    for name in (*claims.STRICT, randomness.VARIABLE):
        monkeypatch.delenv(name, raising=False)


def measured(claim, value):
    return {
        "id": claim.id,
        "verdict": claim.verdict,
        "results": claims._results(claim, value, None),
    }


def test_check_shows_the_box_in_a_notebook(ledger, shown):
    ledger(ROW)
    claims.check("LE-01", 2.05)
    ((bundle, record),) = shown
    assert bundle["text/plain"].startswith("LE-01 reproduced: Two is two.")
    assert "measured ⟦2.05⟧" in bundle["text/plain"]
    assert record["results"][0]["passed"]


def test_box_text_is_the_same_for_any_passing_value(ledger):
    (claim,) = claims.read_ledger(ledger(ROW))
    shown = [boxes.in_html(claim, measured(claim, value)) for value in (2.0, 2.1)]
    assert shown[0] != shown[1]
    assert shown[0].replace('measured">2<', 'measured">2.1<') == shown[1]


def test_a_failed_claim_is_shown_in_words_and_the_chapter_goes_on(ledger, shown):
    ledger(ROW)
    claims.check("LE-01", 3.0)
    ((bundle, record),) = shown
    assert claims.failures(record) == "two: measured 3, expected 2 within 10 %"
    assert "FAILED: not 'reproduced' here" in bundle["text/html"]
    assert '<div class="claim held claim-failed"' in bundle["text/html"]
    assert "measured ⟦3⟧ FAILED" in bundle["text/plain"]
    # Words outside the span that the notebooks' tests blank.
    assert re.sub('(?<=class="measured">)[^<]*', "", bundle["text/html"]).count("FAILED") == 2


@pytest.mark.parametrize("name", claims.STRICT)
def test_a_failed_claim_raises_where_the_environment_is_strict(ledger, shown, monkeypatch, name):
    ledger(ROW)
    monkeypatch.setenv(name, "1")
    claims.check("LE-01", 2.05)
    with pytest.raises(claims.ClaimFailed, match=r"LE-01.*measured 3, expected 2 within 10 %"):
        claims.check("LE-01", 3.0)
    monkeypatch.setenv(name, "0")
    claims.check("LE-01", 3.0)
    assert len(shown) == 2


def test_a_comparison_with_a_stored_run_is_not_judged_under_shifted_seeds(
    ledger, shown, monkeypatch
):
    ledger(ROW + "against_stored = true\n")
    claims.check("LE-01", 3.0)
    assert claims.failures(shown[0][1])
    monkeypatch.setenv(randomness.VARIABLE, "7")
    monkeypatch.setenv("GROKBOOK_STRICT", "1")
    claims.check("LE-01", 3.0)
    bundle, record = shown[1]
    assert record["left_out"]
    assert not claims.failures(record)
    assert "not judged" in bundle["text/html"]
    assert "FAILED" not in bundle["text/html"] + bundle["text/plain"]


def test_the_box_says_what_was_tested(ledger, shown):
    ledger(ROW + 'scope = "λ < 1, 3 seeds"\n')
    claims.check("LE-01", 2.0)
    ((bundle, _),) = shown
    assert '<p class="claim-scope">λ &lt; 1, 3 seeds</p>' in bundle["text/html"]
    assert "tested: λ < 1, 3 seeds" in bundle["text/plain"]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_script_prints_plain_text_on_any_console(ledger, encoding):
    path = ledger(ROW.replace("Two is two.", "λ ≤ 2 ± 10⁻⁷, ⟦x⟧."))
    code = (
        "import pathlib, sys; from grokbook import claims; "
        f"claims.LEDGER = pathlib.Path({str(path.parent)!r}); "
        "claims.check('LE-01', 3.0); assert 'IPython' not in sys.modules"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ
        | {"PYTHONIOENCODING": encoding, "PYTHONPATH": str(claims.source.ROOT.parent)},
        capture_output=True,
        check=True,
    )
    lines = run.stdout.decode(encoding).splitlines()
    head = "λ ≤ 2 ± 10⁻⁷, x." if encoding == "utf-8" else "lambda <= 2 ± 10^-7, x."
    head = head.replace("±", "+-") if encoding == "ascii" else head
    assert lines == [
        f"LE-01 FAILED: not 'reproduced' here: {head}",
        "  two: expected 2 within 10 %, measured 3 FAILED",
    ]


def test_every_letter_of_the_ledgers_can_be_printed():
    text = "".join(path.read_text("utf-8") for path in claims.LEDGER.glob("*.toml"))
    assert console.printable(text, "utf-8") == text
    assert "?" not in console.printable(text.replace("?", ""), "ascii")
    assert console.printable("κ(λ)^(−1/2) x̄ Ω̃ 2⁻²⁴ → ∞", "cp1252") == (
        "kappa(lambda)^(-1/2) x Omega 2^-24 -> inf"
    )


TWO = 'test = [{ name = "two", at_most = 3 }, { name = "t_gen", at_most = 3 }]'


@pytest.mark.parametrize(
    ("second", "number", "fold"),
    [(2.5, "two: ", "<details>"), (4.0, "t<sub>gen</sub>: ", "<details open>")],
)
def test_the_box_leads_with_one_number_and_folds_the_rest(ledger, shown, second, number, fold):
    ledger(edited(test=TWO) + 'scope = "3 seeds"\nfails_if = "x_1 > 2"\n')
    claims.check("LE-01", {"two": 2.0, "t_gen": second})
    head, rest = shown[0][0]["text/html"].split(fold)
    assert f'<p class="claim-number">{number}' in head
    assert "<table>" not in head
    summary, rest = rest.split("</summary>")
    assert summary == "<summary>LE-01: 2 tests, what was tried and what would refute it"
    assert rest.count("<tr><td>") == 2
    assert '<p class="claim-scope">3 seeds</p>' in rest
    assert '<p class="claim-refuted">x<sub>1</sub> &gt; 2</p>' in rest


def test_box_escapes_html(ledger):
    (claim,) = claims.read_ledger(ledger(edited(statement='statement = "a < b & <script>"')))
    assert "a &lt; b &amp; &lt;script&gt;" in boxes.in_html(claim, measured(claim, 2))


def test_array_shows_its_worst_entry(ledger):
    (claim,) = claims.read_ledger(ledger(ROW))
    (result,) = claims._results(claim, np.array([2.0, 2.15, 1.9]), None)
    assert result["measured"] == "2.15 (worst of 3)"


def test_array_of_predictions_shows_what_was_predicted_at_its_worst_entry(ledger):
    test = claims.Expectation("x", "relative", 0.1)
    result = claims._result(test, np.array([2.0, 5.0]), np.array([2.0, 4.0]))
    assert result["measured"] == "5 where 4 is predicted (worst of 2)"
    assert claims._result(test, [], [])["measured"] == "nothing"


def test_check_refuses_what_does_not_fit_the_row(ledger):
    ledger(ROW)
    with pytest.raises(ValueError, match=r"claim_id = .LE-99.: must be one of.*LE-01"):
        claims.check("LE-99", 2.0)
    with pytest.raises(ValueError, match="measured for LE-01"):
        claims.check("LE-01", {"three": 2.0})
    with pytest.raises(ValueError, match="expected for LE-01"):
        claims.check("LE-01", 2.0, expected=2.0)
    with pytest.raises(ValueError, match=r"claim_id = None: must be one of.*LE-01"):
        claims.check(None, 2.0)
    with pytest.raises(ValueError, match="measured for 'two' is 'much': must be a number"):
        claims.check("LE-01", "much")


@pytest.mark.parametrize("expected", [[], [1.0, 2.0, 3.0], [[1.0], [2.0]]])
def test_check_refuses_predictions_of_another_shape(ledger, expected):
    ledger(edited(test='test = [{ name = "two", relative = 0.1 }]'))
    claims.check("LE-01", [[1.0, 2.0], [1.0, 2.0]], expected=[1.0, 2.0])
    with pytest.raises(ValueError, match=r"expected for 'two' has shape .*, \(2,\)"):
        claims.check("LE-01", [1.0, 2.0], expected=expected)


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


def test_an_infinite_value_above_its_bound_is_not_the_worst():
    test = claims.Expectation("time", "at_least", 10.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert claims._result(test, [np.inf, 12.0, 40.0], None)["measured"] == "12 (worst of 3)"
        assert claims._result(test, [np.nan, 12.0], None)["measured"] == "nan (worst of 2)"
