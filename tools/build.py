"""Execute the chapters that changed, build the site strictly, print the path to open.

A site that failed is removed, so that none is left that looks finished.  A claim that failed does
not take the site away: it is shown there, named here on one line, and the exit code is 1.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tools import install

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
LOG = ROOT / "_build" / "build.log"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def execute_chapters() -> bool:
    """The executor prints its own progress, and one line if a chapter fails."""
    return subprocess.run([sys.executable, "book/_ext/chapters.py"], cwd=ROOT).returncode == 0


def build_site() -> bool:
    """Jupyter Book with every warning an error; its output goes to the log."""
    jupyter_book = str(Path(sys.executable).with_name("jupyter-book"))
    command = [sys.executable, jupyter_book, "build", ".", "--all", "-W", "-n", "--keep-going"]
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("w", encoding="utf-8") as log:
        return (
            subprocess.run(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT).returncode == 0
        )


def complaints(log: str) -> list[str]:
    """The warnings and errors in Sphinx's output, or its end where it names none."""
    lines = COLOUR.sub("", log).splitlines()
    named = [line for line in lines if "WARNING" in line or "ERROR" in line or "Error:" in line]
    return list(dict.fromkeys(named)) or lines[-15:]


def failed_claims() -> list[str]:
    """A line for each claim that the site shows as failed."""
    rows = json.loads((HTML / "claims.json").read_text("utf-8"))
    return [f"failed: {row['id']}: {row['failures']}" for row in rows if row["failures"]]


def main() -> int:
    """The command; 1 if there is no site, or if it shows a claim that failed."""
    try:
        install.check_place(str(ROOT))
    except install.InstallError as error:
        print(f"grokbook: {error}", file=sys.stderr)
        return 1
    shutil.rmtree(HTML, ignore_errors=True)
    if not execute_chapters():
        print("grokbook: no site was built, because a chapter failed (see above)", file=sys.stderr)
        return 1
    print("building the site", flush=True)
    if not build_site() or not (HTML / "index.html").is_file():
        shutil.rmtree(HTML, ignore_errors=True)
        print(*complaints(LOG.read_text("utf-8")), sep="\n", file=sys.stderr)
        print(
            f"grokbook: the site was not built; mend the lines above (all in {LOG})",
            file=sys.stderr,
        )
        return 1
    print(f"open {HTML / 'index.html'}", flush=True)
    lines = failed_claims()
    if lines:
        print(*lines, sep="\n", file=sys.stderr)
        print(f"grokbook: claims failed: {len(lines)}; the site shows them", file=sys.stderr)
    return int(bool(lines))


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()  # refuses what it does not take
    sys.exit(main())
