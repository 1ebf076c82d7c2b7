"""Findings in words, for the terminal, the page and the table of decisions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from budwood.auditing.findings import (
    AlikeClasses,
    Audit,
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
from budwood.core.label_text import disputed, labels_in_words, of_text
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
    "label_conflict": KindWords(
        "One picture with several sets of labels",
        "picture with several sets of labels",
        "pictures with several sets of labels",
        "The same picture is said to have a label and not to have it, so one of the two is wrong. An unknown label "
        "contradicts nothing. Of equal pictures a training leaves all out.",
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
    "missing_label": KindWords(
        "Labels that may be missing",
        "label that may be missing",
        "labels that may be missing",
        "These photos look as if they had the label, by a head that did not learn from them: beside it stands how "
        "probable it is. That is a suspicion: hard photos are listed too.",
        "Look at each, and decide in decisions.csv: add, keep, unknown or drop. None is changed without a decision.",
    ),
    "extra_label": KindWords(
        "Labels that may be too much",
        "label that may be too much",
        "labels that may be too much",
        "These photos look as if they did not have the label, by a head that did not learn from them: beside it stands "
        "how probable it is. That is a suspicion: hard photos are listed too.",
        "Look at each, and decide in decisions.csv: remove, keep, unknown or drop. None is changed without a decision.",
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
    "alike_labels": KindWords(
        "Labels that look alike",
        "pair of labels that look alike",
        "pairs of labels that look alike",
        "Of photos with one of the two alone, some are said to have the other in its place, by a head that did not "
        "learn from the photo.",
        "Look at the examples: the labels may overlap, or often both be right.",
    ),
    "labels_together": KindWords(
        "Labels that hardly stand alone",
        "label that hardly stands alone",
        "labels that hardly stand alone",
        "Hardly any photo has the label without the other one, so a model can learn the one by the other.",
        "Add photos of each without the other, or take the two for one.",
    ),
    "unknown_label": KindWords(
        "Unknown labels that are probably there",
        "unknown label that is probably there",
        "unknown labels that are probably there",
        "Nobody has said whether these photos have the label, and they look as if they had: beside it stands how "
        "probable it is.",
        f"{_DECIDE}: add, remove, or keep for unknown.",
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
    "label_imbalance": KindWords(
        "Labels of unequal number",
        "imbalance of the labels",
        "imbalances of the labels",
        "A rare label weighs little in what is learned.",
        "Weigh the labels: --set loss.class_weights=balanced, or add photos of the rare ones.",
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
_OF_LABELS = {
    "few_photos": KindWords(
        "Labels with few photos",
        "split in which labels have few photos",
        "splits in which labels have few photos",
        "The figures of such a label say next to nothing.",
        "Add photos, or leave such labels out with --min-photos.",
    ),
    "duplicate": replace(
        WORDS["duplicate"],
        title="Copies with the same labels",
    ),
}
"""Those that say something else of photos with several labels."""
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
_AGREE = {"error": ("error", "errors"), "warning": ("warning", "warnings"), "note": ("note", "notes")}


def words_of(kind: str, several: bool) -> KindWords:
    """Return how a kind of finding is called, of photos with several labels or of one class each."""
    return _OF_LABELS.get(kind, WORDS[kind]) if several else WORDS[kind]


def severity_words(severity: str, number: int) -> str:
    """Return a number of findings of a severity.

    >>> severity_words("warning", 1)
    '1 warning'
    """
    return count(number, *_AGREE[severity])


def counted(kind: str, number: int, several: bool = False) -> str:
    """Return a number of findings of a kind.

    >>> counted("blank", 2), counted("few_photos", 1, several=True)
    ('2 blank pictures', '1 split in which labels have few photos')
    """
    words = words_of(kind, several)
    return count(number, words.one, words.many)


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
