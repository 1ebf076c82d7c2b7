"""A study as a notebook shows it: what is best, the configurations side by side, and the table."""

from pathlib import Path

from budwood.report.page import environment
from budwood.studies.figure import ACCURACY
from budwood.studies.report import figures, sections
from budwood.studies.results import Results

MOST = 10
"""Configurations shown: a cell is no page."""


def as_html(results: Results) -> str:
    """Return a piece of HTML that needs nothing else and sits in light and dark notebooks; names are
    escaped."""
    verdict = sections.verdict(results)
    measured = sum(1 for one in results.summaries if one.complete)
    brief = sections.shortener(results)
    html = (
        environment(Path(__file__).parent / "templates")
        .get_template("study_notebook.html.jinja")
        .render(
            results=results,
            verdict=verdict,
            of_labels=results.figure != ACCURACY,
            models=figures.models(results, MOST),
            beginning=figures.beginning(results, MOST) if measured else "",
            rows=sections.table(results)[:MOST],
            curves=[brief(curve.words) for curve in results.curves],
            failures=len(results.failures),
        )
    )
    return html.encode("utf-8", "backslashreplace").decode("utf-8")
