"""Every command: read the arguments, call one function, print. Heavy imports wait until a command needs them."""

import glob
import json
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budwood import __version__
from budwood.errors import BudwoodError, RunError, refuse_bad_share
from budwood.report.words import count, shown
from budwood.terminal import load_keras, run_command

if TYPE_CHECKING:
    from budwood.backbones.contract import Backbone
    from budwood.data.images import ImageLike
    from budwood.prediction import Prediction
    from budwood.progress import Progress
    from budwood.report.sheet import SheetItem

# TensorFlow's own chatter would bury ours; whoever sets the variable keeps it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

app = typer.Typer(
    name="budwood",
    help="Transfer learning for image classification that you can trust.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cache_app = typer.Typer(help="What is kept so that nothing is computed twice.", rich_markup_mode=None)
app.add_typer(cache_app, name="cache")

Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="Folder of class folders, or one with train/, validation/, test/ inside; or tfds:NAME.",
    ),
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a complete run.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but results and errors.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Mlflow = Annotated[
    str | None,
    typer.Option(
        "--mlflow", metavar="URI", help="Log it to MLflow: a directory, sqlite:///FILE, http://HOST:PORT."
    ),
]
Recall = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="Say `none of these` to what looks further from the training photos than this share of the "
        "validation photos; 1 never says it. [default: 0.98]",
        show_default=False,
    ),
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change a recipe key.")
]


def _print_version(asked: bool) -> bool:
    if asked:
        print(f"budwood {__version__}")
        raise typer.Exit
    return asked


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; on any command.")] = False,
) -> None:
    pass


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
            "again, stand side by side.",
        ),
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Weights file of the backbone.")] = None,
    seed: Annotated[int | None, typer.Option(help="Everything random except the split.")] = None,
    split_seed: Annotated[int | None, typer.Option(help="Who is in which split.")] = None,
    settings: Settings = None,
    start: Annotated[
        Path | None, typer.Option("--from", metavar="RUN", help="Fine-tune the model of a run further.")
    ] = None,
    distill: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN", help="Learn from the model of a run too. Short for --set distill.run=RUN."
        ),
    ] = None,
    no_test: Annotated[bool, typer.Option("--no-test", help="Carve and open no test split.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in the directory.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and stop.")] = False,
    mlflow: Mlflow = None,
    quiet: Quiet = False,
) -> None:
    """Train a classifier on a folder of labelled photos, and measure it."""
    from budwood.data.sources import read_source
    from budwood.recipe import Recipe

    names = [name.strip() for given in backbone or [] for name in given.split(",")]
    short = {
        "backbone.name": names or None,
        "backbone.weights": weights,
        "distill.run": distill,
        "seed": seed,
        "split_seed": split_seed,
    }
    changes = [f"{key}={_toml(value)}" for key, value in short.items() if value is not None]
    changes += ["evaluate.test=false"] if no_test else []
    # What is wrong with the command is said here, before the seconds that TensorFlow takes to load.
    loaded = Recipe.load(recipe) if start is None else Recipe.load(recipe).without_sizes()
    asked = loaded.with_settings([*changes, *(settings or [])])
    progress = _progress(quiet)
    read_source(data, progress=progress)
    if mlflow is not None and not dry_run:
        _check_mlflow(mlflow)
    load_keras()
    if dry_run:
        from budwood.plan import plan

        print(plan(data, asked, start=start, progress=progress))
        return
    from budwood.pipeline import train as train_on

    run = train_on(
        data,
        output,
        recipe=asked,
        start=start,
        overwrite=overwrite,
        resume=resume,
        progress=progress,
        command=shlex.join(["budwood", *sys.argv[1:]]),
    )
    if not quiet:
        print(run.summary())
    if mlflow is not None:
        _log(run.folder, mlflow, quiet=quiet)


@app.command()
def check(data: Data, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Say what is wrong with a folder of photos; exit status 1 where something is."""
    from budwood.data.check import check as check_photos
    from budwood.data.check import refusal
    from budwood.data.manifest import Problem
    from budwood.data.sources import read_source

    progress = _progress(quiet, as_json)
    found = check_photos(read_source(data, progress=progress), for_training=False, progress=progress)
    if reason := refusal(found):
        found = replace(found, problems=(*found.problems, Problem(".", "refused", reason)))
    if as_json:
        _print_json(found.to_json())
    else:
        for problem in found.problems:
            print(shown(f"{problem.kind}: {problem.path}: {problem.detail}"))
        print(
            f"{count(found.num_found, 'photo')}, {len(found.photos):,} usable, "
            f"{count(len(found.classes), 'class', 'classes')}, {count(len(found.problems), 'problem')}"
        )
    if found.problems:
        raise typer.Exit(1)


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
            metavar="SHARE", help="Be unsure of what would be right less often than this, such as 0.98."
        ),
    ] = None,
    recall: Recall = None,
    as_json: AsJson = False,
    sheet: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="PNG", help="Write one sheet of pictures.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Predict the class of photos; a bad file is reported and the rest goes on.

    Standard input is one picture or a list of files, one a line or separated by NUL. Exit status 1 where a
    file was bad.
    """
    from budwood.data.inputs import expand

    if sheet is not None:
        _refuse_sheet(sheet)
    for name, share in (("precision", precision), ("recall", recall)):
        if share is not None:
            refuse_bad_share(name, share, 0.98)
    inputs = expand(images, lambda: sys.stdin.buffer.read())
    load_keras()
    from budwood.report.words import abstention_as_text
    from budwood.run import load

    loaded = load(run)
    names, pictures = [name for name, _ in inputs], [picture for _, picture in inputs]
    if precision is not None and not (quiet or as_json):
        print(abstention_as_text(precision, *loaded.abstention(precision)), file=sys.stderr)
    if not (quiet or as_json) and (note := loaded.limit_note(recall)):
        print(f"none of these: {note}", file=sys.stderr)
    predictions = loaded.predict(
        pictures, names=names, precision=precision, recall=recall, progress=_progress(quiet, as_json)
    )
    if as_json:
        _print_json([prediction.to_json(top) for prediction in predictions])
    for prediction in predictions:
        if prediction.error is not None:
            print(shown(f"budwood: {prediction.name}: {prediction.error}"), file=sys.stderr)
        elif not as_json:
            print(f"{shown(prediction.name)}\t{prediction.in_words(top)}")
    if sheet is not None:
        from budwood.report.sheet import write_sheet

        write_sheet(_sheet_items(pictures, predictions, loaded.classes), sheet)
        if not (quiet or as_json):
            print(f"sheet   {shown(sheet)}", file=sys.stderr)
    if any(prediction.error is not None for prediction in predictions):
        raise typer.Exit(1)


def _refuse_sheet(sheet: Path) -> None:
    if sheet.is_dir() or not sheet.parent.is_dir():
        raise BudwoodError(f"cannot write the sheet {sheet}. Give a file in a folder that exists")
    if sheet.suffix.lower() != ".png":
        raise BudwoodError(
            f"the sheet is a PNG picture, and {sheet} has another ending. Give {sheet.with_suffix('.png')}"
        )


def _sheet_items(
    pictures: "Sequence[ImageLike]", predictions: "Sequence[Prediction]", classes: Sequence[str]
) -> "list[SheetItem]":
    """The pictures that could be read; the true class is known where the folder has the name of one."""
    from budwood.report.sheet import SheetItem

    items = []
    for picture, prediction in zip(pictures, predictions, strict=True):
        if prediction.label is not None and prediction.probability is not None:
            folder = picture.absolute().parent.name if isinstance(picture, Path) else None
            true = folder if folder in classes else None
            items.append(
                SheetItem(
                    picture,
                    prediction.label,
                    prediction.probability,
                    true,
                    foreign=prediction.foreign,
                    sure=prediction.sure,
                )
            )
    return items


@app.command()
def explain(
    run: RunFolder,
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGE...", help="Files, folders, globs; - for standard input.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="PNG|DIR",
            help="One sheet, or an existing directory for one PNG a picture.",
        ),
    ],
    target: Annotated[
        str | None,
        typer.Option("--class", metavar="CLASS", help="Explain this class, not the predicted one."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="With --json: how many classes to show.")] = 1,
    recall: Recall = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show why photos are taken for what they are: Grad-CAM, occlusion, and similar training photos.

    Exit status 1 where a file was bad.
    """
    from budwood.data.inputs import expand
    from budwood.report.explanation_sheet import MOST, name_sheets, write_explanations

    if not output.is_dir():
        _refuse_sheet(output)
    if recall is not None:
        refuse_bad_share("recall", recall, 0.98)
    inputs = expand(images, lambda: sys.stdin.buffer.read())
    if not output.is_dir() and len(inputs) > MOST:
        raise BudwoodError(
            f"{len(inputs):,} pictures are more than the {MOST} of one sheet. Give fewer, or -o an existing directory "
            "for a sheet each"
        )
    load_keras()
    from budwood.run import load

    loaded, progress = load(run), _progress(quiet, as_json)
    sheets = name_sheets([name for name, _ in inputs], output) if output.is_dir() else []
    found, bad = [], False
    for start in range(0, len(inputs), MOST):
        some = inputs[start : start + MOST]
        explained = loaded.explain(
            [picture for _, picture in some],
            target=target,
            names=[name for name, _ in some],
            recall=recall,
            progress=progress,
        )
        if sheets:
            for explanation, sheet in zip(explained, sheets[start : start + MOST], strict=True):
                if explanation.target is not None:
                    write_explanations([explanation], sheet)
        else:
            write_explanations(explained, output)
        for explanation in explained:
            said = explanation.prediction
            bad = bad or said.error is not None
            if as_json:
                found.append(explanation.to_json(top))
            elif said.error is not None:
                print(shown(f"budwood: {said.name}: {said.error}"), file=sys.stderr)
            elif not quiet:
                print(f"{shown(said.name)}\t{explanation.in_words()}")
    if as_json:
        _print_json(found)
    elif not quiet:
        print(f"sheet   {shown(output)}", file=sys.stderr)
    if bad:
        raise typer.Exit(1)


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
    from budwood.data.inputs import expand
    from budwood.evaluation.out_of_distribution import DEFAULT, RECALL

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
    from budwood.report.words import scores_as_text, strangers_as_text
    from budwood.run import load

    progress = _progress(quiet, as_json)
    if foreign:
        told = load(run).tell_strangers(data, strangers, split=split, recall=recall, progress=progress)
        if as_json:
            _print_json({method: asdict(found) for method, found in told.items()})
        else:
            print(strangers_as_text(told, recall, DEFAULT))
        return
    metrics = load(run).evaluate(data, split=split, checkpoint=checkpoint, progress=progress)
    if as_json:
        _print_json(metrics)
    else:
        print(scores_as_text(metrics, split))


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Two run directories or more.")],
    split: Annotated[str, typer.Option(help="test or validation.")] = "test",
    as_json: AsJson = False,
) -> None:
    """Say which of several runs is better, on the same photos, and how sure that is."""
    from budwood.compare import as_text
    from budwood.compare import compare as compare_runs

    comparison = compare_runs(runs, split=split)
    if as_json:
        _print_json(comparison)
    else:
        print(as_text(comparison))


@app.command()
def study(
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Directory of the study.")],
    recipes: Annotated[str, typer.Option(metavar="A,B", help="Shipped recipes or TOML files.")] = "auto",
    backbones: Annotated[
        str | None, typer.Option(metavar="X,Y", help="Each recipe on each; + joins several side by side.")
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
            help="Let Optuna choose up to N configurations, and give up early those that lag behind, by validation "
            "loss; no test photo is opened.",
        ),
    ] = None,
    weights: Annotated[
        list[str] | None, typer.Option(metavar="[BACKBONE=]FILE", help="Weights files of the backbones.")
    ] = None,
    settings: Settings = None,
    no_test: Annotated[
        bool, typer.Option("--no-test", help="Open no test split: compare on validation photos.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Trials at a time; one for every two cores.")
    ] = None,
    keep_models: Annotated[
        bool, typer.Option("--keep-models", help="Keep the model of every trial.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on: complete trials stay, failed ones are tried again.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the study in the directory.")
    ] = False,
    mlflow: Mlflow = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compare recipes over many trainings, and say how sure the differences are.

    Every combination of recipe, backbone, grid value, number of photos and seed is trained in a process of its own;
    or, with --search N, the best of N is looked for, and DIR/best.toml is its recipe. Exit status 1 where one failed.
    """
    from budwood.studies.plan import parse_seeds, parse_sizes
    from budwood.studies.study import study as run_study

    if mlflow is not None:
        _check_mlflow(mlflow)
    results = run_study(
        data,
        output,
        recipes=[name.strip() for name in recipes.split(",") if name.strip()],
        backbones=[name.strip() for name in (backbones or "").split(",") if name.strip()],
        grid=grid or [],
        sizes=parse_sizes(sizes) if sizes is not None else [],
        seeds=parse_seeds(seeds),
        folds=folds,
        search=search,
        settings=settings or [],
        weights=weights or [],
        test=not no_test,
        jobs=jobs,
        keep_models=keep_models,
        overwrite=overwrite,
        resume=resume,
        progress=_progress(quiet, as_json),
        command=shlex.join(["budwood", *sys.argv[1:]]),
    )
    if as_json:
        _print_json(results.to_json())
    else:
        print(results.as_text())
        if not quiet:
            print(f"report: {shown(results.folder / 'report.html')}")
    if mlflow is not None:
        _log(output, mlflow, quiet=quiet or as_json)
    if results.failures:
        raise typer.Exit(1)


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
    _log(folder, uri, experiment, quiet=quiet)


def _check_mlflow(uri: str) -> None:
    """Said before a training."""
    from budwood.tracking import check_tracking

    check_tracking(uri)


def _log(folder: Path, uri: str, experiment: str | None = None, *, quiet: bool) -> None:
    from budwood.tracking import log_to_mlflow

    number = log_to_mlflow(folder, uri, experiment)
    if not quiet:
        print(shown(f"mlflow  {count(number, 'run')} in {uri}"), file=sys.stderr)


@app.command()
def augment(
    data: Data,
    sheet: Annotated[Path, typer.Option("--output", "-o", metavar="PNG", help="Where to write the sheet.")],
    recipe: Annotated[str, typer.Option(help="Shipped recipe or TOML file.")] = "auto",
    seed: Annotated[int | None, typer.Option(help="Other views.")] = None,
    settings: Settings = None,
) -> None:
    """Show what a recipe's augmentation does: nine views of one photo, and originals beside their views."""
    from budwood.data.augment import Renderer
    from budwood.data.sources import read_source
    from budwood.errors import RecipeError
    from budwood.recipe import Recipe
    from budwood.report.views_sheet import write_views_sheet

    changes = [] if seed is None else [f"seed={seed}"]
    asked = Recipe.load(recipe).with_settings([*changes, *(settings or [])])
    if not asked.augment.views:
        raise RecipeError(
            f"the recipe {recipe} draws no views (augment.views = 0). Give one that does, such as --recipe cats-dogs, "
            "or --set augment.views=per-epoch --set augment.horizontal_flip=true"
        )
    _refuse_sheet(sheet)
    photos = read_source(data).photos
    size = 224 if asked.data.size == "auto" else asked.data.size
    # One photo of every class before a second of any, as far as they are sorted by class.
    write_views_sheet(
        sheet,
        photos[:: max(1, len(photos) // 9)],
        Renderer(size, asked.data.resize, asked.augment, asked.seed),
    )
    print(shown(sheet))


@app.command()
def report(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN|STUDY", help="Directory of a complete run, or of a study.")
    ],
    data: Annotated[Path | None, typer.Option(help="Where the photos of a run are now.")] = None,
) -> None:
    """Write report.html of a run or a study again; of a run, with --data DATA, it has pictures."""
    if (folder / "study.json").is_file():
        from budwood.studies.page import write_study_report

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
def backbones(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Only these, and where their weights are.")
    ] = None,
    measure: Annotated[
        bool,
        typer.Option("--measure", help="Time each at its own size on this machine, with random weights."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the pretrained networks: size, accuracy, what each is good for, and whether its weights are here."""
    from budwood.backbones.registry import BACKBONES, get_backbone

    entries = [get_backbone(name) for name in names or BACKBONES]
    rows = [
        {
            "name": entry.name,
            "family": entry.family,
            "parameters": entry.parameters,
            "size": entry.size,
            "imagenet_top1": entry.imagenet_top1,
            "weights": entry.where(),
            "weights_here": entry.pretrained.is_here(),
            "sweet_spot": entry.sweet_spot,
        }
        for entry in entries
    ]
    if not as_json:
        time = f"{'time':>10}" * measure
        print(f"{'name':<20}{'parameters':>11}{'size':>8}{'ImageNet':>10}{'weights':>9}{time}  good for")
    for entry, row in zip(entries, rows, strict=True):
        time = ""
        if measure:
            row["ms_per_image"] = round(_milliseconds(entry), 2)
            time = f"{row['ms_per_image']:>7.1f} ms"
        if as_json:
            continue
        print(
            f"{entry.name:<20}{entry.parameters / 1e6:>9.1f} M{entry.size:>5} px{entry.imagenet_top1:>8} %"
            f"{'here' if row['weights_here'] else '-':>9}{time}  {entry.sweet_spot}",
            flush=True,
        )
        if names:
            print(f"    weights: {shown(row['weights'])}")
    if as_json:
        _print_json(rows)
    elif not names:
        print(
            "ImageNet: published top-1. Weights that are not here are fetched on first use; NAME says from where."
        )


def _milliseconds(backbone: "Backbone") -> float:
    load_keras()
    from budwood.features.engines import milliseconds_per_picture
    from budwood.features.frozen import with_pooling

    return milliseconds_per_picture(with_pooling(backbone.build(weights="random"), "avg"))


class RecipeAction(StrEnum):
    SHOW = "show"
    COPY = "copy"


@app.command()
def recipes(
    action: Annotated[RecipeAction | None, typer.Argument(help="What to do with NAME.")] = None,
    name: Annotated[str | None, typer.Argument(help="A shipped recipe.")] = None,
    file: Annotated[Path | None, typer.Argument(help="Where to copy it; by default NAME.toml.")] = None,
) -> None:
    """List the shipped recipes; show one, or copy it to change it and give it to --recipe."""
    from budwood.errors import RecipeError
    from budwood.files import write_text
    from budwood.recipe import shipped_recipes

    if action is None:
        for shipped, text in shipped_recipes().items():
            print(f"{shipped:<28}{text.splitlines()[0].removeprefix('#').strip()}")
        return
    if name is None or (action is RecipeAction.SHOW and file is not None):
        raise typer.BadParameter(
            f"expected {'show NAME' if action is RecipeAction.SHOW else 'copy NAME [FILE]'}"
        )
    text = _recipe_text(name)
    if action is RecipeAction.SHOW:
        print(text, end="")
        return
    path = file or Path(f"{name}.toml")
    if path.exists():
        raise RecipeError(f"{path} exists. Give another file name")
    if not path.parent.is_dir():
        raise RecipeError(f"there is no folder {path.parent}. Make it, or give a file in another one")
    write_text(path, text)
    print(shown(path))


@app.command()
def sample(
    name: Annotated[str, typer.Argument(help="digits or flowers.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make.")],
    archive: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="flower_photos.tgz, already here.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Write a sample data set: digits (embedded, 1,797 pictures) or flowers (downloaded, 3,670 photos)."""
    from budwood.data.samples import write_sample

    write_sample(name, folder, archive=archive, progress=_progress(quiet))
    if not quiet:
        print(f"{shown(folder)}\nTrain on it: budwood train {shlex.quote(str(folder))}")


@cache_app.command("info")
def cache_info(as_json: AsJson = False) -> None:
    """Show what the feature store holds."""
    from budwood.cache import DATA, GRAPHS, part_bytes
    from budwood.features.store import FeatureStore

    info = FeatureStore().info() | {"graphs": part_bytes(GRAPHS), "data": part_bytes(DATA)}
    if as_json:
        _print_json(info)
        return
    print(
        f"folder  {info['folder']}\nsize    {info['total'] / 1e6:,.1f} MB of at most {info['limit'] / 1e9:,.1f} GB"
    )
    print(f"graphs  {info['graphs'] / 1e6:,.1f} MB")
    if info["data"]:
        print(f"data    {info['data'] / 1e6:,.1f} MB of pictures unpacked for tfds:NAME (cache clear --data)")
    for part in info["fingerprints"]:
        size = f"{part['rows']:>8,} rows  {part['bytes'] / 1e6:>10,.1f} MB"
        print(f"{part['fingerprint']}  {size}  last used {part['last_used']}{'  in use' * part['in_use']}")


@cache_app.command("clear")
def cache_clear(
    data: Annotated[
        bool,
        typer.Option(
            "--data", help="Pictures unpacked for tfds:NAME too; let no training read them meanwhile."
        ),
    ] = False,
) -> None:
    """Remove every stored feature and graph that is not in use; it can all be computed again."""
    from budwood.cache import DATA, GRAPHS, clear_part
    from budwood.features.store import FeatureStore

    freed = FeatureStore().clear() + clear_part(GRAPHS) + (clear_part(DATA) if data else 0)
    print(f"{freed / 1e6:,.1f} MB freed")


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say whether this machine has what Budwood needs; exit status 1 where it does not."""
    from budwood.doctor import examine

    load_keras()
    findings = examine()
    if as_json:
        _print_json([finding.__dict__ for finding in findings])
    else:
        for finding in findings:
            print(f"{'ok ' if finding.ok else 'BAD'}  {finding.what:<16}{finding.detail}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _progress(quiet: bool, as_json: bool = False) -> "Progress":
    """Who reads JSON may read both streams, so there it is told only to a person."""
    from budwood.progress import choose_progress

    return choose_progress(quiet or (as_json and not sys.stderr.isatty()))


def _recipe_text(name: str) -> str:
    from budwood.errors import RecipeError, did_you_mean
    from budwood.recipe import shipped_recipes

    shipped = shipped_recipes()
    if name not in shipped:
        raise RecipeError(f"no recipe `{name}`.{did_you_mean(name, shipped)} There are: {', '.join(shipped)}")
    return shipped[name]


def _toml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return str(value) if isinstance(value, int) else json.dumps(str(value), ensure_ascii=False)


def _print_json(value: object) -> None:
    # ASCII: bytes that are no text come through as escaped surrogates.
    print(json.dumps(value, indent=2))


def main() -> None:
    """The `budwood` command. Exit status 0; 1 for what went wrong; 2 for a wrong command; 130 for Ctrl-C."""
    run_command(app)


if __name__ == "__main__":
    main()
