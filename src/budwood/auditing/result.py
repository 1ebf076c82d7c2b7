"""The result of an audit: its findings, what was looked at, and what decisions changed; the content of audit.json."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from budwood.auditing.findings import Finding
from budwood.core.files import JsonObject
from budwood.data.manifest import Photo
from budwood.data.understood import Understood

FORMAT = 1
"""The format of audit.json. It rises when that changes so that an older version would misread it."""

if TYPE_CHECKING:
    Photos = tuple[Photo, ...]
else:
    # Of a picture in memory there is no schema.
    Photos = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Numbers of photos of an audited source, and of the groups that they form."""

    found: int
    """Photos that the source lists."""
    readable: int
    usable: int
    """Readable photos without those that `train` leaves out."""
    groups: int
    """Groups that the usable photos form; a photo like no other is a group by itself."""
    classes: Mapping[str, Mapping[str, int]]
    """By class, the usable photos by given split; those without one under an empty string."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """What a network said of the photos."""

    backbone: str
    computed: int
    """Views that were sent through it."""
    stored: int
    """Views whose features the store had."""
    accuracy: float
    """Out of fold, of all usable photos: as far as the labels can be believed."""
    interval: tuple[float, float] | None
    num_photos: int
    folds: int
    strength: float
    """Of the L2 penalty of the linear head."""


@dataclass(frozen=True, kw_only=True)
class LabelsNetwork:
    """The network that asked about the labels, and how often its answers agree with the data."""

    backbone: str
    computed: int
    """Views that were sent through it."""
    stored: int
    """Views whose features the store had."""
    exact_match: float
    """Out of fold, of all usable photos: the share of which every known label is answered as given, with a probability
    of 0.5 as the threshold."""
    interval: tuple[float, float] | None
    num_photos: int
    """The number of photos with an out-of-fold answer for every known label."""
    folds: int
    strengths: Mapping[str, float]
    """By label, of the L2 penalty of its logistic regression."""
    not_asked: tuple[str, ...]
    """Labels that too few photos have, or lack, to hold any out."""
    commonest: str
    """The set of labels that most photos have, in one text."""
    share_of_commonest: float
    """The share of the photos with that set: whoever always says it is right so often."""


@dataclass(frozen=True, kw_only=True)
class Decided:
    """What a table of decisions changed."""

    dropped: int
    """Photos that were left out before anything was looked at."""
    relabelled: int
    joined: int
    """Pairs that were put into one group."""
    answered: Mapping[str, int]
    """By kind, the findings that were decided and are not listed."""
    changed: tuple[str, ...] = ()
    """Photos whose bytes are others than when they were decided; what was decided about them does not count."""
    gone: tuple[str, ...] = ()
    """Photos that are no longer in the data."""
    idle: tuple[str, ...] = ()
    """The lines of rows without effect: they add a label that the photo has, or remove one that it lacks."""


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The result of an audit."""

    source: str
    """Name of the data set."""
    understood: Understood
    counts: Counts
    findings: tuple[Finding, ...]
    """Ordered by severity, then by kind, then by how certain they are."""
    network: Network | LabelsNetwork | None = None
    """None where none was asked."""
    no_network: str = ""
    """Why none was: empty where that was wished, or a sentence."""
    decided: Decided | None = None
    """None where no decisions were given."""
    photos: Photos = field(default=(), repr=False, compare=False)
    """Every photo that the source lists, so that findings can be shown; not in the JSON."""
    format: int = FORMAT

    @property
    def several(self) -> bool:
        """Return whether a photo may have several labels."""
        return self.understood.multi_label

    def of(self, *kinds: str) -> list[Finding]:
        """Return the findings of some kinds."""
        return [one for one in self.findings if one.kind in kinds]

    @property
    def errors(self) -> list[Finding]:
        """Return the findings that make a figure false."""
        return [one for one in self.findings if one.severity == "error"]

    def photo(self, path: str) -> Photo:
        """Return a photo by its path. Raise KeyError."""
        if not hasattr(self, "_by_path"):
            object.__setattr__(self, "_by_path", {photo.name: photo for photo in self.photos})
        return self._by_path[path]  # type: ignore[attr-defined]

    def to_json(self) -> JsonObject:
        """Return the content of audit.json."""
        values = _ADAPTER.dump_python(self, mode="json", exclude={"photos"})
        return {"format": values.pop("format"), **values}

    @classmethod
    def from_json(cls, values: Any) -> "Audit":
        """Read what `to_json` gave; it has no photos to show. Raise ValueError."""
        return _ADAPTER.validate_python({**values, "photos": ()})


_ADAPTER = TypeAdapter(Audit)
