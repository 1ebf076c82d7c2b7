"""The command that asks a run what pictures are."""

import hashlib
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.options import (
    Acceptance,
    AllowUri,
    AsJson,
    Columns,
    OnCluster,
    Quiet,
    RunFolder,
    Settings,
    app,
    data_settings,
    reading_options,
    refuse_bad_sheet,
)
from budwood.core.errors import BudwoodError, refuse_bad_share
from budwood.core.text import shown
from budwood.data.image_ref import ImageFile

if TYPE_CHECKING:
    from budwood.cli.answers import Answers
    from budwood.cluster.workers import Predictors
    from budwood.core.progress.base import Progress
    from budwood.data.expand_paths import Expanded
    from budwood.data.images import ImageLike
    from budwood.data.taxonomy import Taxonomy
    from budwood.evaluation.label_coverage import ChosenLabelSets
    from budwood.evaluation.sets import ChosenSets
    from budwood.inference.prediction import Prediction
    from budwood.inference.prediction_files import PredictionColumns, Written
    from budwood.inference.prediction_parts import Options, Parts
    from budwood.report.sheets.predictions import SheetItem
    from budwood.run import Run


@app.command()
def predict(
    run: RunFolder,
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DATA...",
            help="Files, folders, globs; a table (.csv, .parquet, ...) with a column of paths; - for standard input, "
            "one picture or a list of files.",
        ),
    ] = None,
    paths_from: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="A list of files and folders, one a line or separated by NUL; - for standard input.",
        ),
    ] = None,
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
    columns: Columns = None,
    allow_uri: AllowUri = None,
    settings: Settings = None,
    as_json: AsJson = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="CSV|PARQUET|JSONL|DIR|PNG",
            help="Write a table in place of lines (.csv and .parquet with the probability of every class, .jsonl with "
            "the --top ones), with --format a folder of parts, or one contact sheet (.png; ✓ and ✗ go by the name of "
            "the folder a picture lies in, where one class is right).",
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="csv|parquet|jsonl",
            help="Write a folder of tables, 5,000 photos each, at -o; the same command goes on after the last of them.",
        ),
    ] = None,
    cluster: OnCluster = None,
    quiet: Quiet = False,
) -> None:
    """Predict the class of photos; an unreadable file is reported and the rest goes on.

    A table takes memory for some photos at a time, however many there are. Exit status 1 where a file could not be
    read.
    """
    from budwood.cli.answers import (
        Answers,
        read_standard_input,
        report_passed_over,
        warn_of_none_of_these,
        written_in_words,
    )
    from budwood.data.expand_paths import expand
    from budwood.inference.prediction_files import ENDINGS, PredictionColumns, write_predictions

    named = images or []
    if not named and paths_from is None:
        raise typer.BadParameter(
            "DATA... is missing: give files, folders, patterns such as 'photos/*.jpg', a table, or - for standard "
            "input; or --paths-from"
        )
    if cluster is not None and form is None:
        raise BudwoodError(
            "--cluster writes a folder of tables. Say where and which: -o predictions --format parquet"
        )
    as_table = form is not None or (output is not None and output.suffix.lower() in ENDINGS)
    _refuse_bad_output(output, form, named, as_table)
    for name, share in (("precision", precision), ("acceptance", acceptance)):
        if share is not None:
            refuse_bad_share(name, share, 0.98)
    _refuse_bad_sets(coverage, sets, per_class)
    reading = data_settings(*(settings or []), *reading_options(columns=columns, allow_uri=allow_uri))
    answers = Answers(top, as_json=as_json, lines=not as_table)
    progress = answers.progress(quiet)
    inputs = expand(named, read_standard_input, paths_from=paths_from, settings=reading, progress=progress)
    if not quiet:
        report_passed_over(inputs)
    from budwood.run import load

    loaded = load(run)
    if coverage is not None:
        # Before any picture is read: a coverage may be more than the run's photos can promise.
        chosen = loaded.prediction_sets(coverage, sets=sets, per_class=per_class)
        if not (quiet or as_json):
            print(_what_is_promised(chosen), file=sys.stderr)
    if precision is not None and not (quiet or as_json):
        print(_what_is_answered(loaded, precision), file=sys.stderr)
    loaded.warn_no_more()

    def predictions(items: "Sequence[tuple[str, ImageLike]]") -> "Iterator[Prediction]":
        found = loaded.stream(
            [picture for _, picture in items],
            names=[name for name, _ in items],
            precision=precision,
            acceptance=acceptance,
            coverage=coverage,
            sets=sets,
            per_class=per_class,
            progress=progress,
        )
        return answers.told(found)

    said, errors = "", 0
    table = PredictionColumns(
        tuple(loaded.classes), tree=loaded.files.tree is not None, sets=coverage is not None, top=top
    )
    if output is None:
        deque(predictions(inputs), maxlen=0)
        errors = answers.errors
    elif form is not None:
        options: dict[str, bool | int | float | str | None] = {
            "precision": precision,
            "acceptance": acceptance,
            "coverage": coverage,
            "sets": sets,
            "per_class": per_class,
            **({"top": top} if form == "jsonl" else {}),
        }
        if cluster is None:
            written, parts = _write_parts(loaded, output, form, inputs, options, table, predictions)
        else:
            from budwood.cluster.workers import Predictors
            from budwood.inference.rules import Asked

            asked = Asked(precision, acceptance, coverage, sets, per_class)
            planned = _plan_parts(loaded, form, inputs, options)
            what = Predictors(loaded.folder, asked, output, planned, table)
            written, parts = _write_on(cluster, what, inputs, answers, progress)
        said, errors = written_in_words(shown(output), written, parts), written.errors
    elif as_table:
        written = write_predictions(predictions(inputs), table, output)
        said, errors = written_in_words(shown(output), written), written.errors
    else:
        from budwood.report.sheets.predictions import write_sheet

        shown_ones = list(predictions(inputs))
        pictures = [picture for _, picture in inputs]
        write_sheet(_sheet_items(pictures, shown_ones, loaded.classes, loaded.taxonomy), output)
        said, errors = f"sheet   {shown(output)}", answers.errors
    if not (quiet or as_json):
        warn_of_none_of_these(loaded, answers.out_of_distribution > 0, acceptance)
        if said:
            print(said, file=sys.stderr)
    if errors:
        raise typer.Exit(1)


def _refuse_bad_output(output: Path | None, form: str | None, data: Sequence[str], as_table: bool) -> None:
    """Raise BudwoodError where what is asked for cannot be written, before anything slow."""
    from budwood.inference.prediction_files import ENDINGS, refuse_bad_table
    from budwood.inference.prediction_parts import refuse_bad_parts

    if form is not None:
        if output is None:
            raise BudwoodError(
                f"--format {form} writes a folder of tables. Say where it goes: -o predictions --format {form}"
            )
        refuse_bad_parts(output, form)
    elif output is not None and as_table:
        refuse_bad_table(output)
    elif output is not None and output.is_dir():
        raise BudwoodError(
            f"{output} is a folder. Say which tables go into it, such as --format parquet; or give a file that ends in "
            f"{', '.join(ENDINGS)} or .png"
        )
    elif output is not None:
        refuse_bad_sheet(output, data, f", or a table with the ending {' or '.join(ENDINGS)}")


def _write_parts(
    run: "Run",
    folder: Path,
    form: str,
    inputs: "Expanded",
    options: "Options",
    columns: "PredictionColumns",
    predictions: "Callable[[Sequence[tuple[str, ImageLike]]], Iterator[Prediction]]",
) -> "tuple[Written, int]":
    """Write the parts that are not there yet; return what all of them hold, and how many they are."""
    from budwood.inference.prediction_parts import parts_in, parts_left, write_parts

    planned = _plan_parts(run, form, inputs, options)
    try:
        written = write_parts(
            folder, planned, columns, lambda places: predictions([inputs[place] for place in places])
        )
    except KeyboardInterrupt as error:
        error.add_note(parts_left(folder, planned))
        raise
    return written, parts_in(folder)


def _write_on(
    cluster: str, what: "Predictors", inputs: "Expanded", answers: "Answers", progress: "Progress"
) -> "tuple[Written, int]":
    """Write the parts that are not there yet on a cluster; return what all of them hold, and how many they are."""
    from budwood.cluster.predictions import predict_on
    from budwood.cluster.workers import PartDone
    from budwood.inference.prediction_parts import parts_in, parts_left

    def told(done: PartDone) -> None:
        for name, fault in done.errors.items():
            print(shown(f"budwood: {name}: {fault}"), file=sys.stderr)
        answers.out_of_distribution += done.out_of_distribution

    try:
        written = predict_on(cluster, what, inputs, told=told, progress=progress)
    except KeyboardInterrupt as error:
        error.add_note(parts_left(what.folder, what.parts))
        raise
    return written, parts_in(what.folder)


def _plan_parts(run: "Run", form: str, inputs: "Expanded", options: "Options") -> "Parts":
    from budwood.core.files import sha256_of
    from budwood.inference.prediction_parts import plan_parts

    _ = run.files.model
    model = sha256_of(run.folder / "model" / "model.json")
    return plan_parts(run.folder, model, form, (_told_apart(*item) for item in inputs), options)


def _told_apart(name: str, picture: "ImageLike") -> str:
    """Return what tells a picture from others of its name and from what it was before: where it lies, its size and its
    time of change, or, of one on standard input, its bytes."""
    if isinstance(picture, ImageFile | Path):
        try:
            state = picture.stat()
        except OSError:
            return f"{name}\0{os.path.abspath(picture)}\0"
        return f"{name}\0{os.path.abspath(picture)}\0{state.st_size} {state.st_mtime_ns}"
    return f"{name}\0{hashlib.sha256(picture).hexdigest() if isinstance(picture, bytes) else repr(picture)}"


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
            folder = picture.absolute().parent.name if isinstance(picture, ImageFile | Path) else None
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
