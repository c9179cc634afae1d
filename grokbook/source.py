"""What code a result depends on: the ``grokbook`` modules behind it, and their fingerprint.

The key of a chapter and the provenance of a stored result both use it, so that they agree on when
something has to be computed again.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = "grokbook"
ROOT = Path(__file__).resolve().parent


def checkout() -> Path | None:
    """The checkout or unpacked archive that this package lies in; None where it is installed."""
    return ROOT.parent if (ROOT.parent / "pyproject.toml").is_file() else None


def module_path(name: str) -> Path | None:
    """File of a ``grokbook`` module, or None if there is no such module."""
    stem = ROOT.joinpath(*name.split(".")[1:])
    for path in (stem / "__init__.py", stem.with_suffix(".py")):
        if path.is_file():
            return path
    return None


def imported_modules(code: str, *, package: str = "") -> set[str]:
    """The ``grokbook`` modules that ``code`` names in its import statements, parents included.

    ``package`` is the package the code belongs to; relative imports are resolved against it.
    """
    parts = [name.split(".") for name in _named(code, package)]
    prefixes = {".".join(part[: end + 1]) for part in parts for end in range(len(part))}
    return {name for name in prefixes if module_path(name)}


@cache  # by its text: the runs of a part share most of their modules
def _named(code: str, package: str) -> frozenset[str]:
    """What ``code`` imports of the package, whether modules or what is in them."""
    named = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            named.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: 1 - node.level or None] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            named.add(base)
            named.update(f"{base}.{alias.name}" for alias in node.names)
    return frozenset(name for name in named if name.partition(".")[0] == PACKAGE)


def closure(modules: set[str]) -> list[str]:
    """``modules`` and every ``grokbook`` module they import, however indirectly; sorted."""
    found: set[str] = set()
    waiting = set(modules)
    while waiting:
        name = waiting.pop()
        found.add(name)
        path = module_path(name)
        if path is None:
            raise ValueError(f"module = {name!r}: must be a module of {PACKAGE}")
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        waiting |= imported_modules(path.read_text("utf-8"), package=package) - found
    return sorted(found)


def fingerprint(modules: set[str]) -> str:
    """SHA-256 over the syntax, without docstrings, of ``modules`` and what they import.

    The same under every Python that can read the code.  The top of the package is left out: it
    holds the version, which alone changes no result.
    """
    digest = hashlib.sha256()
    for name in closure(modules):
        if name != PACKAGE:
            digest.update(f"{name}\0{_syntax(module_path(name).read_text('utf-8'))}\0".encode())
    return digest.hexdigest()


@cache
def _syntax(code: str) -> str:
    return syntax(ast.parse(code))


def syntax(node: object) -> str:
    """A syntax tree as text, without docstrings.

    ``ast.dump`` differs between versions of Python: newer ones have more fields, and say nothing of
    those that are empty.  Here empty fields are never said, and the others in alphabetical order.
    """
    if isinstance(node, list):
        return f"[{','.join(map(syntax, node))}]"
    if not isinstance(node, ast.AST):
        return ascii(node)  # repr leaves unescaped what this Python's Unicode tables can print
    fields = dict(ast.iter_fields(node))
    if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
        fields["body"] = node.body[1:]
    if isinstance(node, ast.JoinedStr):
        fields["values"] = _joined(node.values)
    said = sorted((k, v) for k, v in fields.items() if v is not None and v != [] and k != "ctx")
    return f"{type(node).__name__}({','.join(f'{k}={syntax(v)}' for k, v in said)})"


_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def _joined(parts: list[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string with its literal pieces joined; where they are cut may change."""
    out: list[ast.expr] = []
    for part in parts:
        if isinstance(part, ast.Constant) and out and isinstance(out[-1], ast.Constant):
            out[-1] = ast.Constant(out[-1].value + part.value)
        elif not (isinstance(part, ast.Constant) and part.value == ""):
            out.append(part)
    return out
