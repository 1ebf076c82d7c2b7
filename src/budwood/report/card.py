"""The model card: `model/README.md`, what the saved model is for, what it learned from, and how far to trust it.

The head of it is metadata as Hugging Face reads it (Mitchell et al. 2019 for what a card should say).
"""

import functools
import json
from collections import Counter
from pathlib import Path

import jinja2

from budwood.config.recipe import Recipe
from budwood.core import files
from budwood.core import text as words
from budwood.data.manifest import SPLITS
from budwood.report import terminal
from budwood.report.markdown import escaped
from budwood.report.reading import passed_over_as_lines
from budwood.report.sections import FIGURES, none_of_these
from budwood.report.summary import Contents, read_contents

CARD = "README.md"
NAMED = 20
"""Classes that are named in a sentence."""


def write_card(folder: Path) -> Path:
    """Write `model/README.md` into a run directory whose other files are there, and return its path.

    Raise RunError where one of them is missing or damaged.
    """
    path = folder / "model" / CARD
    text = render_card(read_contents(folder))
    files.write_text(path, text.encode("utf-8", "backslashreplace").decode("utf-8"))
    return path


def render_card(contents: Contents) -> str:
    """Return the model card as Markdown, with its metadata at the head."""
    split_hash = files.sha256_of(contents.folder / "split.csv")
    split, info, recipe = contents.evaluated_split, contents.info, contents.recipe
    scores = contents.scores
    counts = Counter((photo.label, photo.split) for photo in contents.photos)
    splits = [name for name in SPLITS if any(counts[label, name] for label in contents.classes)]
    figures = []
    for key, title, _, is_share in FIGURES:
        figure, ends = scores.figure(key)
        if figure is not None:
            show = words.percent if is_share else "{:.3f}".format
            interval = f"{show(ends[0])} to {show(ends[1])}" if ends else ""
            figures.append((title, show(figure), interval))
    weakest = sorted(scores.per_class, key=lambda one: (one.f1, one.label))[:3]
    weakest = [one for one in weakest if one.f1 < 1]
    text = (
        _environment()
        .get_template("card.md.jinja")
        .render(
            title=contents.folder.resolve().name,
            data=contents.source,
            split=split,
            scores=scores,
            verdict=terminal.verdict(scores.to_json(), split),
            notes=terminal.notes(scores.to_json(), split, contents.classes)[
                : 1 if split == "validation" else 0
            ],
            classes=contents.classes,
            unreliable=none_of_these(contents),
            listed=words.listing([words.name(one) for one in contents.classes[:NAMED]]),
            more=max(0, len(contents.classes) - NAMED),
            backbone=words.listing([words.shown(one) for one in _names(recipe)]),
            kept=contents.kept,
            size=recipe.data.size,
            resize=recipe.data.resize,
            total=len(contents.photos),
            found=contents.check.found,
            left_out=contents.check.unused,
            passed_over=passed_over_as_lines(contents.check.understood.passed_over),
            split_hash=split_hash,
            splits=splits,
            rows=[(label, [counts[label, name] for name in splits]) for label in contents.classes],
            figures=figures,
            worst=words.listing([f"{words.name(one.label)} {words.percent(one.f1)}" for one in weakest]),
            confusions=[
                terminal.confusion_words(pair, contents.classes)
                for pair in terminal.confusions(scores.confusion)[:3]
            ],
            ece=words.percent(scores.ece),
            budwood=info.budwood,
            started=info.started[:10],
            command=words.shown(info.command),
        )
    )
    return text.replace(words.NO_BREAK, " ")


def _names(recipe: Recipe) -> list[str]:
    name = recipe.backbone.name
    return [name] if isinstance(name, str) else name


def _yaml(text: object) -> str:
    """Return a string as YAML reads it: JSON's way of writing one is among YAML's."""
    return json.dumps(words.shown(text))


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates", encoding="utf-8"),
        autoescape=False,  # Markdown, whose names are escaped by a filter of their own
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(count=words.count, md=escaped, yaml=_yaml)
    return environment
