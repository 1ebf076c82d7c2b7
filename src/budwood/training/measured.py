"""What logits are worth beside the targets: the loss of each photo, and what is right. It needs no Keras."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from budwood.core.scaling import Scaling
from budwood.evaluation.calibration import fit_temperature
from budwood.evaluation.task import MULTI_LABEL, SINGLE_LABEL

_ROWS_AT_A_TIME = 65_536
TOP = 5
"""Top-5 accuracy is told where there are more classes than this."""


@dataclass(frozen=True)
class Measured:
    """What a model makes of each photo."""

    losses: Float64[np.ndarray, "n"]
    """Negative log-likelihood of the right answer after `scaling`: no smoothing, no penalty, no weights."""
    correct: Bool[np.ndarray, "n"]
    in_top5: Bool[np.ndarray, "n"] | None
    """Where there are more than five classes."""
    scaling: Scaling | None
    """By which the logits were calibrated, where they were."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """What else is measured of all photos together, by its name."""
    answers: tuple[Float[np.ndarray, "n labels"], Float[np.ndarray, "n labels"]] | None = None
    """Of several labels a photo the probabilities after `scaling`, and the targets."""

    def row(self, prefix: str = "val_") -> dict[str, float]:
        """Their means, as columns of a history."""
        row = {f"{prefix}loss": float(self.losses.mean()), f"{prefix}accuracy": float(self.correct.mean())}
        if self.in_top5 is not None:
            row[f"{prefix}top5_accuracy"] = float(self.in_top5.mean())
        row |= {f"{prefix}{name}": value for name, value in self.figures.items()}
        if isinstance(self.scaling, float):
            row["temperature"] = self.scaling
        return row


def from_logits(logits: np.ndarray, labels: Int[np.ndarray, "n"], calibrate: bool = False) -> Measured:
    """Return what logits `(n, classes)`, or `(n, 1)` for two classes, are worth beside the labels."""
    temperature = fit_temperature(_of_two(logits.astype(np.float64)), labels) if calibrate else None
    # Doubles of the logits of a million photos would be gigabytes.
    ends = range(0, max(len(labels), 1), _ROWS_AT_A_TIME)
    parts = [
        _losses(logits[first : first + _ROWS_AT_A_TIME], labels[first : first + _ROWS_AT_A_TIME], temperature)
        for first in ends
    ]
    losses, correct, higher = (np.concatenate(column) for column in zip(*parts, strict=True))
    several = max(logits.shape[1], 2)
    return Measured(losses, correct, higher < TOP if several > TOP else None, temperature)


def _losses(
    logits: np.ndarray, labels: Int[np.ndarray, "n"], temperature: float | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return of each photo the loss, whether it is right, and how many classes are above its own."""
    from scipy.special import log_softmax

    logits = _of_two(logits.astype(np.float64))
    of_label = np.arange(len(labels)), labels
    higher = (logits > logits[of_label][:, None]).sum(axis=1)
    losses = -log_softmax(logits / (temperature or 1.0), axis=1)[of_label]
    return losses, logits.argmax(axis=1) == labels, higher


def _of_two(logits: np.ndarray) -> np.ndarray:
    return np.concatenate([-logits / 2, logits / 2], axis=1) if logits.shape[1] == 1 else logits


def from_label_logits(
    logits: Float[np.ndarray, "n labels"], targets: Float[np.ndarray, "n labels"], calibrate: bool = False
) -> Measured:
    """Return what logits are worth beside the targets: exact matches at a probability of 0.5, the share of known
    labels that are right, and the mean average precision of labels that are on some photos and not on others.
    """
    known = ~np.isnan(targets)
    scaling = MULTI_LABEL.fit_scaling(logits, targets) if calibrate else None
    shares = MULTI_LABEL.probabilities(logits, 1.0 if scaling is None else scaling)
    right = (shares >= 0.5)[known] == (targets > 0.5)[known]
    figures = {"label_accuracy": float(right.mean()) if len(right) else 0.0}
    precisions = average_precisions(shares, targets)
    if len(precisions):
        figures["mean_average_precision"] = float(np.mean(precisions))
    return Measured(
        MULTI_LABEL.losses(shares, targets),
        MULTI_LABEL.correct(shares, targets),
        None,
        scaling,
        figures,
        (shares, targets),
    )


def average_precisions(
    scores: Float[np.ndarray, "n labels"], targets: Float[np.ndarray, "n labels"]
) -> Float[np.ndarray, "some"]:
    """Return the average precision of each label that some of its known photos have and others have not."""
    from sklearn.metrics import average_precision_score

    columns = ((score, target, ~np.isnan(target)) for score, target in zip(scores.T, targets.T, strict=True))
    pairs = [(score[known], target[known] > 0.5) for score, target, known in columns]
    found = [average_precision_score(has, score) for score, has in pairs if has.any() and not has.all()]
    return np.array(found, np.float64)


MEASURE: Mapping[str, Callable[[np.ndarray, np.ndarray, bool], Measured]] = {
    SINGLE_LABEL.name: from_logits,
    MULTI_LABEL.name: from_label_logits,
}
"""By the name of the task: from logits, targets and whether the logits are calibrated first, what the model makes of
each photo."""
