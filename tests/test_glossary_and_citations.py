"""The glossary and its links, citations of pages and claims, and what each chapter says is next."""

import json
import posixpath
import re
from functools import cache

import bs4
import pytest
import yaml

import citation
import scoreboard
from explorers import SITE
from grokbook import claims
from guards import ROOT

BOOK = ROOT / "book"
TERM = re.compile(r"\{term\}`(?:[^`<]*<)?([^`<>]+)>?`")
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
HOME, AUTHOR = CONFIG["html"]["baseurl"], CONFIG["author"]


def contents():
    """The notebooks of the table of contents, in order."""
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))["parts"]
    names = [entry["file"] for part in parts for entry in part["chapters"]]
    return [name for name in names if (ROOT / f"{name}.ipynb").is_file()]


NOTEBOOKS = contents()
CHAPTERS = [name for name in NOTEBOOKS if not name.endswith("use-it-in-your-own-work")]


@cache
def texts(name):
    """The Markdown cells of a notebook."""
    cells = json.loads((ROOT / f"{name}.ipynb").read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


@cache
def glossary():
    """Term: definition."""
    text = (BOOK / "glossary.md").read_text("utf-8")
    entries = text.split("```{glossary}\n")[1].split("```")[0].strip().split("\n\n")
    return dict(entry.split("\n", 1) for entry in entries)


# --- Glossary ----------------------------------------------------------------------------------


def test_the_glossary_is_in_the_order_of_the_alphabet():
    terms = [term.casefold().replace("ï", "i") for term in glossary()]
    assert len(terms) >= 35
    assert terms == sorted(terms)


@pytest.mark.parametrize("term", glossary())
def test_a_definition_is_short_and_leads_somewhere(term):
    definition = glossary()[term]
    assert re.search(r"\{(?:doc|ref)\}`[^`]+`", definition), "no link to a page"
    sentences = re.findall(r"[.:)](?=\s+[A-Z]|\s*$)", definition)
    assert 1 <= len(sentences) <= 3
    assert set(TERM.findall(definition)) <= set(glossary()) - {term}


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_links_a_few_terms_once_each(name):
    used = TERM.findall("\n".join(texts(name)))
    assert set(used) <= set(glossary())
    assert 1 <= len(used) <= 5
    assert len(used) == len(set(used))


# --- What comes next ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_ends_with_what_comes_next(name):
    following = NOTEBOOKS[NOTEBOOKS.index(name) + 1]
    label = re.match(r"\(([\w-]+)\)=", texts(following)[0])[1]
    last = texts(name)[-1].rstrip().split("\n\n")[-1]
    stem = following.rsplit("/", 1)[-1]
    linked = re.findall(r"\{(?:doc|ref)\}`(?:[^`<]*<)?(?:[./\w]*/)?([\w-]+)>?`", last)
    assert linked[-1] in (stem, label)


# --- Citations ---------------------------------------------------------------------------------


def test_a_citation_names_edition_commit_and_address():
    said = citation.line("“A & B”", "https://x.org/a.html", "Us")
    assert said.startswith("Us: “A & B”. In: Grokbook")
    assert said.endswith(". https://x.org/a.html")
    assert citation.state() in said
    assert re.match(r"edition (main|v[\d.]+), commit ([0-9a-f]{10}|unknown)", citation.state())


def test_bibtex_is_an_entry():
    entry = citation.bibtex("grokbook-a", "A {B}", "https://x.org/a.html", "Some people")
    assert re.fullmatch(r"@misc\{grokbook-a,\n(  \w+ = \{.*\},\n){5}\}", entry)
    assert entry.count("{") == entry.count("}")
    assert "author = {{Some people}}" in entry  # one author, not one of each word


def test_the_box_of_a_page():
    box = citation.box("A < B", "book/linear/01", "https://x.org/", "Us")
    soup = bs4.BeautifulSoup(box, "html.parser")
    line, entry = (block.get_text() for block in soup.select(".cite-text pre"))
    assert line == citation.line("“A < B”", "https://x.org/book/linear/01.html", "Us")
    assert entry.startswith("@misc{grokbook-linear-01,\n")
    assert soup.select_one("details > summary").get_text() == "BibTeX"


def test_a_claim_is_cited_with_its_verdict_and_address():
    claim = claims.ledgers()["LE-01"]
    row = bs4.BeautifulSoup(scoreboard.row(claim, None, ("https://x.org/", "Us")), "html.parser")
    (cited,) = row.select("details .cite-text pre")
    assert cited.get_text() == citation.line(
        f"Claim LE-01, {claim.verdict}", "https://x.org/claims.html#LE-01", "Us"
    )


@cache
def built(page):
    """A page of the site as a tree."""
    path = SITE / f"{page}.html"
    assert path.is_file(), "there is no site in _build/html: run make book first"
    return bs4.BeautifulSoup(path.read_text("utf-8"), "html.parser")


@pytest.mark.site
@pytest.mark.parametrize("page", [*NOTEBOOKS, "book/index", "book/scoreboard", "book/api/linear"])
def test_a_built_page_ends_with_its_citation(page):
    (box,) = built(page).select("article .cite-page")
    line = box.select_one(".cite-text pre").get_text()
    heading = built(page).h1.get_text().removesuffix("#")
    commit = re.search(r"from commit (\w+)", built(page).select_one(".build-facts").get_text())[1]
    if not line.startswith(f"{AUTHOR}: “{heading}”. In: "):
        # Formulas in a title have their source there.
        assert built(page).h1.select(".math")
    assert line.endswith(f" {HOME}{page}.html")
    assert f"commit {commit}" in line
    later = [one for one in box.find_all_next("section") if one.find_parent("article")]
    assert not later


@pytest.mark.site
@pytest.mark.parametrize("name", CHAPTERS)
def test_terms_lead_to_the_glossary(name):
    links = [one["href"] for one in built(name).select("article a[href*='glossary.html#term-']")]
    assert len(links) == len(TERM.findall("\n".join(texts(name))))


@pytest.mark.site
@pytest.mark.parametrize("name", CHAPTERS)
def test_the_link_to_the_next_page_has_its_title(name):
    link = built(name).select_one("a.right-next")
    following = posixpath.normpath(posixpath.join(posixpath.dirname(name), link["href"]))
    title = built(following.removesuffix(".html")).h1.get_text().removesuffix("#")
    assert title in link.get_text()


@pytest.mark.site
@pytest.mark.browser
def test_one_click_copies_a_citation(browser, address):
    with browser.new_context(permissions=["clipboard-read", "clipboard-write"]) as context:
        tab = context.new_page()
        tab.set_default_timeout(60_000)
        for page, box in (
            ("book/how-to-read.html", ".cite-page .cite-text"),
            ("book/scoreboard.html", "#LE-01 .cite-text"),
        ):
            tab.goto(f"{address}{page}#LE-01")
            block = tab.locator(box).first
            block.hover()
            block.locator("button.copybtn").click()
            copied = tab.evaluate("navigator.clipboard.readText()")
            assert copied == block.locator("pre").inner_text()
