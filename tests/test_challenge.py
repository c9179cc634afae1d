"""make challenge: what it refuses, what it lists, and that it leaves everything in its place."""

import sys
from pathlib import Path

import nbformat
import pytest

import chapters
from grokbook import claims
from tools import challenge, processors

REAL = Path(__file__).resolve().parents[1]
ROW = """[[claim]]
id = "{id}"
where = "w"
statement = "s"
kind = "identity"
verdict = "reproduced"
chapter = "{chapter}"
reason = "r"
test = [{{ name = "shift", at_most = 5 }}]
"""
CHECKS = {
    "one": ["claims.check('LE-01', randomness.shift())", "claims.check('LE-02', 0)"],
    "two": ["claims.check('LE-03', 9)", "1 / 0", "claims.check('LE-04', 9)"],
    "three": ["import os; os._exit(1)", "claims.check('LE-05', 0)"],
}


@pytest.fixture
def book(tmp_path, monkeypatch):
    """Three chapters: a claim that fails under a shift; one that raises; one that dies."""
    for folder in ("book", "ledger"):
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(chapters, "ROOT", tmp_path)
    monkeypatch.setattr(chapters, "RESULTS", tmp_path / "_build" / "chapters")
    monkeypatch.setattr(claims, "LEDGER", tmp_path / "ledger")
    files = "".join(f"- file: book/{name}\n" for name in CHECKS)
    (tmp_path / "_toc.yml").write_text(f"root: book/index\nchapters:\n{files}", "utf-8")
    place = (
        "import pathlib\nfrom grokbook import claims, randomness\n"
        f"claims.LEDGER = pathlib.Path({str(tmp_path / 'ledger')!r})"
    )
    rows = [ROW.format(id=f"LE-0{n}", chapter=c) for n, c in enumerate(["one"] * 2, 1)]
    rows += [
        ROW.format(id=f"LE-0{n}", chapter="two") + "against_stored = true\n" * (n == 4)
        for n in (3, 4)
    ]
    rows.append(ROW.format(id="LE-05", chapter="three"))
    (tmp_path / "ledger" / "LE.toml").write_text(
        'paper = "LE"\ntitle = "A"\n' + "".join(rows), "utf-8"
    )
    for name, checks in CHECKS.items():
        cells = [nbformat.v4.new_code_cell(code) for code in [place, *checks]]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "book" / f"{name}.ipynb")
    return tmp_path


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ([], "nothing to change"),
        (["--shift=0"], "nothing to change"),
        (["--threads=1"], "nothing to change"),
        (["--shift=-1"], "SHIFT = '-1': must be a whole number >= 0"),
        (["--shift=1.5"], "SHIFT = '1.5'"),
        (["--cpu=vax"], "CPU = 'vax': must be one of "),
        (["--cpu=native", "--threads=3"], "THREADS = 3: must be one of 1, 2, 4"),
        (["--threads=many"], "THREADS = 'many'"),
        (
            ["--shift=1", "--chapters=one five"],
            "CHAPTERS = 'five': matches none of one, two, three",
        ),
    ],
)
def test_a_wrong_call_is_refused_in_one_line_before_any_work(book, capsys, call, why):
    assert challenge.main(call) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(f"error: {why}")
    assert shown.err.count("\n") == 1
    assert not shown.out
    assert not (book / "_build").exists()


def test_what_fails_is_listed_and_everything_stays_in_its_place(book, capsys, monkeypatch):
    monkeypatch.setenv("GROKBOOK_CI", "1")  # lists all the same
    before = {path: path.read_bytes() for path in (book / "book").iterdir()}
    assert challenge.main(["--shift=7"]) == 1
    assert {path: path.read_bytes() for path in (book / "book").iterdir()} == before
    assert [path.name for path in (book / "_build").iterdir()] == ["challenge"]
    lines = capsys.readouterr().out.splitlines()
    first = lines.index("book/two.ipynb, cell [3]: ZeroDivisionError: division by zero")
    assert lines[first + 1].startswith("book/three.ipynb, cell [2]: Kernel died")
    assert lines[first + 2 :] == [
        "LE-01 failed in book/one.ipynb: shift: measured 7, expected at most 5",
        "LE-03 failed in book/two.ipynb: shift: measured 9, expected at most 5",
        "1 claims held, 2 failed, 1 left out, 1 not reached: LE-05",
    ]


def test_a_chapter_that_stands_is_reported_so(book, capsys):
    assert challenge.main(["--cpu=native", "--threads=2", "--chapters=o*"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 claims held, 0 failed, 0 left out"


def test_a_level_sets_what_the_libraries_read(monkeypatch):
    monkeypatch.setattr(
        processors, "_simd", {"baseline": ["X86_V2"], "found": ["X86_V3", "X86_V4"]}.get
    )
    monkeypatch.setattr(processors.platform, "machine", lambda: "x86_64")
    monkeypatch.delenv(processors.NUMPY, raising=False)
    assert processors.levels() == ("plain", "avx2", "avx512", "native")
    disabled = [processors.environment(one).get(processors.NUMPY) for one in processors.levels()]
    assert disabled == ["X86_V3 X86_V4", "X86_V4", None, None]
    plain = processors.environment("plain", 4, {"OPENBLAS_CORETYPE": "Zen", "HOME": "/h"})
    assert plain["OPENBLAS_CORETYPE"] == "Nehalem"
    assert plain["OMP_NUM_THREADS"] == "4"
    native = processors.environment("native", 1, plain)
    assert not set(processors.KERNELS) & set(native)
    assert native["HOME"] == "/h"
    monkeypatch.setattr(processors.platform, "machine", lambda: "arm64")
    assert processors.levels() == ("native",)


def test_the_command_runs_as_that_processor(monkeypatch, capfd):
    code = "import os; print(os.environ['OMP_NUM_THREADS'])"
    command = ["processors", "native", "2", sys.executable, "-c", code]
    monkeypatch.setattr(sys, "argv", command)
    assert processors.main() == 0
    assert capfd.readouterr().out == "2\n"
    monkeypatch.setattr(sys, "argv", ["processors", "vax", "2", "true"])
    assert processors.main() == 2
    assert capfd.readouterr().err.startswith("error: CPU = 'vax': must be one of")
