"""Is a stored result still what its code computes?  ``python -m grokbook run --check NAME``.

Its mark says what source it was made with.  After an edit of that source, a part of the result is
computed with the old source and with the new, on this machine; where all arrays are equal bit for
bit, the mark is renewed and nothing else.  The old source is the newest commit that fits the mark:
before the edit is committed, the present one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from grokbook import machine, parts, results, source

_COMPUTE = "import sys; from grokbook import recheck; sys.exit(recheck.write_part(*sys.argv[1:]))"
_OTHER_SOURCE = 3
_ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}


def find(name: str) -> results.StoredRun:
    """The declaration of a stored result, run or sweep; ValueError if there is none."""
    facts = parts.DATA / f"{name}.json"
    command = json.loads(facts.read_text("utf-8"))["command"] if facts.is_file() else ""
    if not command.startswith("python -m grokbook sweep "):
        return results.find(name)
    kind, _, size = name.rpartition("-")
    return parts.find("sweeps", kind).stored(size)


def names() -> list[str]:
    """The stored results of the book."""
    return [path.stem for path in sorted(parts.DATA.glob("*.npz"))]


def changed() -> list[str]:
    """Those whose mark differs from the present source, or names another place for it."""
    return [name for name in names() if not _marks(find(name)).items() <= _facts(name).items()]


def check(name: str) -> str:
    """Renew the mark of a stored result if a part of it is the same; one line on what was found.

    ValueError if there is no such result, its old source is not at hand, it cannot be computed
    any more, or arrays differ: the line names them.
    """
    run, facts = find(name), _facts(name)
    path, marks = parts.DATA / f"{name}.json", _marks(run)
    if marks.items() <= facts.items():
        return f"{name}: made with the present source"
    if marks["source"] == facts["source"]:
        results.write_facts(path, facts | marks)
        return f"{name}: made with the same source in another place; mark renewed"
    with tempfile.TemporaryDirectory() as scratch:
        old, new = (Path(scratch) / f"{which}.npz" for which in ("old", "new"))
        _compute_old(name, facts["source"], old)
        _compute(name, source.ROOT.parent, new)
        differ, n_arrays = _differences(old, new)
    if differ:
        raise ValueError(f"{name}: not the same: {', '.join(differ)}; remake it: {run.command}")
    results.write_facts(path, facts | marks)
    return f"{name}: {n_arrays} arrays of a part are equal bit for bit; mark renewed"


def write_part(name: str, path: str, mark: str = "") -> int:
    """Compute the part of a result that its declaration names; exit code.

    With a ``mark``, only if it fits the source.
    """
    run = find(name)
    if mark not in ("", run.fingerprint):
        return _OTHER_SOURCE
    np.savez(path, **{key: np.asarray(value) for key, value in run.part().items()})
    return 0


def _marks(run: results.StoredRun) -> dict[str, str]:
    return {"source": run.fingerprint, "function": run.qualified_name}


def _facts(name: str) -> dict:
    return json.loads((parts.DATA / f"{name}.json").read_text("utf-8"))


def _compute_old(name: str, mark: str, path: Path) -> None:
    """Compute a part with the newest commit that fits the mark; ValueError without one."""
    for commit in machine.git("rev-list", "HEAD", "--", ".").split():
        with _work_tree(commit) as tree:
            if not (tree / source.PACKAGE / Path(__file__).name).is_file():
                break  # from before there were checks
            if _compute(name, tree, path, mark):
                return
    raise ValueError(f"{name}: no commit here fits its mark, so its old source is unknown")


@contextmanager
def _work_tree(commit: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "old"
        machine.git("worktree", "add", "--detach", str(tree), commit)
        try:
            yield tree
        finally:
            machine.git("worktree", "remove", "--force", str(tree))


def _compute(name: str, tree: Path, path: Path, mark: str = "") -> bool:
    """Compute a part with the source of a tree, in a process; False if it does not fit the mark."""
    command = [sys.executable, "-c", _COMPUTE, name, str(path), *([mark] if mark else [])]
    environment = os.environ | _ONE_THREAD | {"PYTHONPATH": str(tree)}
    ran = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    if ran.returncode not in (0, _OTHER_SOURCE):
        last = ran.stderr.strip().rpartition("\n")[2]
        raise ValueError(f"{name}: its part cannot be computed: {last}")
    return ran.returncode == 0


def _differences(old: Path, new: Path) -> tuple[list[str], int]:
    """Names of arrays that are not equal bit for bit, or on one side only; how many there are."""
    with np.load(old) as one, np.load(new) as other:
        every = sorted({*one.files, *other.files})
        both = [name for name in every if name in one.files and name in other.files]
        same = {name for name in both if _bits(one[name]) == _bits(other[name])}
    return [name for name in every if name not in same], len(every)


def _bits(array: np.ndarray) -> tuple[str, tuple[int, ...], bytes]:
    return array.dtype.str, array.shape, array.tobytes()
