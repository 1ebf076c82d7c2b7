"""Figures of a run as lines of a terminal, and as the sentences that the report shares with it."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from budwood.core.text import NO_BREAK, count, name, percent, shorten, shown, whole_percent
from budwood.evaluation.figures import TreeScores
from budwood.evaluation.ood import fewest_held_out

if TYPE_CHECKING:
    from budwood.evaluation.figures import NoInterval
    from budwood.evaluation.label_coverage import LabelCoverage
    from budwood.evaluation.ood import OodFigures
    from budwood.evaluation.selective import Answered
    from budwood.evaluation.sets import ChosenSets, ClassCoverage, ObservedSets
    from budwood.runs.figures import Metrics

FEW_OF_A_CLASS = 3
"""Photos of a class up to which its own figures say next to nothing."""
_METHODS = {"knn": "nearest photos", "mahalanobis": "class means"}
"""Ways to measure how unlike the known photos a picture is, as a person reads them."""
_SCORES = {
    "accuracy": "accuracy",
    "top5_accuracy": "top-5 accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "weighted_precision": "weighted precision",
    "weighted_recall": "weighted recall",
    "weighted_f1": "weighted F1",
    "ece": "calibration error",
    "loss": "loss",
}
_NO_INTERVAL: "Mapping[NoInterval, str]" = {
    "few-groups": "too few groups of photos",
    "few-photos": "too few photos",
    "few-photos-a-class": "too few photos a class",
    "class-without-photos": "a class without photos",
    "few-mistakes": "mistakes in too few groups of photos",
    "few-photos-a-label": "too few photos with a label, or without it",
}


def no_interval(reason: "NoInterval") -> str:
    """Return why a figure has no interval, for the place where it would stand."""
    return f"no interval: {_NO_INTERVAL[reason]}"


def verdict(scores: dict, split: str) -> str:
    """Return what a terminal says of one split's accuracy: the sentence of the report, and that on near twins."""
    return " ".join(filter(None, [sentence(scores, split), without_twins(scores)]))


def sentence(scores: dict, split: str) -> str:
    """Return the one sentence at the top of the report.

    >>> sentence({"n": 367, "accuracy": 0.918, "accuracy_ci95": [0.886, 0.942]}, "test").replace("\\u00a0", " ")
    'On 367 test photos never used for training, 91.8 % are classified correctly (95 % interval 88.6 % to 94.2 %).'
    """
    n = scores["n"]
    return (
        f"{measured_on(n, split)}, {percent(scores['accuracy'])} {'is' if n == 1 else 'are'} classified correctly "
        f"({_interval(scores)})."
    )


def measured_on(n: int, split: str) -> str:
    """Return how the sentence begins: how many photos of which kind.

    >>> measured_on(3, "test"), measured_on(3, "all")
    ('On 3 test photos never used for training', 'On 3 photos, those of the training among them')
    """
    if split == "all":
        return f"On {count(n, 'photo')}, those of the training among them"
    return f"On {count(n, f'{split} photo')}" + ("" if split == "train" else " never used for training")


def without_twins(scores: dict) -> str:
    """Return the sentence on photos of which a near twin was learned from; nothing where there are none."""
    found = scores.get("without_twins")
    if not found:
        return ""
    if not found["n"]:
        return every_one_a_twin(found["twins"])
    interval = found["accuracy_ci95"]
    between = f" ({percent(interval[0])} to {percent(interval[1])})" if interval else ""
    has = "has" if found["twins"] == 1 else "have"
    return (
        f"{found['twins']:,} of these photos {has} a near twin in training, which may flatter the figure: "
        f"on the other {count(found['n'], 'photo')} it is {percent(found['accuracy'])}{between}."
    )


def every_one_a_twin(photos: int) -> str:
    """Return what is said where each of so many photos has a near twin that was learned from."""
    every = "This photo has" if photos == 1 else "Every one of these photos has"
    return f"{every} a near twin in training: the figure does not say how well new photos are classified."


def _interval(scores: dict) -> str:
    interval, groups = scores["accuracy_ci95"], scores.get("groups")
    if interval is None and groups:
        low, high = groups["accuracy_range"]
        return (
            f"no interval: {count(groups['num'], 'group')} of photos that belong together are too few for one; with "
            f"each group taken for one photo, from {percent(low)} to {percent(high)}"
        )
    of = f" of {count(groups['num'], 'group')} of photos that belong together" if groups else ""
    low, high = interval
    return f"95{NO_BREAK}% interval{of} {percent(low)} to {percent(high)}"


def scores_as_text(scores: dict, split: str) -> str:
    """Return one split's part of `metrics.json` for a terminal: the verdict, the scores, a line for each
    class."""
    classes = [entry["class"] for entry in scores["per_class"]]
    lines = [verdict(scores, split), ""]
    for key, title in _SCORES.items():
        if scores.get(key) is not None:
            write = "{:.3f}".format if key == "loss" else percent
            interval = scores[f"{key}_ci95"]
            why = no_interval(scores.get("no_interval", {}).get(key, "few-groups"))
            between = " to ".join(map(write, interval)) if interval else why
            lines.append(f"{title:<20}{write(scores[key]):>8}   {between}")
    if scores.get("taxonomy"):
        from budwood.report.taxonomy import levels_as_lines

        lines += ["", "Tree of labels:", *levels_as_lines(TreeScores.model_validate(scores["taxonomy"]))]
    lines += ["", f"{'class':<30}{'photos':>7}{'precision':>11}{'recall':>9}{'F1':>9}"]
    lines += [
        f"{shorten(shown(entry['class']), 29):<30}{entry['support']:>7,}{percent(entry['precision']):>11}"
        f"{percent(entry['recall']):>9}{percent(entry['f1']):>9}"
        for entry in scores["per_class"]
    ]
    pairs = confusions(scores["confusion"])[:3]
    lines += ["", "Most frequent mistakes:"] if pairs else []
    lines += [f"  {confusion_words(pair, classes)}" for pair in pairs]
    return "\n".join(lines).replace(NO_BREAK, " ")


def notes(scores: dict, split: str, classes: Sequence[str]) -> list[str]:
    """Return what else a reader should know before trusting the figure, most important first.

    `scores` is one split's part of `metrics.json`; its `confusion` has one row for each true class.
    """
    lines = []
    if split == "validation":
        lines.append(
            "No test was asked for (--no-test). These are validation photos, which were also used for choices made "
            "during training, so the figure may be too high. Train without --no-test for one to rely on."
        )
    low, high = scores["accuracy_ci95"] or scores["groups"]["accuracy_range"]
    if high - low > 0.1:
        lines.append(
            f"The interval is wide because {count(scores['n'], f'{split} photo')} "
            f"{'is' if scores['n'] == 1 else 'are'} few; more photos make it narrower."
        )
    support = [sum(row) for row in scores["confusion"]]
    typical = sorted(support)[len(support) // 2]
    if typical <= FEW_OF_A_CLASS:
        lines.append(
            f"There {'is' if typical == 1 else 'are'} about {count(typical, f'{split} photo')} a class: read the "
            "figure of the whole. Of one class so few photos say next to nothing."
        )
    lines.append(guess(scores, classes))
    pairs = confusions(scores["confusion"])
    if len(pairs) > 1 and pairs[0][2] == 1:
        lines.append(f"{len(pairs):,} photos are misclassified, no two of them in the same way.")
    elif pairs:
        lines.append(f"Most frequent mistake: {confusion_words(pairs[0], classes)}")
    else:
        lines.append(f"No {split} photo is misclassified.")
    return lines


def guess(scores: dict, classes: Sequence[str]) -> str:
    """Return what always answering the same class would be worth, and whether the model is shown to do
    better."""
    low, _ = scores["accuracy_ci95"] or scores["groups"]["accuracy_range"]
    support = [sum(row) for row in scores["confusion"]]
    most = max(range(len(classes)), key=support.__getitem__)
    share = support[most] / max(sum(support), 1)
    which = "the same class"
    if support.count(max(support)) == 1:
        which = f"{name(classes[most])}, the most frequent class,"
    elif min(support) < max(support):
        which = f"{name(classes[most])}, one of the most frequent classes,"
    return f"Always answering {which} would be right for {percent(share)}." + (
        " The interval reaches down to that: it is not shown that the model does better."
        if low <= share
        else ""
    )


def kept(metrics: "Metrics") -> str:
    """Return which model was kept of two, and why."""
    model, loss = metrics.kept, min(phase.validation_loss for phase in metrics.phases)
    if model.validation_loss > loss:
        return (
            "The model before fine-tuning was kept: the validation loss of the fine-tuned one is lower, but by no more "
            "than a standard error."
        )
    what = "fine-tuned model" if model.name == "finetune" else "model before fine-tuning"
    return f"The {what} was kept: its validation loss is the lower one."


def none_of_these(held_out: int, *, multi_label: bool = False) -> str:
    """Return a sentence where the limit of "none of these" was learned from too few photos, else an empty string.

    >>> none_of_these(24)[-32:], none_of_these(49)
    ('one of the classes; it takes 49.', '')
    >>> none_of_these(24, multi_label=True)[-31:]
    'one of the labels; it takes 49.'
    """
    needed = fewest_held_out()
    if held_out >= needed:
        return ""
    these = "labels" if multi_label else "classes"
    return (
        "Shown a picture of something else, budwood predict says “none of these”. Do not rely on that yet: how "
        f"unlike the known {these} a picture has to be was learned from {count(held_out, 'validation photo')}, so "
        f"pictures of other things may pass as one of the {these}; it takes {needed}."
    )


def confusions(matrix: Sequence[Sequence[int]]) -> list[tuple[int, int, int, int]]:
    """Return the mistakes (true class, predicted class, times, photos of the true class), most frequent
    first."""
    found = [
        (true, predicted, times, sum(row))
        for true, row in enumerate(matrix)
        for predicted, times in enumerate(row)
        if times and true != predicted
    ]
    return sorted(found, key=lambda pair: (-pair[2], -pair[2] / pair[3], pair[0], pair[1]))


def confusion_words(pair: tuple[int, int, int, int], classes: Sequence[str]) -> str:
    """Return one kind of mistake as a sentence."""
    true, predicted, times, total = pair
    return (
        f"{name(classes[true])} taken for {name(classes[predicted])} "
        f"{'once' if times == 1 else f'{times:,} times'}, "
        f"{percent(times / total)} of its {count(total, 'photo')}."
    )


def ood_as_text(figures: "Mapping[str, OodFigures]", acceptance: float, default: str) -> str:
    """Return how well pictures of none of the classes are separated from photos of them, a line for each method.

    `default` is the one by which `budwood predict` goes.

    >>> from budwood.evaluation.ood import OodFigures
    >>> print(ood_as_text({"knn": OodFigures(0.998, 300, 400, 0.95, 0.02)}, 0.95, "knn"))
    300 known photos, 400 pictures of something else; at the distance that 95 % of the validation photos do not exceed:
      nearest photos (predict) AUROC 0.998, 95.0 % of the known photos kept, 2.0 % of the others taken for a class
    """
    first = next(iter(figures.values()))
    lines = [
        f"{count(first.known, 'known photo')}, {count(first.ood, 'picture')} of something else; at the distance "
        f"that {whole_percent(acceptance)} of the validation photos do not exceed:"
    ]
    for method, found in figures.items():
        name_here = f"{_METHODS.get(method, method)}{' (predict)' if method == default else ''}"
        lines.append(
            f"  {name_here:<24} AUROC {found.auroc:.3f}, {percent(found.known_accepted)} of the known photos kept, "
            f"{percent(found.ood_accepted)} of the others taken for a class"
        )
    return "\n".join(lines).replace(NO_BREAK, " ")


def sets_as_text(chosen: "ChosenSets") -> str:
    """Return what sets of classes promise, on how many photos that rests, and what they do to the test photos."""
    lines = [f"sets hold the true class of {promise(chosen)}"]
    if chosen.test is not None:
        lines.append(f"  test: {observed_sets(chosen.test)}")
        if (weakest := chosen.test.weakest) is not None:
            lines.append(weakest_as_text(weakest))
    return "\n".join(lines).replace(NO_BREAK, " ")


def weakest_as_text(found: "ClassCoverage | LabelCoverage") -> str:
    """Return how often the sets of the test photos of one class, or with one label, hold it."""
    low, high = found.observed_ci95 or (math.nan, math.nan)
    return (
        f"  weakest on test: {shown(found.label)}, held by {percent(found.observed or 0.0)} of the sets of its "
        f"{count(found.n, 'photo')} (95 % interval {percent(low)} to {percent(high)})"
    )


def promise(chosen: "ChosenSets") -> str:
    """Return a coverage, by what it was calibrated, and between which shares it lies with so many photos."""
    rule = chosen.rule
    of = "of the photos of each class" if rule.per_class else "of the photos"
    of = "of the photos, each group counting alike" if chosen.groups and not rule.per_class else of
    by = f"{rule.kind}, calibrated on {photos_of_groups(chosen.n, chosen.groups, chosen.calibrated_on)}"
    return f"{whole_percent(rule.coverage)} {of} ({by}){_range(chosen.coverage_range)}"


def photos_of_groups(n: int, groups: int | None, split: str) -> str:
    """Return how many photos a split has, and of how many groups where photos belong together.

    >>> photos_of_groups(367, None, "validation"), photos_of_groups(100, 20, "calibration")
    ('367 validation photos', '100 calibration photos of 20 groups')
    """
    of_groups = f" of {count(groups, 'group')}" if groups else ""
    return f"{count(n, f'{split} photo')}{of_groups}"


def _range(ends: "tuple[float, float] | None") -> str:
    if ends is None:
        return ""
    return f"; with so many, coverage lies between {percent(ends[0])} and {percent(ends[1])}"


def observed_sets(found: "ObservedSets") -> str:
    """Return what sets do to some photos."""
    low, high = found.observed_ci95
    return (
        f"{percent(found.observed)} of the sets of {count(found.n, 'photo')} hold it (95 % interval {percent(low)} to "
        f"{percent(high)}); {found.mean_size:.2f} classes on average, {percent(found.single)} single, "
        f"{percent(found.empty)} empty"
    )


def selective_as_text(precision: float, threshold: float, splits: "Mapping[str, Answered]") -> str:
    """Return from which probability on a run answers, and what that does to photos that it did not learn from."""
    lines = [
        f"abstains below a probability of {percent(threshold)}, above which at least {whole_percent(precision)} were "
        "right on the validation photos"
    ]
    for split, found in splits.items():
        low, high = found.precision_interval
        lines.append(
            f"  {split}: {percent(found.precision)} of the answers right (95 % interval {percent(low)} to "
            f"{percent(high)}), {percent(found.coverage)} of {found.photos:,} photos answered"
            + (" (they chose the probability)" if split == "validation" else "")
        )
    return "\n".join(lines).replace(NO_BREAK, " ")
