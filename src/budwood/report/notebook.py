"""What a run, curves or a comparison look like as the last line of a notebook's cell: HTML that stands on any paper."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from budwood.core import text as words
from budwood.report import label_words, sections, terminal
from budwood.report.confusion import count_confusions
from budwood.report.curves import learning_curves
from budwood.report.key_facts import summarize
from budwood.report.label_sections import label_table
from budwood.report.page import environment
from budwood.report.phases import describe_phases
from budwood.report.pictures import heat_map
from budwood.report.summary import Contents, read_contents
from budwood.report.taxonomy import describe_tree
from budwood.runs.schema import ListedLayer

MOST_IN_TABLE = 12
"""Classes up to which the confusion matrix is a table; beyond, a picture beside the weakest classes."""
WEAKEST = 8
NOTES = 4


class Shown:
    """Something to look at: HTML in a notebook, text elsewhere."""

    def __init__(self, html: str, text: str):
        # A lone surrogate, from a file name that is not UTF-8, cannot be sent to a notebook.
        self.html, self.text = (
            part.encode("utf-8", "backslashreplace").decode("utf-8") for part in (html, text)
        )

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html


def show_run(folder: Path) -> Shown:
    """Return a run: the verdict, both phases, what is confused with what, and where the report is.

    Raise RunError where one of the run's files is missing or damaged.
    """
    contents = read_contents(folder)
    if contents.multi_label:
        return _show_labels(contents)
    matrix = contents.scores.confusion
    both = describe_phases(contents)
    large = len(contents.classes) > MOST_IN_TABLE
    html = _render(
        "run",
        folder=folder,
        report=folder / "report.html",
        summary=summarize(contents),
        warning=terminal.notes(contents.scores.to_json(), contents.evaluated_split, contents.classes)[0]
        if not contents.has_test
        else "",
        phases=both and both.table,
        tree=describe_tree(contents),
        confusion=count_confusions(contents),
        heat_map=heat_map(np.asarray(matrix, dtype=np.int64)) if large else None,
        weakest=sections.score_classes(contents).rows[:WEAKEST] if large else [],
        notes=contents.warnings[:NOTES],
        more_notes=max(0, len(contents.warnings) - NOTES),
    )
    return Shown(html, terminal.verdict(contents.scores.to_json(), contents.evaluated_split))


def _show_labels(contents: Contents) -> Shown:
    """Return a run with several labels a photo: the sentence, both phases, the weakest labels."""
    scores, split = contents.label_scores, contents.evaluated_split
    both, folder = describe_phases(contents), contents.folder
    html = _render(
        "label_run",
        folder=folder,
        report=folder / "report.html",
        summary=summarize(contents),
        phases=both and both.table,
        table=label_table(contents),
        most=MOST_IN_TABLE,
        notes=contents.warnings[:NOTES],
        more_notes=max(0, len(contents.warnings) - NOTES),
    )
    return Shown(html, label_words.sentence(scores, split))


def show_curves(folders: Sequence[Path]) -> Shown:
    """Return loss and accuracy of train and validation against the epoch, a line where fine-tuning starts; a
    row for each run.

    Raise RunError where one of a run's files is missing or damaged.
    """
    rows, text = [], []
    for folder in folders:
        contents = read_contents(folder)
        both = describe_phases(contents)
        charts = both.curves.charts if both else learning_curves(contents.history, alt="")
        rows.append((folder.resolve().name, charts))
        text += [folder.resolve().name, *(f"  {_epoch(row)}" for row in contents.history)]
    return Shown(_render("curves", rows=rows), "\n".join(text))


def show_layers(layers: Sequence[ListedLayer], most: int) -> Shown:
    """Return a model's layers, the top one first, and whether fine-tuning trained them; of more than `most`
    the topmost."""
    trained = sum(layer.trained for layer in layers)
    lead = f"{trained:,} of {len(layers):,} layers were trained"
    top = list(reversed(layers))[:most]
    text = [
        f"{'*' if layer.trained else ' '} {layer.name:<32} {layer.kind:<24} {layer.parameters:>10,}"
        for layer in top
    ]
    html = _render("layers", lead=lead, layers=top, more=len(layers) - len(top))
    return Shown(html, "\n".join([f"{lead} (*), the top one first", *text]))


def show_data(
    lead: str,
    classes: Mapping[str, Mapping[str, int]],
    problems: Sequence[tuple[str, str, str]],
    read: Sequence[str] = (),
) -> Shown:
    """Return photos of each class, in the parts that the data bring, and problems, as (path, kind, detail).

    `read` says how the source was read, and what was not.
    """
    parts = list(dict.fromkeys(part for counts in classes.values() for part in counts))
    kinds: dict[str, list[tuple[str, str, str]]] = {}
    for problem in problems:
        kinds.setdefault(problem[1].replace("_", " "), []).append(problem)
    largest = max((sum(counts.values()) for counts in classes.values()), default=0) or 1
    html = _render("data", lead=lead, parts=parts, classes=classes, kinds=kinds, largest=largest, read=read)
    counted = [f"{words.shown(label)}: {sum(counts.values()):,}" for label, counts in classes.items()]
    return Shown(
        html,
        "\n".join(
            [
                lead,
                *map(words.shown, read),
                *counted,
                *(words.shown(f"{kind}: {path}: {why}") for path, kind, why in problems),
            ]
        ),
    )


def show_comparison(comparison: Mapping[str, Any], text: str) -> Shown:
    """Return runs side by side, the accuracy (or mean average precision) of each with its interval as a bar, and what
    is known of every pair.

    `comparison` is what `budwood.runs.compare.compare` gives, `text` the same in words.
    """
    figure = comparison.get("figure", "accuracy")
    # A figure without an interval stands as a line alone.
    ends = [run["interval"] or [run[figure]] * 2 for run in comparison["runs"]]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    margin = 0.1 * (high - low) or 0.01
    low, high = max(0.0, low - margin), min(1.0, high + margin)

    def place(share: float) -> float:
        return 100 * (share - low) / (high - low)

    bars = [
        {
            "left": place(own[0]),
            "width": place(own[1]) - place(own[0]),
            "value": place(run[figure]),
        }
        for run, own in zip(comparison["runs"], ends, strict=True)
    ]
    return Shown(
        _render("comparison", comparison=comparison, figure=figure, bars=bars, low=low, high=high), text
    )


@dataclass(frozen=True)
class Tile:
    """A picture with what is said of it."""

    uri: str | None
    """As `pictures.thumbnail` gives it; None for one that cannot be read."""
    caption: str
    note: str = ""
    right: bool | None = None
    """Whether a prediction is right; None where that is not known."""


def show_pictures(tiles: Sequence[Tile]) -> Shown:
    """Return pictures side by side, each with its words below."""
    text = "\n".join(words.shown("  ".join(filter(None, (tile.caption, tile.note)))) for tile in tiles)
    return Shown(_render("pictures", tiles=tiles), text)


def _epoch(row: Mapping[str, Any]) -> str:
    figures = [
        f"{key} {value:.4g}" for key, value in row.items() if key not in ("phase", "backbone", "epoch")
    ]
    return f"{row['phase']} epoch {row['epoch']}: {', '.join(figures)}"


def _render(part: str, **values: Any) -> str:
    parts: Any = environment().get_template("notebook.html.jinja").module
    return str(parts.page(getattr(parts, part)(**values)))
