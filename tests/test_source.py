"""The fingerprint of code: what it follows and what it ignores; and who may import whom."""

import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
from functools import partial

import pytest

import imports
from grokbook import declared, results, source
from grokbook.modular import MLP, SGD, AdamW, Arm, Pairs, Setting, data

LIGHT = {
    "grokbook": (),
    "grokbook.curves": (),
    "grokbook.linear": (),
    "grokbook.linear.theory": (),
    "grokbook.linear.simulate": (),
    "grokbook.claims": (),
    "grokbook.parts": (),
    "grokbook.machine": (),
    "grokbook.xor.experiments": (),
    "grokbook.__main__": (),
    "grokbook.results": (),
    "grokbook.sweep": (),
    "grokbook.sweep.command": (),
    "grokbook.figures": ("matplotlib", "IPython", "PIL"),
}
HEAVY = ("torch", "matplotlib", "IPython", "pandas", "xarray", "joblib", "dask", "sklearn", "yaml")
HEAVY += ("distributed", "threadpoolctl", "tqdm")


# Two modules in place of grokbook, and what a chapter says: a uses b, and c stands alone.
FILES = {
    "__init__": "",
    "a": """'''A.'''
import numpy as np
from grokbook import b
from grokbook.b import helper as help
GRID = [1, 2]
def f(x, scale=b.LEVEL):
    '''F.'''
    y = help(x) * scale
    return np.sum(y) + g(x)
def g(x):
    from grokbook import c
    return f(x - 1) if x else c.Y
""",
    "b": "LEVEL = 1\nUNUSED = 1\ndef helper(x):\n    return x\ndef other(x):\n    return x + 1\n",
    "c": "Y = 1\nZ = 1\n",
}
CHAPTER = "from grokbook import a\nprint(a.f(2))"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package in place of grokbook."""
    for name, text in FILES.items():
        (tmp_path / f"{name}.py").write_text(text, "utf-8")
    monkeypatch.setattr(source, "ROOT", tmp_path)
    return tmp_path


def changed(package, *edits, code=CHAPTER, then=None):
    """Whether the fingerprint of ``code`` changes when words of modules are replaced."""
    before = source.code_fingerprint(code)
    for module, old, new in edits:
        path = package / f"{module}.py"
        text = path.read_text("utf-8") if path.is_file() else ""
        assert old in text
        path.write_text(text.replace(old, new) if old else new, "utf-8")
    return source.code_fingerprint(then or code) != before


HELPER = "def helper(x):\n    return x\n"


@pytest.mark.parametrize(
    "edits",
    [
        [("b", "LEVEL = 1", "LEVEL = 2")],  # a default, by an attribute
        [("b", "return x\n", "return -x\n")],  # by another name
        [("c", "Y = 1", "Y = 2")],  # by an import within a function
        [("a", "x - 1", "x - 2")],  # within a circle
        [("b", "UNUSED = 1", "LEVEL += 1")],
        [("b", "UNUSED = 1", "import sys\nsys.path.append('')")],  # done whoever imports it
        [("b", "UNUSED = 1", "@LEVEL.register\ndef more(x): pass")],
        [("a", "helper as help", "other as help")],
        [("a", "import numpy as np", "import scipy as np")],
        [("a", "y = help(x)", "help = b.other; y = help(x)")],
    ],
)
def test_fingerprint_follows_what_is_used(package, edits):
    assert changed(package, *edits)


@pytest.mark.parametrize(
    "edits",
    [
        [("a", "A.", "B."), ("a", "F.", "G."), ("a", "GRID", "# A note\nGRID")],
        [("a", "GRID = [1, 2]", "GRID = [1, 2, 3]"), ("b", "UNUSED = 1", "UNUSED = 2")],
        [("a", "GRID = [1, 2]", "GRID = [b.UNUSED for GRID in range(3)]")],
        [("c", "Z = 1", "Z = 2")],
        [("a", "import numpy as np", "import numpy"), ("a", "np.sum", "numpy.sum")],
        [("a", "helper as help", "helper"), ("a", "y = help", "y = helper")],
        # A definition moves to another module.
        [("b", HELPER, ""), ("d", "", HELPER), ("a", "grokbook.b import", "grokbook.d import")],
        # A variable of a function with the name of something else.
        [("b", "return x\n", "return x\nx = UNUSED\n")],
        [("__init__", "", "__version__ = '9.0'\n")],
    ],
)
def test_fingerprint_ignores_what_is_not(package, edits):
    assert not changed(package, *edits)


def test_two_of_one_name_are_told_apart(package):
    twice = "from grokbook import a, b, d\n"
    (package / "d.py").write_text("def helper(x):\n    return -x\n", "utf-8")
    one = f"{twice}print(b.helper(1), a.g(d.helper(2)))"
    assert changed(package, code=one, then=one.replace("b.", "D.").replace("d.", "b.").lower())
    # The same words that stand for other things, some definitions away.
    for name, level in (("d", 2), ("e", 3)):
        (package / f"{name}.py").write_text(f"L = {level}\ndef h():\n    return L\n", "utf-8")
    both = "from grokbook import d, e\nprint(d.h, e.h() ** 2)"
    assert changed(package, code=both, then=both.replace("d.h, e.h", "e.h, d.h"))


def test_the_top_holds_nothing_that_a_result_depends_on():
    assert imports.of_module("grokbook") == set()


def test_a_function_of_the_package_has_the_fingerprint_of_its_use():
    one = source.fingerprint(results.StoredRun)
    assert one != source.fingerprint(results.Stored)
    assert one == source.fingerprint(results.StoredRun)


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
    code = f"from grokbook import source; print(source.code_fingerprint({EVERYTHING!r}))"
    found = subprocess.run([interpreter, "-c", code], cwd=source.ROOT.parent, check=True, **common)
    assert found.stdout.strip() == source.code_fingerprint(EVERYTHING)


def test_a_parameter_brings_its_code():
    arm = Arm(Setting(Pairs(p=7, code=data.binary_digits), network=partial(MLP.on, width=4)))
    names = [one.__qualname__ for one in declared.code_in({"seeds": [0], "arms": {"a": [arm]}})]
    assert names == [
        "Pairs", "binary_digits", "CrossEntropy", "MLP.on", "AdamW", "Arm", "Setting"
    ]  # fmt: skip
    assert source.fingerprint(Arm, SGD) != source.fingerprint(Arm, AdamW) != source.fingerprint(Arm)


EVERYTHING = "from grokbook.modular import experiments as modular\n"
EVERYTHING += "from grokbook.xor import experiments as xor\n"
EVERYTHING += "from grokbook.linear import experiments\nprint(modular, xor, experiments)"


@pytest.mark.parametrize("module", LIGHT)
def test_module_imports_with_the_heavy_packages_blocked(module):
    blocked = [name for name in HEAVY if name not in LIGHT[module]]
    code = f"import sys\nfor n in {blocked}: sys.modules[n] = None\nimport {module}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def subject_packages():
    """The subpackages of grokbook but those that serve all and that use all."""
    found = {path.parent.name for path in source.ROOT.glob("*/__init__.py")}
    return sorted(found - {"sweep", "atlas"})


def modules_of(package):
    return [f"grokbook.{package}.{path.stem}" for path in (source.ROOT / package).glob("[a-z]*.py")]


# What computes by formulas, and what draws and trains.
APART = {
    "linear": (
        "theory spectrum asymptotics decay delay_maps fluctuations two_layer_theory",
        "simulate reduced bring two_layer_simulate",
    ),
    "logistic": ("theory toy edge", "simulate flow limits variants bring"),
    "xor": ("theory", "simulate samples"),
    "decay": (
        "ridge_theory diagonal_theory",
        "ridge_simulate diagonal_simulate completion deep_clock",
    ),
}


def test_every_theory_and_every_simulation_is_on_one_side():
    for package in subject_packages():
        found = {name.rpartition(".")[2] for name in modules_of(package)}
        named = " ".join(APART.get(package, ())).split()
        assert {name for name in found if re.search("theory|simulate", name)} <= set(named)


@pytest.mark.parametrize("package", APART)
def test_theory_and_simulation_do_not_import_each_other(package):
    theory, simulation = (
        {f"grokbook.{package}.{name}" for name in names.split()} for names in APART[package]
    )
    for one, other in ((theory, simulation), (simulation, theory)):
        for name in one:
            assert source.module_path(name)
            assert not other & imports.closure({name}), name


# The modules that declare stored runs and sweeps, and what they need for it.
DECLARES = {
    "experiments": {"grokbook.results", "grokbook.sweep", "grokbook.sweep.grid"},
    "maps": {"grokbook.sweep", "grokbook.sweep.grid"},
}
CORE = (".curves", ".precision", ".randomness", ".validate")
# Parts that train another part's networks.
BUILDS_ON = {"tickets": ("modular",)}


@pytest.mark.parametrize("package", subject_packages())
def test_subject_packages_import_no_other_subject(package):
    others = {f"grokbook.{name}" for name in subject_packages()} - {f"grokbook.{package}"}
    allowed = {f"grokbook{name}" for name in ("", *CORE)}
    for module in modules_of(package):
        own = tuple(f"grokbook.{name}" for name in (package, *BUILDS_ON.get(package, ())))
        foreign = {n for n in imports.of_module(module) if not n.startswith(own)}
        beside = DECLARES.get(module.rpartition(".")[2], set())
        assert not foreign & others, module
        assert foreign <= allowed | beside, module


def test_nothing_imports_the_atlas():
    packages = [*subject_packages(), "sweep"]
    names = [f"grokbook.{path.stem}" for path in source.ROOT.glob("[a-z]*.py")]
    names += [module for package in packages for module in modules_of(package)]
    assert [name for name in names if "grokbook.atlas" in imports.of_module(name)] == []


def test_the_stored_runs_of_the_atlas_need_no_torch():
    assert "grokbook.modular" not in imports.closure({"grokbook.atlas.experiments"})


def test_no_import_circles():
    names = [f"grokbook.{path.stem}" for path in source.ROOT.glob("[a-z]*.py")]
    packages = [*subject_packages(), "sweep", "atlas"]
    names += [module for package in packages for module in modules_of(package)]
    graph = {name: imports.of_module(name) - {name} for name in names}
    while graph:
        leaves = [name for name, needs in graph.items() if not needs & set(graph)]
        assert leaves, f"these import each other: {sorted(graph)}"
        for name in leaves:
            del graph[name]
