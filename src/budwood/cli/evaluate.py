"""Commands that measure runs, compare them, report and log them."""

import glob
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from budwood.cli.options import AsJson, Data, Quiet, RunFolder, app, log, print_json, progress_of
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
    checkpoint: Annotated[
        int | None,
        typer.Option(min=1, metavar="EPOCH", help="The model as that epoch of history.csv left it."),
    ] = None,
    foreign: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PICTURES",
            help="Instead: how well these pictures, of none of the classes, are told from DATA.",
        ),
    ] = None,
    recall: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="With --foreign: share of validation photos to be kept. [default: 0.98, as predict has it]",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure a run on labelled photos."""
    from budwood.data.expand_paths import expand
    from budwood.evaluation.ood import DEFAULT, RECALL

    if foreign and checkpoint is not None:
        raise BudwoodError("--foreign is about the saved model alone. Leave out --checkpoint")
    if recall is not None and not foreign:
        raise BudwoodError("--recall goes with --foreign PICTURES. Give both, or neither")
    recall = RECALL if recall is None else recall
    refuse_bad_share("recall", recall, RECALL)
    for named in foreign or []:
        if not os.path.lexists(named) and not glob.has_magic(named):
            raise BudwoodError(f"there is no {shown(named)}. Give --foreign a file or a folder of photos")
    strangers = [picture for _, picture in expand(foreign, lambda: b"")] if foreign else []
    load_keras()
    from budwood.report.terminal import scores_as_text, strangers_as_text
    from budwood.run import load

    progress = progress_of(quiet, as_json)
    if foreign:
        told = load(run).tell_strangers(data, strangers, split=split, recall=recall, progress=progress)
        if as_json:
            print_json({method: asdict(found) for method, found in told.items()})
        else:
            print(strangers_as_text(told, recall, DEFAULT))
        return
    metrics = load(run).evaluate(data, split=split, checkpoint=checkpoint, progress=progress)
    if as_json:
        print_json(metrics)
    else:
        print(scores_as_text(metrics, split))


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
    load_keras()
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
