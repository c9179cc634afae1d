"""Time a fast path against the obvious one: calls in turn, the least disturbed of each, a floor.

A busy neighbour, a lower clock or a cold cache only ever add time, so the shortest of several calls
says most about the code (the advice of Python's ``timeit``).
"""

from __future__ import annotations

import datetime
import os
import platform
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy
from threadpoolctl import threadpool_info

RESULTS = Path(__file__).with_name("RESULTS.md")
# A short benchmark is repeated until this many CPU seconds are spent.
REPEATS, LONG_ENOUGH = 5, 15.0


@dataclass(frozen=True)
class Benchmark:
    """Two ways to the same numbers.

    Attributes
    ----------
    name : str
        What is computed, at what size.
    fast, obvious : callables without arguments
        Return the same arrays; called in turn, ``REPEATS`` times or more.
    what_is_timed : str
        What is inside the timing on both sides.
    tolerance : float
        Largest allowed relative difference of the two results.
    floor, aim : float
        The ratio of the shortest times must reach the floor and should reach the aim.
    limit : callable
        Given the fast path's CPU seconds, says in a sentence how far it is from what
        the machine allows.
    units : pair of int
        How many like items the fast and the obvious way each work through; the ratio is per item.
    """

    name: str
    fast: Callable[[], np.ndarray]
    obvious: Callable[[], np.ndarray]
    what_is_timed: str
    tolerance: float
    floor: float
    aim: float
    limit: Callable[[float], str]
    units: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class Result:
    """Shortest CPU seconds of both ways, how often each was called, their largest difference, the
    sentence on limits."""

    benchmark: Benchmark
    fast: float
    obvious: float
    repeats: int
    difference: float
    limit: str

    @property
    def ratio(self) -> float:
        """How many times faster the fast path is, per item."""
        fast_items, obvious_items = self.benchmark.units
        return self.obvious / self.fast * fast_items / obvious_items

    def failures(self) -> list[str]:
        """What is missed, one line each."""
        b, out = self.benchmark, []
        if self.ratio < b.floor:
            out.append(f"{b.name}: {_times(self.ratio)} x, floor {b.floor:g} x")
        if not self.difference <= b.tolerance:
            out.append(f"{b.name}: differ by {self.difference:.1e}, allowed {b.tolerance:.0e}")
        return out


def cpu_seconds(call: Callable[[], object]) -> tuple[float, object]:
    """CPU seconds of one call (other jobs on the machine count less than in wall time)."""
    start = time.process_time()
    value = call()
    return time.process_time() - start, value


def shortest_seconds(call: Callable[[], object]) -> float:
    """CPU seconds of the shortest of ``REPEATS`` calls."""
    return min(cpu_seconds(call)[0] for _ in range(REPEATS))


def measure(benchmark: Benchmark) -> Result:
    """Run both ways in turn on one thread and compare their numbers every time."""
    if any(pool["num_threads"] != 1 for pool in threadpool_info()):
        raise RuntimeError("more than one thread: run as python -m benchmarks")
    print(benchmark.name, flush=True)
    fast, obvious, difference = [], [], 0.0
    while len(fast) < REPEATS or sum(fast) + sum(obvious) < LONG_ENOUGH:
        seconds, ours = cpu_seconds(benchmark.fast)
        fast.append(seconds)
        seconds, theirs = cpu_seconds(benchmark.obvious)
        obvious.append(seconds)
        difference = max(difference, float(np.max(np.abs(np.divide(ours, theirs) - 1))))
    result = Result(
        benchmark, min(fast), min(obvious), len(fast), difference, benchmark.limit(min(fast))
    )
    print(
        f"  {_times(result.ratio)} x in {len(fast)} calls each "
        f"({result.obvious:.4g} s / {result.fast:.4g} s), differ by {difference:.1e}"
    )
    print(f"  {result.limit}", flush=True)
    return result


def machine() -> str:
    try:
        cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())[1]
    except (OSError, TypeError):
        cpu = platform.processor() or platform.machine()
    return (
        f"{datetime.date.today()}, {cpu}, {os.cpu_count()} cores, one thread used; "
        f"Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}."
    )


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 3 else f"{ratio:.0f}"


def _section(name, results):
    lines = [
        f"## {name}",
        "",
        f"{machine()} CPU seconds of the shortest of several calls in turn.",
        "",
        "| benchmark | calls | fast | obvious | ratio | floor | aim | differ by | allowed |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for r in results:
        b = r.benchmark
        lines.append(
            f"| {b.name} | {r.repeats} | {r.fast:.3g} s | {r.obvious:.3g} s | {_times(r.ratio)} x "
            f"| {b.floor:g} x | {b.aim:g} x | {r.difference:.1e} | {b.tolerance:.0e} |"
        )
    notes = [f"- {r.benchmark.name}: {r.benchmark.what_is_timed} {r.limit}" for r in results]
    return "\n".join([*lines, "", *notes]) + "\n"


def write_section(name: str, results: list[Result]) -> None:
    """Replace the section of one benchmark file in RESULTS.md, the others staying as they are."""
    put_section(name, _section(name, results))


def put_section(name: str, section: str) -> None:
    """Put a section, which begins with its heading, into RESULTS.md."""
    head = "# Benchmarks\n\nThe last run of each file, written by `python -m benchmarks`.\n"
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else head
    parts = re.split(r"(?m)^(?=## )", text)
    sections = {re.match(r"## (\S+)", part)[1]: part.rstrip() + "\n" for part in parts[1:]}
    sections[name] = section
    ordered = [sections[key] for key in sorted(sections)]
    RESULTS.write_text("\n".join([head, *ordered]), encoding="utf-8")
