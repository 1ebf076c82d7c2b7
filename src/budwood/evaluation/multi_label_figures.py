"""The figures of one split of a task with several labels a photo, as `metrics.json` has them."""

from pydantic import Field

from budwood.core.part import Part
from budwood.evaluation.figures import Figures, GroupsInfo, Interval


class LabelScores(Part):
    """One label, over the photos in which it is known; None where these have no photo with it, or no photo without it
    where both are needed."""

    label: str
    positives: int
    """Photos that have it."""
    negatives: int
    """Photos that have it not."""
    unknown: int
    predicted: int
    """Photos that are said to have it, of those in which it is known."""
    threshold: float
    """From which probability on they are."""
    precision: float | None
    precision_ci95: Interval | None
    recall: float | None
    recall_ci95: Interval | None
    f1: float | None
    f1_ci95: Interval | None
    roc_auc: float | None
    roc_auc_ci95: Interval | None
    average_precision: float | None
    average_precision_ci95: Interval | None


class Together(Part):
    """In how many photos two labels go together, of those in which both are known; rows and columns are labels."""

    true: tuple[tuple[int, ...], ...]
    """The photo has both; on the diagonal, has the one."""
    predicted: tuple[tuple[int, ...], ...]
    """The photo is said to have both."""
    instead: tuple[tuple[int, ...], ...]
    """The row's label is missed and the column's is a false alarm."""


class MultiLabelFigures(Figures):
    """The figures of one split; a figure's `_ci95` is its 95 % interval, None where none can be stated. Means over
    labels are None where every label is left out."""

    left_out = frozenset({"groups", "left_out", "no_interval"})

    groups: GroupsInfo | None = None
    mean_average_precision: float | None
    mean_average_precision_ci95: Interval | None
    macro_f1: float | None
    macro_f1_ci95: Interval | None
    micro_f1: float | None
    micro_f1_ci95: Interval | None
    exact_match: float
    exact_match_ci95: Interval | None
    hamming_loss: float
    hamming_loss_ci95: Interval | None
    loss: float
    loss_ci95: Interval | None
    ece: float
    ece_ci95: Interval | None
    per_label: tuple[LabelScores, ...]
    without_mean: tuple[str, ...] = Field(default=(), alias="left_out")
    """Labels that are in no mean over labels: no photo has them, or every one."""
    taken_together: Together
