"""What the explorers share: charts, controls, the file that starts them."""

import math
import re

import pytest

from explorers import FOLDER, in_chromium

CALL = "(module, calls) => calls.map(([name, ...given]) => module[name](...given))"


def test_numbers_travel_exactly(engine):
    sent = [0.1, -0.0, math.inf, -math.inf, 5e-324, {"a": [1, True, None, "text"]}]
    assert repr(engine("plot.js", "(module, data) => data", sent)) == repr(sent)
    assert math.isnan(engine("plot.js", "() => new Float64Array([NaN])")[0])
    assert engine(
        "plot.js", "(module, data) => data.map(Object.is.bind(null, -0))", [-0.0, 0.0]
    ) == [
        True,
        False,
    ]


def test_numbers_are_readable(engine):
    wanted = {
        0: "0", 0.0026: "0.0026", 22963.4: "23,000", -0.5: "−0.5", 1.2e-7: "1.2·10⁻⁷", 1e9: "10⁹",
        999_999: "10⁶", 0.0009999: "0.001", math.inf: "∞", 3.14159: "3.14",
    }  # fmt: skip
    assert engine("plot.js", CALL, [["readable", one] for one in wanted]) == [*wanted.values()]
    far = {2713.3: "2·10²⁷¹³", 4.14: "13,800", -400: "10⁻⁴⁰⁰", math.inf: "∞", -math.inf: "0"}
    assert engine("plot.js", CALL, [["tenTo", one] for one in far]) == [*far.values()]


AXES = [
    ({"scale": "linear", "min": 0, "max": 1}, 6, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
    ({"scale": "linear", "min": 0, "max": 5e-4}, 3, ["0.0000", "0.0002", "0.0004"]),
    ({"scale": "linear", "min": -3e-6, "max": 3e-6}, 4, ["−2·10⁻⁶", "0", "2·10⁻⁶"]),
    ({"scale": "log", "min": 1e-9, "max": 3}, 5, ["10⁻⁸", "10⁻⁶", "10⁻⁴", "10⁻²", "10⁰"]),
    ({"scale": "log", "min": 0.05, "max": 20}, 5, ["0.1", "1", "10"]),
    ({"scale": "log", "min": 2e-4, "max": 1.2e-3}, 5, ["2·10⁻⁴", "5·10⁻⁴", "0.001"]),
    ({"scale": "decades", "min": 0, "max": 2713}, 3, ["10⁰", "10¹⁰⁰⁰", "10²⁰⁰⁰"]),
    ({"scale": "decades", "min": 0, "max": 3.2}, 9, ["10⁰", "10¹", "10²", "10³"]),
]


def test_ticks(engine):
    for (axis, room, wanted), ticks in zip(
        AXES,
        engine("plot.js", CALL, [["ticks", axis, room] for axis, room, _ in AXES]),
        strict=True,
    ):
        assert [one["label"] for one in ticks] == wanted, axis
        assert len(ticks) <= room
        assert all(axis["min"] * 0.999999 <= one["at"] <= axis["max"] * 1.000001 for one in ticks)


LAMBDA = {"kind": "slider", "name": "ratio", "label": "λ", "min": 0.05, "max": 3, "value": 0.9}
DECAY = LAMBDA | {"label": "γ", "scale": "log", "min": 1e-6, "max": 1, "zero": True}
COUNT = {"kind": "number", "label": "outputs", "min": 1, "max": 9, "step": 1, "value": 2}
LOSS = {"kind": "choice", "label": "loss", "options": [["ce", "a"], ["sm", "b"]], "value": "ce"}
FITS = [
    (LAMBDA, "0.5122", 0.5122, ""),
    (LAMBDA, 7, 3, "λ goes from 0.05 to 3: set to 3."),
    (LAMBDA, "−1", 0.05, "λ goes from 0.05 to 3: set to 0.05."),
    (LAMBDA, "x", 0.9, "λ must be a number: set to 0.9."),
    (LAMBDA, "", 0.9, "λ must be a number: set to 0.9."),
    (DECAY, 0, 0, ""),
    (DECAY, 1e-9, 1e-6, "γ goes from 0 or 10⁻⁶ to 1: set to 10⁻⁶."),
    (DECAY, -1, 0, "γ goes from 0 or 10⁻⁶ to 1: set to 0."),
    (COUNT, "3.4", 3, ""),
    (COUNT, math.inf, 9, "outputs goes from 1 to 9: set to 9."),
    (LAMBDA | {"options": [8, 16, 32]}, "16", 16, ""),
    (LAMBDA | {"options": [8, 16, 32]}, 20, 16, "λ is one of 8, 16, 32: set to 16."),
    (LAMBDA | {"options": [8, 16, 32]}, math.inf, 32, "λ is one of 8, 16, 32: set to 32."),
    (LOSS, "sm", "sm", ""),
    (LOSS, "zz", "ce", "loss: there is no zz; set to ce."),
    ({"kind": "switch", "label": "s"}, "true", True, ""),
]


def test_what_is_asked_is_fitted_to_its_range(engine):
    found = engine("controls.js", CALL, [["fitted", spec, value] for spec, value, _, _ in FITS])
    assert found == [[value, message] for _, _, value, message in FITS]


def test_an_explorers_own_code_is_small_and_asks_no_other_host():
    sizes = {path.name: path.stat().st_size for path in FOLDER.glob("*.js")}
    assert {"boot.js", "plot.js", "controls.js"} <= set(sizes)
    assert sum(sizes[name] for name in ("boot.js", "plot.js", "controls.js")) < 35_000
    for path in FOLDER.glob("*.js"):
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.findall(r"https?://", text), path.name
        assert max(map(len, text.splitlines())) <= 100, path.name


# An element with two charts and a panel, as an explorer makes them; `drawn` draws n points.
MADE = """async (module) => {
  document.body.innerHTML = '<div class="explorer" style="width: 800px"></div>';
  const host = document.querySelector(".explorer");
  const plot = module.chart({ name: "Losses", x: { label: "step", scale: "log" }, y: {} });
  host.append(plot.element);
  const x = Array.from({ length: 200 }, (_, k) => 10 ** (k / 40));
  const curve = (rate, style) => ({ x, y: x.map((t) => Math.exp(-t * rate)), style, name: style });
  const scene = (rate) => ({
    curves: [curve(rate, "train"), curve(rate / 10, "test"), { x: [1, 9], y: [NaN, 1] }],
    marks: [{ x: 10, label: "a" }, { x: 11, label: "b" }, { x: 1e9, label: "outside" }],
    bands: [{ from: 10, to: Infinity, name: "delay" }], description: "Both fall.",
  });
  const took = [];
  for (let k = 1; k <= 60; k += 1) {
    const start = performance.now();
    plot.draw(scene(k / 100));
    took.push(performance.now() - start);
  }
  const image = host.querySelector("svg");
  const described = image.getAttribute("aria-describedby");
  return {
    best: Math.min(...took),
    paths: [...image.querySelectorAll(".curve:not(.mark)")].map((one) => one.getAttribute("d")),
    names: [image.getAttribute("role"), image.getAttribute("aria-label"),
            document.getElementById(described).textContent],
    key: host.querySelector(".key").textContent,
    marks: [...image.querySelectorAll(".note")].map(
      (one) => [one.textContent, one.getAttribute("y")]),
    band: image.querySelector("rect.delay").getAttribute("width"),
  };
}"""


@pytest.mark.browser
def test_a_chart_is_drawn_in_time(browser):
    seen = in_chromium(browser, "plot.js", MADE)
    assert seen["best"] < 4
    assert seen["names"] == ["img", "Losses", "Both fall."]
    assert [path.count("L") for path in seen["paths"]] == [199, 199, 0]
    assert not [path for path in seen["paths"] if "NaN" in path]
    assert seen["key"] == "traintestdelay"
    (a, first), (b, second) = seen["marks"]
    assert (a, b) == ("a", "b")
    assert float(second) > float(first)  # their labels would overlap in one row
    assert float(seen["band"]) > 100
