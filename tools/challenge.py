"""Do the claims hold with seeds nobody has seen, or on another processor?  ``make challenge``.

make challenge SHIFT=7                every seed moved by the same shift
make challenge CPU=plain THREADS=4    as another processor: plain, avx2, avx512 or native
make challenge SHIFT=7 CHAPTERS="linear/* xor/01*"    some chapters only

Executes the chapters away from their stored outputs, into a folder of ``_build/challenge``, and
lists the claims that failed.  A cell that raises is named, and the cells after it run all the same.
Exit code 1 if a claim failed, was not reached, or a cell raised; 2 for a wrong call.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import chapters  # noqa: E402 (lies beside the build)
import pages  # noqa: E402
from grokbook import claims, randomness  # noqa: E402
from tools import processors  # noqa: E402


@dataclass(frozen=True)
class Challenge:
    """What is changed: the shift of the seeds, the level of the processor, its threads."""

    shift: int = 0
    level: str = processors.NATIVE
    threads: int = 1

    @property
    def folder(self) -> Path:
        """Where the executed chapters go."""
        name = f"shift-{self.shift}-{self.level}-{self.threads}"
        return chapters.RESULTS.with_name("challenge") / name

    def environment(self) -> dict[str, str]:
        """The environment of a chapter; a failed claim does not raise there."""
        base = {name: value for name, value in os.environ.items() if name not in claims.STRICT}
        base[randomness.VARIABLE] = str(self.shift)
        base["PYTHONPATH"] = str(ROOT)  # the package beside these chapters, installed or not
        return processors.environment(self.level, self.threads, base)


@dataclass(frozen=True)
class Outcome:
    """How one chapter came out: a line for each failure, and the claims by what became of them."""

    raised: list[str]
    failed: list[str]
    held: int
    left_out: int
    missed: list[str]


def parse(arguments: list[str]) -> tuple[Challenge, list[chapters.Chapter]]:
    """The challenge and its chapters; ValueError, in one line, for a wrong call."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("shift", "cpu", "threads", "chapters"):
        parser.add_argument(f"--{name}", default="", metavar=name.upper())
    given = parser.parse_args(arguments)
    numbers = {"SHIFT": given.shift or "0", "THREADS": given.threads or "1"}
    for name, text in numbers.items():
        if not (text.isascii() and text.isdecimal()):
            raise ValueError(f"{name} = {text!r}: must be a whole number >= 0")
    level = given.cpu or processors.NATIVE
    challenge = Challenge(int(numbers["SHIFT"]), level, int(numbers["THREADS"]))
    if challenge == Challenge() and not given.cpu:
        raise ValueError("nothing to change: give SHIFT=7, CPU=plain or THREADS=4")
    challenge.environment()  # refuses a level or a number of threads
    known = chapters.chapters()
    wanted = given.chapters.split() or ["*"]
    chosen = [one for one in known if any(fnmatch.fnmatch(one.name, it) for it in wanted)]
    for pattern in wanted:
        if not any(fnmatch.fnmatch(one.name, pattern) for one in known):
            names = ", ".join(one.name for one in known)
            raise ValueError(f"CHAPTERS = {pattern!r}: matches none of {names}")
    return challenge, chosen


def execute(challenge: Challenge, chapter: chapters.Chapter) -> Outcome:
    """Execute one chapter under the challenge and read its claims."""
    folder = challenge.folder / chapter.name
    folder.mkdir(parents=True)
    print(f"  {chapter.name:<40} started", flush=True)
    raised = chapters.execute(chapter, folder, challenge.environment(), "--go-on")
    records = []
    if (folder / "executed.ipynb").is_file():
        executed = nbformat.read(folder / "executed.ipynb", as_version=4)
        records = [record for record, _ in pages.boxes(executed)]
    failed = chapters.failed_claims(chapter.name, records)
    left_out = sum("left_out" in record for record in records)
    checked = {record["id"] for record in records}
    rows = [one for one in claims.ledgers().values() if one.chapter == chapter.name]
    missed = [one.id for one in rows if one.id not in checked]
    state = "done" if not raised else "RAISED"
    print(f"  {chapter.name:<40} {state}, {len(failed)} claims failed", flush=True)
    held = len(records) - len(failed) - left_out
    return Outcome(raised, failed, held, left_out, missed)


def report(outcomes: list[Outcome]) -> int:
    """List the failures and count the claims; the exit code."""
    for name in ("raised", "failed"):
        print(*(line for one in outcomes for line in getattr(one, name)), sep="\n")
    missed = [claim for one in outcomes for claim in one.missed]
    failed = sum(len(one.failed) for one in outcomes)
    counted = f"{sum(one.held for one in outcomes)} claims held, {failed} failed, "
    counted += f"{sum(one.left_out for one in outcomes)} left out"
    if missed:
        counted += f", {len(missed)} not reached: {' '.join(missed)}"
    print(counted)
    return int(bool(missed or failed or any(one.raised for one in outcomes)))


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    try:
        challenge, chosen = parse(sys.argv[1:] if arguments is None else arguments)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    shutil.rmtree(challenge.folder, ignore_errors=True)
    print(
        f"executing {len(chosen)} chapters with seeds shifted by {challenge.shift}, "
        f"processor {challenge.level}, threads {challenge.threads}",
        flush=True,
    )
    with ThreadPoolExecutor(chapters.WORKERS) as pool:
        outcomes = list(pool.map(lambda one: execute(challenge, one), chosen))
    return report(outcomes)


if __name__ == "__main__":
    sys.exit(main())
