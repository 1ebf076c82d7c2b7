"""Commands that measure runs, compare them, report and log them."""

import glob
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from budwood.cli.options import (
    AsJson,
    Columns,
    Data,
    Layout,
    Quiet,
    RunFolder,
    SplitFolders,
    app,
    data_settings,
    log,
    prevalence_option,
    print_json,
    progress_of,
    reading_options,
)
from budwood.core.cache import refuse_read_only_cache
from budwood.core.errors import BudwoodError, RunError, refuse_bad_share
from budwood.core.tensorflow import load_keras
from budwood.core.text import shown


@app.command()
def evaluate(
    run: RunFolder,
    data: Data,
    split: Annotated[
        str, typer.Option(help="unseen (photos the run did not learn from), train, validation, test, or all.")
    ] = "unseen",
    by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Also the accuracy for each value of a column of the table, or of label, group, split or camera (by "
            "EXIF); may be given again.",
        ),
    ] = None,
    prevalence: Annotated[
        str | None,
        typer.Option(
            metavar="cat=0.02,dog=0.98",
            help="Also the figures where the classes are as frequent as that.",
        ),
    ] = None,
    checkpoint: Annotated[
        int | None,
        typer.Option(min=1, metavar="EPOCH", help="The model as that epoch of history.csv left it."),
    ] = None,
    ood: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PICTURES",
            help="Instead: how well these pictures, which show none of the classes, are distinguished from DATA.",
        ),
    ] = None,
    acceptance: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="With --ood: share of validation photos to be accepted. [default: 0.98, as predict has it]",
            show_default=False,
        ),
    ] = None,
    layout: Layout = None,
    split_folders: SplitFolders = None,
    columns: Columns = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure a run on labelled photos."""
    from budwood.data.expand_paths import expand
    from budwood.data.sources import read_source
    from budwood.evaluation.ood import ACCEPTANCE, DEFAULT
    from budwood.inference.own_photos import refuse_unknown_split
    from budwood.report.reading import passed_over_as_lines, reading_as_lines
    from budwood.run import load
    from budwood.runs.kept import refuse_lost_epoch

    refuse_unknown_split(split)
    if ood and checkpoint is not None:
        raise BudwoodError("--ood is about the saved model alone. Leave out --checkpoint")
    if ood and (by or prevalence is not None):
        raise BudwoodError("--ood asks for other figures than --by and --prevalence do. Give one of them")
    stated = None if prevalence is None else prevalence_option(prevalence)
    if acceptance is not None and not ood:
        raise BudwoodError("--acceptance goes with --ood PICTURES. Give both, or neither")
    acceptance = ACCEPTANCE if acceptance is None else acceptance
    refuse_bad_share("acceptance", acceptance, ACCEPTANCE)
    for named in ood or []:
        if not os.path.lexists(named) and not glob.has_magic(named):
            raise BudwoodError(f"there is no {shown(named)}. Give --ood a file or a folder of photos")
    others = [picture for _, picture in expand(ood, lambda: b"")] if ood else []
    loaded, progress = load(run), progress_of(quiet, as_json)
    changes = reading_options(layout, split_folders, columns)
    photos = read_source(data, data_settings(*changes) if changes else loaded.recipe.data, progress=progress)
    understood = photos.understood()
    for line in [*reading_as_lines(understood), *passed_over_as_lines(understood.passed_over)]:
        progress.say(line)
    if checkpoint is not None:
        refuse_lost_epoch(loaded.files, checkpoint)
        refuse_read_only_cache()
        load_keras()
    if ood:
        figures = loaded.ood_scores(photos, others, split=split, acceptance=acceptance, progress=progress)
        if as_json:
            print_json({method: asdict(found) for method, found in figures.items()})
        else:
            from budwood.report.terminal import ood_as_text

            print(ood_as_text(figures, acceptance, DEFAULT))
        return
    found = loaded.evaluation(
        photos, split=split, by=by or (), prevalence=stated, checkpoint=checkpoint, progress=progress
    )
    if as_json:
        print_json(found.to_json())
        return
    from budwood.report.holds import prevalence_as_text, subgroups_as_text
    from budwood.report.terminal import scores_as_text

    if loaded.files.multi_label:
        from budwood.evaluation.multi_label_figures import MultiLabelFigures
        from budwood.report.label_words import labels_as_text

        print(labels_as_text(MultiLabelFigures.model_validate(found.figures.to_json()), split))
    else:
        print(scores_as_text(found.figures.to_json(), split))
    for column in found.by:
        figure = "exact match" if loaded.files.multi_label else "accuracy"
        print(f"\n{subgroups_as_text(column, figure)}")
    if found.prevalence is not None:
        print(f"\n{prevalence_as_text(found.prevalence)}")


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Two run directories or more.")],
    split: Annotated[str, typer.Option(help="test or validation.")] = "test",
    as_json: AsJson = False,
) -> None:
    """Say which of several runs is better, on the same photos, and how sure that is."""
    from budwood.runs.compare import as_text
    from budwood.runs.compare import compare as compare_runs

    comparison = compare_runs(runs, split=split)
    if as_json:
        print_json(comparison)
    else:
        print(as_text(comparison))


@app.command()
def forecast(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="Directory of a study with --sizes.")],
    accuracy: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="How many training photos would it take? [default: the next round one]",
            show_default=False,
        ),
    ] = None,
    mean_average_precision: Annotated[
        float | None,
        typer.Option(
            "--map", metavar="SHARE", help="The same of several labels a photo: of mean average precision."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what more training photos would give, how sure that is, and how far off such forecasts were."""
    from budwood.studies.records import ANSWERS, SINGLE_LABEL, StudyFolder
    from budwood.studies.results import load_study

    task = StudyFolder(study).read().task
    own, other = ("--accuracy", "--map") if task == SINGLE_LABEL else ("--map", "--accuracy")
    asked = {"--accuracy": accuracy, "--map": mean_average_precision}
    if asked[other] is not None:
        raise BudwoodError(
            f"the photos of the study in {study} have {ANSWERS[task]}, for which {other} asks nothing. Give "
            f"{own} {asked[other]:g}"
        )
    results = load_study(study, target=asked[own])
    if not results.curves:
        raise RunError(
            f"{study} has one number of training photos, and a curve takes three. Run the study again with "
            "--sizes 100,200,400,800,all --resume"
        )
    if as_json:
        print_json([curve.to_json() for curve in results.curves])
        return
    print("\n".join(curve.words for curve in results.curves))


@app.command()
def report(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN|STUDY", help="Directory of a complete run, or of a study.")
    ],
    data: Annotated[Path | None, typer.Option(help="Where the photos of a run are now.")] = None,
) -> None:
    """Write report.html of a run or a study again; of a run, with --data DATA, it has pictures."""
    if (folder / "study.json").is_file():
        from budwood.studies.report.page import write_study_report

        if data is not None:
            raise RunError(
                f"{folder} is a study, and its report has no photos: --data belongs to runs. Leave it out, or give "
                "the directory of a run"
            )
        print(shown(write_study_report(folder)))
        return
    from budwood.run import load

    print(shown(load(folder).write_report(data)))


@app.command()
def mlflow(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN|STUDY", help="Directory of a complete run, or a study.")
    ],
    uri: Annotated[str, typer.Argument(metavar="URI", help="A directory, sqlite:///FILE, http://HOST:PORT.")],
    experiment: Annotated[
        str | None, typer.Option(metavar="NAME", help="By default the name of the data, or of the study.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Log a run, or every complete trial of a study, to MLflow; what is there already is not logged again."""
    log(folder, uri, experiment, quiet=quiet)
