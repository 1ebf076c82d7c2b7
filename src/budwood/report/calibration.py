"""Whether stated probabilities can be believed: reliability before and after the temperature, and the figures."""

from collections.abc import Sequence

from budwood.core import text as words
from budwood.report.curves import Charted, Table
from budwood.report.summary import Contents
from budwood.report.svg.axes import Axis
from budwood.report.svg.charts import Line, line_chart
from budwood.runs.figures import CalibrationSide, ReliabilityBin

FEWEST = 5
"""Photos in a bin that is drawn."""
PERFECT = "The dashed diagonal is a model whose probabilities are exactly right."


def describe_calibration(contents: Contents) -> Charted | None:
    """Return a reliability diagram, a sentence, and the figures behind them; None for a run that has none."""
    found = contents.metrics.calibration
    measured = found.of(contents.evaluated_split)
    if measured is None:
        return None
    before, after = measured.before, measured.after
    moved = f"from {words.percent(before.ece)} to {words.percent(after.ece)}"
    share = "share with the label" if contents.multi_label else "share of right answers"
    lines = [_line("calibrated", after), _line("before", before, style="second")]
    chart = line_chart(
        [line for line in lines if line.x],
        Axis.around("stated probability", (0.0, 1.0), words.whole_percent),
        Axis.around(share, (0.0, 1.0), words.whole_percent),
        alt=f"{share.capitalize()} against stated probability on the {contents.evaluated_split} photos. "
        f"The calibration error went {moved}. {PERFECT}",
        diagonal=True,
    )
    interval = contents.figures.ece_ci95
    open_ = (
        f"On {words.count(contents.figures.n, 'photo')} the two errors cannot be told apart. "
        if interval is not None and interval[0] <= before.ece <= interval[1]
        else ""
    )
    scaled = (
        "The logits of each label were scaled and shifted to suit the validation photos (Platt 1999). That changes how "
        "sure the model says it is of a label, and not which photo it is surer of"
        if found.scaling is not None
        else f"The logits were divided by a temperature of {found.temperature:.2f}, which suits the validation "
        "photos (Guo et al. 2017). It changes no answer, only how sure the model says it is"
    )
    return Charted(
        f"{scaled}: the calibration error on "
        f"the {contents.evaluated_split} photos went {moved}, the loss from {before.loss:.3f} to {after.loss:.3f}. "
        f"{open_}{PERFECT} Bins of fewer than {FEWEST} photos are in the table alone.",
        [("Reliability", chart)],
        Table(
            ["model", "stated probability", share, "decisions" if contents.multi_label else "photos"],
            [*_rows("calibrated", after.reliability), *_rows("before", before.reliability)],
        ),
    )


def _line(name: str, measured: CalibrationSide, style: str = "first") -> Line:
    # Of a handful of photos a share says next to nothing; the table has them all.
    bins = [one for one in measured.reliability if one.n >= FEWEST]
    return Line(name, [one.confidence for one in bins], [one.accuracy for one in bins], style=style)


def _rows(name: str, bins: Sequence[ReliabilityBin]) -> list[list[str]]:
    return [[name, words.percent(one.confidence), words.percent(one.accuracy), f"{one.n:,}"] for one in bins]
