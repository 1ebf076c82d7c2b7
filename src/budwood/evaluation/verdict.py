"""Is one better than the other? What two models, right and wrong on the same photos, allow to be said."""

from dataclasses import replace
from typing import NotRequired, TypedDict

import numpy as np
from jaxtyping import Bool

from budwood.evaluation.groups import MIN_GROUPS, Grouping, difference
from budwood.evaluation.statistics import PairedDifference, photos_needed

METHOD = "McNemar's exact test (1947), two-sided; score interval of Tango (1998), 95 %"
METHOD_OF_GROUPS = (
    "permutation test that exchanges the models for whole groups of photos (Fisher 1935), two-sided; score interval of "
    "Tango (1998) at the effective number of photos (Kish 1965), 95 %"
)
LEVEL = 0.05
ACCURACY = "accuracy"
CHOSE_THE_EPOCH = "These photos also chose the epoch that was kept, which may flatter fine-tuning."


class PhasesCompared(TypedDict):
    """What metrics.json says under `verdict`."""

    figure: NotRequired[str]
    """Of which the difference is; of accuracy where absent."""
    difference: float
    interval: list[float] | None
    p: float | None
    method: str
    n: int
    words: str


def compare_phases(
    correct_before: Bool[np.ndarray, "n"],
    correct_after: Bool[np.ndarray, "n"],
    *,
    split: str = "test",
    groups: Grouping | None = None,
) -> PhasesCompared:
    """Return what `metrics.json` says under `verdict`: how fine-tuning changed the accuracy, and how sure
    that is.

    A change is called one only where the interval leaves 0 out and the test agrees; otherwise nobody can tell.

    Args:
        correct_before: whether phase "frozen" is right, photo by photo, one photo or more.
        correct_after: whether phase "finetune" is right on the same photos.
        split: where the photos come from. Of "validation" photos the words say that they also chose the epoch.
        groups: which of the photos belong together; by default none do.

    Returns:
        difference (accuracy after minus before, in [-1, 1]), interval (its lower and upper end), p, method,
        n (photos), words. Of too few groups there is neither interval nor p.

    >>> before, after = np.arange(367) < 330, np.arange(367) < 345
    >>> compare_phases(before, after)["words"].partition(" on ")[0]
    'Fine-tuning helped: +4.1 points of accuracy'
    """
    groups = None if groups is None or groups.single else groups
    enough = groups is None or groups.enough
    pair = difference(correct_after, correct_before, groups) if enough else None
    gained, lost = int((correct_after & ~correct_before).sum()), int((correct_before & ~correct_after).sum())
    found = (gained - lost) / len(correct_after)
    finding = phase_words(pair, split) if pair else few_groups_words(found, len(correct_after), split, groups)
    words = f"{finding} {_exchange(gained, lost)}"
    if split == "validation":
        words += f" {CHOSE_THE_EPOCH}"
    return {
        "difference": found,
        "interval": [pair.low, pair.high] if pair else None,
        "p": pair.p if pair else None,
        "method": METHOD if groups is None else METHOD_OF_GROUPS,
        "n": len(correct_after),
        "words": words,
    }


def compare_models(
    name_a: str,
    name_b: str,
    correct_a: Bool[np.ndarray, "n"],
    correct_b: Bool[np.ndarray, "n"],
    *,
    p: float | None = None,
    split: str = "test",
    groups: Grouping | None = None,
) -> str:
    """Return which of two models is better on the same photos, in words; of an open question, how many photos
    it needs.

    Args:
        name_a, name_b: of the models.
        correct_a, correct_b: whether each is right, photo by photo, one photo or more.
        p: McNemar's, adjusted where several pairs are compared; by default of this pair alone.
        split: where the photos come from.
        groups: which of the photos belong together, `enough` of them; by default none do.

    >>> right, wrong = np.arange(400) < 380, np.arange(400) < 350
    >>> compare_models("B3", "B0", right, wrong)
    'B3 is better than B0: +7.5 points of accuracy on 400 test photos (95 % interval 5.3 to 10.5, p < 0.001).'
    >>> compare_models("B3", "B0", np.arange(400) < 351, wrong).partition(";")[2]
    ' about 3,100 test photos would be needed to tell a difference of this size.'
    """
    pair = difference(correct_a, correct_b, groups)
    p = pair.p if p is None else p
    if pair.difference < 0:
        pair, name_a, name_b = difference(correct_b, correct_a, groups), name_b, name_a
    needed = photos_needed(float((correct_a & ~correct_b).mean()), float((correct_b & ~correct_a).mean()))
    return model_words(name_a, name_b, replace(pair, p=p), needed=needed, split=split, groups=groups)


def model_words(
    name_a: str,
    name_b: str,
    pair: PairedDifference,
    *,
    needed: int | None,
    split: str = "test",
    groups: Grouping | None = None,
    figure: str = ACCURACY,
) -> str:
    """Return which of two models is better, in words.

    Args:
        name_a, name_b: of the models.
        pair: by how much a figure of a is higher, 0 or more; with p adjusted where several pairs are compared.
        needed: photos that would tell a difference of this size; None where it is 0.
        split: where the photos come from.
        groups: which of the photos belong together; by default none do.
        figure: its name.
    """
    gap, low, high = _points(pair.difference, pair.low, pair.high)
    where = f"{pair.n:,} {split} photo{'' if pair.n == 1 else 's'}"
    grouped = groups is not None and not groups.single
    if groups is not None and grouped:
        where += f" of {groups.num:,} groups"
    if pair.low > 0 and pair.p < LEVEL:
        return (
            f"{name_a} is better than {name_b}: +{gap} points of {figure} on {where} "
            f"(95 % interval {low} to {high}, {_chance(pair.p)})."
        )
    ending = (
        ("both are right on equally many" if figure == ACCURACY else f"both have the same {figure}")
        if needed is None
        else "more groups are needed to tell a difference of this size"
        if grouped
        else f"about {_rounded(needed):,} {split} photos would be needed to tell a difference of this size"
    )
    of = "" if figure == ACCURACY else f" of {figure}"
    return (
        f"Cannot tell {name_a} from {name_b}: the difference is between {low} and {high} points{of} on {where} "
        f"(95 % interval, {_chance(pair.p)}); {ending}."
    )


def compare_means(
    name_a: str,
    name_b: str,
    difference: float,
    interval: tuple[float, float],
    p: float,
    *,
    where: str,
    photos: str,
    needed: int | None,
    adjusted: bool = False,
    figure: str = ACCURACY,
    unit: str = "groups of photos",
) -> str:
    """Return which of two recipes is better, from several trainings of each, in words.

    Args:
        name_a, name_b: of the recipes.
        difference: mean figure of a minus that of b, in [-1, 1].
        interval: its lower and upper end.
        p: of no difference, adjusted where several pairs are compared.
        where: over what the mean was taken, such as "5 splits".
        photos: what photos they were measured on, such as "test".
        needed: photos that would tell a difference of this size; None where no number can be named, as where photos
            belong together in groups.
        adjusted: whether p was.
        figure: its name.
        unit: what more are needed of where no number is named.

    >>> compare_means("B3", "B0", 0.019, (0.004, 0.033), 0.02, where="5 splits", photos="test", needed=500)
    'B3 is better than B0 on test photos, by 1.9 points (95 % interval 0.4 to 3.3, p = 0.02, 5 splits).'
    """
    low, high = interval
    if difference < 0:
        difference, low, high, name_a, name_b = -difference, -high, -low, name_b, name_a
    gap, least, most = _points(difference, low, high)
    points = "points" if figure == ACCURACY else f"points of {figure}"
    chance = f"adjusted {_chance(p)}" if adjusted else _chance(p)
    if low > 0 and p < LEVEL:
        return (
            f"{name_a} is better than {name_b} on {photos} photos, by {gap} {points} "
            f"(95 % interval {least} to {most}, {chance}, {where})."
        )
    if low > 0:
        where += "; the interval is of this pair alone"
    ending = (
        ("both are right equally often" if figure == ACCURACY else f"both have the same {figure}")
        if not difference
        else f"more {unit} are needed to tell a difference of this size"
        if needed is None
        else f"about {_rounded(needed):,} {photos} photos in a trial would be needed to tell a difference of this size"
    )
    return (
        f"Cannot tell {name_a} from {name_b} on {photos} photos: the difference is between {least} and {most} {points} "
        f"(95 % interval, {chance}, {where}); {ending}."
    )


def _rounded(number: int) -> int:
    """To two figures: more would say of an estimate what it does not know."""
    return int(float(f"{number:.1e}"))


def _chance(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def phase_words(pair: PairedDifference, split: str, figure: str = ACCURACY) -> str:
    """Return whether fine-tuning raised a figure, in words."""
    difference, low, high = _points(pair.difference, pair.low, pair.high)
    gap = f"{'+' if pair.difference > 0 else ''}{difference} points of {figure}"
    photos = f"{pair.n:,} {split} photo{'' if pair.n == 1 else 's'}"
    p = _chance(pair.p)
    interval_tells, test_tells = not pair.low <= 0 <= pair.high, pair.p < LEVEL
    if interval_tells and test_tells:
        verb = "helped" if pair.difference > 0 else "did harm"
        return f"Fine-tuning {verb}: {gap} on {photos} (95 % interval {low} to {high}, {p})."
    finding = (
        f"Cannot tell whether fine-tuning helped: {gap} on {photos}, "
        f"and the truth may lie anywhere between {low} and {high} (95 % interval, {p})."
    )
    if interval_tells != test_tells:
        finding += " The interval and the test do not agree, so this is a close call."
    return finding


def few_groups_words(
    difference: float, n: int, split: str, groups: Grouping | None, figure: str = ACCURACY
) -> str:
    """Return that too few groups of photos tell nothing, in words."""
    gap = f"{signed(difference)} points of {figure}"
    num = groups.num if groups else 0
    return (
        f"Cannot tell whether fine-tuning helped: {gap} on {n:,} {split} photos, which are of {num} "
        f"group{'' if num == 1 else 's'} of photos that belong together; {MIN_GROUPS} or more are needed to tell."
    )


def _exchange(gained: int, lost: int) -> str:
    if not gained and not lost:
        return "Both phases are right on the same photos."
    return f"{gained:,} photo{'' if gained == 1 else 's'} became right, {lost:,} became wrong."


def signed(share: float) -> str:
    """Return a difference as percentage points with its sign."""
    return f"{'+' if share > 0 else ''}{_points(share)[0]}"


def _points(*shares: float) -> list[str]:
    """Return shares as percentage points, with as many decimals as it takes that only nothing reads 0."""
    points = [100 * share for share in shares]
    digits = next((d for d in (1, 2) if all(round(point, d) or not point for point in points)), 3)
    # Adding 0 turns -0 into 0.
    return [f"{round(point, digits) + 0.0:.{digits}f}" for point in points]
