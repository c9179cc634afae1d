"""The Sphinx extension: the footer, and the address of a fork."""

from types import SimpleNamespace

import pytest
import yaml
from docutils import nodes

import grokbook
import grokbook_site
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
