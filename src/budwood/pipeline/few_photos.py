"""What becomes of `auto` where there are few photos: no phase 2, and a head on two backbones in place of one."""

from collections.abc import Sequence

from budwood.core.errors import WeightsError
from budwood.core.notes import Note
from budwood.core.text import count
from budwood.data.manifest import Photo
from budwood.evaluation.task import MULTI_LABEL
from budwood.pipeline.plan import head_alone, in_words, leaves_choice, two_frozen
from budwood.pipeline.request import TrainingRequest, fetch_weights, with_planned

FEW, FEW_OF_A_CLASS = 600, 10
"""Training photos, in all and in the mean of a class: with fewer fine-tuning loses more often than it gains, see
docs/guide/how-many-photos.md."""


def has_few(request: TrainingRequest, photos: Sequence[Photo], classes: int) -> bool:
    """Return whether a training leaves the choice of what to train to Budwood, and has few photos to learn from.

    Measured with one label a photo. A run that is gone on with is fine-tuned, as was asked.
    """
    return (
        _num_training(photos) < max(FEW, FEW_OF_A_CLASS * classes)
        and leaves_choice(request.asked)
        and request.previous is None
        and request.task is not MULTI_LABEL
    )


def without_phase_2(
    request: TrainingRequest, photos: Sequence[Photo], classes: int
) -> tuple[TrainingRequest, tuple[Note, ...]]:
    """Return a training of the head alone, and what the user should know of it.

    It stands on two backbones; on the one of the recipe where the weights of the other are not to be had.
    """
    recipe, reason = two_frozen(request.asked), ""
    try:
        fetch_weights(with_planned(request, recipe))
    except WeightsError as error:
        recipe, reason = head_alone(request.asked), f". Two networks would do better: {error}"
    number = _num_training(photos)
    limit = f"{FEW}" if number < FEW else f"{FEW_OF_A_CLASS} for each of {classes} classes"
    few = f"{count(number, 'training photo')}, fewer than {limit}"
    note = Note(
        f"{few}: {in_words(recipe)}. Fine-tuning on so few loses more often than it gains; --recipe quick does it all "
        f"the same{reason}",
        "settings",
    )
    return with_planned(request, recipe), (note,)


def _num_training(photos: Sequence[Photo]) -> int:
    return sum(photo.split == "train" for photo in photos)
