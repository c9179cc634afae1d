"""The explorer of the linear model: its mathematics is the package's, its page answers."""

import math

import numpy as np
import pytest

from explorers import close, slider_time
from grokbook.linear import LinearSetting, decay, theory

NAMES = {
    "aspectRatio": "aspect_ratio",
    "outputs": "d_out",
    "learningRate": "learning_rate",
    "accuracyThreshold": "accuracy_threshold",
    "weightDecay": "weight_decay",
    "initScale": "init_scale",
}
EDGE_CASES = [0.999, 1.0, 1.001, 1 / (1 - 1e-3 / 4), 1.0002, 1.0003, 1e-3, 30.0]


def settings(count=200, seed=16):
    """Random settings, the first of them where it is delicate."""
    rng = np.random.default_rng(seed)
    found = []
    for k in range(count):
        ratio = EDGE_CASES[k] if k < len(EDGE_CASES) else float(np.exp(rng.uniform(-3, 1.2)))
        if k >= len(EDGE_CASES) and k % 5 == 0:
            ratio = 1 + float(rng.choice([-1, 1]) * 10 ** rng.uniform(-6, -2))
        found.append(
            LinearSetting(
                ratio,
                d_out=int(rng.choice([1, 1, 2, 3, 5, 10, 50])),
                learning_rate=float(10 ** rng.uniform(-3, -1)),
                accuracy_threshold=float(10 ** rng.uniform(-6, 0.7)),
                weight_decay=float(rng.choice([0, 0, 10 ** rng.uniform(-6, 0.3)])),
                init_scale=float(rng.choice([0, 1, 1, rng.uniform(0, 3)])),
            )
        )
    return found


def for_javascript(setting):
    """The setting as linear.js names it."""
    return {name: getattr(setting, field) for name, field in NAMES.items()}


STEPS = np.append(0, np.geomspace(0.5, 1e8, 24))
LEVELS = (theory.PAPER_LEVEL, 0.95, 0.6, 0.999)
BOTH = """(module, cases) => cases.map(({ setting, level, steps }) => {
  const both = module.losses(setting, steps);
  return {
    ...both,
    accuracy: both.test.map((one) => module.accuracy(one, setting)),
    limits: module.longTimeLosses(setting),
    level: module.lossLevel(setting, level),
    times: module.crossingTimes(setting, level),
    edge: module.largestRatio(setting, level),
  };
})"""


def test_it_agrees_with_the_package(engine):
    cases = [(one, LEVELS[k % len(LEVELS)]) for k, one in enumerate(settings())]
    sent = [{"setting": for_javascript(s), "level": a, "steps": STEPS} for s, a in cases]
    kinds = {"0": 0, "inf": 0, "between": 0}
    for found, (setting, level) in zip(engine("linear.js", BOTH, sent), cases, strict=True):
        train, test = theory.losses(setting, STEPS)
        close(found["train"], train, rtol=1e-10, atol=1e-300)
        close(found["test"], test, rtol=1e-10, atol=1e-300)
        close(found["accuracy"], theory.accuracy(test, setting), rtol=0, atol=1e-10)
        close(found["limits"], theory.long_time_losses(setting), rtol=1e-10)
        close(found["level"], theory.loss_level(setting, level), rtol=1e-10)
        times = theory.crossing_times(setting, level)
        close(found["times"], times, rtol=1e-10)
        for time in times:
            kinds["0" if time == 0 else "inf" if math.isinf(time) else "between"] += 1
    assert min(kinds.values()) >= 20, kinds


def test_the_edge_is_where_the_limit_of_the_test_loss_is_the_level(engine):
    cases = settings(60, seed=17)
    sent = [{"setting": for_javascript(s), "level": 0.95, "steps": [0.0]} for s in cases]
    finite = 0
    for found, setting in zip(engine("linear.js", BOTH, sent), cases, strict=True):
        edge = found["edge"]
        if not setting.weight_decay:
            assert edge == pytest.approx(decay.largest_ratio(setting, 0.95), rel=1e-12)
        if 0 < edge < math.inf:
            at = LinearSetting(**{name: getattr(setting, name) for name in NAMES.values()}
                               | {"aspect_ratio": edge, "d_in": 10**9})  # fmt: skip
            limit = theory.long_time_losses(at)[1]
            assert limit == pytest.approx(theory.loss_level(setting, 0.95), rel=1e-9)
            finite += 1
    assert finite >= 20
    paper = {"setting": {}, "level": theory.PAPER_LEVEL, "steps": [0.0]}
    edge = engine("linear.js", BOTH, [paper])[0]["edge"]
    assert edge == pytest.approx(1 / (1 - 1e-3 / 4), rel=1e-14)


NUMERICS = """(module, { half, z, p }) => ({
  gamma: half.map(([a, x]) => module.gammaP(a, x)),
  inverse: half.flatMap(([a]) => p.map((one) => module.gammaPInverse(a, one))),
  normal: z.map(module.normal),
  quantile: p.map(module.normalInverse),
})"""


def test_special_functions(engine):
    from scipy import special

    half = [(k / 2, x) for k in (1, 2, 3, 10, 51, 400) for x in np.geomspace(1e-6, 600, 40)]
    z, p = np.linspace(-37, 9, 93), [1e-12, 0.01, 0.3, 0.5, 0.8, 0.95, 0.999999]
    found = engine("numerics.js", NUMERICS, {"half": half, "z": z, "p": p})
    a, x = np.transpose(half)
    np.testing.assert_allclose(found["gamma"], special.gammainc(a, x), rtol=2e-12, atol=1e-300)
    inverse = [special.gammaincinv(one, p) for one, _ in half]
    np.testing.assert_allclose(found["inverse"], np.concatenate(inverse), rtol=1e-11)
    np.testing.assert_allclose(found["normal"], special.ndtr(z), rtol=1e-12)
    np.testing.assert_allclose(found["quantile"], special.ndtri(p), rtol=1e-11, atol=1e-15)


PAGE = "book/linear/01-a-linear-model-groks.html"


def readable(number):
    """Three digits, as the page writes them."""
    return f"{round(number, 2 - math.floor(math.log10(number))):,.0f}"


@pytest.mark.site
@pytest.mark.browser
def test_the_page_answers(opened):
    tab = opened(PAGE, "linear")
    box = tab.locator(".explorer")
    says, heard = box.locator(".says"), box.locator(".heard")
    for time in theory.crossing_times(LinearSetting(0.9), theory.PAPER_LEVEL):
        assert f"step {readable(time)}" in says.inner_text()
    ratio = box.get_by_label("aspect ratio λ", exact=True)
    first = box.get_by_role("button", name="the figure above", pressed=True)
    assert first.count() == 1
    ratio.focus()
    tab.keyboard.press("ArrowRight")
    assert first.count() == 0
    assert ratio.get_attribute("aria-valuetext") == "0.91"
    (_, later) = theory.crossing_times(LinearSetting(0.91), theory.PAPER_LEVEL)
    assert f"step {readable(later)}" in says.inner_text()
    tab.wait_for_function(
        "() => document.querySelector('.heard').textContent"
        " === document.querySelector('.says').textContent"
    )
    field = box.get_by_label("aspect ratio λ, typed", exact=True)
    field.fill("7")
    field.press("Enter")
    assert field.input_value() == "1.5"
    assert (
        box.locator(".message").inner_text() == "aspect ratio λ goes from 0.03 to 1.5: set to 1.5."
    )
    assert "never passes" in says.inner_text()
    tab.wait_for_function(
        "() => document.querySelector('.heard').textContent.includes('set to 1.5')"
    )
    assert "never passes" in heard.inner_text()
    box.get_by_role("button", name="the figure above").click()
    assert first.count() == 1
    assert not box.locator(".message").is_visible()
    assert f"step {readable(theory.crossing_times(LinearSetting(0.9))[0])}"[:6] in says.inner_text()
    box.locator("svg .note", has_text="edge 1.00025").wait_for()
    assert slider_time(tab, "aspect ratio") < 16
    assert slider_time(tab, "threshold") < 16
    assert not tab.heard


@pytest.mark.site
@pytest.mark.browser
def test_an_address_carries_a_setting(opened):
    tab = opened(PAGE, "linear", query="#linear?ratio=1.1&decay=0&outputs=4&scale=x")
    says = tab.locator(".explorer .says").inner_text()
    assert "test accuracy never passes" in says
    assert tab.get_by_label("outputs, typed").input_value() == "3"
    assert "initial scale α must be a number" in tab.locator(".explorer .message").inner_text()
