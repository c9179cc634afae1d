"""Which modules of the package import which: for the guards on who may need whom."""

import ast

from grokbook import source


def of(code, package=""):
    """The modules that ``code`` names in its import statements, parents included."""
    named = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            named.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: 1 - node.level or None] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            named.update([base, *(f"{base}.{alias.name}" for alias in node.names)])
    parts = [name.split(".") for name in named]
    prefixes = {".".join(part[: end + 1]) for part in parts for end in range(len(part))}
    return {name for name in prefixes if source.module_path(name)}


def of_module(name):
    """The modules that a module imports."""
    path = source.module_path(name)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return of(path.read_text("utf-8"), package)


def closure(modules):
    """``modules`` and all that they import, however indirectly."""
    found, waiting = set(), set(modules)
    while waiting:
        found.add(name := waiting.pop())
        waiting |= of_module(name) - found
    return found
