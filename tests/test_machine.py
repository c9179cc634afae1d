"""Provenance: the commit of Grokbook's own checkout only, and the instructions in use."""

import os
import shutil
import subprocess
import sys

import pytest

from grokbook import machine, source


def git(folder, *arguments):
    command = ["git", "-C", folder, "-c", "user.name=A", "-c", "user.email=a@b", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return run.stdout.strip()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A repository with a folder for the package, which is not committed yet."""
    root = tmp_path / "Zürich a%20b#" / "grokbook"
    root.mkdir(parents=True)
    (root / "machine.py").write_text("")
    git(root.parent, "init", "--quiet")
    (root.parent / "notes").write_text("x")
    git(root.parent, "add", "notes")
    git(root.parent, "commit", "--quiet", "-m", "theirs")
    monkeypatch.setattr(source, "ROOT", root)
    return root


def test_the_commit_is_that_of_the_checkout(package):
    git(package.parent, "add", ".")
    git(package.parent, "commit", "--quiet", "-m", "ours")
    head = git(package.parent, "rev-parse", "HEAD")
    assert machine.commit() == head
    (package / "machine.py").write_text("x = 1")
    assert machine.commit() == head + "+"


def test_another_repositorys_commit_is_not_ours(package, monkeypatch):
    assert machine.commit() == "unknown"  # the package is not tracked
    inside = package.parent / ".venv" / "lib" / "grokbook"
    shutil.copytree(package, inside)
    git(package.parent, "add", "--force", ".")
    git(package.parent, "commit", "--quiet", "-m", "with the environment")
    assert len(machine.commit()) == 40
    monkeypatch.setattr(source, "ROOT", inside)
    assert machine.commit() == "unknown"  # tracked, but not where a checkout has it


def test_a_hooks_repository_is_not_asked(package, monkeypatch, tmp_path):
    git(package.parent, "add", ".")
    git(package.parent, "commit", "--quiet", "-m", "ours")
    head = git(package.parent, "rev-parse", "HEAD")
    git(tmp_path, "init", "--quiet", "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    assert machine.commit() == head


def instructions(**environment):
    code = "import scipy.linalg; from grokbook import machine; print(machine.instructions())"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.strip()


def test_instructions_are_those_in_use():
    here = machine.instructions()
    assert here.startswith("NumPy ")
    older = instructions(OPENBLAS_CORETYPE="Prescott", NPY_DISABLE_CPU_FEATURES="X86_V3")
    for part in ("NumPy AVX2", "OpenBLAS Haswell", "OpenBLAS Zen", "OpenBLAS SkylakeX"):
        assert part not in here or part not in older


def test_torch_is_named_once_it_is_loaded(monkeypatch):
    class Torch:
        class backends:
            class cpu:
                get_cpu_capability = staticmethod(lambda: "DEFAULT")

    monkeypatch.setitem(sys.modules, "torch", Torch)
    assert machine.instructions().endswith(", torch DEFAULT")
    monkeypatch.delitem(sys.modules, "torch")
    assert "torch" not in machine.instructions()
