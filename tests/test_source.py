"""The fingerprint of code: what it follows and what it ignores; and who may import whom."""

import ast
import hashlib
import os
import shutil
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
    "grokbook.claims": (),
    "grokbook.parts": (),
    "grokbook.machine": (),
    "grokbook.xor.runs": (),
    "grokbook.__main__": (),
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


def test_the_version_alone_changes_no_fingerprint(package):
    before = source.fingerprint({"grokbook.a"})
    (package / "__init__.py").write_text('__version__ = "9.0"\n', "utf-8")
    assert source.fingerprint({"grokbook.a"}) == before
    # So nothing that a result depends on may stand there.
    assert imports_of("grokbook") == set()


# Syntax that newer Pythons read into other trees, or say in other words.
CODE = '''"""M."""
async def f(a, /, *, b: int = 1, c) -> None:
    "D"
    return f"{a!r:>{b}.{c}}x" "y" f"{{z}}{a=}{b:}" + "é\U0001fae9" "" f"{a}"
class A:
    """D"""
    x: float = -0.0
match x:
    case {"a": 1, **rest}: y = [*rest, lambda *, k=None: k, 1e400, 1j, ..., None, {**rest, 1: 2}]
'''


def test_syntax_is_said_in_the_same_words_everywhere():
    said = source.syntax(ast.parse(CODE))
    assert hashlib.sha256(said.encode()).hexdigest()[:16] == "a1cf19e9bcbc3def"
    # By construction: nothing that is empty, nothing that a Python may print or not.
    assert "[]" not in said
    assert said.isascii()
    assert "ctx=" not in said
    tree = ast.parse("def f(): pass")
    plain = source.syntax(tree)
    tree.body[0].type_params = []  # as from Python 3.12 on
    assert source.syntax(tree) == plain
    cut = ast.parse('f"ab{x}"')
    cut.body[0].value.values[:1] = [ast.Constant("a"), ast.Constant("b"), ast.Constant("")]
    assert source.syntax(cut) == source.syntax(ast.parse('f"ab{x}"'))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("return", "return None"),
        ("x = [None]", "x = []"),
        ("f(*a)", "f(a)"),
        ("x = 1", "x = 1.0"),
        ("x = 'a'", "x = b'a'"),
        ("lambda *, a, b=1: 0", "lambda *, b, a=1: 0"),
        ("lambda *, a=1, b: 0", "lambda *, a, b=1: 0"),
        ("{**a, 'b': 1}", "{'b': 1, **a}"),
        ("f'{x!r}'", "f'{x!s}'"),
        ("f'{x}'", "f'{x:1}'"),
        ("x = y", "y = x"),
        ("x[1:]", "x[:1]"),
        ("class A:\n    'd'\n    x = 1", "class A:\n    x = 1\n    'd'"),
    ],
)
def test_other_code_is_other_syntax(one, other):
    assert source.syntax(ast.parse(one)) != source.syntax(ast.parse(other))


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_one_fingerprint_on_every_python(version):
    interpreter = shutil.which(f"python{version}")
    environment = os.environ | {"PYENV_VERSION": version}  # where pyenv chooses
    common = {"capture_output": True, "text": True, "env": environment}
    if interpreter is None or subprocess.run([interpreter, "-c", ""], **common).returncode:
        pytest.skip(f"no Python {version} here")
    code = f"from grokbook import source; print(source.fingerprint({MODULES}))"
    found = subprocess.run([interpreter, "-c", code], cwd=source.ROOT.parent, check=True, **common)
    assert found.stdout.strip() == source.fingerprint(MODULES)


MODULES = {"grokbook.modular.runs", "grokbook.xor.runs", "grokbook.linear.sweeps"}


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
