"""The format of a run directory: what its files hold, as types. It needs neither NumPy nor Keras.

The types of `metrics.json` and `linear_path.json` are in `runs.figures`.

| file | type | |
|---|---|---|
| `run.json` | `RunInfo` | state, stages, warnings, where it came from |
| `recipe.toml` | `budwood.config.recipe.Recipe` | the resolved recipe |
| `check.json` | `CheckReport` | what is wrong with the photos |
| `split.csv` | `SplitRow` | who is in which split |
| `taxonomy.csv` | `budwood.data.taxonomy.Taxonomy` | the tree of the labels, where there is one |
| `history.csv` | `EpochRow` | one row an epoch |
| `layers.csv` | `ListedLayer` | every layer; a training alone has it |
| `linear_path.json` | `figures.LinearPath` | L2 strengths tried; a linear probe alone has it |
| `predictions.csv` | `PredictionRow` | every validation and test photo |
| `metrics.json` | `figures.Metrics` | every figure with its interval |
| `model/model.json` | `ModelInfo` | the saved model's contract; absent where `saved` is false |
"""

import shlex
from dataclasses import dataclass
from typing import Literal, TypedDict

from pydantic import Field

from budwood.core.files import JsonObject
from budwood.core.notes import NoteKind
from budwood.core.part import Part
from budwood.data.understood import Understood
from budwood.inference.model_info import ModelInfo

__all__ = ["FORMAT", "ModelInfo", "RunInfo"]

FORMAT = 1
"""Rises when a file of a run changes so that an older version would misread it."""

State = Literal["running", "complete", "failed"]


# run.json


class Stage(Part):
    """One named piece of a training."""

    name: str
    seconds: float


class Warned(Part):
    """A note of the run that was told to the user."""

    kind: NoteKind
    text: str


class Request(Part):
    """The data, recipe and models that a training was started with.

    A run is resumed with the same request, or with one for the recipe that the run keeps.
    """

    left_out = frozenset({"from", "teacher", "taxonomy"})

    data: str = ""
    recipe: JsonObject = Field(default={})
    """Before its "auto" were resolved."""
    from_: str | None = Field(default=None, alias="from")
    """SHA-256 of the model that was fine-tuned further."""
    teacher: str | None = None
    """SHA-256 of the model that was learned from."""
    taxonomy: str | None = None
    """SHA-256 of the rows of the table that `data.taxonomy` names."""

    @property
    def is_limited(self) -> bool:
        """Return whether it was asked for within minutes."""
        budget = self.recipe.get("budget")
        return isinstance(budget, dict) and budget.get("minutes") is not None


class SplitInfo(Part):
    """What tells this run's `split.csv` from a damaged one."""

    sha256: str


class DataInfo(Part):
    """The photos that were trained and measured on."""

    root_name: str
    photos: int
    classes: tuple[str, ...]


class ClusterInfo(Part):
    """The cluster that computed features ahead of the training, and went through them for a large linear probe."""

    nodes: int
    cores: int
    computed: int
    """Images."""
    lost_workers: int = 0
    lost_nodes: int = 0
    """What was lost meanwhile; others did its work."""


class FeaturesInfo(Part):
    """The features of the photos."""

    computed: int
    found: int
    fingerprint: str
    engine: str | None
    """None where the store had them all."""
    cluster: ClusterInfo | None = None
    """None where this process alone computed them."""


class TeacherInfo(Part):
    """The run whose model was learned from, and its answers that were computed and found."""

    run: str
    model: str
    computed: int = 0
    found: int = 0

    def with_answers(self, computed: int, found: int) -> "TeacherInfo":
        """Return it with so many answers more."""
        return self.model_copy(update={"computed": self.computed + computed, "found": self.found + found})


class ViewsInfo(Part):
    """The features at the boundary from which a backbone was fine-tuned."""

    boundary: str
    computed: int
    found: int
    bytes_per_view: int


class InputRangeInfo(Part):
    """In which range a backbone seems to expect its pixels."""

    likely: str
    suspicious: bool


class MachineInfo(Part):
    """What the run was computed on."""

    system: str
    processor: str
    cores: int
    """That the process could keep busy."""
    memory: int | None = None
    """In bytes; None where the system did not say."""
    accelerators: tuple[str, ...] = ()
    """That TensorFlow saw."""


class BudgetInfo(Part):
    """The time that a training was given, and what was planned for it."""

    minutes: float
    planned_seconds: float
    """From the command to the report."""
    planned_epochs: int
    """Of phase 2, of each backbone."""
    seconds: float | None = None
    """Seconds from the command until the report was written; None where the training was interrupted."""

    def interrupted(self) -> "BudgetInfo":
        """Return the same plan for a training that was interrupted, which has no seconds."""
        return self.model_copy(update={"seconds": None})


class RunInfo(Part):
    """The content of `run.json`."""

    left_out = frozenset(
        {
            *("error", "split", "data", "features", "versions", "distill", "views", "input_range", "base"),
            *("from", "files", "machine", "budget"),
        }
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
    task: str
    """Name of what an answer is, of `evaluation.task.TASKS`."""
    warnings: tuple[Warned, ...] = ()
    split: SplitInfo | None = None
    data: DataInfo | None = None
    features: FeaturesInfo | None = None
    versions: dict[str, str] = Field(default={})
    machine: MachineInfo | None = None
    """None in a run of an older version."""
    distill: TeacherInfo | None = None
    input_range: InputRangeInfo | dict[str, InputRangeInfo] | None = None
    """By backbone where there are several; likewise `views`."""
    views: ViewsInfo | dict[str, ViewsInfo] | None = None
    base: str | None = None
    """The first phase whose model was saved: checkpoints of later epochs hold what changed since."""
    from_: str | None = Field(default=None, alias="from")
    """Name of the run that was fine-tuned further."""
    budget: BudgetInfo | None = None
    files: dict[str, str] = Field(default={})
    """SHA-256 of the other files of a complete run by their names; `split` has that of `split.csv`."""

    @property
    def command_anew(self) -> str:
        """Return the command that makes the run again, also where it went on with an interrupted one."""
        if "--resume" not in self.command.split():
            return self.command
        words = [word for word in shlex.split(self.command) if word not in ("--resume", "--overwrite")]
        return shlex.join([*words, "--overwrite"])

    @property
    def seconds(self) -> float:
        """Return the seconds of all stages together."""
        return sum((stage.seconds for stage in self.stages), 0.0)

    def sha256_of(self, name: str) -> str | None:
        """Return the recorded SHA-256 of a file of the run; None where none was recorded."""
        if name == "split.csv":
            return self.split.sha256 if self.split else None
        return self.files.get(name)

    def warnings_of(self, *kinds: NoteKind) -> list[str]:
        """Return the texts of the warnings of some kinds; of all kinds where none is named."""
        return [one.text for one in self.warnings if not kinds or one.kind in kinds]


# check.json


class ProblemRow(Part):
    """One thing that is wrong with the data."""

    path: str
    kind: str
    detail: str


class CheckedValues(Part):
    """Which values were black and white in pictures of more than 8 bits, and how many there were."""

    range: tuple[float, float]
    photos: int


class PoorRow(Part):
    """A photo on which little is to be seen."""

    path: str
    kind: str
    """One of "blank", "blurred", "dark", "overexposed" or "tiny"."""


class CheckReport(Part):
    """The content of `check.json`."""

    problems: tuple[ProblemRow, ...]
    found: int
    kept: int
    unreadable: int
    understood: Understood = Understood()
    """How the source was read."""
    values: CheckedValues | None = None
    poor: tuple[PoorRow, ...] = ()
    """Photos on which little is to be seen, the worst of a kind first; none in a run of an older version."""

    @property
    def unused(self) -> int:
        """Return the number of photos that were found and not used."""
        return self.found - self.kept


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
    label_accuracy: float
    mean_average_precision: float
    val_loss: float
    val_accuracy: float
    val_top5_accuracy: float
    val_label_accuracy: float
    val_mean_average_precision: float
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
