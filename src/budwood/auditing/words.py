"""Findings in words, for the terminal, the page and the table of decisions."""

from dataclasses import dataclass

from budwood.auditing.findings import (
    AlikeClasses,
    Audit,
    Conflict,
    CrossSplit,
    Duplicate,
    FewPhotos,
    Finding,
    GroupHint,
    Imbalance,
    NotRead,
    OtherProblem,
    Outlier,
    PoorPicture,
    Shown,
    SplitGroup,
    Unreadable,
    WrongLabel,
    photos_of,
)
from budwood.core.text import count, listing, percent, shorten, shown
from budwood.report.reading import passed_over_as_lines


@dataclass(frozen=True)
class KindWords:
    """How a kind of finding is called."""

    title: str
    """As a heading."""
    one: str
    """With a number before it."""
    many: str
    what: str
    """A sentence or two: what it is, and what follows."""
    fix: str
    """What can be done."""


_DECIDE = "Decide in decisions.csv"
WORDS: dict[str, KindWords] = {
    "conflict": KindWords(
        "One picture under several labels",
        "picture under several labels",
        "pictures under several labels",
        "The same picture stands under more than one label, so at least one of them is wrong. Of equal pictures a "
        "training leaves all out.",
        f"{_DECIDE}: relabel or drop one, or keep the one that is right.",
    ),
    "cross_split": KindWords(
        "One picture in several splits",
        "picture in several splits",
        "pictures in several splits",
        "What is learned from is measured on, so the accuracy says too much. Of equal pictures a training leaves out "
        "the copies of the split that comes earlier.",
        f"{_DECIDE}: drop one, or say that they are different. To divide anew: budwood manifest DATA --group "
        "near-duplicates -o photos.csv writes which photos belong together; take its column split out.",
    ),
    "split_group": KindWords(
        "One group in several splits",
        "group in several splits",
        "groups in several splits",
        "Photos that belong together are learned from and measured on, so the accuracy says too much.",
        "Put each group into one split, or give the data without splits.",
    ),
    "unreadable": KindWords(
        "Files that cannot be read",
        "file that cannot be read",
        "files that cannot be read",
        "They cannot be decoded, and a training leaves them out.",
        "Fix or replace the files, or decide in decisions.csv: drop, or keep to hear no more of it.",
    ),
    "wrong_label": KindWords(
        "Likely wrong labels",
        "likely wrong label",
        "likely wrong labels",
        "These photos look like another class, by a head that did not learn from them. That is a suspicion: hard "
        "photos are listed too.",
        "Look at each, and decide in decisions.csv: relabel, drop or keep. None is changed without a decision.",
    ),
    "outlier": KindWords(
        "Photos unlike all others",
        "photo unlike all others",
        "photos unlike all others",
        "Nothing in the data looks like them: a photo of something else, a drawing, a screenshot, or just a rare view. "
        "Where all photos belong, 1 in 1,000 to 3 in 100 are listed too, and never more than 3 in 100.",
        f"{_DECIDE}: drop or keep.",
    ),
    "group_hint": KindWords(
        "Photos that may belong together",
        "hint at photos that belong together",
        "hints at photos that belong together",
        "Divided photo by photo, a test photo has near twins in training, and the accuracy says too much.",
        "Train with the option that keeps them together, or with --group none if they are independent.",
    ),
    "few_photos": KindWords(
        "Classes with few photos",
        "split in which classes have few photos",
        "splits in which classes have few photos",
        "The figures of such a class say next to nothing.",
        "Add photos, or leave such classes out with --min-photos.",
    ),
    "duplicate": KindWords(
        "Copies under one label",
        "picture that is there more than once",
        "pictures that are there more than once",
        "A training keeps them together in one split; they count for more than other photos do.",
        "--fix leaves out what is equal, but for one. Of those that are only alike decide: same, different or drop.",
    ),
    "alike_classes": KindWords(
        "Classes that look alike",
        "pair of classes that look alike",
        "pairs of classes that look alike",
        "They are often taken for one another by a head that did not learn from the photo.",
        "Look at the examples: the classes may overlap, or their photos be mixed up.",
    ),
    "blank": KindWords(
        "Blank pictures",
        "blank picture",
        "blank pictures",
        "Of one colour, or nearly.",
        f"{_DECIDE}: drop or keep.",
    ),
    "dark": KindWords(
        "Dark pictures",
        "dark picture",
        "dark pictures",
        "So dark that little is to be seen.",
        f"{_DECIDE}: drop or keep.",
    ),
    "overexposed": KindWords(
        "Overexposed pictures",
        "overexposed picture",
        "overexposed pictures",
        "So bright that little is to be seen.",
        f"{_DECIDE}: drop or keep.",
    ),
    "blurred": KindWords(
        "Blurred pictures",
        "blurred picture",
        "blurred pictures",
        "Without a sharp edge.",
        f"{_DECIDE}: drop or keep.",
    ),
    "tiny": KindWords(
        "Tiny pictures",
        "tiny picture",
        "tiny pictures",
        "A side of so few pixels that little is to be seen.",
        f"{_DECIDE}: drop or keep.",
    ),
    "imbalance": KindWords(
        "Classes of unequal size",
        "imbalance of the classes",
        "imbalances of the classes",
        "Always answering the largest class would be right so often: read the accuracy beside it.",
        "Weigh the classes: --set loss.class_weights=balanced, or add photos of the small ones.",
    ),
    "not_read": KindWords(
        "Files that were not read",
        "kind of files that were not read",
        "kinds of files that were not read",
        "They lie in the data, and were taken for no photos.",
        "Convert what is meant to be read.",
    ),
    "other": KindWords(
        "What else the check found",
        "more problem",
        "more problems",
        "As budwood check names it.",
        "Each says what can be done.",
    ),
}
"""By kind, in the order in which they are shown within a severity."""
_NAMED = 5
_BY = {
    "bytes": "the same file",
    "pixels": "equal pixels",
    "hash": "alike by perceptual hash",
    "features": "alike by their features, and by their pixels where one is laid over the other",
}
_AGREE = {"error": ("error", "errors"), "warning": ("warning", "warnings"), "note": ("note", "notes")}


def severity_words(severity: str, number: int) -> str:
    """Return a number of findings of a severity.

    >>> severity_words("warning", 1)
    '1 warning'
    """
    return count(number, *_AGREE[severity])


def counted(kind: str, number: int) -> str:
    """Return a number of findings of a kind.

    >>> counted("blank", 2)
    '2 blank pictures'
    """
    return count(number, WORDS[kind].one, WORDS[kind].many)


def evidence(finding: Finding) -> str:
    """Return in a few words what speaks for a finding."""
    match finding:
        case Unreadable():
            return finding.detail
        case Conflict() | CrossSplit() | Duplicate():
            alike = "" if finding.by in ("bytes", "pixels") else f" ({percent(finding.similarity, 0)})"
            return f"{_BY[finding.by]}{alike}"
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
        case Outlier():
            return (
                f"distance {finding.distance:.2f} to its nearest photos, listed from {finding.limit:.2f} on"
            )
        case AlikeClasses():
            return (
                f"{finding.first_as_second:,} of {finding.num_first:,} {_name(finding.first)} taken for "
                f"{_name(finding.second)}, {finding.second_as_first:,} of {finding.num_second:,} the other way"
            )
        case PoorPicture():
            return _poor(finding)
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
            classes = count(len(names), "class has", "classes have")
            return f"{classes} {what} in {finding.split}{would}: {', '.join(names[:_NAMED])}{more}"
        case NotRead():
            return "; ".join(passed_over_as_lines([finding.files]))
        case OtherProblem():
            return f"{finding.problem.replace('_', ' ')}: {finding.detail}"


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


def line(finding: Finding, most: int = 3) -> str:
    """Return a finding in one line: its photos, and what speaks for it."""
    photos = list(photos_of(finding)) if not isinstance(finding, AlikeClasses | SplitGroup) else []
    if not photos:
        start = f"{shown(finding.path)}: " if isinstance(finding, OtherProblem) else ""
        return f"{start}{shown(evidence(finding))}"
    more = f" and {len(photos) - most:,} more" if len(photos) > most else ""
    return f"{', '.join(_photo(one) for one in photos[:most])}{more}: {shown(evidence(finding))}"


def _photo(photo: Shown) -> str:
    # The folder of a class says its label already.
    parts = photo.path.split("/")[:-1]
    label = "" if photo.label in parts else f" ({shorten(shown(photo.label))})"
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
        *(f"{counted(kind, number)} answered" for kind, number in decided.answered.items()),
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
    return lines
