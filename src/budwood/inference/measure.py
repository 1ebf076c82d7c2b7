"""A model in use, measured: on labelled photos, on pictures of other things, and where it should abstain."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from budwood.config.recipe import Recipe
from budwood.core.errors import DataError, ImageError, RunError, refuse_bad_share
from budwood.core.progress.base import Progress
from budwood.core.text import count
from budwood.data.image_ref import ImageFile
from budwood.data.images import ImageLike, ValueRange
from budwood.data.manifest import Photo
from budwood.evaluation.groups import Grouping
from budwood.evaluation.ood import ACCEPTANCE, METHODS, OodFigures, Reference, measure_ood
from budwood.evaluation.selective import Answered, answer, choose_threshold
from budwood.evaluation.task import Task
from budwood.evaluation.taxonomy import LabelTree, score_tree
from budwood.features.ensemble import ExtractorEnsemble
from budwood.features.twins import find_twins
from budwood.inference.by_column import refuse_unknown_column
from budwood.inference.conditions import Answers, Conditions, Evaluation, measure_at, measure_by
from budwood.inference.own_photos import UNSEEN, OwnPhotos
from budwood.inference.predictor import Predictor, vectors

NO_CONDITIONS = Conditions()
MOST_COMPUTED = 5_000
"""Photos whose features are computed to know copies of them. Of a frozen backbone the store has them."""


def evaluate(
    predictor: Predictor,
    own: OwnPhotos,
    data: object,
    split: str,
    progress: Progress,
    *,
    task: Task,
    recipe: Recipe,
    tree: LabelTree | None = None,
    conditions: Conditions = NO_CONDITIONS,
) -> Evaluation:
    """Return the metrics of a model on the photos of a folder that belong to a split of its run.

    `recipe` and `tree` of the labels, where there is one, are those of the run; `conditions` are what is asked beside
    the figures of all photos.
    """
    from budwood.data.sources import read_source

    conditions.refuse_impossible(task, predictor.classes)
    found = read_source(data, own.settings, progress=progress)
    columns = found.reading.columns
    for column in conditions.by:
        refuse_unknown_column(found.photos, column, columns)
    with _features_of(predictor, own, found, split, progress) as (photos, features):
        probabilities = predictor.probabilities(features.rows(photos))
    targets = task.encode([photo.label for photo in photos], predictor.classes)
    groups = Grouping.of([photo.group or "" for photo in photos])
    answers = Answers(photos, targets, probabilities, predictor.classes, groups, task)
    figures = task.metrics(
        targets,
        probabilities,
        predictor.classes,
        resamples=recipe.evaluate.resamples,
        seed=recipe.seed,
        groups=groups,
    )
    if tree is not None:
        figures = figures.model_copy(update={"taxonomy": score_tree(tree, probabilities, targets, groups)})
    return Evaluation(
        figures,
        measure_by(answers, conditions.by, own, columns),
        measure_at(answers, conditions.prevalence, own, recipe.loss),
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
        first = others[0] if others and isinstance(others[0], ImageFile | Path) else "no file"
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
    """Raise RunError for an acceptance rate at which nothing can be told from anything."""
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
    """Give the photos of a folder that belong to a split of a run, and the store that has their features."""
    photos, left_out = own.labelled(data, split, progress)
    if left_out and split == UNSEEN:
        progress.say(f"{left_out:,} photos that the run learned from are left out")
    usable = len(photos) + left_out
    with predictor.extractor(progress) as features:
        extraction = features.compute(photos)
        photos = [photo for photo in photos if photo.name not in extraction.failed]
        if split == UNSEEN and (unknown := own.unknown(photos)):
            copies = find_copies(unknown, own, features, predictor.input.levels, progress)
            photos = [photo for photo in photos if photo.name not in copies]
        if not photos:
            raise DataError(
                f"no photo of {getattr(data, 'name', data)} belongs to `{split}`: of {usable} usable photos, all were "
                "left out. Give other photos, or --split all"
            )
        yield photos, features


def find_copies(
    photos: Sequence[Photo],
    own: OwnPhotos,
    features: ExtractorEnsemble,
    levels: ValueRange | None,
    progress: Progress,
) -> frozenset[str]:
    """Return the names of photos that show what a photo shows that the run learned from or chose by, and say so.

    They are found by features and pixels, such as mirrored, cropped and stamped ones. Where the photos of the run are
    not at hand, or too many features would have to be computed, that is said, and none is found.

    Args:
        photos: with features.
        own: the photos of the run.
        features: of the model, open.
        levels: black and white in pictures of more than 8 bits.
        progress: told of the photos that have to be computed, and of what is found.
    """
    learned = own.learned()
    missing = features.missing(learned)
    if not learned or missing > MOST_COMPUTED:
        why = "where they were" if not learned else f"in the store, and {missing:,} are many to compute"
        progress.say(
            f"the photos that the run learned from are not {why}: copies of them are known by their perceptual hash "
            "alone, which does not know mirrored, cropped and stamped ones"
        )
        return frozenset()
    failed = features.compute(learned).failed
    learned = [photo for photo in learned if photo.name not in failed]
    found = find_twins(
        photos, vectors(features.array(photos)), learned, vectors(features.array(learned)), levels
    )
    if found.twins:
        first = found.twins[0]
        progress.say(
            f"{count(len(found.twins), 'photo')} {'shows' if len(found.twins) == 1 else 'show'} what the run learned "
            f"from, such as mirrored, cropped or stamped (the first is {first.photo!r}, like {first.known!r}), and "
            f"{'is' if len(found.twins) == 1 else 'are'} left out"
        )
    if found.passed_over:
        progress.say(
            f"copies were looked for among the {found.compared:,} pairs that are most alike; {found.passed_over:,} "
            "more were not compared"
        )
    return frozenset(twin.photo for twin in found.twins)
