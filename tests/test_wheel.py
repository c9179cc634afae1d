"""The wheel alone, unzipped into an odd folder and used from an empty one, without torch."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import grokbook

ROOT = Path(__file__).resolve().parents[1]
# Only numpy and scipy are there, and no installed grokbook to ask for its version.
ALONE = """
import importlib.metadata, sys
class Absent:
    gone = ("torch", "IPython", "joblib", "xarray", "dask", "threadpoolctl", "networkx")
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.gone:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
known = importlib.metadata.version
def version(name):
    if name == "grokbook":
        raise importlib.metadata.PackageNotFoundError(name)
    return known(name)
importlib.metadata.version = version
"""
COMMAND = ALONE + "from grokbook import __main__; sys.exit(__main__.main(sys.argv[1:]))"
# Several commands in one process: to import NumPy for each takes longer than they do.
COMMANDS = (
    ALONE
    + """
import contextlib, io, json
from grokbook import __main__
for arguments in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = __main__.main(arguments)
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""
)
NEEDS = "those of grokbook.modular need torch: pip install 'grokbook[modular]'"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The folder of an unzipped wheel, whose name is a trap for addresses and patterns."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    leave = shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(ROOT / "grokbook", source / "grokbook", ignore=leave)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = "from setuptools.build_meta import build_wheel; print(build_wheel('..'))"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    (path,) = place.glob("*.whl")
    shutil.rmtree(source)
    site = place / "a b%20#ü" / "site-packages"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(site)
    return site


def use(wheel, cwd, code, *arguments, **environment):
    """Exit code, stdout and stderr of Python with the wheel, in a folder."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(wheel), "PYTHONIOENCODING": "ascii"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_it_carries_version_ledger_and_stored_results(wheel):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["name"] == "grokbook"
    (info,) = wheel.glob("*.dist-info")
    assert info.name == f"grokbook-{grokbook.__version__}.dist-info"
    for pattern in ("ledger/*", "data/*"):
        kept = {path.name for path in (ROOT / "grokbook").glob(pattern) if path.suffix[1:] in KEPT}
        assert {path.name for path in (wheel / "grokbook").glob(pattern)} == kept
        assert kept


KEPT = ("toml", "npz", "json")


def test_a_claim_is_checked_and_a_stored_run_loads(wheel, tmp_path):
    code = ALONE + (
        "from grokbook import claims, results, machine; import grokbook\n"
        f"assert grokbook.__file__.startswith({str(wheel)!r})\n"
        "one = results.load('xor-full-vectors'); print(one['step'].tolist(), one.note)\n"
        "assert machine.commit() == 'unknown'\n"
        "bound = lambda t: {'holds': True, 'at_most': t.bound}.get(t.comparison)\n"
        "row = next(one for one in claims.ledgers().values() if one.tests and all(map(bound,"
        " one.tests)))\n"
        "claims.check(row.id, {t.name: bound(t) for t in row.tests}); print('box of', row.id)\n"
    )
    returncode, out, err = use(wheel, tmp_path, code)
    assert (returncode, err) == (0, "")
    assert out.startswith("[0, 1, 2, 5] Stored result: ")
    _, _, name = out.partition("box of ")
    assert f"{name.strip()} " in out


def test_the_commands_without_torch_and_without_a_checkout(wheel, tmp_path):
    refused = {
        ("run", "modular-decay"): f"no stored run 'modular-decay'; there are: atlas-{{}}; {NEEDS}",
        ("run", "xor-init-ratio"): "an installed grokbook is not written to: give a folder",
        ("run", "xor-init-ratio", "--out", "none"): "folder = 'none': must be an existing folder",
        ("sweep", "xor-signal", "--jobs", "2", "--out", "."): "install the extra: pip install",
    }
    returncode, out, err = use(wheel, tmp_path, COMMANDS, json.dumps([["run"], *refused]))
    assert (returncode, err) == (0, "")
    (code, listed, said), *others = map(json.loads, out.splitlines())
    assert (code, said) == (0, f"{NEEDS}\n{NEEDS.replace('modular', 'tickets')}\n")
    assert "xor-init-ratio               stored " in listed
    assert "modular-decay                needs torch\n" in listed
    for (code, listed, said), line in zip(others, refused.values(), strict=True):
        assert (code, listed, said.count("\n")) == (2, "", 1), said
        assert said.startswith("error: ")
        assert all(piece in said for piece in line.split("{}"))
    assert list(tmp_path.iterdir()) == []


def test_a_numpy_run_is_made_without_torch(wheel, tmp_path):
    short = (
        "from grokbook.xor import experiments; import dataclasses\n"
        "from grokbook.sweep import Grid\n"
        "less = {'book': Grid({'init_ratio': [0.001]}, [0], 1.0)}\n"
        "experiments.RUNS = tuple(dataclasses.replace(one, grids=less)\n"
        "    for one in experiments.RUNS if one.name == 'xor-init-ratio')\n"
    )
    code = COMMAND.replace("from grokbook import __main__", short + "from grokbook import __main__")
    arguments = ("run", "xor-init-ratio", "--seeds", "7", "--out", tmp_path)
    returncode, _, err = use(wheel, tmp_path, code, *arguments)
    assert (returncode, err) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "xor-init-ratio.json",
        "xor-init-ratio.lock",
        "xor-init-ratio.npz",
        "xor-init-ratio.sqlite",
    ]
