"""The files of a run directory: the one reader of its format (`budwood.runs.schema`); `runs.writing` writes them.

Reading needs no Keras, and says in one sentence what is missing, damaged or of another
format.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int
from pydantic import BaseModel

from budwood.config.recipe import Recipe
from budwood.core.errors import DataError, RecipeError, RunError
from budwood.core.faults import fault
from budwood.core.files import csv_rows, read_csv, read_json, sha256_of
from budwood.data.taxonomy import Taxonomy
from budwood.data.taxonomy_table import read_taxonomy
from budwood.evaluation.groups import Grouping
from budwood.evaluation.label_coverage import ScoredLabels
from budwood.evaluation.multi_label import MultiLabel
from budwood.evaluation.phases import MEASURED
from budwood.evaluation.sets import Scored
from budwood.evaluation.task import MULTI_LABEL, TASKS, Task
from budwood.evaluation.taxonomy import LabelTree
from budwood.runs.figures import LabelSplitMetrics, LinearPath, Metrics
from budwood.runs.info import AGAIN, read_info
from budwood.runs.label_predictions import LabelPredictions, read_label_predictions
from budwood.runs.schema import (
    CheckReport,
    EpochRow,
    ListedLayer,
    ModelInfo,
    PredictionRow,
    RunInfo,
    SplitRow,
)
from budwood.runs.tables import SHARE, read_history, read_predictions, read_shares

TAXONOMY = "taxonomy.csv"

Content = TypeVar("Content", bound=BaseModel)


def read_run(folder: Path) -> "RunFiles":
    """Return the files of a run directory, of which `run.json` is read at once.

    Raise RunError where the folder holds no run, or one of another format.
    """
    return RunFiles(folder)


class RunFiles:
    """The files of one run directory, each read when it is first asked for.

    Every property raises RunError where its file is missing or damaged.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.info = read_info(folder)

    def __repr__(self) -> str:
        return f"RunFiles({str(self.folder)!r})"

    @cached_property
    def task(self) -> Task:
        """What an answer is, with the thresholds that the figures are of."""
        if self.info.task != MULTI_LABEL.name:
            return TASKS[self.info.task]
        figures = self.metrics.figures_of(self.metrics.reported)
        if not isinstance(figures, LabelSplitMetrics):
            raise RunError(f"{self.folder / 'metrics.json'} has no figures of several labels. {AGAIN}")
        return MultiLabel(tuple(one.threshold for one in figures.per_label))

    @property
    def multi_label(self) -> bool:
        """Return whether a photo may have several labels."""
        return self.info.task == MULTI_LABEL.name

    def require_single_label(self, what: str) -> None:
        """Raise RunError where a photo may have several labels, for what (a noun) knows one class a photo."""
        if self.multi_label:
            raise RunError(
                f"{what} is for runs with one class a photo, and the run in {self.folder} has several labels a photo"
            )

    def require_complete(self) -> "RunFiles":
        """Return itself. Raise RunError where the training did not come to its end."""
        if self.info.state != "complete":
            reason = f" ({self.info.error})" if self.info.error else ""
            raise RunError(
                f"the run in {self.folder} is not complete but {self.info.state}{reason}. "
                "Give the command that began it again, with --resume"
            )
        return self

    @cached_property
    def recipe_text(self) -> str:
        """The content of `recipe.toml`."""
        with self._reading("recipe.toml") as file:
            return file.read_text(encoding="utf-8")

    @cached_property
    def recipe(self) -> Recipe:
        """The resolved recipe."""
        _ = self.recipe_text
        try:
            found = Recipe.load(self.folder / "recipe.toml")
        except RecipeError as error:
            raise RunError(f"cannot read the recipe of a run: {error}. {AGAIN}") from error
        if not found.data.taxonomy or not self._has(TAXONOMY):
            return found
        # Its own table, wherever the run lies.
        return found.model_copy(update={"data": found.data.model_copy(update={"taxonomy": TAXONOMY})})

    @cached_property
    def check(self) -> CheckReport:
        return self._json("check.json", CheckReport)

    @cached_property
    def metrics(self) -> Metrics:
        return self._json("metrics.json", Metrics)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names in the order of the model's outputs."""
        if self.info.data is None:
            raise RunError(f"{self.folder / 'run.json'} lacks data.classes. {AGAIN}")
        return self.info.data.classes

    @cached_property
    def taxonomy(self) -> Taxonomy | None:
        """The tree of the labels; None for a run without one."""
        if not self._has(TAXONOMY):
            return None
        with self._reading(TAXONOMY) as file:
            try:
                found = read_taxonomy(file, nameless_root=True)
            except DataError as error:
                raise ValueError(str(error)) from error
            if set(found.classes) != set(self.classes):
                raise ValueError("its leaves are not the classes of run.json")
            return found

    @property
    def tree(self) -> LabelTree | None:
        """The tree of the labels beside the classes; None where there is none, or it has no level above the classes."""
        taxonomy = self.taxonomy
        return None if taxonomy is None or taxonomy.is_flat else LabelTree(taxonomy, self.classes)

    @cached_property
    def split(self) -> list[SplitRow]:
        """The rows of `split.csv`. Raise RunError where it is not the file that was written."""
        with self._reading("split.csv") as file:
            # A photo that a damaged file no longer names would pass for one never seen.
            if self.info.split is None:
                raise ValueError("run.json lacks its hash")
            return [
                SplitRow(
                    row["name"],
                    row["label"],
                    row["split"],
                    row["sha256"],
                    int(row["width"]),
                    int(row["height"]),
                    row.get("group") or "",
                )
                for row in csv_rows(file)
            ]

    @cached_property
    def history(self) -> list[EpochRow]:
        """The rows of `history.csv`; what an epoch did not have is left out."""
        with self._reading("history.csv") as file:
            rows = read_history(file)
            epochs = {row["epoch"] for row in rows}
            for phase in self.metrics.phases:
                if phase.best_epoch not in epochs:
                    raise ValueError(f"it has no epoch {phase.best_epoch}, of which metrics.json tells")
            return rows

    @cached_property
    def predictions(self) -> list[PredictionRow]:
        """The rows of `predictions.csv`, as many as the figures are of, where each photo has one class."""
        self.require_single_label("a table of predicted classes")
        with self._reading("predictions.csv") as file:
            classes, rows = read_predictions(file)
            self._refuse_other_predictions(classes, [row.split for row in rows])
            return rows

    @cached_property
    def label_predictions(self) -> LabelPredictions:
        """The rows of `predictions.csv` where a photo has several labels."""
        task = self.task
        if not isinstance(task, MultiLabel):
            raise RunError(f"the run in {self.folder} has one class a photo, and not several labels")
        with self._reading("predictions.csv") as file:
            found = read_label_predictions(file, SHARE, task)
            self._refuse_other_predictions(list(found.labels), found.splits)
            return found

    def _refuse_other_predictions(self, classes: Sequence[str], splits: Sequence[str]) -> None:
        if list(classes) != list(self.classes):
            raise ValueError("its columns are not the classes of run.json")
        found = Counter(splits)
        for split in ("validation", "test"):
            measured = self.metrics.figures_of(split)
            expected = measured.n if measured else 0
            if found[split] != expected:
                raise ValueError(
                    f"it has {found[split]:,} {split} photos, and metrics.json is about {expected:,}"
                )

    @cached_property
    def shares(self) -> dict[str, tuple[Float[np.ndarray, "n classes"], Int[np.ndarray, "n"]]]:
        """By split the probabilities of `predictions.csv`, in its order, and the numbers of the true classes."""
        splits = [row.split for row in self.predictions]
        places = {label: place for place, label in enumerate(self.classes)}
        targets = np.array([places[row.true] for row in self.predictions], np.int64)
        with self._reading("predictions.csv") as file:
            values = read_shares(file, len(self.classes))
        which = np.array(splits)
        return {split: (values[which == split], targets[which == split]) for split in dict.fromkeys(splits)}

    @property
    def groupings(self) -> dict[str, Grouping]:
        """By split, which of the photos of `predictions.csv` belong together."""
        group_of = {row.name: row.group for row in self.split}
        names: dict[str, list[str]] = {}
        for row in self.predictions:
            names.setdefault(row.split, []).append(group_of.get(row.name, ""))
        return {split: Grouping.of(some) for split, some in names.items()}

    @property
    def confidences(self) -> dict[str, tuple[Float[np.ndarray, "n"], Bool[np.ndarray, "n"]]]:
        """By measured split the probability of each photo's predicted class, and whether it is right."""
        rows = self.predictions
        return {
            split: (
                np.array([row.probability for row in rows if row.split == split], np.float64),
                np.array([row.correct for row in rows if row.split == split], bool),
            )
            for split in dict.fromkeys(row.split for row in rows)
            if split in MEASURED
        }

    @cached_property
    def scored(self) -> dict[str, Scored]:
        """By split the photos of `predictions.csv` with the probability of every class, their classes and groups."""
        groups = self.groupings
        return {split: Scored(*found, groups[split]) for split, found in self.shares.items()}

    @cached_property
    def scored_labels(self) -> dict[str, ScoredLabels]:
        """Likewise where a photo has several labels."""
        return self.label_predictions.scored({row.name: row.group for row in self.split})

    @cached_property
    def linear_path(self) -> LinearPath | None:
        """L2 strengths; None for a head trained by gradient steps."""
        if not self._has("linear_path.json"):
            return None
        return self._json("linear_path.json", LinearPath)

    @cached_property
    def layers(self) -> list[ListedLayer]:
        """Every layer, bottom first; none for a run without a model."""
        if not self._has("layers.csv"):
            return []
        with self._reading("layers.csv") as file:
            return [
                ListedLayer(
                    row["name"],
                    row["kind"],
                    row["shape"],
                    int(row["parameters"]),
                    bool(int(row["trained"])),
                    row["part"],
                )
                for row in read_csv(file)
            ]

    @cached_property
    def model(self) -> ModelInfo:
        """The content of `model.json`. Raise RunError where the run keeps no model."""
        if not self.info.saved:
            raise RunError(
                f"the run in {self.folder} keeps no model: it is a trial of a study. Make it with "
                f"`budwood train DATA -o RUN --recipe {self.folder / 'recipe.toml'}`"
            )
        with self.unreplaced():
            found = self._json("model/model.json", ModelInfo)
        # Another order of the classes would give every photo a wrong name, and nothing would look odd.
        if self.info.data is not None and found.classes != self.info.data.classes:
            raise RunError(
                f"{self.folder / 'model' / 'model.json'} names other classes than run.json, or in another order: "
                f"one of them is damaged or changed. {AGAIN}"
            )
        return found

    @property
    def model_file(self) -> Path:
        """The path of `model.keras`. Raise RunError where it is not the file that was saved."""
        expected = self.model.sha256
        with self._reading("model/model.keras") as file:
            if sha256_of(file) != expected:
                raise RunError(
                    f"{file} is not the file that was saved: it is damaged or changed. Copy the run again"
                )
            return file

    def _has(self, name: str) -> bool:
        """Return whether the run has a file that some runs lack; one that was written and is gone is not
        passed over, and one of a run that took this one's place is none of its files."""
        return name in self.info.files if self.info.files else (self.folder / name).exists()

    @contextmanager
    def unreplaced(self) -> Iterator[None]:
        """Raise RunError where what is read meanwhile may be of another run that has taken this one's place.

        A run takes the place of another in one step, and the files that `run.json` does not vouch for, such as the
        model's, tell nobody of which run they are.
        """
        try:
            yield
        except RunError:
            self._refuse_replaced()
            raise
        self._refuse_replaced()

    def _refuse_replaced(self) -> None:
        self.refuse_other(read_info(self.folder))

    def refuse_other(self, info: RunInfo) -> None:
        """Raise RunError where `run.json` was read before or since, and is of another run than this."""
        if (info.finished, info.files, info.split) != (self.info.finished, self.info.files, self.info.split):
            raise RunError(
                f"the run in {self.folder} was replaced by another after it was opened. Open it again: "
                "budwood.load(RUN)"
            )

    def _json(self, name: str, kind: type[Content]) -> Content:
        with self._reading(name) as file:
            return kind.model_validate(read_json(file))

    @contextmanager
    def _reading(self, name: str) -> Iterator[Path]:
        file = self.folder / name
        expected = self.info.sha256_of(name)
        try:
            if expected is not None and sha256_of(file) != expected:
                self._refuse_replaced()
                raise RunError(f"{file} is not the file that was written: it is damaged or changed. {AGAIN}")
            yield file
        except FileNotFoundError as error:
            self._refuse_replaced()
            raise RunError(f"{self.folder} has no {name}, which it was written with. {AGAIN}") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"cannot read {file}: {fault(error)}. {AGAIN}") from error
