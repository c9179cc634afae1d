"""Sphinx extension: executed chapters in, generated pages and build facts out.

On ``builder-inited`` every chapter is executed that has no result for its key, MyST-NB's cache is
refilled from the results (so MyST-NB executes nothing itself), and the pages made of the results
are written before Sphinx reads.  All of it is in ``chapters``, ``pages``, ``scoreboard`` and
``provenance``.
"""

from __future__ import annotations

import copy
import os
import re
import shutil
import sys
from pathlib import Path

from docutils import nodes
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbformat.v4 import new_output
from sphinx import addnodes

sys.path.insert(0, str(Path(__file__).resolve().parent))

import chapters
import citation
import grokbook
import pages
import provenance
import recorded_neurons
import recorded_scale
import recordings
import scoreboard
from grokbook import claims

EXTRA = chapters.ROOT / "_build" / "extra"
CACHE = chapters.ROOT / "_build" / ".jupyter_cache"
FIGURES = chapters.ROOT / "book" / "_figures"
# How `figures.rests_on` begins a line under a figure.
LINE = '<p class="rests-on">'
# A claim's box and its id in it, as `claims.check` shows them.
BOX, HEAD = '<div class="claim ', re.compile(r"(<p class=\"claim-head\"><strong>)([A-Z]{2}-\w+)")
# What a page's body holds, and the module of ours that it then loads.
SCRIPTS = {
    'data-explorer="': "explorers/boot.js",
    'class="exercise"': "exercises.js",
    "tag_hide-input": "folds.js",
}
# Jupyter Book's own would name no icon, and a browser then asks for one that is not there.
LANDING = """<!doctype html>
<html lang="en">
<title>Grokbook</title>
<link rel="icon" href="_static/{icon}">
<meta http-equiv="refresh" content="0; url={first}.html">
<a href="{first}.html">Grokbook</a>
</html>
"""


def setup(app):
    """Register the hooks."""
    EXTRA.mkdir(parents=True, exist_ok=True)
    app.connect("config-inited", describe_build)
    # Before MyST freezes its settings (500), so that the substitutions count.
    app.connect("builder-inited", prepare, priority=100)
    app.connect("doctree-read", set_lines)
    app.connect("doctree-read", link_data)
    app.connect("doctree-read", index_claims)
    app.connect("doctree-read", link_rows)
    app.connect("html-page-context", load_scripts)
    app.connect("html-page-context", say_how_to_cite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def describe_build(app, config) -> None:
    """Put the build's provenance into the footer; let links lead to what this build was made of."""
    options = config.html_theme_options
    options["extra_footer"] = provenance.footer()
    home = options["repository_url"]
    options["repository_branch"] = revision()
    if grokbook.edition() != "main":
        options["use_edit_page_button"] = False  # GitHub edits branches, not tags
    fork = os.environ.get("GITHUB_REPOSITORY")
    if fork:
        server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
        options["repository_url"] = f"{server}/{fork}"
        owner, _, name = fork.partition("/")
        pages_home, config.ogp_site_url = config.ogp_site_url, f"https://{owner}.github.io/{name}/"
        config.html_baseurl = config.ogp_site_url
        config.ogp_image = config.ogp_image.replace(pages_home, config.ogp_site_url)
    app.connect("source-read", lambda app, name, text: readdress(text, home, options))


def revision() -> str:
    """The branch or tag to launch: a release's own tag, else the branch that CI builds, or main."""
    edition = grokbook.edition()
    # A pull request has a reference of its own, which no launcher knows.
    a_branch = os.environ.get("GITHUB_REF_TYPE") == "branch" and not os.getenv("GITHUB_HEAD_REF")
    return os.environ["GITHUB_REF_NAME"] if edition == "main" and a_branch else edition


def readdress(text: list[str], home: str, options: dict) -> None:
    """Replace the address in a Markdown page, and let what it clones be this revision.

    A notebook's code stays as it was executed.
    """
    if text[0].lstrip().startswith("{"):
        return
    address, branch = options["repository_url"], options["repository_branch"]
    if branch != "main":
        text[0] = text[0].replace(f"git clone {home}", f"git clone --branch {branch} {home}")
    text[0] = text[0].replace(home, address)


def prepare(app) -> None:
    """Execute, refill the cache, write the generated pages and files."""
    wanted = chapters.chapters()
    chapters.run(wanted)
    executed = {chapter.name: chapter.executed() for chapter in wanted}
    shutil.rmtree(EXTRA / "data", ignore_errors=True)
    for chapter in wanted:
        for table in chapter.folder.glob("*.csv"):
            (EXTRA / "data").mkdir(parents=True, exist_ok=True)
            shutil.copy(table, EXTRA / "data")
    refill_cache(wanted, executed)
    pages.write_figures(executed, FIGURES)
    records = pages.records(executed)
    scoreboard.write(records, app.config.html_baseurl, app.config.author)
    pages.write_costs(wanted)
    pages.write_json(records, EXTRA / "claims.json")
    recordings.write(EXTRA, [recorded_neurons, recorded_scale])
    (EXTRA / "index.html").write_text(
        LANDING.format(icon=Path(app.config.html_favicon).name, first=app.config.root_doc)
    )
    app.config.myst_substitutions.update(pages.substitutions(records))


def refill_cache(wanted, executed) -> None:
    """Give MyST-NB the executed chapters; whatever the cache held before is dropped."""
    shutil.rmtree(CACHE, ignore_errors=True)
    cache = get_cache(CACHE)
    for chapter in wanted:
        bundle = CacheBundleIn(
            lines_as_text(executed[chapter.name]),
            str(chapter.path),
            data={"execution_seconds": chapter.cost()["wall_seconds"]},
        )
        cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def lines_as_text(notebook):
    """The notebook with the lines under its figures as printed text.

    MyST-NB makes a figure, with the same label, of everything that a figure's cell displays.
    """
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        for k, output in enumerate(cell.get("outputs", [])):
            if LINE in output.get("data", {}).get("text/html", ""):
                text = output["data"]["text/html"]
                cell.outputs[k] = new_output("stream", name="stdout", text=text)
    return notebook


def set_lines(app, doctree) -> None:
    """Set the lines under figures again, which were text for MyST-NB."""
    for block in list(doctree.findall(nodes.literal_block)):
        if block.astext().startswith(LINE):
            block.replace_self(nodes.raw("", block.astext(), format="html"))


def link_data(app, doctree) -> None:
    """Put a link to its data under each figure that has some."""
    up = "../" * app.env.docname.count("/")
    for figure in doctree.findall(nodes.figure):
        for name in figure["ids"]:
            if (EXTRA / "data" / f"{name}.csv").is_file():
                link = nodes.reference(
                    "", "Data of this figure (CSV)", refuri=f"{up}data/{name}.csv"
                )
                figure += nodes.legend("", nodes.paragraph("", "", link, classes=["figure-data"]))


def index_claims(app, doctree) -> None:
    """Let the site's search find a claim's id: its chapter first, or its row where it has none.

    The search knows nothing of what stands in a notebook's outputs, and drops numbers.
    """
    page = app.env.docname.removeprefix("book/")
    for claim in claims.ledgers().values():
        attempted = claim.verdict != claims.NOT_ATTEMPTED
        if page == (claim.chapter if attempted else "scoreboard"):
            target = claim.anchor if attempted else claim.id
            entry = ("single", claim.id, target, "main", None)
            doctree.insert(0, addnodes.index(entries=[entry]))


def link_rows(app, doctree) -> None:
    """Let the id in a claim's box lead to its row on the scoreboard."""
    up = "../" * (app.env.docname.count("/") - 1)
    for box in doctree.findall(lambda node: isinstance(node, nodes.raw) and BOX in node.astext()):
        text = HEAD.sub(
            rf'\1<a class="row-link" href="{up}scoreboard.html#\2">\2</a>', box.astext()
        )
        box.rawsource, box[:] = text, [nodes.Text(text)]


def load_scripts(app, pagename, templatename, context, doctree) -> None:
    """Let a page load the modules that bring to life what it holds; no other page does."""
    for marker, script in SCRIPTS.items():
        if marker in context.get("body", ""):
            address = context["pathto"](script, 1)
            context["metatags"] += f'\n<script type="module" src="{address}"></script>\n'


def say_how_to_cite(app, pagename, templatename, context, doctree) -> None:
    """Put a citation at the end of each page of the table of contents."""
    if doctree is not None and pagename.startswith("book/"):
        title = doctree.next_node(nodes.title).astext()
        context["body"] += citation.box(title, pagename, app.config.html_baseurl, app.config.author)
