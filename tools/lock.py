"""Make requirements.lock from pyproject.toml with uv, and environment.yml from the lock.

Pins that still hold are kept; `.venv/bin/python -m tools.lock --upgrade` takes the newest instead.
In environment.yml, for Binder and conda, conda brings Python and pip, and pip the lock's pins for
running, building and testing the book.  No local path stands in it, so that an image layer survives
commits; postBuild adds grokbook.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

from tools.install import CPU_INDEX

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
# One file for every platform and for Python 3.11 to 3.13.
COMMAND = (
    "uv pip compile --universal --python-version 3.11 --all-extras --no-annotate --no-header "
    "pyproject.toml -o requirements.lock"
)
HEADER = f"""\
# Made by uv (make lock); do not edit. The command, in the root of the repository:
#   {COMMAND}
# torch stands without local tag and without GPU packages: see [tool.uv] in pyproject.toml.
"""
UNWANTED = re.compile(r"^(nvidia|triton|cuda)|^torch==.*\+", re.MULTILINE)
# On Binder: a late patch, as conda takes; uv takes the first, for which one pin differs.
PINS = (
    "uv pip compile --quiet --no-annotate --no-header --extra test --python-version 3.11.9 "
    "--python-platform x86_64-manylinux_2_28 --constraint requirements.lock pyproject.toml"
)
ENVIRONMENT = f"""\
# Made from requirements.lock (make lock); do not edit. For Binder and conda:
#   conda env create -f environment.yml && conda activate grokbook && ./postBuild
name: grokbook
channels:
  - conda-forge
dependencies:
  - python=3.11
  - pip
  - pip:
      - --extra-index-url {CPU_INDEX}
"""


def uv(command: str, *more: str) -> str:
    """Run uv in the root of the repository; what it prints."""
    tool = Path(sys.executable).with_name("uv")
    arguments = [tool, *command.split()[1:], *more]
    return subprocess.run(arguments, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> int:
    """The command; 1 if uv finds no solution, or one with GPU packages."""
    parser = argparse.ArgumentParser(prog="python -m tools.lock", description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="the newest versions, not the pins")
    more = ["--upgrade"] if parser.parse_args().upgrade else []
    before = LOCK.read_text("utf-8")
    try:
        uv(COMMAND, "--quiet", *more)
        pins = LOCK.read_text("utf-8")
        if found := UNWANTED.findall(pins):
            raise ValueError(
                f"it has a local tag or GPU packages, {len(found)} lines: adapt tool.uv"
            )
        LOCK.write_text(HEADER + pins, "utf-8")
        named = uv(PINS).splitlines()
    except (subprocess.CalledProcessError, ValueError) as error:
        LOCK.write_text(before, "utf-8")
        print(f"grokbook: no new lock ({error}); the old one stands", file=sys.stderr)
        return 1
    pins = "".join(f"      - {pin}\n" for pin in named)
    (ROOT / "environment.yml").write_text(ENVIRONMENT + pins, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
