import pytest

from budwood.report.markdown import as_html, escaped, fenced, without_metadata


@pytest.mark.parametrize(
    "evil", ["# a", "*a*", "[a](http://b)", "a|b", "`a`", "<b>", "![a](b)", "> a", "~~a~~"]
)
def test_escaped__comes_out_as_it_was(evil):
    page = str(as_html(f"x {escaped(evil)}"))
    assert "<p>x " in page and page.count("<") == 2


def test_fenced__holds_any_backticks():
    page = str(as_html(fenced("a ```\n# b")))
    assert page.count("<pre>") == 1 and "<h1>" not in page


def test_as_html__tables_and_no_markup_of_others():
    page = str(as_html("| a | b |\n|---|---|\n| 1 | <img> |\n\n[x](javascript:y)"))
    assert "<table>" in page and "<img" not in page and "href" not in page


def test_without_metadata__takes_away_the_head_alone():
    assert without_metadata("---\na: 1\n---\n\n# b\n\n---\n\nc\n---\n") == "\n# b\n\n---\n\nc\n---\n"
    assert without_metadata("# b\n---\n") == "# b\n---\n"


def test_as_html__a_figure_and_its_percent_stay_in_one_line():
    assert "91.3\u00a0% (95\u00a0% interval)" in str(as_html("91.3 % (95 % interval)"))
