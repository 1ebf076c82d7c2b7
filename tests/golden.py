"""Golden texts: all that a page says, in a file beside its test.

Where a page is meant to say something else, write them anew and read the difference before it is committed:

    BUDWOOD_GOLDEN=write python -m pytest -k golden
"""

import os
import re
from html.parser import HTMLParser
from pathlib import Path

SHORT = 8
"""Lines of code up to which they are kept: a whole recipe has tests of its own."""
_BLOCKS = {
    "p",
    "li",
    "tr",
    "h1",
    "h2",
    "h3",
    "h4",
    "div",
    "section",
    "summary",
    "figcaption",
    "pre",
    "legend",
    "label",
}
_CELLS = {"td", "th", "dt", "dd", "small", "a", "span", "b", "strong", "text"}


class _Words(HTMLParser):
    """The text of a page, a line for each paragraph or row; of a chart what it says to those who do not see it."""

    def __init__(self, html: str):
        super().__init__()
        self.parts: list[str] = []
        self.inside: list[str] = []
        self.feed(html)
        lines = "".join(self.parts).replace("\u00a0", " ").split("\n")
        self.lines = [line for line in (" ".join(line.split()).strip(" |") for line in lines) if line]

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag in ("style", "script", "svg", "pre"):
            self.inside.append(tag)
        if tag in _BLOCKS or tag in ("td", "th", "dt", "dd"):
            self.parts.append("\n" if tag in _BLOCKS else " | ")
        elif tag in ("small", "br"):
            self.parts.append(" ")
        if tag == "section":
            self.parts.append(f"\n== {found.get('id')} ==\n")
        if tag == "svg" and found.get("aria-label") and found.get("class") != "thumb":
            self.parts.append(f"\n[chart: {found['aria-label']}]\n")

    def handle_endtag(self, tag):
        if self.inside and tag == self.inside[-1]:
            self.inside.pop()
        if tag in _BLOCKS:
            self.parts.append("\n")
        elif tag in _CELLS:
            self.parts.append(" ")

    def handle_data(self, data):
        if not {"style", "script", "svg"} & set(self.inside):
            is_long = "pre" in self.inside and data.count("\n") > SHORT
            self.parts.append("(a recipe)" if is_long else data)


def words_of(html: str) -> str:
    """Return what a page says, line by line."""
    return "\n".join(_Words(html).lines) + "\n"


def assert_golden(file: Path, text: str, *, folder: Path) -> None:
    """Compare a text with the golden one in `file`; `folder`, the test's own, is written as FOLDER."""
    text = re.sub(r"[ \t]+$", "", text.replace(str(folder), "FOLDER"), flags=re.MULTILINE)
    if os.environ.get("BUDWOOD_GOLDEN") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert file.is_file(), (
        f"{file.name} is not there: write it by BUDWOOD_GOLDEN=write python -m pytest -k golden"
    )
    assert text == file.read_text(encoding="utf-8"), "see tests/golden.py for how to write golden texts anew"
