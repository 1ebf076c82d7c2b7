"""Findings in words, for the terminal, the page and the table of decisions."""

from collections.abc import Sequence

from budwood.auditing.findings import (
    AlikeClasses,
    Conflict,
    CrossSplit,
    DoubtfulValue,
    Duplicate,
    FewPhotos,
    Finding,
    GroupHint,
    Imbalance,
    LabelsTogether,
    NotRead,
    OtherProblem,
    Outlier,
    PoorPicture,
    Shown,
    SplitGroup,
    Unreadable,
    ValueKind,
    WrongLabel,
    photos_of,
)
from budwood.auditing.kind_words import counted
from budwood.auditing.result import Audit
from budwood.core.label_text import disputed, labels_in_words, of_text
from budwood.core.text import count, listing, percent, shorten, shown
from budwood.report.reading import passed_over_as_lines

DOUBTS: dict[ValueKind, str] = {
    "missing_label": "is missing?",
    "extra_label": "is too much?",
    "unknown_label": "is unknown",
}
"""What is asked of a label, behind its name."""
_NAMED = 5
_BY = {
    "bytes": "the same file",
    "pixels": "equal pixels",
    "hash": "alike by perceptual hash",
    "features": "alike by their features, and by their pixels where one is laid over the other",
}


def label_words(label: str, several: bool) -> str:
    """Return a photo's class, or its labels, for a reader."""
    return labels_in_words(label) if several else label


def evidence(finding: Finding, several: bool = False) -> str:
    """Return in a few words what speaks for a finding; `several` where photos have several labels."""
    match finding:
        case Unreadable():
            return finding.detail
        case Conflict() if finding.kind == "label_conflict":
            return f"{_alike(finding)}; {_disagreement(finding)}"
        case Conflict() | CrossSplit() | Duplicate():
            return _alike(finding)
        case SplitGroup():
            photos = count(finding.num_photos, "photo")
            return f"the group {_name(finding.group)}, {photos} in {listing(finding.splits)}"
        case GroupHint():
            return (
                f"{finding.evidence}: {count(finding.num_groups, 'group')} of {count(finding.num_photos, 'photo')}; "
                f"--group '{finding.option}'"
            )
        case WrongLabel():
            return (
                f"looks like {_name(finding.suggested)} ({percent(finding.of_suggested, 0)}; "
                f"{_name(finding.photo.label)} {percent(finding.of_label, 0)})"
            )
        case DoubtfulValue():
            return _doubt(finding)
        case Outlier():
            return (
                f"distance {finding.distance:.2f} to its nearest photos, listed from {finding.limit:.2f} on"
            )
        case AlikeClasses() if finding.kind == "alike_labels":
            return (
                f"{finding.first_as_second:,} of {finding.num_first:,} with {_name(finding.first)} and without "
                f"{_name(finding.second)} are said to have {_name(finding.second)} in its place, "
                f"{finding.second_as_first:,} of {finding.num_second:,} the other way"
            )
        case LabelsTogether():
            return (
                f"{finding.together:,} of {finding.num_label:,} photos with {_name(finding.label)} have "
                f"{_name(finding.other)} too; {finding.together:,} of {finding.num_other:,} the other way"
            )
        case AlikeClasses():
            return (
                f"{finding.first_as_second:,} of {finding.num_first:,} {_name(finding.first)} taken for "
                f"{_name(finding.second)}, {finding.second_as_first:,} of {finding.num_second:,} the other way"
            )
        case PoorPicture():
            return _poor(finding)
        case Imbalance() if finding.kind == "label_imbalance":
            return (
                f"{finding.num_largest:,} photos with {_name(finding.largest)}, {finding.num_smallest:,} with "
                f"{_name(finding.smallest)}; balanced, one with {_name(finding.largest)} would weigh "
                f"{_weight(finding.weights[finding.largest])} and one with {_name(finding.smallest)} "
                f"{_weight(finding.weights[finding.smallest])}"
            )
        case Imbalance():
            return (
                f"{finding.num_largest:,} photos of {_name(finding.largest)}, {finding.num_smallest:,} of "
                f"{_name(finding.smallest)}; always answering {_name(finding.largest)} is right on "
                f"{percent(finding.majority_share)}; balanced, one of {_name(finding.largest)} would weigh "
                f"{_weight(finding.weights[finding.largest])} and one of {_name(finding.smallest)} "
                f"{_weight(finding.weights[finding.smallest])}"
            )
        case FewPhotos():
            would = "" if finding.given else " as they would be divided"
            names = [f"{_name(label)} {number:,}" for label, number in finding.classes.items()]
            more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
            what = f"fewer than {finding.least:,} photos" if finding.least > 1 else "no photo"
            nouns = ("label has", "labels have") if several else ("class has", "classes have")
            classes = count(len(names), *nouns)
            return f"{classes} {what} in {finding.split}{would}: {', '.join(names[:_NAMED])}{more}"
        case NotRead():
            return "; ".join(passed_over_as_lines([finding.files]))
        case OtherProblem():
            return f"{finding.problem.replace('_', ' ')}: {finding.detail}"


def _alike(finding: Conflict | CrossSplit | Duplicate) -> str:
    alike = "" if finding.by in ("bytes", "pixels") else f" ({percent(finding.similarity, 0)})"
    return f"{_BY[finding.by]}{alike}"


def _disagreement(finding: Conflict) -> str:
    """Return which labels some of the photos have and others have not."""
    sets = [of_text(photo.label) for photo in finding.photos]
    parts = []
    for label in disputed(sets)[:_NAMED]:
        has = [photo for photo, one in zip(finding.photos, sets, strict=True) if label in one[0]]
        lacks = [
            photo for photo, one in zip(finding.photos, sets, strict=True) if label not in one[0] + one[1]
        ]
        parts.append(f"{_name(label)} on {_files(has)}, not on {_files(lacks)}")
    more = len(disputed(sets)) - len(parts)
    return "; ".join(parts) + (f"; and {count(more, 'more label')}" if more else "")


def _files(photos: Sequence[Shown]) -> str:
    names = [shorten(shown(photo.path.rpartition("/")[2]), 48) for photo in photos]
    return ", ".join(names[:2]) + (f" and {len(names) - 2:,} more" if len(names) > 2 else "")


def _doubt(finding: DoubtfulValue) -> str:
    given = {"missing_label": "said not to have", "extra_label": "said to have", "unknown_label": "unknown:"}
    return f"{given[finding.kind]} {_name(finding.label)}; by its look {percent(finding.probability, 0)} probable"


def _weight(weight: float) -> str:
    return f"{weight:.2g}" if weight < 10 else f"{weight:,.0f}"


def _poor(finding: PoorPicture) -> str:
    if finding.kind == "tiny":
        return f"{finding.value:.0f} pixels on the shorter side, listed below {finding.limit:.0f}"
    what = {
        "blank": "brightness varies by",
        "dark": "mean brightness",
        "overexposed": "mean brightness",
        "blurred": "sharpness",
    }[finding.kind]
    side = "from" if finding.kind == "overexposed" else "up to"
    return f"{what} {finding.value:.3g}, listed {side} {finding.limit:.3g}"


def line(finding: Finding, most: int = 3, several: bool = False) -> str:
    """Return a finding in one line: its photos, and what speaks for it; `several` where photos have several labels."""
    summary = AlikeClasses | LabelsTogether | SplitGroup
    photos = list(photos_of(finding)) if not isinstance(finding, summary) else []
    said = shown(evidence(finding, several))
    if not photos:
        start = f"{shown(finding.path)}: " if isinstance(finding, OtherProblem) else ""
        return f"{start}{said}"
    more = f" and {len(photos) - most:,} more" if len(photos) > most else ""
    return f"{', '.join(_photo(one, several) for one in photos[:most])}{more}: {said}"


def _photo(photo: Shown, several: bool) -> str:
    # The folder of a class says its label already.
    parts = [] if several else photo.path.split("/")[:-1]
    label = "" if photo.label in parts else f" ({shorten(shown(label_words(photo.label, several)))})"
    return f"{shorten(shown(photo.path), 72)}{label}"


def _name(text: str) -> str:
    return f"'{shorten(shown(text))}'"


def decided_as_lines(audit: Audit) -> list[str]:
    """Return what the decisions changed, and which of them do not count."""
    decided = audit.decided
    if decided is None:
        return []
    done = [
        *([f"{count(decided.dropped, 'photo')} dropped"] if decided.dropped else []),
        *([f"{decided.relabelled:,} relabelled"] if decided.relabelled else []),
        *([f"{count(decided.joined, 'pair')} put into one group"] if decided.joined else []),
        *(f"{counted(kind, number, audit.several)} answered" for kind, number in decided.answered.items()),
    ]
    lines = [f"By decision: {listing(done)}."] if done else []
    for names, why in (
        (decided.changed, "changed since it was decided, so the decision does not count: decide again"),
        (decided.gone, "is no longer in the data"),
    ):
        lines += [f"{shown(name)} {why}." for name in names[:_NAMED]]
        if len(names) > _NAMED:
            lines.append(
                f"So did {len(names) - _NAMED:,} more."
                if names is decided.changed
                else f"Nor are {len(names) - _NAMED:,} more."
            )
    if decided.idle:
        what = count(len(decided.idle), "row adds", "rows add")
        verb = "removes" if len(decided.idle) == 1 else "remove"
        first = "" if len(decided.idle) == 1 else "the first is "
        lines.append(
            f"{what} a label that the photo has already, or {verb} one that it lacks, which does nothing: "
            f"{first}{shown(decided.idle[0])}."
        )
    return lines
