"""Measured figures: docs/figures.toml holds each once, and pages that quote one mark the place.

`<!-- =accuracy.best -->97.1 %<!-- / -->` in a page is filled by `make docs` with what the file says; a table stands on
lines of its own between the two comments.
"""

import re
import tomllib
from functools import cache
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[2]
MARK = re.compile(r"(<!-- =(?P<name>[\w.]+) -->)(?P<text>.*?)(<!-- / -->)", re.DOTALL)


@cache
def figures() -> dict[str, str]:
    """Return every figure by its dotted name; those of `tables` with the others filled in."""
    sections = tomllib.loads((ROOT / "docs" / "figures.toml").read_text(encoding="utf-8"))
    tables = sections.pop("tables")
    values = {name: SimpleNamespace(**section) for name, section in sections.items()}
    plain = {f"{name}.{key}": text for name, section in sections.items() for key, text in section.items()}
    return plain | {f"tables.{name}": text.format(**values) for name, text in tables.items()}


def filled(text: str) -> str:
    """Return a page's text with today's figure at every mark. Raise KeyError for one that the file lacks.

    >>> filled("<!-- =accuracy_shuffled.keras -->?<!-- / -->")
    '<!-- =accuracy_shuffled.keras -->91.2 %<!-- / -->'
    """
    return MARK.sub(lambda mark: f"{mark[1]}{_shown(mark['name'])}{mark[4]}", text)


def quoting_pages() -> list[Path]:
    """Return the pages that mark a figure."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in pages if MARK.search(page.read_text(encoding="utf-8"))]


def _shown(name: str) -> str:
    return f"\n{figures()[name].strip()}\n" if name.startswith("tables.") else figures()[name]
