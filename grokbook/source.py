"""What code a result depends on: the ``grokbook`` modules behind it, and their fingerprint.

The key of a chapter and the provenance of a stored result both use it, so that they agree on when
something has to be computed again.
"""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

PACKAGE = "grokbook"
ROOT = Path(__file__).resolve().parent


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
    named = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            named.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: 1 - node.level or None] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            named.add(base)
            named.update(f"{base}.{alias.name}" for alias in node.names)
    parts = [name.split(".") for name in named if name.split(".")[0] == PACKAGE]
    prefixes = {".".join(part[: end + 1]) for part in parts for end in range(len(part))}
    return {name for name in prefixes if module_path(name)}


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
    """SHA-256 over the syntax trees, without docstrings, of ``modules`` and what they import."""
    digest = hashlib.sha256()
    for name in closure(modules):
        digest.update(f"{name}\0{_syntax(module_path(name))}\0".encode())
    return digest.hexdigest()


def _syntax(path: Path) -> str:
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            first = body[0] if body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = body[1:]
    return ast.dump(tree)
