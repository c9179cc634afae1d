"""``run --check``: a mark is renewed only where a part of the result is the same."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from grokbook import parts, recheck, results, source

NAME = "xor-init-ratio"


@pytest.fixture
def checkout(tmp_path):
    """A repository of the package alone, with one stored result, its mark as it should be."""
    ignored = shutil.ignore_patterns("__pycache__", "*.npz", "*.json", "*.sqlite*")
    shutil.copytree(source.ROOT, tmp_path / "grokbook", ignore=ignored)
    for kind in ("npz", "json"):
        shutil.copy(parts.DATA / f"{NAME}.{kind}", tmp_path / "grokbook" / "data")
    (tmp_path / "pyproject.toml").write_text("", "utf-8")
    facts = json.loads(record(tmp_path).read_text("utf-8"))
    fingerprint = results.find(NAME).fingerprint
    results.write_facts(record(tmp_path), facts | {"source": fingerprint})
    git(tmp_path, "init", "-q")
    commit(tmp_path)
    return tmp_path


def record(checkout):
    return checkout / "grokbook" / "data" / f"{NAME}.json"


def git(checkout, *arguments):
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    run = subprocess.run(
        ["git", "-C", checkout, *who, *arguments], check=True, capture_output=True, text=True
    )
    return run.stdout


def commit(checkout):
    git(checkout, "add", "-A")
    git(checkout, "commit", "-qm", "a state")


def edit(checkout, old, new):
    path = checkout / "grokbook" / "xor" / "experiments.py"
    text = path.read_text("utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), "utf-8")


def check(checkout, *names):
    command = [sys.executable, "-m", "grokbook", "run", "--check", *names]
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    run = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
    assert git(checkout, "worktree", "list").count("\n") == 1  # none is left
    return run.returncode, run.stdout, run.stderr


def test_an_edit_that_changes_no_number_renews_the_mark_and_nothing_else(checkout):
    assert check(checkout, NAME) == (0, f"{NAME}: made with the present source\n", "")
    old = "step = [one for one in RATIO_STEP if one <= LAST[init_ratio]]"
    edit(checkout, old, "step = _to(LAST[init_ratio])")
    added = "def _to(end):\n    return [n for n in RATIO_STEP if n <= end]\n\n\nRUNS = (\n"
    edit(checkout, "RUNS = (\n", added)
    before = json.loads(record(checkout).read_text("utf-8"))
    code, said, error = check(checkout)  # without a name: all whose mark differs
    assert (code, error) == (0, "")
    assert said == f"{NAME}: 2 arrays of a part are equal bit for bit; mark renewed\n"
    after = json.loads(record(checkout).read_text("utf-8"))
    assert {key for key in before if before[key] != after[key]} == {"source"}
    assert git(checkout, "status", "--porcelain").count(".npz") == 0
    assert check(checkout) == (0, "", "")


def test_code_that_only_moved_is_not_computed(checkout):
    experiments = checkout / "grokbook" / "xor" / "experiments.py"
    text = experiments.read_text("utf-8")
    declared = text.index("ACCURACIES = {")
    (experiments.parent / "moved.py").write_text(text[:declared], "utf-8")
    names = ", ".join(
        re.findall(r"^(?:def )?([A-Za-z]\w+)(?= =|\()", text[:declared], re.MULTILINE)
    )
    head = text[: text.index("# Ten a decade")] + f"from grokbook.xor.moved import {names}\n\n\n"
    experiments.write_text(head + text[declared:], "utf-8")
    code, said, error = check(checkout)
    assert (code, error) == (0, "")
    assert said == f"{NAME}: made with the same source in another place; mark renewed\n"
    facts = json.loads(record(checkout).read_text("utf-8"))
    assert facts["function"] == "grokbook.xor.moved.init_scale"


def test_another_number_keeps_the_mark_and_is_named(checkout):
    edit(checkout, "init_std=1e-12 * init_ratio", "init_std=1e-12 * init_ratio**1.5")
    before = record(checkout).read_bytes()
    code, said, error = check(checkout, NAME)
    assert (code, said) == (1, "")
    assert error.startswith(f"error: {NAME}: not the same: t")
    assert "accuracy; remake it: python -m grokbook run xor-init-ratio" in error
    assert record(checkout).read_bytes() == before


def test_an_edit_that_cannot_be_computed_is_said_in_one_line(checkout):
    edit(checkout, "after = np.full(len(RATIO_STEP)", "after = {}[1] or np.full(len(RATIO_STEP)")
    code, said, error = check(checkout, NAME)
    assert (code, said, error) == (
        1,
        "",
        f"error: {NAME}: its part cannot be computed: KeyError: 1\n",
    )


def test_a_mark_that_fits_no_commit_is_refused(checkout):
    facts = json.loads(record(checkout).read_text("utf-8"))
    results.write_facts(record(checkout), facts | {"source": "0" * 64})
    code, _, error = check(checkout, NAME)
    assert (code, error.count("\n")) == (1, 1)
    assert "no commit here fits its mark" in error


def test_an_edit_may_be_committed_before_it_is_checked(checkout):
    edit(checkout, "len(RATIO_STEP) - len(step)", "-len(step) + len(RATIO_STEP)")
    commit(checkout)
    code, said, error = check(checkout, NAME)
    assert (code, error) == (0, "")
    assert said.endswith("equal bit for bit; mark renewed\n")


def test_wrong_calls_are_refused_in_one_line(checkout):
    for arguments, why in {
        ("no-run",): "no stored run 'no-run'",
        (NAME, "--out", "."): "without --out and --seeds",
        (NAME, "--seeds", "7"): "without --out and --seeds",
    }.items():
        code, said, error = check(checkout, *arguments)
        assert (code, said, error.count("\n")) == (2, "", 1)
        assert why in error


@pytest.mark.parametrize("name", recheck.names())
def test_every_stored_result_is_made_with_the_present_source(name):
    facts = json.loads((parts.DATA / f"{name}.json").read_text("utf-8"))
    assert facts.items() >= recheck._marks(recheck.find(name)).items(), "run --check"


def test_every_part_is_less_than_its_result():
    for name in recheck.names():
        run = recheck.find(name)
        if type(run) is results.StoredRun:  # of a sweep it is two runs
            assert run.quick, name
            assert run.quick.items() != run.parameters.items(), name
