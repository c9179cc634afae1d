"""What a sweep is: a pure function, a grid of named parameters, a number of seeds.

The sweeps of a part are declared in the ``sweeps`` module of its subject package, in a list
``SWEEPS``.
"""

from __future__ import annotations

import hashlib
import inspect
import itertools
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real

from grokbook import parts, randomness, validate

SIZES = ("small", "book", "paper")

Value = float | int | str
Cell = dict[str, Value]


@dataclass(frozen=True)
class Quantity:
    """What a number means: its unit (steps, nats, fraction; 1 for a ratio) and a short name."""

    unit: str
    about: str


@dataclass(frozen=True)
class Grid:
    """One size of a sweep.

    Attributes
    ----------
    axes : mapping
        Parameter to its values: finite numbers or words, no value twice.
    n_seeds : int
        Runs a cell, with seed numbers 0 to n_seeds - 1.
    cpu_seconds : float
        Measured mean CPU seconds of one run, for the estimate.

    Raises
    ------
    ValueError
        If an axis is empty, repeats a value or holds something else; for n_seeds < 1.
    """

    axes: Mapping[str, Sequence[Value]]
    n_seeds: int
    cpu_seconds: float

    def __post_init__(self):
        validate.count("n_seeds", self.n_seeds)
        validate.number("cpu_seconds", self.cpu_seconds, above=0)
        if not self.axes:
            raise ValueError("axes = {}: must hold at least one parameter")
        axes = {name: [plain(name, value) for value in axis] for name, axis in self.axes.items()}
        for name, axis in axes.items():
            if not axis:
                raise ValueError(f"{name} = []: must hold at least one value")
            if len({canonical(value) for value in axis}) < len(axis):
                raise ValueError(f"{name} = {axis}: must not hold a value twice")
        object.__setattr__(self, "axes", axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values of each axis, then the number of seeds."""
        return (*(len(axis) for axis in self.axes.values()), self.n_seeds)

    @property
    def n_runs(self) -> int:
        """Number of runs."""
        return math.prod(self.shape)

    def cells(self) -> Iterator[Cell]:
        """Every combination of values, the last axis fastest."""
        for values in itertools.product(*self.axes.values()):
            yield dict(zip(self.axes, values, strict=True))

    def within(self, other: Grid) -> bool:
        """Whether every run of this grid is one of the other."""
        return (
            set(self.axes) == set(other.axes)
            and self.n_seeds <= other.n_seeds
            and all(
                {canonical(value) for value in axis} <= {canonical(v) for v in other.axes[name]}
                for name, axis in self.axes.items()
            )
        )


@dataclass(frozen=True)
class Sweep:
    """A map of a model's behaviour over some of its parameters.

    Attributes
    ----------
    name : str
        Small letters, digits and hyphens.
    function : callable
        Module-level and pure: ``function(seed=..., **cell)`` returns a mapping from each name of
        ``outputs`` to a number (``inf``: never happened, ``nan``: undefined).  All randomness comes
        from the whole number ``seed``.
    axes, outputs : mapping of str to Quantity
        The parameters that vary, and what a run returns.
    grids : mapping of str to Grid
        By size: some of "small", "book" and "paper".  Small is part of book.
    about : str
        One line for the list.
    packages : tuple of str
        Further packages whose versions matter, such as ``("torch",)``.

    Raises
    ------
    ValueError
        If one of these does not hold.
    """

    name: str
    function: Callable[..., Mapping[str, float]]
    axes: Mapping[str, Quantity]
    outputs: Mapping[str, Quantity]
    grids: Mapping[str, Grid]
    about: str
    packages: tuple[str, ...] = ()

    def __post_init__(self):
        if not re.fullmatch(r"[a-z][a-z0-9-]*", self.name):
            raise ValueError(f"name = {self.name!r}: must be small letters, digits and hyphens")
        if not self.outputs:
            raise ValueError("outputs = {}: must name at least one result")
        if not self.grids:
            raise ValueError("grids = {}: must hold at least one size")
        _require_arguments(self.function, self.axes)
        for size, grid in self.grids.items():
            validate.choice("size", size, SIZES)
            if set(grid.axes) != set(self.axes):
                raise ValueError(
                    f"{size} axes = {sorted(grid.axes)}: must be those declared, "
                    f"{sorted(self.axes)}"
                )
        small, book = (self.grids.get(size) for size in ("small", "book"))
        if small and book and not small.within(book):
            raise ValueError(f"small grid of {self.name!r}: must be part of the book grid")

    @property
    def qualified_name(self) -> str:
        """Module and name of the function."""
        return f"{self.function.__module__}.{self.function.__qualname__}"

    def grid(self, size: str) -> Grid:
        """The grid of a size; ValueError if there is none."""
        return self.grids[validate.choice("size", size, tuple(self.grids))]

    def command(self, size: str) -> str:
        """The command that makes it."""
        return f"python -m grokbook sweep {self.name} --size {size}"


def plain(name: str, value) -> Value:
    """``value`` as Python's own int, float or str; ValueError for anything else."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise ValueError(f"{name} holds {value!r}: must be finite numbers or words")


def canonical(value: Value) -> str:
    """The same text for equal values, whether 1 or 1.0, 0.0 or -0.0."""
    return json.dumps(value) if isinstance(value, str) else repr(float(value) + 0.0)


def cell_key(cell: Cell) -> str:
    """A cell as text, whatever the order of its parameters."""
    return ", ".join(f"{name}={canonical(cell[name])}" for name in sorted(cell))


def run_seed(cell: Cell, number: int) -> int:
    """Seed of a run, from the parameters of its cell and its seed number alone; 64 bits."""
    digest = hashlib.sha256(cell_key(cell).encode()).digest()
    return randomness.from_digest(digest, number)


def catalogue() -> dict[str, Sweep]:
    """The sweeps that the subject packages declare, by name; those that can be imported."""
    return parts.declared("sweeps")[0]


def _require_arguments(function, axes):
    if not axes:
        raise ValueError("axes = {}: must name at least one parameter")
    name = getattr(function, "__qualname__", repr(function))
    if not inspect.isfunction(function) or not name.isidentifier():
        raise ValueError(f"function = {name}: must be a function at the top of a module")
    takes = inspect.signature(function).parameters.values()
    named = {one.name for one in takes if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)}
    unknown = ({"seed"} | set(axes)) - named
    if unknown:
        raise ValueError(f"axes: {name} takes {sorted(named)}, not {sorted(unknown)}")
