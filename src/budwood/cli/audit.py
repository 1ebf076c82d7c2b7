"""The command that looks for what is wrong with data before anything is trained on them."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.options import (
    AllowUri,
    Columns,
    Data,
    Group,
    Layout,
    Quiet,
    Settings,
    SplitFolders,
    app,
    group_option,
    print_json,
    progress_of,
    reading_options,
)
from budwood.core.label_text import SEPARATOR
from budwood.core.tensorflow import load_keras
from budwood.core.text import shown

if TYPE_CHECKING:
    from budwood.config.data import Data as DataSettings


class FailOn(StrEnum):
    """From which severity on findings fail the command."""

    error = "error"
    warning = "warning"
    never = "never"


@app.command()
def audit(
    data: Data,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Folder for audit.html, audit.json and decisions.csv."
        ),
    ] = None,
    decisions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A decisions.csv that was filled in: it is followed."),
    ] = None,
    fix: Annotated[
        Path | None,
        typer.Option(
            metavar="photos.csv",
            help="Write a table of the photos without what is wrong beyond doubt, and as was decided. No photo is "
            "changed.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file of --fix.")] = False,
    as_json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the findings as JSON; - prints them.")
    ] = None,
    fail_on: Annotated[
        FailOn, typer.Option(help="Exit status 1 where something so severe was found, or worse.")
    ] = FailOn.error,
    recipe: Annotated[
        str, typer.Option(help="Shipped recipe or TOML file: how to read, and which backbone is asked.")
    ] = "frozen-linear",
    no_features: Annotated[
        bool,
        typer.Option(
            "--no-features", help="Ask no network: labels, outliers and classes alike are not looked at."
        ),
    ] = False,
    layout: Layout = None,
    split_folders: SplitFolders = None,
    group: Group = None,
    columns: Columns = None,
    allow_uri: AllowUri = None,
    settings: Settings = None,
    quiet: Quiet = False,
) -> None:
    """Look for wrong labels, copies, leaks and faulty pictures; exit status 1 where there are errors."""
    from budwood.auditing.audit import PAGE, AuditFiles, audit_into, next_command
    from budwood.auditing.engine import AuditSettings
    from budwood.auditing.report.terminal import audit_as_text
    from budwood.config.recipe import Recipe

    changes = [
        *reading_options(layout, split_folders, columns, allow_uri),
        *group_option(group),
        *(settings or []),
    ]
    asked = Recipe.load(recipe).with_settings(changes)
    prints_json = str(as_json) == "-"
    if not no_features:
        load_keras()
    files = AuditFiles(output, fix, decisions, overwrite, None if prints_json else as_json)
    found, cleaned = audit_into(
        data, AuditSettings(asked, not no_features), files, progress_of(quiet, prints_json)
    )
    if prints_json:
        print_json(found.to_json())
    else:
        print(audit_as_text(found))
    stream = sys.stderr if prints_json else sys.stdout
    if cleaned is not None and fix is not None and not quiet:
        lines = cleaned.as_lines()
        if cleaned.manifest.multi_label:
            lines += _read_otherwise(asked.data)
        print("\n".join([f"\n{shown(fix)}", *(f"  {line}" for line in lines)]), file=stream)
    if output is not None and not quiet:
        print(f"\npage: {shown(output / PAGE)}\nnext: {shown(next_command(str(data), files))}", file=stream)
    severities = {FailOn.error: ("error",), FailOn.warning: ("error", "warning"), FailOn.never: ()}[fail_on]
    if any(one.severity in severities for one in found.findings):
        raise typer.Exit(1)


def _read_otherwise(settings: "DataSettings") -> list[str]:
    """Return what to leave out of the command that reads the table of --fix, where labels stand otherwise."""
    given = {
        "label_separator": settings.label_separator != SEPARATOR,
        "label_columns": settings.label_columns,
    }
    keys = [f"data.{key}" for key, is_given in given.items() if is_given]
    if not keys:
        return []
    return [
        f"labels stand in the column labels, between them {SEPARATOR!r}: train on it without {' and '.join(keys)}"
    ]
