"""What the parameters of a declaration bring: how they are written down, and their code."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import partial

import numpy as np

from grokbook import source


def written(parameters: Mapping) -> dict:
    """Parameters as JSON values, as they stand in a result's provenance.

    A frozen dataclass is its name and fields, a function its name, a partial one its name and
    arguments.  ValueError for what cannot be written down, as a lambda.
    """
    return json.loads(json.dumps(dict(parameters), default=_said))


def code_in(value) -> list[Callable]:
    """The functions and classes of this package that parameters bring, each once, by name."""
    found = {f"{one.__module__}.{one.__qualname__}": one for one in _code_in(value)}
    return [found[name] for name in sorted(found) if name.startswith(f"{source.PACKAGE}.")]


def _code_in(value) -> Iterator[Callable]:
    if isinstance(value, Mapping | list | tuple):
        inner = value.values() if isinstance(value, Mapping) else value
    elif isinstance(value, partial):
        inner = [value.func, *value.args, *value.keywords.values()]
    elif is_dataclass(value) and not isinstance(value, type):
        yield type(value)
        inner = [getattr(value, one.name) for one in fields(value)]
    else:
        inner = []
        if callable(value):
            yield value
    for one in inner:
        yield from _code_in(one)


def _said(value):
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if is_dataclass(value) and not isinstance(value, type):
        return {type(value).__name__: {one.name: getattr(value, one.name) for one in fields(value)}}
    if isinstance(value, partial):
        return {value.func.__qualname__: [*value.args, value.keywords]}
    if callable(value) and "<" not in (name := getattr(value, "__qualname__", "<")):
        return name
    raise ValueError(f"parameter {value!r}: must be a value that can be written down")
