"""How the head was fitted: the charts of its section and the figures behind them."""

import math
from dataclasses import dataclass

from budwood.core import text as words
from budwood.report import settings
from budwood.report.curves import Charted, Table, course, decimals, epoch_table, learning_curves, percent
from budwood.report.gap import Gap, describe_gap
from budwood.report.layers import LayerTable, layer_table
from budwood.report.summary import Contents
from budwood.report.svg.axes import Axis
from budwood.report.svg.charts import Line, line_chart


@dataclass(frozen=True)
class HeadSection:
    """How the head was trained."""

    fit: Charted
    layers: LayerTable | None = None
    reading: str = ""
    """The gap between training and validation, in words."""


def describe_head(contents: Contents) -> HeadSection | None:
    """Return how the head was trained; None where gradient steps were followed by fine-tuning.

    The curves of those are shown with both phases.
    """
    if "finetune" in contents.phases:
        return None if contents.chosen is None else HeadSection(_describe_path(contents))
    fit = _describe_history(contents) if contents.chosen is None else _describe_path(contents)
    gap = _gap(contents)
    return HeadSection(fit, layer_table(contents), gap.words if gap else "")


def _gap(contents: Contents) -> Gap | None:
    """Between train and validation at the epoch that was kept; a linear probe has one row alone."""
    best = contents.best_epoch("frozen")
    rows = [row for row in contents.history if row["epoch"] == best or contents.chosen is not None]
    return describe_gap(contents, rows[0], "frozen") if rows else None


def _describe_path(contents: Contents) -> Charted:
    if contents.label_paths:
        return _describe_label_paths(contents)
    points, chosen = sorted(contents.path, key=lambda point: point.l2_strength), contents.chosen or 0.0
    if not points:
        return Charted(
            f"The head is a multinomial logistic regression with L2 strength {words.strength(chosen)}, "
            "which was not chosen by cross-validation: it was given, or no class has two training photos.",
            [],
            Table(),
        )
    at = min(points, key=lambda point: abs(math.log(point.l2_strength / chosen)))
    strengths = [point.l2_strength for point in points]
    mark = (at.l2_strength, f"chosen: {words.strength(chosen)}")
    loss = Line("loss", strengths, [point.loss for point in points], [point.loss_se for point in points])
    accuracy = Line("accuracy", strengths, [point.accuracy for point in points])
    folds = contents.recipe.frozen.folds
    charts = [
        ("Loss in cross-validation", loss, "loss", "{:.3g}".format),
        ("Accuracy in cross-validation", accuracy, "accuracy", words.whole_percent),
    ]
    return Charted(
        (
            f"The head is a multinomial logistic regression. {words.count(len(points), 'L2 strength')} "
            f"{'was' if len(points) == 1 else 'were'} tried by {folds}-fold cross-validation on the training "
            f"photos alone; {words.strength(chosen)} was chosen. The band is one standard error of the loss."
        ),
        [
            (
                title,
                line_chart(
                    [line],
                    Axis.of_decades("L2 strength", line.x),
                    Axis.around(
                        key, [y + sign * s for _, y, s in line.points() for sign in (-1, 1)], show, pad=0.06
                    ),
                    alt=f"{title} against L2 strength: {course(line, show)} {mark[1]}.",
                    mark=mark,
                ),
            )
            for title, line, key, show in charts
        ],
        Table(
            ["L2 strength", "loss", "standard error", "accuracy"],
            [
                [
                    words.strength(point.l2_strength) + (" (chosen)" if point is at else ""),
                    decimals(point.loss),
                    decimals(point.loss_se),
                    percent(point.accuracy),
                ]
                for point in points
            ],
        ),
    )


def _describe_label_paths(contents: Contents) -> Charted:
    """Return the strengths of the labels, each of its own regression."""
    tried = [one for one in contents.label_paths if one.path]
    how = (
        f"each of the lowest loss in {contents.recipe.frozen.folds}-fold cross-validation on the training photos alone"
        if tried
        else "as given"
    )
    rows = []
    for one in contents.label_paths:
        at = min(one.path, key=lambda point: abs(math.log(point.l2_strength / one.chosen)), default=None)
        found = [decimals(at.loss), decimals(at.loss_se), percent(at.accuracy)] if at else ["–", "–", "–"]
        rows.append([words.shown(one.label), words.strength(one.chosen), *found])
    return Charted(
        f"The head is a penalised logistic regression for each label, their L2 strengths {how}.",
        [],
        Table(["label", "L2 strength", "loss", "standard error", "share right at 0.5"], rows),
    )


def _describe_history(contents: Contents) -> Charted:
    history, best, gap = contents.history, contents.best_epoch("frozen"), _gap(contents)
    return Charted(
        words.sentences(
            f"The head was trained by gradient descent for {words.count(len(history), 'epoch')} on the features of "
            f"the frozen backbone; the weights of epoch {best}, best on the validation photos, were kept.",
            settings.augmentation(contents.recipe.augment),
            settings.training_loss(contents.recipe),
            "Validation is drawn solid, train dashed.",
        ),
        learning_curves(
            history,
            mark=(float(best), f"best: {best}"),
            alt=f"Best epoch: {best}.",
            gap=gap.label if gap else None,
        ),
        epoch_table(history, {best: "best"}),
    )
