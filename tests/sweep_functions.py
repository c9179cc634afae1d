"""Sweeps for the tests, in a module that worker processes can import.

Each has an axis ``place`` with one folder as its value, through which a test talks to the runs:
every run is logged there, and an order left there is carried out by one run.
"""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

from grokbook.sweep.grid import Grid, Quantity, Sweep

VALUES = Quantity("1", "a value")


def draw(seed, a, b, place):
    """A result in which every bit depends on the numerical libraries; b is a word."""
    log(place, f"{a} {b} {seed}")
    if a == 2.0:
        obey(place)
    matrix = np.random.default_rng(seed).standard_normal((80, 80))
    largest = np.linalg.eigvalsh(matrix @ matrix.T)[-1]
    return {"largest": a * largest, "never": np.inf if b == "left" else np.nan}


def fragile(seed, a, b, place):
    """Fails for one cell as long as the order is there."""
    log(place, f"{a} {b} {seed}")
    if a == 2.0 and b == "left" and (Path(place) / "fail").exists():
        np.linalg.cholesky(-np.eye(2))
    return {"largest": a, "never": np.nan}


def threads(seed, a, b, place):
    """How many threads the numerical libraries have."""
    return {"largest": max(one["num_threads"] for one in threadpool_info()), "never": 0}


def deadly(seed, a, b, place):
    """Kills every worker that tries one of its cells."""
    if a == 2.0:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"largest": a, "never": 0}


def silent(seed, a, b, place):
    """Does not come back for long in one of its cells."""
    time.sleep(600 if a == 2.0 else 0)
    return {"largest": a, "never": 0}


STEP = [0, 10, 100]


def curve(seed, a, b, place):
    """A loss at three steps beside a number; one run is too short."""
    log(place, f"{a} {b} {seed}")
    loss = a + np.random.default_rng(seed).random(2 if a == 5.0 else 3)
    return {"largest": loss.max(), "never": loss}


def wrong(seed, a, b, place):
    """Returns something else than declared."""
    return {"largest": "much"} if b == "left" else {"largest": "much", "never": 0}


def log(place, line):
    """One line to the list of runs, whole even if several processes write."""
    with open(Path(place) / "calls", "a", encoding="utf-8") as file:
        file.write(line + "\n")


def calls(place):
    """The runs that were begun."""
    return (Path(place) / "calls").read_text("utf-8").splitlines()


def obey(place):
    """Once: send a signal to a process, to its group, or to this worker."""
    order = Path(place) / "order"
    with suppress(FileNotFoundError):
        target, number = order.read_text("utf-8").split()
        order.unlink()  # of two that read it one gets here
        if target.startswith("group"):
            os.killpg(int(target[5:]), int(number))
        else:
            os.kill(int(target) if target != "worker" else os.getpid(), int(number))
        time.sleep(3)  # on a busy machine the other runs end before the signal arrives


def sweep(place, function=draw, *, n_seeds=4, n_a=6, **more):
    """A sweep over a, b and the place."""
    where = {"b": ["left", "right"], "place": [str(place)]}
    return Sweep(
        name="a-sweep",
        function=function,
        axes=dict.fromkeys(("a", "b", "place"), VALUES),
        outputs={"largest": VALUES, "never": VALUES},
        grids={
            "small": Grid({"a": [1, 3.0], **where}, 2, 0.01),
            "book": Grid({"a": [float(k) for k in range(1, n_a + 1)], **where}, n_seeds, 0.01),
        },
        about="for the tests",
        **more,
    )
