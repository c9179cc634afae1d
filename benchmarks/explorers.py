"""How soon the explorers of the built site answer a slider, and how long *Grok live* trains:
``python -m benchmarks.explorers``.

Needs the built site and Chromium; writes its own section of RESULTS.md.  What is timed is the whole
answer to one ``input`` event: the mathematics, the charts and the sentence, up to the browser's
next frame; curves over a whole range of settings follow later.
"""

from __future__ import annotations

import os
import re
import statistics
import sys
from contextlib import contextmanager

from benchmarks import harness
from tests.explorers import CHROMIUM, FLAGS, PATIENCE, SITE, served

# Milliseconds within which a slider must answer; of other explorers the time is only written.
ALLOWED = {"linear": 16.0, "floats": 16.0, "toy": 50.0}
INPUTS = 41
ASK = r"""async (inputs) => {
  const found = {};
  for (const range of document.querySelectorAll(".explorer input[type=range]")) {
    const took = [];
    const before = range.value;
    for (let k = 0; k < inputs; k += 1) {
      range.value = Math.round((range.max * k) / (inputs - 1));
      const start = performance.now();
      range.dispatchEvent(new Event("input"));
      took.push(performance.now() - start);
      await new Promise((done) => setTimeout(done, 60));
    }
    range.value = before;
    range.dispatchEvent(new Event("input"));
    found[range.labels[0].textContent] = took;
  }
  return found;
}"""
# Seconds from *Start* to the end of a run of *Grok live*: presets, and modulo 59 by its address.
LIVE = "book/grok-live.html"
PRESET, LARGE = 15.0, 60.0
MODULO_59 = "#grok-live?p=59&share=0.5&decay=3&steps=500"
TRAIN = r"""async (wanted) => {
  const buttons = [...document.querySelectorAll(".explorer button")];
  const named = (label) => buttons.find((one) => one.textContent === label);
  if (wanted) named(wanted).click();
  const go = named("Start"), start = performance.now();
  go.click();
  while (!go.disabled) await new Promise((done) => setTimeout(done, 20));
  return (performance.now() - start) / 1000;
}"""


def pages() -> dict[str, str]:
    """Page of each explorer of the site."""
    found = {}
    for path in sorted((SITE / "book").rglob("*.html")):
        for name in re.findall(r'data-explorer="([\w-]+)"', path.read_text("utf-8")):
            found.setdefault(name, path.relative_to(SITE).as_posix())
    return found


@contextmanager
def opened(browser, address: str, name: str):
    """A tab in which the explorer of a page stands ready."""
    with browser.new_context(viewport={"width": 1400, "height": 900}) as context:
        tab = context.new_page()
        tab.set_default_timeout(PATIENCE)
        tab.goto(address, wait_until="domcontentloaded")
        tab.locator(f'[data-explorer="{name}"]').evaluate("one => one.scrollIntoView()")
        tab.locator(f'[data-explorer="{name}"][data-state="ready"]').wait_for()
        yield tab


def measure(browser, address: str, name: str) -> dict[str, list[float]]:
    """Milliseconds of each answer, for each slider of the explorer."""
    with opened(browser, address, name) as tab:
        return tab.evaluate(ASK, INPUTS)


def train(browser, address: str) -> list[tuple[str, float, float]]:
    """Each run of *Grok live*: its name, seconds to its end, seconds allowed."""
    page = address + LIVE
    with opened(browser, page, "grok-live") as tab:
        presets = tab.locator(".explorer .presets button").all_inner_texts()
    found = []
    for name in presets:
        with opened(browser, page, "grok-live") as tab:
            found.append((name, tab.evaluate(TRAIN, name), PRESET))
    with opened(browser, page + MODULO_59, "grok-live") as tab:
        found.append(("modulo 59, 500 steps", tab.evaluate(TRAIN, ""), LARGE))
    return found


def main() -> int:
    """Measure, write; 1 if a slider is too slow even at its best, or a run of *Grok live*."""
    if not CHROMIUM or not SITE.is_dir():
        print("needs chromium and the built site", file=sys.stderr)
        return 2
    from playwright.sync_api import sync_playwright

    rows, slow = [], []
    with sync_playwright() as playwright, served(SITE) as address:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name, page in pages().items():
            for label, took in measure(browser, address + page, name).items():
                best, middle, allowed = min(took), statistics.median(took), ALLOWED.get(name)
                bound = f"{allowed:g} ms" if allowed else "–"
                rows.append(f"| {name} | {label} | {best:.1f} ms | {middle:.1f} ms | {bound} |")
                slow += [f"{name}, {label}: {best:.1f} ms"] if allowed and best > allowed else []
        rows += ["", "| *Grok live* | from start to end | allowed |", "| --- | --- | --- |"]
        for name, took, allowed in train(browser, address):
            rows.append(f"| {name} | {took:.1f} s | {allowed:g} s |")
            slow += [f"{name}: {took:.1f} s"] if took > allowed else []
        version = browser.version
        browser.close()
    head = [
        "## explorers",
        "",
        f"{harness.machine()} Chromium {version}. Answer to one input of a slider, {INPUTS} over "
        f"its range, at a load of {os.getloadavg()[0]:.0f} processes; load only adds.",
        "",
        "| explorer | slider | shortest | median | allowed |",
        "| --- | --- | --- | --- | --- |",
    ]
    harness.put_section("explorers", "\n".join([*head, *rows]) + "\n")
    for line in slow:
        print("FAILED " + line, file=sys.stderr)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
