"""The photos without what is wrong with them beyond doubt, and as was decided: what `--fix` writes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from budwood.auditing.findings import Conflict, CrossSplit, Duplicate, Unreadable
from budwood.auditing.result import Audit
from budwood.auditing.settle import EQUAL, Settled
from budwood.core.errors import DataError
from budwood.core.progress.base import SILENT, Progress
from budwood.core.text import count, listing, shorten, shown
from budwood.data.image_ref import ImageFile
from budwood.data.label_sets import only_of
from budwood.data.manifest import Manifest, Photo
from budwood.data.manifest_files import write_manifest

_REASONS = {
    "dropped": "decided to be dropped",
    "unreadable": "cannot be read",
    "conflict": "the same picture stands under another label",
    "cross_split": "the same picture is in another split",
    "duplicate": "an exact copy of another under the same label",
}
"""Why a photo is left out, the first that holds."""
_OF_LABELS = {
    "conflict": "the same picture has other labels",
    "duplicate": "an exact copy of another with the same labels",
}
"""The same, of photos with several labels."""


@dataclass(frozen=True)
class Cleaned:
    """A cleaned manifest, and the photos that were left out of it by reason."""

    manifest: Manifest
    left_out: Mapping[str, tuple[str, ...]]
    """By reason the names of photos, each once."""
    relabelled: Mapping[str, str]
    """By photo its label before."""
    joined: int
    """Pairs that are in one group by decision."""
    undecided: int
    """Likely wrong labels, or values of labels, that nobody decided; they stay as they are."""
    alike: int
    """Pictures in several splits that are alike, not equal, and that nobody decided; they stay as they are."""
    lost_classes: tuple[str, ...]
    """Classes of which no photo is left."""

    @property
    def found(self) -> int:
        """Return how many photos there were."""
        return len(self.manifest.photos) + sum(len(names) for names in self.left_out.values())

    def as_lines(self) -> list[str]:
        """Return in words what was left out and changed."""
        lines = [f"{len(self.manifest.photos):,} of {count(self.found, 'photo')} kept"]
        several = self.manifest.multi_label
        reasons = {**_REASONS, **(_OF_LABELS if several else {})}
        for reason, names in self.left_out.items():
            some = ", ".join(shorten(shown(name), 60) for name in names[:3])
            more = ", ..." if len(names) > 3 else ""
            lines.append(f"left out, {reasons[reason]}: {len(names):,} ({some}{more})")
        if self.relabelled:
            lines.append(f"relabelled: {len(self.relabelled):,}")
        if self.joined:
            lines.append(f"put into one group: {count(self.joined, 'pair')}")
        if self.undecided:
            doubtful = ("label in doubt", "labels in doubt") if several else ("likely wrong label",)
            lines.append(f"unchanged, for nobody decided: {count(self.undecided, *doubtful)}")
        if self.alike:
            what = count(self.alike, "picture that is alike", "pictures that are alike")
            lines.append(f"unchanged, for nobody decided: {what} in several splits")
        if self.lost_classes:
            lines.append(f"no photo is left of {listing([repr(shown(one)) for one in self.lost_classes])}")
        return lines


def clean(audit: Audit, settled: Settled) -> Cleaned:
    """Leave out what is wrong beyond doubt.

    That is what cannot be read, all photos of one picture under several labels unless one of the labels was decided,
    copies in a given split that a training does without, and of exact copies under one label all but one.

    Args:
        audit: of the photos as they were decided, with all its findings.
        settled: those photos, and what was decided.
    """
    reasons: dict[str, list[str]] = {reason: [] for reason in _REASONS}
    reasons["dropped"] += settled.dropped
    gone: set[str] = set()
    for reason, name in sorted(_reasons(audit, settled), key=lambda one: list(_REASONS).index(one[0])):
        if name not in gone:
            reasons[reason].append(name)
            gone.add(name)
    photos = tuple(photo for photo in settled.manifest.photos if photo.name not in gone)
    kept = only_of(settled.manifest, photos)
    return Cleaned(
        kept,
        {reason: tuple(names) for reason, names in reasons.items() if names},
        {name: label for name, label in settled.relabelled.items() if name not in gone},
        len({one.pair for one in settled.decisions if one.verdict == "same" and gone.isdisjoint(one.pair)}),
        sum(not settled.answers(one) for one in audit.of("wrong_label", "missing_label", "extra_label")),
        sum(
            isinstance(one, CrossSplit)
            and not settled.answers(one)
            and sum(photo.path not in gone for photo in one.photos) > 1
            for one in audit.findings
        ),
        tuple(label for label in settled.manifest.classes if label not in kept.classes),
    )


def _reasons(audit: Audit, settled: Settled) -> Iterator[tuple[str, str]]:
    """Yield why photos are to be left out, and their names."""
    keeps = [one for one in settled.decisions if one.verdict == "keep"]
    for finding in audit.findings:
        match finding:
            case Unreadable():
                yield "unreadable", finding.photo.path
            case Conflict() if finding.by != "features":
                names = {photo.path: photo.label for photo in finding.photos}
                kept = [
                    one.photo for one in keeps if one.photo in names and one.finding in ("", finding.kind)
                ]
                right = {names[name] for name in kept}
                if len(right) != 1 and settled.answers(finding):
                    continue
                for name, label in names.items():
                    is_copy = finding.by in EQUAL and name != min(kept, default="")
                    if len(right) != 1 or label not in right or is_copy:
                        yield "conflict", name
            case CrossSplit():
                for name in finding.left_out:
                    yield "cross_split", name
            case Duplicate() if finding.by in EQUAL:
                names = {photo.path: photo.label for photo in finding.photos}
                if not any(one.photo in names and one.finding == "duplicate" for one in keeps):
                    for name in list(names)[1:]:
                        yield "duplicate", name


def write_cleaned(
    cleaned: Cleaned,
    output: Path,
    *,
    source: str,
    reads: Sequence[Path] = (),
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Path:
    """Write what is left as a manifest, and return the file.

    Args:
        cleaned: what is left.
        output: the table; its ending says which.
        source: what was read; it is not written over.
        reads: other files that were read and are not written over, such as the decisions.
        overwrite: write over another file that exists.
        progress: what to tell meanwhile.

    Raises:
        DataError: the output was read, is there already or cannot be written.
    """
    refuse_output(output, cleaned.manifest.photos, source, reads, overwrite)
    return write_manifest(cleaned.manifest, output, source=source, overwrite=overwrite, progress=progress)


def refuse_output(
    output: Path, photos: Sequence[Photo], source: str, reads: Sequence[Path], overwrite: bool
) -> None:
    """Raise DataError where a table cannot be written there; before an audit, for it may take long."""
    if output.suffix.lower() not in (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"):
        raise DataError(
            f"--fix writes a table, and {output} has another ending. Give photos.csv, or .tsv, .jsonl, .parquet"
        )
    if output.is_dir():
        raise DataError(f"{output} is a folder. Give a file for --fix, such as {output / 'photos.csv'}")
    if not output.exists():
        return
    read = [Path(source), *reads] if source else list(reads)
    if any(path.exists() and output.samefile(path) for path in read):
        raise DataError(
            f"{output} is what was read. Give another file for --fix, so that nothing of it is lost"
        )
    for photo in photos:
        image = photo.image
        if isinstance(image, ImageFile | Path) and image.name == output.name and output.samefile(image):
            raise DataError(f"{output} is a photo of the data. Give another file for --fix")
    if not overwrite:
        raise DataError(f"{output} is there already. Give another name, or --overwrite")
