"""The check: every photo is read once, what cannot be used is listed and left out, the rest goes on."""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from statistics import median

from budwood.core.errors import DataError, ImageError
from budwood.core.label_text import difference_in_words
from budwood.core.progress.base import SILENT, Progress
from budwood.data.decoded import Decoded
from budwood.data.decoder.levels import NOTHING_DEEP, Decision, ValueRange, decide
from budwood.data.enough import (
    different_photos,
    leave_small_classes_out,
    refuse_too_few,
    refuse_too_many_unreadable,
    some_names,
    too_few_classes,
)
from budwood.data.images import content_of, decode, digest
from budwood.data.inspection import Inspection, Look, inspections, look
from budwood.data.kin import find_kin
from budwood.data.label_sets import disputed_labels, without_labels
from budwood.data.manifest import Kin, Manifest, Photo, Problem
from budwood.data.poor_photos import TINY, poor_photos
from budwood.data.stored_image import StoredImage, num_readers
from budwood.data.understood import Understood

_AT_A_TIME = 64
"""Most photos that a thread takes at once: those of one shape share the work of hash and sharpness."""
_SHARES = 4
"""Parts at least that each thread takes of a few photos, so that none waits for another."""


Inspected = tuple[Photo, Inspection] | Problem
"""A photo with its hash and size, and what decoding showed; or why it cannot be used."""
Inspect = Callable[[Sequence[Photo], Callable[[int], None]], list[Inspected]]
"""Finds that of photos, in their order, and tells how many more are done."""


@dataclass(frozen=True)
class Check:
    """Result of the check."""

    photos: tuple[Photo, ...]
    """The photos that can be used, with sha256, width and height filled in."""
    classes: tuple[str, ...]
    """Class names that still have photos, in the order of the source."""
    problems: tuple[Problem, ...]
    num_found: int
    num_unreadable: int
    """Photos that cannot be decoded."""
    understood: Understood = field(default_factory=Understood)
    """How the source was read, before any photo of it was."""
    values: Decision = NOTHING_DEEP
    """Which values are black and white in pictures of more than 8 bits."""
    too_few: str = ""
    """Why `min_photos` leaves fewer than two classes; empty where it does not."""
    inspected: tuple[tuple[Photo, Inspection], ...] = field(default=(), repr=False, compare=False)
    """Every photo that can be decoded, those that are left out too, and what decoding showed."""
    unreadable: tuple[Problem, ...] = field(default=(), repr=False, compare=False)
    """Why each of the photos that cannot be decoded cannot; they are among the problems too."""

    @property
    def hashes(self) -> dict[str, bytes]:
        """Return the perceptual hashes by the names of the photos."""
        return {photo.name: found.hash for photo, found in self.inspected}

    @property
    def warnings(self) -> list[str]:
        """Return what is to be known of the photos that are used, a line for each."""
        lines = list(self.values.lines)
        if pages := sum(problem.kind == "pages" for problem in self.problems):
            lines.append(f"TIFFs of several pages, of which the first is read: {pages:,}")
        return lines

    @property
    def left_out(self) -> list[str]:
        """Return what a training does without, a line for each reason."""
        kinds = Counter(problem.kind for problem in self.problems)
        lines = []
        if self.num_unreadable:
            lines.append(f"cannot be read and left out: {self.num_unreadable:,} of {self.num_found:,} photos")
        if twice := kinds["conflict"] + kinds["leak"]:
            lines.append(
                f"left out, for the same picture stands under another label or in another split: {twice:,}"
            )
        lost = [problem.path for problem in self.problems if problem.kind == "empty_class"]
        if lost:
            lines.append(f"none of its photos can be used, so the class is left out: {some_names(lost)}")
        small = [problem.path for problem in self.problems if problem.kind == "small_class"]
        if small:
            which = "the class is" if len(small) == 1 else f"{len(small):,} classes are"
            lines.append(f"too few photos (data.min_photos), so {which} left out: {some_names(small)}")
        return lines

    def to_json(self) -> dict:
        """Return the content of check.json."""
        return {
            "problems": [asdict(problem) for problem in self.problems],
            "found": self.num_found,
            "kept": len(self.photos),
            "unreadable": self.num_unreadable,
            "understood": _understood_json(self.understood),
            "values": _values_json(self.values),
            "poor": [{"path": one.photo.name, "kind": one.kind} for one in poor_photos(self.inspected)],
        }


def crop_warning(photos: Sequence[Photo], resize: str) -> str | None:
    """Return what to know where cropping leaves less than half of the typical photo, else None.

    >>> crop_warning([Photo(b"", "1", "cat", width=300, height=100)], "crop")
    'the middle square is 33 % of the typical photo, the rest is never seen; data.resize = "pad" or "stretch" keeps all'
    """
    if resize != "crop" or not photos:
        return None
    share = median(min(photo.width, photo.height) / max(photo.width, photo.height, 1) for photo in photos)
    if share >= 0.5:
        return None
    return (
        f"the middle square is {100 * share:.0f} % of the typical photo, the rest is never seen; "
        'data.resize = "pad" or "stretch" keeps all'
    )


def check(
    manifest: Manifest,
    *,
    max_unreadable: float = 0.2,
    for_training: bool = True,
    levels: ValueRange | None = None,
    min_photos: int | None = None,
    inspect: Inspect | None = None,
    progress: Progress = SILENT,
) -> Check:
    """Decode every photo, compare their pixels, and return what can be used and what is wrong.

    Photos that cannot be decoded are left out; so are all copies of a photo that stands under two labels, and the
    train (or else validation) copy of one that stands in two given splits. Exact duplicates under one label and
    photos with a side under 32 pixels are listed and kept. A photo that decoded once is not decoded again.

    Args:
        manifest: what to check.
        max_unreadable: share, in [0, 1], of photos that may be impossible to decode.
        for_training: refuse data from which nothing can be learned; otherwise anything goes.
        levels: the values that are black and white in pictures of more than 8 bits; by default the photos decide.
        min_photos: a class with fewer different photos is left out; by default none is.
        inspect: reads the photos elsewhere; by default this process does, by `inspect_photos`.

    Raises:
        MachineError: memory, the disk or the network failed for good; it says nothing about a photo.
        DataError: more than `max_unreadable` cannot be decoded, fewer than two classes are left, a class has fewer than
            3 different photos to be split, or none in a given train split; or no range of values suits all pictures.
    """
    inspected = _inspect_all(manifest.photos, inspect, progress)
    seen = [one for one in inspected if not isinstance(one, Problem)]
    readable = [photo for photo, _ in seen]
    unreadable = [problem for problem in inspected if isinstance(problem, Problem)]
    if for_training:
        refuse_too_many_unreadable(unreadable, len(inspected), max_unreadable)
    kept, same = _compare(readable)
    before = different_photos(kept)
    kept, small = leave_small_classes_out(kept, min_photos or 0)
    tiny = [
        Problem(photo.name, "tiny", f"only {photo.width} x {photo.height} pixels")
        for photo in kept
        if min(photo.width, photo.height) < TINY
    ]
    held = {label for photo in kept for label in photo.each_label}
    classes = tuple(label for label in manifest.classes if label in held)
    lost = [
        Problem(label, "empty_class", "none of its photos can be used; the class is left out")
        for label in manifest.classes
        if label not in classes and label not in {problem.path for problem in small}
    ]
    if lost and manifest.multi_label:
        gone = {problem.path for problem in lost}
        kept = [without_labels(photo, gone) for photo in kept]
    too_few = too_few_classes(before, min_photos) if min_photos and small and len(classes) < 2 else ""
    if for_training:
        refuse_too_few(kept, classes, too_few)
    several = [
        Problem(photo.name, "pages", f"holds {found.pages} pages; the first is read")
        for photo, found in seen
        if found.pages > 1
    ]
    values, unclear = _decide_values([found for _, found in seen], levels, for_training)
    problems = (*manifest.problems, *unreadable, *same, *tiny, *several, *lost, *small, *unclear)
    return Check(
        tuple(kept),
        classes,
        problems,
        num_found=len(inspected),
        num_unreadable=len(unreadable),
        understood=manifest.understood(),
        values=values,
        too_few=too_few,
        inspected=tuple(seen),
        unreadable=tuple(unreadable),
    )


def refusal(found: Check, max_unreadable: float = 0.2) -> str | None:
    """Return why nothing would be trained on a check made with `for_training=False`; None where it would."""
    if found.num_unreadable > max_unreadable * found.num_found:
        return (
            f"{found.num_unreadable} of {found.num_found} photos cannot be decoded, more than {max_unreadable:.0%}. "
            "Fix or remove them"
        )
    try:
        refuse_too_few(found.photos, found.classes, found.too_few)
    except DataError as error:
        return str(error)
    return None


def _decide_values(
    found: Sequence[Inspection], levels: ValueRange | None, for_training: bool
) -> tuple[Decision, list[Problem]]:
    try:
        return decide([one.samples for one in found], levels), []
    except DataError as error:
        if for_training:
            raise
        return NOTHING_DEEP, [Problem(".", "values", str(error))]


def _understood_json(found: Understood) -> dict:
    values = asdict(found)
    if not found.multi_label:
        for key in ("photos", "multi_label", "unlabelled", "unknown"):
            del values[key]
    if not found.reading.label_columns:
        del values["reading"]["label_columns"]
    return values


def _values_json(values: Decision) -> dict | None:
    if values.range is None:
        return None
    return {"range": [values.range.low, values.range.high], "photos": values.num_deep}


_Looked = tuple[str, Inspection | Look] | Problem


def _inspect_all(photos: Sequence[Photo], inspect: Inspect | None, progress: Progress) -> list[Inspected]:
    with Decoded() as decoded, progress.stage("check", total=len(photos)) as stage:
        if inspect is None:
            results = inspect_photos(photos, decoded, stage.advance)
        else:
            results = inspect(photos, stage.advance)
            _note(results, decoded)
        return _with_kin(results, decoded)


def inspect_photos(
    photos: Sequence[Photo], decoded: Decoded, told: Callable[[int], None] = lambda number: None
) -> list[Inspected]:
    """Decode photos that were not decoded before; return what was found of each, in their order.

    Args:
        photos: any number.
        decoded: the record of those that were; new ones are noted there.
        told: how many more are done.

    Raise MachineError.
    """
    results = []
    threads = num_readers(photos[0].image) if photos else 1
    pool, stop = ThreadPoolExecutor(threads), threading.Event()
    try:
        size = max(8, min(_AT_A_TIME, len(photos) // (_SHARES * threads)))
        some = [photos[at : at + size] for at in range(0, len(photos), size)]
        for found in pool.map(lambda part: _inspect(part, decoded, stop), some):
            results += found
            told(len(found))
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
    return results


def _note(results: Sequence[Inspected], decoded: Decoded) -> None:
    """Note photos that were decoded elsewhere."""
    for one in results:
        if not isinstance(one, Problem):
            photo, found = one
            if isinstance(photo.image, StoredImage) and photo.image.identity is not None:
                decoded.add_object(photo.image.identity, photo.sha256)
            if decoded.get(photo.sha256) is None:
                decoded.add(photo.sha256, found)


def _with_kin(results: list[Inspected], decoded: Decoded) -> list[Inspected]:
    def pixels(photo: Photo) -> str:
        known = decoded.get_pixels(photo.sha256)
        if known is None:
            known = digest(decode(photo.image))
            decoded.add_pixels(photo.sha256, known)
        return known

    seen = [one for one in results if not isinstance(one, Problem)]
    kin = iter(find_kin([photo for photo, _ in seen], [found.hash for _, found in seen], pixels))
    del seen
    # In place, so that a million photos are not there twice.
    for place, one in enumerate(results):
        if not isinstance(one, Problem):
            results[place] = (replace(one[0], kin=next(kin)), one[1])
    return results


def _inspect(photos: Sequence[Photo], decoded: Decoded, stop: threading.Event) -> list[Inspected]:
    looked: list[_Looked] = []
    try:
        for photo in photos:
            if stop.is_set():
                break
            looked.append(_look(photo, decoded))
    finally:
        # What was decoded is noted, whatever became of the next one.
        results = _settled(photos[: len(looked)], looked, decoded)
    return results


def _settled(photos: Sequence[Photo], looked: Sequence[_Looked], decoded: Decoded) -> list[Inspected]:
    new = [one[1] for one in looked if not isinstance(one, Problem)]
    shown = iter(inspections([found for found in new if isinstance(found, Look)]))
    results: list[Inspected] = []
    for photo, one in zip(photos, looked, strict=True):
        if isinstance(one, Problem):
            results.append(one)
            continue
        sha256, found = one
        if isinstance(found, Look):
            found = next(shown)
            decoded.add(sha256, found)
        kin = Kin(taken=found.taken)
        usable = replace(photo, sha256=sha256, width=found.width, height=found.height, kin=kin)
        results.append((usable, found))
    return results


def _look(photo: Photo, decoded: Decoded) -> _Looked:
    identity = photo.image.identity if isinstance(photo.image, StoredImage) else None
    if identity is not None and (known := decoded.get_object(identity)) and (found := decoded.get(known)):
        # Of an object that is as it was: it is not fetched again.
        return known, found
    try:
        # It may come from afar: once.
        image = content_of(photo.image)
        sha256 = digest(image)
        if identity is not None:
            decoded.add_object(identity, sha256)
        return sha256, decoded.get(sha256) or look(image)
    except ImageError as error:
        return Problem(photo.name, error.kind, error.fault)


def _compare(photos: Sequence[Photo]) -> tuple[list[Photo], list[Problem]]:
    """Return the photos to keep, and what is wrong among photos of the same content."""
    copies = defaultdict(list)
    for photo in photos:
        copies[photo.kin.equal].append(photo)
    dropped: set[str] = set()
    problems = []
    for same in copies.values():
        if len(same) == 1:
            continue
        splits = {photo.split for photo in same}
        home = next((split for split in ("test", "validation", "train") if split in splits), None)
        if disputed_labels(same):
            for photo in same:
                detail = f"{_other_labels(photo, same)}; all are left out"
                problems.append(Problem(photo.name, "conflict", detail))
                dropped.add(photo.name)
            continue
        first = next(photo for photo in same if photo.split == home)
        for photo in same:
            if photo.split != home:
                detail = f"the same picture is in {home}, as {first.name!r}; left out of {photo.split}"
                problems.append(Problem(photo.name, "leak", detail))
                dropped.add(photo.name)
            elif photo is not first:
                problems.append(Problem(photo.name, "duplicate", f"the same picture as {first.name!r}; kept"))
    return [photo for photo in photos if photo.name not in dropped], problems


def _other_labels(photo: Photo, same: Sequence[Photo]) -> str:
    """Return under which labels the same picture stands besides."""
    others = [other for other in same if other is not photo]
    if photo.labels is None:
        names = some_names(f"{other.name!r} ({other.label})" for other in others)
        return f"the same picture stands under another label too: {names}"
    differ = [(other, difference_in_words(photo.label, other.label)) for other in others]
    # One that agrees with it, or of which that is unknown, may be among those of which others disagree.
    names = some_names(f"{other.name!r} ({difference})" for other, difference in differ if difference)
    if not names:
        return "copies of the same picture contradict one another in their labels"
    return f"the same picture has other labels too: {names}"
