"""The format of a run directory: what its files hold, as types. It needs neither NumPy nor Keras.

| file | type | |
|---|---|---|
| `run.json` | `RunInfo` | state, stages, warnings, where it came from |
| `recipe.toml` | `budwood.config.recipe.Recipe` | the resolved recipe |
| `check.json` | `CheckReport` | what is wrong with the photos |
| `split.csv` | `SplitRow` | who is in which split |
| `history.csv` | `EpochRow` | one row an epoch |
| `layers.csv` | `ListedLayer` | every layer; a training alone has it |
| `linear_path.json` | `LinearPath` | L2 strengths tried; a linear probe alone has it |
| `predictions.csv` | `PredictionRow` | every validation and test photo |
| `metrics.json` | `Metrics` | every figure with its interval |
| `model/model.json` | `ModelInfo` | the saved model's contract; absent where `saved` is false |
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field, model_serializer

from budwood.core.notes import NoteKind
from budwood.data.understood import Understood
from budwood.inference.model_info import ModelInfo

__all__ = ["FORMAT", "ModelInfo", "RunInfo"]

FORMAT = 1
"""Rises when a file of a run changes so that an older version would misread it."""

Interval = tuple[float, float]
"""Lower and upper end."""
State = Literal["running", "complete", "failed"]


class _Part(BaseModel):
    """One object of a file: its keys are known, and it never changes."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, from_attributes=True, protected_namespaces=()
    )
    left_out: ClassVar[frozenset[str]] = frozenset()
    """Keys that are not written where they have nothing to say."""

    @model_serializer(mode="wrap")
    def _without_empty(self, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if key not in self.left_out or value}

    def to_json(self) -> dict[str, Any]:
        """Return the object as it stands in its file."""
        return self.model_dump(mode="json", by_alias=True)


# run.json


class Stage(_Part):
    """One named piece of a training."""

    name: str
    seconds: float


class Warned(_Part):
    """A note of the run that was told to the user."""

    kind: NoteKind
    text: str


class Request(_Part):
    """What was asked for; a training can only be resumed with the same."""

    left_out = frozenset({"from", "teacher"})

    data: str = ""
    recipe: dict[str, Any] = {}
    """Before its "auto" were resolved."""
    from_: str | None = Field(default=None, alias="from")
    """SHA-256 of the model that was fine-tuned further."""
    teacher: str | None = None
    """SHA-256 of the model that was learned from."""


class SplitInfo(_Part):
    """What tells this run's `split.csv` from a damaged one."""

    sha256: str


class DataInfo(_Part):
    """The photos that were trained and measured on."""

    root_name: str
    photos: int
    classes: tuple[str, ...]


class FeaturesInfo(_Part):
    """The features of the photos."""

    computed: int
    found: int
    fingerprint: str
    engine: str | None
    """None where the store had them all."""


class TeacherInfo(_Part):
    """The run whose model was learned from, and its answers that were computed and found."""

    run: str
    model: str
    computed: int = 0
    found: int = 0


class ViewsInfo(_Part):
    """The features at the boundary from which a backbone was fine-tuned."""

    boundary: str
    computed: int
    found: int
    bytes_per_view: int


class InputRangeInfo(_Part):
    """In which range a backbone seems to expect its pixels."""

    likely: str
    suspicious: bool


class RunInfo(_Part):
    """The content of `run.json`."""

    left_out = frozenset(
        {"error", "split", "data", "features", "versions", "distill", "views", "input_range", "base", "from"}
    )

    format: int = FORMAT
    state: State = "running"
    saved: bool = True
    """Whether there is, or will be, a model; a linear trial has none."""
    budwood: str
    command: str
    started: str
    finished: str | None = None
    error: str | None = None
    stages: tuple[Stage, ...] = ()
    requested: Request = Request()
    warnings: tuple[Warned, ...] = ()
    split: SplitInfo | None = None
    data: DataInfo | None = None
    features: FeaturesInfo | None = None
    versions: dict[str, str] = {}
    distill: TeacherInfo | None = None
    input_range: InputRangeInfo | dict[str, InputRangeInfo] | None = None
    """By backbone where there are several; likewise `views`."""
    views: ViewsInfo | dict[str, ViewsInfo] | None = None
    base: str | None = None
    """The first phase whose model was saved: checkpoints of later epochs hold what changed since."""
    from_: str | None = Field(default=None, alias="from")
    """Name of the run that was fine-tuned further."""

    @property
    def seconds(self) -> float:
        """Return the seconds of all stages together."""
        return sum(stage.seconds for stage in self.stages)

    def warnings_of(self, *kinds: NoteKind) -> list[str]:
        """Return the texts of the warnings of some kinds; of all kinds where none is named."""
        return [one.text for one in self.warnings if not kinds or one.kind in kinds]


# check.json


class ProblemRow(_Part):
    """One thing that is wrong with the data."""

    path: str
    kind: str
    detail: str


class CheckedValues(_Part):
    """Which values were black and white in pictures of more than 8 bits, and how many there were."""

    range: tuple[float, float]
    photos: int


class CheckReport(_Part):
    """The content of `check.json`."""

    problems: tuple[ProblemRow, ...]
    found: int
    kept: int
    unreadable: int
    understood: Understood = Understood()
    """How the source was read."""
    values: CheckedValues | None = None

    @property
    def unused(self) -> int:
        """Return the number of photos that were found and not used."""
        return self.found - self.kept


# metrics.json


class ClassScores(_Part):
    """One class."""

    label: str = Field(alias="class")
    precision: float
    recall: float
    f1: float
    support: int


class GroupsInfo(_Part):
    """The groups of photos that belong together, of which the intervals are."""

    num: int
    effective: float
    largest: int
    accuracy_range: Interval | None = None
    """Without a confidence level, where there are too few groups for an interval."""


class SplitMetrics(_Part):
    """The figures of one split; a figure's `_ci95` is its 95 % interval."""

    left_out = frozenset({"groups"})
    n: int
    groups: GroupsInfo | None = None
    accuracy: float
    accuracy_ci95: Interval
    top5_accuracy: float | None
    top5_accuracy_ci95: Interval | None
    loss: float
    loss_ci95: Interval
    balanced_accuracy: float
    balanced_accuracy_ci95: Interval
    macro_f1: float
    macro_f1_ci95: Interval
    weighted_precision: float
    weighted_precision_ci95: Interval
    weighted_recall: float
    weighted_recall_ci95: Interval
    weighted_f1: float
    weighted_f1_ci95: Interval
    ece: float
    ece_ci95: Interval
    per_class: tuple[ClassScores, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Rows are true classes."""

    def figure(self, name: str) -> tuple[float | None, Interval | None]:
        """Return a figure by its key, and its interval."""
        return getattr(self, name), getattr(self, f"{name}_ci95")


class TrainedPart(_Part):
    """What a phase did, or what it did to one of several backbones."""

    name: str
    seconds: float
    epochs: int
    best_epoch: int
    trainable_parameters: int
    unfrozen_layers: tuple[str, ...]
    stopped: str | None = None
    """Why it ended before its last epoch."""


class TrainedPhase(TrainedPart):
    """A phase before it is measured."""

    left_out = frozenset({"backbones"})

    backbones: tuple[TrainedPart, ...] = ()
    """Where several were trained one after the other."""


class Phase(TrainedPhase):
    """A phase with what its model says of the photos that it did not learn from."""

    validation_accuracy: float | None
    test_accuracy: float | None
    validation_loss: float

    def accuracy(self, split: str) -> float | None:
        """Return the accuracy on "validation" or "test"."""
        return self.test_accuracy if split == "test" else self.validation_accuracy


class Verdict(_Part):
    """What fine-tuning changed; all None where there is nothing to compare."""

    difference: float | None = None
    interval: Interval | None = None
    p: float | None = None
    method: str | None = None
    n: int | None = None
    words: str


class ReliabilityBin(_Part):
    """Photos whose predicted class has about the same probability."""

    n: int
    confidence: float
    accuracy: float


class CalibrationSide(_Part):
    """How far stated probabilities are from the truth."""

    ece: float
    loss: float
    reliability: tuple[ReliabilityBin, ...]


class BeforeAfter(_Part):
    """The probabilities of one split without and with the temperature."""

    before: CalibrationSide
    after: CalibrationSide


class Calibration(_Part):
    """The temperature that divides the logits, and what it does."""

    left_out = frozenset({"validation", "test"})

    temperature: float
    validation: BeforeAfter | None = None
    test: BeforeAfter | None = None

    def of(self, split: str) -> BeforeAfter | None:
        """Return what it did on "validation" or "test"."""
        return self.test if split == "test" else self.validation


class Metrics(_Part):
    """The content of `metrics.json`."""

    validation: SplitMetrics | None
    test: SplitMetrics | None
    """None where no test was asked for."""
    phases: tuple[Phase, ...]
    chosen_phase: str
    verdict: Verdict
    calibration: Calibration

    def of(self, split: str) -> SplitMetrics | None:
        """Return the figures of "validation" or "test"."""
        return self.test if split == "test" else self.validation

    @property
    def reported(self) -> Literal["test", "validation"]:
        """Return the split whose figures are reported: "validation" where no test was asked for."""
        return "test" if self.test is not None else "validation"

    @property
    def kept(self) -> Phase:
        """Return the phase whose model was kept."""
        return next(phase for phase in self.phases if phase.name == self.chosen_phase)


# linear_path.json


class LinearPoint(_Part):
    """Cross-validated quality of one L2 strength."""

    strength: float
    loss: float
    accuracy: float
    loss_se: float


class LinearPath(_Part):
    """The content of `linear_path.json`."""

    chosen: float
    path: tuple[LinearPoint, ...]
    """Empty where the strength was given, or could not be chosen."""


# The tables


@dataclass(frozen=True, slots=True)
class SplitRow:
    """One row of `split.csv`."""

    name: str
    label: str
    split: str
    sha256: str = ""
    """Of its content, hexadecimal."""
    width: int = 0
    height: int = 0
    group: str = ""
    """What photos that belong together share; empty for a photo that stands alone, and in a run of an older version."""


class EpochRow(TypedDict, total=False):
    """One row of `history.csv`; what an epoch did not have is absent."""

    phase: str
    backbone: str
    epoch: int
    loss: float
    accuracy: float
    top5_accuracy: float
    val_loss: float
    val_accuracy: float
    val_top5_accuracy: float
    temperature: float
    learning_rate: float


@dataclass(frozen=True, slots=True)
class PredictionRow:
    """One row of `predictions.csv`; the probabilities are in [0, 1]."""

    name: str
    split: str
    true: str
    predicted: str
    probability: float
    true_probability: float

    @property
    def correct(self) -> bool:
        """Return whether the prediction is right."""
        return self.predicted == self.true


@dataclass(frozen=True, slots=True)
class ListedLayer:
    """One row of `layers.csv`."""

    name: str
    kind: str
    """Its class, such as "Conv2D"."""
    shape: str
    parameters: int
    trained: bool
    part: str
    """"frozen" or "trainable"."""
