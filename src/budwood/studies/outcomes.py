"""What is known of complete trials, and what comparing configurations gives: values that both tasks share."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from budwood.core.errors import RunError
from budwood.evaluation.groups import Grouping
from budwood.runs.figures import LabelSplitMetrics, Metrics, SplitMetrics
from budwood.runs.label_predictions import LabelPredictions
from budwood.studies.figure import ACCURACY, Figure


@dataclass(frozen=True)
class CompleteTrial:
    """A trial that is complete."""

    replicate: str
    metrics: Metrics
    seconds: float
    train_photos: int
    correct: dict[str, dict[str, bool]]
    """By split, of each photo whether it was answered rightly: of several labels, every one."""
    groups: dict[str, str] = field(default_factory=dict)
    """The group of each photo that belongs together with others."""
    figure: Figure = ACCURACY
    said: LabelPredictions | None = None
    """Where a photo has several labels, what was said of them."""

    @property
    def test(self) -> SplitMetrics | LabelSplitMetrics | None:
        return self.metrics.figures_of("test")

    def of(self, split: str) -> SplitMetrics | LabelSplitMetrics:
        """Return the figures of a split, which must have photos."""
        found = self.metrics.figures_of(split)
        if found is None:
            raise RunError(f"a trial has no {split} photos: its metrics.json is damaged. Train it again")
        return found

    def value(self, split: str) -> float | None:
        """Return the figure that is compared; None where no label of the split can be measured."""
        return self.of(split).figure(self.figure.key)[0]


@dataclass(frozen=True)
class Estimate:
    """A figure over the trials of a configuration, in [0, 1]."""

    mean: float
    standard_deviation: float | None
    """Standard deviation between trials."""
    low: float | None
    """End of the 95 % interval, like `high`; None where none can be stated."""
    high: float | None
    photos: int
    """Measured on in one trial."""
    few_groups: int | None = None
    """How many groups the photos of all trials are where these are too few for an interval: then `low` and `high` are
    a range for which no confidence level holds, or None."""

    @property
    def ends(self) -> tuple[float, float] | None:
        """Return the ends of the interval or range."""
        return None if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True)
class Beside:
    """Where a photo has several labels: what stands beside the mean average precision."""

    macro_f1: Estimate | None
    exact_match: Estimate | None


@dataclass(frozen=True)
class Pair:
    """Two configurations on what both were measured on."""

    a: str
    b: str
    difference: float
    """Mean figure of a minus that of b, in [-1, 1]."""
    low: float
    high: float
    p: float
    p_adjusted: float
    """For the number of pairs (Holm 1979)."""
    trials: int
    method: str
    words: str


@dataclass(frozen=True)
class Found:
    """What the comparison of two configurations gave, before the number of pairs is known."""

    difference: float
    low: float
    high: float
    p: float
    method: str
    where: str
    trials: int
    needed: int | None
    """Photos in a trial that would tell a difference of this size; None where that is not known."""
    unit: str = "groups of photos"
    """Of which more are needed where no number is named."""


def grouping_of(trial: CompleteTrial, names: Sequence[str]) -> Grouping:
    """Return which of some photos belong together."""
    return Grouping.of([trial.groups.get(name, "") for name in names])


def few_groups(trials: Sequence[CompleteTrial], split: str) -> int | None:
    """Return how many groups the photos of all trials are, where photos belong together and the groups are too few."""
    groups = {name: one.groups.get(name, "") for one in trials for name in one.correct[split]}
    found = Grouping.of(list(groups.values()))
    return None if found.enough else found.num


def on_the_same_photos(trials: Sequence[CompleteTrial], split: str) -> bool:
    """Return whether all trials were measured on the same photos."""
    return all(one.correct[split].keys() == trials[0].correct[split].keys() for one in trials)
