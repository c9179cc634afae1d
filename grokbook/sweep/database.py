"""Where the runs of a sweep are kept while it goes on: one SQLite file, one writer.

Each run is committed as it arrives, so that a sweep that is killed loses only what was under way.
The file holds every size of its sweep, and belongs to one state of the source and of the versions
and to one shift of the seeds.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from grokbook.sweep.grid import Cell, Grid, cell_key
from grokbook.sweep.worker import Job, Outcome

SCHEMA = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS identity (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS runs (
    cell TEXT NOT NULL, number INTEGER NOT NULL,
    result TEXT, failure TEXT, cpu_seconds REAL NOT NULL,
    session TEXT NOT NULL, elapsed REAL NOT NULL, checksum TEXT NOT NULL,
    PRIMARY KEY (cell, number)
) WITHOUT ROWID;
"""
_COLUMNS = ("cell", "number", "result", "failure", "cpu_seconds", "session", "elapsed")
# A run that succeeded stays as it is: a cluster may deliver it twice.
_ADD = """
INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (cell, number) DO UPDATE SET
    result = excluded.result, failure = excluded.failure, cpu_seconds = excluded.cpu_seconds,
    session = excluded.session, elapsed = excluded.elapsed, checksum = excluded.checksum
WHERE runs.result IS NULL
"""
# Of the place and not of the file: no space, no permission.
_PLACE = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
)


def path(folder: Path, name: str) -> Path:
    """The file of a sweep."""
    return Path(folder) / f"{name}.sqlite"


class Database:
    """The runs of one sweep; use it in a ``with`` statement.

    ValueError if the folder cannot be written, the file is damaged, in use, or another sweep's
    state.

    Parameters
    ----------
    folder : path or None
        Where the file lies or will lie; None keeps everything in memory.
    name : str
        Name of the sweep.
    job : Job
        What must be the same for every run in the file.
    read_only : bool
        Look only: no lock, so that another process may be writing.
    """

    def __init__(self, folder: Path | None, name: str, job: Job, *, read_only: bool = False):
        self.path = path(folder, name) if folder else None
        self._n_values = sum(map(math.prod, job.shapes.values()))
        self._use = "read" if read_only else "written"
        self._lock = None
        if self.path and not read_only:
            self._lock = _locked(self.path)
        try:
            with self._damage():
                self._open(read_only)
                outputs = [(name, *shape) if shape else name for name, shape in job.shapes.items()]
                wanted = {**job.identity, "schema": SCHEMA, "outputs": outputs}
                self._claim(json.loads(json.dumps(wanted)), read_only)
        except BaseException:
            self.close()
            raise
        self._session = datetime.now(UTC).isoformat()
        self._start = time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """Release the file."""
        for connection in (getattr(self, "_connection", None), self._lock):
            if connection:
                connection.close()

    def _open(self, read_only):
        if read_only:
            self._connection = self._reading()
        else:
            self._connection = sqlite3.connect(self.path or ":memory:", timeout=30)
        (answer,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if answer != "ok":
            raise sqlite3.DatabaseError(answer)
        if read_only:
            if not self._connection.execute("SELECT name FROM sqlite_master").fetchall():
                self._connection.close()  # only just begun
                self._connection = sqlite3.connect(":memory:")
                self._connection.executescript(_TABLES)
        else:
            # With a write-ahead log a commit is one append; NORMAL survives a killed process.
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.executescript(_TABLES)

    def _reading(self):
        """A connection that only reads, if need be where nothing can be written.

        Readers keep a file beside a write-ahead log.  Without it SQLite reads a database that it
        may take for unchanging, which is so where a log is empty.
        """
        target = f"{self.path.resolve().as_uri()}?mode=ro"
        log = self.path.with_name(f"{self.path.name}-wal")
        if not os.access(self.path.parent, os.W_OK) and not (log.exists() and log.stat().st_size):
            target += "&immutable=1"
        return sqlite3.connect(target, uri=True, timeout=30)

    def _claim(self, wanted, read_only):
        """Write the identity into a new file, compare it with that of an old one."""
        found = dict(self._connection.execute("SELECT key, value FROM identity"))
        found = {key: json.loads(value) for key, value in found.items()}
        if not found and not read_only:
            with self._connection:
                rows = [(key, json.dumps(value)) for key, value in wanted.items()]
                self._connection.executemany("INSERT INTO identity VALUES (?, ?)", rows)
            return
        for key, value in wanted.items():
            if found and found.get(key) != value:
                raise ValueError(
                    f"{self._shown}: made with {key} = {found.get(key)!r}, now {value!r}: "
                    "remove it or give another folder"
                )

    @property
    def _shown(self):
        return self.path.name if self.path else "memory"

    @contextmanager
    def _damage(self) -> Iterator[None]:
        """Put what SQLite or a checksum finds wrong into one line."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _PLACE:
                raise OSError(f"{self._shown}: cannot be {self._use}: {error}") from error
            raise self._damaged(error) from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error):
        what = " ".join(str(error).split())
        return ValueError(f"{self._shown}: damaged ({what}): remove it, its runs are made again")

    def add(self, cell: Cell, outcome: Outcome) -> None:
        """Commit one run; nothing changes if it is there already.  OSError on a full disk."""
        result = None if outcome.values is None else json.dumps(outcome.values)
        row = (cell_key(cell), outcome.number, result, outcome.failure)
        row += (outcome.cpu_seconds, self._session, time.monotonic() - self._start)
        with self._damage(), self._connection:
            self._connection.execute(_ADD, (*row, _checksum(row)))

    def results(self, grid: Grid) -> np.ndarray:
        """Values of every run of a grid that is done; of the grid's shape, then n_values.

        ValueError if one is missing that was committed: then the file is damaged.
        """
        out = np.empty((grid.n_runs // grid.n_seeds, grid.n_seeds, self._n_values))
        missing = ~self.done(grid)
        if missing.any():
            raise self._damaged(f"{missing.sum()} runs are gone")
        for *place, row in self._rows(grid):
            out[tuple(place)] = json.loads(row["result"])
        return out.reshape(*grid.shape, self._n_values)

    def done(self, grid: Grid) -> np.ndarray:
        """Whether each run of a grid has succeeded; (n_cells, n_seeds)."""
        out = np.zeros((grid.n_runs // grid.n_seeds, grid.n_seeds), bool)
        for *place, row in self._rows(grid):
            out[tuple(place)] = row["result"] is not None
        return out

    def failures(self, grid: Grid) -> list[tuple[str, int, str]]:
        """Cell, seed number and traceback of each run of a grid that failed."""
        return [
            (row["cell"], row["number"], row["failure"])
            for *_, row in self._rows(grid)
            if row["result"] is None
        ]

    def spent(self, grid: Grid) -> tuple[float, float]:
        """CPU seconds of the runs of a grid, and wall seconds of the sessions they were made in."""
        cpu, wall = 0.0, {}
        for *_, row in self._rows(grid):
            cpu += row["cpu_seconds"]
            wall[row["session"]] = max(wall.get(row["session"], 0.0), row["elapsed"])
        return cpu, sum(wall.values())

    def _rows(self, grid):
        """Places and row of each run of the grid that is in the file, checked."""
        query = "SELECT * FROM runs WHERE cell = ?"
        known = {number: k for k, number in enumerate(grid.numbers)}
        with self._damage():
            for place, cell in enumerate(grid.cells()):
                for *row, checksum in self._connection.execute(query, (cell_key(cell),)):
                    if checksum != _checksum(row):
                        raise sqlite3.DatabaseError(f"checksum of {row[0]}, seed {row[1]}")
                    if row[1] in known:
                        yield place, known[row[1]], dict(zip(_COLUMNS, row, strict=True))


def _checksum(row) -> str:
    return hashlib.sha256(repr(tuple(row)).encode()).hexdigest()[:16]


def _locked(path: Path) -> sqlite3.Connection:
    """Keep others from writing until the connection is closed, or its process ends however.

    SQLite's own lock on a file beside the database: the database itself stays free to be read.
    """
    try:
        lock = sqlite3.connect(path.with_suffix(".lock"), timeout=0, isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            raise ValueError(f"{path.name}: another sweep is writing to it") from error
        raise ValueError(f"folder = {str(path.parent)!r}: must be one to write to") from error
    return lock
