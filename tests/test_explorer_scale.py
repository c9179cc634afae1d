"""The explorer of the sweep of scales: its numbers are the recorded run's, and runs obey it."""

import json
from dataclasses import replace

import numpy as np
import pytest

import recorded_scale
import recordings
from explorers import slider_time
from grokbook.decay import diagonal_setting, diagonal_simulate

PAGE, NAME = "book/decay/02-decay-sweeps-the-scale.html", "scale"


@pytest.fixture(scope="module")
def run():
    """Samples and path behind the recording."""
    return recorded_scale.record()


@pytest.fixture(scope="module")
def packed(run):
    """The recording, as the page receives it."""
    return json.loads(json.dumps(recorded_scale.pack(run)))


def test_unpacks_the_recording(engine, packed, run):
    weights = np.array(engine("scale.js", "(m, one) => m.unpack(one).weights", packed))
    samples, path = run
    wanted = path.weights(samples)[::-1]
    size = np.abs(wanted).max(axis=1, keepdims=True)
    k = recorded_scale.SETTING.n_signal
    assert weights.shape == (len(path.scale), k + recorded_scale.OTHERS)
    assert np.abs((weights - wanted[:, : weights.shape[1]]) / size)[:, :k].max() < 2e-5
    # The others shown are the largest of both ends.
    for end in (0, -1):
        rest = np.abs(wanted[end, k:])
        assert np.isclose(np.abs(weights[end, k:]).max(), rest.max(), rtol=1e-4)
    share = np.abs(wanted[:, :k]).sum(axis=1) / np.abs(wanted).sum(axis=1)
    assert packed["share"] == pytest.approx(share, rel=1e-5)
    assert packed["margin"] == pytest.approx(path.output.min(axis=1)[::-1], rel=1e-5)


@pytest.mark.parametrize(("decay", "later"), [(1e-4, (-0.01, 0.01)), (1e-3, (0.0, 0.2))])
def test_the_path_serves_other_scales_and_nearly_other_decay(engine, packed, run, decay, later):
    """A run from a tenth of the start has the recorded path; with ten times the decay it is late
    by the tenth of an e-fold that the page speaks of."""
    samples, _ = run
    setting = replace(recorded_scale.SETTING, init_scale=10.0, weight_decay=decay)
    clock = diagonal_simulate.grid(9.0, 0.1)
    path = diagonal_simulate.flow(setting, samples, clock)
    curves = diagonal_simulate.curves(setting, samples, path)
    script = """(m, [packed, setting, steps]) => {
      const run = m.unpack(packed);
      const scales = steps.map((step) => m.scaleAt(step, setting));
      return {
        back: scales.map((one) => m.stepAt(one, setting)),
        test: scales.map((one) => m.at(run.test, one, run)),
        level: m.stepAt(m.scaleOf(0.95, run), setting),
      };
    }"""
    asked = {"start": 10.0, "decay": decay, "rate": setting.learning_rate}
    found = engine("scale.js", script, [packed, asked, curves.step])
    assert found["back"] == pytest.approx(curves.step, rel=1e-9, abs=1e-3)
    late = clock > 0.1
    if decay == recorded_scale.SETTING.weight_decay:
        assert np.abs(np.array(found["test"]) - curves.test_accuracy)[late].max() < 0.002
    level = np.interp(0.95, curves.test_accuracy[late], clock[late])
    assert later[0] < level - found["level"] * setting.learning_rate * decay < later[1]


def test_it_shows_a_lazy_start_and_a_rich_end(packed):
    assert packed["train"] == [1.0] * len(packed["train"])
    assert packed["test"][-1] < 0.62
    assert packed["test"][0] > 0.99
    assert packed["share"][-1] < 0.05
    assert packed["share"][0] > 0.6
    assert packed["scale"] == sorted(packed["scale"])
    assert packed["scale"][-1] == pytest.approx(recorded_scale.SETTING.init_scale, rel=1e-3)
    assert np.log(packed["scale"][0]) == pytest.approx(np.log(100) - 11.5, abs=0.01)


def test_the_seed_is_one_of_many(packed):
    """The recorded seed crosses 95 % where others do: no picked run."""
    found = []
    for seed in range(10, 16):
        samples = diagonal_setting.draw(recorded_scale.SETTING, seed)
        path = diagonal_simulate.flow(recorded_scale.SETTING, samples, recorded_scale.CLOCK)
        curves = diagonal_simulate.curves(recorded_scale.SETTING, samples, path)
        late = path.clock > 1
        found.append(np.interp(0.95, curves.test_accuracy[late], -np.log(path.scale[late])))
    own = np.interp(0.95, packed["test"][::-1], -np.log(packed["scale"][::-1]))
    assert min(found) - 1 < own < max(found) + 1


def test_what_is_kept_is_served_without_a_run(tmp_path, monkeypatch):
    first = recordings.kept(recorded_scale).read_bytes()
    assert len(first) <= 60_000

    def refuse():
        raise AssertionError("ran again")

    monkeypatch.setattr(recorded_scale, "record", refuse)
    (written,) = recordings.write(tmp_path, [recorded_scale])
    assert written.read_bytes() == first


@pytest.mark.site
@pytest.mark.browser
def test_the_page_answers(opened):
    tab = opened(PAGE, NAME)
    says = tab.locator(".explorer .says")
    assert "ηλT = ln α +" in says.inner_text().replace("\u00a0", " ")
    before = says.inner_text().split("ln")[1]
    tab.get_by_role("button", name="ten times the start").click()
    assert says.inner_text().split("ln")[1] == before  # the constant does not move
    tab.get_by_role("button", name="the lazy phase").click()
    assert "60 %" in says.inner_text().replace("\u00a0", " ")
    assert slider_time(tab, "scale now") < 16
    assert not tab.heard
