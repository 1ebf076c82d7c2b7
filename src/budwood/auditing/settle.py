"""Decisions followed: the photos as they were decided, and the findings that are answered."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from budwood.auditing.decisions import OF_LABELS, OF_PAIRS, Decision, Verdict
from budwood.auditing.findings import (
    Conflict,
    CrossSplit,
    DoubtfulValue,
    Duplicate,
    Finding,
    Outlier,
    PoorPicture,
    Unreadable,
    WrongLabel,
    photos_of,
)
from budwood.auditing.relabel import by_photo, is_idle, refuse_bad_labels, relabelled
from budwood.auditing.result import Audit, Decided
from budwood.core.errors import DataError, ImageError
from budwood.core.text import shown
from budwood.data.images import content_of, digest
from budwood.data.kin import joined
from budwood.data.label_sets import only_of
from budwood.data.manifest import Manifest, Photo

EQUAL = ("bytes", "pixels")
"""How photos were told to be the same, where there is no doubt."""


@dataclass(frozen=True)
class Settled:
    """Photos as they were decided."""

    manifest: Manifest
    """Without what is dropped, with the labels and groups that were decided."""
    decisions: tuple[Decision, ...]
    """Those that hold: of photos that are there, and have not changed since."""
    dropped: tuple[str, ...]
    relabelled: Mapping[str, str]
    """By photo its label before."""
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()
    """The lines of rows without effect: they add a label that the photo has, or remove one that it lacks."""

    def answers(self, finding: Finding) -> bool:
        """Return whether a finding was decided, so that it need not be listed again."""
        names = {photo.path for photo in photos_of(finding)}
        own = [
            one
            for one in self.decisions
            if one.finding in ("", finding.kind) and (one.photo in names or one.other in names)
        ]
        kept = {one.photo for one in own if one.verdict == "keep"}
        match finding:
            case WrongLabel():
                return any(one.verdict in ("keep", "relabel") for one in own)
            case DoubtfulValue():
                return _is_answered(finding, own, self.decisions)
            case Unreadable() | Outlier() | PoorPicture():
                return bool(kept)
            case Conflict():
                # Of one label alone: a picture cannot stay under two.
                labels = {photo.label for photo in finding.photos if photo.path in kept}
                return len(labels) == 1 or (finding.by not in EQUAL and _paired(names, own, OF_PAIRS))
            case CrossSplit() | Duplicate():
                # Equal pixels cannot be different.
                return bool(kept) or _paired(names, own, ("same",) if finding.by in EQUAL else OF_PAIRS)
        return False

    def judge(self, audit: Audit) -> Audit:
        """Return an audit of the photos as decided without the findings that were answered."""
        left = tuple(one for one in audit.findings if not self.answers(one))
        answered = Counter(one.kind for one in audit.findings) - Counter(one.kind for one in left)
        decided = Decided(
            dropped=len(self.dropped),
            relabelled=len(self.relabelled),
            joined=len({one.pair for one in self.decisions if one.verdict == "same"}),
            answered=dict(sorted(answered.items())),
            changed=self.changed,
            gone=self.gone,
            idle=self.idle,
        )
        return replace(audit, findings=left, decided=decided)


def _is_answered(finding: DoubtfulValue, own: Sequence[Decision], decisions: Sequence[Decision]) -> bool:
    """Return whether one label of a photo was decided: kept, or changed by whatever row."""
    kept = any(
        one.verdict == "keep" and (not one.finding or not one.label or finding.label in one.named)
        for one in own
    )
    # The whole set was decided, or this label.
    return kept or any(
        one.photo == finding.photo.path
        and (one.verdict == "relabel" or (one.verdict in OF_LABELS and finding.label in one.named))
        for one in decisions
    )


def _paired(names: set[str], decisions: Sequence[Decision], verdicts: Sequence[Verdict]) -> bool:
    """Return whether each of some photos is in a pair of them that was decided so."""
    pairs = [one.pair for one in decisions if one.verdict in verdicts and one.pair <= names]
    return names == {name for pair in pairs for name in pair}


def settle(manifest: Manifest, decisions: Sequence[Decision]) -> Settled:
    """Follow decisions. The files of the photos that they name are read, to see whether they are still the same.

    Raises:
        DataError: a photo is not in the data, and the row has no hash that would show that it once was; a label is none
            of the data's, or one of several where each photo has one class.
    """
    photos = {photo.name: photo for photo in manifest.photos}
    gone = _gone(decisions, photos)
    refuse_bad_labels(decisions, manifest.classes, manifest.multi_label)
    there = [one for one in decisions if gone.isdisjoint(one.pair)]
    changed = _changed(there, photos)
    held = tuple(one for one in there if changed.isdisjoint(one.pair))
    dropped = {one.photo for one in held if one.verdict == "drop"}
    changes = by_photo(held)
    kept = [
        relabelled(photo, changes.get(photo.name, ()))
        for photo in _grouped(manifest.photos, held)
        if photo.name not in dropped
    ]
    return Settled(
        only_of(manifest, kept),
        held,
        tuple(name for name in photos if name in dropped),
        {photo.name: photos[photo.name].label for photo in kept if photos[photo.name].label != photo.label},
        tuple(sorted(changed)),
        tuple(sorted(gone)),
        tuple(one.where for one in held if is_idle(photos[one.photo], one)),
    )


def _gone(decisions: Iterable[Decision], photos: Mapping[str, Photo]) -> set[str]:
    """Return the photos that are not there any more. Raise DataError where nothing says that one ever was."""
    gone = set()
    for one in decisions:
        for name, known in ((one.photo, one.sha256), (one.other, one.other_sha256)):
            if not name or name in photos:
                continue
            if not known:
                raise DataError(
                    f"{one.where}: {shown(name)!r} is not in the data. Expected a photo's name as the audit writes it, "
                    f"such as {shown(next(iter(photos), 'roses/1.jpg'))!r}.{_nearest(name, photos)}"
                )
            gone.add(name)
    return gone


def _nearest(name: str, photos: Iterable[str]) -> str:
    own = PurePosixPath(name.strip().replace("\\", "/")).name
    same = [photo for photo in photos if PurePosixPath(photo).name == own]
    return f" Did you mean {shown(same[0])}?" if same else ""


def _changed(decisions: Iterable[Decision], photos: Mapping[str, Photo]) -> set[str]:
    known = {one.photo: one.sha256 for one in decisions if one.sha256}
    known |= {one.other: one.other_sha256 for one in decisions if one.other_sha256}
    return {name for name, sha256 in known.items() if not _digest(photos[name]).startswith(sha256)}


def _digest(photo: Photo) -> str:
    if photo.sha256:
        return photo.sha256
    try:
        return digest(content_of(photo.image))
    except ImageError:
        return ""


def _grouped(photos: Sequence[Photo], decisions: Iterable[Decision]) -> list[Photo]:
    """Return the photos, those of pairs that are the same in one group, with what was in a group with them."""
    pairs = [(one.photo, one.other) for one in decisions if one.verdict == "same"]
    if not pairs:
        return list(photos)
    place = {photo.name: number for number, photo in enumerate(photos)}
    groups: dict[str, list[int]] = defaultdict(list)
    for number, photo in enumerate(photos):
        if photo.group:
            groups[photo.group].append(number)
    links = [(place[one], place[other]) for one, other in pairs]
    links += [(members[0], number) for members in groups.values() for number in members]
    roots = joined(len(photos), links)
    sizes = Counter(roots)
    names: dict[int, str] = {}
    for number, root in enumerate(roots):
        if group := photos[number].group:
            names[root] = min(group, names.get(root, group))
    taken = set(groups)

    def name(root: int) -> str:
        if root not in names:
            own = f"same as {photos[root].name}"
            while own in taken:
                own += "'"
            names[root] = own
        return names[root]

    return [
        replace(photo, group=name(root)) if sizes[root] > 1 else photo
        for photo, root in zip(photos, roots, strict=True)
    ]
