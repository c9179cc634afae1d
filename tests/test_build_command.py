"""tools/build.py: a build that fails says so and leaves no site."""

import json
import subprocess
import sys

import pytest
from jupyter_cache.cache.db import create_db, session_context

from tools import build, install


@pytest.fixture
def site(tmp_path, monkeypatch):
    """An older site in its place, and an executor that succeeds."""
    monkeypatch.setattr(build, "HTML", tmp_path / "html")
    monkeypatch.setattr(build, "LOG", tmp_path / "build.log")
    monkeypatch.setattr(build, "execute_chapters", lambda: True)
    build.HTML.mkdir()
    (build.HTML / "index.html").write_text("older")
    return build.HTML


def sphinx(site, *, succeeds, log="", failures=""):
    """A stand-in for Jupyter Book, which writes pages even where it fails."""

    def build_site():
        assert not site.exists(), "the older site must go first"
        site.mkdir()
        (site / "index.html").write_text("new")
        rows = [{"id": "LE-01", "failures": ""}, {"id": "LE-02", "failures": failures}]
        (site / "claims.json").write_text(json.dumps(rows))
        build.LOG.write_text(log)
        return succeeds

    return build_site


def test_a_chapter_that_fails_leaves_no_site(site, monkeypatch, capsys):
    monkeypatch.setattr(build, "execute_chapters", lambda: False)
    assert build.main() == 1
    assert not site.exists()
    assert "no site was built" in capsys.readouterr().err


def test_a_warning_leaves_no_site_and_is_shown(site, monkeypatch, capsys):
    log = "reading\n\x1b[91mbook/index.md:3: WARNING: undefined label\x1b[39;49;00m\ndone\n"
    monkeypatch.setattr(build, "build_site", sphinx(site, succeeds=False, log=log))
    assert build.main() == 1
    assert not site.exists()
    shown = capsys.readouterr().err.splitlines()
    assert shown[0] == "book/index.md:3: WARNING: undefined label"
    assert len(shown) == 2


def test_a_build_that_succeeds_prints_the_path(site, monkeypatch, capsys):
    monkeypatch.setattr(build, "build_site", sphinx(site, succeeds=True))
    assert build.main() == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"open {site / 'index.html'}"


def test_a_failed_claim_leaves_the_site_and_is_named_on_one_line(site, monkeypatch, capsys):
    failures = "two: measured 3, expected 2 within 10 %"
    monkeypatch.setattr(build, "build_site", sphinx(site, succeeds=True, failures=failures))
    assert build.main() == 1
    assert (site / "index.html").read_text() == "new"
    shown = capsys.readouterr()
    assert shown.err.splitlines() == [
        f"failed: LE-02: {failures}",
        "grokbook: claims failed: 1; the site shows them",
    ]
    assert shown.out.splitlines()[-1] == f"open {site / 'index.html'}"


@pytest.mark.parametrize("name", ["a%20b", "a?b", "a[b]", "a*b"])
def test_a_folder_that_jupyter_book_cannot_read_is_refused_before_any_work(
    site, monkeypatch, capsys, name
):
    """In the address of the cache or in the pattern of the pages these letters mean something."""
    monkeypatch.setattr(build, "ROOT", build.HTML.parent / name)
    monkeypatch.setattr(build, "execute_chapters", lambda: pytest.fail("work was begun"))
    assert build.main() == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert name in line
    assert "rename the folder" in line
    assert (site / "index.html").read_text() == "older"


@pytest.mark.parametrize("name", ["a b", "ü", "a#b", "a+b&c"])
def test_the_cache_opens_in_a_folder_of_any_other_name(tmp_path, name):
    install.check_place(str(tmp_path / name))
    with session_context(create_db(make(tmp_path / name))):
        assert (tmp_path / name / "global.db").is_file()


def make(folder):
    """The folder, made."""
    folder.mkdir()
    return str(folder)


@pytest.mark.parametrize("tool", ["build", "pdf", "setup_cell", "lock"])
def test_a_word_that_a_tool_does_not_take_is_refused_before_any_work(tool):
    before = (build.ROOT / "requirements.lock").read_bytes()
    command = [sys.executable, "-m", f"tools.{tool}", "--what"]
    run = subprocess.run(command, cwd=build.ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (2, "")
    assert "unrecognized arguments: --what" in run.stderr
    assert (build.ROOT / "requirements.lock").read_bytes() == before
