"""report.html: what one training did and how far its result can be trusted, in one file that needs no network."""

import base64
import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path

import jinja2
import markupsafe

from budwood import files
from budwood.data.images import ImageLike
from budwood.errors import RunError
from budwood.report import sections, words
from budwood.report.calibration import describe_calibration
from budwood.report.contents import Contents, read_run
from budwood.report.head import describe_head
from budwood.report.phases import describe_phases


def write_report(folder: Path, photos: Mapping[str, ImageLike] | None = None) -> Path:
    """Writes `report.html` into the run directory `folder`, whole or not at all.

    Args:
        folder: a run directory with `run.json`, `recipe.toml`, `split.csv`, `check.json`, `history.csv`,
            `metrics.json` and `predictions.csv`, `linear_path.json` after a linear fit and `layers.csv` after
            fine-tuning.
        photos: where the photos are, by their names in `split.csv`. One that is missing or cannot be read
            becomes a placeholder; without any, the report has no pictures.

    Returns:
        The path of the report: one self-contained HTML file.

    Raises:
        RunError: a file of the run is missing or damaged.
    """
    try:
        html = _render(read_run(Path(folder)), photos or {})
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise RunError(
            f"the files in {folder} do not fit together ({type(error).__name__}: {error}). Copy the run again"
        ) from error
    path = Path(folder) / "report.html"
    # A lone surrogate, from a file name that is not UTF-8, has no place in HTML.
    files.write_text(path, html.encode("utf-8", "backslashreplace").decode("utf-8"))
    return path


def _render(contents: Contents, photos: Mapping[str, ImageLike]) -> str:
    template = environment().get_template("page.html.jinja")
    return template.render(
        summary=sections.summarize(contents),
        head=describe_head(contents),
        both=describe_phases(contents),
        calibration=describe_calibration(contents),
        confusion=sections.count_confusions(contents),
        per_class=sections.score_classes(contents),
        samples=sections.show_samples(contents, photos),
        mistakes=sections.show_mistakes(contents, photos),
        problems=sections.group_problems(contents),
        made=sections.tell_making(contents),
        with_pictures=bool(photos),
        resize=contents.recipe.get("data", {}).get("resize", "crop"),
    )


@functools.cache
def environment(*folders: Path) -> jinja2.Environment:
    """Templates of this folder and of others, with the filters and the one script that every page has."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader([Path(__file__).parent, *folders], encoding="utf-8"),
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
    )
    source = Path(__file__).with_name("script.js.jinja").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode("ascii")
    # The page's policy names this hash: no other script can run, whatever a class is called.
    found.globals.update(script=markupsafe.Markup(source), script_hash=digest)
    return found
