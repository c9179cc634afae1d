"""Provenance: the commit of Grokbook's own checkout only, and the instructions in use."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from grokbook import machine, source


def git(folder, *arguments):
    command = ["git", "-C", folder, "-c", "user.name=A", "-c", "user.email=a@b", *arguments]
    plain = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull}  # one may sign its commits
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=plain)
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


def levels(**environment):
    """instructions() of another process; by NumPy and threadpoolctl what is in use, what can be."""
    code = """if True:
        import json, numpy, scipy.linalg, threadpoolctl
        from grokbook import machine
        core = getattr(numpy, "_core", None) or numpy.core
        on = [name for name, have in core._multiarray_umath.__cpu_features__.items() if have]
        found = numpy.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])
        cores = [one["architecture"] for one in threadpoolctl.threadpool_info()
                 if one["internal_api"] == "openblas"]
        print(json.dumps([machine.instructions(), on, cores, found]))"""
    command, env = [sys.executable, "-c", code], os.environ | environment
    env |= {"NPY_DISABLE_CPU_FEATURES": environment.get("NPY_DISABLE_CPU_FEATURES", "")}
    return json.loads(subprocess.run(command, env=env, capture_output=True, check=True).stdout)


def test_instructions_are_those_in_use():
    own = levels()
    found = own[-1]
    older = {"OPENBLAS_CORETYPE": "Prescott", "NPY_DISABLE_CPU_FEATURES": " ".join(found)}
    names = {"X86_V2": "SSE4.2", "X86_V3": "AVX2", "X86_V4": "AVX512"}
    runs = own, levels(**older)
    for text, on, cores, _ in runs:
        level, *blas = text.split(", ")
        assert [one for one in blas if "Open" in one] == sorted({f"OpenBLAS {c}" for c in cores})
        assert level.removeprefix("NumPy ") in [names.get(name, name) for name in on]
    numpy = {text.split(", ")[0] for text, *_ in runs}
    assert len(numpy) == (2 if found else 1)


def test_torch_is_named_once_it_is_loaded(monkeypatch):
    class Torch:
        class backends:
            class cpu:
                get_cpu_capability = staticmethod(lambda: "DEFAULT")

    monkeypatch.setitem(sys.modules, "torch", Torch)
    assert machine.instructions().endswith(", torch DEFAULT")
    monkeypatch.delitem(sys.modules, "torch")
    assert "torch" not in machine.instructions()
