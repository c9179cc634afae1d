"""Make requirements.lock from pyproject.toml with uv; pins that still hold are kept.

`.venv/bin/python -m tools.lock --upgrade` takes the newest versions instead.
"""

import re
import subprocess
import sys
from pathlib import Path

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


def main() -> int:
    """The command; 1 if uv finds no solution, or one with GPU packages."""
    _, *arguments = COMMAND.split()
    uv = Path(sys.executable).with_name("uv")
    before = LOCK.read_text("utf-8")
    if subprocess.run([uv, *arguments, "--quiet", *sys.argv[1:]], cwd=ROOT).returncode != 0:
        print("grokbook: uv made no lock (see above); the old one stands", file=sys.stderr)
        return 1
    pins = LOCK.read_text("utf-8")
    if found := UNWANTED.findall(pins):
        LOCK.write_text(before, "utf-8")
        print(
            "grokbook: the new lock has a local tag or GPU packages, so the old one stands; "
            f"adapt [tool.uv] in pyproject.toml ({len(found)} lines)",
            file=sys.stderr,
        )
        return 1
    LOCK.write_text(HEADER + pins, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
