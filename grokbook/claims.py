"""The ledger of claims: read it, check one claim.

A claim is a row in ``grokbook/ledger/XX.toml``.  The row holds the statement, the verdict and the
tests that support it, with their tolerances; a chapter only supplies what it measured:

>>> claims.check("LE-05", {"largest relative difference": 3e-15})   # doctest: +SKIP

A claim that fails is shown as such, and the chapter goes on; where ``GROKBOOK_CI`` or
``GROKBOOK_STRICT`` is set it raises :class:`ClaimFailed` instead.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from grokbook import boxes, randomness, source
from grokbook.boxes import failures

KINDS = ("identity", "asymptotic", "scaling law", "threshold", "qualitative")
VERDICTS = (
    "reproduced",
    "reproduced with a correction",
    "holds only when …",
    "not reproduced",
    "not attempted",
)
NOT_ATTEMPTED = VERDICTS[-1]
# A row with one of these must say what is right instead.
CORRECTED = VERDICTS[1:4]
COMPARISONS = ("relative", "absolute", "at_most", "at_least", "between", "differs_by", "holds")
LEDGER = source.ROOT / "ledger"
# Any of them, set to something else than 0, makes a failed claim raise.
STRICT = ("GROKBOOK_CI", "GROKBOOK_STRICT")
ID = re.compile(r"(LE|LS|XC|NS|GT|RR|DI)-(\d\d|[A-Z]\d)|GB-\d{2,3}")


class ClaimFailed(AssertionError):
    """A measured value does not support the verdict in the ledger."""


@dataclass(frozen=True)
class Expectation:
    """One comparison that a claim needs.

    Attributes
    ----------
    name : str
        What is measured.
    comparison : str
        ``relative`` or ``absolute`` (distance to ``expected`` at most ``bound``), ``at_most``,
        ``at_least``, ``between`` (``bound`` is a pair), ``differs_by`` (relative distance to
        ``expected`` at least ``bound``: the printed value fails), ``holds`` (a true statement).
    bound : float, pair of floats or bool
    expected : float or None
        None where the chapter supplies it.
    """

    name: str
    comparison: str
    bound: float | tuple[float, float] | bool
    expected: float | None = None

    @property
    def needs_expected(self) -> bool:
        """Whether the comparison is with an expected value."""
        return self.comparison in ("relative", "absolute", "differs_by")

    def expectation(self, expected) -> str:
        """The expectation in words, the same on every machine."""
        if self.comparison == "holds":
            return "holds"
        if self.comparison == "between":
            return f"between {_show(self.bound[0])} and {_show(self.bound[1])}"
        if not self.needs_expected:
            return f"{self.comparison.replace('_', ' ')} {_show(self.bound)}"
        target = _show(expected) if np.size(expected) == 1 else "each prediction"
        if self.comparison == "absolute":
            return f"{target} ± {_show(self.bound)}"
        percent = f"{_show(100 * self.bound)} %"
        if self.comparison == "relative":
            return f"{target} within {percent}"
        return f"differs from {target} by {percent} or more"

    def deviation(self, measured, expected) -> np.ndarray:
        """Distance from the expected value (relative or absolute), or the measured value itself."""
        measured = np.asarray(measured, dtype=float)
        if not self.needs_expected:
            return measured
        difference = np.abs(measured - np.asarray(expected, dtype=float))
        return difference if self.comparison == "absolute" else difference / np.abs(expected)

    def passes(self, measured, expected) -> bool:
        """Whether every measured value satisfies the comparison; a nan never does."""
        value = self.deviation(measured, expected)
        low, high = self.limits
        return bool(value.size) and bool(np.all((value >= low) & (value <= high)))

    @property
    def limits(self) -> tuple[float, float]:
        """Bounds that the deviation (or measured value) must keep."""
        if self.comparison == "between":
            return self.bound
        if self.comparison == "holds":
            return (1.0, 1.0)
        if self.comparison in ("at_least", "differs_by"):
            return (self.bound, np.inf)
        return (-np.inf, self.bound)


@dataclass(frozen=True)
class Claim:
    """One row of a ledger; the fields are the columns of the TOML file.

    ``scope`` says what was tested (ranges, sizes, seeds, horizon), ``fails_if`` which observation
    would refute the statement.  ``against_stored`` marks a row that compares a live run with a
    stored one: with shifted seeds it says nothing and is not judged.
    """

    id: str
    where: str
    statement: str
    kind: str
    verdict: str
    paper: str
    chapter: str = ""
    scope: str = ""
    fails_if: str = ""
    reason: str = ""
    correction: str = ""
    ours: bool = False
    against_stored: bool = False
    tests: tuple[Expectation, ...] = field(default=())

    @property
    def anchor(self) -> str:
        """HTML id of the claim's box."""
        return f"claim-{self.id.lower()}"


def read_ledger(path: Path) -> list[Claim]:
    """The claims of one ledger file, checked.

    ValueError for a duplicate id, an unknown or missing key, an unknown kind, verdict or
    comparison, a verdict without a test, a tolerance without a reason, a correction without its
    text.
    """
    content = tomllib.loads(Path(path).read_text("utf-8"))
    rows = content.pop("claim", [])
    paper = content.pop("paper", None)
    content.pop("title", None)
    if paper is None or content:
        raise ValueError(f"{path}: must have paper, title and [[claim]], not {sorted(content)}")
    found = [_claim(paper, row) for row in rows]
    _no_duplicates(found)
    return found


def ledgers(folder: Path | None = None) -> dict[str, Claim]:
    """All claims of all ledgers, by id; ValueError if two rows share an id."""
    paths = sorted(Path(folder or LEDGER).glob("*.toml"))
    found = [claim for path in paths for claim in read_ledger(path)]
    _no_duplicates(found)
    return {claim.id: claim for claim in found}


def check(claim_id: str, measured: Mapping | float | bool, expected: Mapping | float | None = None):
    """Check one claim against what was measured and show its box, in red if it fails.

    Parameters
    ----------
    claim_id : str
        The id of a row, such as ``"LE-07"``.
    measured : mapping from test name to number, array or bool
        Exactly the tests of the row; a bare value if the row has one test.  An array must satisfy
        the comparison in every entry; the worst entry is shown.
    expected : mapping from test name to number or array, or a bare value
        For the tests whose expected value the ledger leaves to the chapter.

    Raises
    ------
    ValueError
        For an unknown id, a claim that is not attempted, tests that do not match the row's, values
        that are no numbers, or expected values in another shape than the measured.
    ClaimFailed
        If a measured value is out of bounds and failed claims are to raise (:func:`strict`).
    """
    known = ledgers()
    if claim_id not in known:
        of_paper = sorted(id for id in known if id[:2] == str(claim_id)[:2])
        near = ", ".join(of_paper or known)
        raise ValueError(f"claim_id = {claim_id!r}: must be one of the ledger's: {near}")
    claim = known[claim_id]
    results = _results(claim, measured, expected)
    record = {"id": claim.id, "verdict": claim.verdict, "results": results}
    if claim.against_stored and randomness.shift():
        record["left_out"] = True
    if failures(record) and strict():
        raise ClaimFailed(f"{claim.id} is not {claim.verdict!r}: {failures(record)}")
    boxes.show(claim, record)


def strict() -> bool:
    """Whether a failed claim raises: the environment says so by one of ``STRICT``."""
    return any(os.environ.get(name, "").strip() not in ("", "0") for name in STRICT)


def _claim(paper: str, row: dict) -> Claim:
    name = row.get("id", "a row without id")
    allowed = set(Claim.__dataclass_fields__) - {"paper", "tests"} | {"test"}
    needed = {"id", "where", "statement", "kind", "verdict"}
    if set(row) - allowed or needed - set(row):
        raise ValueError(
            f"{name}: unknown keys {sorted(set(row) - allowed)}, "
            f"missing keys {sorted(needed - set(row))}: allowed are {sorted(allowed)}"
        )
    tests = tuple(_test(name, test) for test in row.get("test", []))
    claim = Claim(paper=paper, tests=tests, **{key: row[key] for key in row if key != "test"})
    attempted = claim.verdict != NOT_ATTEMPTED
    numeric = any(test.comparison != "holds" for test in tests)
    problems = {
        f"id must match {ID.pattern} and belong to {paper}": not ID.fullmatch(claim.id)
        or claim.id[:2] not in (paper, "GB"),
        f"kind = {claim.kind!r}: must be one of {KINDS}": claim.kind not in KINDS,
        f"verdict = {claim.verdict!r}: must be one of {VERDICTS}": claim.verdict not in VERDICTS,
        "needs a chapter and at least one test": attempted and not (tests and claim.chapter),
        "is not attempted: must have a reason and no test": not attempted
        and (bool(tests) or not claim.reason),
        "needs a reason for its tolerances": numeric and not claim.reason,
        f"verdict {claim.verdict!r} needs a correction": claim.verdict in CORRECTED
        and not claim.correction,
        "has two tests of one name": len({test.name for test in tests}) < len(tests),
    }
    for problem, present in problems.items():
        if present:
            raise ValueError(f"{claim.id}: {problem}")
    return claim


def _test(claim_id: str, row: dict) -> Expectation:
    comparisons = [key for key in row if key in COMPARISONS]
    extra = set(row) - {"name", "expected", *COMPARISONS}
    if extra or "name" not in row or len(comparisons) != 1:
        raise ValueError(
            f"{claim_id}: test {row} must have a name, one of {COMPARISONS} and perhaps expected"
        )
    comparison = comparisons[0]
    bound = row[comparison]
    pair = isinstance(bound, list) and len(bound) == 2 and bound[0] < bound[1]
    right = {"between": pair, "holds": bound is True}.get(
        comparison, isinstance(bound, int | float) and not isinstance(bound, bool)
    )
    if not right:
        raise ValueError(f"{claim_id}: {comparison} = {bound!r}: not a bound for that comparison")
    return Expectation(
        row["name"], comparison, tuple(bound) if pair else bound, row.get("expected")
    )


def _no_duplicates(claims: list[Claim]) -> None:
    ids = [claim.id for claim in claims]
    twice = sorted({id for id in ids if ids.count(id) > 1})
    if twice:
        raise ValueError(f"ledger: ids {twice} appear more than once: each id must be unique")


def _results(claim: Claim, measured, expected) -> list[dict]:
    if claim.verdict == NOT_ATTEMPTED:
        raise ValueError(f"{claim.id} is not attempted: it must not be checked")
    names = [test.name for test in claim.tests]
    if not isinstance(measured, Mapping):
        measured = {names[0]: measured} if len(names) == 1 else {}
    if set(measured) != set(names):
        raise ValueError(f"measured for {claim.id} has {sorted(measured)}: must have {names}")
    if expected is not None and not isinstance(expected, Mapping):
        expected = dict.fromkeys(names, expected)
    open_tests = {
        test.name for test in claim.tests if test.needs_expected and test.expected is None
    }
    given = set(expected or {})
    if given != open_tests:
        raise ValueError(
            f"expected for {claim.id} has {sorted(given)}: must have {sorted(open_tests)}"
        )
    return [
        _result(test, measured[test.name], (expected or {}).get(test.name, test.expected))
        for test in claim.tests
    ]


def _result(test: Expectation, measured, expected) -> dict:
    measured = _numbers("measured", test, measured)
    if test.needs_expected:
        expected = _numbers("expected", test, expected)
        if expected.size != 1:
            _fitting(test, expected, measured.shape)
    passed = test.passes(measured, expected)
    return {
        "test": test.name,
        "expectation": test.expectation(expected),
        "measured": _worst(test, measured, expected, passed),
        "passed": passed,
    }


def _numbers(argument: str, test: Expectation, value) -> np.ndarray:
    try:
        return np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(
            f"{argument} for {test.name!r} is {value!r}: must be a number or an array of numbers"
        ) from None


def _fitting(test: Expectation, expected: np.ndarray, shape: tuple[int, ...]) -> None:
    try:
        np.broadcast_to(expected, shape)
    except ValueError:
        raise ValueError(
            f"expected for {test.name!r} has shape {expected.shape}: must be one number, or fit "
            f"the shape of what was measured, {shape}"
        ) from None


def _worst(test: Expectation, measured, expected, passed: bool) -> str:
    """The measured value, of several the one furthest out of (or closest to) the bounds."""
    value = np.atleast_1d(np.asarray(measured, dtype=float)).ravel()
    if not value.size:
        return "nothing"
    deviation = np.broadcast_to(
        np.atleast_1d(test.deviation(measured, expected)).ravel(), value.shape
    )
    low, high = test.limits
    with np.errstate(invalid="ignore"):  # an infinite value may meet an infinite bound
        beyond = np.fmax(low - deviation, deviation - high)
    worst = int(np.argmax(np.where(np.isnan(deviation), np.inf, beyond)))
    shown = ("yes" if passed else "no") if test.comparison == "holds" else _show(value[worst])
    if np.size(expected) > 1:
        predicted = np.broadcast_to(np.asarray(expected, dtype=float), np.shape(measured)).ravel()
        shown += f" where {_show(predicted[worst])} is predicted"
    return shown + (f" (worst of {value.size})" if value.size > 1 else "")


def _show(value: float) -> str:
    """Four significant digits at most."""
    value = float(np.asarray(value).ravel()[0])
    if value != 0 and np.isfinite(value) and not 1e-3 <= abs(value) < 1e6:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
