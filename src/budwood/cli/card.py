"""The command that writes what is handed on with a model: its card, and reporting checklists filled from the run."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from budwood.cli.options import AsJson, RunFolder, app, print_json
from budwood.core.errors import BudwoodError
from budwood.core.text import shown


@app.command()
def card(
    run: RunFolder,
    checklist: Annotated[
        str | None,
        typer.Option(
            metavar="reforms|claim|tripod-ai",
            help="In place of the card: this reporting checklist, filled from the run as far as it shows what an item "
            "asks; the rest stays a question to the author.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write it: .md for Markdown, .html for a page. No file is replaced.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the model card of a run, or a reporting checklist filled from it; with -o, write it."""
    from budwood.report.document import refuse_bad_document, write_document
    from budwood.run import load

    if as_json and (checklist is None or output is not None):
        raise BudwoodError("--json prints a checklist. Give --checklist, and leave out -o")
    if output is not None:
        refuse_bad_document(output)
    loaded, title = load(run), run.resolve().name
    if checklist is None:
        kind, text = "model card", loaded.card()
    else:
        from budwood.report.checklists.fill import as_markdown

        filled = loaded.checklist(checklist)
        if as_json:
            print_json(asdict(filled))
            return
        kind, text, title = "checklist", as_markdown(filled), f"{filled.title}: {title}"
    if output is None:
        print(text, end="")
        return
    write_document(output, text, title=title, kind=kind)
    print(shown(output))
