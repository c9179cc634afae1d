"""Run every benchmark of this folder, or those of the files named on the command line."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks
from benchmarks import harness


def discover() -> dict[str, list[harness.Benchmark]]:
    """The list ``BENCHMARKS`` of each module of this folder that defines one."""
    found = {}
    for info in pkgutil.iter_modules(benchmarks.__path__):
        if not info.name.startswith("_"):
            module = importlib.import_module(f"benchmarks.{info.name}")
            if hasattr(module, "BENCHMARKS"):
                found[info.name] = module.BENCHMARKS
    return found


def main(names: list[str]) -> int:
    """Run, write the results file; 1 if a floor or an agreement is missed, 2 for a wrong name."""
    found = discover()
    unknown = [name for name in names if name not in found]
    if unknown:
        print(f"no benchmarks in {unknown}: there are {sorted(found)}", file=sys.stderr)
        return 2
    failures = []
    for name in names or sorted(found):
        results = [harness.measure(benchmark) for benchmark in found[name]]
        harness.write_section(name, results)
        failures += [line for result in results for line in result.failures()]
    for line in failures:
        print("FAILED " + line, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
