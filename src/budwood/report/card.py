"""The model card: `model/README.md`, what the saved model is for, what it learned from, and how far to trust it.

The head of it is metadata as Hugging Face reads it (Mitchell et al. 2019 for what a card should say).
"""

import functools
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import jinja2

from budwood.config.recipe import Recipe
from budwood.core import files
from budwood.core import text as words
from budwood.data.manifest import PARTS
from budwood.report import label_words, terminal
from budwood.report.key_facts import labels_of, none_of_these
from budwood.report.markdown import escaped
from budwood.report.reading import passed_over_as_lines
from budwood.report.sections import FIGURES
from budwood.report.summary import Contents, read_contents
from budwood.report.taxonomy import describe_tree

CARD = "README.md"
NAMED = 20
"""Classes that are named in a sentence."""


def write_card(folder: Path, called: Path | None = None) -> Path:
    """Write `model/README.md` into a run directory whose other files are there, and return its path.

    Its title is the name of the run directory, which is `called` otherwise where the files will have moved.

    Raises:
        RunError: one of them is missing or damaged.
    """
    path = folder / "model" / CARD
    text = render_card(read_contents(folder, called))
    files.write_text(path, text.encode("utf-8", "backslashreplace").decode("utf-8"))
    return path


def render_card(contents: Contents) -> str:
    """Return the model card as Markdown, with its metadata at the head."""
    split_hash = files.sha256_of(contents.files.folder / "split.csv")
    split, info, recipe = contents.evaluated_split, contents.info, contents.recipe
    scores = contents.figures
    counts = Counter(
        (label, photo.split) for photo in contents.photos for label in labels_of(contents, photo)
    )
    splits = [name for name in PARTS if any(counts[label, name] for label in contents.classes)]
    figures = []
    for key, title, _, is_share in label_words.FIGURES if contents.multi_label else FIGURES:
        figure, ends = scores.figure(key)
        if figure is not None:
            show = words.percent if is_share else "{:.3f}".format
            why = scores.why_no_interval(key)
            interval = f"{show(ends[0])} to {show(ends[1])}" if ends else ""
            interval = terminal.no_interval(why) if why else interval
            figures.append((title, show(figure), interval))
    own = contents.label_scores.per_label if contents.multi_label else contents.scores.per_class
    measured = [(one.f1, one.label) for one in own if one.f1 is not None]
    weakest = [(f1, label) for f1, label in sorted(measured)[:3] if f1 < 1]
    text = (
        _environment()
        .get_template("card.md.jinja")
        .render(
            title=contents.folder.resolve().name,
            data=contents.source,
            split=split,
            headline=_headline(contents),
            thresholds=contents.multi_label,
            verdict=(
                label_words.sentence(contents.label_scores, split)
                if contents.multi_label
                else terminal.verdict(contents.scores.to_json(), split)
            ),
            notes=_notes(contents)[: 1 if split == "validation" else 0],
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
            tree=describe_tree(contents),
            worst=words.listing([f"{words.name(label)} {words.percent(f1)}" for f1, label in weakest]),
            confusions=[]
            if contents.multi_label
            else [
                terminal.confusion_words(pair, contents.classes)
                for pair in terminal.confusions(contents.scores.confusion)[:3]
            ],
            ece=words.percent(scores.ece),
            budwood=info.budwood,
            started=info.started[:10],
            command=words.shown(info.command),
        )
    )
    return text.replace(words.NO_BREAK, " ")


@dataclass(frozen=True)
class _Headline:
    """The figure that stands for the model where models are listed."""

    key: str
    name: str
    value: float
    interval: tuple[float, float] | None


def _headline(contents: Contents) -> _Headline:
    if contents.multi_label:
        scores = contents.label_scores
        value, ends = scores.mean_average_precision, scores.mean_average_precision_ci95
        return _Headline("mean_average_precision", "Mean average precision", value or 0.0, ends)
    return _Headline("accuracy", "Accuracy", contents.scores.accuracy, contents.scores.accuracy_ci95)


def _notes(contents: Contents) -> list[str]:
    split = contents.evaluated_split
    if contents.multi_label:
        return label_words.notes(contents.label_scores, split)
    return terminal.notes(contents.scores.to_json(), split, contents.classes)


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
