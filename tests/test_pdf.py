"""The book as one PDF: how pages are joined, what is printed, and that nothing half-done is left.

The printed book is made once from the built site, and read with pypdf.
"""

import functools
import os
import re
import shutil
import unicodedata
from itertools import pairwise

import bs4
import pypdf
import pytest

from grokbook import claims
from tools import build, pdf

CONTENTS = pdf.Contents.read()
CHAPTERS = [page for page in CONTENTS.pages if (pdf.ROOT / f"{page}.ipynb").is_file()]
PAGE = """<html><body><h1>Not this</h1><article class="bd-article"><section id="a-title">
<h1>A <em>title</em><a class="headerlink" href="#a-title">#</a></h1><script>no()</script>
<p>1 &lt; 2, <a href="#eq-1">(1)</a> <a href="../xor/02-y.html#Part">y</a>
<a href="../xor/02-y.html">all</a> <a href="../../data/f.csv">data</a>
<a href="../../search.html">s</a>
<a href="https://a.org/b.html#c">elsewhere</a></p>
<details class="hide"><summary>More</summary>
<img src="../../_images/f.png" alt="two &quot;one&quot;"/></details><button><b>copy</b></button>
<h2 id="eq-1">Second</h2></section></article><p>Nor this</p></body></html>"""
SITE = "https://s.org/"


@functools.cache
def rewritten():
    """The article of PAGE, as page linear/01-x of a book with another page."""
    article = pdf.Article("book/linear/01-x", {"book/linear/01-x", "book/xor/02-y"}, SITE)
    article.feed(PAGE)
    return article, bs4.BeautifulSoup(article.text, "html.parser")


def test_an_article_is_taken_without_its_surroundings_and_what_answers_to_clicks():
    article, tree = rewritten()
    assert article.title == "A title"
    assert (
        " ".join(tree.get_text().split()) == "A title 1 < 2, (1) y all data s elsewhere More Second"
    )
    assert "1 &lt; 2" in article.text
    assert not tree.select("script, button, .headerlink, h1")
    assert tree.img["alt"] == 'two "one"'
    assert tree.img["src"] == "/_images/f.png"


def test_headings_go_down_a_level_and_what_is_folded_opens():
    _, tree = rewritten()
    assert [(one.name, one.get_text()) for one in tree.find_all(["h2", "h3"])] == [
        ("h2", "A\N{NO-BREAK SPACE}title"),
        ("h3", "Second"),
    ]
    assert tree.details.has_attr("open")


def test_ids_carry_the_page_and_links_lead_into_the_book_or_to_the_site():
    _, tree = rewritten()
    assert {one["id"] for one in tree.find_all(id=True)} == {
        "linear-01-x--a-title",
        "linear-01-x--eq-1",
    }
    assert [one["href"] for one in tree.find_all("a")] == [
        "#linear-01-x--eq-1",
        "#xor-02-y--Part",
        "#xor-02-y",
        f"{SITE}data/f.csv",
        f"{SITE}search.html",
        "https://a.org/b.html#c",
    ]


def test_without_chromium_a_line_says_so_before_any_work(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)
    monkeypatch.setattr(build, "main", lambda: pytest.fail("work was begun"))
    monkeypatch.setattr(pdf, "TARGET", tmp_path / "book.pdf")
    assert pdf.main() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "install" in line
    assert "chromium" in line
    assert not list(tmp_path.iterdir())


def test_a_browser_that_fails_leaves_nothing(monkeypatch, capsys, tmp_path):
    (tmp_path / "index.html").write_text("")
    monkeypatch.setattr(build, "HTML", tmp_path)
    monkeypatch.setattr(build, "main", lambda: 0)
    monkeypatch.setattr(pdf, "chromium", lambda: shutil.which("false"))
    monkeypatch.setattr(pdf, "joined", lambda site: "")
    monkeypatch.setattr(pdf, "TARGET", tmp_path / "pdf" / "book.pdf")
    pdf.TARGET.parent.mkdir()
    pdf.TARGET.write_text("an older one")
    assert pdf.main() == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("grokbook: no PDF")
    assert not list(pdf.TARGET.parent.iterdir())


# --- The printed book --------------------------------------------------------------------------

site = pytest.mark.site
browser = pytest.mark.browser


class Book:
    """The printed book, read: its outline, and the text of each page when it is asked for."""

    def __init__(self, path):
        self.reader = pypdf.PdfReader(path)
        self.outline = [*self._entries(self.reader.outline)]
        self.text = functools.cache(lambda k: self.reader.pages[k].extract_text())

    def _entries(self, entries, level=0):
        for entry in entries:
            if isinstance(entry, list):
                yield from self._entries(entry, level + 1)
            else:
                number = self.reader.get_destination_page_number(entry)
                yield level, " ".join(entry.title.split()), number

    def chapters(self):
        """The numbers of the pages of each page of the site, in its order."""
        starts = [number for level, _, number in self.outline if level == 1]
        starts = [*starts, len(self.reader.pages)]
        return dict(zip(CONTENTS.pages, (range(*two) for two in pairwise(starts)), strict=True))

    def letters(self, page):
        """The letters of a page of the site, as printed, without the heads of the sheets."""
        head = letters(article(page).h1.get_text().removesuffix("#"))
        sheets = [letters(self.text(number)) for number in self.chapters()[page]]
        return "".join(re.sub(rf"^{re.escape(head)}\d{{1,3}}", "", one) for one in sheets)


def letters(text):
    """A text without spaces, ligatures and hyphens: what line breaks leave of it."""
    return re.sub(r"[\s\u00ad-]", "", unicodedata.normalize("NFKC", text))


def plain(tag):
    """The longest stretch of a tag's text without formulas and links; at most 400 letters."""
    copy = bs4.BeautifulSoup(str(tag), "html.parser")
    for formula in copy.select(".math, a, code, sub, sup"):
        formula.replace_with("\0")
    return letters(max(copy.get_text().split("\0"), key=len))[:400]


@functools.cache
def article(page):
    """A page of the site, its article alone."""
    text = (build.HTML / f"{page}.html").read_text("utf-8")
    return bs4.BeautifulSoup(text[text.index("<article") : text.index("</article>")], "html.parser")


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The site in _build/html, printed."""
    if not (build.HTML / "index.html").is_file():
        pytest.fail("there is no site in _build/html: run make book first", pytrace=False)
    found = pdf.chromium()
    if not found:
        line = "no chromium here: the book was not printed"
        (pytest.fail if os.environ.get("GROKBOOK_CI") else pytest.skip)(line)
    target = tmp_path_factory.mktemp("pdf") / "grokbook.pdf"
    pdf.write(found, build.HTML, target)
    assert [one.name for one in target.parent.iterdir()] == [target.name]
    return Book(target)


@site
@browser
def test_the_outline_has_each_part_and_chapter_once_in_order(book):
    titles = [" ".join(article(page).h1.find(string=True).split()) for page in CONTENTS.pages]
    said = [title for level, title, _ in book.outline if level == 1]
    assert all(long.startswith(one) for long, one in zip(said, titles, strict=True))
    parts = [title for level, title, _ in book.outline if level == 0]
    assert parts == ["Grokbook", "Contents", *CONTENTS.opens.values()]
    numbers = [number for _, _, number in book.outline]
    assert numbers == sorted(numbers)


@site
@browser
def test_the_title_page_says_the_edition_and_what_it_was_built_from(book):
    # A commit may hold the letters of a ligature.
    text = unicodedata.normalize("NFKC", book.text(0))
    assert text.startswith("Grokbook")
    assert re.search(r"Edition: (state of main|v\d\S*), grokbook \d", text)
    assert re.search(r"from commit ([0-9a-f]{10}|unknown)", " ".join(text.split()))


@site
@browser
def test_sheets_are_numbered_and_headed(book):
    for page, numbers in book.chapters().items():
        head = letters(" ".join(article(page).h1.find(string=True).split()))
        for k in (numbers[0], numbers[-1]):
            assert str(k + 1) in book.text(k).split()
            assert head in letters(book.text(k))


@site
@browser
def test_links_lead_somewhere(book):
    places, inside, faults = book.reader.named_destinations, set(), []
    for page in book.reader.pages:
        for note in page.get("/Annots", []):
            note = note.get_object()
            if note["/Subtype"] == "/Link" and "/Dest" in note:
                inside.add(note["/Dest"].removeprefix("/"))
            elif note["/Subtype"] == "/Link" and "//127.0.0.1" in note["/A"]["/URI"]:
                faults.append(note["/A"])
    assert not faults
    assert not {one for one in inside if one not in places and f"/{one}" not in places}
    for claim in claims.ledgers().values():
        assert pdf.anchor("book/scoreboard", claim.id) in inside or not claim.chapter
    assert {pdf.anchor(page) for page in CONTENTS.pages} <= inside


@site
@browser
@pytest.mark.parametrize("page", CHAPTERS)
def test_every_figure_and_its_caption_is_there(book, page):
    text, figures = book.letters(page), article(page).select("figure:has(img)")
    assert figures
    for figure in figures:
        number = letters(figure.select_one(".caption-number").get_text())
        assert number in text, figure["id"]
        assert plain(figure.select_one(".caption-text")) in text, figure["id"]
    drawn = 0
    for k in book.chapters()[page]:
        objects = book.reader.pages[k]["/Resources"].get("/XObject", {}).values()
        drawn += sum(one.get_object()["/Subtype"] == "/Image" for one in objects)
    assert drawn >= len(figures)


def printed(phrase, text):
    """Whether the letters of a phrase are there, in one piece or on two sheets."""
    return phrase in text or any(
        phrase[:cut] in text and phrase[cut:] in text for cut in range(8, len(phrase) - 7)
    )


def test_a_phrase_is_printed_in_at_most_two_pieces():
    phrase = "whatcountsisthebalanceofthesupportvectors"
    assert printed(phrase, f"so{phrase}.")
    assert printed(phrase, f"{phrase[:20]}Fig.12Page7{phrase[20:]}")
    assert not printed(phrase, f"{phrase[:12]}x{phrase[13:24]}x{phrase[25:]}")


@site
@browser
@pytest.mark.parametrize("page", CHAPTERS)
def test_every_solution_and_every_folded_cell_is_there(book, page):
    text = book.letters(page)
    solutions = article(page).select("details.sd-dropdown .sd-summary-content")
    for solution in solutions:
        said = plain(solution.p)
        # Its ends: a sheet may break between them, and what is floated there comes between.
        assert printed(said[:40], text)
        assert printed(said[-40:], text)
    for cell in article(page).select("details .cell_input pre"):
        assert letters(cell.get_text().splitlines()[0]) in text
    assert text.count("Solution") >= str(article(page)).count(">Solution<")


@site
@browser
@pytest.mark.parametrize("page", CHAPTERS)
def test_no_formula_is_left_in_its_source(book, page):
    text = "".join(map(book.text, book.chapters()[page]))
    assert not re.findall(r"\\[()\[\]]|\\begin\{", text)
