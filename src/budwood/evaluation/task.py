"""A task: what an answer is, and when it is right. A photo has one right class, or several labels.

Everything that depends on it is asked of the `Task`: how labels become numbers, what makes probabilities of logits,
what one photo costs, whether it is right, and the figures of a split. A second task is a second class here with one
entry in `TASKS`, one in `training.task_training.TRAINING`, which says how gradient steps learn it, and a case in
`task_of`;
`tests/evaluation/test_task.py` says what it must do. `training.linear_probe` and `label_probe` are their linear
probes.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from budwood.core.errors import DataError
from budwood.core.scaling import Scaling, scaled
from budwood.evaluation.calibration import BeforeAndAfter, before_and_after, fit_temperature
from budwood.evaluation.figures import Figures, SplitFigures
from budwood.evaluation.groups import Grouping
from budwood.evaluation.metrics import compute_metrics
from budwood.evaluation.multi_label import MultiLabel


@runtime_checkable
class Task(Protocol):
    """What an answer is, and when it is right. Targets have one row a photo, in whatever form the task gives them."""

    @property
    def name(self) -> str:
        """As `run.json` states it."""
        ...

    @property
    def activation(self) -> str:
        """Of the last layer: the Keras name of the function from logits to probabilities."""
        ...

    @property
    def sections(self) -> tuple[str, ...]:
        """Parts of the report that hold for this task, by the names of their templates."""
        ...

    @property
    def thresholds(self) -> tuple[float, ...] | None:
        """Of several labels, the probability from which a photo has each; None where none were decided, or needed."""
        ...

    def encode(self, labels: Sequence[str], classes: Sequence[str]) -> np.ndarray:
        """Return the targets `(n, ...)` of photos with these labels. Raise DataError for an unknown class.

        Several labels of a photo are one text (`budwood.core.label_text`).
        """
        ...

    def decide(
        self,
        probabilities: Float[np.ndarray, "n classes"],
        targets: np.ndarray,
        classes: Sequence[str],
        goal: Literal["f1"] | float = "f1",
    ) -> "Task":
        """Return the task with the thresholds that validation photos decide for one model, for F1 or for a precision;
        itself where an answer needs none."""
        ...

    def answers(self, probabilities: Float[np.ndarray, "n classes"], classes: Sequence[str]) -> list[str]:
        """Return what is answered for each photo, as `encode` takes it."""
        ...

    def probabilities(
        self, logits: Float[np.ndarray, "n classes"], scaling: Scaling = 1.0
    ) -> Float[np.ndarray, "n classes"]:
        """Return float64 probabilities in [0, 1] of logits that are calibrated by `scaling`."""
        ...

    def fit_scaling(self, logits: Float[np.ndarray, "n classes"], targets: np.ndarray) -> Scaling:
        """Return the scaling at which the probabilities suit these targets best."""
        ...

    def losses(
        self, probabilities: Float[np.ndarray, "n classes"], targets: np.ndarray
    ) -> Float[np.ndarray, "n"]:
        """Return the negative log-likelihood of each photo's target, 0 or more."""
        ...

    def correct(
        self, probabilities: Float[np.ndarray, "n classes"], targets: np.ndarray
    ) -> Bool[np.ndarray, "n"]:
        """Return for each photo whether it is answered rightly: what comparisons of models count."""
        ...

    def metrics(
        self,
        targets: np.ndarray,
        probabilities: Float[np.ndarray, "n classes"],
        classes: Sequence[str],
        *,
        resamples: int = 10_000,
        seed: int = 0,
        groups: Grouping | None = None,
    ) -> Figures:
        """Return the figures of one split for metrics.json, each with its interval under `<name>_ci95`."""
        ...

    def calibration(
        self, probabilities: Float[np.ndarray, "n classes"], targets: np.ndarray, scaling: Scaling
    ) -> BeforeAndAfter:
        """Return what a scaling did to probabilities, in which it is."""
        ...


class SingleLabel:
    """One right class a photo; targets are class numbers, int64 `(n,)`.

    >>> task = SingleLabel()
    >>> targets = task.encode(["b", "a"], classes=["a", "b"])
    >>> task.correct(np.array([[0.2, 0.8], [0.4, 0.6]]), targets)
    array([ True, False])
    """

    name: str = "single-label"
    activation: str = "softmax"
    thresholds: None = None
    sections: tuple[str, ...] = (
        "figures",
        "calibration",
        "sets",
        "confusion",
        "classes",
        "mistakes",
        "labels",
        "cells",
    )

    def encode(self, labels: Sequence[str], classes: Sequence[str]) -> Int[np.ndarray, "n"]:
        places = {label: place for place, label in enumerate(classes)}
        unknown = next((label for label in labels if label not in places), None)
        if unknown is not None:
            raise DataError(
                f"the class {unknown} is none of {', '.join(list(classes)[:10])}. Rename it, or leave it out"
            )
        return np.array([places[label] for label in labels], dtype=np.int64)

    def decide(
        self,
        probabilities: Float[np.ndarray, "n classes"],
        targets: Int[np.ndarray, "n"],
        classes: Sequence[str],
        goal: Literal["f1"] | float = "f1",
    ) -> "SingleLabel":
        return self

    def answers(self, probabilities: Float[np.ndarray, "n classes"], classes: Sequence[str]) -> list[str]:
        return [classes[place] for place in probabilities.argmax(axis=1)]

    def probabilities(
        self, logits: Float[np.ndarray, "n classes"], scaling: Scaling = 1.0
    ) -> Float[np.ndarray, "n classes"]:
        from scipy.special import softmax

        return softmax(scaled(logits, scaling).astype(np.float64), axis=1)

    def fit_scaling(self, logits: Float[np.ndarray, "n classes"], targets: Int[np.ndarray, "n"]) -> float:
        return fit_temperature(logits.astype(np.float64), targets)

    def losses(
        self, probabilities: Float[np.ndarray, "n classes"], targets: Int[np.ndarray, "n"]
    ) -> Float[np.ndarray, "n"]:
        shares = probabilities.astype(np.float64)
        shares /= shares.sum(axis=1, keepdims=True)
        own = shares[np.arange(len(targets)), targets]
        # Clipped and taken as scikit-learn's log_loss does, so that their mean is its value to the last bit.
        smallest = np.finfo(np.float64).eps
        return -np.log(np.clip(own, smallest, 1 - smallest))

    def correct(
        self, probabilities: Float[np.ndarray, "n classes"], targets: Int[np.ndarray, "n"]
    ) -> Bool[np.ndarray, "n"]:
        return probabilities.argmax(axis=1) == targets

    def metrics(
        self,
        targets: Int[np.ndarray, "n"],
        probabilities: Float[np.ndarray, "n classes"],
        classes: Sequence[str],
        *,
        resamples: int = 10_000,
        seed: int = 0,
        groups: Grouping | None = None,
    ) -> SplitFigures:
        return compute_metrics(targets, probabilities, classes, resamples=resamples, seed=seed, groups=groups)

    def calibration(
        self,
        probabilities: Float[np.ndarray, "n classes"],
        targets: Int[np.ndarray, "n"],
        scaling: Scaling,
    ) -> BeforeAndAfter:
        assert isinstance(scaling, float)
        return before_and_after(probabilities, targets, scaling)


SINGLE_LABEL = SingleLabel()
MULTI_LABEL = MultiLabel()
TASKS: Mapping[str, Task] = {SINGLE_LABEL.name: SINGLE_LABEL, MULTI_LABEL.name: MULTI_LABEL}
"""Every task by its name, before anything was decided for a model."""


def task_of(multi_label: bool) -> Task:
    """Return the task of photos that have one class each, or several labels."""
    return MULTI_LABEL if multi_label else SINGLE_LABEL
