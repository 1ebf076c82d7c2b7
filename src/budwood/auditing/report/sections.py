"""What the sections of the page show: findings by kind, the classes and samples of them, as far as there is room."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from budwood.auditing.findings import (
    Conflict,
    CrossSplit,
    DoubtfulValue,
    Duplicate,
    Finding,
    Severity,
    Shown,
    SplitGroup,
    WrongLabel,
    photos_of,
)
from budwood.auditing.kind_words import WORDS, counted, words_of
from budwood.auditing.result import Audit
from budwood.auditing.words import evidence, line
from budwood.core.label_text import of_text
from budwood.report.cells import share_out
from budwood.report.sections import MOST_IN_SIGHT
from budwood.report.thumbnails import LARGE, SMALL, Thumbnails

IN_SIGHT = 24
"""Findings of a kind that lie open in the page."""
BUDGET = 1200
"""Photos of all findings together: some 6 MB of thumbnails."""
LISTED = 200
"""Findings of a kind without photos that are listed."""
BESIDE = 4
"""Photos of one finding that stand side by side."""
STRIPS, SAMPLES, ALL_SAMPLES = 20, 6, 600
"""Classes up to which each has a row of samples, how many, and how many samples all classes have together."""


@dataclass(frozen=True)
class Card:
    """One finding with its photos."""

    photos: Sequence[Shown]
    num_more: int
    """Photos of it that are not shown."""
    evidence: str
    odds: tuple[str, float, float] | None
    """Of a likely wrong label the class that it looks like, its probability and that of the label."""
    doubt: DoubtfulValue | None = None
    """The label in question, where photos have several."""


@dataclass(frozen=True)
class KindSection:
    """The findings of one kind."""

    kind: str
    severity: Severity
    """The worst of them."""
    title: str
    count: str
    what: str
    fix: str
    total: int
    cards: Sequence[Card] = ()
    lines: Sequence[str] = ()
    """Of findings that are shown without photos."""
    beside: bool = False
    """Whether a card is of several photos."""

    @property
    def num_left(self) -> int:
        """Return how many findings the page has no room for."""
        return self.total - len(self.cards) - len(self.lines)


@dataclass(frozen=True)
class ClassRow:
    """One class, with its photos by split and the findings that are about them."""

    name: str
    counts: Sequence[int]
    total: int
    findings: int
    """Photos of it that some finding is about."""


@dataclass(frozen=True)
class Classes:
    """Every class with its photos."""

    splits: Sequence[str]
    rows: Sequence[ClassRow]
    largest: int
    tall: bool
    num_photos: int | None = None
    """All of them, where one is counted under each of its labels; None where the rows add up to it."""

    @property
    def totals(self) -> list[int]:
        """Return the photos of each split."""
        return [sum(row.counts[place] for row in self.rows) for place in range(len(self.splits))]


@dataclass(frozen=True)
class Samples:
    """Some photos of each class, chosen at random."""

    rows: Sequence[tuple[str, Sequence[str]]]
    strips: bool
    """Whether there is room for a row for each class."""
    num_classes: int


def list_findings(audit: Audit, thumbnails: Thumbnails) -> list[KindSection]:
    """Return a section for each kind that was found, the most severe first, and ask for their thumbnails."""
    kinds: dict[str, list[Finding]] = {}
    for kind in WORDS:
        if found := audit.of(kind):
            kinds[kind] = found
    order = {"error": 0, "warning": 1, "note": 2}
    worst = {
        kind: min((one.severity for one in found), key=order.__getitem__) for kind, found in kinds.items()
    }
    pictured = [kind for kind in kinds if _with_photos(kinds[kind][0]) and thumbnails]
    wants = [sum(len(_shown(one)) for one in kinds[kind]) for kind in pictured]
    room = dict(zip(pictured, share_out(wants, BUDGET), strict=True))
    sections = []
    for kind in sorted(kinds, key=lambda one: order[worst[one]]):
        found, words = kinds[kind], words_of(kind, audit.several)
        cards = _cards(found, room[kind], thumbnails, audit.several) if kind in room else []
        sections.append(
            KindSection(
                kind,
                worst[kind],
                words.title,
                counted(kind, len(found), audit.several),
                words.what,
                words.fix,
                len(found),
                cards,
                () if kind in room else [line(one, several=audit.several) for one in found[:LISTED]],
                any(len(card.photos) > 1 for card in cards),
            )
        )
    return sections


def _with_photos(finding: Finding) -> bool:
    return finding.kind != "unreadable" and any(True for _ in photos_of(finding))


def _shown(finding: Finding) -> list[Shown]:
    """Return the photos of a finding that are shown: of each label or split one, before others."""
    photos = list(photos_of(finding))
    first = {(photo.label, photo.split): photo for photo in reversed(photos)}
    several = isinstance(finding, Conflict | CrossSplit | SplitGroup)
    ordered = sorted(photos, key=lambda one: several and one not in first.values())
    return ordered[:BESIDE]


def _cards(findings: Sequence[Finding], room: int, thumbnails: Thumbnails, several: bool) -> list[Card]:
    cards: list[Card] = []
    for one in findings:
        photos = _shown(one)
        room -= len(photos)
        if room < 0:
            break
        for photo in photos:
            thumbnails.want(photo.path, LARGE if len(cards) < IN_SIGHT else SMALL)
        total = sum(1 for _ in photos_of(one))
        odds = (one.suggested, one.of_suggested, one.of_label) if isinstance(one, WrongLabel) else None
        doubt = one if isinstance(one, DoubtfulValue) else None
        cards.append(Card(photos, total - len(photos), evidence(one, several), odds, doubt))
    return cards


def count_classes(audit: Audit) -> Classes:
    """Return every class with its photos, the largest first."""
    splits = [
        split
        for split in ("train", "validation", "test", "")
        if any(counts.get(split) for counts in audit.counts.classes.values())
    ]
    suspects: Mapping[str, set[str]] = _suspects(audit)
    rows = [
        ClassRow(
            name,
            [counts.get(split, 0) for split in splits],
            sum(counts.values()),
            len(suspects.get(name, ())),
        )
        for name, counts in audit.counts.classes.items()
    ]
    rows.sort(key=lambda row: (-row.total, row.name))
    return Classes(
        splits,
        rows,
        max((row.total for row in rows), default=0) or 1,
        len(rows) > MOST_IN_SIGHT,
        audit.counts.usable if audit.several else None,
    )


def _suspects(audit: Audit) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for finding in audit.findings:
        if finding.severity != "note" or isinstance(finding, Duplicate):
            for photo in photos_of(finding):
                labels = of_text(photo.label)[0] if audit.several else (photo.label,)
                # Of one label alone it is said that it may be wrong.
                for label in (finding.label,) if isinstance(finding, DoubtfulValue) else labels:
                    found.setdefault(label, set()).add(photo.path)
    return found


def choose_samples(audit: Audit, thumbnails: Thumbnails) -> Samples | None:
    """Return photos of each class, and ask for their thumbnails; None without photos."""
    if not thumbnails:
        return None
    unreadable = {photo.path for one in audit.of("unreadable") for photo in photos_of(one)}
    classes: dict[str, list[str]] = {name: [] for name in audit.counts.classes}
    for photo in audit.photos:
        for label in photo.each_label:
            if label in classes and photo.name not in unreadable:
                classes[label].append(photo.name)
    strips = len(classes) <= STRIPS
    each = SAMPLES if strips else max(1, min(SAMPLES, ALL_SAMPLES // max(len(classes), 1)))
    chance = random.Random(0)
    rows = []
    for name, names in list(classes.items())[:ALL_SAMPLES]:
        some = chance.sample(sorted(names), min(each, len(names)))
        for one in some:
            thumbnails.want(one, LARGE if strips else SMALL)
        if some:
            rows.append((name, some))
    return Samples(rows, strips, len(classes)) if rows else None


def usable_share(audit: Audit) -> str:
    """Return the classes' sizes in words, for the head of the page."""
    sizes = Counter({name: sum(counts.values()) for name, counts in audit.counts.classes.items()})
    if not sizes:
        return ""
    low, high = min(sizes.values()), max(sizes.values())
    return f"{low:,} to {high:,} photos each" if low < high else f"{high:,} photos each"
