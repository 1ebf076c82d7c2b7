"""report.html: what one training did and how far its result can be trusted, in one file that needs no network."""

import base64
import functools
import hashlib
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jinja2
import markupsafe

from budwood.core import files
from budwood.core import text as words
from budwood.core.errors import RunError
from budwood.data.decoder.levels import as_range
from budwood.data.images import ImageLike
from budwood.report import sections
from budwood.report.calibration import describe_calibration
from budwood.report.cells import Cells, gather_cells
from budwood.report.confusion import Confusions, count_confusions
from budwood.report.head import describe_head
from budwood.report.headline import Headline, HeadlineNote
from budwood.report.key_facts import summarize
from budwood.report.label_sections import (
    LabelMistakes,
    label_curves,
    label_mistakes,
    label_table,
    labels_together,
)
from budwood.report.label_sets import show_label_sets
from budwood.report.label_suspects import LabelSuspects, label_suspects
from budwood.report.mistakes import (
    Mistakes,
    Suspects,
    WrongLabels,
    show_mistakes,
    show_suspects,
    suspect_labels,
)
from budwood.report.phases import describe_phases
from budwood.report.samples import show_samples
from budwood.report.sets import show_sets
from budwood.report.summary import Contents, read_contents
from budwood.report.taxonomy import describe_tree
from budwood.report.thumbnails import LARGE, Thumbnails, picture, read_pictures
from budwood.report.twins import show_twins

REPORT = "report.html"

NO_PICTURES = (
    "The photos were not at hand when this report was written, so there are no pictures: "
    "budwood report RUN --data DATA adds them."
)


class _Filling:
    """What the sections are filled from; what several of them need is made once, and only if one of them is there."""

    def __init__(self, contents: Contents, thumbnails: Thumbnails):
        self.contents, self.thumbnails = contents, thumbnails

    @functools.cached_property
    def wrong_labels(self) -> WrongLabels:
        asked = "labels" in self.contents.files.task.sections
        return suspect_labels(self.contents) if asked else WrongLabels([], 0)

    @functools.cached_property
    def mistakes(self) -> Mistakes:
        return show_mistakes(self.contents, self.thumbnails, self.wrong_labels)

    @functools.cached_property
    def label_mistakes(self) -> LabelMistakes:
        return label_mistakes(self.contents, self.thumbnails)

    def label_suspects(self) -> LabelSuspects:
        return label_suspects(self.contents, self.thumbnails, self.label_mistakes)

    @functools.cached_property
    def cells(self) -> Cells | None:
        return (
            gather_cells(self.contents, self.thumbnails)
            if "cells" in self.contents.files.task.sections
            else None
        )

    def confusion(self) -> Confusions:
        return count_confusions(self.contents, self.cells.anchors() if self.cells else None)

    def classes(self) -> sections.Classes:
        return sections.score_classes(self.contents, self.cells.class_anchors() if self.cells else None)

    def labels(self) -> Suspects:
        # One that stands among the mistakes is not shown again.
        shown = "mistakes" in self.contents.files.task.sections
        above = self.mistakes if shown else Mistakes(self.contents.evaluated_split, 0, [])
        return show_suspects(self.contents, self.thumbnails, self.wrong_labels, above)


@dataclass(frozen=True)
class _Section:
    title: str
    fill: Callable[[_Filling], object | None]
    """Return what the section's template shows; None for a run that has nothing to show there."""
    is_of_every_task: bool = False


SECTIONS: Mapping[str, _Section] = {
    "figures": _Section("All figures", lambda page: sections.list_figures(page.contents)),
    "calibration": _Section("Calibration", lambda page: describe_calibration(page.contents)),
    "sets": _Section("Sets of classes", lambda page: show_sets(page.contents)),
    "head": _Section("Head", lambda page: describe_head(page.contents), True),
    "phases": _Section("Phases", lambda page: describe_phases(page.contents), True),
    "confusion": _Section("Confusions", _Filling.confusion),
    "classes": _Section("Classes", _Filling.classes),
    "label_table": _Section("Labels", lambda page: label_table(page.contents)),
    "label_curves": _Section("Precision and recall", lambda page: label_curves(page.contents)),
    "label_sets": _Section("Sets of labels", lambda page: show_label_sets(page.contents)),
    "labels_together": _Section("Labels together", lambda page: labels_together(page.contents)),
    "label_mistakes": _Section("Worst mistakes", lambda page: page.label_mistakes),
    "label_suspects": _Section("Labels that may be wrong", _Filling.label_suspects),
    "taxonomy": _Section("Tree of labels", lambda page: describe_tree(page.contents), True),
    "samples": _Section("Photos", lambda page: show_samples(page.contents, page.thumbnails), True),
    "mistakes": _Section("Worst mistakes", lambda page: page.mistakes),
    "labels": _Section("Likely wrong labels", _Filling.labels),
    "twins": _Section("Near twins", lambda page: show_twins(page.contents, page.thumbnails), True),
    "read": _Section("What was read", lambda page: sections.describe_reading(page.contents), True),
    "problems": _Section(
        "Problems in the data", lambda page: sections.group_problems(page.contents, page.thumbnails), True
    ),
    "reproducibility": _Section(
        "How it was made", lambda page: sections.describe_reproducibility(page.contents), True
    ),
    "cells": _Section("Photos by answer", lambda page: page.cells),
}
"""The sections of the report in their order, by their anchors: `NAME.html.jinja` shows what `fill` returns as `NAME`.

Those that are not of every task are asked for by `Task.sections`."""


def write_report(
    folder: Path, photos: Mapping[str, ImageLike] | None = None, called: Path | None = None
) -> Path:
    """Write `report.html` into the run directory `folder`, whole or not at all.

    Args:
        folder: a run directory with `run.json`, `recipe.toml`, `split.csv`, `check.json`, `history.csv`,
            `metrics.json` and `predictions.csv`, `linear_path.json` after a linear probe and, where they were
            listed, the layers in `layers.csv`.
        photos: where the photos are, by their names in `split.csv`. Of one that is missing or cannot be read the
            thumbnail of the report that is there is kept, and else a placeholder stands in its place; without
            photos and without an earlier report there are no pictures.
        called: the run directory that the page names, where the files will have moved by then.

    Returns:
        The path of the report: one self-contained HTML file.

    Raises:
        RunError: a file of the run is missing or damaged.
    """
    try:
        html = _render(read_contents(Path(folder), called), photos or {})
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise RunError(
            f"the files in {folder} do not fit together ({type(error).__name__}: {error}). Copy the run again"
        ) from error
    return write_page(Path(folder), html)


def write_page(folder: Path, html: str) -> Path:
    """Write `report.html` into the directory of a run or a study. Raise RunError where nothing can be written."""
    path = folder / REPORT
    try:
        # A lone surrogate, from a file name that is not UTF-8, has no place in HTML.
        files.write_text(path, html.encode("utf-8", "backslashreplace").decode("utf-8"))
    except OSError as error:
        raise RunError(
            f"cannot write {REPORT} into {folder}: {error.strerror or error}. Make the directory writable, or copy it "
            "to where there is room and permission to write, and give the copy"
        ) from error
    return path


def _render(contents: Contents, photos: Mapping[str, ImageLike]) -> str:
    kept = read_pictures(contents.files.folder / REPORT)
    thumbnails = Thumbnails(photos, contents.recipe.data.resize, kept, as_range(contents.recipe.data.levels))
    page = _Filling(contents, thumbnails)
    filled = {
        name: found
        for name, section in SECTIONS.items()
        if section.is_of_every_task or name in contents.files.task.sections
        if (found := section.fill(page)) is not None
    }
    # Every section has said by now which photos it shows.
    thumbnails.decode()
    info = contents.info
    return (
        environment()
        .get_template("page.html.jinja")
        .render(
            headline=_headline(contents, thumbnails, [(name, SECTIONS[name].title) for name in filled]),
            budwood=info.budwood,
            fingerprint=info.features.fingerprint if info.features else "",
            thumbnails=thumbnails,
            no_pictures=NO_PICTURES,
            resize=thumbnails.resize,
            **filled,
        )
    )


def _headline(contents: Contents, thumbnails: Thumbnails, titles: Sequence[tuple[str, str]]) -> Headline:
    summary, lost = summarize(contents), _words_of_lost(contents, thumbnails)
    return Headline(
        kind="report",
        name=summary.run,
        about=[*([f"trained on {summary.data}"] if summary.data else []), summary.started],
        sentence=summary.sentence,
        beside=summary.without_twins,
        accuracy=summary.accuracy,
        interval=summary.interval,
        caption=f"Solid: measured, with its interval. Dashed: {summary.guessed}.",
        notes=[
            *([HeadlineNote(words.shown(summary.phases))] if summary.phases else []),
            # Without a test the first one says what the figure is worth.
            *(
                HeadlineNote(line, is_warning=not contents.has_test and not place)
                for place, line in enumerate(summary.notes)
            ),
            *([HeadlineNote(lost, is_warning=True)] if lost else []),
        ],
        facts=summary.facts,
        sections=titles,
        guess=summary.guess,
    )


def _words_of_lost(contents: Contents, thumbnails: Thumbnails) -> str:
    """Return a sentence where photos could not be read, and how to have them; else an empty string."""
    if not thumbnails.lost:
        return ""
    return (
        f"{thumbnails.lost:,} of {words.count(thumbnails.wanted, 'photo')} that this page would show could not be "
        "read: moved, deleted or damaged since the training. All figures stand. To have the pictures, say where the "
        "photos are: "
        f"budwood report {words.shown(shlex.quote(str(contents.folder)))} --data DATA"
    )


@functools.cache
def environment(*folders: Path) -> jinja2.Environment:
    """Return templates of this folder and of others, with the filters and the one script that every page
    has."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader([Path(__file__).parent / "templates", *folders], encoding="utf-8"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(
        percent=words.percent,
        count=words.count,
        duration=words.duration,
        shown=words.shown,
        shorten=words.shorten,
        sentence=words.as_sentence,
    )
    source = (Path(__file__).parent / "templates" / "script.js.jinja").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode("ascii")
    # The page's policy names this hash: no other script can run, whatever a class is called.
    found.globals.update(
        script=markupsafe.Markup(source), script_hash=digest, view_picture=partial(picture, side=LARGE)
    )
    return found
