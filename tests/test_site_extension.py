"""The Sphinx extension: the footer, and the address of a fork."""

from types import SimpleNamespace

import pytest
import yaml
from docutils import nodes

import grokbook_site
from guards import ROOT

CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
HOME = CONFIG["repository"]["url"]


@pytest.fixture
def build(monkeypatch):
    """Configure a build, with or without GITHUB_REPOSITORY; returns its config and page reader."""

    def configure(fork):
        monkeypatch.delenv("GITHUB_SERVER_URL", raising=False)
        if fork:
            monkeypatch.setenv("GITHUB_REPOSITORY", fork)
        else:
            monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
        settings = CONFIG["sphinx"]["config"]
        config = SimpleNamespace(
            html_theme_options={"repository_url": HOME},
            html_baseurl=CONFIG["html"]["baseurl"],
            ogp_site_url=settings["ogp_site_url"],
            ogp_image=settings["ogp_image"],
        )
        hooks = {}
        grokbook_site.describe_build(SimpleNamespace(connect=hooks.__setitem__), config)
        return config, hooks.get("source-read")

    return configure


def test_the_address_is_that_of_the_configuration(build):
    config, reader = build(None)
    assert config.html_theme_options["repository_url"] == HOME
    assert config.html_baseurl == CONFIG["html"]["baseurl"]
    assert reader is None


def test_a_fork_carries_its_own_address(build):
    config, reader = build("someone/mybook")
    assert config.html_theme_options["repository_url"] == "https://github.com/someone/mybook"
    assert config.html_baseurl == "https://someone.github.io/mybook/"
    assert config.ogp_image.startswith("https://someone.github.io/mybook/_static/")
    page, notebook = [f"see {HOME}/issues"], [f'{{"cells": "{HOME}"}}']
    reader(None, "book/index", page)
    reader(None, "book/linear/01", notebook)
    assert page == ["see https://github.com/someone/mybook/issues"]
    assert HOME in notebook[0]


def test_the_footer_says_with_what_the_site_was_built(build):
    config, _ = build(None)
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
