"""report.html: what one training did and how far its result can be trusted, in one file that needs no network."""

import base64
import functools
import hashlib
import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

from budwood.core import files
from budwood.core import text as words
from budwood.core.errors import RunError
from budwood.data.decoder.levels import recipe_range
from budwood.data.images import ImageLike
from budwood.report import sections
from budwood.report.calibration import describe_calibration
from budwood.report.cells import gather_cells
from budwood.report.confusion import count_confusions
from budwood.report.head import describe_head
from budwood.report.headline import Headline, Remark
from budwood.report.mistakes import show_mistakes, show_suspects, suspect_labels
from budwood.report.phases import describe_phases
from budwood.report.samples import show_samples, show_views
from budwood.report.summary import Contents, read_contents
from budwood.report.thumbnails import LARGE, Album, picture, read_pictures

NO_PICTURES = (
    "The photos were not at hand when this report was written, so there are no pictures: "
    "budwood report RUN --data DATA adds them."
)

SECTIONS = (
    ("confusion", "Confusions"),
    ("classes", "Classes"),
    ("samples", "Photos"),
    ("mistakes", "Worst mistakes"),
    ("labels", "Likely wrong labels"),
    ("read", "What was read"),
    ("problems", "Problems in the data"),
    ("making", "How it was made"),
    ("cells", "Photos by answer"),
)
"""Anchors and titles of the sections that every report has, below those of the figures and the training."""


def write_report(folder: Path, photos: Mapping[str, ImageLike] | None = None) -> Path:
    """Writes `report.html` into the run directory `folder`, whole or not at all.

    Args:
        folder: a run directory with `run.json`, `recipe.toml`, `split.csv`, `check.json`, `history.csv`,
            `metrics.json` and `predictions.csv`, `linear_path.json` after a linear fit and, where they were
            listed, the layers in `layers.csv`.
        photos: where the photos are, by their names in `split.csv`. Of one that is missing or cannot be read the
            thumbnail of the report that is there is kept, and else a placeholder stands in its place; without
            photos and without an earlier report there are no pictures.

    Returns:
        The path of the report: one self-contained HTML file.

    Raises:
        RunError: a file of the run is missing or damaged.
    """
    try:
        html = _render(read_contents(Path(folder)), photos or {})
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise RunError(
            f"the files in {folder} do not fit together ({type(error).__name__}: {error}). Copy the run again"
        ) from error
    path = Path(folder) / "report.html"
    # A lone surrogate, from a file name that is not UTF-8, has no place in HTML.
    files.write_text(path, html.encode("utf-8", "backslashreplace").decode("utf-8"))
    return path


def _render(contents: Contents, photos: Mapping[str, ImageLike]) -> str:
    kept = read_pictures(contents.folder / "report.html")
    data = contents.recipe.get("data", {})
    album = Album(photos, data.get("resize", "crop"), kept, recipe_range(data))
    wrong_labels = suspect_labels(contents)
    samples, mistakes = show_samples(contents, album), show_mistakes(contents, album, wrong_labels)
    suspects = show_suspects(contents, album, wrong_labels, mistakes)
    cells = gather_cells(contents, album)
    album.develop()
    summary = sections.summarize(contents)
    read = sections.tell_reading(contents)
    head, both, calibration = (
        describe_head(contents),
        describe_phases(contents),
        describe_calibration(contents),
    )
    titles = [
        ("figures", "All figures"),
        *([("calibration", "Calibration")] if calibration else []),
        *([("head", "Head")] if head else []),
        *([("phases", "Phases")] if both else []),
        *(section for section in SECTIONS if read or section[0] != "read"),
    ]
    made = sections.tell_making(contents)
    return (
        environment()
        .get_template("page.html.jinja")
        .render(
            headline=_headline(contents, summary, album, titles),
            budwood=contents.info.budwood,
            fingerprint=made["fingerprint"],
            summary=summary,
            head=head,
            both=both,
            calibration=calibration,
            confusion=count_confusions(contents, cells.anchors()),
            per_class=sections.score_classes(contents, cells.class_anchors()),
            samples=samples,
            views=show_views(contents, album),
            mistakes=mistakes,
            suspects=suspects,
            cells=cells,
            read=read,
            problems=sections.group_problems(contents),
            made=made,
            album=album,
            no_pictures=NO_PICTURES,
            resize=album.resize,
        )
    )


def _headline(
    contents: Contents, summary: dict[str, Any], album: Album, titles: Sequence[tuple[str, str]]
) -> Headline:
    lost = _tell_lost(contents, album)
    return Headline(
        kind="report",
        name=summary["run"],
        about=[*([f"trained on {summary['data']}"] if summary["data"] else []), summary["started"]],
        sentence=summary["verdict"],
        accuracy=summary["accuracy"],
        interval=summary["interval"],
        caption=f"Solid: measured, with its interval. Dashed: always answering {summary['guessed']}.",
        remarks=[
            *([Remark(words.shown(summary["phases"]))] if summary["phases"] else []),
            # Without a test the first one says what the figure is worth.
            *(
                Remark(line, is_warning=not contents.has_test and not place)
                for place, line in enumerate(summary["remarks"])
            ),
            *([Remark(lost, is_warning=True)] if lost else []),
        ],
        facts=summary["facts"],
        sections=titles,
        guess=summary["guess"],
    )


def _tell_lost(contents: Contents, album: Album) -> str:
    """That photos could not be read, if so, and how to have them; else nothing."""
    if not album.lost:
        return ""
    return (
        f"{album.lost:,} of {words.count(album.wanted, 'photo')} that this page would show could not be read: moved, "
        "deleted or damaged since the training. All figures stand. To have the pictures, say where the photos are: "
        f"budwood report {words.shown(shlex.quote(str(contents.folder)))} --data DATA"
    )


@functools.cache
def environment(*folders: Path) -> jinja2.Environment:
    """Templates of this folder and of others, with the filters and the one script that every page has."""
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
        sentence=_sentence,
    )
    source = (Path(__file__).parent / "templates" / "script.js.jinja").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode("ascii")
    # The page's policy names this hash: no other script can run, whatever a class is called.
    found.globals.update(
        script=markupsafe.Markup(source), script_hash=digest, view_picture=partial(picture, side=LARGE)
    )
    return found


def _sentence(text: str) -> str:
    """A note, which begins small and has no full stop, as a sentence."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
