"""Sections of the report of a run with several labels a photo: labels, curves, labels together, worst mistakes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from budwood.core import text as words
from budwood.core.label_text import labels_in_words
from budwood.evaluation.multi_label_figures import LabelScores, MultiLabelFigures
from budwood.report.summary import Contents
from budwood.report.svg.axes import Axis
from budwood.report.svg.charts import Line, line_chart
from budwood.report.thumbnails import LARGE, Thumbnails

MISTAKES = 12
"""Misses that are shown, and false alarms."""
CURVES = 12
"""Labels whose precision-recall curves are drawn, the weakest first."""
TOGETHER = 12
"""Pairs of labels that are listed."""
POINTS = 200
"""Of a curve that is drawn."""


@dataclass(frozen=True)
class LabelTable:
    """The figures of each label, the weakest average precision first."""

    split: str
    rows: Sequence[LabelScores]
    goal: str
    """What the thresholds were chosen for, in words."""
    not_chosen: Sequence[str]
    """Labels that no validation photo has, or every one: they keep a threshold of 0.5."""


@dataclass(frozen=True)
class LabelCurves:
    """Precision against recall of some labels."""

    split: str
    charts: Sequence[tuple[str, Markup]]
    others: int
    """Labels that are not drawn."""


@dataclass(frozen=True)
class Pair:
    """Two labels, and on how many photos they meet."""

    one: str
    other: str
    true: int
    predicted: int
    share: float
    """Of the photos with the rarer one."""


@dataclass(frozen=True)
class Swap:
    """A label that is missed where another one is said instead."""

    missed: str
    instead: str
    photos: int


@dataclass(frozen=True)
class LabelsTogether:
    """Which labels are taken together, and which are confused."""

    split: str
    pairs: Sequence[Pair]
    swaps: Sequence[Swap]


@dataclass(frozen=True)
class LabelMistake:
    """One wrong decision: a label that a photo has and is not said to have, or the other way round."""

    photo: str
    label: str
    probability: float
    threshold: float
    true: str
    """All labels of the photo, as one text for the reader."""


@dataclass(frozen=True)
class LabelMistakes:
    """The worst misses and false alarms, the surest first."""

    split: str
    misses: Sequence[LabelMistake]
    alarms: Sequence[LabelMistake]
    num_misses: int
    num_alarms: int


def label_table(contents: Contents) -> LabelTable:
    """Return the figures of each label."""
    goal = contents.recipe.evaluate.thresholds
    rows = sorted(
        contents.label_scores.per_label,
        key=lambda one: (one.average_precision is None, one.average_precision or 0.0, one.label),
    )
    chosen = "the best F1" if goal == "f1" else f"a precision of {words.percent(goal)}"
    validation = contents.metrics.figures_of("validation")
    not_chosen = validation.without_mean if isinstance(validation, MultiLabelFigures) else ()
    return LabelTable(contents.evaluated_split, rows, chosen, not_chosen)


def label_curves(contents: Contents) -> LabelCurves | None:
    """Return precision-recall curves; None where no label can be measured."""
    from sklearn.metrics import precision_recall_curve

    held = contents.files.label_predictions.of(contents.evaluated_split)
    table = [row for row in label_table(contents).rows if row.average_precision is not None]
    charts = []
    for row in table[:CURVES]:
        place = held.labels.index(row.label)
        known = ~np.isnan(held.targets[:, place])
        precision, recall, _ = precision_recall_curve(
            held.targets[known, place] > 0.5, held.probabilities[known, place]
        )
        step = np.unique(np.linspace(0, len(recall) - 1, POINTS).astype(int))
        share = row.positives / (row.positives + row.negatives)
        used = () if row.recall is None or row.precision is None else ((row.recall, row.precision),)
        chart = line_chart(
            [Line(row.label, recall[step].tolist(), precision[step].tolist(), dots=used)],
            Axis.around("recall", (0.0, 1.0), words.whole_percent),
            Axis.around("precision", (0.0, 1.0), words.whole_percent),
            alt=f"Precision against recall of {row.label}: average precision "
            f"{words.percent(row.average_precision or 0.0)}; {words.percent(share)} of the photos have the label.",
            mark=None if row.recall is None else (row.recall, f"threshold {row.threshold:.2f}"),
        )
        charts.append((f"{words.shown(row.label)}: AP {words.percent(row.average_precision or 0.0)}", chart))
    return LabelCurves(contents.evaluated_split, charts, len(table) - len(charts)) if charts else None


def labels_together(contents: Contents) -> LabelsTogether | None:
    """Return which labels meet on photos, and which are said in place of another; None where there are none."""
    found, labels = contents.label_scores.taken_together, contents.classes
    true, predicted, instead = (np.array(one) for one in (found.true, found.predicted, found.instead))
    pairs = [
        Pair(
            labels[i],
            labels[j],
            int(true[i, j]),
            int(predicted[i, j]),
            float(true[i, j] / max(1, min(true[i, i], true[j, j]))),
        )
        for i in range(len(labels))
        for j in range(i + 1, len(labels))
        if true[i, j] or predicted[i, j]
    ]
    pairs.sort(key=lambda pair: (-pair.true, -pair.predicted, pair.one, pair.other))
    swaps = [
        Swap(labels[i], labels[j], int(instead[i, j]))
        for i in range(len(labels))
        for j in range(len(labels))
        if i != j and instead[i, j]
    ]
    swaps.sort(key=lambda swap: (-swap.photos, swap.missed, swap.instead))
    if not pairs and not swaps:
        return None
    return LabelsTogether(contents.evaluated_split, pairs[:TOGETHER], swaps[:TOGETHER])


def label_mistakes(contents: Contents, thumbnails: Thumbnails) -> LabelMistakes:
    """Return the wrong decisions of which the model was surest."""
    held = contents.files.label_predictions.of(contents.evaluated_split)
    thresholds = held.task.threshold_values(len(held.labels))
    has = held.targets > 0.5
    missed, alarm = has & ~held.predicted, ~has & ~np.isnan(held.targets) & held.predicted
    worst: list[list[LabelMistake]] = []
    for wrong, sign in ((missed, 1), (alarm, -1)):
        rows, places = np.nonzero(wrong)
        order = np.lexsort((places, rows, sign * held.probabilities[rows, places]))[:MISTAKES]
        shown = [
            LabelMistake(
                held.names[rows[at]],
                held.labels[places[at]],
                float(held.probabilities[rows[at], places[at]]),
                float(thresholds[places[at]]),
                labels_in_words(held.true[rows[at]]),
            )
            for at in order
        ]
        for one in shown:
            thumbnails.want(one.photo, LARGE)
        worst.append(shown)
    misses, alarms = worst
    return LabelMistakes(contents.evaluated_split, misses, alarms, int(missed.sum()), int(alarm.sum()))
