"""What a person decided about findings: a table, written with a row for each finding, filled in and read back.

A row says `keep`, `drop` or `relabel` of one photo, or `same` or `different` of two; of a photo with several labels
also `add`, `remove` or `unknown` of some of them. A row without a decision says nothing, and so does a line that begins
with #. Above the row of names, where earlier versions wrote such lines, they are known too as spreadsheets save them:
in quotes, with empty fields behind.
"""

import csv
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from budwood.auditing.findings import KINDS, ValueKind
from budwood.core.errors import DataError, did_you_mean
from budwood.core.label_text import SEPARATOR, UNKNOWN
from budwood.core.text import count, shown
from budwood.data.kin import joined
from budwood.data.sources.delimited import decoded

Verdict = Literal["keep", "drop", "relabel", "add", "remove", "unknown", "same", "different"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
OF_PAIRS: tuple[Verdict, ...] = ("same", "different")
OF_LABELS: tuple[Verdict, ...] = ("add", "remove", "unknown")
"""Of single labels of a photo that may have several."""
OF_VALUES: tuple[ValueKind, ...] = get_args(ValueKind)
"""Kinds of findings about one label of a photo."""
DELIMITERS = ",;\t"
_ABOVE = re.compile(r'"?#.*|sep=.\s*|[\s,;"]*', re.DOTALL)
_HEX = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True, slots=True)
class Decision:
    """One filled row."""

    photo: str
    """As the manifest names it."""
    verdict: Verdict
    other: str = ""
    """The second photo of a pair."""
    label: str = ""
    """For "relabel" the right label, or all labels of the photo in one text; for "add", "remove" and "unknown" the
    labels to add, to take away or to mark; for "keep" the label of the finding."""
    finding: str = ""
    """The kind of finding that is answered; empty for all of the photo."""
    sha256: str = ""
    """The beginning of the photo's SHA-256 when it was decided; empty where the table does not say."""
    other_sha256: str = ""
    where: str = field(default="", compare=False)
    """For messages, such as "decisions.csv, line 3"."""

    @property
    def pair(self) -> frozenset[str]:
        """Return the names of both photos."""
        return frozenset((self.photo, self.other))

    @property
    def named(self) -> frozenset[str]:
        """Return the labels of "add", "remove" and "unknown", or the one that was asked for."""
        return frozenset(part.strip() for part in self.label.split(SEPARATOR) if part.strip())


def read_decisions(path: Path) -> tuple[Decision, ...]:
    """Return the filled rows of a table. Raise DataError where one cannot be followed or two are in contradiction."""
    decisions = [
        decision for where, row in read_rows(path) if (decision := _decision(row, where)) is not None
    ]
    _refuse_contradictions(decisions)
    return tuple(decisions)


def read_rows(path: Path) -> list[tuple[str, Mapping[str, str]]]:
    """Return the rows of a table, filled or not, each with where it stands. Raise DataError where it is none."""
    try:
        with open(path, "rb") as file:
            return list(_rows(decoded(file, str(path)), str(path)))
    except OSError as error:
        raise DataError(
            f"cannot read {path} ({error.strerror or error}). Expected a table of decisions"
        ) from error


def _rows(lines: Iterator[str], title: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield each row with the line in which it ends."""
    numbers: list[int] = []
    kept = _without_comments(lines, numbers)
    first = next(kept, None)
    if first is None:
        raise DataError(f"{title} is empty. Expected a first row with the columns photo and decision")
    reader = csv.reader(itertools.chain([first], kept), delimiter=delimiter_of(first), strict=True)
    header: list[str] = []
    try:
        for fields in reader:
            where = f"{title}, line {numbers[-1]}"
            if not header:
                header = [name.strip().lower() for name in fields]
                _refuse_header(header, title)
            elif any(one.strip() for one in fields):
                if len(fields) <= max(header.index("photo"), header.index("decision")):
                    raise DataError(
                        f"{where}: {count(len(fields), 'field')}, and the first row names "
                        f"{count(len(header), 'column')}. Expected at least a photo and a decision"
                    )
                if any(fields[len(header) :]):
                    raise DataError(
                        f"{where}: {count(len(fields), 'field')}, and the first row names "
                        f"{count(len(header), 'column')}. A field that holds the delimiter has to stand in quotes"
                    )
                yield where, dict(itertools.zip_longest(header, fields[: len(header)], fillvalue=""))
    except csv.Error as error:
        raise DataError(f"{title}, line {numbers[-1]}: it cannot be read as a row ({error})") from error


def _without_comments(lines: Iterator[str], numbers: list[int]) -> Iterator[str]:
    """Yield the lines that are no comments and not empty, and note the number of each when it is asked for."""
    quoted = False
    for number, line in enumerate(lines, 1):
        if not numbers and is_above_header(line):
            continue
        if not quoted and (line.startswith("#") or not line.strip()):
            continue
        quoted ^= line.count('"') % 2 == 1
        numbers.append(number)
        yield line


def is_above_header(line: str) -> bool:
    """Return whether a line is none of a table that could name its columns.

    >>> [is_above_header(line) for line in ('"# Fill in, drop";;', "sep=;", ",,", "decision,photo")]
    [True, True, True, False]
    """
    return _ABOVE.fullmatch(line) is not None


def delimiter_of(first: str) -> str:
    """Return the delimiter by which a first row names the columns that are needed."""
    for delimiter in DELIMITERS:
        names = [name.strip().strip('"').lower() for name in first.split(delimiter)]
        if "photo" in names and "decision" in names:
            return delimiter
    return max(DELIMITERS, key=first.count)


def _refuse_header(header: Sequence[str], title: str) -> None:
    for needed in ("photo", "decision"):
        if needed not in header:
            found = f"They are {', '.join(shown(name[:40]) for name in header[:10])}"
            raise DataError(
                f"{title} has no column {needed!r}. {found}. Expected photo and decision; other, label and finding "
                "where they are needed"
            )
    if twice := next((name for name in header if name and header.count(name) > 1), None):
        raise DataError(f"{title} has the column {shown(twice)!r} twice. Expected each once")


def _decision(row: Mapping[str, str], where: str) -> Decision | None:
    word = row["decision"].strip().lower()
    if not word:
        return None
    verdict = next((one for one in VERDICTS if one == word), None)
    if verdict is None:
        raise DataError(
            f"{where}: {shown(word[:40])!r} is no decision. Expected one of {', '.join(VERDICTS)}, or nothing."
            f"{did_you_mean(word, VERDICTS)}"
        )
    values = {name: row.get(name, "").strip() for name in ("finding", "sha256", "other_sha256")}
    photo, other = row["photo"], row.get("other", "")
    # The label stands in the table before anything is decided, as a proposal.
    about_label = verdict in ("relabel", *OF_LABELS) or (verdict == "keep" and values["finding"] in OF_VALUES)
    label = row.get("label", "").strip() if about_label else ""
    _refuse_row(verdict, photo, other, label, values, where)
    if verdict not in OF_PAIRS:
        values["other_sha256"] = other = ""
    return Decision(photo, verdict, other, label, where=where, **values)


def _refuse_row(
    verdict: str, photo: str, other: str, label: str, values: Mapping[str, str], where: str
) -> None:
    if not photo.strip():
        raise DataError(f"{where}: {verdict} of no photo. Expected its name in the column photo")
    if verdict in OF_PAIRS and not other.strip():
        raise DataError(f"{where}: {verdict} needs two photos. Expected the second in the column other")
    if verdict in OF_PAIRS and other == photo:
        raise DataError(f"{where}: {shown(photo)!r} stands there as both photos of a pair. Expected two")
    if verdict == "relabel" and not label:
        raise DataError(
            f"{where}: {shown(photo)!r} is to be relabelled, and the column label says not as what. Expected a label, "
            "or all labels of the photo; of none of them, remove each"
        )
    if verdict in OF_LABELS and not label:
        raise DataError(
            f"{where}: {verdict} of no label of {shown(photo)!r}. Expected its name in the column label"
        )
    _refuse_other_meaning(verdict, values["finding"], where)
    if values["finding"] and values["finding"] not in KINDS:
        raise DataError(
            f"{where}: {shown(values['finding'][:40])!r} is no kind of finding. Expected one of {', '.join(KINDS)}, or "
            f"nothing for all of the photo.{did_you_mean(values['finding'], KINDS)}"
        )
    for column in ("sha256", "other_sha256"):
        if values[column] and not _HEX.fullmatch(values[column]):
            raise DataError(
                f"{where}: {column} is {shown(values[column][:20])!r}. Expected hexadecimal digits, as they were "
                "written, or nothing"
            )


def _refuse_other_meaning(verdict: str, finding: str, where: str) -> None:
    """Raise DataError where the column label means one label and a decision all of them, or the other way round."""
    own = "Expected {} here; anything else in a row of your own with photo, decision and label"
    if verdict == "relabel" and finding in OF_VALUES:
        raise DataError(
            f"{where}: relabel says all labels of a photo, and this row is about one. "
            f"{own.format('add, remove or unknown')}"
        )
    if verdict in OF_LABELS and finding == "label_conflict":
        raise DataError(
            f"{where}: {verdict} is about some labels of a photo, and this row proposes all of them. "
            f"{own.format('keep, drop or relabel')}"
        )


def _refuse_contradictions(decisions: Sequence[Decision]) -> None:
    decided: dict[str, list[Decision]] = {}
    for one in decisions:
        if one.verdict not in OF_PAIRS:
            for before in decided.setdefault(one.photo, []):
                if not _agree(before, one):
                    raise DataError(
                        f"{one.where}: {shown(one.photo)!r} is to be {_word(one)}, and in "
                        f"{before.where.rpartition(', ')[2]} it is to be {_word(before)}. Leave one of them"
                    )
            decided[one.photo].append(one)
    pairs = [one for one in decisions if one.verdict in OF_PAIRS]
    place = {name: number for number, name in enumerate(dict.fromkeys(n for one in pairs for n in one.pair))}
    roots = joined(
        len(place), [(place[one.photo], place[one.other]) for one in pairs if one.verdict == "same"]
    )
    for one in pairs:
        if one.verdict == "different" and roots[place[one.photo]] == roots[place[one.other]]:
            raise DataError(
                f"{one.where}: {shown(one.photo)!r} and {shown(one.other)!r} are different here, and other rows make "
                "them the same, directly or through other photos. Leave one of them"
            )


def _agree(one: Decision, other: Decision) -> bool:
    """Return whether two decisions about one photo can both be followed."""
    verdicts = {one.verdict, other.verdict}
    if verdicts == {"relabel"}:
        return one.label == other.label
    if verdicts == {"keep", "relabel"}:
        keep = one if one.verdict == "keep" else other
        return keep.finding not in ("", "wrong_label", "label_conflict", *OF_VALUES)
    if "relabel" in verdicts and verdicts & set(OF_LABELS):
        return _holds(*((one, other) if one.verdict == "relabel" else (other, one)))
    if verdicts <= set(OF_LABELS):
        return len(verdicts) == 1 or one.named.isdisjoint(other.named)
    if "keep" in verdicts and verdicts & set(OF_LABELS):
        keep, change = (one, other) if one.verdict == "keep" else (other, one)
        if keep.finding in OF_VALUES:
            return bool(keep.label) and keep.named.isdisjoint(change.named)
        return keep.finding not in ("", "label_conflict")
    return len(verdicts) == 1


def _holds(relabel: Decision, change: Decision) -> bool:
    """Return whether all labels of a photo, as they were decided, are as single ones of them were."""
    unknown = {UNKNOWN + label for label in change.named}
    match change.verdict:
        case "add":
            return change.named <= relabel.named
        case "unknown":
            return unknown <= relabel.named
    return relabel.named.isdisjoint(change.named | unknown)


def _word(decision: Decision) -> str:
    label = shown(decision.label)
    match decision.verdict:
        case "relabel":
            return f"relabelled as {label!r}"
        case "add" | "remove":
            return (
                f"given the label {label!r}" if decision.verdict == "add" else f"without the label {label!r}"
            )
        case "unknown":
            return f"unknown in {label!r}"
    return {"keep": "kept", "drop": "dropped"}[decision.verdict]
