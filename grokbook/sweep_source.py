"""What code one function depends on: finer than its module, so that a grid beside it may grow.

``grokbook.source`` answers for whole modules.  A sweep is declared beside its function, and adding
cells to its grid must not throw away the runs that are there.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path

from grokbook import source

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@cache
def fingerprint(function: Callable) -> str:
    """SHA-256 over the syntax, without docstrings, of a function and of what it reaches.

    That is: the definitions of its own module that it uses, however indirectly, and the
    ``grokbook`` modules that these import, with everything they import.

    Raises
    ------
    ValueError
        If its source is not in a file, as in a notebook.
    """
    module, name = function.__module__, function.__qualname__
    path = inspect.getsourcefile(function)
    if path is None or not Path(path).is_file():
        raise ValueError(f"function = {module}.{name}: must be in a module that workers can import")
    definitions, imports = _reached(ast.parse(Path(path).read_text("utf-8")), name)
    package = module.rpartition(".")[0]
    modules = source.imported_modules("\n".join(imports), package=package)
    digest = hashlib.sha256(f"{module}\0{name}\0".encode())
    digest.update("\0".join(definitions).encode())
    digest.update(source.fingerprint(modules).encode())
    return digest.hexdigest()


def _reached(tree: ast.Module, name: str) -> tuple[list[str], list[str]]:
    """Syntax of the top-level statements that define ``name`` and what they use; the imports."""
    statements = [(statement, _bound(statement)) for statement in tree.body]
    definitions, imports, seen, waiting = [], [], set(), {name}
    while waiting:
        wanted = waiting.pop()
        for place, (statement, names) in enumerate(statements):
            if place in seen or not names & {wanted, "*"}:
                continue
            seen.add(place)
            if isinstance(statement, ast.Import | ast.ImportFrom):
                imports.append(ast.unparse(statement))
            else:
                definitions.append(source.syntax(statement))
                waiting |= {n.id for n in ast.walk(statement) if isinstance(n, ast.Name)}
    return sorted(definitions), sorted(imports)


def _bound(statement: ast.stmt) -> set[str]:
    """Names that a top-level statement gives a value; those inside a comprehension stay there."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {one.asname or one.name.partition(".")[0] for one in statement.names}
    names, waiting = set(), [statement]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        if not isinstance(node, _COMPREHENSIONS):
            waiting += ast.iter_child_nodes(node)
    return names
