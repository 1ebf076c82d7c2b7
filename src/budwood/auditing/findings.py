"""What an audit found: one value for each finding, of a kind of its own, with the photos and the evidence.

Words are made of them elsewhere. Each kind is a frozen class whose field `kind` names it, so that `audit.json` can be
read back: `budwood.auditing.result`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, get_args, get_type_hints

from pydantic import Field

from budwood.data.poor_photos import PoorKind
from budwood.data.understood import PassedOver

Severity = Literal["error", "warning", "note"]
"""An "error" makes a figure false, a "warning" may, a "note" is to be known."""
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
By = Literal["bytes", "pixels", "hash", "features"]
"""How two photos were told to show the same: equal files, equal decoded pixels, perceptual hashes that are alike, or
features that are."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A photo of a finding."""

    path: str
    """As the manifest names it."""
    label: str
    split: str = ""
    """As the source gives it; empty where it gives none."""


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A file that cannot be decoded; it is left out."""

    photo: Shown
    fault: str
    """One word, such as "truncated"."""
    detail: str
    severity: Severity = "warning"
    kind: Literal["unreadable"] = "unreadable"


@dataclass(frozen=True, kw_only=True)
class NotRead:
    """Files of one kind in one place that the listing passed over."""

    files: PassedOver
    severity: Severity = "note"
    kind: Literal["not_read"] = "not_read"


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """One picture under several labels; a "label_conflict" where photos have several: with sets of them that contradict
    one another. An unknown label contradicts nothing."""

    photos: tuple[Shown, ...]
    by: By
    similarity: float
    """1 for equal bytes and pixels, else of the least alike two that were compared, in [0, 1]."""
    left_out: tuple[str, ...]
    """Paths of the photos without which a training does: all of equal ones, none of those alike by their hash."""
    severity: Severity = "error"
    kind: Literal["conflict", "label_conflict"] = "conflict"


@dataclass(frozen=True, kw_only=True)
class CrossSplit:
    """One picture, or nearly, in several of the given splits."""

    photos: tuple[Shown, ...]
    by: By
    similarity: float
    left_out: tuple[str, ...]
    """Paths of the copies without which a training does."""
    severity: Severity = "error"
    """A "warning" where the pictures are near and not the same."""
    kind: Literal["cross_split"] = "cross_split"


@dataclass(frozen=True, kw_only=True)
class Duplicate:
    """One picture several times under one label in one split, or in data without splits: they stay together."""

    photos: tuple[Shown, ...]
    """The first is the one to keep."""
    by: By
    similarity: float
    severity: Severity = "note"
    kind: Literal["duplicate"] = "duplicate"


@dataclass(frozen=True, kw_only=True)
class SplitGroup:
    """A group of the data in several of the given splits."""

    group: str
    splits: tuple[str, ...]
    photos: tuple[Shown, ...]
    """One of each split."""
    num_photos: int
    severity: Severity = "error"
    kind: Literal["split_group"] = "split_group"


@dataclass(frozen=True, kw_only=True)
class GroupHint:
    """Something that hints at photos that belong together, which nothing keeps in one split."""

    evidence: str
    """The evidence in words, such as "paths with 'patient' and a number"."""
    option: str
    """The value of `--group` that keeps them together."""
    num_groups: int
    num_photos: int
    example: str
    """Path of one of them."""
    severity: Severity = "warning"
    kind: Literal["group_hint"] = "group_hint"


@dataclass(frozen=True, kw_only=True)
class WrongLabel:
    """A photo that looks like another class; a suspicion. The most certain come first."""

    photo: Shown
    suggested: str
    """The class that it looks like."""
    of_label: float
    """Out-of-fold probability of its label (self-confidence), in [0, 1]."""
    of_suggested: float
    """The same of the suggested class."""
    rank: int
    """From 1."""
    severity: Severity = "warning"
    kind: Literal["wrong_label"] = "wrong_label"

    @property
    def margin(self) -> float:
        """Return by how much the suggested class is likelier than the label."""
        return self.of_suggested - self.of_label


ValueKind = Literal["missing_label", "extra_label", "unknown_label"]


@dataclass(frozen=True, kw_only=True)
class DoubtfulValue:
    """One label of a photo with several that is probably wrong; the most certain come first.

    By `kind`: "missing_label", the photo probably has it and the data say that it has not; "extra_label", the other way
    round; "unknown_label", the data do not say, and the photo probably has it.
    """

    photo: Shown
    label: str
    """The label in question."""
    probability: float
    """Out of fold, that the photo has it, in [0, 1]."""
    rank: int
    """From 1, in each kind."""
    kind: ValueKind
    severity: Severity = "warning"
    """An "unknown_label" is a "note"."""


@dataclass(frozen=True, kw_only=True)
class Outlier:
    """A photo that is unlike its own class and all others. The farthest come first."""

    photo: Shown
    distance: float
    """1 minus the cosine similarity to its nearest photos, in [0, 2]."""
    limit: float
    """The distance beyond which a photo is listed."""
    rank: int
    severity: Severity = "warning"
    kind: Literal["outlier"] = "outlier"


@dataclass(frozen=True, kw_only=True)
class AlikeClasses:
    """Two classes that are taken for one another; "alike_labels" where photos have several: of the photos with one of
    the two and without the other, some are said to have the other and not the one."""

    first: str
    second: str
    first_as_second: int
    """Photos of the first class that were taken for the second, out of fold."""
    second_as_first: int
    num_first: int
    """Photos of the first class."""
    num_second: int
    share: float
    """Of the photos of both that are taken for the other class, the mean of both ways."""
    interval: tuple[float, float] | None
    """Of the share, at 95 %; None where too few groups are known."""
    examples: tuple[Shown, ...] = ()
    severity: Severity = "note"
    kind: Literal["alike_classes", "alike_labels"] = "alike_classes"


@dataclass(frozen=True, kw_only=True)
class LabelsTogether:
    """A label that hardly any photo has without another one, so that the data cannot tell what is its own."""

    label: str
    other: str
    together: int
    """Photos with both labels."""
    num_label: int
    """Photos with the label of which it is known whether they have the other."""
    num_other: int
    """Photos with the other of which it is known whether they have the label."""
    examples: tuple[Shown, ...] = ()
    """Photos with the label alone, or with both."""
    severity: Severity = "note"
    kind: Literal["labels_together"] = "labels_together"


@dataclass(frozen=True, kw_only=True)
class PoorPicture:
    """A photo on which little is to be seen."""

    photo: Shown
    value: float
    """What was measured: of "blank" the standard deviation of the brightness in levels of 255, of "dark" and
    "overexposed" the mean brightness, of "blurred" the sharpness, of "tiny" the pixels of the shorter side."""
    limit: float
    """From which on it is listed."""
    kind: PoorKind
    severity: Severity = "note"


@dataclass(frozen=True, kw_only=True)
class Imbalance:
    """Classes of very unequal size, and what follows; "label_imbalance" where photos have several labels."""

    largest: str
    smallest: str
    num_largest: int
    num_smallest: int
    majority_share: float
    """Of the photos that can be used, those of the largest class: so often is right who always says it."""
    weights: Mapping[str, float]
    """By class, what `loss.class_weights = "balanced"` would give it, 1 on average over the photos; of labels what a
    photo with the label would weigh, 1 on average over those of which it is known."""
    severity: Severity = "note"
    kind: Literal["imbalance", "label_imbalance"] = "imbalance"


@dataclass(frozen=True, kw_only=True)
class FewPhotos:
    """Classes of which a split has few photos, or none: their figures there say little, or nothing."""

    split: Literal["train", "validation", "test"]
    least: int
    """Photos of a class from which on it is not listed."""
    classes: Mapping[str, int]
    """The photos of each, the fewest first, in a given split or as `train` would divide; copies count once."""
    given: bool
    """Whether the source brings that split."""
    severity: Severity = "warning"
    kind: Literal["few_photos"] = "few_photos"


@dataclass(frozen=True, kw_only=True)
class OtherProblem:
    """What the check found besides: of "pages", "values", "empty_class", "ignored" and the like."""

    path: str
    problem: str
    """Its kind, as `budwood check` names it."""
    detail: str
    severity: Severity = "note"
    kind: Literal["other"] = "other"


AnyFinding = (
    Unreadable
    | NotRead
    | Conflict
    | CrossSplit
    | Duplicate
    | SplitGroup
    | GroupHint
    | WrongLabel
    | DoubtfulValue
    | Outlier
    | AlikeClasses
    | LabelsTogether
    | PoorPicture
    | Imbalance
    | FewPhotos
    | OtherProblem
)
if TYPE_CHECKING:
    Finding = AnyFinding
else:
    Finding = Annotated[AnyFinding, Field(discriminator="kind")]
KINDS: tuple[str, ...] = tuple(
    kind for one in get_args(AnyFinding) for kind in get_args(get_type_hints(one)["kind"])
)
"""Every kind of finding."""


def photos_of(finding: Finding) -> Iterator[Shown]:
    """Yield the photos of a finding.

    >>> list(photos_of(NotRead(files=PassedOver("format", ".", 3, "a.heic", ".heic"))))
    []
    """
    match finding:
        case Unreadable() | WrongLabel() | DoubtfulValue() | Outlier() | PoorPicture():
            yield finding.photo
        case Conflict() | CrossSplit() | Duplicate() | SplitGroup():
            yield from finding.photos
        case AlikeClasses() | LabelsTogether():
            yield from finding.examples
