"""Commands of the package.

python -m grokbook run               list the stored runs
python -m grokbook run NAME ...      make them again
python -m grokbook sweep             list the sweeps
python -m grokbook sweep NAME        run or resume a sweep
python -m grokbook sweep --status    what is there
"""

from __future__ import annotations

import argparse
import signal
import sys

from grokbook import store

EXIT_CODES = """exit codes:
  0    all is done
  1    a run failed, or the work could not be finished
  2    a wrong call: unknown name, bad option, a folder or cluster that cannot be used
  130  interrupted"""
SIZES = ("small", "book", "paper")


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns one of the exit codes of the help."""
    options = _parser().parse_args(arguments)
    if options.command == "run":
        try:
            return run_command(options.names, options.out)
        except KeyboardInterrupt:
            print("interrupted: nothing half-made is left", file=sys.stderr)
            return 130
    return sweep_command(options)


def _parser():
    parser = argparse.ArgumentParser(prog="python -m grokbook", description="Commands of Grokbook.")
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
    sweep = command("sweep", "list the sweeps, run or resume one, or say what is there")
    sweep.add_argument("name", nargs="?", metavar="NAME", help="sweep to run or resume")
    sweep.add_argument("--size", choices=SIZES, default="book", help="default: book")
    sweep.add_argument("--status", action="store_true", help="say what is there, run nothing")
    where = sweep.add_mutually_exclusive_group()
    where.add_argument("--jobs", type=_jobs, metavar="N", help="workers (default: all cores)")
    where.add_argument("--scheduler", metavar="ADDRESS", help="of a running Dask cluster")
    for one in (run, sweep):
        one.add_argument("--out", metavar="DIR", help="folder to write to (default: data)")
    return parser


def _jobs(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number >= 1")
    return int(text)


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


def sweep_command(options: argparse.Namespace) -> int:
    """List the sweeps, look at them, or run one."""
    try:
        from grokbook import sweep_command as command  # needs more than numpy and scipy
    except ImportError as error:
        return _refuse(f"{error}; install the extra: pip install grokbook[sweep]")
    if options.status:
        return command.show_status(options.name, options.out)
    if options.name is None:
        return command.list_sweeps()
    return command.run_sweep(
        options.name, options.size, options.jobs, options.scheduler, options.out
    )


def _refuse(line: str) -> int:
    print(f"error: {line}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # batch systems end jobs with it
    sys.exit(main())
