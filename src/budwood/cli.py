"""Every command: read the arguments, call one function, print. Heavy imports wait until a command needs them."""

import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from budwood import __version__
from budwood.errors import BudwoodError
from budwood.report.words import shown

if TYPE_CHECKING:
    from budwood.progress import Progress

# TensorFlow's own chatter would bury ours; whoever sets the variable keeps it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

app = typer.Typer(
    name="budwood",
    help="Transfer learning for image classification that you can trust.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="--debug on any command shows tracebacks.",
)
recipes_app = typer.Typer(help="The shipped recipes.", rich_markup_mode=None)
cache_app = typer.Typer(
    help="What is kept so that nothing is computed twice.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(recipes_app, name="recipes")
app.add_typer(cache_app, name="cache")

Data = Annotated[
    Path, typer.Argument(help="Folder of class folders, or one with train/, validation/, test/ inside.")
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a complete run.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but results and errors.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change a recipe key.")
]


def _print_version(asked: bool) -> None:
    if asked:
        print(f"budwood {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    pass


@app.command()
def train(
    data: Data,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="RUN", help="Run directory.")
    ] = None,
    recipe: Annotated[str, typer.Option(help="Shipped recipe or TOML file.")] = "auto",
    backbone: Annotated[str | None, typer.Option(help="Short for --set backbone.name=NAME.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Weights file of the backbone.")] = None,
    seed: Annotated[int | None, typer.Option(help="Everything random except the split.")] = None,
    split_seed: Annotated[int | None, typer.Option(help="Who is in which split.")] = None,
    settings: Settings = None,
    no_test: Annotated[bool, typer.Option("--no-test", help="Carve and open no test split.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in the directory.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and stop.")] = False,
    quiet: Quiet = False,
) -> None:
    """Train a classifier on a folder of labelled photos, and measure it."""
    from budwood.progress import choose_progress
    from budwood.recipe import Recipe

    short = {"backbone.name": backbone, "backbone.weights": weights, "seed": seed, "split_seed": split_seed}
    changes = [f"{key}={_toml(value)}" for key, value in short.items() if value is not None]
    changes += ["evaluate.test=false"] if no_test else []
    # Refused here, before TensorFlow is loaded.
    asked = Recipe.load(recipe).with_settings([*changes, *(settings or [])])
    progress = choose_progress(quiet)
    if dry_run:
        from budwood.plan import plan

        print(plan(data, asked, progress=progress))
        return
    from budwood.pipeline import train as train_on

    run = train_on(
        data,
        output,
        recipe=asked,
        overwrite=overwrite,
        resume=resume,
        progress=progress,
        command=shlex.join(["budwood", *sys.argv[1:]]),
    )
    if not quiet:
        print(run.summary())


@app.command()
def check(data: Data, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Say what is wrong with a folder of photos; exit status 1 where something is."""
    from budwood.data.check import check as check_photos
    from budwood.data.sources import read_source
    from budwood.progress import choose_progress

    found = check_photos(read_source(data), for_training=False, progress=choose_progress(quiet or as_json))
    if as_json:
        _print_json(found.to_json())
    else:
        for problem in found.problems:
            print(f"{problem.kind}: {_shown(problem.path)}: {problem.detail}")
        print(f"{found.num_found} photos, {len(found.photos)} usable, {len(found.problems)} problems")
    if found.problems:
        raise typer.Exit(1)


@app.command()
def predict(
    run: RunFolder,
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGE...", help="Files, folders, globs; - for standard input.")
    ],
    top: Annotated[int, typer.Option(min=1, help="How many classes to show.")] = 1,
    as_json: AsJson = False,
    sheet: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="PNG", help="Write one sheet of pictures.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Predict the class of photos; a bad file is reported and the rest goes on."""
    from budwood.data.inputs import expand
    from budwood.progress import choose_progress
    from budwood.run import load

    inputs = expand(images, sys.stdin.buffer)
    loaded = load(run)
    progress = choose_progress(quiet or as_json)
    predictions = loaded.predict(
        [image for _, image in inputs], names=[name for name, _ in inputs], progress=progress
    )
    if as_json:
        _print_json([prediction.to_json(top) for prediction in predictions])
    else:
        for prediction in predictions:
            if prediction.error is None:
                shares = "  ".join(f"{label} {share:.1%}" for label, share in prediction.top(top))
                print(f"{_shown(prediction.name)}\t{shares}")
    if sheet is not None:
        from budwood.report.sheet import write_sheet

        write_sheet(loaded.sheet_items([image for _, image in inputs], predictions), sheet)
    bad = [prediction for prediction in predictions if prediction.error is not None]
    for prediction in bad:
        print(f"budwood: {_shown(prediction.name)}: {prediction.error}", file=sys.stderr)
    if bad:
        raise typer.Exit(1)


@app.command()
def evaluate(
    run: RunFolder,
    data: Data,
    split: Annotated[
        str, typer.Option(help="unseen (photos the run did not learn from), train, validation, test, or all.")
    ] = "unseen",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure a run on labelled photos."""
    from budwood.progress import choose_progress
    from budwood.run import load
    from budwood.words import metrics_in_words

    metrics = load(run).evaluate(data, split=split, progress=choose_progress(quiet or as_json))
    if as_json:
        _print_json(metrics)
    else:
        print(metrics_in_words(metrics))


@app.command()
def report(
    run: RunFolder, data: Annotated[Path | None, typer.Option(help="Where the photos are now.")] = None
) -> None:
    """Write report.html of a run again."""
    from budwood.run import load

    print(load(run).write_report(data))


@app.command()
def backbones(as_json: AsJson = False) -> None:
    """List the pretrained networks."""
    from budwood.backbones.registry import BACKBONES

    rows = [
        {
            "name": entry.name,
            "parameters": entry.parameters,
            "size": entry.size,
            "imagenet_top1": entry.imagenet_top1,
            "weights": entry.where(),
            "sweet_spot": entry.sweet_spot,
        }
        for entry in BACKBONES.values()
    ]
    if as_json:
        _print_json(rows)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "parameters", "size", "ImageNet top-1", "weights", "sweet spot", box=None)
    for row in rows:
        top1 = f"{row['imagenet_top1']} %" if row["imagenet_top1"] else ""
        table.add_row(
            row["name"],
            f"{row['parameters'] / 1e6:.1f} M",
            f"{row['size']}",
            top1,
            row["weights"],
            row["sweet_spot"],
        )
    Console().print(table)


@recipes_app.callback(invoke_without_command=True)
def recipes(context: typer.Context) -> None:
    """List the shipped recipes; `show NAME` prints one, `copy NAME FILE` writes it for changing."""
    if context.invoked_subcommand is None:
        from budwood.recipe import shipped_recipes

        for name, text in shipped_recipes().items():
            print(f"{name:<24}{text.splitlines()[0].removeprefix('#').strip()}")


@recipes_app.command("show")
def show_recipe(name: Annotated[str, typer.Argument()]) -> None:
    """Print a shipped recipe."""
    print(_recipe_text(name), end="")


@recipes_app.command("copy")
def copy_recipe(
    name: Annotated[str, typer.Argument()], file: Annotated[Path | None, typer.Argument()] = None
) -> None:
    """Write a shipped recipe into a file (NAME.toml), to be changed and given to --recipe."""
    from budwood.errors import RecipeError

    path = file or Path(f"{name}.toml")
    text = _recipe_text(name)
    if path.exists():
        raise RecipeError(f"{path} exists. Give another file name")
    path.write_text(text, encoding="utf-8")
    print(path)


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
    from budwood.progress import choose_progress

    write_sample(name, folder, archive=archive, progress=choose_progress(quiet))
    if not quiet:
        print(f"{folder}\nTrain on it: budwood train {shlex.quote(str(folder))}")


@cache_app.command("info")
def cache_info(as_json: AsJson = False) -> None:
    """Show what the feature store holds."""
    from budwood.features.store import FeatureStore

    info = FeatureStore().info()
    if as_json:
        _print_json(info)
        return
    print(
        f"folder  {info['folder']}\nsize    {info['total'] / 1e6:,.1f} MB of at most {info['limit'] / 1e9:,.1f} GB"
    )
    for part in info["fingerprints"]:
        size = f"{part['rows']:>8,} rows  {part['bytes'] / 1e6:>10,.1f} MB"
        print(f"{part['fingerprint']}  {size}  last used {part['last_used']}{'  in use' * part['in_use']}")


@cache_app.command("clear")
def cache_clear() -> None:
    """Remove every stored feature and graph that is not in use; it can all be computed again."""
    from budwood.features.store import FeatureStore, clear_graphs

    print(f"{(FeatureStore().clear() + clear_graphs()) / 1e6:,.1f} MB freed")


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say whether this machine has what Budwood needs; exit status 1 where it does not."""
    from budwood.doctor import examine

    findings = examine()
    if as_json:
        _print_json([finding.__dict__ for finding in findings])
    else:
        for finding in findings:
            print(f"{'ok ' if finding.ok else 'BAD'}  {finding.what:<16}{finding.detail}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def main() -> None:
    """The `budwood` command. Exit status 0; 1 for what went wrong; 2 for a wrong command; 130 for Ctrl-C."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        status = app(arguments, standalone_mode=False)
    except KeyboardInterrupt:
        if debug:
            raise
        status = _complain("interrupted; what was computed so far is kept", 130)
    except BudwoodError as error:
        if debug:
            raise
        status = _complain(str(error), 1)
    except OSError as error:
        if debug:
            raise
        status = _complain(f"{error}", 1)
    sys.exit(status or 0)


def _complain(line: str, status: int) -> int:
    print(f"budwood: error: {_shown(line)}", file=sys.stderr)
    return status


def _recipe_text(name: str) -> str:
    from budwood.errors import RecipeError, did_you_mean
    from budwood.recipe import shipped_recipes

    shipped = shipped_recipes()
    if name not in shipped:
        raise RecipeError(f"no recipe `{name}`.{did_you_mean(name, shipped)} There are: {', '.join(shipped)}")
    return shipped[name]


def _toml(value: object) -> str:
    return str(value) if isinstance(value, int) else json.dumps(str(value))


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=True))


def _shown(text: str) -> str:
    """One line that any terminal can print: newlines and undecodable bytes are escaped."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\n", "\\n").replace("\r", "\\r")


if __name__ == "__main__":
    main()
