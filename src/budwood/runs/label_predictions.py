"""The rows of `predictions.csv` where a photo has several labels, as arrays."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from budwood.evaluation.groups import Grouping
from budwood.evaluation.label_coverage import ScoredLabels
from budwood.evaluation.multi_label import MultiLabel


@dataclass(frozen=True)
class LabelPredictions:
    """What a run says of the labels of photos that it did not learn from."""

    labels: tuple[str, ...]
    """In the order of the columns."""
    names: tuple[str, ...]
    """Of the photos."""
    splits: tuple[str, ...]
    true: tuple[str, ...]
    """The labels of each photo, and the unknown ones, as one text (`budwood.core.label_text`)."""
    probabilities: Float[np.ndarray, "n k"]
    task: MultiLabel
    """With the thresholds of the run."""

    @cached_property
    def targets(self) -> Float[np.ndarray, "n k"]:
        """Return 1 where a photo has a label, 0 where it has not, NaN where that is unknown."""
        return self.task.encode(self.true, self.labels)

    @cached_property
    def predicted(self) -> Bool[np.ndarray, "n k"]:
        """Return which labels each photo is said to have."""
        return self.task.predicted(self.probabilities)

    def of(self, split: str) -> "LabelPredictions":
        """Return the photos of one split."""
        rows = [place for place, own in enumerate(self.splits) if own == split]
        return LabelPredictions(
            self.labels,
            tuple(self.names[row] for row in rows),
            tuple(self.splits[row] for row in rows),
            tuple(self.true[row] for row in rows),
            self.probabilities[rows],
            self.task,
        )

    def scored(self, group_of: Mapping[str, str]) -> dict[str, ScoredLabels]:
        """Return by split the photos with the probability of every label, their labels and groups.

        Args:
            group_of: the group of each photo by its name, "" for one that stands alone.
        """
        return {
            split: ScoredLabels(
                held.probabilities, held.targets, Grouping.of([group_of.get(name, "") for name in held.names])
            )
            for split, held in ((split, self.of(split)) for split in dict.fromkeys(self.splits))
        }


def read_label_predictions(file: Path, prefix: str, task: MultiLabel) -> LabelPredictions:
    """Read a `predictions.csv`, whose columns of probabilities begin with `prefix`. Raise ValueError where a row is
    damaged."""
    with file.open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
        rows = csv.reader(lines)
        header = next(rows, [])
        at = {column: position for position, column in enumerate(header)}
        name, split, true = (at[column] for column in ("name", "split", "true"))
        shares = [position for column, position in at.items() if column.startswith(prefix)]
        found: list[tuple[str, str, str]] = []
        probabilities: list[list[float]] = []
        for row in rows:
            if len(row) != len(header):
                raise ValueError(f"a row has {len(row)} cells in place of {len(header)}")
            found.append((row[name], row[split], row[true]))
            probabilities.append([float(row[position]) for position in shares])
    names, splits, labels = zip(*found, strict=True) if found else ((), (), ())
    return LabelPredictions(
        tuple(header[position].removeprefix(prefix) for position in shares),
        names,
        splits,
        labels,
        np.array(probabilities, np.float64).reshape(len(found), len(shares)),
        task,
    )
