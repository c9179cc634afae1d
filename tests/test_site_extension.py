"""The Sphinx extension and its pages: footer, address of a fork, index, what failed."""

import json
from types import SimpleNamespace

import pytest
import yaml
from docutils import nodes
from nbformat.v4 import new_code_cell, new_notebook, new_output
from sphinx import addnodes

import grokbook
import grokbook_site
import pages
import scoreboard
from grokbook import boxes, claims
from guards import ROOT

CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
HOME = CONFIG["repository"]["url"]


@pytest.fixture
def build(monkeypatch):
    """Configure a build of a version, in CI or not; returns its config and its page reader."""

    def configure(version="0.1.0.dev0", **ci):
        monkeypatch.setattr(grokbook, "__version__", version)
        for name in ("SERVER_URL", "REPOSITORY", "REF_TYPE", "REF_NAME", "HEAD_REF"):
            monkeypatch.delenv(f"GITHUB_{name}", raising=False)
        for name, value in ci.items():
            monkeypatch.setenv(f"GITHUB_{name.upper()}", value)
        settings = CONFIG["sphinx"]["config"]
        config = SimpleNamespace(
            html_theme_options={
                "repository_url": HOME,
                "repository_branch": CONFIG["repository"]["branch"],
                "use_edit_page_button": CONFIG["html"]["use_edit_page_button"],
            },
            html_baseurl=CONFIG["html"]["baseurl"],
            ogp_site_url=settings["ogp_site_url"],
            ogp_image=settings["ogp_image"],
        )
        hooks = {}
        grokbook_site.describe_build(SimpleNamespace(connect=hooks.__setitem__), config)

        def read(text):
            source = [text]
            hooks["source-read"](None, "book/a-page", source)
            return source[0]

        return config, read

    return configure


PAGE = f"git clone {HOME} or see {HOME}/issues"
FORK = "https://github.com/someone/mybook"


def test_the_address_is_that_of_the_configuration(build):
    config, read = build()
    assert config.html_theme_options["repository_url"] == HOME
    assert config.html_theme_options["repository_branch"] == "main"
    assert config.html_theme_options["use_edit_page_button"]
    assert config.html_baseurl == CONFIG["html"]["baseurl"]
    assert read(PAGE) == PAGE


def test_a_fork_carries_its_own_address(build):
    config, read = build(repository="someone/mybook")
    assert config.html_theme_options["repository_url"] == FORK
    assert config.html_baseurl == "https://someone.github.io/mybook/"
    assert config.ogp_image.startswith("https://someone.github.io/mybook/_static/")
    assert read(PAGE) == f"git clone {FORK} or see {FORK}/issues"
    notebook = f'{{"cells": "{HOME}"}}'
    assert read(notebook) == notebook


@pytest.mark.parametrize("ref", ["v0.1.0", "main"])
def test_a_release_launches_and_clones_its_tag(build, ref):
    kind = "tag" if ref.startswith("v") else "branch"
    config, read = build("0.1.0", repository="someone/mybook", ref_type=kind, ref_name=ref)
    assert config.html_theme_options["repository_branch"] == "v0.1.0"
    assert not config.html_theme_options["use_edit_page_button"]
    assert read(PAGE) == f"git clone --branch v0.1.0 {FORK} or see {FORK}/issues"


def test_a_branch_launches_itself(build):
    config, read = build(repository="someone/mybook", ref_type="branch", ref_name="trial")
    assert config.html_theme_options["repository_branch"] == "trial"
    assert config.html_theme_options["use_edit_page_button"]
    assert read(PAGE).startswith(f"git clone --branch trial {FORK}")


def test_a_pull_request_launches_main(build):
    of_a_request = {"ref_type": "branch", "ref_name": "12/merge", "head_ref": "trial"}
    config, _ = build(repository="someone/mybook", **of_a_request)
    assert config.html_theme_options["repository_branch"] == "main"


def test_the_footer_says_with_what_the_site_was_built(build):
    config, _ = build()
    for fact in ("commit", "Python 3.", "numpy", "torch", " on ", "CC BY 4.0"):
        assert fact in config.html_theme_options["extra_footer"]


def test_figures_with_data_get_a_link(tmp_path, monkeypatch):
    monkeypatch.setattr(grokbook_site, "EXTRA", tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "fig-a.csv").write_text("a\n1\n", "utf-8")
    document = nodes.section("", nodes.figure("", ids=["fig-a"]), nodes.figure("", ids=["fig-b"]))
    app = SimpleNamespace(env=SimpleNamespace(docname="book/linear/01"))
    grokbook_site.link_data(app, document)
    links = [link["refuri"] for link in document.findall(nodes.reference)]
    assert links == ["../../data/fig-a.csv"]


ROW = """[[claim]]
id = "LE-0{number}"
where = "w"
statement = "s"
kind = "qualitative"
verdict = "{verdict}"
"""
HELD = (
    ROW.format(number=1, verdict="reproduced")
    + """chapter = "linear/01"
scope = "λ < 1 | *three* seeds"
fails_if = "a seed [fails]"
test = [{ name = "two", holds = true }]
"""
)


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    """One claim with its chapter, one that was not attempted."""
    missing = ROW.format(number=2, verdict="not attempted") + 'reason = "r"\n'
    (tmp_path / "LE.toml").write_text('paper = "LE"\ntitle = "A"\n' + HELD + missing, "utf-8")
    monkeypatch.setattr(claims, "LEDGER", tmp_path)
    monkeypatch.setattr(pages, "BOOK", tmp_path)
    return tmp_path


def found(*, passed):
    """What a chapter checked, as the pages get it."""
    measured = "yes" if passed else "no"
    result = {"test": "two", "expectation": "holds", "measured": measured, "passed": passed}
    record = {"id": "LE-01", "verdict": "reproduced", "results": [result]}
    return {"LE-01": record | {"chapter": "linear/01"}}


def test_a_claim_is_indexed_where_its_check_stands(ledger):
    entries = {}
    for page in ("book/linear/01", "book/scoreboard", "book/index"):
        document = nodes.section("", nodes.paragraph())
        app = SimpleNamespace(env=SimpleNamespace(docname=page))
        grokbook_site.index_claims(app, document)
        entries[page] = [node["entries"] for node in document.findall(addnodes.index)]
    assert entries == {
        "book/linear/01": [[("single", "LE-01", "claim-le-01", "main", None)]],
        "book/scoreboard": [[("single", "LE-02", "LE-02", "main", None)]],
        "book/index": [],
    }


def test_pages_say_that_a_claim_failed(ledger):
    values = pages.substitutions(found(passed=False))
    said = values["claims_summary"]
    assert "Of 2 statements of the papers 1 were tested: 1 came out otherwise" in said
    assert "**1 of our verdicts failed** (<a " in said
    assert 'href="linear/01.html#claim-le-01"' in said
    assert "**FAILED here**: two: measured no, expected holds" in values["LE_01"]
    assert "| claims | not tried | FAILED here | all |" in values["verdict_table"]
    assert "| LE, the paper's | 1 | 1 | 2 |" in values["verdict_table"]
    scoreboard.write(found(passed=False))
    text = (ledger / "scoreboard.md").read_text("utf-8")
    assert "<strong>FAILED here:</strong> not <em>reproduced</em>" in text
    assert text.count("data-failed>") == 1
    pages.write_json(found(passed=False), ledger / "claims.json")
    row, missing = json.loads((ledger / "claims.json").read_text("utf-8"))
    assert row["failures"] == "two: measured no, expected holds"
    assert (row["scope"], row["fails_if"]) == ("λ < 1 | *three* seeds", "a seed [fails]")
    assert missing["failures"] == ""


def test_pages_say_that_the_claims_held(ledger):
    values = pages.substitutions(found(passed=True))
    said = values["claims_summary"]
    assert said.startswith("Of 2 statements of the papers 1 were tested: 1 hold as printed. ")
    assert said.endswith("each test came out as the verdict beside it says.")
    assert "FAILED" not in values["verdict_table"] + values["LE_01"]


def test_a_row_of_the_scoreboard(ledger, monkeypatch):
    monkeypatch.setattr(scoreboard, "chapter_titles", lambda: {"linear/01": ("Part", "A & B")})
    scoreboard.write(found(passed=True))
    text = (ledger / "scoreboard.md").read_text("utf-8")
    assert '<tr id="LE-01" data-paper="LE" data-verdict="reproduced"' in text
    assert '<a href="linear/01.html">A &amp; B</a>' in text
    assert "<dt>Tested</dt><dd>λ &lt; 1 | *three* seeds</dd>" in text
    assert "<dt>Refuted by</dt><dd>a seed [fails]</dd>" in text
    assert text.index("## Part") < text.index('id="LE-01"') < text.index("## Not attempted")
    assert text.index("## Not attempted") < text.index('id="LE-02"')


def test_rows_follow_the_book_and_the_order_of_the_checks(ledger, monkeypatch):
    rows = {f"LE-{k}": chapter for k, chapter in enumerate(("a/01", "z/01", "a/01", ""))}
    known = {one: SimpleNamespace(id=one, chapter=name) for one, name in rows.items()}
    monkeypatch.setattr(claims, "ledgers", lambda: known)
    placed = [
        one.id for one in scoreboard.ordered(dict.fromkeys(("LE-2", "LE-0")), ["z/01", "a/01"])
    ]
    assert placed == ["LE-1", "LE-2", "LE-0", "LE-3"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("e^(−s(1+λ)) I₁(2s)", "e<sup>−s(1+λ)</sup> I₁(2s)"),
        ("10^-3 n^{a b} x^½", "10<sup>-3</sup> n<sup>a b</sup> x<sup>½</sup>"),
        ("t_gen, c_−ν < d_{a b}", "t<sub>gen</sub>, c<sub>−ν</sub> &lt; d<sub>a b</sub>"),
        ("weight_decay *b* $c$", "weight_decay *b* $c$"),
    ],
)
def test_indices_and_exponents_are_set(text, shown):
    assert boxes.typeset(text) == shown


def test_the_box_of_a_claim_leads_to_its_row():
    box = '<div class="claim held" id="claim-le-16"><p class="claim-head"><strong>LE-16</strong>'
    document = nodes.section(
        "", nodes.raw("", box, format="html"), nodes.raw("", "b", format="html")
    )
    for page, up in (("book/linear/01", "../"), ("book/phase-diagrams", "")):
        tree = document.deepcopy()
        app = SimpleNamespace(env=SimpleNamespace(docname=page))
        grokbook_site.link_rows(app, tree)
        link = f'<strong><a class="row-link" href="{up}scoreboard.html#LE-16">LE-16</a></strong>'
        assert [one.astext() for one in tree.children] == [
            box.replace("<strong>LE-16</strong>", link),
            "b",
        ]


def test_a_line_under_a_figure_is_text_for_mystnb_and_set_again():
    line = '<p class="rests-on">A stored result.</p>'
    shown = [
        new_output("display_data", {"image/png": "x"}),
        new_output("display_data", {"text/html": line, "text/plain": "A stored result."}),
        new_output("display_data", {"text/html": "<b>a claim</b>"}),
    ]
    given = new_notebook(cells=[new_code_cell("", outputs=shown)])
    outputs = grokbook_site.lines_as_text(given).cells[0].outputs
    assert [one.output_type for one in outputs] == ["display_data", "stream", "display_data"]
    assert given.cells[0].outputs[1].output_type == "display_data"
    document = nodes.section(
        "", nodes.literal_block("", outputs[1].text), nodes.literal_block("", "x")
    )
    grokbook_site.set_lines(None, document)
    raw, plain = document.children
    assert (raw.astext(), raw["format"]) == (line, "html")
    assert isinstance(plain, nodes.literal_block)


def test_only_a_page_that_holds_it_loads_what_brings_it_to_life():
    def head(body):
        context = {"metatags": "<meta>", "pathto": lambda path, resource: f"../../{path}"}
        context |= {"body": body} if body is not None else {}
        grokbook_site.load_scripts(None, "book/linear/01", "page.html", context, None)
        return context["metatags"].split()

    def script(name):
        return ["<script", 'type="module"', f'src="../../{name}"></script>']

    explorer = '<p>a</p><div class="explorer" data-explorer="linear"></div>'
    exercise = '<form class="exercise" hidden data-answer="1"></form>'
    assert head(explorer) == ["<meta>", *script("explorers/boot.js")]
    assert head(exercise) == ["<meta>", *script("exercises.js")]
    assert head(exercise + explorer) == head(explorer) + head(exercise)[1:]
    assert head("<p>explorer, exercise</p>") == head(None) == ["<meta>"]
    for name in grokbook_site.SCRIPTS.values():
        assert (ROOT / "book" / "_scripts" / name).is_file()


def test_no_script_lies_where_it_would_be_added_to_every_page():
    """Once there is a root _static, each .js below any html_static_path goes into every page."""
    assert not (ROOT / "_static").exists()
    scripts = {path.name for path in (ROOT / "book" / "_static").rglob("*.js")}
    assert scripts == set(CONFIG["sphinx"]["config"]["html_js_files"])
