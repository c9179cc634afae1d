"""What code a result depends on, and its fingerprint: by function, and free of paths.

The key of a chapter and the marks of stored results both use it, so that they agree on when
something has to be computed again: when a definition changed that the code uses, however
indirectly, in whatever module of ``grokbook`` it stands.  Moving a definition to another module,
another name of an import, docstrings and comments change nothing.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGE = "grokbook"
ROOT = Path(__file__).resolve().parent


def checkout() -> Path | None:
    """The checkout or unpacked archive that this package lies in; None where it is installed."""
    return ROOT.parent if (ROOT.parent / "pyproject.toml").is_file() else None


def module_path(name: str) -> Path | None:
    """File of a ``grokbook`` module, or None if there is no such module."""
    if name.partition(".")[0] != PACKAGE:
        return None
    stem = ROOT.joinpath(*name.split(".")[1:])
    for path in (stem / "__init__.py", stem.with_suffix(".py")):
        if path.is_file():
            return path
    return None


def code_fingerprint(code: str) -> str:
    """SHA-256 over what ``code`` says and the definitions of ``grokbook`` that it uses."""
    return _digest(_read(code, "", ""), EVERYTHING)


@cache
def fingerprint(function: Callable, *others: Callable) -> str:
    """SHA-256 over functions or classes and the definitions that they use, without docstrings.

    The same under every Python that can read the code.  ValueError if a source is not in a
    file, as in a notebook.
    """
    if others:
        return _sha("".join(map(fingerprint, (function, *others))))
    name, qualified = function.__module__, function.__qualname__
    path = inspect.getsourcefile(function)
    if path is None or not Path(path).is_file():
        raise ValueError(f"function = {name}.{qualified}: must be in a module with a file")
    code, top = Path(path).read_text("utf-8"), qualified.partition(".")[0]
    own = module_path(name)
    inside = own is not None and own.samefile(path)
    return _digest(_module(name) if inside else _read(code, ELSEWHERE, ""), top)


# A definition is known by its place, "module:name".  Two names stand for more than one.
EVERYTHING, EFFECTS = "*", ""
ELSEWHERE = "_elsewhere_"  # module of a function that is not of the package
_REFERENCE = re.compile(r"@\{([\w.]*:[\w*]*)\}")
# After the first round a definition is known by its own text, after the next by the texts of those
# that it uses, and so on.  All that is reached counts in any case; this tells which uses which.
_ROUNDS = 4


@dataclass(frozen=True, eq=False)
class _Module:
    """The top-level statements of a module, as text, by the names that they bind or change."""

    name: str
    package: str
    bound: Mapping[str, list[str]]
    imported: Mapping[str, str]
    effects: list[str]

    def trees(self, name: str) -> list[ast.Module]:
        """Those that bind a name, read anew; those that bind none, for ``EFFECTS``."""
        return [ast.parse(one) for one in (self.effects if name == EFFECTS else self.bound[name])]


def _digest(start: _Module, name: str) -> str:
    root = f"{start.name}:{name}"
    texts = _reached(start, root)
    said = {place: place.partition(":")[2] for place in texts}
    for _ in range(_ROUNDS):
        said = {place: _sha(_filled(text, said)) for place, text in texts.items()}
    return _sha("\0".join([said[root], *sorted(set(said.values()))]))


def _filled(text: str, said: Mapping[str, str]) -> str:
    return _REFERENCE.sub(lambda found: said[found[1]], text)


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _reached(start: _Module, root: str) -> dict[str, str]:
    """Text of each definition that is used from ``root`` on, by its place."""
    texts: dict[str, str] = {}
    waiting, state = {root}, _state()
    while waiting:
        place = waiting.pop()
        name, _, wanted = place.partition(":")
        module = start if name == start.name else _module(name)
        texts[place] = _text(module, wanted, state)
        waiting |= {f"{name}:{EFFECTS}", *_REFERENCE.findall(texts[place])} - texts.keys()
    return texts


def _state() -> str:
    """What all modules say: a name may stand for something else after any of them changed."""
    return _sha("\0".join(path.read_text("utf-8") for path in sorted(ROOT.rglob("*.py"))))


@cache
def _text(module: _Module, name: str, state: str) -> str:
    """Syntax of a definition, with the places of those that it uses instead of their names."""
    if name == EVERYTHING:
        return "".join(f"@{{{module.name}:{one}}}" for one in sorted(module.bound))
    names = _Names(module)
    return "\0".join(syntax(names.visit(tree).body) for tree in module.trees(name))


def _module(name: str) -> _Module:
    if name == PACKAGE:  # holds the version, which alone changes no result
        return _read("", name, name)
    path = module_path(name)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return _read(path.read_text("utf-8"), name, package)


@cache
def _read(code: str, name: str, package: str) -> _Module:
    bound: dict[str, list[str]] = {}
    imported: dict[str, str] = {}
    marks, effects = [], []
    for statement, text in _statements(code):
        imports = dict(_imports(statement, package))
        imported |= imports
        names = set(_binds(statement)) - imports.keys()
        marks += [(one.id, text) for mark in _decorators(statement) for one in _names(mark)]
        for one in names:
            bound.setdefault(one, []).append(text)
        plain = isinstance(statement, ast.Import | ast.ImportFrom) or _is_docstring(statement)
        if not names and not plain:
            effects.append(text)
    for one, text in marks:  # @known.register may change what is known
        if text not in bound.get(one, [text]):
            bound[one].append(text)
    return _Module(name, package, bound, imported, effects)


def _names(node: ast.AST) -> Iterator[ast.Name]:
    return (one for one in ast.walk(node) if isinstance(one, ast.Name))


def _decorators(statement: ast.stmt) -> list[ast.expr]:
    return getattr(statement, "decorator_list", [])


def _statements(code: str) -> Iterator[tuple[ast.stmt, str]]:
    lines = code.split("\n")
    for statement in ast.parse(code).body:
        first = min(one.lineno for one in (statement, *_decorators(statement)))
        yield statement, "\n".join(lines[first - 1 : statement.end_lineno])


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _imports(statement: ast.AST, package: str) -> Iterator[tuple[str, str]]:
    """What the import statements in a statement bind, and the dotted name it stands for."""
    for node in _within(statement):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (top, top)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: 1 - node.level or None] if node.level else []
            base = [*above, *([node.module] if node.module else [])]
            for alias in node.names:
                yield alias.asname or alias.name, ".".join([*base, alias.name])


_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_SCOPES += (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def _within(node: ast.AST, *, top: bool = True) -> Iterator[ast.AST]:
    """The nodes of a statement that belong to its own scope."""
    yield node
    if top and isinstance(node, _SCOPES):
        return
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _SCOPES):
            yield child
        else:
            yield from _within(child, top=False)


def _binds(statement: ast.AST) -> Iterator[str]:
    """Names that a statement gives a value."""
    for node in _within(statement):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _parameters(arguments: ast.arguments) -> set[str]:
    found = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return {one.arg for one in [*found, arguments.vararg, arguments.kwarg] if one is not None}


def _globals(statement: ast.AST) -> set[str]:
    nodes = (node for node in _within(statement) if isinstance(node, ast.Global))
    return {name for node in nodes for name in node.names}


class _Names(ast.NodeTransformer):
    """Puts places of definitions, and full names of other libraries, where names stood."""

    def __init__(self, module: _Module):
        self.module = module
        self.scope = dict(module.imported)
        self.scope |= {name: f"{module.name}.{name}" for name in module.bound if module.name}

    def visit_Name(self, node):
        known = isinstance(node.ctx, ast.Load) and node.id in self.scope
        return self._place(self.scope[node.id], node.ctx) if known else node

    def visit_Attribute(self, node):
        parts, inner = [], node
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name) and inner.id in self.scope:
            return self._place(".".join([self.scope[inner.id], *reversed(parts)]), node.ctx)
        return self.generic_visit(node)

    def visit_Import(self, node):
        return None  # where a name is used it says what was imported

    visit_ImportFrom = visit_Import

    def visit_FunctionDef(self, node):
        outer, inside = self.scope, node.body if isinstance(node.body, list) else [node.body]
        for mark in ("decorator_list", "args", "returns"):  # belong to the scope around it
            if isinstance(value := getattr(node, mark, None), list):
                value[:] = [self.visit(one) for one in value]
            elif value is not None:
                setattr(node, mark, self.visit(value))
        hidden = _parameters(node.args) | {name for one in inside for name in _binds(one)}
        hidden -= {name for one in inside for name in _globals(one)}
        self.scope = {name: full for name, full in outer.items() if name not in hidden}
        for one in inside:
            self.scope |= dict(_imports(one, self.module.package))
        body = [new for one in inside if (new := self.visit(one)) is not None]
        node.body, self.scope = body if isinstance(node.body, list) else body[0], outer
        return node

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef

    def _place(self, dotted: str, ctx: ast.expr_context) -> ast.expr:
        """The expression for a full name: a definition's place, then the attributes left over."""
        place, rest = _resolve(dotted, self.module)
        found: ast.expr = ast.Name(place, ctx)
        for name in rest:
            found = ast.Attribute(found, name, ctx)
        return found


def _resolve(dotted: str, here: _Module) -> tuple[str, list[str]]:
    """What a full name stands for: the place of a definition, or itself; and attributes of that."""
    parts = dotted.split(".")
    if here.name and dotted.startswith(f"{here.name}."):
        end = here.name.count(".") + 1
        if parts[end] in here.bound and not module_path(".".join(parts[: end + 1])):
            return f"@{{{here.name}:{parts[end]}}}", parts[end + 1 :]
    if parts[0] != PACKAGE:
        return parts[0], parts[1:]
    end = next(n for n in range(len(parts), 0, -1) if module_path(".".join(parts[:n])))
    name, rest = ".".join(parts[:end]), parts[end:]
    module = _module(name)
    if rest and rest[0] in module.imported:
        return _resolve(".".join([module.imported[rest[0]], *rest[1:]]), module)
    if rest and rest[0] in module.bound:
        return f"@{{{name}:{rest[0]}}}", rest[1:]
    return f"@{{{name}:{EVERYTHING}}}", rest


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
