"""What heads on the features of a network say of labels, and what follows: wrong labels, outliers, labels alike."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from budwood.auditing.findings import Finding
from budwood.auditing.label_values import (
    answered_as_given,
    ask_label_heads,
    describe_values,
    find_alike_labels,
    targets_of,
)
from budwood.auditing.labels import Rows, ask_heads, describe_wrong_labels, find_alike_classes
from budwood.auditing.outliers import find_outliers
from budwood.auditing.result import LabelsNetwork, Network
from budwood.config.recipe import Recipe
from budwood.core.progress.base import Progress
from budwood.data.manifest import Photo
from budwood.evaluation.groups import Grouping, share_interval
from budwood.features.extract import Extraction


@dataclass(frozen=True)
class Asked:
    """Photos with their features, about which heads are asked."""

    photos: Sequence[Photo]
    classes: Sequence[str]
    rows: Rows
    num_features: int
    extraction: Extraction
    recipe: Recipe
    progress: Progress

    def one_each(self) -> tuple[list[Finding], Network | None, str]:
        """Return what heads say of photos of one class each, or why nothing."""
        photos, classes, seed = self.photos, list(self.classes), self.recipe.seed
        labels = np.array([classes.index(photo.label) for photo in photos])
        if len(np.unique(labels)) < len(classes):
            return [], None, "labels are not looked at: a class has no photo with features"
        opinions = ask_heads(
            self.rows,
            self.num_features,
            labels,
            len(classes),
            groups=[photo.group for photo in photos],
            seed=seed,
            progress=self.progress,
        )
        findings: list[Finding] = [
            *describe_wrong_labels(opinions, photos, labels, classes),
            *find_alike_classes(opinions, photos, labels, classes),
            *find_outliers(self.rows, labels, photos, seed=seed),
        ]
        asked = np.flatnonzero(opinions.asked)
        right = opinions.probabilities[asked].argmax(axis=1) == labels[asked]
        network = Network(
            backbone=self.recipe.backbone.names[0],
            computed=self.extraction.num_computed,
            stored=self.extraction.num_found,
            accuracy=float(right.mean()) if len(right) else 0.0,
            interval=self._interval(asked, right),
            num_photos=len(asked),
            folds=opinions.folds,
            strength=opinions.strength,
        )
        return findings, network, ""

    def several(self) -> tuple[list[Finding], LabelsNetwork | None, str]:
        """Return what heads say of photos with several labels, or why nothing."""
        photos, labels, seed = self.photos, list(self.classes), self.recipe.seed
        targets = targets_of(photos, labels)
        opinions = ask_label_heads(
            self.rows,
            self.num_features,
            targets,
            labels,
            groups=[photo.group for photo in photos],
            seed=seed,
            progress=self.progress,
        )
        if not opinions.strengths:
            return (
                [],
                None,
                "labels are not looked at: no label has photos with it and without it to hold out",
            )
        findings: list[Finding] = [
            *describe_values(opinions, photos, targets, labels),
            *find_alike_labels(opinions, photos, targets, labels),
            *find_outliers(self.rows, targets, photos, seed=seed),
        ]
        places, right = answered_as_given(opinions, targets)
        common, number = Counter(photo.label for photo in photos).most_common(1)[0]
        network = LabelsNetwork(
            backbone=self.recipe.backbone.names[0],
            computed=self.extraction.num_computed,
            stored=self.extraction.num_found,
            exact_match=float(right.mean()) if len(right) else 0.0,
            interval=self._interval(places, right),
            num_photos=len(places),
            folds=opinions.folds,
            strengths=opinions.strengths,
            not_asked=tuple(label for label in labels if label not in opinions.strengths),
            commonest=common,
            share_of_commonest=number / len(photos),
        )
        return findings, network, ""

    def _interval(
        self, places: Int[np.ndarray, "m"], right: Bool[np.ndarray, "m"]
    ) -> tuple[float, float] | None:
        grouping = Grouping.of([self.photos[place].group or "" for place in places])
        return share_interval(right, grouping) if len(right) else None
