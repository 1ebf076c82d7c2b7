"""What the report's sections read of a run directory."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from budwood.config.recipe import Recipe
from budwood.core.errors import RunError
from budwood.runs.figures import LabelPath, LabelSplitMetrics, LinearPoint, Metrics, Phase, SplitMetrics
from budwood.runs.files import RunFiles
from budwood.runs.schema import CheckReport, EpochRow, ListedLayer, PredictionRow, RunInfo, SplitRow

START = "start"
"""The name of what a run went on from, among its phases."""


@dataclass(frozen=True)
class Contents:
    """What one training left behind, every file of it read."""

    files: RunFiles
    folder: Path
    """The run directory, by the name that people know it by."""
    info: RunInfo
    recipe: Recipe
    recipe_text: str
    check: CheckReport
    metrics: Metrics
    classes: list[str]
    photos: list[SplitRow]
    predictions: list[PredictionRow]
    """Where each photo has one class; of several labels, `files.label_predictions` has them."""
    history: list[EpochRow]
    path: Sequence[LinearPoint]
    """Points of the path of L2 strengths; empty for a head trained by gradient steps."""
    chosen: float | None
    """The L2 strength that was chosen; None for a head trained by gradient steps."""
    label_paths: Sequence[LabelPath]
    """Of several labels, the path of each; empty where each photo has one class."""
    layers: list[ListedLayer]
    """Every layer, bottom first; empty for a run that did not list them."""

    @property
    def source(self) -> str:
        """The name of the folder that the photos came from."""
        return self.info.data.root_name if self.info.data else ""

    @property
    def has_test(self) -> bool:
        return self.metrics.test is not None

    @property
    def evaluated_split(self) -> Literal["test", "validation"]:
        """The split whose figures the report shows: "test", or "validation" where no test was asked for."""
        return self.metrics.reported

    @property
    def multi_label(self) -> bool:
        """Whether a photo may have several labels."""
        return self.files.multi_label

    @property
    def figures(self) -> SplitMetrics | LabelSplitMetrics:
        """The figures of that split, whatever a photo has."""
        found = self.metrics.figures_of(self.evaluated_split)
        if found is None:
            raise RunError(f"{self.folder} has the figures of no split. Train it again")
        return found

    @property
    def scores(self) -> SplitMetrics:
        """The figures of that split, where each photo has one class."""
        found = self.figures
        if isinstance(found, LabelSplitMetrics):
            raise RunError(f"{self.folder} has several labels a photo, and one class a photo is asked for")
        return found

    @property
    def label_scores(self) -> LabelSplitMetrics:
        """The figures of that split, where a photo has several labels."""
        found = self.figures
        if not isinstance(found, LabelSplitMetrics):
            raise RunError(f"{self.folder} has one class a photo, and several labels are asked for")
        return found

    @property
    def warnings(self) -> list[str]:
        """What the user was told, of every kind."""
        return self.files.info.warnings_of()

    @property
    def loss_spikes(self) -> list[str]:
        """Why fine-tuning began badly, where it did."""
        return self.files.info.warnings_of("loss_spike")

    @property
    def phases(self) -> dict[str, Phase]:
        """What `metrics.json` says of each phase, by its name, in their order."""
        return {phase.name: phase for phase in self.metrics.phases}

    @property
    def kept(self) -> str:
        """The phase whose model was kept."""
        return self.metrics.chosen_phase

    @property
    def group_of(self) -> dict[str, str]:
        """The group of each photo, by its name."""
        return {photo.name: photo.group for photo in self.photos}

    def epochs(self, phase: str) -> list[EpochRow]:
        """Return the rows of `history.csv` that belong to a phase; to "start" those of the run that this one
        went on from."""
        if START in self.phases:
            before = len(self.history) - self.phases["finetune"].epochs
            return self.history[:before] if phase == START else self.history[before:]
        return [row for row in self.history if row["phase"] == phase]

    def best_epoch(self, phase: str) -> int:
        """Return the epoch of a phase whose weights were kept; 0 where there is no such phase."""
        found = self.phases.get(phase)
        return found.best_epoch if found else 0

    def best_epochs(self, phase: str) -> dict[int, str]:
        """Likewise, with the backbone whose weights they are where several were trained one after the other."""
        found = self.phases.get(phase)
        apart = found.backbones if found else ()
        return {one.best_epoch: one.name for one in apart} or {self.best_epoch(phase): ""}


def read_contents(folder: Path, called: Path | None = None) -> Contents:
    """Read the files of a run directory. Raise RunError where one of them is missing or damaged.

    One that is written beside the run that it is to replace is `called` by the name of that.
    """
    files = RunFiles(folder)
    path = files.linear_path
    return Contents(
        files=files,
        folder=called or folder,
        info=files.info,
        recipe=files.recipe,
        recipe_text=files.recipe_text,
        check=files.check,
        metrics=files.metrics,
        classes=list(files.classes),
        photos=files.split,
        predictions=[] if files.multi_label else files.predictions,
        history=files.history,
        path=path.path if path else (),
        chosen=path.chosen if path else None,
        label_paths=path.labels if path else (),
        layers=files.layers,
    )
