"""How a long piece of work tells what it is doing: a file for each place where it is shown."""

import sys

from budwood.core.progress.base import SILENT, Progress


def choose_progress(quiet: bool = False) -> Progress:
    """Return what suits the place: a live display in a notebook, bars in a terminal, else lines; silent when asked,
    or where there is no standard error."""
    if quiet:
        return SILENT
    # Here: `import budwood` loads none of them.
    from budwood.core.system import in_notebook

    if in_notebook():
        from budwood.core.progress.live import Live

        return Live()
    if sys.stderr is None:
        # A program without a console, such as a windowed one.
        return SILENT
    if sys.stderr.isatty():
        from budwood.core.progress.bars import Bars

        return Bars()
    from budwood.core.progress.plain import Plain

    return Plain()
