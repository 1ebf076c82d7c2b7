"""Hooks by which a notebook shows values that know nothing of pages and pictures: a study, an explanation."""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from budwood.inference.explain import Explanation
    from budwood.studies.results import Results


def register_hooks(formatter: Any = None) -> None:
    """Tell IPython how to show our values; nothing is loaded before one of them is shown.

    Args:
        formatter: IPython's display formatter; by default that of the shell that is running, if one is.
    """
    if formatter is None:
        get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
        formatter = getattr(get_ipython() if get_ipython else None, "display_formatter", None)
    if formatter is None:
        return
    for kind, module, name, draw in (
        ("text/html", "budwood.studies.results", "Results", _study_as_html),
        ("image/png", "budwood.inference.explain", "Explanation", _explanation_as_png),
    ):
        formatter.formatters[kind].for_type_by_name(module, name, draw)


def _study_as_html(results: "Results") -> str:
    from budwood.studies.report.notebook import as_html

    return as_html(results)


def _explanation_as_png(explanation: "Explanation") -> bytes:
    from budwood.report.sheets.explanations import draw_explanations

    return draw_explanations([explanation])
