"""The box of a claim: what a chapter shows of it, in Jupyter, on the page and in a console.

In view are the statement, the verdict and the one number that carries it; the other tests, what was
tested and what would refute it are one click away.  A claim that failed stands open.
"""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Mapping

from grokbook import console

# e^(−s(1+λ)), 10^{-3}, n^−2; t_gen, c_−ν, but not the name weight_decay.
_RAISED = re.compile(r"\^(?:\(((?:[^()]|\([^()]*\))*)\)|\{([^{}]*)\}|([−+-]?[\w½∞]+))")
_LOWERED = re.compile(r"(?<![a-z]{2})_(?:\{([^{}]*)\}|([−+-]?\w+))")


def typeset(text: str) -> str:
    """Plain text as HTML, with its exponents raised and its indices lowered."""
    text = html.escape(text, quote=False)
    for mark, tag in ((_RAISED, "sup"), (_LOWERED, "sub")):
        text = mark.sub(
            lambda found, tag=tag: f"<{tag}>{''.join(filter(None, found.groups()))}</{tag}>", text
        )
    return text


def failures(record: Mapping) -> str:
    """The tests that a box's record failed, with both numbers; empty if the claim held.

    A record that was left out (a comparison with a stored run under shifted seeds) failed none.
    """
    return "; ".join(
        f"{one['test']}: measured {one['measured']}, expected {one['expectation']}"
        for one in record["results"]
        if _mark(record, one)
    )


def show(claim, record: Mapping) -> None:
    """Display a claim's box in a notebook, or print it; ``record`` as ``claims.check`` makes it."""
    plain = in_text(claim, record)
    ipython = sys.modules.get("IPython")
    if ipython is None or ipython.get_ipython() is None:
        # Without the brackets that mark what the tests of the notebooks let differ.
        plain = plain.replace("⟦", "").replace("⟧", "")
        print(console.printable(plain, sys.stdout.encoding))
        return
    bundle = {"text/html": in_html(claim, record), "text/plain": plain}
    ipython.display.display(bundle, raw=True, metadata={"grokbook": {"claim": record}})


def in_html(claim, record: Mapping) -> str:
    """The box as HTML."""
    failed = bool(failures(record))
    tone = {"reproduced": "held", "not reproduced": "refuted"}.get(claim.verdict, "qualified")
    whose = "derived by us" if claim.ours else claim.paper
    whose = "our finding" if claim.id.startswith("GB") else whose
    correction = f'<p class="claim-correction">{typeset(claim.correction)}</p>'
    return (
        f'<div class="claim {tone}{" claim-failed" if failed else ""}" id="{claim.anchor}">'
        f'<p class="claim-head"><strong>{claim.id}</strong> '
        f'<span class="claim-where">{whose}: {html.escape(claim.where, quote=False)}</span> '
        f'<span class="claim-verdict">{html.escape(_state(claim, record), quote=False)}</span></p>'
        f'<p class="claim-statement">{typeset(claim.statement)}</p>'
        f"{correction if claim.correction else ''}"
        f'<p class="claim-number">{_comparison(_carrying(record))}</p>'
        f"<details{' open' if failed else ''}><summary>{_contents(claim, record)}</summary>"
        f"{_detail(claim, record)}</details></div>"
    )


def in_text(claim, record: Mapping) -> str:
    """The box as lines of text."""
    lines = [
        f"  {one['test']}: expected {one['expectation']}, measured ⟦{one['measured']}⟧"
        f"{_mark(record, one)}"
        for one in record["results"]
    ]
    scope = [f"  tested: {claim.scope}"] if claim.scope else []
    return "\n".join([f"{claim.id} {_state(claim, record)}: {claim.statement}", *scope, *lines])


def _state(claim, record: Mapping) -> str:
    """What stands where the verdict does: the verdict, unless the check does not bear it out."""
    if record.get("left_out"):
        return "not judged: its stored run has other seeds"
    return f"FAILED: not {claim.verdict!r} here" if failures(record) else claim.verdict


def _mark(record: Mapping, result: Mapping) -> str:
    return "" if result["passed"] or record.get("left_out") else " FAILED"


def _carrying(record: Mapping) -> Mapping:
    """The result in view: the first that failed, or that which the row names first."""
    results = record["results"]
    return next((one for one in results if _mark(record, one)), results[0])


def _comparison(result: Mapping) -> str:
    return (
        f'{typeset(result["test"])}: <span class="measured">{html.escape(result["measured"])}'
        f"</span> (expected: {typeset(result['expectation'])})"
    )


def _contents(claim, record: Mapping) -> str:
    """What the fold holds, in a few words that name the claim."""
    count = len(record["results"])
    held = [f"{count} tests" if count > 1 else "the test"]
    held += ["what was tried"] * bool(claim.scope) + ["what would refute it"] * bool(claim.fails_if)
    return f"{claim.id}: {', '.join(held[:-1])}{' and ' * (len(held) > 1)}{held[-1]}"


def _detail(claim, record: Mapping) -> str:
    rows = "".join(
        f"<tr><td>{typeset(one['test'])}</td><td>{typeset(one['expectation'])}</td>"
        f'<td><span class="measured">{html.escape(one["measured"])}</span>'
        f"{_mark(record, one)}</td></tr>"
        for one in record["results"]
    )
    notes = "".join(
        f'<p class="claim-{name}">{typeset(text)}</p>'
        for name, text in (("scope", claim.scope), ("refuted", claim.fails_if))
        if text
    )
    return (
        "<table><thead><tr><th>test</th><th>expected</th><th>measured</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>{notes}"
    )
