"""Commands of the package.

python -m grokbook run               list the stored runs
python -m grokbook run NAME ...      make them again, perhaps with other seeds
python -m grokbook run --check       after an edit: is a part of each still the same?
python -m grokbook sweep             list the sweeps
python -m grokbook sweep NAME        run or resume a sweep
python -m grokbook sweep --status    what is there
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys

from grokbook import console, parts, randomness, recheck, results, source, sweep
from grokbook.sweep import command
from grokbook.sweep.grid import SIZES

EXIT_CODES = """exit codes:
  0    all is done
  1    a run failed, or the work could not be finished
  2    a wrong call: unknown name, bad option, a folder or cluster that cannot be used
  130  interrupted"""


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns one of the exit codes of the help."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not what others put in its place
            stream.reconfigure(errors=console.SPELT)
    options = _parser().parse_args(arguments)
    try:
        code = _command(options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough; what is left in the buffer goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _command(options):
    if options.command == "sweep":
        return sweep_command(options)
    try:
        if options.check:
            return check_command(options.names, options.out, options.seeds)
        return run_command(options.names, options.out, options.seeds)
    except KeyboardInterrupt:
        print("interrupted: nothing half-made is left", file=sys.stderr)
        return 130


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        """One line, where argparse would print the usage too."""
        self.exit(2, f"error: {message}; see {self.prog} --help\n")


def _parser():
    parser = _Parser(prog="python -m grokbook", description="Commands of Grokbook.")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name, text):
        return commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            epilog=EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    run = command("run", "list the stored runs, or make them again")
    run.add_argument("names", nargs="*", metavar="NAME", help="stored run to make again")
    run.add_argument(
        "--check",
        action="store_true",
        help="compute a part with the old source and the new; renew the mark if all is equal",
    )
    run.add_argument("--seeds", metavar="LIST", help="other seeds: 100-104 or 3,5,9; needs --out")
    sweeps = command("sweep", "list the sweeps, run or resume one, or say what is there")
    sweeps.add_argument("name", nargs="?", metavar="NAME", help="sweep to run or resume")
    sweeps.add_argument("--size", choices=SIZES, help="default: book")
    sweeps.add_argument("--status", action="store_true", help="say what is there, run nothing")
    where = sweeps.add_mutually_exclusive_group()
    where.add_argument("--jobs", type=_jobs, metavar="N", help="workers (default: all cores)")
    where.add_argument("--scheduler", metavar="ADDRESS", help="of a running Dask cluster")
    for one in (run, sweeps):
        one.add_argument(
            "--out",
            metavar="DIR",
            help="folder to write to (default, in a checkout: grokbook/data)",
        )
    return parser


def _jobs(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number >= 1")
    return int(text)


def run_command(names: list[str], out: str | None, seeds: str | None = None) -> int:
    """List the stored runs, or make the named ones."""
    try:
        if not names:
            return list_runs(out, seeds)
        runs = [results.find(name) for name in names]
        if seeds is not None:
            numbers = parse_seeds(seeds)
            runs = [run.with_seeds(numbers) for run in runs]
            if out is None:
                raise ValueError("--seeds needs --out DIR: a folder for results of other seeds")
        folder = parts.output_folder(out, instead="--seeds" if seeds else "")
    except ValueError as error:
        return _refuse(str(error))
    for run in runs:
        print(f"{run.name}: about {run.cpu_seconds:g} CPU seconds ...", flush=True)
        try:
            made = sweep.make(run, folder)
        except Exception as error:  # the command's promise: one line, and nothing half-written
            print(f"error: {run.name}: {type(error).__name__}: {error}", file=sys.stderr)
            return 1
        print(f"{run.name}: written to {made.name}")
    return 0


def check_command(names: list[str], out: str | None, seeds: str | None) -> int:
    """Renew the marks of stored results of which a part is the same as with the old source."""
    try:
        if out is not None or seeds is not None:
            raise ValueError("--check is for the book's own results: without --out and --seeds")
        if source.checkout() is None:
            raise ValueError("--check needs a checkout with its history")
        for name in names:
            recheck.find(name)
        names = names or recheck.changed()
    except ValueError as error:
        return _refuse(str(error))
    differ = 0
    for name in names:
        try:
            print(recheck.check(name), flush=True)
        except ValueError as error:
            print(f"error: {error}", file=sys.stderr)
            differ = 1
    return differ


def list_runs(out: str | None, seeds: str | None) -> int:
    """Print each stored run with its cost; those that cannot be made here with what they need."""
    if seeds is not None:
        raise ValueError("--seeds needs the NAME of a run")
    folder = parts.data_folder(out)
    found, lacking = parts.declared("runs")
    for run in map(results.stored, found.values()):
        there = "stored" if (folder / f"{run.name}.npz").is_file() else "not made"
        print(f"{run.name:<28} {there:<9} about {run.cpu_seconds:g} CPU s  {run.about}")
    for part, package in lacking.items():
        for name in parts.recorded(part, "run"):
            print(f"{name:<28} needs {package}")
        print(parts.needs(part, package), file=sys.stderr)
    return 0


def parse_seeds(text: str) -> list[int]:
    """``100-104`` and ``3,5,9`` as numbers; ValueError for other text."""
    seeds: list[int] = []
    for piece in text.split(","):
        found = re.fullmatch(r"(\d{1,7})(?:-(\d{1,7}))?", piece.strip(), re.ASCII)
        if not found or int(found[2] or found[1]) < int(found[1]):
            raise ValueError(f"seeds = {text!r}: must be like 100-104 or 3,5,9")
        if int(found[2] or found[1]) >= randomness.STRIDE:  # refused before a list of millions
            most = randomness.STRIDE - 1
            raise ValueError(f"seeds = {text!r}: must be different whole numbers from 0 to {most}")
        seeds += range(int(found[1]), int(found[2] or found[1]) + 1)
    return seeds


def sweep_command(options: argparse.Namespace) -> int:
    """List the sweeps, look at them, or run one."""
    if options.status:
        return command.show_status(options.name, options.out)
    if options.name is None:
        if {options.size, options.out, options.jobs, options.scheduler} != {None}:
            return _refuse("--size, --out, --jobs and --scheduler need the NAME of a sweep")
        return command.list_sweeps()
    return command.run_sweep(
        options.name, options.size or "book", options.jobs, options.scheduler, options.out
    )


def _refuse(line: str) -> int:
    print(f"error: {line}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # batch systems end jobs with it
    sys.exit(main())
