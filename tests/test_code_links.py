"""Names of the package in a chapter's cells lead to their entries in the API."""

import re
from pathlib import Path
from urllib.parse import urldefrag

import bs4
import pytest

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "_build" / "html" / "book"
# A call in a chapter, and the entry that it leads to: a function, a method of what a call returned,
# a function of a module imported in an earlier cell.
CALLS = {
    "linear/01-a-linear-model-groks": ("simulate.trajectory", "grokbook.linear.simulate"),
    "modular/04-naive-loss-minimisation": ("plane.coordinates", "grokbook.modular.landscape.Plane"),
    "tickets/02-structure-emerges": ("masks.magnitude", "grokbook.tickets.masks"),
}
NOTEBOOKS = sorted((ROOT / "book").rglob("*.ipynb"))
CHAPTERS = [path.relative_to(ROOT / "book").with_suffix("").as_posix() for path in NOTEBOOKS]
LEAST = 20

pytestmark = pytest.mark.site


def text(page):
    """The HTML of a page of the book."""
    path = (BOOK / page).with_suffix(".html")
    if not path.is_file():
        pytest.fail("there is no site in _build/html: run make book first", pytrace=False)
    return path.read_text("utf-8")


@pytest.mark.parametrize(("chapter", "call"), CALLS.items())
def test_a_call_leads_to_its_entry(chapter, call):
    called, owner = call
    name = f"{owner}.{called.partition('.')[2]}"
    cells = bs4.BeautifulSoup(text(chapter), "html.parser").select(".cell_input pre a")
    found = {link["href"] for link in cells if link.get_text() == called}
    assert len(found) == 1
    path, anchor = urldefrag(found.pop())
    assert anchor == name
    entry = re.search(
        rf'<dt[^>]* id="{re.escape(name)}">.*?</dt>',
        text((BOOK / chapter).parent / path),
        re.DOTALL,
    )
    assert name.rpartition(".")[2] in entry[0]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_chapter_has_such_links(chapter):
    assert text(chapter).count('class="sphinx-codeautolink-a"') >= LEAST
