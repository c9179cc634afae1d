"""Pages and files made of the executed chapters: costs, claims.json, substitutions."""

from __future__ import annotations

import base64
import json
from collections import Counter
from pathlib import Path

from grokbook import claims

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
# The figures that the landing page borrows from chapters.
LANDING_FIGURES = ("fig-le-01-phenomenon", "fig-at-01-one-frame")


def boxes(notebook):
    """(record, output) of every claim box in a notebook."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            record = output.get("metadata", {}).get("grokbook", {}).get("claim")
            if record:
                yield record, output


def records(executed: dict) -> dict[str, dict]:
    """What the chapters checked, by claim id: the box's record and the chapter's name."""
    return {
        record["id"]: {**record, "chapter": name}
        for name, notebook in executed.items()
        for record, _ in boxes(notebook)
    }


def write_if_new(path: Path, text: str) -> None:
    """Write a page only when it differs, so that Sphinx does not read it again for nothing."""
    if not path.is_file() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")


# In the order in which they are counted.
GROUPS = ("the paper's", "derived by us", "our findings")


def group(claim: claims.Claim) -> str:
    """How a claim is counted: the paper's, derived by us, or our own finding."""
    return GROUPS[2] if claim.id.startswith("GB") else GROUPS[claim.ours]


# How a claim is counted, whatever its verdict, if its check did not bear it out.
FAILED = "FAILED here"


def counts(found: dict[str, dict]) -> dict[tuple[str, str], Counter]:
    """Verdicts counted per (paper, group); a failed claim is counted as that."""
    table: dict[tuple[str, str], Counter] = {}
    for claim in claims.ledgers().values():
        record = found.get(claim.id)
        state = FAILED if record and claims.failures(record) else claim.verdict
        table.setdefault((claim.paper, group(claim)), Counter())[state] += 1
    return table


# Verdicts at the head of a column, which a phone has to fit.
SHORT = dict(
    zip(claims.VERDICTS[1:], ("corrected", "only when …", "not", "not tried"), strict=True)
)


def verdict_table(found: dict[str, dict]) -> str:
    """The counts as a Markdown table: the papers' own claims first, what we add below."""
    counted = counts(found)
    shown = [v for v in (*claims.VERDICTS, FAILED) if any(c[v] for c in counted.values())]
    lines = [
        "| claims | " + " | ".join(SHORT.get(one, one) for one in shown) + " | all |",
        "|---|" + "---:|" * (len(shown) + 1),
    ]
    order = sorted(counted.items(), key=lambda one: (GROUPS.index(one[0][1]), one[0][0]))
    for (paper, kind), counter in order:
        cells = [str(counter[verdict]) for verdict in shown]
        lines.append(f"| {paper}, {kind} | " + " | ".join(cells) + f" | {counter.total()} |")
    return "\n".join(lines)


def failed(found: dict[str, dict]) -> list[str]:
    """The ids of the claims that failed, sorted."""
    return sorted(name for name, record in found.items() if claims.failures(record))


# What became of a claim, in words that follow a number.
_WORDS = ("hold as printed", "with a correction", "on a part of their range", "do not hold")
IN_WORDS = dict(zip(claims.VERDICTS[:4], _WORDS, strict=True))
IN_WORDS[FAILED] = "came out otherwise than our verdict says"


def summary(found: dict[str, dict]) -> str:
    """What became of the papers' own claims, and whether each verdict came out again."""
    counted = counts(found)
    rows = sum(one.total() for one in counted.values())
    theirs = sum((one for (_, kind), one in counted.items() if kind == GROUPS[0]), Counter())
    tried = theirs.total() - theirs[claims.NOT_ATTEMPTED]
    parts = [f"{theirs[one]} {words}" for one, words in IN_WORDS.items() if theirs[one]]
    known, ids = claims.ledgers(), failed(found)
    links = ", ".join(box_link(known[one], one) for one in ids)
    failures = f"**{len(ids)} of our verdicts failed** ({links})"
    return (
        f"Of {theirs.total()} statements of the papers {tried} were tested: {', '.join(parts)}. "
        f"Another {rows - theirs.total()} rows follow from the papers or are findings of "
        "ours. When this site was built, "
        f"{failures if ids else 'each test came out as the verdict beside it says'}."
    )


def measured(record: dict) -> str:
    """What was measured, in a few words."""
    return "; ".join(f"{one['test']}: {one['measured']}" for one in record["results"])


def box_link(claim: claims.Claim, text: str, *, up: str = "") -> str:
    """HTML link to a claim's box (Markdown cannot reach an id inside an output)."""
    return f'<a class="claim-link" href="{up}{claim.chapter}.html#{claim.anchor}">{text}</a>'


def write_costs(wanted) -> None:
    """Write ``book/what-it-costs.md``: time and memory of each chapter, as measured."""
    lines = [
        "| chapter | wall time | CPU time | budget | peak memory |",
        "|---|---:|---:|---:|---:|",
    ]
    for chapter in wanted:
        cost = chapter.cost()
        budget = chapter.notebook.metadata["grokbook"]["budget_cpu_seconds"]
        lines.append(
            f"| {{doc}}`{chapter.name}` | {cost['wall_seconds']:.0f} s | "
            f"{cost['cpu_seconds']:.0f} s | {budget} s | {cost['peak_mb']:.0f} MB |"
        )
    text = (
        "(what-it-costs)=\n# What it costs\n\n"
        "Measured when this site was built, one thread a chapter and two chapters at a time. "
        "The budget is in CPU seconds of the kernel and its children; the tests fail above twice "
        "a budget, or above 1 GB.\n\n" + "\n".join(lines) + "\n"
    )
    write_if_new(BOOK / "what-it-costs.md", text)


def write_json(found: dict[str, dict], path: Path) -> None:
    """Write every ledger row with what was measured."""
    rows = []
    for claim in sorted(claims.ledgers().values(), key=lambda one: one.id):
        record = found.get(claim.id, {})
        rows.append(
            {
                "id": claim.id,
                "paper": claim.paper,
                "counted_as": group(claim),
                "where": claim.where,
                "statement": claim.statement,
                "kind": claim.kind,
                "verdict": claim.verdict,
                "correction": claim.correction,
                "reason": claim.reason,
                "scope": claim.scope,
                "fails_if": claim.fails_if,
                "url": f"book/{claim.chapter}.html#{claim.anchor}" if record else "",
                "results": record.get("results", []),
                "failures": claims.failures(record) if record else "",
            }
        )
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", "utf-8")


def substitutions(found: dict[str, dict]) -> dict[str, str]:
    """Values for ``{{ name }}``: ``claims_summary``, ``verdict_table``, and ``LE_10`` a claim."""
    known = claims.ledgers()
    values = {
        "claims_summary": summary(found),
        "verdict_table": verdict_table(found),
    }
    for claim in known.values():
        if record := found.get(claim.id):
            link = box_link(claim, claim.id, up="../")
            said = (
                f"**{FAILED}**: {claims.failures(record)}"
                if claims.failures(record)
                else f"*{claim.verdict}* ({measured(record)})"
            )
            values[claim.id.replace("-", "_")] = f"{link}: {said}"
    return values


def write_figures(executed: dict, folder: Path) -> None:
    """Write the pictures of the landing page, taken from the chapters that draw them."""
    folder.mkdir(exist_ok=True)
    for notebook in executed.values():
        for name in LANDING_FIGURES:
            if picture := figure_png(notebook, name):
                (folder / f"{name}.png").write_bytes(picture)


def figure_png(notebook, name: str) -> bytes | None:
    """PNG of the figure that carries the label ``name``, if the notebook has it."""
    for cell in notebook.cells:
        if cell.metadata.get("mystnb", {}).get("figure", {}).get("name") == name:
            for output in cell.get("outputs", []):
                if "image/png" in output.get("data", {}):
                    return base64.b64decode(output["data"]["image/png"])
    return None
