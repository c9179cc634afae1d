"""The explorer of ridge regression: its mathematics is the package's, its page answers."""

import math

import numpy as np
import pytest
from scipy.special import erf

from explorers import close, slider_time
from grokbook.decay import ridge_theory as theory
from grokbook.decay.ridge_setting import RidgeSetting

NAMES = {
    "nTrain": "n_train",
    "nFeatures": "n_features",
    "weightDecay": "weight_decay",
    "learningRate": "learning_rate",
    "initVariance": "init_variance",
    "teacherNorm": "teacher_norm",
    "labelNoise": "label_noise",
    "threshold": "threshold",
}
STEPS = np.append(0, np.geomspace(0.5, 1e7, 24))
BOTH = """(module, cases) => cases.map(({ setting, steps }) => {
  const both = module.losses(setting, steps);
  return {
    ...both,
    share: both.test.map((one) => module.share(one, setting)),
    facts: [module.nullLoss(setting), module.floor(setting), module.criticalNoise(setting),
            module.sharpTime(setting)],
    times: module.times(setting),
  };
})"""


def settings(count=200, seed=17):
    """Random settings; every third with label noise, every fifth without a teacher."""
    rng = np.random.default_rng(seed)
    found = []
    for k in range(count):
        m = int(rng.choice([100, 400, 1000, 4000]))
        found.append(
            RidgeSetting(
                n_train=int(rng.integers(10, int(0.9 * m))),
                n_features=m,
                weight_decay=float(10 ** rng.uniform(-6, -2)),
                learning_rate=float(rng.choice([1, rng.uniform(0.1, 1)])),
                init_variance=float(10 ** rng.uniform(-2, 4)),
                teacher_norm=float(rng.choice([1, 3])) if k % 5 else 0.0,
                label_noise=0.0 if k % 3 else float(rng.uniform(0, 0.5)),
                threshold=float(10 ** rng.uniform(-4, -1)),
            )
        )
    return found


def test_it_agrees_with_the_package(engine):
    cases = settings()
    sent = [
        {"setting": {name: getattr(one, field) for name, field in NAMES.items()}, "steps": STEPS}
        for one in cases
    ]
    kinds = {"0": 0, "inf": 0, "between": 0}
    for found, setting in zip(engine("ridge.js", BOTH, sent), cases, strict=True):
        train, test = theory.losses(setting, STEPS)
        close(found["train"], train, rtol=1e-10, atol=1e-300)
        close(found["test"], test, rtol=1e-10)
        with np.errstate(divide="ignore"):  # the loss may have gone to 0
            wanted = erf(np.sqrt(setting.threshold / (2 * test)))
        np.testing.assert_allclose(found["share"], wanted, rtol=0, atol=1e-10)
        facts = (theory.null_loss, theory.floor, theory.critical_noise, theory.sharp_time)
        close(found["facts"], [fact(setting) for fact in facts], rtol=1e-10)
        times = theory.times(setting)
        close(found["times"], times, rtol=1e-8)
        for time in times:
            kinds["0" if time == 0 else "inf" if math.isinf(time) else "between"] += 1
    assert min(kinds.values()) >= 10, kinds


PAGE = "book/decay/01-the-clock-of-weight-decay.html"


@pytest.mark.site
@pytest.mark.browser
def test_the_page_answers(opened):
    tab = opened(PAGE, "ridge")
    box = tab.locator(".explorer")
    says = box.locator(".says")
    _, late = theory.times(RidgeSetting())
    assert f"{round(late, -2):,.0f}" in says.inner_text()
    assert "predictor 0 passes too" in says.inner_text()
    box.get_by_role("button", name="noise that stops the clock").click()
    assert "does not come below c by step 10⁹" in says.inner_text()
    box.get_by_role("button", name="a threshold that asks for the teacher").click()
    assert "does not pass" in says.inner_text()
    assert slider_time(tab, "weight decay") < 16
    assert not tab.heard
