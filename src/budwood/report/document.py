"""A document beside the report, such as a model card or a checklist: Markdown, or one HTML page made of it."""

from pathlib import Path

from budwood._version import __version__
from budwood.core.errors import BudwoodError
from budwood.core.files import write_text
from budwood.core.text import shown
from budwood.report.markdown import as_html
from budwood.report.page import environment

_MARKDOWN, _HTML = (".md", ".markdown"), (".html", ".htm")


def refuse_bad_document(path: Path) -> None:
    """Raise BudwoodError where a document cannot be written as the ending of its file says, or would replace a file."""
    if path.suffix.lower() not in (*_MARKDOWN, *_HTML):
        raise BudwoodError(
            f"{path} has neither the ending .md nor .html. Give {path.with_suffix('.md')} for Markdown, or "
            f"{path.with_suffix('.html')} for a page"
        )
    if path.is_dir() or not path.parent.is_dir():
        raise BudwoodError(f"cannot write {path}. Give a file in a folder that exists")
    if path.exists():
        # What an author has filled in by hand is not to be lost.
        raise BudwoodError(f"{path} is there already, and is left as it is. Give another name, or remove it")


def write_document(path: Path, text: str, *, title: str, kind: str) -> None:
    """Write Markdown into a new file, or as a page of HTML where its ending says so.

    Args:
        path: ends in .md or .html.
        text: Markdown.
        title: of the page.
        kind: what it is, such as "checklist".

    Raises:
        BudwoodError: the file is there, has another ending, or cannot be written.
    """
    refuse_bad_document(path)
    if path.suffix.lower() in _HTML:
        template = environment().get_template("document.html.jinja")
        text = template.render(title=title, kind=kind, content=as_html(text), budwood=__version__)
    try:
        # A lone surrogate, from a file name that is not UTF-8, has no place in a text.
        write_text(path, text.encode("utf-8", "backslashreplace").decode("utf-8"))
    except OSError as error:
        raise BudwoodError(
            f"cannot write {shown(path)}: {error.strerror or error}. Give another place"
        ) from error
