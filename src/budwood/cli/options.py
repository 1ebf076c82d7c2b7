"""What the commands share: the application, the options that several have, and how they print."""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budwood._version import __version__
from budwood.core.errors import BudwoodError
from budwood.core.files import lies_in
from budwood.core.text import count, shown

if TYPE_CHECKING:
    from budwood.config.data import Data as DataSettings
    from budwood.core.progress.base import Progress

app = typer.Typer(
    name="budwood",
    help="Transfer learning for image classification that you can trust.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="Folder of class folders, or of train/, validation/, test/ with classes inside; a table (.csv, .parquet, "
        "...), an archive (.zip, .tar, ...), an export of annotations; tfds:NAME or hf:NAME; any of the first four in "
        "object storage (s3://BUCKET/PREFIX, gs://..., az://...).",
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
OnCluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="auto|local|HOST:PORT",
        help="Compute on a Ray cluster: the one that was begun here, or that RAY_ADDRESS names; one on this machine, "
        "for this command; or that of a head.",
        show_default=False,
    ),
]
Acceptance = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="Share of photos of the run's classes to accept as such; what looks less like the training photos is "
        "`none of these`, and 1 never says it. [default: 0.98]",
        show_default=False,
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(
        "--columns",
        metavar="path=COLUMN,label=COLUMN",
        help="Of a table, which column gives what: path, label, split, group, weight.",
    ),
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change a recipe key.")
]
Layout = Annotated[
    str | None,
    typer.Option(
        metavar="auto|classes|splits|nested|flat",
        help="What the folders are: classes; splits with classes inside; neither, and classes lie inside; or of no "
        "matter, the class is in the file's name. Short for --set data.layout=...",
        show_default=False,
    ),
]
MinPhotos = Annotated[
    int | None,
    typer.Option(
        "--min-photos",
        metavar="N",
        min=1,
        help="Leave out classes of fewer than N different photos. Short for --set data.min_photos=N.",
    ),
]
SplitFolders = Annotated[
    list[str] | None,
    typer.Option(
        "--split-folders",
        metavar="train=A,test=B",
        help="Which folder is which split; may be given again. Short for --set data.split_folders=...",
    ),
]
AllowUri = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-uri",
        metavar="ADDRESS",
        help="Of a table, an address of object storage below which it may name photos; may be given again. Short for "
        "--set data.allow_uri=[...].",
    ),
]
Group = Annotated[
    str | None,
    typer.Option(
        metavar="auto|none|parent|near-duplicates|column:NAME|pattern:REGEX|burst:60s",
        help="What belongs together and stays in one split: the same picture; equal pixels alone; a folder; what looks "
        "nearly alike; a table's column; a part of the path, such as 'pattern:person(\\d+)'; photos taken within so "
        "many seconds. Short for --set data.group=...",
        show_default=False,
    ),
]


def group_option(group: str | None) -> list[str]:
    """Return what --group asks for, as settings of a recipe.

    >>> group_option("burst:60s")
    ['data.group="burst:60s"']
    """
    from budwood.config.loading import value_text

    return [] if group is None else [f"data.group={value_text(group)}"]


def reading_options(
    layout: str | None = None,
    split_folders: list[str] | None = None,
    columns: str | None = None,
    allow_uri: list[str] | None = None,
) -> list[str]:
    """Return what --layout, --split-folders, --columns and --allow-uri ask for, as settings of a recipe.

    >>> reading_options("splits", ["train=a,train=b", "test=c"])
    ['data.layout="splits"', 'data.split_folders={train = ["a", "b"], test = "c"}']
    """
    from budwood.config.loading import value_text

    changes = [] if layout is None else [f"data.layout={value_text(layout)}"]
    folders: dict[str, list[str]] = {}
    for split, name in _pairs("--split-folders", ",".join(split_folders or []), "train=FOLDER,test=FOLDER"):
        folders.setdefault(split, []).append(name)
    if folders:
        value = {split: names[0] if len(names) == 1 else names for split, names in folders.items()}
        changes.append(f"data.split_folders={value_text(value)}")
    if columns is not None:
        named = dict(_pairs("--columns", columns, "path=COLUMN,label=COLUMN"))
        changes.append(f"data.columns={value_text(named)}")
    if allow_uri:
        changes.append(f"data.allow_uri={value_text(allow_uri)}")
    return changes


def _pairs(option: str, text: str, form: str) -> list[tuple[str, str]]:
    """Return the keys and names of an option that takes key=NAME, with commas between."""
    pairs = [part.partition("=") for part in text.split(",")] if text else []
    if wrong := next((key for key, equals, name in pairs if not (equals and name.strip())), None):
        raise BudwoodError(f"{option} has {wrong!r} without a name. Write {form}")
    return [(key.strip(), name.strip()) for key, _, name in pairs]


def prevalence_option(text: str) -> dict[str, float]:
    """Return the share of each class that --prevalence states. A name may hold commas and equals signs.

    >>> prevalence_option("cat=0.02, dog, large=0.98")
    {'cat': 0.02, 'dog, large': 0.98}
    """
    found: dict[str, float] = {}
    rest = text
    while rest.strip():
        match = re.match(r"\s*(.+?)\s*=\s*([-+.\d][-+.\deE]*)\s*(?:,|$)", rest)
        if match is None:
            raise BudwoodError(
                f"--prevalence has {rest.strip()[:40]!r}, which is no share of a class. Write cat=0.02,dog=0.98"
            )
        name, share = match[1], match[2]
        try:
            value = float(share)
        except ValueError:
            raise BudwoodError(f"--prevalence has {share!r} for {name!r}, which is no number") from None
        if name in found:
            raise BudwoodError(f"--prevalence names {name!r} twice. Give each class one share")
        found[name] = value
        rest = rest[match.end() :]
    if not found:
        raise BudwoodError("--prevalence is empty. Write cat=0.02,dog=0.98")
    return found


def data_settings(*changes: str) -> "DataSettings":
    """Return the [data] of a recipe with some settings. Raise RecipeError for a key of another section."""
    from budwood.config.recipe import Recipe
    from budwood.core.errors import RecipeError

    for change in changes:
        if not change.startswith("data."):
            raise RecipeError(
                f"--set {change}: nothing is trained here, so only [data] has an effect. Expected data.KEY=VALUE"
            )
    return Recipe().with_settings(changes).data


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


def progress_of(quiet: bool, as_json: bool = False) -> "Progress":
    """Return the display of progress. With JSON a person alone has one: a script may read both streams."""
    from budwood.core.progress import choose_progress

    return choose_progress(quiet or (as_json and not sys.stderr.isatty()))


def print_json(value: object) -> None:
    # ASCII: bytes that are no text come through as escaped surrogates.
    print(json.dumps(value, indent=2))


def refuse_bad_sheet(sheet: Path, data: Sequence[str] = (), otherwise: str = "") -> None:
    """Raise BudwoodError where a sheet cannot be written, or would be a picture of the data itself.

    `otherwise` says what else could be given in its place.
    """
    if sheet.is_dir() or not sheet.parent.is_dir():
        raise BudwoodError(f"cannot write the contact sheet {sheet}. Give a file in a folder that exists")
    if sheet.suffix.lower() != ".png":
        raise BudwoodError(
            f"the contact sheet is a PNG picture, and {sheet} has another ending. Give {sheet.with_suffix('.png')}"
            + otherwise
        )
    refuse_pictures_in(sheet, data)


def refuse_pictures_in(place: Path, data: Sequence[str]) -> None:
    """Raise BudwoodError where pictures that are written would be read as photos of the data."""
    for folder in data:
        if lies_in(place, folder):
            raise BudwoodError(
                f"{place} lies in {folder}, and a picture there would be one of its photos. Give another place"
            )


def check_mlflow(uri: str) -> None:
    """Said before a training."""
    from budwood.integrations.mlflow import check_tracking

    check_tracking(uri)


def log(folder: Path, uri: str, experiment: str | None = None, *, quiet: bool) -> None:
    from budwood.integrations.mlflow import log_to_mlflow

    number = log_to_mlflow(folder, uri, experiment)
    if not quiet:
        print(shown(f"mlflow  {count(number, 'run')} in {uri}"), file=sys.stderr)
