"""On a phone a figure is seen whole, and a tap opens its picture, large enough to read."""

import os
from pathlib import Path

import pytest

from tools import pdf

SITE = Path(__file__).resolve().parents[1] / "_build" / "html"
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
# The twelve with most figures of several panels.
PAGES = [
    "linear/01-a-linear-model-groks",
    "linear/03-weight-decay-and-noise",
    "logistic/01-the-critical-point",
    "logistic/02-a-model-you-can-solve",
    "xor/01-one-step-to-overfit",
    "xor/02-features-emerge",
    "modular/02-softmax-collapse",
    "modular/04-naive-loss-minimisation",
    "tickets/02-structure-emerges",
    "phase-diagrams",
    "atlas/01-where-the-wait-comes-from",
    "atlas/02-remedies-on-other-models",
]
FIGURES = r"""() => [...document.querySelectorAll(".bd-content figure:has(img)")].map(figure => {
  const picture = figure.querySelector("img");
  const { left, right } = picture.getBoundingClientRect();
  return {
    id: figure.id,
    inside: left >= 0 && right <= innerWidth && figure.scrollWidth <= figure.clientWidth,
    shown: right - left,
    picture: picture.naturalWidth,
    leads: picture.closest("a")?.href === picture.src,
    reached: figure.tabIndex,
  };
})"""

pytestmark = [pytest.mark.site, pytest.mark.browser]


@pytest.fixture(scope="module")
def visit():
    """A function that gives a phone's tab with a page, and its context to close."""
    found = pdf.chromium()
    if not found:
        line = "no chromium here: the figures were not looked at in a browser"
        (pytest.fail if os.environ.get("GROKBOOK_CI") else pytest.skip)(line)
    from playwright.sync_api import sync_playwright

    with pdf.served(SITE) as address, sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=pdf.FLAGS)

        def visit(page, **options):
            context = running.new_context(**PHONE, **options)
            tab = context.new_page()
            tab.set_default_timeout(60_000)
            tab.goto(f"{address}/book/{page}.html")
            return context, tab

        yield visit
        running.close()


@pytest.mark.parametrize("page", PAGES)
def test_figures_are_seen_whole_and_lead_to_their_pictures(visit, page):
    context, tab = visit(page)
    with context:
        figures = tab.evaluate(FIGURES)
        assert len(figures) >= 3
        for one in figures:
            assert one["inside"], one
            assert one["leads"], one
            assert one["picture"] > 1.5 * one["shown"] > 0, one
            assert one["reached"] == -1, one


def test_a_tap_opens_the_picture(visit):
    context, tab = visit(PAGES[0])
    with context:
        picture = tab.locator("figure img").first
        wanted = picture.get_attribute("src").rpartition("/")[2]
        picture.tap()
        tab.wait_for_url(f"**/_images/{wanted}")
        assert tab.locator("img").evaluate("one => one.naturalWidth") > 2 * 390
        tab.go_back()
        tab.wait_for_url("**/book/**")


def test_figures_are_seen_whole_without_javascript(visit):
    context, tab = visit(PAGES[0], java_script_enabled=False)
    with context:
        boxes = [one.bounding_box() for one in tab.locator("figure img").all()]
        assert boxes
        assert all(one["x"] >= 0 and one["x"] + one["width"] <= 390 for one in boxes)
