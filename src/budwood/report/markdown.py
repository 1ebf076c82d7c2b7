"""Markdown as Budwood writes it: names that cannot become markup, and pages made of it."""

import re

import markupsafe
from markdown_it import MarkdownIt

from budwood.core import text as words


def escaped(text: object) -> str:
    """Return text in which no name makes a heading, a table cell, a link or other markup.

    >>> escaped("a_b")
    'a\\\\_b'
    """
    return re.sub(r"([\\`*_{}\[\]<>#|!~])", r"\\\1", words.shown(text))


def fenced(text: str) -> str:
    """Return text as a block of code, whatever backticks it has.

    >>> fenced("a").splitlines()
    ['```', 'a', '```']
    """
    longest = max((len(ticks) for ticks in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def as_html(text: str) -> markupsafe.Markup:
    """Return Markdown, with metadata at its head or without, as HTML; HTML in it becomes text.

    >>> print(as_html("# *a* <b>"))
    <h1><em>a</em> &lt;b&gt;</h1>
    <BLANKLINE>
    """
    page = MarkdownIt("commonmark", {"html": False}).enable("table").render(without_metadata(text))
    return markupsafe.Markup(re.sub(r"(?<=\d) %", f"{words.NO_BREAK}%", page))


def without_metadata(text: str) -> str:
    """Return Markdown without the YAML between two lines of dashes that it may begin with.

    >>> without_metadata("---\\na: 1\\n---\\n# b")
    '# b'
    """
    return re.sub(r"\A---\n.*?\n---\n", "", text, count=1, flags=re.DOTALL)
