"""The explorers' JavaScript under test: in node, in Chromium, and on the built page.

Fixtures of every test (by conftest):

    engine      node and Chromium in turn: ``engine(module, script, data)`` is what the JavaScript
                function ``script`` (text: ``(module, data) => …``, may be async) gives for a module
                of book/_scripts/explorers and data of Python.
    browser     Chromium (one a test module).
    address     of the built site on loopback.
    opened      ``opened(page, name, **context)``: a tab at the explorer of that page, ready.

Numbers travel exactly, with infinities, nan and -0; numpy's arrays become lists.
"""

import functools
import http.server
import json
import math
import os
import shutil
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "book" / "_scripts"
FOLDER = SCRIPTS / "explorers"
SITE = ROOT / "_build" / "html"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NODE = shutil.which("node")
FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Milliseconds for a page on a busy machine.
PATIENCE = 120_000
# sphinx-thebe writes its constants twice into each page, whether it is used or not.
KNOWN = "'THEBE_JS_URL' has already been declared"
SPECIAL = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan, "-0": -0.0}
# Runs `script` on data; both ways, what JSON does not know goes as a word.
RUN = """
const special = { Infinity, "-Infinity": -Infinity, NaN, "-0": -0 };
const known = (value) => typeof value === "string" && Object.hasOwn(special, value);
const revive = (key, value) => (known(value) ? special[value] : value);
const replace = (key, value) => {
  if (ArrayBuffer.isView(value)) return Array.from(value);
  if (typeof value !== "number") return value;
  if (Object.is(value, -0)) return "-0";
  return Number.isFinite(value) ? value : `${value}`;
};
const run = async (text) => {
  const { address, script, data } = JSON.parse(text, revive);
  const result = await (0, eval)(`(${script})`)(await import(address), data);
  return JSON.stringify(result === undefined ? null : result, replace);
};
"""


def encoded(value):
    """The value for JSON."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, dict):
        return {key: encoded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [encoded(one) for one in value]
    if isinstance(value, float):
        words = [word for word, one in SPECIAL.items() if repr(one) == repr(value)]
        return words[0] if words else value
    return value


def decoded(value):
    """What came back, with Python's infinities, nan and -0."""
    if isinstance(value, dict):
        return {key: decoded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [decoded(one) for one in value]
    return SPECIAL.get(value, value) if isinstance(value, str) else value


def message(address, script, data):
    """What `run` is given."""
    return json.dumps(encoded({"address": address, "script": script, "data": data}))


def in_node(module, script, data=None):
    """Result of a script on a module of the explorers, in node."""
    text = message((FOLDER / module).as_uri(), script, data)
    program = (
        RUN
        + """
import { readFileSync } from "node:fs";
process.stdout.write(await run(readFileSync(0, "utf8")));
"""
    )
    command = [NODE, "--input-type=module", "-e", program]
    done = subprocess.run(command, input=text, capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return decoded(json.loads(done.stdout))


def in_chromium(browser, module, script, data=None):
    """The same in Chromium, on a page that holds nothing else."""
    with served(SCRIPTS) as address, browser.new_context() as context:
        tab = context.new_page()
        tab.goto(f"{address}explorers/")
        text = message(f"{address}explorers/{module}", script, data)
        return decoded(
            json.loads(tab.evaluate(f"async (text) => {{ {RUN} return run(text); }}", text))
        )


def close(found, expected, **tolerance):
    """Assert that all agree, infinities and zeros among them exactly."""
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    special = ~np.isfinite(expected) | (expected == 0)
    assert np.array_equal(found[special], expected[special])
    np.testing.assert_allclose(found[~special], expected[~special], **tolerance)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder without a log."""

    def log_message(self, *arguments):
        pass


@contextmanager
def served(folder):
    """The address on loopback at which the folder is served."""
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def missing(line):
    """Skip, but where CI asks for everything."""
    (pytest.fail if os.environ.get("GROKBOOK_CI") else pytest.skip)(line)


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window."""
    if not CHROMIUM:
        missing("no chromium here: nothing was tried in a browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(params=["node", pytest.param("chromium", marks=pytest.mark.browser)])
def engine(request):
    """``engine(module, script, data)``, once in node and once in Chromium."""
    if request.param == "chromium":
        return functools.partial(in_chromium, request.getfixturevalue("browser"))
    if not NODE:
        missing("no node here: no explorer's mathematics was tried in it")
    return in_node


@pytest.fixture(scope="module")
def address():
    """The built site on loopback."""
    if not (SITE / "index.html").is_file():
        pytest.fail("there is no site in _build/html: run make book first", pytrace=False)
    with served(SITE) as found:
        yield found


@pytest.fixture
def opened(browser, address):
    """``opened(page, name, **context)``: a tab at the explorer, ready; ``tab.heard`` its errors."""
    contexts = []

    def visit(page, name, query="", **options):
        contexts.append(browser.new_context(**{"reduced_motion": "reduce"} | options))
        tab = contexts[-1].new_page()
        tab.set_default_timeout(PATIENCE)
        tab.heard = []
        tab.on("pageerror", lambda error: KNOWN in str(error) or tab.heard.append(str(error)))
        tab.on(
            "request",
            lambda sent: (
                sent.url.startswith((address, "data:", "blob:"))
                or tab.heard.append(f"asked for {sent.url}")
            ),
        )
        tab.goto(f"{address}{page}{query}", wait_until="domcontentloaded")
        box = tab.locator(f'[data-explorer="{name}"]')
        box.evaluate("one => one.scrollIntoView()")
        tab.locator(f'[data-explorer="{name}"][data-state="ready"]').wait_for()
        return tab

    yield visit
    for context in contexts:
        context.close()


# As on every page of the site: the rules that axe has switched on, and its experimental ones.
AXE = """async (selector) => {
  const off = ["wcag2aaa", "wcag2a-obsolete", "deprecated"];
  const rules = axe.getRules().filter((rule) => !rule.tags.some((tag) => off.includes(tag)));
  const runOnly = { type: "rule", values: rules.map((rule) => rule.ruleId) };
  const { violations } = await axe.run(selector, { resultTypes: ["violations"], runOnly });
  return violations.filter((one) => ["serious", "critical"].includes(one.impact)).map(
    (one) => [one.id, one.nodes.length, one.nodes[0].html.slice(0, 160)]);
}"""


def violations(tab, selector=".explorer"):
    """What axe finds serious within the explorer: [rule, number of elements, first of them]."""
    from axe_playwright_python.base import AXE_SCRIPT

    tab.evaluate(AXE_SCRIPT)
    return tab.evaluate(AXE, selector)


# Shortest of some inputs at different values, in ms: the handler, with all that it draws at once.
TIMED = """(label) => {
  const range = [...document.querySelectorAll(".explorer input[type=range]")].find(
    (one) => one.labels[0].textContent.startsWith(label));
  const took = [];
  for (let k = 0; k < 25; k += 1) {
    range.value = Math.round(range.max * (0.4 + 0.01 * k));
    const start = performance.now();
    range.dispatchEvent(new Event("input"));
    took.push(performance.now() - start);
  }
  return Math.min(...took);
}"""


def slider_time(tab, label):
    """Milliseconds in which the page answers the slider of this label; another load only adds."""
    return tab.evaluate(TIMED, label)
