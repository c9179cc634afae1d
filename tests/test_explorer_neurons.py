"""The explorer *Neurons turning*: its mathematics against the run it shows, and its page."""

import json

import numpy as np
import pytest

import recorded_neurons
import recordings
from grokbook.xor import simulate

MODULE = "neurons.js"
PAGE, NAME = "book/xor/02-features-emerge.html", "neurons"
ANGLES = 2 * np.pi * np.arange(7200) / 7200
DIRECTIONS = np.array([np.cos(ANGLES), np.sin(ANGLES)])


@pytest.fixture(scope="module")
def run():
    """The run behind the recording."""
    return recorded_neurons.record()


@pytest.fixture(scope="module")
def packed(run):
    """The recording, as the page receives it."""
    return json.loads(json.dumps(recorded_neurons.pack(run)))


def outputs(places, sign):
    """The package's network at all angles: sum over neurons of a_j relu(w_j · u); (n, 7200)."""
    return np.array([sign @ np.maximum(one.T @ DIRECTIONS, 0) for one in places])


def test_unpacks_the_recording(engine, packed, run):
    script = "(m, one) => { const r = m.unpack(one); return [r.neurons, r.points]; }"
    neurons, points = engine(MODULE, script, packed)
    longest = np.abs(run.projection).max(axis=(1, 2))
    wanted = np.swapaxes(run.projection / longest[:, None, None], 1, 2).reshape(61, -1)
    assert np.abs(np.array(neurons) - wanted).max() < 0.51 / recordings.FULL
    assert np.abs(points).max() == packed["reach"]


def test_output_on_the_plane_is_the_networks(engine, packed, run):
    """Of the recorded numbers to rounding; of the run itself within the recording's digits."""
    script = """(m, [packed, xs, ys]) => {
      const { neurons, sign } = m.unpack(packed);
      const at = (place) => xs.map((x, k) => m.output(place, sign, x, ys[k]));
      return [neurons, neurons.map(at)];
    }"""
    neurons, found = engine(MODULE, script, [packed, *DIRECTIONS[:, ::10]])
    recorded = np.swapaxes(np.array(neurons).reshape(61, -1, 2), 1, 2)
    size = np.abs(recorded).sum(axis=(1, 2))[:, None]
    wanted = outputs(recorded, run.data.sign)[:, ::10]
    assert np.abs(np.array(found) - wanted).max() < 1e-13 * size.max()
    longest = np.abs(run.projection).max(axis=(1, 2))[:, None, None]
    true = outputs(run.projection / longest, run.data.sign)[:, ::10]
    assert np.abs(found - true).max() < len(run.data.sign) / recordings.FULL


def test_the_boundary_is_where_the_network_changes_sign(engine, packed, run):
    script = """(m, packed) => {
      const { neurons, sign } = m.unpack(packed);
      return neurons.map((place) => {
        const found = m.wedges(place, sign);
        const at = (angle) => m.output(place, sign, Math.cos(angle), Math.sin(angle));
        return [found, m.boundary(found).map(at)];
      });
    }"""
    found = engine(MODULE, script, packed)
    longest = np.abs(run.projection).max(axis=(1, 2))[:, None, None]
    true = outputs(run.projection / longest, run.data.sign)
    for (wedges, zeros), row in zip(found, true, strict=True):
        assert np.abs(zeros).max() < 1e-11
        assert len(wedges) % 2 == 0
        told = np.zeros(len(ANGLES))
        for one in wedges:
            inside = (ANGLES - one["from"]) % (2 * np.pi) < one["to"] - one["from"]
            told[inside] = one["label"]
        sure = np.abs(row) > len(run.data.sign) / recordings.FULL
        assert sure.mean() > 0.97
        assert np.array_equal(told[sure], np.sign(row[sure]))


def test_zeros_on_a_kink_and_networks_without_boundary(engine):
    """A cross of four equal neurons has the diagonals; one neuron, half a plane of zero."""
    cross = [[1, 0, -1, 0, 0, 1, 0, -1], [1, 1, -1, -1]]
    # Opposite neurons of opposite signs: zero on the very line on which both switch.
    line = [[1, 0, -1, 0], [1, -1]]
    alone, nothing = [[1, 0], [1]], [[0, 0], [1]]
    script = """(m, all) => {
      const found = all.map((one) => m.wedges(...one));
      return found.map((one) => [m.boundary(one), one]);
    }"""
    (rays, wedges), (straight, _), (half, two), (zero, whole) = engine(
        MODULE, script, [cross, line, alone, nothing]
    )
    assert rays == pytest.approx(np.pi / 4 * np.array([1, 3, 5, 7]), abs=1e-12)
    assert sorted((one["label"], round(np.cos(one["from"] + one["to"]))) for one in wedges) == [
        (-1, -1),
        (-1, -1),
        (1, 1),
        (1, 1),
    ]
    assert straight == pytest.approx([np.pi / 2, 3 * np.pi / 2], abs=1e-12)
    assert half == straight
    assert sorted(one["label"] for one in two) == [0, 1]
    assert zero == []
    assert [one["label"] for one in whole] == [0]


def test_the_share_of_turned_neurons_is_the_runs(engine, packed, run):
    script = """(m, packed) => {
      const { neurons, sign } = m.unpack(packed);
      return neurons.map((place) => m.turnedTo(place, sign));
    }"""
    found = engine(MODULE, script, packed)
    lead = np.abs(run.projection[:, 0]) - np.abs(run.projection[:, 1])
    wanted = (run.data.sign * lead > 0).mean(axis=1)
    assert found == pytest.approx(wanted, abs=0.011)
    assert found[0] < 0.6
    assert found[-1] > 0.9


def test_the_run_is_the_packages(run):
    """The coordinates shown are projections of the trained network, not of a copy."""
    again = simulate.descend(
        recorded_neurons.SETTING, [0, 100], recorded_neurons.SEED, loss="linear"
    )
    k = recorded_neurons.STEP.index(min(recorded_neurons.STEP, key=lambda one: abs(one - 100)))
    assert np.array_equal(again.projection[0], run.projection[0])
    moved = np.abs(run.projection[k] - again.projection[1]).max()
    assert moved < 0.1 * np.abs(again.projection[1]).max()


# --- The page --------------------------------------------------------------------------------

paged = [pytest.mark.site, pytest.mark.browser]
BOX = f'[data-explorer="{NAME}"]'


STARTED = """() => {
  const typed = document.querySelector("[data-explorer=neurons] input[type=text]");
  return Number(typed.value) >= 5;
}"""


class TestPage:
    pytestmark = paged

    def test_shows_the_recorded_run_and_never_moves_by_itself(self, opened, packed):
        """Where motion is unwelcome: no Play, steps by hand."""
        tab = opened(PAGE, NAME)
        box = tab.locator(BOX)
        assert box.locator("svg[role=img]").count() == 2
        assert not box.get_by_role("button", name="Play").count()
        shows_the_recorded_run(box, packed)
        works_from_the_keyboard_and_says_one_sentence(tab, box, packed)
        assert not tab.heard

    def test_plays_from_a_click_only(self, opened):
        tab = opened(PAGE, NAME, reduced_motion="no-preference")
        box = tab.locator(BOX)
        typed = box.get_by_label("Step, typed")
        tab.wait_for_timeout(600)
        assert typed.input_value() == "0"
        box.get_by_role("button", name="Play").click()
        tab.wait_for_function(STARTED)
        box.get_by_role("button", name="Pause").click()
        stopped = typed.input_value()
        tab.wait_for_timeout(600)
        assert typed.input_value() == stopped
        # A hand on the controls stops it too.
        box.get_by_role("button", name="Play").click()
        box.get_by_role("button", name="the start").click()
        tab.wait_for_timeout(600)
        assert typed.input_value() == "0"

    def test_follows_its_address(self, opened):
        tab = opened(PAGE, NAME, f"#{NAME}?step=398")
        assert "Step 398" in tab.locator(f"{BOX} .says").inner_text()

    def test_without_its_recording_one_line_says_so(self, browser, address):
        with browser.new_context() as context:
            tab = context.new_page()
            tab.set_default_timeout(120_000)
            tab.route("**/neurons.json", lambda route: route.fulfill(status=404))
            tab.goto(f"{address}{PAGE}#{NAME}?step=1")
            tab.locator(f'{BOX}[data-state="failed"]').wait_for()
            assert "still figure stands for it" in tab.locator(BOX).inner_text()


def shows_the_recorded_run(box, packed):
    box.get_by_role("button", name="the end").click()
    said = box.locator(".says").inner_text()
    assert said.startswith("Step 3,162: 100 % of the training labels and 100 % of the test")
    assert "4 rays" in said
    # All neurons, each a dot.
    drawn = box.locator("path.neuron").evaluate_all(
        "paths => paths.map(one => one.getAttribute('d').split('h0').length - 1)"
    )
    assert len(packed["sign"]) <= sum(drawn) <= len(packed["sign"]) + 2  # and two in the key
    box.get_by_role("button", name="all labels fitted").click()
    step = packed["step"][packed["train"].index(1.0)]
    assert box.get_by_label("Step, typed").input_value() == str(step)


def works_from_the_keyboard_and_says_one_sentence(tab, box, packed):
    slider = box.get_by_label("Step", exact=True)
    slider.focus()
    tab.keyboard.press("End")
    tab.keyboard.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == f"step {packed['step'][-2]:,}"
    live = box.locator("[aria-live=polite]")
    live.filter(has_text=f"Step {packed['step'][-2]:,}").wait_for(state="attached")
    assert live.count() == 1
