"""Make environment.yml, for Binder and conda, from requirements.lock with uv.

conda brings Python and pip, pip the lock's pins for running, building and testing the book.
No local path stands in it, so that an image layer survives commits; postBuild adds grokbook.
"""

import subprocess
import sys
from pathlib import Path

from tools.install import CPU_INDEX

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / "environment.yml"
PYTHON = "3.11"
# conda takes a late patch of it; uv takes the first, for which one pin differs.
PATCH = "3.11.9"
HEAD = f"""\
# Made from requirements.lock (make lock); do not edit. For Binder and conda:
#   conda env create -f environment.yml && conda activate grokbook && ./postBuild
name: grokbook
channels:
  - conda-forge
dependencies:
  - python={PYTHON}
  - pip
  - pip:
      - --extra-index-url {CPU_INDEX}
"""


def pins() -> list[str]:
    """The lock's pins that the extra `test` needs on Linux under that Python."""
    uv = Path(sys.executable).with_name("uv")
    command = [uv, "pip", "compile", "--quiet", "--no-annotate", "--no-header", "--extra", "test"]
    platform = ["--python-version", PATCH, "--python-platform", "x86_64-manylinux_2_28"]
    files = ["--constraint", "requirements.lock", "pyproject.toml"]
    done = subprocess.run(
        [*command, *platform, *files], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return done.stdout.split("\n")[:-1]


def main() -> int:
    """The command."""
    ENVIRONMENT.write_text(HEAD + "".join(f"      - {pin}\n" for pin in pins()), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
