"""Commands about photos before any training: what is wrong with them, how they would be augmented, samples."""

import shlex
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.options import (
    AllowUri,
    AsJson,
    Columns,
    Data,
    Layout,
    OnCluster,
    Quiet,
    Settings,
    SplitFolders,
    app,
    data_settings,
    group_option,
    print_json,
    progress_of,
    reading_options,
    refuse_bad_sheet,
)
from budwood.core.errors import BudwoodError
from budwood.core.text import count, shown

if TYPE_CHECKING:
    from budwood.auditing.near_duplicates import Grouped
    from budwood.core.progress.base import Progress
    from budwood.data.check import Inspect
    from budwood.data.manifest import Photo
    from budwood.storage.place import Place


@app.command()
def check(
    data: Data,
    layout: Layout = None,
    split_folders: SplitFolders = None,
    columns: Columns = None,
    allow_uri: AllowUri = None,
    settings: Settings = None,
    cluster: OnCluster = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say how photos are read, and what is wrong with them; exit status 1 where something is."""
    from budwood.data.check import check as check_photos
    from budwood.data.check import refusal
    from budwood.data.decoder.levels import as_range
    from budwood.data.manifest import Problem
    from budwood.data.sources import read_source
    from budwood.report.reading import understood_as_lines

    progress = progress_of(quiet, as_json)
    asked = data_settings(*reading_options(layout, split_folders, columns, allow_uri), *(settings or []))
    source = read_source(data, asked, progress=progress)
    with _inspecting(cluster, data, progress) as inspect:
        found = check_photos(
            source,
            for_training=False,
            levels=as_range(asked.levels),
            min_photos=asked.fewest,
            inspect=inspect,
            progress=progress,
        )
    if reason := refusal(found, asked.max_unreadable):
        found = replace(found, problems=(*found.problems, Problem(source.name, "refused", reason)))
    if as_json:
        print_json(found.to_json())
    else:
        for line in () if quiet else understood_as_lines(found.understood):
            print(line)
        for line in () if quiet else found.warnings:
            print(shown(f"note: {line}"))
        for problem in found.problems:
            print(shown(f"{problem.kind}: {problem.path}: {problem.detail}"))
        print(
            f"{count(found.num_found, 'photo')}, {len(found.photos):,} usable, "
            f"{_count_classes(found.classes, found.photos)}, {count(len(found.problems), 'problem')}"
        )
    if found.problems:
        raise typer.Exit(1)


def _inspecting(
    cluster: str | None, data: Path, progress: "Progress"
) -> "AbstractContextManager[Inspect | None]":
    """Return what decodes the photos, for a `with`: None where this process does."""
    if cluster is None:
        return nullcontext()
    from budwood.cluster.inspections import inspect_on

    return inspect_on(cluster, data, progress)


@app.command()
def manifest(
    data: Data,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Table to write: .csv, .tsv, .jsonl or .parquet; a folder for --format hf and datumaro.",
        ),
    ],
    form: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="FORMAT", help="csv, tsv, jsonl, parquet, hf, label-studio or datumaro."
        ),
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the pictures there too.")
    ] = None,
    layout: Layout = None,
    split_folders: SplitFolders = None,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="Write the groups of photos that belong together: near-duplicates (also mirrored, cropped and "
            "stamped copies, by the features of a network), column:NAME, 'pattern:REGEX', parent, burst:60s or auto.",
        ),
    ] = None,
    no_features: Annotated[
        bool,
        typer.Option("--no-features", help="With --group near-duplicates: ask no network, only the hash."),
    ] = False,
    columns: Columns = None,
    allow_uri: AllowUri = None,
    settings: Settings = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
    quiet: Quiet = False,
) -> None:
    """Write down what was understood of the data, to be corrected by hand and trained on."""
    from budwood.auditing.near_duplicates import group_manifest
    from budwood.data.manifest_files import write_manifest
    from budwood.data.sources import read_source
    from budwood.storage.place import is_address, read_place

    if no_features and group != "near-duplicates":
        raise BudwoodError("--no-features goes with --group near-duplicates alone. Leave it out")
    progress = progress_of(quiet)
    changes = [*reading_options(layout, split_folders, columns, allow_uri), *group_option(group)]
    asked = data_settings(*changes, *(settings or []))
    found, notes = read_source(data, asked, progress=progress), []
    if group is not None:
        grouped = group_manifest(found, asked, network=not no_features, progress=progress)
        found, notes = grouped.manifest, _grouped_as_lines(grouped)
    written = write_manifest(
        found,
        output,
        source=str(data),
        format=form,
        pictures=pictures,
        overwrite=overwrite,
        progress=progress,
    )
    print(shown(written))
    if not quiet:
        for line in notes:
            print(shown(line), file=sys.stderr)
        train = ["budwood", "train", str(written)]
        if is_address(str(data)) and pictures is None:
            train += ["--allow-uri", str(_photos_of(read_place(data)))]
        print(
            f"{count(len(found.photos), 'photo')}, {_count_classes(found.classes, found.photos)}. "
            f"Train on it: {shlex.join(train)}",
            file=sys.stderr,
        )


def _photos_of(place: "Place") -> "Place":
    """Return the place below which the photos of a source in object storage lie."""
    return place.above if "." in place.base else place


def _grouped_as_lines(found: "Grouped") -> list[str]:
    twins, lines = found.twins, []
    lines.append(
        f"{count(found.num_groups, 'group')} of several photos, {count(found.num_photos, 'photo')} in them"
        + (
            f"; features and pixels found {count(len(twins.twins), 'pair')} that the perceptual hash does not know"
            if twins.compared
            else ""
        )
    )
    if twins.passed_over:
        lines.append(
            f"{twins.compared:,} pairs were compared pixel by pixel, the most alike first; {twins.passed_over:,} more "
            "were not"
        )
    if twins.compared and found.too_small:
        lines.append(
            f"{count(found.too_small, 'photo')} with a side under 64 pixels: only the perceptual hash was asked"
        )
    if found.in_two_splits:
        one, other = found.in_two_splits[0]
        lines.append(
            f"{count(len(found.in_two_splits), 'group')} in several of the given splits, such as {one.name!r} in "
            f"{one.split} and {other.name!r} in {other.split}. budwood train refuses that: put each group into one "
            "split, or take the column split out and let it divide"
        )
    return lines


@app.command()
def augment(
    data: Data,
    sheet: Annotated[
        Path, typer.Option("--output", "-o", metavar="PNG", help="Where to write the contact sheet.")
    ],
    recipe: Annotated[str, typer.Option(help="Shipped recipe or TOML file.")] = "auto",
    seed: Annotated[int | None, typer.Option(help="Other views.")] = None,
    layout: Layout = None,
    split_folders: SplitFolders = None,
    columns: Columns = None,
    allow_uri: AllowUri = None,
    settings: Settings = None,
) -> None:
    """Show what a recipe's augmentation does: nine views of one photo, and originals beside their views."""
    from budwood.config.recipe import Recipe
    from budwood.core.errors import RecipeError
    from budwood.data.augment import Renderer
    from budwood.data.decoder.levels import as_range
    from budwood.data.sources import read_source
    from budwood.report.sheets.views import write_views_sheet

    changes = [] if seed is None else [f"seed={seed}"]
    changes += reading_options(layout, split_folders, columns, allow_uri)
    asked = Recipe.load(recipe).with_settings([*changes, *(settings or [])])
    if not asked.augment.views:
        raise RecipeError(
            f"the recipe {recipe} draws no views (augment.views = 0). Give one that does, such as --recipe cats-dogs, "
            "or --set augment.views=per-epoch --set augment.horizontal_flip=true"
        )
    refuse_bad_sheet(sheet, [str(data)])
    photos = read_source(data, asked.data).photos
    size = 224 if asked.data.size == "auto" else asked.data.size
    # One photo of every class before a second of any, as far as they are sorted by class.
    write_views_sheet(
        sheet,
        photos[:: max(1, len(photos) // 9)],
        Renderer(size, asked.data.resize, asked.augment, asked.seed, as_range(asked.data.levels)),
    )
    print(shown(sheet))


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
    from budwood.data.sample_datasets import write_sample

    write_sample(name, folder, archive=archive, progress=progress_of(quiet))
    if not quiet:
        print(f"{shown(folder)}\nTrain on it: budwood train {shlex.quote(str(folder))}")


def _count_classes(classes: Sequence[str], photos: "Sequence[Photo]") -> str:
    several = any(photo.labels is not None for photo in photos)
    return count(len(classes), *(("label",) if several else ("class", "classes")))
