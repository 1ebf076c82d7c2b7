"""What decisions make of the labels of a photo: another class, or another set of labels."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from budwood.auditing.decisions import OF_LABELS, Decision
from budwood.core.errors import DataError, did_you_mean
from budwood.core.label_text import SEPARATOR, UNKNOWN
from budwood.core.text import shown
from budwood.data.label_sets import with_labels
from budwood.data.manifest import Photo


def refuse_bad_labels(decisions: Iterable[Decision], classes: Sequence[str], several: bool) -> None:
    """Raise DataError for a decision about a label that is none of the data, or that photos of one class do not take.

    Args:
        decisions: those that are followed.
        classes: the labels of the data.
        several: whether a photo may have several.
    """
    for one in decisions:
        if one.verdict in OF_LABELS and not several:
            raise DataError(
                f"{one.where}: {one.verdict} changes one label of several, and the photos of the data have one class "
                "each. Expected keep, drop or relabel"
            )
        if one.verdict == "relabel":
            _refuse_unknown(one, _parts(one) if several else [one.label], classes, several)
            if several:
                _refuse_both(one)
        elif one.verdict in OF_LABELS:
            _refuse_unknown(one, sorted(one.named), classes, several)


def relabelled(photo: Photo, decisions: Sequence[Decision]) -> Photo:
    """Return a photo with the label, or the labels, that were decided."""
    for one in decisions:
        if one.verdict == "relabel" and photo.labels is None:
            photo = replace(photo, label=one.label)
        elif one.verdict == "relabel":
            photo = with_labels(photo, *_sets(one))
        elif one.verdict in OF_LABELS:
            labels, unknown = set(photo.each_label) - one.named, set(photo.unknown) - one.named
            labels |= one.named if one.verdict == "add" else set()
            unknown |= one.named if one.verdict == "unknown" else set()
            photo = with_labels(photo, labels, unknown)
    return photo


def is_idle(photo: Photo, decision: Decision) -> bool:
    """Return whether a label that is added is there already, or one that is removed is known to be absent."""
    there = set(photo.each_label)
    match decision.verdict:
        case "add":
            return bool(decision.named & there)
        case "remove":
            return bool(decision.named - there - set(photo.unknown))
    return False


def by_photo(decisions: Iterable[Decision]) -> Mapping[str, Sequence[Decision]]:
    """Return the decisions that change labels, by the photo's name."""
    found: dict[str, list[Decision]] = defaultdict(list)
    for one in decisions:
        if one.verdict in ("relabel", *OF_LABELS):
            found[one.photo].append(one)
    return found


def _sets(decision: Decision) -> tuple[set[str], set[str]]:
    parts = [part.strip() for part in decision.label.split(SEPARATOR) if part.strip()]
    known = {part for part in parts if not part.startswith(UNKNOWN)}
    return known, {part.removeprefix(UNKNOWN).strip() for part in parts if part.startswith(UNKNOWN)}


def _parts(decision: Decision) -> list[str]:
    known, unknown = _sets(decision)
    return sorted(known | unknown)


def _refuse_both(decision: Decision) -> None:
    known, unknown = _sets(decision)
    if both := known & unknown:
        label = shown(min(both))
        raise DataError(
            f"{decision.where}: {label!r} is one of the labels, and {UNKNOWN + label!r} says that it is unknown. Leave "
            "out one of the two"
        )


def _refuse_unknown(decision: Decision, labels: Iterable[str], classes: Sequence[str], several: bool) -> None:
    for label in labels:
        if label not in classes:
            raise DataError(
                f"{decision.where}: {shown(label[:60])!r} is no {'label' if several else 'class'} of the data, which "
                f"are {', '.join(map(shown, classes[:8]))}{', ...' if len(classes) > 8 else ''}."
                f"{did_you_mean(label, classes)}"
            )
