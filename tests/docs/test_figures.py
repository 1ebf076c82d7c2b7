"""Measured figures stand once, in docs/figures.toml, and pages quote them from there."""

import pytest

from budwood.config.loading import shipped_recipes
from tests.docs.blocks import ROOT
from tools.docs.figures import MARK, figures, filled, quoting_pages

GUIDES = [ROOT / "README.md", ROOT / "docs" / "index.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]


@pytest.mark.parametrize("page", quoting_pages(), ids=lambda page: page.name)
def test_figures__pages_hold_what_the_file_says(page):
    text = page.read_text(encoding="utf-8")
    assert text == filled(text), f"{page.name} quotes an old figure. `make docs` writes it anew"


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_figures__guides_quote_the_record_from_the_file_alone(page):
    assert figures()["accuracy.best_interval"] not in MARK.sub("", page.read_text(encoding="utf-8"))


def test_figures__recipes_say_the_same_of_themselves():
    recipes = shipped_recipes()
    for name, recipe in {
        "accuracy.auto": "auto",
        "accuracy.best": "best",
        "accuracy.head": "frozen-linear",
        "accuracy_shuffled.quick_mobilenet": "quick",
    }.items():
        assert figures()[name] in recipes[recipe]


def test_filled__refuses_an_unknown_name():
    with pytest.raises(KeyError, match="nothing"):
        filled("<!-- =accuracy.nothing -->1 %<!-- / -->")


def test_filled__tables_stand_on_lines_of_their_own():
    text = filled("a\n<!-- =tables.readme -->\n<!-- / -->\nb")
    assert "-->\n| tf_flowers" in text and "|\n<!-- / -->\nb" in text and figures()["accuracy.best"] in text


def test_readme__is_one_page_of_short_lines():
    text = MARK.sub("", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 700
    assert [line for line in text.splitlines() if len(line) > 100 and not line.startswith(("|", "!["))] == []


@pytest.mark.parametrize("page", quoting_pages(), ids=lambda page: page.name)
def test_figures__no_line_of_a_paragraph_begins_with_a_mark(page):
    """Markdown takes a comment at the beginning of a line for a block of its own, and ends the paragraph there."""
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [
        line for line in lines if line.startswith("<!-- =") and not line.startswith("<!-- =tables.")
    ] == []
