"""The first lines of a training's result: the figure, what a guess is worth, the rarest classes, and what was kept."""

from collections.abc import Sequence

from budwood.config.recipe import Recipe
from budwood.core.text import NO_BREAK, as_sentence, count, name, percent
from budwood.evaluation.statistics import wilson_interval
from budwood.report import label_words
from budwood.report.taxonomy import mistakes_in_words
from budwood.report.terminal import guess, kept, verdict
from budwood.runs.figures import LabelSplitMetrics, Metrics, SplitMetrics

RARE = 5
"""Times as many photos has the largest class as a rare one, or more."""
NAMED = 3
"""Rare classes that are named."""
FEW_TO_CHOOSE = 100
"""Validation photos below which a choice by them is in doubt: one accuracy of 90 % has a standard error of 3 points."""
CAVEAT = "These photos were also used for choices made during training, so the figure may be too high."


def first_lines(metrics: Metrics, recipe: Recipe, spikes: Sequence[str] = ()) -> list[str]:
    """Return what the terminal says of a run, most important first.

    Args:
        metrics: of the run.
        recipe: of the run.
        spikes: how fine-tuning began badly, where it did; told where it was not kept.
    """
    split = metrics.reported
    found = metrics.figures_of(split)
    if isinstance(found, LabelSplitMetrics):
        return label_words.first_lines(found, split, _phases(metrics, recipe, spikes))
    scores = metrics.of(split)
    if scores is None:
        return []
    classes = [one.label for one in scores.per_class]
    lines = [verdict(scores.to_json(), split)]
    if split == "validation":
        lines.append(CAVEAT)
    lines.append(guess(scores.to_json(), classes))
    lines += [] if scores.taxonomy is None else [mistakes_in_words(scores.taxonomy)]
    lines += _rare(scores, split, recipe.loss.class_weights != "none")
    lines += _phases(metrics, recipe, spikes)
    return [line.replace(NO_BREAK, " ") for line in lines]


def _rare(scores: SplitMetrics, split: str, weighted: bool) -> list[str]:
    """Return how much of the rarest classes is found, and how sure that is, where some are much rarer than
    others."""
    support = [sum(row) for row in scores.confusion]
    rare = [place for place, photos in enumerate(support) if RARE * photos <= max(support)]
    if not rare:
        return []
    rare.sort(key=lambda place: (support[place], scores.per_class[place].recall))
    lines = [_recall(scores, place, split) for place in rare[:NAMED]]
    if len(rare) > NAMED:
        lines.append(
            f"{count(len(rare) - NAMED, 'class', 'classes')} more are as rare; the report lists all."
        )
    if not weighted:
        lines.append(
            "To let each class count alike however rare it is, train with --set loss.class_weights=balanced; more "
            "photos of the rare ones help most."
        )
    return lines


def _recall(scores: SplitMetrics, place: int, split: str) -> str:
    label, photos, found = name(scores.per_class[place].label), sum(scores.confusion[place]), 0
    if not photos:
        return f"{label}: no {split} photo, so nothing is known of its recall."
    found = scores.confusion[place][place]
    if scores.groups is not None:
        sure = "its photos belong together in groups, so the report says how sure that is"
    else:
        low, high = wilson_interval(found, photos)
        sure = f"95{NO_BREAK}% interval {percent(low)} to {percent(high)}"
    whole = f"{photos:,} {split} photo" + ("" if photos == 1 else "s")
    return f"{label}: {found:,} of {whole} found, a recall of {percent(found / photos)} ({sure})."


def _phases(metrics: Metrics, recipe: Recipe, spikes: Sequence[str]) -> Sequence[str]:
    if metrics.verdict.difference is None:
        # Why there is no fine-tuned network where there was to be one.
        wanted = recipe.finetune.epochs > 0 and all(one.name != "finetune" for one in metrics.phases)
        return [metrics.verdict.words] if wanted else []
    lines = [f"{metrics.verdict.words} {kept(metrics)}"]
    if metrics.kept.name != "finetune":
        lines += map(as_sentence, spikes)
    chosen_by = metrics.validation.n if metrics.validation else 0
    if chosen_by < FEW_TO_CHOOSE:
        alone = "frozen-ensemble" if len(recipe.backbone.names) > 1 else "frozen-linear"
        lines.append(
            f"{count(chosen_by, 'validation photo')} chose it, too few to be sure: with --recipe {alone} nothing is "
            "chosen by them, and on so few photos it is often as good."
        )
    return lines
