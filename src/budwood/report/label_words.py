"""Figures of a run with several labels a photo as lines of a terminal, and as the sentences of its report."""

from collections.abc import Sequence

from budwood.core.text import NO_BREAK, count, listing, name, percent, shorten, shown
from budwood.evaluation.multi_label_figures import LabelScores, MultiLabelFigures
from budwood.report.terminal import every_one_a_twin, measured_on, no_interval
from budwood.runs.figures import LabelSplitMetrics

FEW_POSITIVES = 10
"""Photos with a label below which its own figures say little."""
FIGURES = (
    (
        "mean_average_precision",
        "Mean average precision",
        "mean over the labels, whatever their thresholds",
        True,
    ),
    ("macro_f1", "Macro F1", "mean F1 of the labels, each counted alike", True),
    ("micro_f1", "Micro F1", "F1 of all decisions, a photo and a label each", True),
    ("exact_match", "Exact match", "share of photos of which every label is right", True),
    ("hamming_loss", "Hamming loss", "share of wrong decisions; lower is better", True),
    ("loss", "Loss", "mean binary cross-entropy; lower is better", False),
    (
        "ece",
        "Calibration error",
        "how far stated probabilities are from the truth (ECE); lower is better",
        True,
    ),
)


def sentence(scores: MultiLabelFigures, split: str) -> str:
    """Return the one sentence at the top of the report."""
    where = measured_on(scores.n, split)
    value, ends = scores.mean_average_precision, scores.mean_average_precision_ci95
    if value is None:
        return f"{where} no label can be measured: each of them is on no photo, or on every one."
    match, of_match = scores.exact_match, scores.exact_match_ci95
    alone = f" ({percent(of_match[0])} to {percent(of_match[1])})" if of_match else ""
    return (
        f"{where}, the mean average precision over {count(len(_measured(scores)), 'label')} is {percent(value)}"
        f"{_between(ends, scores)}; of {percent(match)} of the photos every label is right{alone}."
    )


def without_twins(scores: LabelSplitMetrics) -> str:
    """Return the sentence on photos of which a near twin was learned from; nothing where there are none."""
    found = scores.without_twins
    if found is None:
        return ""
    if found.accuracy is None:
        return every_one_a_twin(found.twins)
    ends = found.accuracy_ci95
    between = f" ({percent(ends[0])} to {percent(ends[1])})" if ends else ""
    has = "has" if found.twins == 1 else "have"
    return (
        f"{found.twins:,} of these photos {has} a near twin in training, which may flatter the figures: of the "
        f"other {count(found.n, 'photo')} every label is right on {percent(found.accuracy)}{between}."
    )


def chance(scores: MultiLabelFigures) -> float:
    """Return the mean average precision of probabilities that know nothing: the mean share of photos with a label."""
    shares = [one.positives / (one.positives + one.negatives) for one in _measured(scores)]
    return sum(shares) / max(len(shares), 1)


def notes(scores: MultiLabelFigures, split: str) -> list[str]:
    """Return what else a reader should know before trusting the figure, most important first."""
    lines = []
    if split == "validation":
        lines.append(
            "No test was asked for (--no-test). These are validation photos, which were also used for choices made "
            "during training, so the figure may be too high. Train without --no-test for one to rely on."
        )
    if scores.without_mean:
        lines.append(_not_in_the_means(scores, split))
    few = [one for one in _measured(scores) if one.positives < FEW_POSITIVES]
    if few:
        fewest = min(few, key=lambda one: one.positives)
        lines.append(
            f"{count(len(few), 'label')} {'is' if len(few) == 1 else 'are'} on fewer than {FEW_POSITIVES} {split} "
            f"photos ({name(fewest.label)} on {fewest.positives:,}): their own figures say little."
        )
    lines.append(
        f"Probabilities that know nothing would come to a mean average precision of {percent(chance(scores))}."
    )
    if worst := weakest(scores):
        lines.append(
            f"Weakest label: {name(worst.label)}, average precision {percent(worst.average_precision or 0.0)}, "
            f"{percent(worst.recall or 0.0)} of its photos found."
        )
    return lines


def weakest(scores: MultiLabelFigures) -> LabelScores | None:
    """Return the label of the lowest average precision, None where none is measured."""
    return min(_measured(scores), key=lambda one: (one.average_precision or 0.0, one.label), default=None)


def labels_as_text(scores: MultiLabelFigures, split: str) -> str:
    """Return one split's part of `metrics.json` for a terminal: the sentence, the scores, a line for each label."""
    lines = [sentence(scores, split), ""]
    for key, title, _, is_share in FIGURES:
        value, ends = scores.figure(key)
        if value is not None:
            write = percent if is_share else "{:.3f}".format
            why = scores.why_no_interval(key)
            between = no_interval(why) if why else " to ".join(map(write, ends or ()))
            lines.append(f"{title.lower():<24}{write(value):>8}   {between}")
    if scores.without_mean:
        lines += ["", _not_in_the_means(scores, split)]
    lines += [
        "",
        f"{'label':<26}{'photos':>7}{'threshold':>11}{'precision':>11}{'recall':>9}{'F1':>9}"
        f"{'AP':>9}{'ROC AUC':>9}",
    ]
    for one in scores.per_label:
        figures = (one.precision, one.recall, one.f1, one.average_precision, one.roc_auc)
        cells = ["–" if value is None else percent(value) for value in figures]
        lines.append(
            f"{shorten(shown(one.label), 25):<26}{one.positives:>7,}{one.threshold:>11.3f}{cells[0]:>11}"
            + "".join(f"{cell:>9}" for cell in cells[1:])
        )
    return "\n".join(lines).replace(NO_BREAK, " ")


def first_lines(scores: LabelSplitMetrics, split: str, verdict: Sequence[str]) -> list[str]:
    """Return what the terminal says of a run, most important first."""
    lines = [*filter(None, [sentence(scores, split), without_twins(scores)]), *notes(scores, split), *verdict]
    return [line.replace(NO_BREAK, " ") for line in lines]


def _not_in_the_means(scores: MultiLabelFigures, split: str) -> str:
    names = listing([name(label) for label in scores.without_mean[:5]])
    more = f" and {len(scores.without_mean) - 5:,} more" if len(scores.without_mean) > 5 else ""
    photo = "photo" if split == "all" else f"{split} photo"
    return f"Not in the means: {names}{more}, for no {photo} is known to have the label, or every one."


def _measured(scores: MultiLabelFigures) -> list[LabelScores]:
    return [one for one in scores.per_label if one.average_precision is not None]


def _between(ends: tuple[float, float] | None, scores: MultiLabelFigures) -> str:
    if ends is None:
        return " (no interval: too few groups of photos that belong together)" if scores.groups else ""
    of = f" of {count(scores.groups.num, 'group')} of photos that belong together" if scores.groups else ""
    return f" (95{NO_BREAK}% interval{of} {percent(ends[0])} to {percent(ends[1])})"
