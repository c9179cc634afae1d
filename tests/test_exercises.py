"""Exercises check the reader's answer in the page: right answers, hints, and how they are shown.

What the forms accept is held against the solutions and the outputs of the committed notebooks.
"""

import math
import re
import shutil
from dataclasses import dataclass
from functools import cache

import bs4
import nbformat
import pytest
import yaml

from explorers import SCRIPTS, SITE, served, violations
from grokbook import sweep
from guards import ROOT

MODULE = "../exercises.js"
START = re.compile(r"^\*\*(\d)\. ", re.MULTILINE)
FORM = re.compile(r'<form class="exercise".*?</form>', re.DOTALL)
# What a reader may mean by it, and the number.
SPELT = {
    "1.00025": 1.00025, " 1,00025 ": 1.00025, "40,000": 4e4, "0,055": 0.055, "1,234.5": 1234.5,
    "−4/3": -4 / 3, "3e-4": 3e-4, "10^-18": 1e-18, "10⁻¹⁸": 1e-18, "6 × 10^-8": 6e-8,
    "6·10^(-8)": 6e-8, "2⁻¹⁰": 2**-10, "2**-10": 2**-10, "26 %": 26, ".5": 0.5, "-.5e3": -500,
}  # fmt: skip
NO_NUMBER = ["", " ", "abc", "1/2/3", "2^3^4", "1 or 2", "e5", "--1", "∞", "0x10"]
# A number that only a reader finds who makes the run; it has a test of its own.
SEED = ("phase-diagrams", 3)


@dataclass(frozen=True)
class Exercise:
    """One exercise of a chapter: its cell, its form's attributes, what its check cells print."""

    chapter: str
    number: int
    source: str
    printed: str

    @property
    def name(self):
        return f"{self.chapter}-{self.number}"

    @property
    def form(self):
        (found,) = FORM.findall(self.source)
        return found

    @property
    def data(self):
        """The form's data as the browser's `dataset` has them."""
        marks = bs4.BeautifulSoup(self.form, "html.parser").form.attrs
        return {mark[5:]: said for mark, said in marks.items() if mark.startswith("data-")}

    @property
    def is_choice(self):
        return "choice-1" in self.data

    def listed(self, kind):
        """Its data `kind-1`, `kind-2`, … by their numbers."""
        found = {mark: mark.partition(f"{kind}-") for mark in self.data}
        return {k: self.data[mark] for mark, (before, _, k) in found.items() if k and not before}

    @property
    def slips(self):
        """(wrong number, its hint) in order."""
        return [said.split(": ", 1) for said in self.listed("slip").values()]


def contents():
    """The chapters of the table of contents that are notebooks with exercises."""
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))["parts"]
    names = [entry["file"] for part in parts for entry in part["chapters"]]
    found = [name.removeprefix("book/") for name in names if (ROOT / f"{name}.ipynb").is_file()]
    return [name for name in found if name != "use-it-in-your-own-work"]


CHAPTERS = contents()


@cache
def exercises():
    """Every exercise of the book, in its order."""
    found = []
    for chapter in CHAPTERS:
        notebook = nbformat.read(ROOT / "book" / f"{chapter}.ipynb", as_version=4)
        for k, cell in enumerate(notebook.cells):
            if cell.cell_type == "markdown" and "{dropdown} Solution" in cell.source:
                printed = "".join(printed_after(notebook.cells[k + 1 :]))
                number = int(START.search(cell.source)[1])
                found.append(Exercise(chapter, number, cell.source, printed))
    return found


def printed_after(cells):
    """What the code cells up to the next text print."""
    for cell in cells:
        if cell.cell_type != "code":
            return
        for output in cell.outputs:
            yield output.get("text", "")


each = pytest.mark.parametrize("one", exercises(), ids=lambda one: one.name)


# --- The text ----------------------------------------------------------------------------------


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_each_chapter_checks_two_exercises_or_more(chapter):
    numbers = [one.number for one in exercises() if one.chapter == chapter]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 2


@each
def test_the_form_stands_between_question_and_solution(one):
    between = f"\n\n{one.form}\n\n:::{{dropdown}} Solution\n"
    assert one.source.count(between) == 1
    question = one.source[START.search(one.source).end() : one.source.index(between)]
    assert len(question.strip()) > 40
    # A blank line would end the HTML; text in it would be shown without JavaScript.
    assert "\n\n" not in one.form
    tag = bs4.BeautifulSoup(one.form, "html.parser").form
    assert (tag.get_text(), tag.attrs["hidden"]) == ("", "")
    assert set(tag.attrs) == {"class", "hidden", *(f"data-{mark}" for mark in one.data)}


@each
def test_the_form_is_well_formed(one):
    assert len(one.data["ask"]) >= 5
    if one.is_choice:
        options, hints = one.listed("choice"), one.listed("hint")
        assert list(options) == [str(k) for k in range(1, len(options) + 1)]
        assert 3 <= len(set(options.values())) == len(options)
        assert set(hints) == set(options) - {one.data["answer"]} != set(options)
        said = list(hints.values())
        known = {"ask", "answer", *(f"choice-{k}" for k in options), *(f"hint-{k}" for k in hints)}
    else:
        assert all(math.isfinite(float(one.data[mark])) for mark in ("answer", "tolerance"))
        assert float(one.data["tolerance"]) >= 0
        assert len(one.slips) >= 1
        said = [hint for _, hint in one.slips] + [one.data["hint"]]
        # A hint helps to the answer and does not give it.
        answer = one.data["answer"]
        assert not [hint for hint in said if answer in re.findall(r"[\d.]*\d", hint)]
        known = {"ask", "answer", "tolerance", "hint", *(f"slip-{k}" for k in one.listed("slip"))}
    assert set(one.data) == known
    assert all(len(hint) >= 15 and hint[-1] in ".?" for hint in said)


@each
def test_no_slip_is_an_answer_or_another_slip(one):
    if one.is_choice:
        pytest.skip("a choice")
    answer, tolerance = float(one.data["answer"]), float(one.data["tolerance"])
    share = tolerance / abs(answer) if answer else 0
    wrong = [float(value) for value, _ in one.slips]
    rooms = [(answer, tolerance), *((value, share * abs(value)) for value in wrong)]
    for k, (value, room) in enumerate(rooms):
        for other, other_room in rooms[k + 1 :]:
            assert abs(value - other) > max(room, other_room)


NUMBER = re.compile(r"[−-]?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?")


def numbers(text):
    """Numbers in a text with formulas: also fractions, powers of ten and of two."""
    text = text.replace(r"{,}", ",").replace("−", "-").replace(r"\,", "")
    text = text.replace(r"\times", "×").replace(r"\cdot", "×").replace(r"\ln 2", "0.693147")
    found = [float(one.replace(",", "").rstrip(".")) for one in NUMBER.findall(text)]
    for factor, base, power in re.findall(r"(?:([\d.]+) *× *)?(\d+)\^\{([^{}]*)\}", text):
        if re.fullmatch(r"[-+\d]+", power):
            exponent = sum(int(term) for term in re.findall(r"[-+]?\d+", power))
            found += [float(factor or 1) * float(base) ** exponent, exponent, -exponent]
    found += [int(a) / int(b) for a, b in re.findall(r"(-?\d+)/(\d+)", text)]
    return found


WORDS = {
    "first": 1,
    "four ": 4,
    "second": 2,
    "doubles": 2,
    "one half": 0.5,
    "tfrac12": 0.5,
    "cubed": 3,
}


@each
def test_the_solution_and_what_its_cell_prints_have_the_answer(one):
    if one.is_choice or (one.chapter, one.number) == SEED:
        pytest.skip("a choice, or the reader's own run")
    solution = one.source.partition("{dropdown} Solution")[2]
    text = solution + one.printed
    found = numbers(text) + [value for word, value in WORDS.items() if word in text]
    answer, tolerance = float(one.data["answer"]), float(one.data["tolerance"])
    scales = (1, 0.01) if "in per cent" in one.data["ask"] else (1,)
    assert any(abs(v - s * answer) <= s * tolerance * 1.0001 for v in found for s in scales), found


def test_the_seed_that_is_asked_for():
    one = next(one for one in exercises() if (one.chapter, one.number) == SEED)
    cell = {"aspect_ratio": 0.9, "weight_decay": 1e-3}
    ends = [str(sweep.run_seed(cell, run))[-4:] for run in (1, 0, 2)]
    assert [one.data["answer"], *(value for value, _ in one.slips)] == ends


# --- The judge ---------------------------------------------------------------------------------

JUDGED = "({ judged }, asked) => asked.map(([data, text]) => judged(data, text))"


def test_numbers_are_read_as_they_are_written(engine):
    script = "({ typed }, texts) => texts.map(typed)"
    assert engine(MODULE, script, list(SPELT)) == pytest.approx(list(SPELT.values()), rel=1e-14)
    assert all(math.isnan(one) for one in engine(MODULE, script, NO_NUMBER))


def tries(one):
    """(what is typed or chosen, right or not, what must be said) for one exercise."""
    data = one.data
    yield data["answer"], True, "Right."
    if one.is_choice:
        yield "", False, "Choose one of the answers first."
        for k, hint in one.listed("hint").items():
            yield k, False, f"Not so. {hint}"
        return
    answer, tolerance = float(data["answer"]), float(data["tolerance"])
    for edge in (-1, 1):
        yield repr(answer + edge * tolerance), True, "Right."
        far = answer + edge * (1.01 * tolerance + 1e-9 * (abs(answer) + 1e-3))
        if not [value for value, _ in one.slips if math.isclose(float(value), far, rel_tol=0.02)]:
            yield repr(far), False, f"Not yet. {data['hint']}"
    yield "7654321", False, f"Not yet. {data['hint']}"
    for value, hint in one.slips:
        yield value, False, f"Not yet. {hint}"
    yield "no idea", False, "Type a number, such as 0.25, 1/4 or 3e-4."


def test_right_answers_pass_and_wrong_ones_get_their_hints(engine):
    asked = [(one, *attempt) for one in exercises() for attempt in tries(one)]
    said = engine(MODULE, JUDGED, [[one.data, given] for one, given, *_ in asked])
    for (one, given, *expected), found in zip(asked, said, strict=True):
        assert found == expected, (one.name, given)


# --- The page ----------------------------------------------------------------------------------

PAGE = """<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Exercises</title>
<link rel="stylesheet" href="book.css"><style>:root {{ --pst-color-background: #fff;
--pst-color-text-base: #222; --pst-color-text-muted: #555; --pst-color-surface: #f3f4f5;
--pst-color-border: #c9c9c9; }} [hidden] {{ display: none !important }}</style>
<main class="bd-content"><h1>Exercises</h1>{}</main>
<script type="module" src="exercises.js"></script></html>"""
NUMERIC = next(one for one in exercises() if not one.is_choice)
CHOICE = next(one for one in exercises() if one.is_choice)


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    """Address of a page with every form of the book, the first two of each kind first."""
    folder = tmp_path_factory.mktemp("forms")
    others = [one for one in exercises() if one not in (NUMERIC, CHOICE)]
    body = "\n".join(f"<p>{one.name}</p>{one.form}" for one in [NUMERIC, CHOICE, *others])
    (folder / "index.html").write_text(PAGE.format(body), "utf-8")
    shutil.copy(SCRIPTS / "exercises.js", folder)
    shutil.copy(ROOT / "book" / "_static" / "book.css", folder)
    with served(folder) as address:
        yield address


@pytest.fixture
def tab(browser, forms):
    """The page with the forms, ready."""
    with browser.new_context() as context:
        opened = context.new_page()
        opened.set_default_timeout(60_000)
        opened.goto(forms)
        opened.locator("form.exercise button").last.wait_for()
        yield opened


def says(tab, form, text):
    """Wait until the form's status says that."""
    tab.wait_for_function(
        "([k, text]) => document.querySelectorAll('form.exercise [role=status]')[k].textContent"
        " === text",
        arg=[form, text],
    )


@pytest.mark.browser
def test_a_number_is_checked_from_the_keyboard(tab):
    tab.keyboard.press("Tab")
    tab.keyboard.type(NUMERIC.slips[0][0])
    tab.keyboard.press("Enter")
    says(tab, 0, f"Not yet. {NUMERIC.slips[0][1]}")
    field = tab.get_by_label(NUMERIC.data["ask"], exact=True)
    field.fill(NUMERIC.data["answer"])
    tab.keyboard.press("Tab")
    tab.keyboard.press("Space")  # the button
    says(tab, 0, "Right.")
    field.fill("?")
    tab.keyboard.press("Enter")
    says(tab, 0, "Type a number, such as 0.25, 1/4 or 3e-4.")
    assert "?" not in tab.url  # nothing was sent


@pytest.mark.browser
def test_a_choice_is_checked_from_the_keyboard(tab):
    box = tab.get_by_role("group", name=CHOICE.data["ask"])
    options = list(CHOICE.listed("choice").values())
    box.get_by_label(options[0], exact=True).focus()
    tab.keyboard.press("Enter")
    says(tab, 1, "Choose one of the answers first.")
    for k in range(1, len(options) + 1):
        tab.keyboard.press("Space" if k == 1 else "ArrowDown")
        tab.keyboard.press("Enter")
        right = str(k) == CHOICE.data["answer"]
        says(tab, 1, "Right." if right else f"Not so. {CHOICE.listed('hint')[str(k)]}")


@pytest.mark.browser
@pytest.mark.parametrize("width", [1400, 390, 320])
def test_the_forms_are_accessible_and_fit_a_phone(tab, width):
    tab.set_viewport_size({"width": width, "height": 800})
    tab.locator("form.exercise button").first.click()
    says(tab, 0, "Type a number, such as 0.25, 1/4 or 3e-4.")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.locator("form.exercise:visible").count() == len(exercises())
    assert not violations(tab, "main")


@pytest.mark.browser
def test_paper_shows_no_form(tab):
    tab.emulate_media(media="print")
    assert not tab.locator("form.exercise:visible").count()


@pytest.mark.browser
def test_without_javascript_no_form_is_shown(browser, forms):
    with browser.new_context(java_script_enabled=False) as context:
        opened = context.new_page()
        opened.goto(forms)
        assert opened.locator("form.exercise").count() == len(exercises())
        assert not opened.locator("form.exercise:visible").count()


@pytest.mark.site
@pytest.mark.browser
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_built_page_checks_its_answers(browser, address, chapter):
    own = [one for one in exercises() if one.chapter == chapter]
    with browser.new_context() as context:
        opened = context.new_page()
        opened.set_default_timeout(60_000)
        opened.goto(f"{address}book/{chapter}.html")
        boxes = opened.locator("form.exercise:visible")
        boxes.last.locator("button").wait_for()
        assert boxes.count() == len(own)
        for k, one in enumerate(own):
            if one.is_choice:
                boxes.nth(k).locator(f"input[value='{one.data['answer']}']").check()
            else:
                boxes.nth(k).locator("input").fill(one.data["answer"])
            boxes.nth(k).locator("button").click()
            says(opened, k, "Right.")


@pytest.mark.site
def test_other_pages_load_no_checks(address):
    pages = [path for path in SITE.rglob("book/**/*.html") if "exercises.js" in path.read_text()]
    assert sorted(pages) == sorted(SITE / "book" / f"{name}.html" for name in CHAPTERS)
