"""The fingerprint of code: what it follows and what it ignores; and who may import whom."""

import subprocess
import sys

import pytest

from grokbook import source

LIGHT = {
    "grokbook": (),
    "grokbook.curves": (),
    "grokbook.linear": (),
    "grokbook.linear.theory": (),
    "grokbook.linear.simulate": (),
    "grokbook.claims": ("IPython",),
    "grokbook.store": (),
    "grokbook.sweep_grid": (),
    "grokbook.sweep": ("joblib", "xarray", "tqdm", "threadpoolctl", "pandas"),
    "grokbook.figures": ("matplotlib", "IPython", "PIL"),
}
HEAVY = ("torch", "matplotlib", "IPython", "pandas", "xarray", "joblib", "dask", "sklearn", "yaml")
HEAVY += ("distributed", "threadpoolctl", "tqdm")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of three modules in place of grokbook: a imports b, c stands alone."""
    for name, text in {
        "__init__": "",
        "a": '"""A."""\nfrom grokbook import b\n\ndef f():\n    """F."""\n    return b.X\n',
        "b": "X = 1\n",
        "c": "Y = 1\n",
    }.items():
        (tmp_path / f"{name}.py").write_text(text, "utf-8")
    monkeypatch.setattr(source, "ROOT", tmp_path)
    return tmp_path


def test_imports_are_followed(package):
    code = "import numpy as np\nfrom grokbook import a\nimport grokbook.c as c"
    assert source.imported_modules(code) == {"grokbook", "grokbook.a", "grokbook.c"}
    assert source.closure({"grokbook.a"}) == ["grokbook", "grokbook.a", "grokbook.b"]
    assert source.imported_modules("from . import b", package="grokbook") == {
        "grokbook",
        "grokbook.b",
    }
    with pytest.raises(ValueError, match="must be a module of grokbook"):
        source.closure({"grokbook.none"})


def test_fingerprint_sees_code_and_not_docstrings(package):
    before = source.fingerprint({"grokbook.a"})
    text = (package / "a.py").read_text("utf-8")
    (package / "a.py").write_text(
        text.replace("A.", "B.").replace("F.", "G.") + "# note\n", "utf-8"
    )
    (package / "c.py").write_text("Y = 2\n", "utf-8")
    assert source.fingerprint({"grokbook.a"}) == before
    (package / "b.py").write_text("X = 2\n", "utf-8")
    assert source.fingerprint({"grokbook.a"}) != before


@pytest.mark.parametrize("module", LIGHT)
def test_module_imports_with_the_heavy_packages_blocked(module):
    blocked = [name for name in HEAVY if name not in LIGHT[module]]
    code = f"import sys\nfor n in {blocked}: sys.modules[n] = None\nimport {module}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def subject_packages():
    """The subpackages of grokbook."""
    return sorted(path.parent.name for path in source.ROOT.glob("*/__init__.py"))


def imports_of(module):
    path = source.module_path(module)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return source.imported_modules(path.read_text("utf-8"), package=package)


def modules_of(package):
    return [f"grokbook.{package}.{path.stem}" for path in (source.ROOT / package).glob("[a-z]*.py")]


def test_theory_and_simulation_do_not_import_each_other():
    for package in subject_packages():
        names = (f"grokbook.{package}.theory", f"grokbook.{package}.simulate")
        if all(source.module_path(name) for name in names):
            assert names[1] not in source.closure({names[0]})
            assert names[0] not in source.closure({names[1]})


# The modules that declare stored runs and sweeps, and what they need for it.
DECLARES = {
    "runs": {"grokbook.store"},
    "ticket_runs": {"grokbook.store"},
    "sweeps": {"grokbook.sweep_grid"},
    "ticket_map": {"grokbook.sweep_grid"},
}


@pytest.mark.parametrize("package", subject_packages())
def test_subject_packages_import_no_other_subject(package):
    others = {f"grokbook.{name}" for name in subject_packages()} - {f"grokbook.{package}"}
    allowed = {f"grokbook{name}" for name in ("", ".curves", ".randomness", ".validate")}
    for module in modules_of(package):
        foreign = {n for n in imports_of(module) if not n.startswith(f"grokbook.{package}")}
        beside = DECLARES.get(module.rpartition(".")[2], set())
        assert not foreign & others, module
        assert foreign <= allowed | beside, module


def test_no_import_circles():
    names = [f"grokbook.{path.stem}" for path in source.ROOT.glob("[a-z]*.py")]
    names += [module for package in subject_packages() for module in modules_of(package)]
    graph = {name: imports_of(name) - {name} for name in names}
    while graph:
        leaves = [name for name, needs in graph.items() if not needs & set(graph)]
        assert leaves, f"these import each other: {sorted(graph)}"
        for name in leaves:
            del graph[name]
