"""*Grok live*: the page trains what the package trains, and shows what it says."""

import csv
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from explorers import FOLDER, ROOT, in_node, violations
from grokbook import curves, randomness
from grokbook.modular import (
    MLP,
    SGD,
    AdamW,
    Arm,
    CrossEntropy,
    Pairs,
    Setting,
    StableMaxCrossEntropy,
    fourier,
)

PAGE = "book/grok-live.html"
CHAPTER = "book/modular/01-grokking-modular-addition.html"
OWN = ("kernel", "seeds", "mlp", "worker", "grok-live", "grok-live-explorer")
# What the page's settings are called there, and a small network in double precision.
SMALL = {
    "p": 31,
    "share": 0.7,
    "width": 64,
    "loss": "float64",
    "optimiser": "adamw",
    "rate": 0.01,
    "decay": 0,
    "relative": False,
    "beta2": 0.99,
    "double": True,
}
# A run of n steps, recorded at every tenth; with `vectors` or in loops.
RUN = """(module, { setting, vectors, n, weights, pairs }) => {
  const trainer = new module.Trainer(setting, { vectors, weights: weights?.map(
    (part) => Float64Array.from(part)), pairs });
  const records = [];
  for (let step = 0; step < n; step += 1) {
    const record = trainer.advance(step % 10 === 0);
    if (record) records.push(record);
  }
  records.push(trainer.look());
  return { records, weights: trainer.getWeights().map((part) => Array.from(part)).flat(),
           spectrum: trainer.spectrum(), vectors: trainer.kernel.vectors };
}"""
CURVES = {
    "trainLoss": "train_loss",
    "testLoss": "test_loss",
    "trainAccuracy": "train_accuracy",
    "testAccuracy": "test_accuracy",
}


def of_the_package(values):
    """The package's setting of what the page calls so."""
    stable = values["loss"] == "stablemax"
    rates = {"weight_decay": values["decay"], "relative": values["relative"]}
    adam = AdamW(values["rate"], beta2=values["beta2"], **rates)
    optimizer = {
        "adamw": adam,
        "perp": replace(adam, epsilon=1e-8, orthogonal="rescaled"),
        "sgd": SGD(values["rate"], **rates),
    }[values["optimiser"]]
    return Setting(
        Pairs(p=values["p"]),
        values["share"],
        partial(MLP.on, width=values["width"]),
        StableMaxCrossEntropy(complement=True) if stable else CrossEntropy(values["loss"]),
        optimizer,
        double=values.get("double", False),
        gradient_scale=1e10 if stable and values["optimiser"] != "sgd" else 1.0,
    )


# Without vector instructions torch rounds a uniform draw at two other places.
DRAWN = 4 * 2.0**-24 if torch.backends.cpu.get_cpu_capability() == "DEFAULT" else 0.0


def far(one, other):
    """Largest difference as a part of the largest value."""
    one, other = np.asarray(one, float), np.asarray(other, float)
    return np.max(np.abs(one - other)) / max(np.max(np.abs(other)), 1e-300)


# --- The random numbers ---------------------------------------------------------------------


def test_a_seed_draws_what_numpy_and_torch_draw(engine):
    seeds = [0, 1, 7, 123456, 2**32 + 5, 2**40 + 3]
    script = "(module, seeds) => seeds.map((seed) => module.permutation(961, seed))"
    for seed, order in zip(seeds, engine("seeds.js", script, seeds), strict=True):
        assert order == np.random.default_rng(seed).permutation(961).tolist()
    script = """(module, seeds) => seeds.map((seed) => {
      const draw = module.uniform(seed);
      return [...draw(3000, 0.127), ...draw(1000, 1 / 3)];
    })"""
    for seed, drawn in zip(seeds, engine("seeds.js", script, seeds), strict=True):
        generator = torch.Generator().manual_seed(seed)
        parts = [torch.empty(3000).uniform_(-0.127, 0.127, generator=generator)]
        parts.append(torch.empty(1000).uniform_(-1 / 3, 1 / 3, generator=generator))
        assert far(drawn, torch.cat(parts)) <= DRAWN


def test_a_seed_of_the_page_is_a_seed_of_the_package(engine):
    seed = randomness.shifted(3)
    script = """(module, setting) => ({ pairs: module.drawPairs(setting),
      weights: module.drawWeights(setting).map((part) => Array.from(part)).flat() })"""
    found = engine("mlp.js", script, SMALL | {"seed": seed})
    setting = of_the_package(SMALL)
    train, test = setting.data(3)
    pairs = torch.cat([train.inputs, test.inputs]) @ torch.tensor([31, 1])
    assert found["pairs"] == {"order": pairs.tolist(), "nTrain": len(train)}
    assert far(found["weights"], setting.initial(3)) <= DRAWN


# --- The products ---------------------------------------------------------------------------

PRODUCTS = """(module, [name, numbers]) => {
  const results = [true, false].map((vectors) => {
    const { numbers: x, product, vectors: used } = module.openKernel(name, 30000, vectors);
    x.set(numbers);
    product(0, 72, 10000, 1, 80, 20000, 80, 64, 64, 59, false);
    product(5000, 72, 10000, 80, 1, 20000, 80, 12, 40, 33, true);
    return [used, Array.from(x)];
  });
  return { used: results.map(([used]) => used), results: results.map(([, x]) => x) };
}"""


@pytest.mark.parametrize(("name", "within"), [("float64", 1e-13), ("float32", 1e-5)])
def test_loops_and_vectors_multiply_matrices_alike(engine, name, within):
    rng = randomness.generator(5)
    numbers = rng.normal(size=30000).astype(name)
    found = engine("kernel.js", PRODUCTS, [name, numbers])
    assert found["used"] == [True, False]
    fast, slow = (np.array(one) for one in found["results"])
    if name == "float64":
        assert fast.tolist() == slow.tolist()  # bit for bit
    assert far(slow, fast) < within

    def matrix(at, rows, columns, row, column=1):
        index = at + row * np.arange(rows)[:, None] + column * np.arange(columns)
        return numbers[index].astype(float)

    right = matrix(20000, 59, 64, 80)
    wanted = matrix(10000, 64, 59, 1, 80) @ right
    assert far(fast[: 64 * 72].reshape(64, 72)[:, :64], wanted) < within
    more = matrix(10000, 12, 33, 80) @ right[:33, :40] + matrix(5000, 12, 40, 72)
    assert far(fast[5000 : 5000 + 12 * 72].reshape(12, 72)[:, :40], more) < within


# --- The losses -----------------------------------------------------------------------------

LOSS = """(module, [name, logits, labels]) => {
  const loss = module.lossOf(name, logits[0].length);
  return logits.map((line, k) => {
    const row = Float64Array.from(line);
    const { value, collapsed } = loss(row, labels[k]);
    return { value, collapsed, gradient: row };
  });
}"""


def terms_of(loss, logits, labels):
    return loss.terms(torch.from_numpy(logits), torch.from_numpy(labels))


def test_a_number_is_rounded_to_float16_as_numpy_rounds_it(engine):
    rng = randomness.generator(0)
    bits = rng.integers(2**32, size=20000, dtype=np.uint32)
    numbers = bits.view(np.float32)
    numbers = np.concatenate([numbers[np.isfinite(numbers)], np.arange(65472, 65600, 8.0)])
    ties = (np.arange(2048) + 0.5) * 2.0**-24  # halfway between neighbours, subnormal ones too
    numbers = np.concatenate([numbers, ties, -ties, ties * 2**20, [0.0, 1e-9, -1e-9]])
    with np.errstate(over="ignore"):
        wanted = numbers.astype(np.float32).astype(np.float16).astype(float)
    found = engine("mlp.js", "(module, x) => x.map(module.half)", numbers.astype(np.float32))
    assert found == wanted.tolist()


@pytest.mark.parametrize("name", ["float64", "float32", "float16", "stablemax"])
def test_a_loss_is_the_packages_loss(engine, name):
    rng = randomness.generator(1)
    logits = rng.normal(size=(200, 31)) * np.geomspace(0.1, 100, 200)[:, None]
    labels = np.where(rng.random(200) < 0.7, logits.argmax(axis=1), rng.integers(31, size=200))
    logits = logits.astype(np.float32).astype(float)
    loss = StableMaxCrossEntropy(complement=True) if name == "stablemax" else CrossEntropy(name)
    wanted = terms_of(loss, logits, labels)
    found = engine("mlp.js", LOSS, [name, logits, labels])
    collapsed = np.array([one["collapsed"] for one in found])
    # float32 sums differ by their order, which decides for a sum close to 1.
    assert np.mean(collapsed != wanted.collapsed.numpy()) < (0.02 if name == "float32" else 1e-9)
    same = collapsed == wanted.collapsed.numpy()
    assert (0.02 < collapsed.mean() < 0.9) != (name == "stablemax")
    # A spacing below 1, or rounding of the wider formats.
    step = {"float64": 1e-14, "stablemax": 1e-14, "float32": 3e-7, "float16": 2**-10}[name]
    value = np.array([one["value"] for one in found])
    off = np.abs(value - wanted.value.double().numpy()) / (1 + np.abs(value))
    assert off[same].max() <= step
    gradient = np.array([one["gradient"] for one in found])
    assert np.abs(gradient - wanted.gradient.double().numpy())[same].max() <= step


# --- Training -------------------------------------------------------------------------------

# Arms are followed for 100 steps, but StableMax with relative steps for 50: by step 100 a rounding
# of the learning rate moves the package's own weights by 1e-6 (by step 50, by 4e-13).
STEPS = {"StableMax, relative": 50}
ARMS = {
    "decay": {"decay": 3},
    "plain": {},
    "decay, relative": {"decay": 1, "relative": True},
    "StableMax": {"loss": "stablemax", "beta2": 0.95},
    "StableMax, relative": {"loss": "stablemax", "beta2": 0.95, "relative": True},
    "⊥AdamW": {"optimiser": "perp", "rate": 0.02, "beta2": 0.999},
    "SGD": {"optimiser": "sgd", "rate": 1, "decay": 1e-3},
}


@pytest.mark.parametrize("arm", ARMS)
def test_the_first_steps_in_double_precision_are_the_packages(engine, arm):
    values = SMALL | ARMS[arm] | {"seed": randomness.shifted(0)}
    steps = STEPS.get(arm, 100)
    trainer = of_the_package(values).trainer(0)
    weights = [part.detach().reshape(-1).numpy() for part in trainer.network.parameters()]
    given = {"setting": values, "vectors": True, "n": steps, "weights": weights}
    found = engine("mlp.js", RUN, given)
    assert found["vectors"]
    run = trainer.run(range(0, steps + 1, 10))
    assert far(found["weights"], trainer.weights.numpy()) < 1e-9
    for ours, theirs in CURVES.items():
        record = [one[ours] for one in found["records"]]
        assert far(record, getattr(run.curves, theirs)) < 1e-9
    assert [one["collapsed"] for one in found["records"]] == run.collapsed.tolist()
    assert far([one["norm"] for one in found["records"]], run.weight_norm) < 1e-9
    table = trainer.network.first.detach().numpy()[:31]
    assert far(found["spectrum"], fourier.spectrum(table)) < 1e-9


@pytest.mark.parametrize("arm", ["decay", "⊥AdamW", "StableMax"])
def test_loops_and_vectors_train_to_the_same_bits(engine, arm):
    setting = SMALL | ARMS[arm] | {"seed": 2, "p": 23, "width": 40}
    fast, slow = (
        engine("mlp.js", RUN, {"setting": setting, "vectors": vectors, "n": 60})
        for vectors in (True, False)
    )
    assert fast["vectors"]
    assert not slow["vectors"]
    assert fast["weights"] == slow["weights"]
    assert fast["records"] == slow["records"]


def test_weights_and_pairs_can_be_given(engine):
    setting = of_the_package(SMALL)
    train, test = setting.data(4)
    pairs = torch.cat([train.inputs, test.inputs]) @ torch.tensor([31, 1])
    trainer = setting.trainer(5)  # the weights of one seed, the pairs of another
    weights = [part.reshape(-1) for part in trainer.network.parameters()]
    given = {
        "setting": SMALL | {"seed": 0},
        "vectors": True,
        "n": 0,
        "weights": [part.detach().numpy() for part in weights],
        "pairs": {"order": pairs.numpy(), "nTrain": len(train)},
    }
    found = engine("mlp.js", RUN, given)
    logits = trainer.network(train.inputs)
    loss = float(setting.loss(logits.detach(), train.labels))
    assert far([found["records"][0]["trainLoss"]], [loss]) < 1e-12
    assert found["weights"] == trainer.weights.tolist()


@pytest.mark.filterwarnings("ignore:the loss is")
def test_a_loss_that_is_not_finite_ends_the_run(engine):
    script = """(module, setting) => {
      const trainer = new module.Trainer(setting);
      for (let k = 0; k < 200 && !trainer.ended; k += 1) trainer.advance();
      return [trainer.step, trainer.ended];
    }"""
    values = SMALL | {"optimiser": "sgd", "rate": 1e8, "seed": 0, "double": False}
    step, ended = engine("mlp.js", script, values)
    assert 0 < step < 100
    assert re.fullmatch(rf"The loss is .* at step {step}: .*", ended)


# --- Many runs ------------------------------------------------------------------------------

# Each run with records of five steps until 95 % of the test pairs have held for four.
TIMES = """(module, settings) => settings.map((setting) => {
  const trainer = new module.Trainer(setting), records = [];
  for (let held = 0; trainer.step < setting.steps && held < 4; ) {
    const record = trainer.advance(trainer.step % 5 === 0);
    if (!record) continue;
    records.push(record);
    held = record.testAccuracy >= 0.95 ? held + 1 : 0;
  }
  return records.map(({ step, trainAccuracy, testAccuracy }) =>
    [step, trainAccuracy, testAccuracy]);
})"""


def times_in_node(settings):
    """Steps of 95 % train and test accuracy of each run, in the float32 network of the page."""
    # A few at a time: a busy machine gives node five minutes for each call.
    parts = [settings[first : first + 4] for first in range(0, len(settings), 4)]
    found = [one for part in parts for one in in_node("mlp.js", TIMES, part)]
    runs = [np.array(one).T for one in found]
    return np.array(
        [[curves.crossing_time(step, one, 0.95) for one in records] for step, *records in runs]
    )


def test_the_median_step_is_the_packages_over_twenty_seeds(engine):
    if engine is not in_node:
        pytest.skip("one engine is enough: the arithmetic of the two is compared above")
    values = SMALL | {"share": 0.8, "decay": 3, "double": False, "steps": 600}
    runs = [values | {"seed": randomness.shifted(seed)} for seed in range(20)]
    found = times_in_node(runs)[:, 1]
    arm = Arm(of_the_package(values), 600, 5, stop_at=0.95)
    wanted = np.array([run.curves.generalisation_time() for run in arm.runs(range(20))])
    assert np.all(np.isfinite(wanted))
    assert np.all(np.isfinite(found))
    # The same pairs and initial weights: the runs differ by rounding alone.
    assert abs(np.median(found) / np.median(wanted) - 1) < 0.1
    assert np.median(np.abs(found / wanted - 1)) < 0.1


PRESETS = "(module) => module.PRESETS"


@pytest.mark.parametrize("number", range(5))
def test_a_preset_does_what_it_says(engine, number):
    if engine is not in_node:
        pytest.skip("one engine is enough: the page tests run a preset in the other")
    preset = in_node("grok-live.js", PRESETS)[number]
    setting = preset["setting"]
    ((memorised, generalised),) = times_in_node([setting])
    assert memorised < 60
    assert np.isfinite(generalised) == preset["grokked"]


def test_the_pages_python_is_its_first_preset(engine):
    if engine is not in_node:
        pytest.skip("one engine is enough")
    text = (ROOT / "book" / "grok-live.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    code = code.replace("every=5)", "every=5, stop_at=0.95)")
    found = {}
    exec(compile(code, "grok-live.md", "exec"), found)
    setting = in_node("grok-live.js", PRESETS)[0]["setting"]
    ((_, generalised),) = times_in_node([setting | {"seed": randomness.shifted(0)}])
    assert abs(generalised / found["run"].t_gen - 1) < 0.1
    assert found["setting"] == of_the_package(setting).replace(network=found["setting"].network)


# --- How a run is read ----------------------------------------------------------------------


def test_steps_are_read_as_the_book_reads_them(engine):
    rng = randomness.generator(3)
    lifts = np.linspace(0, 0.4, 60)  # some never get there
    rows = [np.sort(rng.random(30)) + up + 0.1 * rng.normal(size=30) for up in lifts]
    rows += [np.ones(30), np.zeros(30), np.linspace(0, 1, 30)]
    rows = np.clip(rows, 0, 1)
    step = np.cumsum(rng.integers(1, 9, size=30)) - 1
    script = """(module, [step, rows]) => rows.map((row) => module.heldFrom(
      row.map((right, k) => ({ step: step[k], right })), "right"))"""
    found = engine("grok-live.js", script, [step, rows])
    wanted = curves.crossing_time(step, rows, 0.95)
    assert 10 < np.isfinite(wanted).sum() < len(rows)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_every_preset_and_start_lies_within_the_limits(engine):
    settings, presets = engine("grok-live.js", "(m) => [m.SETTINGS, m.PRESETS]")
    script = "(m, asked) => asked.map(([spec, value]) => m.fitted(spec, value))"
    asked = [
        [spec, values[spec["name"]]]
        for values in [one["setting"] for one in presets]
        for spec in settings
    ]
    assert len(presets) == 5
    assert len(asked) == 5 * len(settings)
    found = engine("controls.js", script, asked)
    assert found == [[value, ""] for _, value in asked]


def test_its_own_code_is_small():
    assert sum((FOLDER / f"{name}.js").stat().st_size for name in OWN) < 42_000


# --- The page -------------------------------------------------------------------------------

STATE = "document.querySelector('.explorer').live.state"


def button(tab, name):
    """A button of the explorer."""
    return tab.locator(".explorer").get_by_role("button", name=name, exact=True)


def records(tab):
    """What the page has recorded."""
    return tab.evaluate("document.querySelector('.explorer').live.records")


def until(tab, state):
    """Wait for a state of the run."""
    tab.wait_for_function(f"{STATE} === '{state}'", timeout=240_000)


@pytest.mark.site
@pytest.mark.browser
@pytest.mark.parametrize("page", [PAGE, CHAPTER])
def test_a_preset_is_chosen_and_started_by_keyboard(opened, page):
    tab = opened(page, "grok-live")
    assert tab.evaluate(STATE) == "new"
    assert not tab.workers
    assert tab.evaluate("location.hash") == ""
    button(tab, "short delay").focus()
    tab.keyboard.press("Enter")
    assert tab.evaluate(STATE) == "new"
    assert not tab.workers
    assert "optimiser=perp" in tab.evaluate("location.hash")
    button(tab, "Start").focus()
    tab.keyboard.press("Enter")
    until(tab, "ended")
    last = records(tab)[-1]
    assert last["step"] == 200
    assert last["trainAccuracy"] > 0.99
    assert last["testAccuracy"] > 0.95
    said = tab.locator(".explorer .says").inner_text()
    assert re.match(r"Step 200 of 200: .* the new ones hold 95 % from step \d+\.", said)
    tab.wait_for_function("document.querySelector('.explorer .heard').textContent.includes('200')")
    assert button(tab, "Start").is_disabled()
    assert not tab.heard
    described = tab.locator(".explorer svg[role=img] desc").all_text_contents()
    assert len(described) == 4
    assert "frequencies" in described[2]
    assert not violations(tab)  # now that there are curves and a key


@pytest.mark.site
@pytest.mark.browser
def test_a_run_pauses_steps_goes_on_and_is_reset(opened, tmp_path):
    tab = opened(PAGE, "grok-live", reduced_motion="no-preference")
    button(tab, "Start").click()
    tab.wait_for_function("document.querySelector('.explorer').live.records.length > 3")
    button(tab, "Pause").click()
    until(tab, "paused")
    before = records(tab)
    tab.wait_for_timeout(500)
    assert records(tab) == before
    button(tab, "One step").click()
    tab.wait_for_function(
        f"document.querySelector('.explorer').live.records.length > {len(before)}"
    )
    after = records(tab)
    assert after[-1]["step"] == before[-1]["step"] + 1
    steps = [one["step"] for one in after]
    assert steps == sorted(set(steps))
    assert steps[:4] == [0, 1, 2, 3]
    with tab.expect_download() as download:
        button(tab, "Data (CSV)").click()
    download.value.save_as(tmp_path / "run.csv")
    first, *lines = (tmp_path / "run.csv").read_text("utf-8").splitlines()
    assert first.startswith("# #grok-live?p=31&")
    assert "seed=0" in first
    rows = list(csv.DictReader(lines))
    assert [float(row["test_loss"]) for row in rows] == [one["testLoss"] for one in after]
    assert next(iter(rows[0])) == "step"
    assert list(rows[0])[-1] == "weight_norm"
    button(tab, "Go on").click()
    until(tab, "running")
    button(tab, "Reset").click()
    assert tab.evaluate(STATE) == "new"
    assert records(tab) == []
    tab.wait_for_timeout(300)
    assert records(tab) == []
    assert not tab.heard


@pytest.mark.site
@pytest.mark.browser
def test_an_address_carries_the_setting(opened):
    query = "#grok-live?p=37&share=0.6&loss=float16&relative=true&seed=12345678"
    tab = opened(PAGE, "grok-live", query)
    values = "document.querySelector('.explorer').live.form.values"
    assert tab.evaluate(STATE) == "new"
    assert not tab.workers
    found = tab.evaluate(values)
    assert found | {"p": 37, "share": 0.6, "loss": "float16", "relative": True} == found
    assert found["seed"] == 999999
    assert "seed goes from 0 to" in tab.locator(".explorer .message").inner_text()
    tab.locator(".explorer select").nth(1).select_option("perp")
    address = tab.evaluate("location.hash")
    again = opened(PAGE, "grok-live", address)
    assert again.evaluate(values) == tab.evaluate(values)
    again.evaluate("location.hash = '#grok-live?p=23&width=32'")
    again.wait_for_function(f"{values}.width === 32")
    assert again.evaluate(values)["p"] == 23
    assert not tab.heard
    assert not again.heard


@pytest.mark.site
@pytest.mark.browser
def test_where_no_worker_starts_it_says_so(opened):
    tab = opened(PAGE, "grok-live")
    tab.route("**/mlp.js", lambda route: route.abort())
    button(tab, "Start").click()
    tab.wait_for_function(
        "document.querySelector('.explorer .says').textContent.includes('does not train here')"
    )
    assert tab.evaluate(STATE) == "new"
