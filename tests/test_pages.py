"""Every page of the site: its files, and how a real browser shows it in each mode.

A page is loaded once; its facts are collected in all modes and then asserted one by one.
"""

import csv
import functools
import json
import os
import re
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import bs4
import pytest
import yaml

import grokbook_site
from grokbook import claims
from tools import setup_cell

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "_build" / "html"
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
LEDGER = claims.ledgers()
LEDGER_BY_ANCHOR = {claim.anchor: claim_id for claim_id, claim in LEDGER.items()}
# sphinx-thebe writes its constants twice into each page, whether it is used or not.
KNOWN_ERRORS = {"Identifier 'THEBE_JS_URL' has already been declared"}
# Name: width, height, colour scheme.
MODES = {
    "desktop": (1400, 900, "light"),
    "desktop, dark": (1400, 900, "dark"),
    "phone, dark": (390, 844, "dark"),
    "phone": (390, 844, "light"),
}
# No phone is narrower.
NARROWEST = 320
LEFT_OVER = re.compile(r":::|```|\{\{|\{(?:doc|ref|eq|numref|cite[:\w]*|div|glue[:\w]*)\}")
FOOTER = re.compile(
    r"Built on \d{4}-\d\d-\d\d from commit (?:[0-9a-f]{10}|unknown)(?: with local changes)? "
    r"with Python 3\.\d+\.\d+, (?:[\w-]+ \d[\w.+]*, )+on \S.*\. Text and figures"
)


def documents(node=TOC):
    """The documents of the table of contents, in its order."""
    found = [node[key] for key in ("root", "file") if key in node]
    for key in ("parts", "chapters", "sections"):
        for child in node.get(key, []):
            found += documents(child)
    return found


WRITTEN = [f"{name}.html" for name in documents()]
CHAPTERS = [page for page in WRITTEN if (ROOT / page).with_suffix(".ipynb").is_file()]
PAGES = [*WRITTEN, "search.html"]
# A page made of code.
RECIPES = "book/use-it-in-your-own-work"

pytestmark = pytest.mark.site
every_page = pytest.mark.parametrize("page", PAGES)
every_written_page = pytest.mark.parametrize("page", WRITTEN)
every_chapter = pytest.mark.parametrize("page", CHAPTERS)


@pytest.fixture(autouse=True)
def _site_is_there():
    if not (SITE / "index.html").is_file():
        pytest.fail("there is no site in _build/html: run make book first", pytrace=False)


# --- The files ---------------------------------------------------------------------------------


@functools.cache
def parsed(page):
    """The page as a tree."""
    return bs4.BeautifulSoup((SITE / page).read_text("utf-8"), "html.parser")


@functools.cache
def anchors(page):
    """Every id on the page."""
    return {tag["id"] for tag in parsed(page).find_all(id=True)} | {"", "top"}


def article(page):
    """The page's own content, without bars, header and footer."""
    return parsed(page).find("article") or parsed(page).find(id="main-content")


def target(page, address):
    """File within the site and fragment that ``address`` on ``page`` leads to; None if outside."""
    if urlsplit(address).scheme or address.startswith("//"):
        return None
    where = urlsplit(urljoin(f"/{page}", address))
    return unquote(where.path).lstrip("/"), unquote(where.fragment)


def broken(page, address):
    """What is wrong with a link to ``address`` on ``page``, or None."""
    inside = target(page, address)
    if inside is None:
        return None
    path, fragment = inside
    if not (SITE / path).is_file():
        return f"{address}: no file"
    if path.endswith(".html") and fragment not in anchors(path):
        return f"{address}: no such id"
    return None


def test_the_site_holds_the_pages_of_the_table_of_contents():
    built = {path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html")}
    built = {path for path in built if "_static/" not in path}
    assert built == {*PAGES, "index.html", "claims.html"}


@every_page
def test_links_within_the_site_resolve(page):
    faults = [broken(page, tag["href"]) for tag in parsed(page).find_all("a", href=True)]
    assert not [fault for fault in faults if fault]


@every_page
def test_what_a_page_loads_lies_in_the_site(page):
    tags = parsed(page).find_all(["script", "img", "iframe", "source", "video", "audio"], src=True)
    addresses = [tag["src"] for tag in tags]
    for tag in parsed(page).find_all("link", href=True):
        if set(tag["rel"]) & {"stylesheet", "icon", "preload", "manifest", "modulepreload"}:
            addresses.append(tag["href"])
    assert not [one for one in addresses if not one.startswith("data:") and not target(page, one)]
    assert not [broken(page, one) for one in addresses if target(page, one) and broken(page, one)]


@every_page
def test_nothing_is_left_of_the_source_markup(page):
    text = bs4.BeautifulSoup(str(article(page)), "html.parser")
    for tag in text.select("pre, code, script, .math"):
        tag.decompose()
    assert not LEFT_OVER.findall(text.get_text(" "))
    assert not text.select(".system-message, .problematic")


@every_written_page
def test_no_warning_and_no_empty_output(page):
    outputs = article(page).select("div.cell_output")
    printed = " ".join(box.get_text(" ") for box in outputs)
    assert not re.findall(r"\w*Warning\b|Traceback|\bWARNING\b", printed)
    assert not article(page).select(".stderr, .traceback")
    for box in outputs:
        assert box.get_text(strip=True) or box.find(["img", "svg", "canvas", "script"]), box


@every_page
def test_footer_says_what_the_site_was_built_from(page):
    facts = parsed(page).select_one("footer .build-facts")
    assert facts
    assert FOOTER.match(facts.get_text())


@every_page
def test_favicon(page):
    icons = parsed(page).select('link[rel~="icon"]')
    assert icons
    assert not [broken(page, icon["href"]) for icon in icons if broken(page, icon["href"])]


@every_written_page
def test_social_preview(page):
    tags = parsed(page).find_all("meta", property=re.compile("^og:"))
    found = {tag["property"].removeprefix("og:"): tag["content"] for tag in tags}
    base = CONFIG["html"]["baseurl"]
    assert found["url"] == base + page
    assert found["title"]
    assert found["site_name"] == CONFIG["title"]
    assert len(found["description"]) >= 20
    assert found["image"].startswith(base)
    assert (SITE / found["image"].removeprefix(base)).is_file()
    assert len(found["image:alt"]) >= 40


@every_chapter
def test_launch_buttons_open_the_notebook(page):
    notebook = Path(page).with_suffix(".ipynb").as_posix()
    assert (ROOT / notebook).is_file()
    address, branch = CONFIG["repository"]["url"], grokbook_site.revision()
    # A fork's build carries its own address.
    name = os.environ.get("GITHUB_REPOSITORY") or urlsplit(address).path.strip("/")
    links = [tag["href"] for tag in parsed(page).select(".dropdown-launch-buttons a")]
    assert links == [
        f"https://mybinder.org/v2/gh/{name}/{branch}?urlpath=lab/tree/{notebook}",
        f"https://colab.research.google.com/github/{name}/blob/{branch}/{notebook}",
    ]


@every_chapter
def test_the_set_up_cell_is_not_shown(page):
    first, *_, last = setup_cell.source().splitlines()
    assert not [line for line in (first, last.strip()) if line in article(page).get_text()]


@every_chapter
def test_each_figure_offers_its_data(page):
    figures = article(page).select("figure[id]")
    assert figures
    for figure in figures:
        links = [tag["href"] for tag in figure.select('a[href$=".csv"]')]
        assert len(links) == 1, figure["id"]
        path, _ = target(page, links[0])
        with (SITE / path).open(encoding="utf-8", newline="") as file:
            head, *rows = csv.reader(file)
        assert len(rows) >= 2, path
        assert len(set(head)) == len(head), path
        assert {len(row) for row in rows} == {len(head)}, path


def test_scoreboard_and_claim_boxes_lead_to_each_other():
    page = "book/scoreboard.html"
    linked = {target(page, tag["href"]) for tag in article(page).select("a.claim-link")}
    boxes = {(p, box["id"]) for p in CHAPTERS for box in article(p).select(".claim[id]")}
    assert boxes
    assert linked == boxes
    back = {
        target(p, tag["href"]) for p in CHAPTERS for tag in article(p).select(".claim a.row-link")
    }
    assert back == {(page, LEDGER_BY_ANCHOR[anchor]) for _, anchor in boxes}
    rows = json.loads((SITE / "claims.json").read_text("utf-8"))
    assert {target("index.html", row["url"]) for row in rows if row["url"]} == boxes


def test_each_claim_box_says_what_was_measured():
    for page in CHAPTERS:
        for box in article(page).select(".claim[id]"):
            for part in (".claim-where", ".claim-verdict", ".claim-statement", "td .measured"):
                assert box.select(part), (box["id"], part)
            assert all(cell.get_text(strip=True) for cell in box.find_all("td")), box["id"]


# --- The browser -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def visit(browser, address):
    """A function that gives the facts of a page, visiting it the first time it is asked."""
    return functools.cache(lambda page: look_at(browser, address, page))


def listen(tab, address):
    """Lists that fill with the tab's errors, refused files and requests to elsewhere."""
    heard = {"errors": [], "refused": [], "elsewhere": []}
    tab.on("pageerror", lambda error: heard["errors"].append(str(error)))
    tab.on("console", lambda line: line.type == "error" and heard["errors"].append(line.text))
    tab.on("response", lambda got: got.status >= 400 and heard["refused"].append(got.url))
    local = (address, "data:", "blob:")
    tab.on(
        "request", lambda sent: sent.url.startswith(local) or heard["elsewhere"].append(sent.url)
    )
    return heard


def look_at(browser, address, page):
    """Load a page once, as a first-time visitor, and collect its facts in every mode."""
    from axe_playwright_python.base import AXE_SCRIPT

    with browser.new_context() as context:
        tab = context.new_page()
        tab.set_default_timeout(60_000)
        heard = listen(tab, address)
        set_mode(tab, *MODES["desktop"])
        tab.goto(address + page)
        tab.evaluate("window.MathJax?.startup?.promise")
        facts = tab.evaluate(CONTENT) | {"modes": {}}
        tab.emulate_media(media="print")
        facts["print"] = tab.evaluate(PRINT)
        tab.emulate_media(media="screen")
        for name, mode in MODES.items():
            set_mode(tab, *mode)
            facts["modes"][name] = tab.evaluate(APPEARANCE)
        set_mode(tab, NARROWEST, 700, "light")
        facts["narrowest"] = tab.evaluate("document.documentElement.scrollWidth")
        # axe asks for style sheets under wrong addresses; that is not the page's doing.
        facts |= {name: list(lines) for name, lines in heard.items()}
        tab.evaluate(AXE_SCRIPT)
        tab.evaluate(LIGHTEN)
        for name, mode in reversed(MODES.items()):
            set_mode(tab, *mode)
            tab.evaluate(MARK)
            facts["modes"][name]["axe"] = tab.evaluate(AXE, mode[2] == "light")
    return facts


def set_mode(tab, width, height, scheme):
    """Resize, switch the colours, and wait for the page to have followed."""
    resized = tab.viewport_size != {"width": width, "height": height}
    tab.set_viewport_size({"width": width, "height": height})
    tab.emulate_media(color_scheme=scheme)
    tab.evaluate(SETTLE)
    if resized and tab.url != "about:blank":
        # The theme decides 0.3 s after a change of size which boxes the keyboard reaches.
        tab.wait_for_timeout(400)


# Two frames: the theme follows in the first, and what it moved is drawn in the second.
SETTLE = r"""async () => {
  document.head.insertAdjacentHTML("beforeend", "<style>* { transition: none !important }</style>");
  for (const _ of [1, 2]) await new Promise(requestAnimationFrame);
}"""

CONTENT = r"""() => {
  const article = document.querySelector("article") ?? document.querySelector("main");
  const images = [...document.images];
  const first = article.querySelector("figure img, [data-explorer]")?.getBoundingClientRect();
  return {
    first: first ? [first.top + scrollY, first.height] : [0, 0],
    text: article.innerText,
    formulas: document.querySelectorAll(".math").length,
    typeset: document.querySelectorAll(".math > mjx-container").length,
    faults: document.querySelectorAll("mjx-merror, .MathJax_Error, [data-mjx-error]").length,
    images: images.map(one => [one.currentSrc, one.naturalWidth, one.alt.trim()]),
  };
}"""

PRINT = r"""() => {
  const shown = one => one.checkVisibility({visibilityProperty: true});
  const bars = ".bd-sidebar-primary, .bd-sidebar-secondary, .bd-header-article, .prev-next-area";
  const article = document.querySelector("article") ?? document.querySelector("main");
  const folded = [...article.querySelectorAll("details > :not(summary)")];
  return {
    folded: folded.filter(one => !shown(one)).map(one => one.textContent.slice(0, 60)),
    promises: [...article.querySelectorAll("details.hide > summary")].filter(shown).length,
    bars: [...document.querySelectorAll(bars)].filter(shown).map(one => one.className),
    text: article.innerText.length,
    title: [...document.querySelectorAll("h1")].some(shown),
    figures: [...article.querySelectorAll("figure img")].filter(one => !shown(one)).length,
  };
}"""

APPEARANCE = r"""() => {
  const numbers = colour => colour.match(/[\d.]+/g).map(Number);
  const light = colour => {
    const parts = numbers(colour).slice(0, 3).map(one => one / 255);
    const linear = parts.map(s => s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const ground = one => {
    for (; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (numbers(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const contrast = one => {
    const [a, b] = [getComputedStyle(one).color, ground(one)].map(light);
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const read = [...document.querySelectorAll(".claim p, .claim th, .claim td, figcaption p")];
  const figures = [...document.querySelectorAll("figure img, .cell_output img")];
  return {
    theme: document.documentElement.dataset.theme,
    width: document.documentElement.scrollWidth,
    faint: read.filter(one => contrast(one) < 4.5).map(one => one.textContent.slice(0, 60)),
    filtered: figures.filter(one => getComputedStyle(one).filter !== "none").map(one => one.src),
    grounds: [...document.querySelectorAll(".claim")].filter(
      one => ground(one) !== ground(document.querySelector("main"))).map(one => one.id),
  };
}"""

# axe needs seconds for thousands of elements. So, once all else is known of a page, the glyphs of
# formulas go (it reads the MathML beside them), and so do the spans of tokens of code, but for
# the first of each kind; and of text elements that are drawn alike, it sees the contrast of one.
LIGHTEN = r"""() => {
  for (const glyphs of document.querySelectorAll("mjx-container > mjx-math")) {
    const { width, height } = glyphs.getBoundingClientRect();
    glyphs.style.cssText = `display: inline-block; width: ${width}px; height: ${height}px`;
    glyphs.replaceChildren();
  }
  const seen = new Set();
  for (const token of document.querySelectorAll(".highlight pre span")) {
    const kind = `${token.closest(".cell_output") ? "output" : "input"} ${token.className}`;
    if (seen.has(kind)) token.replaceWith(...token.childNodes);
    seen.add(kind);
  }
  for (const block of document.querySelectorAll(".highlight pre")) block.normalize();
}"""

MARK = r"""() => {
  document.querySelectorAll("[data-look]").forEach(one => delete one.dataset.look);
  const seen = new Set();
  const repeated = kind => seen.has(kind) || !seen.add(kind);
  const known = new Map();
  const ground = one => {
    if (!one) return "";
    if (!known.has(one)) {
      const { backgroundColor, backgroundImage, opacity, filter } = getComputedStyle(one);
      const own = [backgroundColor, backgroundImage, opacity, filter].filter(
        layer => !["rgba(0, 0, 0, 0)", "none", "1"].includes(layer));
      known.set(one, ground(one.parentElement) + own.join());
    }
    return known.get(one);
  };
  for (const one of document.querySelectorAll("body *")) {
    if (![...one.childNodes].some(child => child.nodeType === 3 && child.data.trim())) continue;
    if (!one.checkVisibility({visibilityProperty: true})) continue;
    const style = getComputedStyle(one);
    const look = ["color", "fontSize", "fontWeight", "textDecorationLine", "textShadow"];
    const kind = [one.tagName === "A", one.parentElement.tagName, ground(one)];
    if (!repeated([...kind, ...look.map(name => style[name])].join())) one.dataset.look = "first";
  }
}"""

# Every rule runs that axe has switched on, and its experimental ones: those about colours in each
# mode, the others at each width.
AXE = r"""async (structure) => {
  const colours = ["color-contrast", "link-in-text-block"];
  const off = ["wcag2aaa", "wcag2a-obsolete", "deprecated"];
  const rules = axe.getRules().filter(rule => !rule.tags.some(tag => off.includes(tag)));
  const others = rules.map(rule => rule.ruleId).filter(id => !colours.includes(id));
  const runs = [[{include: [["[data-look=first]"]]}, colours]];
  if (structure) {
    runs.push([document, others]);
  }
  const found = [];
  for (const [where, values] of runs) {
    const runOnly = {type: "rule", values};
    const result = await axe.run(where, {resultTypes: ["violations"], runOnly});
    found.push(...result.violations);
  }
  return found.filter(one => ["serious", "critical"].includes(one.impact)).map(
    one => [one.id, one.nodes.length, one.nodes[0].html.slice(0, 160)]);
}"""


@pytest.mark.browser
@every_page
def test_loads_without_errors(visit, page):
    facts = visit(page)
    assert set(facts["errors"]) <= KNOWN_ERRORS
    assert not facts["refused"]


@pytest.mark.browser
@every_page
def test_no_request_leaves_the_site(visit, page):
    assert not visit(page)["elsewhere"]


@pytest.mark.browser
@every_page
def test_formulas_are_typeset(visit, page):
    facts = visit(page)
    assert facts["typeset"] == facts["formulas"] == len(parsed(page).select(".math"))
    assert not facts["faults"]
    assert not re.findall(r"\\[()\[\]]|\\begin\{", facts["text"])


@pytest.mark.browser
@every_page
def test_images_are_shown_and_described(visit, page):
    images = visit(page)["images"]
    assert images
    assert not [image for image in images if image[1] == 0 or not image[2]]


@pytest.mark.browser
@every_page
def test_fits_a_phone(visit, page):
    for name, (width, _, _) in MODES.items():
        assert visit(page)["modes"][name]["width"] <= width, name
    assert visit(page)["narrowest"] <= NARROWEST


@pytest.mark.browser
@every_page
def test_dark_mode_is_legible(visit, page):
    for name, (_, _, scheme) in MODES.items():
        seen = visit(page)["modes"][name]
        assert seen["theme"] == scheme
        assert not seen["faint"]
        assert not seen["filtered"]
        assert not seen["grounds"]


@pytest.mark.browser
@pytest.mark.parametrize("mode", MODES)
@every_page
def test_accessible(visit, page, mode):
    assert not visit(page)["modes"][mode]["axe"]


@pytest.mark.browser
@every_written_page
def test_prints_its_content_alone(visit, page):
    facts = visit(page)
    printed = facts["print"]
    assert not printed["bars"]
    assert printed["title"]
    assert printed["text"] > 0.8 * len(facts["text"])
    assert not printed["figures"]
    assert not printed["folded"]
    assert not printed["promises"]


@pytest.mark.browser
def test_prints_dark_text_from_dark_mode(browser, address):
    with browser.new_context(color_scheme="dark") as context:
        tab = context.new_page()
        tab.goto(address + WRITTEN[0])
        tab.evaluate(
            "window.addEventListener('beforeprint', () => {"
            " window.printed = document.documentElement.dataset.theme; })"
        )
        tab.pdf()
        assert tab.evaluate("window.printed") == "light"
        assert tab.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.browser
def test_prints_what_is_folded_also_without_its_style(browser, address):
    """A browser that knows no ::details-content has the script."""
    count = "document.querySelectorAll('article details:not([open])').length"
    with browser.new_context() as context:
        tab = context.new_page()
        tab.goto(address + CHAPTERS[0])
        folded = tab.evaluate(count)
        assert folded
        tab.evaluate(f"window.addEventListener('beforeprint', () => {{ window.left = {count}; }})")
        tab.pdf()
        assert tab.evaluate("window.left") == 0
        assert tab.evaluate(count) == folded


@pytest.mark.browser
def test_the_address_of_a_claim_works_in_the_spelling_of_its_id(browser, address):
    with browser.new_context() as context:
        tab = context.new_page()
        claim = next(one for one in LEDGER.values() if one.chapter)
        for spelt in (claim.anchor, f"claim-{claim.id}", claim.anchor.upper()):
            tab.goto("about:blank")
            tab.goto(f"{address}book/{claim.chapter}.html#{spelt}")
            tab.locator(f"#{claim.anchor}:target").wait_for(timeout=60_000)


@pytest.mark.browser
@pytest.mark.parametrize("width", [1400, 390])
def test_the_scoreboard_filters_its_rows(browser, address, width):
    rows = "table.scoreboard tbody tr:visible"
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        tab = context.new_page()
        tab.set_default_timeout(60_000)
        tab.goto(f"{address}book/scoreboard.html")
        tools = tab.locator("#scoreboard-tools")
        assert tab.locator(rows).count() == len(LEDGER)
        tools.get_by_label("paper", exact=True).select_option("XC")
        tools.get_by_label("verdict", exact=True).select_option("reproduced")
        wanted = [
            one.id for one in LEDGER.values() if (one.paper, one.verdict) == ("XC", "reproduced")
        ]
        assert sorted(row.get_attribute("id") for row in tab.locator(rows).all()) == sorted(wanted)
        said = tools.get_by_role("status").inner_text()
        assert said == f"{len(wanted)} of {len(LEDGER)} claims"
        tools.get_by_label("words", exact=True).fill("no row says zxq")
        assert tab.locator(rows).count() == tab.locator("table.scoreboard:visible").count() == 0
        tab.evaluate("location.hash = 'le-01'")  # shows the row in spite of the filters
        tab.locator("#LE-01:target:visible details[open]").wait_for()
        tools.get_by_label("failed here", exact=True).check()
        assert tab.locator(rows).count() == 0


@pytest.mark.browser
@pytest.mark.parametrize("name", ["GB-100", "ns-03"])
def test_each_claim_has_an_address(browser, address, name):
    with browser.new_context() as context:
        tab = context.new_page()
        tab.goto(f"{address}claims.html#{name}")
        tab.locator(f"#{name.upper()}:target").wait_for(timeout=60_000)
        tab.wait_for_function(IN_VIEW, timeout=60_000)


# The row of the address stands in the window.
IN_VIEW = """() => {
  const { top } = document.querySelector("tr:target").getBoundingClientRect();
  return top >= 0 && top < innerHeight;
}"""


@pytest.mark.browser
def test_the_scoreboard_without_javascript(browser, address):
    with browser.new_context(java_script_enabled=False) as context:
        tab = context.new_page()
        tab.goto(f"{address}book/scoreboard.html")
        assert tab.locator("table.scoreboard tbody tr:visible").count() == len(LEDGER)


@pytest.mark.browser
def test_the_search_leads_with_the_place_of_each_claim(browser, address):
    with browser.new_context() as context:
        tab = context.new_page()
        tab.set_default_timeout(60_000)
        tab.goto(address + "search.html?q=NS-03")
        first = tab.locator("#search-results ul.search li a").first
        first.wait_for()
        assert first.get_attribute("href").endswith("#claim-ns-03")
        found = tab.evaluate(SEARCH, list(LEDGER))
    for (claim_id, claim), (page, anchor) in zip(LEDGER.items(), found, strict=True):
        attempted = claim.verdict != claims.NOT_ATTEMPTED
        assert page == f"book/{claim.chapter if attempted else 'scoreboard'}", claim_id
        assert anchor == (f"#{claim.anchor}" if attempted else f"#{claim_id}"), claim_id


# The best hit of each query, as the site's search would list it.
SEARCH = r"""ids => ids.map(id => {
  const hits = Search._performSearch(...Search._parseQuery(id));
  return hits.length ? hits[hits.length - 1].slice(0, 3).filter((_, n) => n !== 1) : ["", ""];
})"""


@pytest.mark.browser
def test_the_sites_own_search_finds_a_term(browser, address):
    with browser.new_context() as context:
        tab = context.new_page()
        tab.set_default_timeout(60_000)
        heard = listen(tab, address)
        tab.goto(address)
        tab.wait_for_url("**/book/index.html")
        tab.locator("button.search-button-field").click()
        tab.locator("input[type=search]:visible").fill("Marchenko")
        tab.keyboard.press("Enter")
        tab.wait_for_url("**/search.html?*")
        tab.locator("#search-results ul.search li a").first.wait_for()
        hits = tab.locator("#search-results ul.search li a").evaluate_all(
            "links => links.map(link => link.href)"
        )
    assert any("/book/linear/01-" in hit for hit in hits)
    assert not heard["elsewhere"]
    assert not heard["refused"]
    assert set(heard["errors"]) <= KNOWN_ERRORS


def test_the_landing_page_leads_to_the_book_and_names_its_icon():
    """Without an icon named, a browser asks for `favicon.ico` and is refused."""
    landing = parsed("index.html")
    assert landing.html["lang"] == "en"
    assert landing.title.text == "Grokbook"
    assert landing.select_one("meta[http-equiv=refresh]")["content"].endswith("book/index.html")
    assert (SITE / landing.select_one("link[rel=icon]")["href"]).is_file()


@pytest.mark.browser
@every_chapter
def test_hidden_cells_open_from_the_keyboard(browser, address, page):
    with browser.new_context() as context:
        tab = context.new_page()
        tab.goto(address + page)
        hidden = tab.locator("details.hide").first
        if not hidden.count():
            pytest.skip("this chapter hides no cell")
        hidden.locator("summary").focus()
        tab.keyboard.press("Enter")
        assert hidden.locator("pre").first.is_visible()


@pytest.mark.browser
@pytest.mark.parametrize("page", [one for one in CHAPTERS if not one.startswith(RECIPES)])
def test_the_first_figure_or_explorer_stands_in_the_first_screen(visit, page):
    top, height = visit(page)["first"]
    assert top + min(height, 200) <= MODES["desktop"][1], f"begins at {top:.0f} px"


@pytest.mark.browser
def test_one_switch_shows_all_code_and_is_remembered(browser, address):
    folded = ".tag_hide-input > details"
    with browser.new_context() as context:
        tab = context.new_page()
        tab.set_default_timeout(60_000)
        for page, pressed in zip(CHAPTERS[:2], ("false", "true"), strict=True):
            tab.goto(address + page)
            switch = tab.get_by_role("button", name="Show all code")
            assert switch.get_attribute("aria-pressed") == pressed
            if pressed == "false":
                switch.focus()
                tab.keyboard.press("Enter")
            count = tab.locator(folded).count()
            assert tab.locator(f"{folded}[open]").count() == count > 5
            solutions = tab.locator("details.hide:not([open])").count()
            assert solutions >= 2
        switch.click()
        assert tab.locator(f"{folded}[open]").count() == 0
        tab.reload()
        assert tab.locator(f"{folded}[open]").count() == 0


@pytest.mark.browser
def test_folded_code_opens_without_javascript(browser, address):
    with browser.new_context(java_script_enabled=False) as context:
        tab = context.new_page()
        tab.goto(address + CHAPTERS[0])
        fold = tab.locator(".tag_hide-input > details").first
        fold.locator("summary").click()
        assert fold.locator("pre").first.is_visible()
        assert tab.locator(".fold-switch").count() == 0
