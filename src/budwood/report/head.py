"""How the head was fitted: the charts of its section and the figures behind them."""

import math
from typing import Any

from budwood.report import words
from budwood.report.charts import Line, line_chart
from budwood.report.contents import Contents


def describe_head(contents: Contents) -> dict[str, Any]:
    """How the head was fitted: charts, a sentence, and the figures behind the charts."""
    return _describe_path(contents) if contents.chosen is not None else _describe_history(contents)


def _describe_path(contents: Contents) -> dict[str, Any]:
    points, chosen = sorted(contents.path, key=lambda point: point["strength"]), contents.chosen or 0.0
    if not points:
        return {
            "lead": f"The head is a multinomial logistic regression with L2 strength {words.strength(chosen)}, "
            "which was not chosen by cross-validation: it was given, or no class has two training photos.",
            "charts": [],
            "rows": [],
        }
    at = min(points, key=lambda point: abs(math.log(point["strength"] / chosen)))
    strengths = [point["strength"] for point in points]
    mark = (at["strength"], f"chosen: {words.strength(chosen)}")
    loss = Line("loss", strengths, _column(points, "loss"), _column(points, "loss_se", 0.0))
    accuracy = Line("accuracy", strengths, _column(points, "accuracy"))
    folds = contents.recipe.get("frozen", {}).get("folds", "")
    charts = [
        ("Loss in cross-validation", loss, "loss", "{:.3g}".format),
        ("Accuracy in cross-validation", accuracy, "accuracy", _whole_percent),
    ]
    return {
        "lead": (
            f"The head is a multinomial logistic regression. {words.count(len(points), 'L2 strength')} "
            f"{'was' if len(points) == 1 else 'were'} tried by {folds}-fold cross-validation on the training "
            f"photos alone; {words.strength(chosen)} was chosen. The band is one standard error of the loss."
        ),
        "charts": [
            (
                title,
                line_chart(
                    [line],
                    alt=f"{title} against L2 strength: {_course(line, show)} {mark[1]}.",
                    x_label="L2 strength",
                    y_label=key,
                    log_x=True,
                    show=show,
                    mark=mark,
                ),
            )
            for title, line, key, show in charts
        ],
        "columns": ["strength", "loss", "standard error", "accuracy"],
        "rows": [
            [
                words.strength(point["strength"]) + (" (chosen)" if point is at else ""),
                _decimals(point.get("loss")),
                _decimals(point.get("loss_se")),
                words.percent(_finite(point.get("accuracy"))),
            ]
            for point in points
        ],
    }


def _describe_history(contents: Contents) -> dict[str, Any]:
    history, best = contents.history, best_epoch(contents)
    epochs = [float(row["epoch"]) for row in history]
    charts = []
    for title, key, show in [("Loss", "loss", "{:.3g}".format), ("Accuracy", "accuracy", _whole_percent)]:
        lines = [
            Line("validation", epochs, _column(history, f"val_{key}")),
            Line("train", epochs, _column(history, key), style="second"),
        ]
        said = " ".join(f"{line.name}: {_course(line, show)}" for line in lines)
        chart = line_chart(
            lines,
            alt=f"{title} against epoch. {said} Best epoch: {best}.",
            x_label="epoch",
            y_label=key,
            show=show,
            mark=(float(best), f"best: {best}") if float(best) in epochs else None,
        )
        charts.append((title, chart))
    return {
        "lead": (
            f"The head was trained by gradient descent for {words.count(len(history), 'epoch')} on the features of "
            f"the frozen backbone; the weights of epoch {best}, best on the validation photos, were kept. "
            "Validation is drawn solid, train dashed."
        ),
        "charts": charts,
        "columns": [
            "epoch",
            "train loss",
            "train accuracy",
            "validation loss",
            "validation accuracy",
            "learning rate",
        ],
        "rows": [
            [
                f"{row['epoch']}" + (" (best)" if row["epoch"] == best else ""),
                _decimals(row.get("loss")),
                words.percent(_finite(row.get("accuracy"))),
                _decimals(row.get("val_loss")),
                words.percent(_finite(row.get("val_accuracy"))),
                f"{_finite(row.get('learning_rate')):.2g}",
            ]
            for row in history
        ],
    }


def best_epoch(contents: Contents) -> int:
    """The epoch whose weights were kept."""
    for phase in contents.metrics.get("phases", []):
        if phase.get("best_epoch") is not None:
            return int(phase["best_epoch"])
    losses = [(row.get("val_loss", math.inf), row["epoch"]) for row in contents.history]
    return min((pair for pair in losses if math.isfinite(pair[0])), default=(0.0, 0))[1]


def _whole_percent(share: float) -> str:
    return words.percent(share, 0 if abs(100 * share - round(100 * share)) < 0.05 else 1)


def _finite(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _decimals(value: float | None) -> str:
    return "–" if not math.isfinite(_finite(value)) else f"{value:.4f}"


def _column(rows: list[dict[str, Any]], key: str, default: float = math.nan) -> list[float]:
    return [float(value) if (value := row.get(key)) is not None else default for row in rows]


def _course(line: Line, show) -> str:
    points = line.points()
    if not points:
        return "no finite values."
    values = [y for _, y, _ in points]
    return (
        f"from {show(values[0])} to {show(values[-1])}, between {show(min(values))} and {show(max(values))}."
    )
