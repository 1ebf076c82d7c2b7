"""A model in use, measured: on labelled photos, on pictures of other things, and where it should abstain."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from budwood.core.errors import DataError, ImageError, RunError, refuse_bad_share
from budwood.core.progress.base import Progress
from budwood.data.images import ImageLike
from budwood.data.manifest import Photo
from budwood.evaluation.groups import Grouping
from budwood.evaluation.metrics import SplitFigures
from budwood.evaluation.ood import ACCEPTANCE, METHODS, OodFigures, Reference, measure_ood
from budwood.evaluation.selective import Answered, answer, choose_threshold
from budwood.evaluation.task import Task
from budwood.features.ensemble import ExtractorEnsemble
from budwood.inference.own_photos import UNSEEN, OwnPhotos
from budwood.inference.predictor import Predictor, vectors


def evaluate(
    predictor: Predictor,
    own: OwnPhotos,
    data: object,
    split: str,
    progress: Progress,
    *,
    task: Task,
    resamples: int,
    seed: int,
) -> SplitFigures:
    """Return the metrics of a model on the photos of a folder that belong to a split of its run."""
    with _features_of(predictor, own, data, split, progress) as (photos, features):
        probabilities = predictor.probabilities(features.rows(photos))
    targets = task.encode([photo.label for photo in photos], predictor.classes)
    groups = Grouping.of([photo.group or "" for photo in photos])
    return task.metrics(
        targets, probabilities, predictor.classes, resamples=resamples, seed=seed, groups=groups
    )


def ood_scores(
    predictor: Predictor,
    reference: Reference,
    own: OwnPhotos,
    data: object,
    others: Sequence[ImageLike],
    split: str,
    acceptance: float,
    progress: Progress,
) -> dict[str, OodFigures]:
    """Return how well pictures of other things are told from the photos of a folder, for each method there is."""
    own.refuse(others)
    with _features_of(predictor, own, data, split, progress) as (photos, features):
        known = vectors(features.array(photos))
    found = []
    with progress.stage("none of these", total=len(others)) as stage:
        for scores in predictor.ask(others):
            if not isinstance(scores, ImageError):
                found.append(scores.features)
            stage.advance()
    if not found:
        first = others[0] if others and isinstance(others[0], Path) else "no file"
        raise DataError(f"no picture of other things can be read ({first}). Give files or a folder of photos")
    return {
        method: measure_ood(
            reference.distance(known, method),
            reference.distance(np.stack(found), method),
            reference.threshold(acceptance, method),
        )
        for method in METHODS
    }


def refuse_bad_acceptance(acceptance: float) -> None:
    """Raises RunError for an acceptance rate at which nothing can be told from anything."""
    refuse_bad_share("acceptance", acceptance, ACCEPTANCE)
    if acceptance == 1:
        raise RunError(
            "at an acceptance of 1 every picture is one of the classes. Give a share below 1, such as 0.98"
        )


def confidence_threshold(
    by_split: Mapping[str, tuple[Float[np.ndarray, "..."], Bool[np.ndarray, "..."]]], precision: float
) -> tuple[float, dict[str, Answered]]:
    """Return the probability from which predictions are right as often as wanted, and what it does to each split.

    Args:
        by_split: probability of the predicted class and whether it is right, photo by photo; by "validation" it is
            chosen.
        precision: wanted share of right answers, in (0, 1].

    Raises:
        RunError: no probability does it.
    """
    confidence, correct = by_split["validation"]
    threshold = choose_threshold(confidence, correct, precision)
    if threshold is None:
        raise RunError(
            f"even the most confident predictions on {len(correct):,} validation photos are right less often than "
            f"{precision:.1%}. Give a lower precision, or train on more photos"
        )
    return threshold, {split: answer(*rows, threshold) for split, rows in by_split.items()}


@contextmanager
def _features_of(
    predictor: Predictor, own: OwnPhotos, data: object, split: str, progress: Progress
) -> Iterator[tuple[list[Photo], ExtractorEnsemble]]:
    """The photos of a folder that belong to a split of a run, and the store that has their features."""
    photos, left_out = own.labelled(data, split, progress)
    if left_out and split == UNSEEN:
        progress.say(f"{left_out:,} photos that the run learned from are left out")
    usable = len(photos) + left_out
    with predictor.extractor(progress) as features:
        extraction = features.compute(photos)
        photos = [photo for photo in photos if photo.name not in extraction.failed]
        if not photos:
            raise DataError(
                f"no photo of {data} belongs to `{split}`: of {usable} usable photos, all were left "
                "out. Give other photos, or --split all"
            )
        yield photos, features
