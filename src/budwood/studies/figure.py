"""The figure by which the trials of a study are compared: accuracy, or of several labels mean average precision."""

from collections.abc import Mapping
from dataclasses import dataclass

from budwood.studies.records import MULTI_LABEL, SINGLE_LABEL


@dataclass(frozen=True)
class Figure:
    """A figure of metrics.json in [0, 1]."""

    key: str
    """In files."""
    name: str
    """In sentences."""
    short: str
    """Where there is little room."""
    more: str
    """What a model is that has more of it."""

    @property
    def title(self) -> str:
        """Return the name at the beginning of a sentence."""
        return self.name[0].upper() + self.name[1:]


ACCURACY = Figure("accuracy", "accuracy", "accuracy", "more accurate")
MEAN_AVERAGE_PRECISION = Figure("mean_average_precision", "mean average precision", "mAP", "better")
FIGURES: Mapping[str, Figure] = {SINGLE_LABEL: ACCURACY, MULTI_LABEL: MEAN_AVERAGE_PRECISION}
"""By the task of a study."""
