"""Several labels a photo: each label is a question of its own, answered by a probability and a threshold."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Bool, Float

from budwood.core.errors import DataError
from budwood.core.label_text import as_text, of_text
from budwood.core.scaling import LabelScaling, Scaling, scaled
from budwood.evaluation.calibration import BeforeAndAfter
from budwood.evaluation.groups import Grouping
from budwood.evaluation.multi_label_calibration import (
    binary_cross_entropy,
    fit_label_scaling,
    label_calibration,
)
from budwood.evaluation.multi_label_figures import MultiLabelFigures
from budwood.evaluation.multi_label_metrics import compute_multi_label_metrics
from budwood.evaluation.thresholds import choose_thresholds

THRESHOLD = 0.5
"""Of a label for which none was chosen."""


@dataclass(frozen=True)
class MultiLabel:
    """Several labels a photo, or none; targets are float32 `(n, K)`: 1, 0, or NaN where it is unknown.

    >>> task = MultiLabel()
    >>> task.encode([["a", "b"], []], classes=["a", "b"], unknown=[[], ["b"]])
    array([[ 1.,  1.],
           [ 0., nan]], dtype=float32)
    """

    thresholds: tuple[float, ...] | None = None
    """From which probability on a photo has each label; 0.5 each where None."""

    name: ClassVar[str] = "multi-label"
    activation: ClassVar[str] = "sigmoid"
    sections: ClassVar[tuple[str, ...]] = (
        "figures",
        "calibration",
        "label_table",
        "label_curves",
        "label_sets",
        "labels_together",
        "label_mistakes",
        "label_suspects",
    )

    def encode(
        self,
        labels: Sequence[str | Collection[str]],
        classes: Sequence[str],
        *,
        unknown: Sequence[Collection[str]] | None = None,
    ) -> Float[np.ndarray, "n k"]:
        """Return the targets of photos with these labels.

        Args:
            labels: the labels that each photo has; or these, and the unknown ones, as one text
                (`budwood.core.label_text`).
            classes: every label, in the order of the columns.
            unknown: the labels of which nothing is known, photo by photo; by default none.

        Raises:
            DataError: for a label that is not in `classes`, or that a photo has and that is unknown in it.
        """
        places = {label: place for place, label in enumerate(classes)}
        targets = np.zeros((len(labels), len(classes)), np.float32)
        for row, names in enumerate(labels):
            hidden = () if unknown is None else unknown[row]
            if isinstance(names, str):
                names, hidden = of_text(names)
            targets[row, _places(hidden, places)] = np.nan
            chosen = _places(names, places)
            if np.isnan(targets[row, chosen]).any():
                both = ", ".join(name for name in names if name in hidden)
                raise DataError(
                    f"photo {row + 1} both has {both} and is unknown in it. Give it one of the two"
                )
            targets[row, chosen] = 1
        return targets

    def decide(
        self,
        probabilities: Float[np.ndarray, "n k"],
        targets: Float[np.ndarray, "n k"],
        classes: Sequence[str],
        goal: Literal["f1"] | float = "f1",
    ) -> "MultiLabel":
        """Return the task with a threshold for each label, as `choose_thresholds` finds it on validation photos."""
        return MultiLabel(choose_thresholds(targets, probabilities, classes, goal=goal).values)

    def answers(self, probabilities: Float[np.ndarray, "n k"], classes: Sequence[str]) -> list[str]:
        """Return the labels that each photo is said to have, as one text."""
        return [
            as_text(name for name, has in zip(classes, row, strict=True) if has)
            for row in self.predicted(probabilities)
        ]

    def probabilities(
        self, logits: Float[np.ndarray, "n k"], scaling: Scaling = 1.0
    ) -> Float[np.ndarray, "n k"]:
        """Return float64 probabilities of logits that are calibrated by `scaling`; their sums mean nothing."""
        from scipy.special import expit

        return expit(scaled(logits, scaling).astype(np.float64))

    def fit_scaling(
        self, logits: Float[np.ndarray, "n k"], targets: Float[np.ndarray, "n k"]
    ) -> LabelScaling:
        """Return the scale and the shift of each label at which the probabilities suit these targets best."""
        return fit_label_scaling(logits, targets)

    def losses(
        self, probabilities: Float[np.ndarray, "n k"], targets: Float[np.ndarray, "n k"]
    ) -> Float[np.ndarray, "n"]:
        """Return what each photo adds to the binary cross-entropy; their mean is that over all known labels.

        A photo with fewer known labels counts less, one without any adds 0.
        """
        known = ~np.isnan(targets)
        sums = np.where(known, binary_cross_entropy(probabilities, targets), 0.0).sum(axis=1)
        return sums * (len(targets) / max(int(known.sum()), 1))

    def predicted(self, probabilities: Float[np.ndarray, "n k"]) -> Bool[np.ndarray, "n k"]:
        """Return which labels each photo is said to have: those whose probability reaches its threshold."""
        return probabilities >= self.threshold_values(probabilities.shape[1])

    def correct(
        self, probabilities: Float[np.ndarray, "n k"], targets: Float[np.ndarray, "n k"]
    ) -> Bool[np.ndarray, "n"]:
        """Return for each photo whether every known label of it is answered rightly."""
        wrong = self.predicted(probabilities) != (targets > 0.5)
        return ~(wrong & ~np.isnan(targets)).any(axis=1)

    def metrics(
        self,
        targets: Float[np.ndarray, "n k"],
        probabilities: Float[np.ndarray, "n k"],
        classes: Sequence[str],
        *,
        resamples: int = 10_000,
        seed: int = 0,
        groups: Grouping | None = None,
    ) -> MultiLabelFigures:
        """Return the figures of one split, at these thresholds."""
        return compute_multi_label_metrics(
            targets,
            probabilities,
            classes,
            self.threshold_values(len(classes)),
            resamples=resamples,
            seed=seed,
            groups=groups,
        )

    def calibration(
        self,
        probabilities: Float[np.ndarray, "n k"],
        targets: Float[np.ndarray, "n k"],
        scaling: Scaling,
    ) -> BeforeAndAfter:
        """Return what a scaling did to probabilities, in which it is; a temperature is one for every label."""
        if not isinstance(scaling, LabelScaling):
            labels = targets.shape[1]
            scaling = LabelScaling((1 / scaling,) * labels, (0.0,) * labels)
        return label_calibration(probabilities, targets, scaling)

    def threshold_values(self, num_labels: int) -> Float[np.ndarray, "k"]:
        """Return the threshold of each label."""
        if self.thresholds is None:
            return np.full(num_labels, THRESHOLD)
        if len(self.thresholds) != num_labels:
            raise DataError(
                f"there are {len(self.thresholds)} thresholds for {num_labels} labels. Give one for each label"
            )
        return np.array(self.thresholds)


def _places(names: Collection[str], places: dict[str, int]) -> list[int]:
    unknown = next((name for name in names if name not in places), None)
    if unknown is not None:
        raise DataError(
            f"the label {unknown} is none of {', '.join(list(places)[:10])}. Rename it, or leave it out"
        )
    return [places[name] for name in names]
