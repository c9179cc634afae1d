"""Every chapter against every guard, and the links between pages."""

import re

import pytest
import yaml

import chapters
import pages
from guards import GUARDS, ROOT, prose

CHAPTERS = chapters.chapters()


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.__name__)
@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_chapter(chapter, guard):
    assert guard(chapter.notebook) == []


def test_the_readmes_picture_is_the_books():
    pictures = [pages.figure_png(one.notebook, pages.LANDING_FIGURES[0]) for one in CHAPTERS]
    (drawn,) = [picture for picture in pictures if picture]
    assert (ROOT / chapters.PICTURE).read_bytes() == drawn
    assert chapters.PICTURE in (ROOT / "README.md").read_text("utf-8")


def test_there_is_a_chapter():
    assert CHAPTERS


def test_every_notebook_is_in_the_table_of_contents():
    found = {p.relative_to(ROOT / "book").with_suffix("").as_posix() for p in notebooks()}
    assert found == {chapter.name for chapter in CHAPTERS}


def notebooks():
    hidden = ("_build", ".ipynb_checkpoints")
    return [p for p in (ROOT / "book").rglob("*.ipynb") if not set(hidden) & set(p.parts)]


def test_figure_and_equation_labels_are_unique():
    labels = []
    for chapter in CHAPTERS:
        labels += [
            cell.metadata["mystnb"]["figure"]["name"]
            for cell in chapter.code_cells
            if "mystnb" in cell.metadata
        ]
        labels += re.findall(r":label: (\S+)", prose(chapter.notebook))
    assert sorted(labels) == sorted(set(labels))


def test_pages_are_reached_from_the_landing_page():
    """Every part of the table of contents has its row on the landing page's map."""
    index = (ROOT / "book" / "index.md").read_text("utf-8")
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    for part in toc["parts"]:
        names = [one["file"].removeprefix("book/") for one in part["chapters"]]
        written = [name for name in names if any(name == c.name for c in CHAPTERS)]
        for name in written:
            assert f"{{doc}}`{name}`" in index or f"<{name}>" in index, name


def test_prose_is_british():
    """A few American spellings that slip in."""
    american = re.compile(
        r"\b(generaliz\w+|memoriz\w+|normaliz\w+|optimiz\w+|regulariz\w+|color(?!map\b)\w*|behavior\w*"
        r"|neighbor\w*|center(?!ed\b)s?)\b",
        re.IGNORECASE,
    )
    for chapter in CHAPTERS:
        text = re.sub(r"`[^`]*`|\$[^$]*\$|\{[^}]*\}`[^`]*`", "", prose(chapter.notebook))
        assert american.findall(text) == [], chapter.name
