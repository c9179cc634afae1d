"""The explorer of the two points on a line: its mathematics is the package's, its page answers."""

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from explorers import slider_time
from grokbook.logistic import ToySetting, limits, population, toy

EDGE_CASES = [
    (0.5, 5.0),
    (0.5, 0.7),
    (1.0, 2.0),
    (0.4999999, 30.0),
    (0.5000001, 30.0),
    (0.01, 300.0),
]


def settings(count=200, seed=16):
    """Random settings on both sides of one half, the first where it is delicate."""
    rng = np.random.default_rng(seed)
    found = [ToySetting(*one) for one in EDGE_CASES]
    for k in range(len(EDGE_CASES), count):
        ratio = float(rng.uniform(0.02, 1))
        if k % 2:
            ratio = 0.5 + float(rng.choice([-1, 1]) * 10 ** rng.uniform(-7, -0.5))
        noise = float(10 ** rng.uniform(-0.5, 2.5))
        found.append(ToySetting(ratio, noise, float(10 ** rng.uniform(-3, 0))))
    return found


def for_javascript(setting):
    """The setting as toy.js names it."""
    return {"gap": setting.gap, "noise": setting.noise_scale, "rate": setting.learning_rate}


DEPTHS = np.append(0, np.geomspace(1e-4, 3000, 15))
LEVELS = (0.95, 0.8, 0.99)
ALL = """(module, cases) => cases.map(({ setting, level, depths }) => ({
  ...module.path(depths, setting),
  rest: module.restingSpread(setting.gap),
  time: module.logTimeToAccuracy(level, setting),
  memory: setting.gap > 0 ? module.logTimeToRatio(setting.gap, setting) : -Infinity,
  back: module.depthAt(20, setting),
  edge: module.edgeRatio(level, setting.noise),
  direction: module.direction(setting),
}))"""


def close(found, expected, rtol=1e-10, atol=0.0):
    """Whether all agree, infinities exactly."""
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    special = ~np.isfinite(expected)
    assert np.array_equal(found[special], expected[special])
    np.testing.assert_allclose(found[~special], expected[~special], rtol=rtol, atol=atol)


def expected(cases):
    """What the package says of them, all settings at once: times at learning rate 1."""
    gap, noise = np.transpose([(one.gap, one.noise_scale) for one, _ in cases])
    level = np.array([asked for _, asked in cases])
    depth = DEPTHS, gap[:, None], noise[:, None]
    found = {
        "spread": toy.spread_at(*depth),
        "logStep": toy.log_step_at(*depth),
        "rest": toy.resting_spread(gap),
        "time": np.empty(len(cases)),
        "memory": np.full(len(cases), -np.inf),
    }
    for asked in LEVELS:
        here = level == asked
        found["time"][here] = toy.log_time_to_accuracy(gap[here], noise[here], level=asked)
    # The second point is right once β > e s.
    for k in np.flatnonzero((gap > 0) & (noise**2 * (1 - gap) / 2 > 1 / np.maximum(gap, 1e-300))):
        found["memory"][k] = toy.log_time_to_accuracy(gap[k], noise[k], level=ndtr(gap[k]))
    return found


def test_it_agrees_with_the_package(engine):
    cases = [(one, LEVELS[k % 3]) for k, one in enumerate(settings())]
    sent = [{"setting": for_javascript(s), "level": a, "depths": DEPTHS} for s, a in cases]
    given = engine("toy.js", ALL, sent)
    found = {name: np.array([one[name] for one in given]) for name in given[0]}
    wanted = expected(cases)
    log_rate = np.log([one.learning_rate for one, _ in cases])
    close(found["spread"], wanted["spread"], atol=1e-14)
    close(found["logStep"] + log_rate[:, None], wanted["logStep"], atol=1e-10)
    close(found["rest"], wanted["rest"])
    close(found["time"] + log_rate, wanted["time"], atol=1e-10)
    close(found["memory"] + log_rate, wanted["memory"], atol=1e-8)
    gap, noise = np.transpose([(one.gap, one.noise_scale) for one, _ in cases])
    log_loss = np.logaddexp(-wanted["spread"], gap[:, None] * wanted["spread"]) - np.log(2)
    close(found["logTrainLoss"], log_loss - DEPTHS, atol=1e-10)
    close(found["logTestLoss"], wanted["spread"] ** 2 / 2 - DEPTHS, atol=1e-10)
    accuracy = population.accuracy(-DEPTHS, wanted["spread"])
    close(found["accuracy"], accuracy, rtol=0, atol=1e-10)
    close(toy.log_step_at(found["back"], gap, noise) - log_rate, np.full(len(cases), 20.0))
    z = ndtri([asked for _, asked in cases])
    close((2 * found["edge"] - 1) * noise**2 * z, np.ones(len(cases)), rtol=1e-7)
    times = wanted["time"]
    kinds = [times == np.inf, times == -np.inf, np.isfinite(times), np.isfinite(wanted["memory"])]
    assert min(kind.sum() for kind in kinds) >= 20


PAGE_FACTS = "(module, all) => all.map((one) => module.facts(one))"


def test_what_the_page_draws_is_the_packages(engine):
    asked = [(0.495, 5.0), (0.5, 5.0), (0.512, 5.0), (0.52, 5.0), (0.7, 300.0), (0.3, 300.0)]
    asked += [(0.3, 0.5), (0.7, 0.5), (0.499, 100.0), (0.5, 300.0), (0.501, 20.0), (0.6, 2.0)]
    sent = [{"ratio": ratio, "noise": noise, "level": 0.95} for ratio, noise in asked]
    for found, (ratio, noise) in zip(
        engine("toy-explorer.js", PAGE_FACTS, sent), asked, strict=True
    ):
        path = {name: np.array(values) for name, values in found["path"].items()}
        of = 1 - 2 * ratio, noise
        wanted = toy.log_step_at(path["depth"], *of, learning_rate=0.01)
        close(path["logStep"], wanted, atol=1e-9)
        spread = toy.spread_at(path["depth"], *of)
        close(path["accuracy"], population.accuracy(-path["depth"], spread), rtol=0, atol=1e-10)
        assert np.all(np.diff(path["logStep"]) > 0)
        assert path["logStep"][0] == pytest.approx(0, abs=1e-6)
        assert path["logStep"][-1] == pytest.approx(found["last"] * np.log(10), rel=1e-9)
        time = toy.log_time_to_accuracy(*of, level=0.95, learning_rate=0.01)
        close(found["times"][1], max(0.0, time / np.log(10)), atol=1e-10)


def test_the_direction_is_that_of_the_largest_margin(engine):
    for ratio, noise in ((0.3, 1.0), (0.5, 4.0), (0.75, 1.0), (0.6, 5.0)):
        setting = ToySetting(ratio, noise)
        sent = [{"setting": for_javascript(setting), "level": 0.95, "depths": [1.0]}]
        found = engine("toy.js", ALL, sent)[0]["direction"]
        weight, bias = limits.svm_direction(noise * np.array([[-1.0], [setting.gap]]))
        np.testing.assert_allclose(found, [weight[0], bias], atol=1e-9)


PAGE = "book/logistic/02-a-model-you-can-solve.html"


@pytest.mark.site
@pytest.mark.browser
def test_the_page_answers(opened):
    tab = opened(PAGE, "toy")
    box = tab.locator(".explorer")
    says = box.locator(".says")
    time = np.exp(toy.log_time_to_accuracy(0.01, 5.0, learning_rate=0.01))
    assert f"step {round(time, -3):,.0f}, " in says.inner_text()
    assert "λ\u00a0=\u00a00.51216" in says.inner_text()  # 1/2 + 1 / (2 σ² z)
    ratio = box.get_by_label("first example λ", exact=True)
    ratio.focus()
    for _ in range(25):
        tab.keyboard.press("ArrowRight")
    assert ratio.get_attribute("aria-valuetext") == "0.52"
    accuracy = 100 * ndtr(1 / (25 * 0.04))
    assert f"never reaches 95\u00a0%: it ends at {accuracy:.1f}\u00a0%" in says.inner_text()
    field = box.get_by_label("first example λ, typed", exact=True)
    field.fill("0.512")
    field.press("Enter")
    exponent = toy.log_time_to_accuracy(-0.024, 5.0, learning_rate=0.01) / np.log(10)
    assert f"10{str(int(exponent)).translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))}" in (
        says.inner_text()
    )
    assert slider_time(tab, "first example") < 50
    assert slider_time(tab, "noise") < 50
    assert not tab.heard
