"""What a study came to, as values: configurations with their estimates, pairs, trials, and what a search asked for."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

from budwood.core.files import JsonObject
from budwood.studies.figure import FIGURES, Figure
from budwood.studies.learning_curve import Curve
from budwood.studies.outcomes import Beside, Estimate, Pair
from budwood.studies.records import SINGLE_LABEL, Configuration, ReplicateKind, TrialState
from budwood.studies.search import SearchRecord


@dataclass(frozen=True)
class SearchResults(SearchRecord):
    """What a search asked for and what mattered."""

    source: str
    """Where the photos are."""
    test_is_given: bool
    """Whether the data bring test photos, which the search left closed."""


@dataclass(frozen=True)
class LabelFigures:
    """Of one trial with several labels a photo, what stands beside the mean average precision."""

    macro_f1: float | None
    """None where no label can be measured."""
    exact_match: float


@dataclass(frozen=True)
class ListedTrial:
    """One trial, whatever became of it."""

    name: str
    configuration: str | None
    """None, like `replicate`, where the trial's file cannot be read."""
    replicate: str | None
    state: TrialState
    """"planned" where it was not begun, or did not come to its end, "complete" or "failed"."""
    why: str | None
    """Of one that failed."""
    seconds: float | None
    validation: float | None
    """The study's figure in [0, 1], like `test`."""
    validation_loss: float | None
    test: float | None
    train_photos: int | None
    validation_labels: LabelFigures | None = None
    """Where a photo has several labels, what stands beside the figure; likewise `test_labels`."""
    test_labels: LabelFigures | None = None


@dataclass(frozen=True)
class Summary:
    """One configuration."""

    name: str
    complete: int
    planned: int
    validation: Estimate | None
    validation_loss: float | None
    test: Estimate | None
    seconds: float | None
    """Of one trial, in the mean."""
    train_photos: float | None
    beside: Beside | None = None
    """Of the photos that the study is evaluated on; None where a photo has one class."""

    def to_json(self) -> JsonObject:
        """Return the configuration as results.json has it."""
        return {key: value for key, value in asdict(self).items() if key != "beside" or value is not None}


@dataclass(frozen=True)
class StudyFigures:
    """The figures of a study, each as a value; `budwood.studies.words` makes text of them."""

    folder: Path
    replicate_kind: ReplicateKind
    split: str
    """On which photos the pairs were compared: "test", or "validation" where no test split was opened."""
    summaries: list[Summary]
    """The best first, by validation loss."""
    pairs: list[Pair]
    curves: list[Curve]
    failures: dict[str, str]
    """Of each trial that failed, why."""
    test_evaluations: int
    """How many test-set evaluations there were: one by every trial."""
    pruned: dict[str, str]
    """Of each configuration that a search pruned, why."""
    search: SearchResults | None = None
    """None for a study of every combination."""
    trials: list[ListedTrial] = field(default_factory=list)
    """In the order in which they were planned."""
    configurations: dict[str, Configuration] = field(default_factory=dict)
    """By name, what each consists of."""
    near_twins: int = 0
    """Photos of that split with a near twin in training, in the trial that has most."""
    linear: bool = False
    """Whether complete trials are linear probes alone, which know near twins by their perceptual hash only."""
    task: str = SINGLE_LABEL
    """What an answer is."""

    @property
    def figure(self) -> Figure:
        """Return what the trials are compared by."""
        return FIGURES[self.task]

    @property
    def best(self) -> str | None:
        """Return the configuration with the lowest validation loss among those whose trials are all complete."""
        whole = [one for one in self.summaries if one.complete == one.planned]
        return whole[0].name if whole else None

    @property
    def few_groups(self) -> int | None:
        """Return how many groups the photos are where these are too few for intervals and comparisons; else None."""
        found = [one.few_groups for one in self._estimates if one.few_groups is not None]
        return min(found, default=None)

    @property
    def few_positives(self) -> bool:
        """Return whether too few photos have a label, or have it not, for an interval of the figure."""
        return any(one.ends is None and one.few_groups is None for one in self._estimates)

    @property
    def _estimates(self) -> list[Estimate]:
        found = [one.test if self.split == "test" else one.validation for one in self.summaries]
        return [one for one in found if one is not None]

    def to_json(self) -> JsonObject:
        """Return the content of results.json."""
        return {
            "task": self.task,
            "figure": self.figure.key,
            "replicate_kind": self.replicate_kind,
            "split": self.split,
            "best": self.best,
            "configurations": [one.to_json() for one in self.summaries],
            "pairs": [asdict(one) for one in self.pairs],
            "curves": [one.to_json() for one in self.curves],
            "failures": self.failures,
            "test_evaluations": self.test_evaluations,
            "pruned": self.pruned,
            "search": None if self.search is None else asdict(self.search),
        }
