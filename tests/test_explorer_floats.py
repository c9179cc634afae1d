"""The explorer *What the machine adds up*: its arithmetic against numpy and torch, and its page.

Numbers are compared as they are: a double holds those of every format.  What must agree to the bit
is compared with ==; torch's float32 exp and log, which are not correctly rounded, to one spacing.
"""

import math
import re

import numpy as np
import pytest
import torch

from grokbook import precision, randomness
from grokbook.modular import CrossEntropy

FORMATS = ("float16", "bfloat16", "float32", "float64")
MODULE = "floats.js"
# All of the numbers in one call.
MACHINE = "(m, all) => all.map((one) => m.machine(one.gap, one))"
EXP_LOG = """(m, [gaps, sums, format]) => [
  gaps.map((one) => m.expIn(-one, format)), sums.map((one) => m.logIn(one, format))]"""
PAGE, NAME = "book/modular/02-softmax-collapse.html", "floats"


def torch_in(values, dtype):
    """The numbers as a tensor of a format."""
    return torch.tensor(np.asarray(values), dtype=torch.float64).to(precision.DTYPES[dtype])


def spacings(found, wanted, dtype):
    """Distance of numbers of a format, in numbers between them; of one sign each."""
    return (keys(found, dtype) - keys(wanted, dtype)).abs()


def keys(values, dtype):
    """Bit patterns as whole numbers: neighbours differ by one."""
    tensor = torch_in(values, dtype)
    return tensor.view(precision.INTEGERS[tensor.element_size()]).long()


def settings(n):
    """Random settings of the page: format, classes, position, order, and a gap of the format."""
    rng = randomness.generator(0)
    for k in range(n):
        dtype, classes = FORMATS[k % 4], int(rng.integers(2, 129))
        largest = precision.bounds(dtype, classes)[1]
        gap = float(torch_in(rng.uniform(0, largest + 1), dtype))
        one = {"format": dtype, "classes": classes, "gap": gap}
        order = ("sequential", "pairwise", "lanes")[rng.integers(3)]
        yield one | {"position": int(rng.integers(classes)), "order": order}


def random_terms(rng, dtype):
    """Up to 300 positive numbers of a format, of very different sizes."""
    size = rng.integers(2, 300)
    return torch_in(rng.exponential(size=size) * 10.0 ** rng.integers(-4, 1, size), dtype)


# --- What is exact ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FORMATS[:3])
def test_rounding_is_exact(engine, dtype):
    """Of float32 numbers of all sizes, and of those in the middle between two of the format."""
    rng = randomness.generator(0)
    low, high = (-27, 15) if dtype == "float16" else (-150, 126)
    values = rng.standard_normal(10_000) * 2.0 ** rng.integers(low, high, 10_000)
    values = values if dtype == "float32" else np.float32(values).astype(float)
    numbers = np.sort(torch_in(values, dtype).double().numpy())
    ties = (numbers[:-1] + numbers[1:]) / 2
    units = np.ldexp(1.0, rng.integers(low, high, 2000))
    bits = precision.BITS[dtype]
    ties = np.concatenate([ties, units * (1 + (2 * rng.integers(0, 100, 2000) + 1) * 2.0**-bits)])
    values = np.concatenate([values, ties, [0.0, math.inf, -math.inf, 1e38, -65519.0, 65520.0]])
    found = engine(MODULE, "(m, [all, f]) => all.map((one) => m.round(one, f))", [values, dtype])
    if dtype == "bfloat16":  # which torch makes of float32 numbers
        known = np.float32(values).astype(float) == values
        values, found = values[known], np.array(found)[known]
        assert known.mean() > 0.5
        wanted = torch_in(values, dtype).double().numpy()
    else:
        with np.errstate(over="ignore"):
            wanted = values.astype(dtype).astype(float)
    different = np.flatnonzero(np.array(found, dtype=float) != wanted)
    assert not different.size, (values[different[0]], found[different[0]], wanted[different[0]])


@pytest.mark.parametrize("dtype", FORMATS)
def test_the_bits_shown_are_the_machines(engine, dtype):
    rng = randomness.generator(1)
    values = torch_in(rng.standard_normal(500) * 2.0 ** rng.integers(-27, 14, 500), dtype)
    values = torch.cat([values, torch_in([0.0, -0.0, 1.0, -65504.0, math.inf], dtype)])
    found = engine(
        MODULE,
        "(m, [values, format]) => values.map((one) => m.bitsOf(one, format))",
        [values.double().numpy(), dtype],
    )
    size = values.element_size()
    patterns = values.view(precision.INTEGERS[size]).tolist()
    assert found == [f"{one % 2 ** (8 * size):0{2 * size}x}" for one in patterns]


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize(("ours", "theirs"), [("sequential", "left to right"), ("pairwise",) * 2])
def test_sums_are_the_packages_bit_for_bit(engine, dtype, ours, theirs):
    rng = randomness.generator(2)
    rows = [random_terms(rng, dtype) for _ in range(60)]
    script = "(m, [rows, ...how]) => rows.map((one) => m.sumOf(one, ...how).total)"
    found = engine(MODULE, script, [[row.double().numpy() for row in rows], dtype, ours])
    assert found == [float(precision.ordered_sum(row, theirs)) for row in rows]


@pytest.mark.parametrize("dtype", FORMATS)
def test_eight_partial_sums_are_numpys_and_in_16_bits_torchs(engine, dtype):
    rng = randomness.generator(3)
    rows = [random_terms(rng, dtype) for _ in range(200)]
    script = (
        "(m, [rows, format]) => rows.map((row) =>"
        " m.sumOf(Float64Array.from(row), format, 'lanes').total)"
    )
    found = engine(MODULE, script, [[row.double().numpy() for row in rows], dtype])
    if dtype != "bfloat16":
        assert found == [float(row.numpy().sum()) for row in rows]
    if dtype in FORMATS[:2]:
        assert found == [float(row.sum()) for row in rows]


def test_sums_of_equal_terms_take_no_other_way(engine):
    """Equal terms are added up once; sum and count are those of adding all of them."""
    given = list(settings(200))
    script = """(m, settings) => settings.map((one) => {
      const terms = m.termsOf(m.expIn(-one.gap, one.format), one);
      const add = (odd) => m.sumOf(terms, one.format, one.order, odd);
      return [add(one.position), add(null)];
    })"""
    assert all(short == long for short, long in engine(MODULE, script, given))


def test_gradient_is_torchs_bit_for_bit(engine):
    """From torch's own terms and sum; so is the count of terms that change nothing."""
    given = list(settings(200))
    for one, found in zip(given, engine(MODULE, MACHINE, given), strict=True):
        small, total = torch_in([found["small"], found["total"]], one["format"])
        assert found["right"] == float(1 / total - 1)
        assert found["wrong"] == float(small / total)
        assert found["collapsed"] == bool(total == 1) == (found["right"] == 0)


@pytest.mark.parametrize("dtype", FORMATS[:2])
def test_exp_and_log_of_16_bits_are_torchs(engine, dtype):
    """All numbers of the format in the page's range; two of float16's may round otherwise."""
    every = torch.arange(0, 2**15, dtype=torch.int32).to(torch.int16).view(precision.DTYPES[dtype])
    gaps, sums = every[every <= 48], every[(every >= 1) & (every <= 128)]
    given = [gaps.double().numpy(), sums.double().numpy(), dtype]
    exponentials, logarithms = engine(MODULE, EXP_LOG, given)
    wrong = sum(torch_in(exponentials, dtype) != torch.exp(-gaps))
    wrong += sum(torch_in(logarithms, dtype) != torch.log(sums))
    assert wrong <= (2 if dtype == "float16" else 0)


# --- What is within a spacing ----------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_exp_and_log_are_within_a_spacing_of_torchs(engine, dtype):
    rng = randomness.generator(4)
    gaps = torch_in(rng.uniform(0, 48, 5000), dtype)
    sums = torch_in(1 + rng.exponential(size=5000) * 10.0 ** rng.integers(-7, 2, 5000), dtype)
    given = [gaps.double().numpy(), sums.double().numpy(), dtype]
    exponentials, logarithms = engine(MODULE, EXP_LOG, given)
    for found, wanted in ((exponentials, torch.exp(-gaps)), (logarithms, torch.log(sums))):
        apart = spacings(found, wanted.double().numpy(), dtype)
        assert apart.max() <= 1
        assert (apart > 0).double().mean() < 0.15


def test_two_classes_give_the_packages_loss_and_gradient(engine):
    """With two terms there is one order of summation, and torch's loss is the same computation."""
    given = [one | {"classes": 2, "position": 0} for one in settings(200)]
    differing = 0
    for one, found in zip(given, engine(MODULE, MACHINE, given), strict=True):
        dtype, logits = one["format"], torch_in([[one["gap"], 0.0]], one["format"])
        terms = CrossEntropy(dtype).terms(logits, torch.tensor([0]))
        wanted = [float(terms.value[0]), *terms.gradient[0].double().tolist()]
        mine = [found["loss"], found["right"], found["wrong"]]
        exact = mine == wanted and found["collapsed"] == bool(terms.collapsed[0])
        differing += not exact
        if not exact:
            # A spacing of the term moves the sum by one of its own at most.
            unit = 2.0 ** (1 - precision.BITS[dtype])
            assert dtype in ("float32", "float64")
            assert mine == pytest.approx(wanted, rel=4 * unit, abs=2 * unit)
    assert differing <= 20


@pytest.mark.parametrize("dtype", FORMATS)
def test_collapse_begins_where_rational_numbers_say(engine, dtype):
    places = (0, 1, 5, 40, 112)
    script = "(m, all) => all.map((one) => m.threshold(one))"
    one = {"format": dtype, "classes": 113, "order": "sequential"}
    found = engine(MODULE, script, [one | {"position": k} for k in places])
    wanted = [precision.exact_threshold(dtype, 113, position=k) for k in places]
    assert spacings(found, wanted, dtype).max() <= (dtype == "float64")
    pairwise = engine(MODULE, script, [one | {"position": 0, "order": "pairwise"}])
    theirs = precision.threshold(dtype, 113, order="pairwise")
    assert spacings(pairwise, [theirs], dtype).max() <= 1


def test_the_exact_column_is_right_to_the_last_digits(engine):
    from mpmath import exp, log, mp

    given = list(settings(200))
    script = "(m, all) => all.map((one) => m.exact(one.gap, one))"
    with mp.workdps(50):
        for one, found in zip(given, engine(MODULE, script, given), strict=True):
            small = exp(-mp.mpf(one["gap"]))
            total = 1 + (one["classes"] - 1) * small
            values = {"small": small, "total": total, "loss": log(total)}
            values |= {"right": 1 / total - 1, "wrong": small / total}
            for name, value in values.items():
                assert found[name] == pytest.approx(float(value), rel=1e-14), name


def test_the_curves_end_at_their_thresholds(engine):
    script = """(m, formats) => formats.map((format) => {
      const one = { format, classes: 113, position: 0, order: "sequential" };
      const found = m.curve(one);
      const losses = found.gap.map((gap) => m.machine(gap, one).loss);
      return { ...found, after: m.machine(found.end, one), losses };
    })"""
    for dtype, found in zip(FORMATS, engine(MODULE, script, FORMATS), strict=True):
        assert found["after"]["loss"] == 0
        assert found["losses"] == found["loss"]
        assert min(found["loss"]) > 0
        assert found["end"] == pytest.approx(precision.bounds(dtype)[0], abs=0.04)
        assert found["gap"][-1] == pytest.approx(found["end"], abs=0.07)


def test_the_complement_is_the_packages(engine):
    """Two classes, in one order of summation; 16 bits to the bit, the others to a few spacings."""
    given = [one | {"classes": 2, "position": 0} for one in settings(200)]
    script = """(m, all) => all.map((one) =>
      m.complement(m.expIn(-m.round(one.gap, one.format), one.format), one))"""
    for one, found in zip(given, engine(MODULE, script, given), strict=True):
        dtype, logits = one["format"], torch_in([[one["gap"], 0.0]], one["format"])
        terms = CrossEntropy(dtype, complement=True).terms(logits, torch.tensor([0]))
        wanted = [float(terms.value[0]), *terms.gradient[0].double().tolist()]
        mine = [found["loss"], found["right"], found["wrong"]]
        unit = 2.0 ** (1 - precision.BITS[dtype])
        assert mine == (
            wanted if dtype in FORMATS[:2] else pytest.approx(wanted, rel=4 * unit, abs=0)
        )


# --- The page --------------------------------------------------------------------------------

paged = [pytest.mark.site, pytest.mark.browser]
BOX = f'[data-explorer="{NAME}"]'


def table(tab):
    """The rows of the table: {name: cells}."""
    rows = tab.locator(f"{BOX} table.numbers tbody tr").all()
    texts = [row.locator("th, td").all_inner_texts() for row in rows]
    return {name: cells for name, *cells in texts}


# Milliseconds from the input event to the last line drawn.
TIMES = """(slider) => Array.from({ length: 50 }, (_, k) => {
  slider.value = Math.round((slider.max * (k + 1)) / 52);
  const start = performance.now();
  slider.dispatchEvent(new Event("input"));
  return performance.now() - start;
})"""
OVERFLOW = """(selector) => {
  const one = document.querySelector(selector);
  return one.scrollWidth - one.clientWidth;
}"""


class TestPage:
    pytestmark = paged

    def test_answers(self, opened):
        """One load for all of it: what it shows, the keyboard, its time, what it says, print."""
        tab = opened(PAGE, NAME)
        box = tab.locator(BOX)
        shows_what_the_machine_computes(tab, box)
        works_from_the_keyboard_and_says_one_sentence(tab, box)
        for label in ("Logit gap g", "Classes n"):
            slider = box.get_by_label(label, exact=True)
            # The fastest of fifty, so that a loaded machine passes.
            assert min(slider.evaluate(TIMES)) < 16, label
        text = re.sub(r"\s+", " ", box.locator("xpath=ancestor::section[1]").inner_text())
        assert "have the bits that numpy and torch give" in text
        assert "some are one number beside ours" in text
        assert not tab.heard

    def test_clamps_with_a_message_and_follows_its_address(self, opened):
        box = opened(PAGE, NAME, f"#{NAME}?format=bfloat16&gap=900&classes=10").locator(BOX)
        assert "goes from 0 to 46: set to 46" in box.locator(".message").inner_text()
        assert box.get_by_label("Format", exact=True).input_value() == "bfloat16"
        assert "bfloat16" in box.locator(".says").inner_text()

    def test_its_numbers_fit(self, opened):
        tab = opened(PAGE, NAME)
        for width in (1400, 360):
            tab.set_viewport_size({"width": width, "height": 800})
            assert tab.evaluate(OVERFLOW, f"{BOX} div.numbers") <= 0


def shows_what_the_machine_computes(tab, box):
    assert box.locator("svg[role=img]").count() == 2
    assert table(tab)["sum"][0].startswith("1 + 1.34")
    box.get_by_label("Logit gap g, typed").fill("17")
    box.get_by_label("Logit gap g, typed").press("Enter")
    found = table(tab)
    assert found["sum"][:2] == ["1", "3f800000"]
    assert found["loss"][0] == found["gradient, right"][0] == "0"
    assert found["loss"][2] == found["loss"][3] == "4.64·10⁻⁶"
    assert "each of the 112 small terms" in box.locator(".says").inner_text()
    box.get_by_label("The right class comes").select_option("last")
    assert table(tab)["sum"][0] != "1"
    assert "from gap 21.354 on" in box.locator(".says").inner_text()
    box.get_by_label("Format", exact=True).select_option("float64")
    assert len(table(tab)["sum"][1]) == 16
    box.get_by_label("Format", exact=True).select_option("float32")
    box.get_by_label("The right class comes").select_option("first")


def works_from_the_keyboard_and_says_one_sentence(tab, box):
    box.get_by_label("Logit gap g", exact=True).focus()
    for _ in range(8):
        tab.keyboard.press("ArrowLeft")
    told = box.get_by_label("Logit gap g", exact=True).get_attribute("aria-valuetext")
    assert told == "gap 16.6"
    live = box.locator("[aria-live=polite]")
    live.filter(has_text="The sum is 1 + ").wait_for(state="attached")
    assert live.count() == 1
    assert live.inner_text().count("The sum is") == 1
