"""Commands that train: one run, or a study of many."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from budwood.cli.options import (
    AllowUri,
    AsJson,
    Columns,
    Data,
    Group,
    Layout,
    MinPhotos,
    Mlflow,
    OnCluster,
    Quiet,
    Settings,
    SplitFolders,
    app,
    check_mlflow,
    group_option,
    log,
    print_json,
    progress_of,
    reading_options,
)
from budwood.cli.start import begun
from budwood.core.errors import RecipeError
from budwood.core.progress.base import speed
from budwood.core.tensorflow import load_keras
from budwood.core.text import count, duration, shown

if TYPE_CHECKING:
    from budwood.pipeline.ahead import Ahead
    from budwood.pipeline.request import TrainingRequest


@app.command()
def train(
    data: Data,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="RUN", help="Run directory.")
    ] = None,
    recipe: Annotated[str, typer.Option(help="Shipped recipe or TOML file.")] = "auto",
    backbone: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[@SIZE]",
            help="Short for --set backbone.name=NAME; several, with commas between them or given "
            "again, make an ensemble.",
        ),
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Weights file of the backbone.")] = None,
    seed: Annotated[int | None, typer.Option(help="Everything random except the split.")] = None,
    split_seed: Annotated[int | None, typer.Option(help="Who is in which split.")] = None,
    settings: Settings = None,
    columns: Columns = None,
    allow_uri: AllowUri = None,
    start: Annotated[
        Path | None, typer.Option("--from", metavar="RUN", help="Fine-tune the model of a run further.")
    ] = None,
    distill: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN", help="Learn from the model of a run too. Short for --set distill.run=RUN."
        ),
    ] = None,
    layout: Layout = None,
    split_folders: SplitFolders = None,
    group: Group = None,
    min_photos: MinPhotos = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            help="Time that the training may take: what fits is planned. Short for --set budget.minutes=N."
        ),
    ] = None,
    no_test: Annotated[bool, typer.Option("--no-test", help="Carve and open no test split.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in the directory.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and stop.")] = False,
    cluster: OnCluster = None,
    mlflow: Mlflow = None,
    quiet: Quiet = False,
) -> None:
    """Train a classifier on a folder of labelled photos, and measure it."""
    from budwood.pipeline.request import Output, ask_for_training, read_recipe

    names = [name.strip() for given in backbone or [] for name in given.split(",")]
    short = {
        "backbone.name": names or None,
        "backbone.weights": weights and str(weights),
        "distill.run": distill and str(distill),
        "seed": seed,
        "split_seed": split_seed,
        "data.min_photos": min_photos,
        "budget.minutes": minutes,
    }
    changes = _short(short)
    changes += ["evaluate.test=false"] if no_test else []
    changes += [*reading_options(layout, split_folders, columns, allow_uri), *group_option(group)]
    _refuse_twice(changes, settings or [])
    # What is wrong with the command is said here, before the seconds that TensorFlow takes to load.
    request = ask_for_training(
        data,
        read_recipe(recipe, [*changes, *(settings or [])], start=start is not None),
        Output(output, overwrite, resume),
        start=start,
        command=shlex.join(["budwood", *sys.argv[1:]]),
        progress=progress_of(quiet),
        began=begun(),
    )
    if mlflow is not None and not dry_run:
        check_mlflow(mlflow)
    if cluster is not None:
        _refuse_cluster(cluster, request)
    load_keras()
    if dry_run:
        from budwood.pipeline.dry_run import describe, estimate
        from budwood.pipeline.prepare import prepare

        prepared = prepare(request)
        print(describe(prepared, estimate(prepared)))
        return
    if cluster is None:
        from budwood.pipeline.train import train_request

        run = train_request(request)
    else:
        from budwood.cluster.features import train_on

        run = train_on(cluster, request)
    if not quiet:
        print(run.summary())
    if mlflow is not None:
        log(run.folder, mlflow, quiet=quiet)


@app.command()
def features(
    data: Data,
    recipe: Annotated[str, typer.Option(help="Shipped recipe or TOML file.")] = "auto",
    backbone: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[@SIZE]", help="Short for --set backbone.name=NAME; several make an ensemble."
        ),
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Weights file of the backbone.")] = None,
    settings: Settings = None,
    columns: Columns = None,
    start: Annotated[
        Path | None, typer.Option("--from", metavar="RUN", help="Of the network of a run.")
    ] = None,
    layout: Layout = None,
    split_folders: SplitFolders = None,
    group: Group = None,
    min_photos: MinPhotos = None,
    cluster: OnCluster = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compute the features of photos ahead of trainings, which then find them in the cache.

    Interrupted, the same command goes on from there. Exit status 1 where a photo could not be read.
    """
    from budwood.pipeline.request import Output, ask_for_training, read_recipe

    names = [name.strip() for given in backbone or [] for name in given.split(",")]
    short = {"backbone.name": names or None, "backbone.weights": weights and str(weights)}
    changes = [
        *_short(short | {"data.min_photos": min_photos}),
        *reading_options(layout, split_folders, columns),
        *group_option(group),
    ]
    _refuse_twice(changes, settings or [])
    asked = read_recipe(recipe, [*changes, *(settings or [])], start=start is not None)
    request = ask_for_training(data, asked, Output(), start=start, progress=progress_of(quiet, as_json))
    if cluster is not None:
        _refuse_cluster(cluster, request)
    load_keras()
    from budwood.pipeline.prepare import prepare

    prepared = prepare(request)
    for note in prepared.found:
        request.directory.progress.say(note.text)
    if cluster is None:
        from budwood.pipeline.ahead import compute_ahead

        done = compute_ahead(prepared)
    else:
        from budwood.cluster.features import features_on

        done, _ = features_on(cluster, prepared)
    found = done.extraction
    unread = prepared.check.unreadable
    if as_json:
        print_json(
            {
                "photos": done.photos,
                "left_out": {problem.path: problem.detail for problem in unread},
                "computed": found.num_computed,
                "found": found.num_found,
                "failed": found.failed,
                "seconds": round(done.seconds, 3),
                "fingerprint": done.fingerprint,
            }
        )
    else:
        for name, fault in [*((one.path, one.detail) for one in unread), *found.failed.items()]:
            print(shown(f"left out: {name}: {fault}"))
        print(ahead_in_words(done))
    if found.failed or unread:
        raise typer.Exit(1)


def _refuse_cluster(cluster: str, request: "TrainingRequest") -> None:
    """Raise ClusterError or RecipeError before TensorFlow is loaded and the photos are looked at."""
    from budwood.cluster.connect import refuse_unreachable

    if request.recipe.backbone.precision == "int8":
        raise RecipeError(
            "--cluster computes features of f32 or bf16, and backbone.precision is int8. Leave one of them out"
        )
    if request.recipe.budget.minutes:
        raise RecipeError(
            "budget.minutes (--minutes) plans for this machine alone, and --cluster lets others compute the features. "
            "Leave one of them out"
        )
    refuse_unreachable(cluster)


def ahead_in_words(done: "Ahead") -> str:
    """Return what was computed ahead, in one line.

    >>> from budwood.features.extract import Extraction
    >>> from budwood.pipeline.ahead import Ahead
    >>> ahead_in_words(Ahead(960, Extraction(900, 60), 30.0, "f"))
    'features of 960 photos: 900 computed in 30 s (30/s), 60 were there'
    """
    found = done.extraction
    parts = [f"{found.num_computed:,} computed"]
    if found.num_computed:
        parts[0] += f" in {duration(done.seconds)} ({speed(done.seconds / found.num_computed)})"
    parts.append(f"{found.num_found:,} were there")
    if found.failed:
        parts.append(f"{len(found.failed):,} could not be read")
    return f"features of {count(done.photos, 'photo')}: {', '.join(parts)}"


def _refuse_twice(changes: Sequence[str], settings: Sequence[str]) -> None:
    """Raise RecipeError for a key that both an option and --set give."""
    given = {key.strip(): value.strip() for key, _, value in (one.partition("=") for one in settings)}
    for key, _, value in (change.partition("=") for change in changes):
        if key in given:
            raise RecipeError(
                f"{key} is given twice: by an option as {value}, and as --set {key}={given[key]}. Leave one of them out"
            )


def _short(values: dict[str, Any]) -> list[str]:
    """Return what options are short for, as settings of a recipe."""
    from budwood.config.loading import value_text

    return [f"{key}={value_text(value)}" for key, value in values.items() if value is not None]


@app.command()
def study(
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Directory of the study.")],
    recipes: Annotated[str, typer.Option(metavar="A,B", help="Shipped recipes or TOML files.")] = "auto",
    backbones: Annotated[
        str | None, typer.Option(metavar="X,Y", help="Each recipe on each; + joins several into an ensemble.")
    ] = None,
    grid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SECTION.KEY=[V,W]",
            help="Values of a recipe key; of several, every combination. With --search also a range, KEY=LOW..HIGH.",
        ),
    ] = None,
    sizes: Annotated[
        str | None, typer.Option(metavar="50,100,all", help="Numbers of training photos: would more help?")
    ] = None,
    seeds: Annotated[
        str, typer.Option(metavar="N", help="How many random splits, or which: 100-104, or 3,7.")
    ] = "5",
    folds: Annotated[int, typer.Option(min=0, max=20, help="k-fold instead of random splits.")] = 0,
    search: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Let Optuna choose up to N configurations, and prune those that lag behind, by validation "
            "loss; no test photo is opened.",
        ),
    ] = None,
    weights: Annotated[
        list[str] | None, typer.Option(metavar="[BACKBONE=]FILE", help="Weights files of the backbones.")
    ] = None,
    layout: Layout = None,
    split_folders: SplitFolders = None,
    group: Group = None,
    columns: Columns = None,
    allow_uri: AllowUri = None,
    min_photos: MinPhotos = None,
    settings: Settings = None,
    no_test: Annotated[
        bool, typer.Option("--no-test", help="Open no test split: compare on validation photos.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Trials at a time; one for every two cores.")
    ] = None,
    keep_models: Annotated[
        bool,
        typer.Option(
            "--keep-models", help="Keep the model of every trial; each then takes as long as `budwood train`."
        ),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on: complete trials stay, failed ones are tried again.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the study in the directory.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the trials and what they would take, and stop.")
    ] = False,
    cluster: OnCluster = None,
    mlflow: Mlflow = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compare recipes over many trainings, and say how sure the differences are.

    Every combination of recipe, backbone, grid value, number of photos and seed is trained in a process of its own;
    or, with --search N, the best of N is looked for, and DIR/best.toml is its recipe. Exit status 1 where one failed.
    """
    from budwood.studies.grid import parse_seeds, parse_sizes
    from budwood.studies.records import StudyFolder
    from budwood.studies.request import StudyRequest
    from budwood.studies.study import plan_study, run_study
    from budwood.studies.timing import DRY_RUN_SECONDS, Stopwatch
    from budwood.studies.workload import describe, workload

    if mlflow is not None and not dry_run:
        check_mlflow(mlflow)
    request = StudyRequest(
        data=data,
        output=output,
        recipes=[name.strip() for name in recipes.split(",") if name.strip()],
        backbones=[name.strip() for name in (backbones or "").split(",") if name.strip()],
        grid=grid or [],
        sizes=parse_sizes(sizes) if sizes is not None else [],
        seeds=parse_seeds(seeds),
        folds=folds,
        search=search,
        settings=[
            *reading_options(layout, split_folders, columns, allow_uri),
            *group_option(group),
            *([] if min_photos is None else [f"data.min_photos={min_photos}"]),
            *(settings or []),
        ],
        weights=weights or [],
        test=not no_test,
        keep_models=keep_models,
        overwrite=overwrite,
        resume=resume,
    )
    progress = progress_of(quiet, as_json)
    if dry_run:
        plan = plan_study(request, progress)
        known = StudyFolder(output if resume else output / "nothing")
        found = workload(plan, known, jobs, Stopwatch(jobs, DRY_RUN_SECONDS, features=True))
        print(describe(plan, found))
        return
    command = shlex.join(["budwood", *sys.argv[1:]])
    if cluster is None:
        results = run_study(request, jobs=jobs, progress=progress, command=command)
    else:
        from budwood.cluster.trials import run_study_on

        results = run_study_on(cluster, request, jobs=jobs, progress=progress, command=command)
    if as_json:
        print_json(results.to_json())
    else:
        print(results.as_text())
        if not quiet:
            print(f"report: {shown(results.folder / 'report.html')}")
    if mlflow is not None:
        log(output, mlflow, quiet=quiet or as_json)
    if results.failures:
        raise typer.Exit(1)
