"""The whole book as one PDF, printed by Chromium: ``make pdf``.

Does what ``make book`` does, then joins the pages of the site into one, in the order of the table
of contents, and prints that.  Sphinx's own single page is not used: the chapters share ids ("the
setting", "exercises"), and what the executed cells say links to pages that it does not have.
Exit code 2 without Chromium, before any work; otherwise that of ``make book``.
"""

from __future__ import annotations

import argparse
import html
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import yaml

import grokbook
from tools import build

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "_build" / "pdf" / "grokbook.pdf"
STYLE = Path(__file__).with_name("pdf.css")
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ("--no-sandbox", "--disable-background-networking", "--disable-component-update")
OPTIONS = {"prefer_css_page_size": True, "print_background": True, "outline": True, "tagged": True}
PATIENCE = 900_000  # milliseconds
# The joined book among the pages of the site.
JOINED = "/book/joined.html"
# Stands for the site while addresses are joined.
HOST = "http://book/"
VOID = {
    "area",
    "br",
    "col",
    "embed",
    "hr",
    "img",
    "input",
    "link",
    "meta",
    "source",
    "track",
    "wbr",
}
# What answers to a click, and what the table of contents of the PDF replaces.
DROPPED_TAGS = {"script", "button", "form", "noscript"}
DROPPED_CLASSES = {"headerlink", "toctree-wrapper", "figure-data", "explorer", "sd-summary-icon"}
HEADING = re.compile(r"<h[1-6]\b.*?</h[1-6]>", re.DOTALL)
# Formulas that MathJax left as they were.
UNSET = "document.querySelectorAll('.math:not(:has(mjx-container))').length"
NAMES = ("id", "for", "aria-labelledby", "aria-describedby")


@dataclass
class Contents:
    """The pages of the book in its order, each with the part that it opens, if it opens one."""

    pages: list[str] = field(default_factory=list)
    opens: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path = ROOT / "_toc.yml") -> Contents:
        """The table of contents."""
        found, toc = cls(), yaml.safe_load(path.read_text("utf-8"))
        found.pages.append(toc["root"])
        found.opens[toc["root"]] = "About this book"
        for part in toc["parts"]:
            found.opens[part["chapters"][0]["file"]] = part["caption"]
            for entry in part["chapters"]:
                found.pages += [entry["file"], *(one["file"] for one in entry.get("sections", ()))]
        return found


def anchor(page: str, fragment: str = "") -> str:
    """The id of a page, or of a place on it, in the joined book."""
    name = page.removeprefix("book/").replace("/", "-")
    return f"{name}--{fragment}" if fragment else name


class Article(HTMLParser):
    """The article of one page, rewritten for the joined book; its title in ``title``.

    Headings go one level down, below those of the parts; ids carry the page's name; a link to
    another page of the book leads to its place in the book, one to a file to the site.
    """

    def __init__(self, page: str, pages: set[str], site: str):
        super().__init__(convert_charrefs=False)
        self.page, self.pages, self.site = page, pages, site
        self.parts: list[str] = []
        self.title = ""
        self._within = False
        self._dropped: list[str] = []  # the open tags of what is left out
        self._heading = False

    @property
    def text(self) -> str:
        """The rewritten article."""
        return HEADING.sub(bound, "".join(self.parts))

    def address(self, link: str) -> str:
        """Where a link leads in the joined book."""
        where = urlsplit(urljoin(f"{HOST}{self.page}.html", link))
        page = unquote(where.path).lstrip("/").removesuffix(".html")
        if f"{where.scheme}://{where.netloc}/" != HOST:
            return link
        if where.path.endswith(".html") and page in self.pages:
            return f"#{anchor(page, unquote(where.fragment))}"
        return urljoin(self.site, where.path.lstrip("/"))

    def _attribute(self, name: str, value: str | None) -> str:
        if value is None:
            return f" {name}"
        if name in NAMES:
            value = " ".join(anchor(self.page, one) for one in value.split())
        elif name == "href":
            value = self.address(value)
        elif name == "src":
            value = urljoin(f"{HOST}{self.page}.html", value).replace(HOST, "/", 1)
        return f' {name}="{html.escape(value)}"'

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self._within:
            self._within = tag == "article"
            return
        classes = set((dict(attrs).get("class") or "").split())
        if self._dropped or tag in DROPPED_TAGS or classes & DROPPED_CLASSES:
            if tag not in VOID:
                self._dropped.append(tag)
            return
        self._heading = self._heading or tag == "h1"
        opened = " open" if tag == "details" and "open" not in dict(attrs) else ""
        kept = "".join(self._attribute(*one) for one in attrs)
        self.parts.append(f"<{lowered(tag)}{kept}{opened}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._dropped:
            if tag in self._dropped:
                while self._dropped.pop() != tag:
                    pass
        elif tag == "article":
            self._within = False
        elif self._within:
            self._heading = self._heading and tag != "h1"
            self.parts.append(f"</{lowered(tag)}>")

    def _text(self, text: str) -> None:
        if self._within and not self._dropped:
            self.parts.append(text)
            if self._heading:
                self.title += html.unescape(text)

    def handle_data(self, data: str) -> None:
        self._text(data)

    def handle_entityref(self, name: str) -> None:
        self._text(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._text(f"&#{name};")


def lowered(tag: str) -> str:
    """A heading one level down; any other tag as it is."""
    return f"h{int(tag[1]) + 1}" if re.fullmatch("h[1-5]", tag) else tag


def bound(heading: re.Match) -> str:
    """A heading whose spaces stay at the ends of lines: the outline joins its lines as they are."""
    if 'class="math' in heading[0]:
        return heading[0]
    return re.sub(r" (?=[^<>]*<)", "&nbsp;<wbr>", heading[0])


def articles(site: Path, contents: Contents, address: str) -> list[Article]:
    """The articles of all pages, rewritten, in the order of the book."""
    found = []
    for page in contents.pages:
        article = Article(page, set(contents.pages), address)
        article.feed((site / f"{page}.html").read_text("utf-8"))
        article.title = " ".join(article.title.split())
        found.append(article)
    return found


def title_page(site: Path, address: str) -> str:
    """Name, edition, and what the site was built from, as its pages say it."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    root = (site / f"{Contents.read().pages[0]}.html").read_text("utf-8")
    facts = re.search(r'<p class="build-facts">(.*?)</p>', root, re.DOTALL)[1]
    edition = "state of main" if grokbook.edition() == "main" else grokbook.edition()
    return (
        f'<section class="title-page"><h1>{html.escape(config["title"])}</h1>'
        "<p class='subtitle'>Seven papers on grokking, re-derived and executed, "
        "every claim checked</p>"
        f"<p>{html.escape(config['author'])}</p>"
        f"<p>Edition: {edition}, grokbook {grokbook.__version__}</p>"
        f'<p class="facts">{facts}</p>'
        f'<p><a href="{address}">{address}</a></p></section>'
    )


def contents_page(found: list[Article], opens: dict[str, str]) -> str:
    """Parts and chapters, with links."""
    lines = []
    for article in found:
        if article.page in opens:
            lines.append(f"<p>{html.escape(opens[article.page])}</p>")
        title = html.escape(article.title)
        lines.append(f'<div><a href="#{anchor(article.page)}">{title}</a></div>')
    return f'<section class="contents-page"><h1>Contents</h1>{"".join(lines)}</section>'


def running_heads(found: list[Article]) -> str:
    """A style for each page of the site: its title at the head of its sheets."""
    rules = []
    for number, article in enumerate(found):
        title = re.sub(r'["\\]', r"\\\g<0>", article.title)
        rules.append(
            f'@page p{number} {{ @top-center {{ content: "{title}"; }} }}\n'
            f"#{anchor(article.page)} {{ page: p{number}; }}"
        )
    return "\n".join(rules)


def joined(site: Path) -> str:
    """The whole book as one page."""
    contents = Contents.read()
    root = (site / f"{contents.pages[0]}.html").read_text("utf-8")
    head = root[: root.index("</head>")]
    address = re.search(r'<link rel="canonical" href="(.*?)"', head)[1].removesuffix(
        f"{contents.pages[0]}.html"
    )
    found = articles(site, contents, address)
    sections = []
    for one in found:
        part = contents.opens.get(one.page)
        heading = f'<h1 class="part">{html.escape(part)}</h1>' if part else ""
        sections.append(
            f'<section class="page" id="{anchor(one.page)}">{heading}{one.text}</section>'
        )
    links = re.findall(r'<link[^>]* rel="stylesheet"[^>]*>', head)
    mathjax = re.findall(
        r"<script>window\.MathJax.*?</script>|<script[^>]*mathjax[^>]*></script>", head
    )
    return (
        '<!doctype html><html lang="en" data-theme="light" data-mode="light">'
        f"<head><meta charset='utf-8'><title>Grokbook</title>"
        f"{''.join(links + mathjax)}<style>{STYLE.read_text('utf-8')}{running_heads(found)}</style>"
        f"</head><body>{title_page(site, address)}{contents_page(found, contents.opens)}"
        f'<main class="bd-main"><div class="bd-content"><article class="bd-article">'
        f"{''.join(sections)}</article></div></main></body></html>"
    )


def chromium() -> str | None:
    """The browser, if there is one."""
    return next(filter(None, map(shutil.which, CHROMIUM)), None)


class Handler(SimpleHTTPRequestHandler):
    """The files of a site, and the joined book as one of its pages; without a log."""

    def __init__(self, *arguments, book: bytes, **options):
        self.book = book
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        if self.path != JOINED:
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(self.book)))
        self.end_headers()
        self.wfile.write(self.book)

    def log_message(self, *arguments) -> None:
        pass


@contextmanager
def served(site: Path, book: str = "") -> Iterator[str]:
    """The site with the joined book on loopback; its address, without a slash."""
    handler = partial(Handler, directory=str(site), book=book.encode())
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def write(browser: str, site: Path, target: Path) -> None:
    """Print the site as one PDF; whatever goes wrong, nothing half-written is left."""
    from playwright.sync_api import sync_playwright

    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".unfinished")
    try:
        with served(site, joined(site)) as address, sync_playwright() as playwright:
            running = playwright.chromium.launch(executable_path=browser, args=FLAGS)
            tab = running.new_page()
            tab.set_default_timeout(PATIENCE)
            tab.emulate_media(media="print")
            tab.goto(address + JOINED)
            # Nothing is returned: the browser would copy all that a promise brings.
            tab.evaluate(
                "window.MathJax.startup.promise.then(() => document.fonts.ready, () => 0)"
                ".then(() => 0)"
            )
            if raw := tab.evaluate(UNSET):
                raise RuntimeError(f"{raw} formulas were not typeset")
            tab.pdf(path=unfinished, **OPTIONS)
            running.close()
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def main() -> int:
    """The command."""
    browser = chromium()
    if not browser:
        line = "no PDF without Chromium; install it (Debian, Ubuntu: apt install chromium)"
        print(f"grokbook: {line}", file=sys.stderr)
        return 2
    TARGET.unlink(missing_ok=True)
    status = build.main()
    if not (build.HTML / "index.html").is_file():
        return status
    print("printing the book", flush=True)
    try:
        write(browser, build.HTML, TARGET)
    except Exception as error:  # of many kinds, from the browser
        reason = str(error).strip().partition("\n")[0]
        print(f"grokbook: no PDF: {reason}", file=sys.stderr)
        return 1
    print(f"open {TARGET}", flush=True)
    return status


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()  # refuses what it does not take
    sys.exit(main())
