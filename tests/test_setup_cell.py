"""The first cell of each chapter: whatever is importable, a notebook gets its own edition.

The cell runs in processes of its own, without site-packages, beside packages that have nothing but
a version: one in a checkout, others installed (on the path), others in a repository to fetch.
"""

import json
import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest

import grokbook
from guards import MAX_CELL_LINES, ROOT
from tools import setup_cell

ADDRESS = "https://github.com/grokbook/grokbook"
FORK = "https://github.com/someone/mybook"
VERSION = grokbook.__version__
FETCHED = "grokbook-grokbook-main"
# What the kernel and a process that it starts elsewhere import after the cell has run.
REPORT = """
import grokbook
code = "import grokbook; print(grokbook.__file__)"
child = subprocess.check_output([sys.executable, "-S", "-c", code], cwd=os.sep, text=True)
print("\\n", grokbook.__file__, child.strip(), grokbook.__version__, sep="|")
"""


def package(folder, version=VERSION):
    """A package of that version, with its ledger; returns the folder that holds it."""
    (folder / "grokbook" / "ledger").mkdir(parents=True)
    (folder / "grokbook" / "ledger" / "LE.toml").write_text("", "utf-8")
    (folder / "grokbook" / "__init__.py").write_text(f'__version__ = "{version}"\n', "utf-8")
    (folder / "book" / "linear").mkdir(parents=True)
    return folder


def git(folder, *arguments):
    """Git in that folder, as nobody in particular."""
    who = ["-c", "user.name=n", "-c", "user.email=e"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A repository with a development version on ``main``, a release, and another branch."""
    folder = package(tmp_path_factory.mktemp("upstream"), "0.1.0")
    git(folder, "init", "-q", "-b", "main")
    marks = {"0.1.0": ["tag", "v0.1.0"], "x": ["branch", "a/trial"], VERSION: ["branch", "same"]}
    for version, mark in marks.items():
        (folder / "grokbook" / "__init__.py").write_text(f'__version__ = "{version}"\n', "utf-8")
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", version)
        git(folder, *mark)
    return folder


def instead(address, folder):
    """An environment in which git finds the repository of that address in that folder."""
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{folder}.insteadOf",
        "GIT_CONFIG_VALUE_0": address,
    }


def launch(folder, *, before="", times=1, installed=None, environment=None):
    """Run the cell from that folder, then the report; the finished process."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    kept |= {"PYTHONPATH": str(installed)} if installed else {}
    code = "\n".join([before, *[setup_cell.source()] * times, REPORT])
    command = [sys.executable, "-S", "-c", code]
    kept |= environment or {}
    return subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True)


def imported(folder, **options):
    """The folder whose package kernel and child import, and its version."""
    done = launch(folder, **options)
    assert done.returncode == 0, done.stderr
    _, kernel, child, version = done.stdout.strip().splitlines()[-1].split("|")
    assert kernel == child
    return kernel.removesuffix("/grokbook/__init__.py"), version


def test_the_cell_is_short_and_of_this_edition():
    cell = setup_cell.source()
    assert len(cell.splitlines()) <= MAX_CELL_LINES
    assert f'"{VERSION}"' in cell
    assert f'"{ADDRESS}", "{grokbook.edition()}"' in cell
    assert not re.search("VERSION|ADDRESS|EDITION", cell)


def test_a_release_fetches_its_tag(monkeypatch):
    monkeypatch.setattr(grokbook, "__version__", "0.1.0")
    assert f'"{ADDRESS}", "v0.1.0"' in setup_cell.source()


@pytest.mark.parametrize("start", ["book/linear", "."], ids=["its folder", "the root"])
@pytest.mark.parametrize("other", [VERSION, "0.0.9"])
def test_a_checkout_or_an_archive_is_used_whatever_is_installed(tmp_path, start, other):
    book, installed = package(tmp_path / "a book"), package(tmp_path / "site", other)
    assert imported(book / start, times=2, installed=installed) == (str(book), VERSION)


def test_the_checkout_of_this_file_is_found():
    assert imported(ROOT / "book" / "linear") == (str(ROOT), VERSION)


def test_an_editor_that_starts_elsewhere_tells_the_notebooks_place(tmp_path):
    book = package(tmp_path / "work" / "book")
    installed = package(tmp_path / "site", "0.0.9")
    before = f"__vsc_ipynb_file__ = {str(book / 'book' / 'linear' / '01.ipynb')!r}"
    assert imported(tmp_path, before=before, installed=installed) == (str(book), VERSION)


def test_a_notebook_alone_uses_an_installed_package_of_its_version(tmp_path):
    installed, alone = package(tmp_path / "site"), tmp_path / "alone"
    alone.mkdir()
    assert imported(alone, times=2, installed=installed) == (str(installed), VERSION)
    assert list(alone.iterdir()) == []


def test_a_notebook_alone_fetches_its_edition_once(tmp_path, repository):
    installed, alone = package(tmp_path / "site", "0.0.9"), tmp_path / "alone"
    alone.mkdir()
    known = instead(ADDRESS, repository)
    expected = (str(alone / FETCHED), VERSION)
    assert imported(alone, times=2, installed=installed, environment=known) == expected
    assert [path.name for path in alone.iterdir()] == [FETCHED]
    # After a restart it is there: nothing is fetched from where there is nothing.
    gone = instead(ADDRESS, tmp_path / "nowhere")
    assert imported(alone, installed=installed, environment=gone) == expected


def test_a_released_notebook_alone_fetches_its_tag(tmp_path, repository, monkeypatch):
    monkeypatch.setattr(grokbook, "__version__", "0.1.0")
    found = imported(tmp_path, environment=instead(ADDRESS, repository))
    assert found == (str(tmp_path / "grokbook-grokbook-v0.1.0"), "0.1.0")


def test_an_edition_that_is_not_there_is_not_replaced_by_another(tmp_path, repository, monkeypatch):
    monkeypatch.setattr(grokbook, "__version__", "0.3.0")
    done = launch(tmp_path, environment=instead(ADDRESS, repository))
    assert done.returncode == 1
    assert "v0.3.0" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_fetch_that_was_killed_is_not_taken_for_a_whole(tmp_path, repository):
    (tmp_path / "bin").mkdir()
    (tmp_path / "alone").mkdir()
    broken = tmp_path / "bin" / "git"
    broken.write_text('#!/bin/sh\nfor to; do :; done\nmkdir -p "$to/grokbook"\nkill -9 $PPID\n')
    broken.chmod(0o755)
    path = {"PATH": f"{broken.parent}{os.pathsep}{os.environ['PATH']}"}
    assert launch(tmp_path / "alone", environment=path).returncode == -9
    assert len(list((tmp_path / "alone").glob("*"))) == 1
    found = imported(tmp_path / "alone", environment=instead(ADDRESS, repository))
    assert found == (str(tmp_path / "alone" / FETCHED), VERSION)


def colab(path):
    """Code that lets the address of Colab's sessions answer with one notebook."""
    answer = json.dumps([{"path": path, "name": "01.ipynb", "notebook": {"path": path}}]).encode()
    return f"""
import io, os, urllib.request
os.environ["COLAB_JUPYTER_IP"] = "172.28.0.12"
def answer(address, timeout):
    assert address == "http://172.28.0.12:9000/api/sessions"
    return io.BytesIO({answer!r})
urllib.request.urlopen = answer
"""


@pytest.mark.parametrize(
    ("ref", "version"), [("main", VERSION), ("v0.1.0", "0.1.0"), ("a/trial", "x")]
)
def test_colab_fetches_what_the_notebook_was_opened_from(tmp_path, repository, ref, version):
    path = f"fileId={FORK.replace(':', '%3A')}/blob/{ref}/book/linear/01-a.ipynb"
    found = imported(tmp_path, before=colab(path), environment=instead(FORK, repository))
    assert found == (str(tmp_path / f"someone-mybook-{ref.replace('/', '-')}"), version)


@pytest.mark.parametrize(
    "path", ["fileId=1aBcD", "01.ipynb", f"fileId={FORK}/blob/main/01.ipynb", ""]
)
def test_colab_without_an_answer_fetches_the_books_own_repository(tmp_path, repository, path):
    found = imported(tmp_path, before=colab(path), environment=instead(ADDRESS, repository))
    assert found == (str(tmp_path / FETCHED), VERSION)


def test_colab_without_its_server_fetches_the_books_own_repository(tmp_path, repository):
    environment = instead(ADDRESS, repository) | {"COLAB_JUPYTER_IP": "127.0.0.1"}
    assert imported(tmp_path, environment=environment) == (str(tmp_path / FETCHED), VERSION)


def test_another_edition_that_is_loaded_already_stops_the_notebook(tmp_path):
    book, installed = package(tmp_path / "book"), package(tmp_path / "site")
    done = launch(book / "book", before="import grokbook", installed=installed)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == "AssertionError: restart the kernel"


def test_the_tool_writes_the_cell_and_nothing_else(tmp_path):
    chapter = sorted((ROOT / "book" / "linear").glob("*.ipynb"))[0]
    copy = tmp_path / chapter.name
    shutil.copy(chapter, copy)
    assert not setup_cell.write(copy)
    notebook = nbformat.read(copy, as_version=4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    first.source = "import sys"
    nbformat.write(notebook, copy)
    assert setup_cell.write(copy)
    assert copy.read_bytes() == chapter.read_bytes()


def test_the_tool_wants_a_hidden_cell_in_its_place(tmp_path):
    cell = nbformat.v4.new_code_cell("import numpy")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "a.ipynb")
    with pytest.raises(ValueError, match="remove-cell"):
        setup_cell.write(tmp_path / "a.ipynb")
