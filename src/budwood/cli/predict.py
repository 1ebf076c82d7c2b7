"""Commands that ask a run about pictures: what they are, and why."""

import sys
from collections.abc import Sequence
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
    from budwood.data.expand_paths import Expanded
    from budwood.data.images import ImageLike
    from budwood.data.taxonomy import Taxonomy
    from budwood.evaluation.label_coverage import ChosenLabelSets
    from budwood.evaluation.sets import ChosenSets
    from budwood.inference.prediction import Prediction
    from budwood.report.sheets.predictions import SheetItem
    from budwood.run import Run


@app.command()
def predict(
    run: RunFolder,
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGE...", help="Files, folders, globs; - for standard input.")
    ],
    top: Annotated[int, typer.Option(min=1, help="How many classes to show.")] = 1,
    precision: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Abstain where the answer would be right less often than this, such as 0.98; on a tree of labels, "
            "answer with the deepest label that is right so often.",
        ),
    ] = None,
    coverage: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Answer with a set of classes that holds the true one this often, such as 0.9; where a photo may "
            "have several labels, with a set that holds this share of them.",
        ),
    ] = None,
    sets: Annotated[
        str | None,
        typer.Option(
            metavar="lac|adaptive",
            help="With --coverage: the smallest sets on average, some of them empty (lac, the default), or sets that "
            "grow where a photo is hard and are never empty (adaptive).",
        ),
    ] = None,
    per_class: Annotated[
        bool,
        typer.Option(
            "--per-class",
            help="With --coverage: promise it of the photos of each class, or with each label, not of all together.",
        ),
    ] = False,
    acceptance: Acceptance = None,
    as_json: AsJson = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PNG|CSV|JSONL",
            help="Write one contact sheet (.png; ✓ and ✗ go by the name of the folder a picture lies in, where one "
            "class is right) or a table "
            "(.csv with the probability of every class, .jsonl with the --top ones).",
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Predict the class of photos; an unreadable file is reported and the rest goes on.

    Standard input is one picture or a list of files, one a line or separated by NUL. Exit status 1 where a
    file could not be read.
    """
    from budwood.data.expand_paths import expand
    from budwood.inference.prediction_files import ENDINGS, refuse_bad_table, write_predictions

    as_table = output is not None and output.suffix.lower() in ENDINGS
    if output is not None and as_table:
        refuse_bad_table(output)
    elif output is not None:
        refuse_bad_sheet(output, images, f", or a table with the ending {' or '.join(ENDINGS)}")
    for name, share in (("precision", precision), ("acceptance", acceptance)):
        if share is not None:
            refuse_bad_share(name, share, 0.98)
    _refuse_bad_sets(coverage, sets, per_class)
    inputs = expand(images, lambda: sys.stdin.buffer.read())
    if not quiet:
        _report_passed_over(inputs)
    from budwood.run import load

    loaded = load(run)
    if coverage is not None:
        # Before any picture is read: a coverage may be more than the run's photos can promise.
        chosen = loaded.prediction_sets(coverage, sets=sets, per_class=per_class)
        if not (quiet or as_json):
            print(_what_is_promised(chosen), file=sys.stderr)
    names, pictures = [name for name, _ in inputs], [picture for _, picture in inputs]
    if precision is not None and not (quiet or as_json):
        print(_what_is_answered(loaded, precision), file=sys.stderr)
    loaded.warn_no_more()
    predictions = loaded.predict(
        pictures,
        names=names,
        precision=precision,
        acceptance=acceptance,
        coverage=coverage,
        sets=sets,
        per_class=per_class,
        progress=progress_of(quiet, as_json),
    )
    if as_json:
        print_json([prediction.to_json(top) for prediction in predictions])
    for prediction in predictions:
        if prediction.error is not None:
            print(shown(f"budwood: {prediction.name}: {prediction.error}"), file=sys.stderr)
        elif not as_json:
            print(f"{shown(prediction.name)}\t{prediction.in_words(top)}")
    if not (quiet or as_json):
        _warn_of_none_of_these(loaded, predictions, acceptance)
    if output is not None and as_table:
        write_predictions(predictions, loaded.classes, output, top)
    elif output is not None:
        from budwood.report.sheets.predictions import write_sheet

        write_sheet(_sheet_items(pictures, predictions, loaded.classes, loaded.taxonomy), output)
    if output is not None and not (quiet or as_json):
        print(f"{'table' if as_table else 'sheet'}   {shown(output)}", file=sys.stderr)
    if any(prediction.error is not None for prediction in predictions):
        raise typer.Exit(1)


def _what_is_answered(run: "Run", precision: float) -> str:
    """Return from which probability on there is an answer, and what that does to photos not learned from."""
    if run.files.tree is None:
        from budwood.report.terminal import selective_as_text

        return selective_as_text(precision, *run.confidence_threshold(precision))
    from budwood.report.taxonomy import climb_as_text

    return climb_as_text(*run.climb(precision))


def _what_is_promised(chosen: "ChosenSets | ChosenLabelSets") -> str:
    """Return what sets promise, on how many photos that rests, and what they do to the test photos."""
    from budwood.evaluation.label_coverage import ChosenLabelSets

    if isinstance(chosen, ChosenLabelSets):
        from budwood.report.label_sets import label_sets_as_text

        return label_sets_as_text(chosen)
    from budwood.report.terminal import sets_as_text

    return sets_as_text(chosen)


def _refuse_bad_sets(coverage: float | None, sets: str | None, per_class: bool) -> None:
    """Raise BudwoodError for what no run could answer."""
    from budwood.evaluation.conformal import refuse_bad_coverage
    from budwood.evaluation.sets import refuse_unknown_sets

    if coverage is None:
        if sets is not None or per_class:
            raise BudwoodError(
                f"{'--per-class' if per_class else '--sets'} goes with --coverage. Say how often the set is to hold "
                "what is true of a photo, such as --coverage 0.9"
            )
        return
    refuse_bad_coverage(coverage)
    if sets is not None:
        refuse_unknown_sets(sets)


def _report_passed_over(inputs: "Expanded") -> None:
    """Say which files of the folders are not read."""
    from budwood.report.reading import passed_over_as_lines

    for line in passed_over_as_lines(inputs.passed_over):
        print(shown(line), file=sys.stderr)


def _warn_of_none_of_these(run: "Run", predictions: "Sequence[Prediction]", acceptance: float | None) -> None:
    """Say where "none of these" was answered what it rests on, if that is little."""
    answered = any(prediction.out_of_distribution for prediction in predictions)
    if answered and (warning := run.ood_warning(acceptance)):
        print(f"none of these: {warning}", file=sys.stderr)


def _sheet_items(
    pictures: "Sequence[ImageLike]",
    predictions: "Sequence[Prediction]",
    classes: Sequence[str],
    taxonomy: "Taxonomy | None" = None,
) -> "list[SheetItem]":
    """Return the pictures that could be read; the true class is known where the folder has the name of
    one."""
    from budwood.inference.prediction import answered_rightly
    from budwood.report.sheets.predictions import SheetItem, above_in_words

    items = []
    for picture, prediction in zip(pictures, predictions, strict=True):
        if prediction.label is not None and prediction.probability is not None:
            folder = picture.absolute().parent.name if isinstance(picture, Path) else None
            # A folder has the name of one label, and says nothing of the others.
            true = folder if folder in classes and prediction.labels is None else None
            label, probability, confident = prediction.label, prediction.probability, prediction.confident
            answer, above = prediction.answer, above_in_words(prediction)
            if answer is not None and answer.label is not None and answer.probability is not None:
                label, probability, confident = answer.label, answer.probability, True
                if answer.label != prediction.label:
                    above = f"in {' > '.join(answer.path[:-1])}" if len(answer.path) > 1 else ""
            items.append(
                SheetItem(
                    picture,
                    label,
                    probability,
                    true,
                    out_of_distribution=prediction.out_of_distribution,
                    confident=confident,
                    right=None if true is None else answered_rightly(prediction, true, taxonomy),
                    name=prediction.name.replace("\\", "/").rpartition("/")[2],
                    labels=_with_shares(prediction),
                    above=above,
                )
            )
    return items


def _with_shares(prediction: "Prediction") -> "tuple[tuple[str, float], ...] | None":
    """Return the labels that a picture has, or those of its set, the most probable first; None where one class is
    right."""
    if prediction.labels is None:
        return None
    held = prediction.labels if prediction.prediction_set is None else prediction.prediction_set
    ranked = prediction.top(len(prediction.probabilities))
    return tuple((label, share) for label, share in ranked if label in held)


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
    inputs = expand(images, lambda: sys.stdin.buffer.read())
    if output is not None and not apart and len(inputs) > MOST:
        raise BudwoodError(
            f"{len(inputs):,} pictures are more than the {MOST} of one contact sheet. Give fewer, or -o an "
            "existing directory for a sheet each"
        )
    from budwood.run import load

    if not quiet:
        _report_passed_over(inputs)
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
        _warn_of_none_of_these(loaded, predictions, acceptance)
        print(f"sheet   {shown(output)}", file=sys.stderr)
    if unreadable:
        raise typer.Exit(1)
