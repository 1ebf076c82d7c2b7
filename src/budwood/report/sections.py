"""What each section of the report says, as plain values for the template."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from budwood.core import text as words
from budwood.evaluation.figures import ClassScores
from budwood.evaluation.groups import Grouping, share_interval
from budwood.report import label_words, terminal
from budwood.report.reading import passed_over_as_lines, reading_as_lines
from budwood.report.summary import Contents
from budwood.report.thumbnails import Thumbnails
from budwood.runs.schema import PredictionRow, ProblemRow

MEASURED = ("test", "validation")
MOST_IN_SIGHT = 40
"""Classes up to which a table of them is shown whole; beyond, it scrolls."""
LISTED = 20
"""Problems of a kind that are listed."""
FEW_CLASSES = 10
"""Classes below which the top-5 accuracy says little, and is left out of the page."""
PICTURED = 12
"""Photos that are shown of a kind of problem."""
_SHOWN = frozenset({"conflict", "leak", "tiny", "blank", "blurred", "dark", "overexposed"})

FIGURES = [
    ("accuracy", "Accuracy", "share of photos classified correctly", True),
    ("top5_accuracy", "Top-5 accuracy", "the true class is among the five most probable", True),
    ("balanced_accuracy", "Balanced accuracy", "mean recall of the classes, each counted alike", True),
    ("macro_f1", "Macro F1", "mean F1 of the classes, each counted alike", True),
    ("weighted_precision", "Weighted precision", "mean precision, by photos of the class", True),
    ("weighted_recall", "Weighted recall", "mean recall, by photos of the class", True),
    ("weighted_f1", "Weighted F1", "mean F1, by photos of the class", True),
    ("loss", "Loss", "mean negative log-likelihood; lower is better", False),
    (
        "ece",
        "Calibration error",
        "how far stated probabilities are from the truth (ECE); lower is better",
        True,
    ),
]


@dataclass(frozen=True)
class FigureRow:
    """One figure of every split that was measured."""

    title: str
    meaning: str
    cells: Sequence[tuple[str, str]]
    """Of each split the value and its interval."""


@dataclass(frozen=True)
class Figures:
    """The table of all figures."""

    splits: Sequence[str]
    rows: Sequence[FigureRow]
    chosen_by_validation: str


@dataclass(frozen=True)
class ClassRow:
    """The figures of one class, and how many of its photos are found."""

    metrics: ClassScores
    right: int
    total: int
    interval: tuple[float, float] | None
    """Of the recall, 95 %; None where too few groups of photos are known of."""
    groups: int
    """How many groups the photos are of; 0 where none belong together."""
    anchor: str | None

    @property
    def name(self) -> str:
        return self.metrics.label


@dataclass(frozen=True)
class Classes:
    """The table of classes, weakest first."""

    split: str
    rows: Sequence[ClassRow]
    tall: bool
    few: int
    """The median number of photos of a class where it is too small for figures of a class, else 0."""
    few_of_a_class: int
    unseen: int


@dataclass(frozen=True)
class ProblemGroup:
    """Problems of one kind, the first few of them listed."""

    kind: str
    count: int
    first: Sequence[ProblemRow]
    pictures: Sequence[str] = ()
    """Names of those photos that are shown."""


@dataclass(frozen=True)
class Reproducibility:
    """Recipe, stages, versions, warnings and the commands that make the run again."""

    command: str
    recipe_path: str
    recipe: str
    stages: Sequence[tuple[str, str, float]]
    total: str
    versions: Sequence[tuple[str, str]]
    notes: Sequence[str]
    fingerprint: str
    cut_short: bool
    """Whether a limit of time left out epochs that were planned."""


def list_figures(contents: Contents) -> Figures:
    """Return every figure of test and validation, with its interval."""
    splits = [name for name in MEASURED if contents.metrics.figures_of(name)]
    compared = contents.metrics.verdict.difference is not None
    calibrated = "the scaling and the threshold of each label" if contents.multi_label else "the temperature"
    rows = []
    for key, title, meaning, is_share in label_words.FIGURES if contents.multi_label else FIGURES:
        if key == "top5_accuracy" and len(contents.classes) < FEW_CLASSES:
            continue
        show = words.percent if is_share else "{:.3f}".format
        cells = []
        for split in splits:
            if (scores := contents.metrics.figures_of(split)) is not None:
                value, interval = scores.figure(key)
                why = scores.why_no_interval(key)
                stated = _interval(interval, show) if interval else ""
                cells.append(
                    (
                        "–" if value is None else show(value),
                        terminal.no_interval(why) if why else stated,
                    )
                )
        if any(value != "–" for value, _ in cells):
            rows.append(FigureRow(title, meaning, cells))
    return Figures(splits, rows, f"the phase, its epoch and {calibrated}" if compared else calibrated)


def _interval(ends: Sequence[float], show: Callable[[float], str]) -> str:
    # The bootstrap knows no mistake of which it has seen none.
    return f"{show(ends[0])} to {show(ends[1])}" if ends[0] < ends[1] else "interval unknown: all alike"


def score_classes(contents: Contents, anchors: Mapping[str, str] | None = None) -> Classes:
    """Return the figures of each class, weakest first.

    Those without a photo come last, for nothing is known of them. `anchors` are the places of the classes' photos in
    the page, by the class's name.
    """
    scores, evaluated = contents.scores, contents.evaluated_split
    photos_of: dict[str, list[PredictionRow]] = {name: [] for name in contents.classes}
    for row in contents.predictions:
        if row.split == evaluated:
            photos_of[row.true].append(row)
    group_of = contents.group_of
    rows = []
    for index, name in enumerate(contents.classes):
        total, right = sum(scores.confusion[index]), scores.confusion[index][index]
        photos = photos_of[name]
        groups = Grouping.of([group_of.get(row.name, "") for row in photos])
        interval = share_interval(np.array([row.correct for row in photos], dtype=bool), groups)
        num = 0 if groups.single else groups.num
        rows.append(ClassRow(scores.per_class[index], right, total, interval, num, (anchors or {}).get(name)))
    rows.sort(key=lambda row: (not row.total, row.metrics.f1, row.name))
    typical = sorted(row.total for row in rows)[len(rows) // 2]
    return Classes(
        split=evaluated,
        rows=rows,
        tall=len(rows) > MOST_IN_SIGHT,
        few=typical if typical <= terminal.FEW_OF_A_CLASS else 0,
        few_of_a_class=terminal.FEW_OF_A_CLASS,
        unseen=sum(not row.total for row in rows),
    )


def describe_reading(contents: Contents) -> list[str] | None:
    """Return how the photos were understood; None for a run that kept nothing of it."""
    understood = contents.check.understood
    return [*reading_as_lines(understood), *passed_over_as_lines(understood.passed_over)] or None


def group_problems(contents: Contents, thumbnails: Thumbnails) -> list[ProblemGroup]:
    """Return what the check found, by kind, most frequent first, then the photos on which little is to be seen.

    The thumbnails is asked for some of the photos.
    """
    kinds: dict[str, list[ProblemRow]] = {}
    for problem in contents.check.problems:
        kinds.setdefault(problem.kind, []).append(problem)
    tiny = {problem.path for problem in kinds.get("tiny", [])}
    for photo in contents.check.poor:
        # What is tiny is a problem of the check as well, with its size.
        if photo.path not in tiny:
            kinds.setdefault(photo.kind, []).append(ProblemRow(path=photo.path, kind=photo.kind, detail=""))
    groups = []
    poor = {photo.kind for photo in contents.check.poor}
    for kind, found in sorted(kinds.items(), key=lambda item: (item[0] in poor, -len(item[1]), item[0])):
        there = [
            one.path
            for one in found
            if thumbnails.image(one.path) is not None or thumbnails.earlier(one.path)
        ]
        pictures = list(dict.fromkeys(there))[:PICTURED] if kind in _SHOWN else []
        for name in pictures:
            thumbnails.want(name)
        groups.append(ProblemGroup(kind.replace("_", " "), len(found), found[:LISTED], pictures))
    return groups


def describe_reproducibility(contents: Contents) -> Reproducibility:
    """Return how the run was made, and how to make it again."""
    info = contents.info
    total = info.seconds
    return Reproducibility(
        command=info.command_anew,
        recipe_path=shlex.quote(str(contents.folder / "recipe.toml")),
        recipe=contents.recipe_text,
        stages=[
            (stage.name, words.duration(stage.seconds), stage.seconds / total if total else 0.0)
            for stage in info.stages
        ],
        total=words.duration(total),
        versions=sorted(info.versions.items()),
        # With fine-tuning they stand beside the curves that they explain.
        notes=[] if "finetune" in contents.phases else contents.warnings,
        fingerprint=info.features.fingerprint if info.features else "",
        cut_short=bool(info.warnings_of("budget")),
    )
