"""The command that asks a run why pictures are taken for what they are."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.options import (
    Acceptance,
    AsJson,
    Quiet,
    RunFolder,
    app,
    print_json,
    progress_of,
    refuse_bad_sheet,
    refuse_pictures_in,
)
from budwood.core.errors import BudwoodError, refuse_bad_share
from budwood.core.tensorflow import load_keras
from budwood.core.text import shown

if TYPE_CHECKING:
    from budwood.inference.prediction import Prediction


@app.command()
def explain(
    run: RunFolder,
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGE...", help="Files, folders, globs; - for standard input.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PNG|DIR",
            help="One contact sheet, or an existing directory for one PNG a picture. Needed, but with --json.",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--class",
            metavar="CLASS",
            help="Explain this class, not the predicted one (of several labels, the most probable).",
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="With --json: how many classes to show.")] = 1,
    acceptance: Acceptance = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show why photos are taken for what they are: Grad-CAM, occlusion, and similar training photos.

    Exit status 1 where a file could not be read.
    """
    from budwood.cli.answers import read_standard_input, report_passed_over, warn_of_none_of_these
    from budwood.data.expand_paths import expand
    from budwood.report.sheets.explanations import MOST, name_sheets, write_explanations

    apart = output is not None and output.is_dir()
    if output is None and not as_json:
        raise BudwoodError(
            "say where the contact sheet goes: -o why.png, or -o an existing directory for one a picture"
        )
    if output is not None and not apart:
        refuse_bad_sheet(output, images)
    if output is not None and apart:
        refuse_pictures_in(output, images)
    if acceptance is not None:
        refuse_bad_share("acceptance", acceptance, 0.98)
    inputs = expand(images, read_standard_input)
    if output is not None and not apart and len(inputs) > MOST:
        raise BudwoodError(
            f"{len(inputs):,} pictures are more than the {MOST} of one contact sheet. Give fewer, or -o an "
            "existing directory for a sheet each"
        )
    from budwood.run import load

    if not quiet:
        report_passed_over(inputs)
    loaded, progress = load(run), progress_of(quiet, as_json)
    loaded.refuse_unknown_class(target)
    load_keras()
    sheets: list[Path | None] = [output] * len(inputs)
    if output is not None and apart:
        sheets = list(name_sheets([name for name, _ in inputs], output))
    found, unreadable = [], 0
    predictions: list[Prediction] = []
    for start in range(0, len(inputs), MOST):
        some = inputs[start : start + MOST]
        explained = loaded.explain(
            [picture for _, picture in some],
            target=target,
            names=[name for name, _ in some],
            acceptance=acceptance,
            progress=progress,
        )
        if output is not None and not apart and any(one.target is not None for one in explained):
            write_explanations(explained, output)
        for explanation, sheet in zip(explained, sheets[start : start + MOST], strict=True):
            prediction = explanation.prediction
            unreadable += prediction.error is not None
            predictions.append(prediction)
            if apart and sheet is not None and explanation.target is not None:
                write_explanations([explanation], sheet)
            if as_json:
                place = None if sheet is None or explanation.target is None else str(sheet)
                found.append({**explanation.to_json(top), "sheet": place})
            elif prediction.error is not None:
                print(shown(f"budwood: {prediction.name}: {prediction.error}"), file=sys.stderr)
            elif not quiet:
                print(f"{shown(prediction.name)}\t{explanation.in_words()}")
    if as_json:
        print_json(found)
    elif not quiet and unreadable < len(inputs):
        answered = any(prediction.out_of_distribution for prediction in predictions)
        warn_of_none_of_these(loaded, answered, acceptance)
        print(f"sheet   {shown(output)}", file=sys.stderr)
    if unreadable:
        raise typer.Exit(1)
