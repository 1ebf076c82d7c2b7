"""What becomes of `auto` where there are few photos: no phase 2, and a head on two backbones in place of one."""

from collections.abc import Sequence

from budwood.core.errors import WeightsError
from budwood.core.notes import Note
from budwood.core.text import count
from budwood.data.manifest import Photo
from budwood.evaluation.task import MULTI_LABEL
from budwood.pipeline.plan import head_alone, in_words, leaves_choice, two_frozen
from budwood.pipeline.request import TrainingRequest, fetch_weights, with_planned

FEW = 600
"""Training photos: fine-tuning fewer loses more often than it gains, see docs/guide/how-many-photos.md."""


def has_few(request: TrainingRequest, photos: Sequence[Photo]) -> bool:
    """Return whether a training leaves the choice of what to train to Budwood, and has few photos to learn from.

    Measured with one label a photo. A run that is gone on with is fine-tuned, as was asked.
    """
    return (
        sum(photo.split == "train" for photo in photos) < FEW
        and leaves_choice(request.asked)
        and request.previous is None
        and request.task is not MULTI_LABEL
    )


def without_phase_2(
    request: TrainingRequest, photos: Sequence[Photo]
) -> tuple[TrainingRequest, tuple[Note, ...]]:
    """Return a training of the head alone, and what the user should know of it.

    It stands on two backbones; on the one of the recipe where the weights of the other are not to be had.
    """
    recipe, reason = two_frozen(request.asked), ""
    try:
        fetch_weights(with_planned(request, recipe))
    except WeightsError as error:
        recipe, reason = head_alone(request.asked), f". Two networks would do better: {error}"
    few = count(sum(photo.split == "train" for photo in photos), "training photo")
    note = Note(
        f"{few}, fewer than {FEW}: {in_words(recipe)}. Fine-tuning on so few loses more often than it gains; "
        f"--recipe quick does it all the same{reason}",
        "settings",
    )
    return with_planned(request, recipe), (note,)
