"""Write the first code cell of every chapter: ``python -m tools.setup_cell``.

The cell is the same in each chapter and names this version and this repository.  Wherever a
notebook is opened, the cell finds the package, the claims and the stored results of its edition: in
the checkout or the unpacked archive that holds the notebook, in an installed package of the same
version, or, failing both, in the repository, fetched once into a folder named after the edition.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path

import nbformat

import grokbook

ROOT = Path(__file__).resolve().parents[1]
# What an interrupted fetch leaves has the name of its process, so it is never taken for a whole.
# Worker processes find the package by PYTHONPATH.
CELL = """\
# Use the package, the claims and the stored results of this notebook's own edition.
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib import parse, request

here = Path(globals().get("__vsc_ipynb_file__", "x")).resolve()  # VS Code tells
top = next((up for up in here.parents if (up / "grokbook/ledger").is_dir()), None)
now = Path(getattr(find_spec("grokbook"), "origin", None) or os.devnull).resolve()
if not top and '__version__ = "VERSION"' not in now.read_text("utf-8"):
    try:  # Colab tells from which repository and branch it opened the notebook
        server = f"http://{os.environ['COLAB_JUPYTER_IP']}:9000/api/sessions"
        told = parse.unquote(request.urlopen(server, timeout=2).read())
        home, ref = told.split("fileId=")[1].split("/book/")[-2].split("/blob/")
    except Exception:
        home, ref = "ADDRESS", "EDITION"
    top = Path(f"{home}/{ref}".split("/", 3)[3].replace("/", "-")).resolve()
    git = ["git", "clone", "--depth=1", "-b", ref, home, f"{top}.{os.getpid()}"]
    top.exists() or subprocess.check_call(git) or os.rename(git[-1], top)
if top:
    sys.path.insert(0, str(top))
    os.environ["PYTHONPATH"] = f"{top}{os.pathsep}{os.getenv('PYTHONPATH', top)}"
    assert "grokbook" not in sys.modules or top in now.parents, "restart the kernel"
"""


def source() -> str:
    """The cell for the version and the address of this state of the repository."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = {
        "VERSION": grokbook.__version__,
        "ADDRESS": project["urls"]["Repository"],
        "EDITION": grokbook.edition(),
    }
    cell = CELL
    for placeholder, value in named.items():
        cell = cell.replace(placeholder, value)
    return cell.rstrip("\n")


def write(path: Path) -> bool:
    """Put the cell first among the chapter's code cells; False if it is there already.

    Raises ValueError if the first code cell is not one that is hidden on the page.
    """
    notebook = nbformat.read(path, as_version=4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    if "remove-cell" not in first.metadata.get("tags", []):
        raise ValueError(f"{path}: the first code cell must be the set-up, tagged remove-cell")
    if first.source == source():
        return False
    first.source = source()
    nbformat.write(notebook, path)
    return True


def main() -> int:
    """The command; 1 if a chapter has no place for the cell."""
    try:
        written = [path for path in sorted((ROOT / "book").rglob("*.ipynb")) if write(path)]
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"set-up cells: {len(written)} written")
    return 0


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()  # refuses what it does not take
    sys.exit(main())
