"""Commands of the package.

python -m grokbook run            list the stored runs
python -m grokbook run NAME ...   make them again
"""

from __future__ import annotations

import argparse
import sys

from grokbook import store


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 0 if all went well, 1 if a run failed, 2 for a wrong call."""
    parser = argparse.ArgumentParser(prog="python -m grokbook", description="Commands of Grokbook.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="list the stored runs, or make them again")
    run.add_argument("names", nargs="*", metavar="NAME", help="stored run to make again")
    run.add_argument("--out", metavar="DIR", help="folder to write to (default: data)")
    options = parser.parse_args(arguments)
    return run_command(options.names, options.out)


def run_command(names: list[str], out: str | None) -> int:
    """List the stored runs, or make the named ones."""
    known = store.catalogue()
    unknown = [name for name in names if name not in known]
    if unknown:
        return _refuse(f"no stored run {unknown[0]!r}; there are: {', '.join(sorted(known))}")
    try:
        folder = store.data_folder(out)
    except ValueError as error:
        return _refuse(str(error))
    if not names:
        for run in known.values():
            there = "stored" if (folder / f"{run.name}.npz").is_file() else "not made"
            print(f"{run.name:<28} {there:<9} about {run.cpu_seconds:g} CPU s  {run.about}")
    for name in names:
        print(f"{name}: about {known[name].cpu_seconds:g} CPU seconds ...", flush=True)
        try:
            print(f"{name}: written to {store.make(known[name], folder).name}")
        except Exception as error:  # the command's promise: one line, and nothing half-written
            print(f"error: {name}: {type(error).__name__}: {error}", file=sys.stderr)
            return 1
    return 0


def _refuse(line: str) -> int:
    print(f"error: {line}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
