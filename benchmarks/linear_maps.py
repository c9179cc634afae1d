"""Paper LE: the phase diagrams of Figure 4, all cells at once against stepping cell by cell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.harness import Benchmark, shortest_seconds
from grokbook.linear import LinearSetting, delay_maps, theory
from grokbook.linear.spectrum import spectral_nodes

N_CELLS = 200
BASE = LinearSetting(0.9)
DECAY = np.geomspace(1e-5, 0.1, N_CELLS)
OUTPUTS = np.round(np.geomspace(1, 1000, N_CELLS))
RATIO = np.linspace(0.02, 1.2, N_CELLS)
MAPS = {
    "weight decay and outputs": {"weight_decay": DECAY, "d_out": OUTPUTS},
    "weight decay and lambda": {"weight_decay": DECAY, "aspect_ratio": RATIO},
    "outputs and lambda": {"d_out": OUTPUTS, "aspect_ratio": RATIO},
}
# Cells that are compared, as indices of rows and columns: delays of some hundred to 20,000 steps.
CELLS = {
    "weight decay and outputs": ([40, 0], [0, 0]),
    "weight decay and lambda": ([20, 80, 60], [149, 80, 130]),
    "outputs and lambda": ([0, 0, 40], [149, 100, 120]),
}


def whole_map(name):
    """Delays of all 40,000 cells; those that are compared."""
    return delay_maps.delay_map(BASE, **MAPS[name])[CELLS[name]]


def by_stepping(name):
    """Delays of the compared cells, each mode multiplied by its factor step after step."""
    (first, rows), (second, columns) = MAPS[name].items()
    out = []
    for i, j in zip(*CELLS[name], strict=True):
        cell = {first: float(rows[i]), second: float(columns[j])}
        if "d_out" in cell:
            cell["d_out"] = int(cell["d_out"])
        memorised, generalised = stepped_times(replace(BASE, **cell))
        out.append(generalised - memorised)
    return np.array(out)


def stepped_times(setting):
    """First steps at which both mean losses are below the level, interpolated in between."""
    nodes, weights = spectral_nodes(setting.aspect_ratio, 1e-4)
    shift = setting.weight_decay / 2
    factor = np.exp(-2 * setting.learning_rate / setting.d_out * (nodes + shift))
    level = 2 * setting.d_out * theory.loss_level(setting)
    left, kept, step = shift / (nodes + shift), np.ones_like(nodes), 0
    times, before = [], [2.0, 2.0]
    shares = [weights * nodes, weights]
    while len(times) < 2:
        kept = kept * factor
        step += 1
        loss = shares[len(times)] @ (kept**2 + ((1 - left) * kept + left) ** 2)
        if loss < level:
            last = before[len(times)]
            times.append(step - 1 + np.log(last / level) / np.log(last / loss))
        before = [loss, loss]
    return times


def limit_of(name):
    """Seconds of the map, and how many exponentials it evaluates at most."""

    def limit(seconds):
        nodes, _ = spectral_nodes(0.9, 1e-7)
        half = np.multiply.outer(np.linspace(0, 1, 400), -nodes[::2])
        one = shortest_seconds(lambda: np.exp(half)) / half.size
        cells = N_CELLS**2
        return (
            f"{cells:,} cells in {seconds:.2g} CPU s (aim: under 10). About {nodes.size // 2} "
            f"nodes a cell: one evaluation of all exponentials of a cell takes "
            f"{1e6 * one * nodes.size / 2:.1f} us, the whole cell {1e6 * seconds / cells:.0f} us, "
            f"for two roots of some six Newton steps."
        )

    return limit


BENCHMARKS = [
    Benchmark(
        name=f"phase diagram over {name}, 200 x 200 cells",
        fast=lambda name=name: whole_map(name),
        obvious=lambda name=name: by_stepping(name),
        what_is_timed="Seconds are for the whole map and for the few compared cells; the ratio is "
        "per cell. Both crossings of each cell, Newton's method on all cells of a lambda together "
        "against multiplying each mode by its factor step after step.",
        tolerance=1e-4,
        floor=100,
        aim=300,
        limit=limit_of(name),
        units=(N_CELLS**2, len(CELLS[name][0])),
    )
    for name in MAPS
]
