"""The table of decisions as it is written: a row for each finding that a decision about photos would answer."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from budwood.auditing.decisions import delimiter_of, is_above_header, read_rows
from budwood.auditing.findings import (
    Conflict,
    CrossSplit,
    DoubtfulValue,
    Duplicate,
    Finding,
    Outlier,
    PoorPicture,
    Shown,
    Unreadable,
    WrongLabel,
)
from budwood.auditing.result import Audit
from budwood.auditing.words import evidence
from budwood.core.files import write_text
from budwood.core.label_text import difference_in_words
from budwood.core.text import NO_BREAK

COLUMNS = (
    "decision",
    "photo",
    "labelled",
    "label",
    "other",
    "finding",
    "evidence",
    "sha256",
    "other_sha256",
    "choices",
)
"""It begins with the decision, so that no file's name begins a comment, and ends with what can be decided."""
SHA256_LENGTH = 16
"""Hexadecimal digits of a photo's hash: enough to see that it has changed."""


ANSWERS = {
    "missing_label": "add, keep, unknown or drop",
    "extra_label": "remove, keep, unknown or drop",
    "unknown_label": "add, remove, keep or drop",
}
"""What can be decided of one label of a photo."""


def key_of(finding: str, photo: str, other: str, label: str) -> tuple[str, str, str]:
    """Return what tells a row from others: of a photo's labels each is asked for by itself."""
    return finding, photo, label if finding in ANSWERS else other


@dataclass(frozen=True, slots=True)
class Question:
    """A row that waits for a decision."""

    photo: str
    labelled: str
    finding: str
    evidence: str = ""
    label: str = ""
    """What it may be, as a proposal for `relabel`."""
    other: str = ""
    sha256: str = ""
    other_sha256: str = ""

    @property
    def choices(self) -> str:
        """Return what can be decided, as help for whoever fills the table in."""
        if self.finding in ANSWERS:
            return ANSWERS[self.finding]
        return "keep, drop, relabel, same or different" if self.other else "keep, drop or relabel"

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what tells it from others."""
        return key_of(self.finding, self.photo, self.other, self.label)


def questions_of(audit: Audit) -> list[Question]:
    """Return the rows for the findings of an audit, in their order; files whose name is no text have none."""
    hashes = {photo.name: photo.sha256[:SHA256_LENGTH] for photo in audit.photos}
    rows = []
    for finding in audit.findings:
        for photo, other, label in _of(finding):
            name = other.path if other else ""
            if any("\ud800" <= char <= "\udfff" for char in photo.path + name):
                continue
            rows.append(
                Question(
                    photo.path,
                    photo.label,
                    finding.kind,
                    evidence(finding, audit.several).replace(NO_BREAK, " "),
                    label,
                    name,
                    hashes.get(photo.path, ""),
                    hashes.get(name, ""),
                )
            )
    return rows


def _of(finding: Finding) -> Iterator[tuple[Shown, Shown | None, str]]:
    """Yield the photo, the other photo and the label that is proposed of each row of a finding."""
    match finding:
        case WrongLabel():
            yield finding.photo, None, finding.suggested
        case DoubtfulValue():
            yield finding.photo, None, finding.label
        case Unreadable() | Outlier() | PoorPicture():
            yield finding.photo, None, ""
        case Conflict() if finding.kind == "label_conflict":
            for photo in finding.photos:
                others = (one for one in finding.photos if difference_in_words(photo.label, one.label))
                if (against := next(others, None)) is not None:
                    yield photo, against, against.label
        case Conflict():
            for photo in finding.photos:
                other = next(one for one in finding.photos if one.label != photo.label)
                yield photo, other, other.label
        case CrossSplit():
            # Any of them may be the one to drop.
            yield finding.photos[0], finding.photos[1], ""
            for photo in finding.photos[1:]:
                yield photo, finding.photos[0], ""
        case Duplicate():
            for other in finding.photos[1:]:
                yield finding.photos[0], other, ""


def write_questions(path: Path, questions: Iterable[Question]) -> int:
    """Write a table of questions, or add those that are new to one that is there; return how many were written.

    What stands in a table that is there stays as it is. Raise DataError where it is no table of decisions.
    """
    if not path.exists():
        rows = list(questions)
        write_text(path, _as_text(rows, COLUMNS, ",", header=True))
        return len(rows)
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    there = {
        key_of(
            row.get("finding", "").strip(), row["photo"], row.get("other", ""), row.get("label", "").strip()
        )
        for _, row in read_rows(path)
    }
    new = [one for one in questions if one.key not in there]
    if new:
        lines = text.removeprefix("\ufeff").splitlines()
        first = next(line for line in lines if not is_above_header(line))
        delimiter = delimiter_of(first)
        header = [name.strip().lower() for name in next(csv.reader([first], delimiter=delimiter))]
        end = "" if text.endswith("\n") else "\n"
        write_text(path, text + end + _as_text(new, header, delimiter))
    return len(new)


def _as_text(rows: Iterable[Question], columns: Sequence[str], delimiter: str, header: bool = False) -> str:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    if header:
        writer.writerow(columns)
    for row in rows:
        values = {"decision": "", **asdict(row), "choices": row.choices}
        fields = [values.get(name, "") for name in columns]
        # A name of a file may begin as a comment does, or hold what ends a line.
        if str(fields[0]).startswith("#") or any("\r" in str(one) for one in fields):
            csv.writer(file, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow(fields)
        else:
            writer.writerow(fields)
    return file.getvalue()
