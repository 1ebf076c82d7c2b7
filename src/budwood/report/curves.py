"""Learning curves: a training's epochs as charts and as a table."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from budwood.core import text as words
from budwood.report.svg.axes import Axis
from budwood.report.svg.charts import Line, line_chart

TRACKED: list[tuple[str, str, Callable[[float], str]]] = [
    ("Loss", "loss", "{:.3g}".format),
    ("Accuracy", "accuracy", words.whole_percent),
    ("Top-5 accuracy", "top5_accuracy", words.whole_percent),
    ("Accuracy of single labels", "label_accuracy", words.whole_percent),
    ("Mean average precision", "mean_average_precision", words.whole_percent),
]
ALWAYS = ("loss", "accuracy")


@dataclass(frozen=True)
class Table:
    """Figures as text, below the names of their columns."""

    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


@dataclass(frozen=True)
class Charted:
    """A section of the page that shows charts, and the figures behind them."""

    lead: str
    charts: Sequence[tuple[str, Markup]]
    """Each with its title."""
    table: Table


def learning_curves(
    history: Sequence[Mapping[str, Any]],
    *,
    mark: tuple[float, str] | None = None,
    start: tuple[float, str] | None = None,
    alt: str,
    gap: str | None = None,
) -> list[tuple[str, Markup]]:
    """Return one chart for each figure that was tracked: its title, and validation and train against the
    epoch.

    Args:
        history: rows of `history.csv`. Where several backbones were trained one after the other, each has a curve of
            its own: they are different models.
        mark: the epoch whose weights were kept, and its name in the chart.
        start: where fine-tuning starts, between two epochs, and its name in the chart.
        alt: what mark and start show, in words, for who cannot see the chart.
        gap: how far accuracy on train and validation are apart at `mark`, as its name in the chart.
    """
    epochs = [float(row["epoch"]) for row in history]
    breaks = [
        (before["epoch"] + after["epoch"]) / 2
        for before, after in pairwise(history)
        if before.get("backbone") != after.get("backbone")
    ]
    charts = []
    for title, key, show in _tracked(history):
        axis = title.lower()
        lines = [
            Line("validation", epochs, column(history, f"val_{key}"), breaks=breaks),
            Line("train", epochs, column(history, key), style="second", breaks=breaks),
        ]
        if lines[0].points() and not lines[1].points():
            # It would take another pass over the training photos.
            lines, title = lines[:1], f"{title}, validation photos alone"
        courses = " ".join(f"{line.name}: {course(line, show)}" for line in lines)
        within = (-math.inf, math.inf) if key == "loss" else (0.0, 1.0)
        chart = line_chart(
            lines,
            Axis.around("epoch", epochs, "{:.0f}".format, whole=True),
            Axis.around(axis, [value for line in lines for value in line.y], show, pad=0.06, within=within),
            alt=f"{title} against epoch. {courses} {alt}",
            mark=mark if mark and mark[0] in epochs else None,
            start=start,
            gap=gap if key == "accuracy" else None,
        )
        charts.append((title, chart))
    return charts


def epoch_table(
    history: Sequence[Mapping[str, Any]], notes: Mapping[int, str], *, with_phase: bool = False
) -> Table:
    """Return the figures behind the curves. `notes` stand beside their epochs."""
    tracked = _tracked(history)
    columns = [f"{part} {title.lower()}" for part in ("train", "validation") for title, _, _ in tracked]
    rows = []
    for row in history:
        epoch = f"{row['epoch']}" + (f" ({notes[row['epoch']]})" if row["epoch"] in notes else "")
        figures = [
            (decimals if key == "loss" else percent)(row.get(prefix + key))
            for prefix in ("", "val_")
            for _, key, _ in tracked
        ]
        rate = row.get("learning_rate", math.nan)
        rows.append(
            [
                *([row["phase"]] if with_phase else []),
                epoch,
                *figures,
                f"{rate:.2g}" if math.isfinite(rate) else "–",
            ]
        )
    return Table([*(["phase"] if with_phase else []), "epoch", *columns, "learning rate"], rows)


def _tracked(history: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, Callable[[float], str]]]:
    """Return loss and accuracy always, what else there is where it was measured."""
    found = [
        figure
        for figure in TRACKED
        if figure[1] in ALWAYS
        or any(math.isfinite(y) for prefix in ("", "val_") for y in column(history, prefix + figure[1]))
    ]
    if all(key != "label_accuracy" for _, key, _ in found):
        return found
    # Of several labels a photo, a photo is right where all of them are.
    return [("Exact match" if key == "accuracy" else title, key, show) for title, key, show in found]


def course(line: Line, show: Callable[[float], str]) -> str:
    """Return where a curve begins, ends, and what it lies between, in words."""
    points = line.points()
    if not points:
        return "no finite values."
    values = [y for _, y, _ in points]
    return (
        f"from {show(values[0])} to {show(values[-1])}, between {show(min(values))} and {show(max(values))}."
    )


def column(rows: Sequence[Mapping[str, Any]], key: str, default: float = math.nan) -> list[float]:
    """Return one figure of every row; `default` where it is missing."""
    return [float(value) if (value := row.get(key)) is not None else default for row in rows]


def decimals(value: float | None) -> str:
    """Return a loss with four decimals."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.4f}"


def percent(share: float | None) -> str:
    """Return a share as a percentage, a dash where there is none."""
    return "–" if share is None else words.percent(share)
