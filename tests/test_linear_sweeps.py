"""The linear sweeps beside the theory that knows nothing of them."""

from dataclasses import replace

import numpy as np
import pytest

from grokbook import sweep
from grokbook.linear import delay_maps, experiments
from grokbook.linear.setting import LinearSetting
from grokbook.sweep.grid import Grid

DECLARED = {one.name: one for one in experiments.SWEEPS}


def by_runs(name, n_seeds, **axes):
    """Median times of one cell, made here, in the order of the theory's."""
    grid = Grid({axis: [value] for axis, value in axes.items()}, n_seeds, 0.1)
    found = sweep.run(replace(DECLARED[name], grids={"book": grid}), "book").squeeze()
    return [float(found[f"{event}_time"].median()) for event in ("memorisation", "generalisation")]


def by_theory(d_in, **axes):
    """The same for one cell of an infinite system."""
    lists = {axis: [float(value)] for axis, value in axes.items()}
    return [
        float(one[0, 0]) for one in delay_maps.crossing_maps(LinearSetting(0.5, d_in=d_in), **lists)
    ]


# A run of 1,000 inputs scatters by 5 %, the median of eight by 2 %; finite size adds 1/sqrt(d)
# of the smallest eigenvalues, which are learnt last.
@pytest.mark.parametrize(
    ("name", "d_in", "cell", "tolerance"),
    [
        ("linear-decay", experiments.D_IN, {"aspect_ratio": 0.5, "weight_decay": 1e-3}, 0.08),
        ("linear-decay", experiments.D_IN, {"aspect_ratio": 0.8, "weight_decay": 1e-5}, 0.15),
        ("linear-outputs", experiments.D_IN_FOR_OUTPUTS, {"aspect_ratio": 0.5, "d_out": 4}, 0.15),
    ],
)
def test_a_cell_lies_on_the_theory(name, d_in, cell, tolerance):
    np.testing.assert_allclose(by_runs(name, 8, **cell), by_theory(d_in, **cell), rtol=tolerance)


def test_decay_forbids_generalisation_where_the_theory_says():
    allowed = {"aspect_ratio": 0.5, "weight_decay": 0.01}
    forbidden = {"aspect_ratio": 0.5, "weight_decay": 0.0178}
    for cell, comes in ((allowed, True), (forbidden, False)):
        assert np.isfinite(by_theory(experiments.D_IN, **cell)[1]) == comes
        assert np.isfinite(by_runs("linear-decay", 3, **cell)[1]) == comes


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_the_stored_map_lies_on_the_theory(name):
    kept = sweep.load(DECLARED[name]).sel(aspect_ratio=slice(None, 0.9))
    axes = {axis: kept[axis].values.astype(float) for axis in kept.dims if axis != "seed"}
    d_in = experiments.D_IN if "weight_decay" in axes else experiments.D_IN_FOR_OUTPUTS
    _, predicted = delay_maps.crossing_maps(LinearSetting(0.5, d_in=d_in), **axes)
    found = kept["generalisation_time"].median("seed").values
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(predicted))
    comes = np.isfinite(found)
    assert np.median(found[comes] / predicted[comes]) == pytest.approx(1, abs=0.1)
    np.testing.assert_allclose(found[comes], predicted[comes], rtol=0.35)
