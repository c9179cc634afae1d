"""Every explorer on its page: starts, is named, fits, stays off paper, and may fail."""

import re
from itertools import product

import pytest

from explorers import PATIENCE, ROOT, SITE, violations

FOUND = [
    (path.relative_to(ROOT).with_suffix(".html").as_posix(), name)
    for path in sorted((ROOT / "book").rglob("*.*"))
    if path.suffix in (".ipynb", ".md")
    for name in re.findall(r'data-explorer=\\?"([\w-]+)', path.read_text("utf-8"))
]
every_explorer = pytest.mark.parametrize(("page", "name"), FOUND, ids=[name for _, name in FOUND])
pytestmark = [pytest.mark.site, pytest.mark.browser]

SEEN = """(box) => {
  const live = [...box.querySelectorAll("[aria-live]")];
  return {
    images: [...box.querySelectorAll("svg[role=img]")].map((one) => [
      one.getAttribute("aria-label"),
      document.getElementById(one.getAttribute("aria-describedby")).textContent,
      one.getBoundingClientRect().width,
    ]),
    live: live.map((one) => one.getAttribute("aria-live")),
    unnamed: [...box.querySelectorAll("input, select")].filter(
      (one) => !one.labels.length && !one.getAttribute("aria-label")).length,
    bare: [...box.querySelectorAll("input[type=range]")].filter(
      (one) => !one.getAttribute("aria-valuetext")).length,
  };
}"""
# Curves over a whole range come some frames after the rest.
DRAWN = """() => [...document.querySelectorAll(".explorer desc")].every((one) => one.textContent)"""
WIDTHS = "() => [document.documentElement.scrollWidth, innerWidth]"
STILL = """() => ({
  shown: [...document.querySelectorAll(".explorer")].filter((one) => one.checkVisibility() &&
    one.getBoundingClientRect().height > 0).length,
  figures: [...document.querySelectorAll("article figure img")].filter(
    (one) => one.checkVisibility()).length,
})"""


def test_there_are_explorers():
    assert {"linear", "toy"} <= {name for _, name in FOUND}


@every_explorer
def test_it_starts_is_named_and_fits(opened, page, name):
    tab = opened(page, name, viewport={"width": 1400, "height": 900})
    box = tab.locator(f'[data-explorer="{name}"]')
    tab.wait_for_function(DRAWN)
    seen = box.evaluate(SEEN)
    assert seen["live"] == ["polite"]
    assert seen["unnamed"] == seen["bare"] == 0
    assert seen["images"]
    assert all(len(label) > 3 and len(said) > 20 for label, said, _ in seen["images"])
    for width, scheme in product((1400, 360), ("light", "dark")):
        tab.set_viewport_size({"width": width, "height": 800})
        tab.emulate_media(color_scheme=scheme)
        tab.locator(f"html[data-theme={scheme}]").wait_for()
        tab.wait_for_timeout(300)
        wide, window = tab.evaluate(WIDTHS)
        assert wide <= window == width
        assert not violations(tab, f'[data-explorer="{name}"]'), (width, scheme)
    assert all(40 < width < 360 for *_, width in box.evaluate(SEEN)["images"])
    assert not tab.heard


@every_explorer
def test_the_still_figure_stands_on_paper(opened, page, name):
    tab = opened(page, name)
    assert tab.evaluate(STILL)["shown"]
    tab.emulate_media(media="print")
    assert tab.evaluate(STILL)["shown"] == 0
    assert tab.evaluate(STILL)["figures"]


@every_explorer
@pytest.mark.parametrize("how", ["without JavaScript", "from a file"])
def test_the_still_figure_stands_where_no_script_runs(browser, address, page, name, how):
    with browser.new_context(java_script_enabled=how != "without JavaScript") as context:
        tab = context.new_page()
        tab.set_default_timeout(PATIENCE)
        where = address + page if how == "without JavaScript" else (SITE / page).as_uri()
        tab.goto(where, wait_until="domcontentloaded")
        box = tab.locator(f'[data-explorer="{name}"]')
        if how != "without JavaScript":
            box.evaluate("one => one.scrollIntoView()")
            tab.wait_for_timeout(300)
        assert box.get_attribute("data-state") is None
        assert box.bounding_box()["height"] == 0
        assert box.inner_text() == ""
        tab.locator("article figure img").first.wait_for()
        # The nearest figure above; on a page that opens with its explorer, below.
        above = box.locator("xpath=preceding::figure[1]//img")
        still = above if above.count() else box.locator("xpath=following::figure[1]//img")
        still.wait_for()


@every_explorer
def test_an_explorer_that_fails_says_so_in_one_line(browser, address, page, name):
    with browser.new_context() as context:
        tab = context.new_page()
        tab.route(f"**/explorers/{name}-explorer.js", lambda route: route.abort())
        tab.set_default_timeout(PATIENCE)
        tab.goto(address + page, wait_until="domcontentloaded")
        box = tab.locator(f'[data-explorer="{name}"]')
        box.evaluate("one => one.scrollIntoView()")
        tab.locator(f'[data-explorer="{name}"][data-state="failed"]').wait_for()
        assert "did not start" in box.inner_text()
        assert tab.locator("article figure img").first.is_visible()


def test_no_other_page_loads_what_starts_them(address):
    pages = sorted(SITE.rglob("*.html"))
    assert {SITE / page for page, _ in FOUND} <= set(pages)
    for page in pages:
        text = page.read_text("utf-8")
        assert ("explorers/boot.js" in text) == ("data-explorer=" in text), page.name
