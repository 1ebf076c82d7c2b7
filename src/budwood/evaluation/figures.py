"""The figures of one split, as `metrics.json` has them."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from budwood.core.part import Part

Interval = tuple[float, float]
"""Lower and upper end."""
NoInterval = Literal[
    "few-groups",
    "few-mistakes",
    "few-photos",
    "few-photos-a-class",
    "class-without-photos",
    "few-photos-a-label",
]
"""Why a figure has none: too few groups of photos that belong together, or of them with a mistake (or without one);
too few photos; too few of too many classes; a class of which there is none; too few with a label, or without it."""


class ClassScores(Part):
    """One class."""

    label: str = Field(alias="class")
    precision: float
    recall: float
    f1: float
    support: int


class GroupsInfo(Part):
    """The groups of photos that belong together, of which the intervals are."""

    num: int
    effective: float
    largest: int
    accuracy_range: Interval | None = None
    """Without a confidence level, where there are too few groups for an interval."""


class LevelScores(Part):
    """One level of a tree of labels: how often the most probable of its nodes is the right one."""

    depth: int
    """From 1, directly below the root; at the greatest depth are the classes themselves."""
    nodes: int
    """A class that lies less deep is one of them too."""
    accuracy: float
    accuracy_ci95: Interval | None


class MeetingPoint(Part):
    """Mistakes by the depth of the deepest node that is above both classes."""

    depth: int
    """0 is the root: mistakes across branches."""
    mistakes: int


class BranchScores(Part):
    """One node directly below the root."""

    node: str
    classes: int
    n: int
    """Photos of its classes."""
    right_branch: int
    """Of them, those whose most probable node of the first level it is."""
    right_class: int


class TreeScores(Part):
    """The figures of one split by a tree of labels."""

    levels: tuple[LevelScores, ...]
    mistakes: int
    within: int
    """Mistakes for a class of the same branch, a branch being what lies directly below the root."""
    across: int
    within_by_chance: float
    """How many there would be within if each mistake went to any other class alike."""
    meet: tuple[MeetingPoint, ...]
    branches: tuple[BranchScores, ...]


class Figures(Part):
    """Figures of one split: beside each under its key its 95 % interval under `<key>_ci95`."""

    n: int
    no_interval: Mapping[str, NoInterval] = Field(default_factory=dict)
    """By key, why a figure has none."""

    def figure(self, name: str) -> tuple[float | None, Interval | None]:
        """Return a figure by its key, and its interval."""
        return getattr(self, name), getattr(self, f"{name}_ci95")

    def why_no_interval(self, name: str) -> NoInterval | None:
        """Return why a figure has no interval; None where it has one, or where there is no figure."""
        figure, interval = self.figure(name)
        # Of runs that keep no reasons too few groups are the only one.
        return self.no_interval.get(name, "few-groups") if interval is None and figure is not None else None


class SplitFigures(Figures):
    """The figures of one split; a figure's `_ci95` is its 95 % interval, None where none can be stated."""

    left_out = frozenset({"groups", "no_interval", "taxonomy"})

    groups: GroupsInfo | None = None
    accuracy: float
    accuracy_ci95: Interval | None
    top5_accuracy: float | None
    top5_accuracy_ci95: Interval | None
    loss: float
    loss_ci95: Interval | None
    balanced_accuracy: float
    balanced_accuracy_ci95: Interval | None
    macro_f1: float
    macro_f1_ci95: Interval | None
    weighted_precision: float
    weighted_precision_ci95: Interval | None
    weighted_recall: float
    weighted_recall_ci95: Interval | None
    weighted_f1: float
    weighted_f1_ci95: Interval | None
    ece: float
    ece_ci95: Interval | None
    per_class: tuple[ClassScores, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Rows are true classes."""
    taxonomy: TreeScores | None = None
    """None without a tree of labels."""
