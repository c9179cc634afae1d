"""What a sweep is: a pure function, a grid of named parameters, a number of seeds.

The ``experiments`` module of a subject package declares its sweeps in a list ``SWEEPS``.  Those of
one grid and plain seeds, under the names that chapters know, are stored runs: a list ``RUNS``.
"""

from __future__ import annotations

import hashlib
import inspect
import itertools
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral, Real

import numpy as np

from grokbook import randomness, validate
from grokbook.results import StoredRun, different_seeds

SIZES = ("small", "book", "paper")
SEED = "seed"

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

    ValueError if an axis is empty, repeats a value or holds something else; for seeds < 1, or
    plain ones that are not different whole numbers from 0 to 1,000,002.

    Attributes
    ----------
    axes : mapping
        Parameter to its values: finite numbers or words, no value twice.
    seeds : int or sequence of int
        Runs a cell.  A number of them: with seeds that follow from the cell and from the numbers 0
        to seeds - 1.  A sequence: with these very seeds, whatever the cell.
    cpu_seconds : float
        Measured mean CPU seconds of one run, for the estimate.
    """

    axes: Mapping[str, Sequence[Value]]
    seeds: int | Sequence[int]
    cpu_seconds: float

    def __post_init__(self):
        if self.plain:
            object.__setattr__(self, "seeds", different_seeds(self.seeds))
        else:
            validate.count("seeds", self.seeds)
        validate.number("cpu_seconds", self.cpu_seconds, above=0)
        axes = {name: [plain(name, value) for value in axis] for name, axis in self.axes.items()}
        for name, axis in axes.items():
            if not axis:
                raise ValueError(f"{name} = []: must hold at least one value")
            if len({canonical(value) for value in axis}) < len(axis):
                raise ValueError(f"{name} = {axis}: must not hold a value twice")
        object.__setattr__(self, "axes", axes)

    @property
    def plain(self) -> bool:
        """Whether the seeds are plain."""
        return isinstance(self.seeds, Sequence)

    @property
    def numbers(self) -> Sequence[int]:
        """What the runs of a cell are called by: the plain seeds, or 0, 1, 2, ..."""
        return self.seeds if self.plain else range(self.seeds)

    @property
    def n_seeds(self) -> int:
        """Runs a cell."""
        return len(self.numbers)

    def seed(self, cell: Cell, number: int) -> int:
        """Seed of one run of a cell."""
        return number if self.plain else run_seed(cell, number)

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
            and self.plain == other.plain
            and set(self.numbers) <= set(other.numbers)
            and all(
                {canonical(value) for value in axis} <= {canonical(v) for v in other.axes[name]}
                for name, axis in self.axes.items()
            )
        )


@dataclass(frozen=True)
class Sweep:
    """A map of a model's behaviour over some of its parameters.

    ValueError if one of these does not hold.

    Attributes
    ----------
    name : str
        Small letters, digits and hyphens.
    function : callable
        Module-level and pure: ``function(seed=..., **cell)`` returns a mapping from each name of
        ``outputs`` to a number (``inf``: never happened, ``nan``: undefined) or to an array of
        them.  All randomness comes from the whole number ``seed``.
    axes, outputs : mapping of str to Quantity
        The parameters that vary, and what a run returns.
    grids : mapping of str to Grid
        By size: some of "small", "book" and "paper".  Small is part of book.
    about : str
        One line for the list.
    packages : tuple of str
        Further packages whose versions matter, such as ``("torch",)``.
    dims, labels, dtypes : mapping
        Where an output is an array: its dimensions, as ``("step",)``, by its name; labels along
        each dimension, as the recorded steps; what it is stored as, if not as ``float64``.
    """

    name: str
    function: Callable[..., Mapping[str, float]]
    axes: Mapping[str, Quantity]
    outputs: Mapping[str, Quantity]
    grids: Mapping[str, Grid]
    about: str
    packages: tuple[str, ...] = ()
    dims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    labels: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    dtypes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self):
        if not re.fullmatch(r"[a-z][a-z0-9-]*", self.name):
            raise ValueError(f"name = {self.name!r}: must be small letters, digits and hyphens")
        if not self.outputs:
            raise ValueError("outputs = {}: must name at least one result")
        if not self.grids:
            raise ValueError("grids = {}: must hold at least one size")
        _require_arguments(self.function, self.axes)
        unknown = {dim for dims in self.dims.values() for dim in dims} - set(self.labels)
        if unknown:
            raise ValueError(f"labels = {sorted(self.labels)}: must hold {sorted(unknown)} too")
        for what, given in {"dims": self.dims, "dtypes": self.dtypes}.items():
            for name in given:
                validate.choice(what, name, tuple(self.outputs))
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

    def grid(self, size: str) -> Grid:
        """The grid of a size; ValueError if there is none."""
        return self.grids[validate.choice("size", size, tuple(self.grids))]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each output of a run."""
        return {
            name: tuple(len(self.labels[dim]) for dim in self.dims.get(name, ()))
            for name in self.outputs
        }

    def arrays(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs by name of the values of runs, (..., n_values)."""
        ends = np.cumsum([math.prod(shape) for shape in self.shapes.values()])
        pieces = np.split(values, ends[:-1], axis=-1)
        return {
            name: piece.reshape(*values.shape[:-1], *shape).astype(self.dtypes.get(name, "float64"))
            for piece, (name, shape) in zip(pieces, self.shapes.items(), strict=True)
        }

    def stored(self, size: str = "book", seeds: Sequence[int] = ()) -> FinishedSweep:
        """What the stored result of a size must be, with other plain seeds if there are any.

        ValueError if there is no such size.
        """
        grid = replace(self.grid(size), seeds=seeds) if seeds else self.grid(size)
        name = self.name if grid.plain else f"{self.name}-{size}"
        # As a list: with another order of the axes the arrays would be transposed.
        parameters = {"axes": [[axis, list(values)] for axis, values in grid.axes.items()]}
        if grid.plain:
            parameters["seeds"] = list(grid.seeds)
        else:
            parameters["command"] = f"python -m grokbook sweep {self.name} --size {size}"
            parameters["n_seeds"] = grid.n_seeds
        parameters["outputs"] = list(self.outputs)
        if self.labels:
            parameters["labels"] = {dim: list(values) for dim, values in self.labels.items()}
        quantities = {**self.axes, **self.outputs, SEED: Quantity("1", "seed number")}
        return FinishedSweep(
            name,
            self.function,
            parameters,
            self.about,
            grid.cpu_seconds * grid.n_runs,
            self.packages,
            seeds=tuple(seeds),
            dims={one: (*grid.axes, SEED, *self.dims.get(one, ())) for one in self.outputs},
            labels={**grid.axes, SEED: list(grid.numbers), **self.labels},
            says={
                one: {"units": quantity.unit, "long_name": quantity.about}
                for one, quantity in quantities.items()
            },
            sweep=replace(self, grids={size: grid}),
        )


@dataclass(frozen=True)
class FinishedSweep(StoredRun):
    """One size of a sweep as a stored result, which says how it is made and checks its source."""

    sweep: Sweep | None = None

    @property
    def grid(self) -> Grid:
        """The only grid of its sweep."""
        return next(iter(self.sweep.grids.values()))

    @property
    def command(self) -> str:
        """The command that makes it again."""
        return self.parameters.get("command", super().command)

    def with_seeds(self, seeds: Sequence[int]) -> FinishedSweep:
        """The same with other plain seeds; ValueError as :class:`Grid`."""
        (size,) = self.sweep.grids
        return self.sweep.stored(size, different_seeds(seeds))

    def part(self) -> dict[str, np.ndarray]:
        """The first run of the first cell and of the last, computed now."""
        grid, cells = self.grid, list(self.grid.cells())
        ends = {0: cells[0], len(cells) - 1: cells[-1]}.values()
        found = [self.function(seed=grid.seed(one, grid.numbers[0]), **one) for one in ends]
        return {name: np.array([one[name] for one in found]) for name in found[0]}


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


def _require_arguments(function, axes):
    name = getattr(function, "__qualname__", repr(function))
    if not inspect.isfunction(function) or not name.isidentifier():
        raise ValueError(f"function = {name}: must be a function at the top of a module")
    takes = inspect.signature(function).parameters.values()
    named = {one.name for one in takes if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)}
    unknown = ({"seed"} | set(axes)) - named
    if unknown:
        raise ValueError(f"axes: {name} takes {sorted(named)}, not {sorted(unknown)}")
