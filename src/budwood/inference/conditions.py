"""Under which conditions figures hold: for the photos of each value of a column, and at a stated prevalence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from budwood.config.learning import Loss
from budwood.core.errors import DataError, RunError
from budwood.core.files import JsonObject
from budwood.data.manifest import Photo
from budwood.evaluation.figures import Figures
from budwood.evaluation.groups import Grouping
from budwood.evaluation.prevalence import PrevalenceFigures, figures_at_prevalence, stated_shares
from budwood.evaluation.subgroups import Subgroups, figures_by
from budwood.evaluation.task import SINGLE_LABEL, Task
from budwood.inference.by_column import values_by
from budwood.inference.own_photos import OwnPhotos
from budwood.training.class_weights import class_weights


@dataclass(frozen=True)
class Conditions:
    """What is asked beside the figures of all photos."""

    by: tuple[str, ...] = ()
    """Columns, each of whose values is measured by itself."""
    prevalence: Mapping[str, float] | None = None
    """The share of each class."""

    def refuse_impossible(self, task: Task, classes: Sequence[str]) -> None:
        """Raise RunError or DataError for what no photo is needed to refuse."""
        if len(set(self.by)) < len(self.by):
            raise DataError("a column is asked for twice. Name each once")
        if self.prevalence is None:
            return
        if task.name != SINGLE_LABEL.name:
            raise RunError(
                "a prevalence is of classes of which each photo has one, and this run knows several labels a photo. "
                "Leave it out"
            )
        stated_shares(self.prevalence, classes)


@dataclass(frozen=True)
class Evaluation:
    """What a model's answers on labelled photos say."""

    figures: Figures
    by: tuple[Subgroups, ...] = ()
    prevalence: PrevalenceFigures | None = None

    def to_json(self) -> JsonObject:
        """Return the figures, and under "by" and "prevalence" what was asked for beside them."""
        found = self.figures.to_json()
        if self.by:
            found["by"] = [one.to_json() for one in self.by]
        if self.prevalence is not None:
            found["prevalence"] = self.prevalence.to_json()
        return found


@dataclass(frozen=True)
class Answers:
    """A model's answers on labelled photos, in one order."""

    photos: Sequence[Photo]
    targets: np.ndarray
    probabilities: Float[np.ndarray, "n classes"]
    classes: Sequence[str]
    groups: Grouping
    task: Task

    @property
    def correct(self) -> Bool[np.ndarray, "n"]:
        """Return of each photo whether it is answered rightly."""
        return self.task.correct(self.probabilities, self.targets)


def measure_by(
    answers: Answers, by: Sequence[str], own: OwnPhotos, columns: Mapping[str, str]
) -> tuple[Subgroups, ...]:
    """Return the accuracy of each value of some columns; `columns` are those of the table, by role."""
    if not by:
        return ()
    values = {column: values_by(answers.photos, column, own, columns) for column in by}
    labels = answers.targets if answers.task.name == SINGLE_LABEL.name else None
    return figures_by(values, answers.correct, labels=labels, groups=answers.groups)


def measure_at(
    answers: Answers, prevalence: Mapping[str, float] | None, own: OwnPhotos, loss: Loss
) -> PrevalenceFigures | None:
    """Return the figures at a stated prevalence; None where none is stated."""
    if prevalence is None:
        return None
    classes = answers.classes
    return figures_at_prevalence(
        answers.targets,
        answers.probabilities,
        classes,
        stated_shares(prevalence, classes),
        learned_shares(own.training_labels, classes, loss),
        groups=answers.groups,
    )


def learned_shares(labels: Sequence[str], classes: Sequence[str], loss: Loss) -> Float[np.ndarray, "classes"]:
    """Return the class shares that a model's probabilities are about: those of its training photos, each class by its
    weight in the loss.

    >>> learned_shares(["a", "a", "a", "b"], ["a", "b"], Loss()).tolist()
    [0.75, 0.25]
    >>> learned_shares(["a", "a", "a", "b"], ["a", "b"], Loss(class_weights="balanced")).tolist()
    [0.5, 0.5]
    """
    places = {label: place for place, label in enumerate(classes)}
    numbers = np.array([places[label] for label in labels], dtype=np.int64)
    counted = np.bincount(numbers, minlength=len(classes)) * class_weights(loss, numbers, classes)
    return counted / counted.sum()
