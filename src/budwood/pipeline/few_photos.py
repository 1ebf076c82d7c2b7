"""With few photos a recipe that adapts trains a head on two backbones, then scale and bias of their upper layers."""

from collections.abc import Sequence

from budwood.backbones.registry import get_backbone
from budwood.config.recipe import Recipe
from budwood.core.errors import WeightsError
from budwood.core.notes import Note
from budwood.core.text import count
from budwood.data.manifest import Photo
from budwood.evaluation.task import MULTI_LABEL
from budwood.pipeline.plan import head_alone, networks_in_words, two_frozen, with_scale_and_bias
from budwood.pipeline.request import TrainingRequest, fetch_weights, with_planned

FEW, FEW_OF_A_CLASS = 600, 10
"""Training photos, in all and in the mean of a class: with fewer, fine-tuning of all weights of the upper layers loses
more often than it gains, and that of scale and bias gains more often, see docs/guide/how-many-photos.md."""


def has_few(request: TrainingRequest, photos: Sequence[Photo], classes: int) -> bool:
    """Return whether a recipe adapts, and has few photos to learn from.

    False for several labels a photo, which was not measured; for a training that starts from the model of another
    run; and for a recipe that has not both phases. These are trained as was asked.
    """
    return (
        request.asked.adapt
        and request.asked.frozen.epochs > 0
        and request.asked.finetune.epochs > 0
        and is_few(_num_training(photos), classes)
        and request.previous is None
        and request.task.name != MULTI_LABEL.name
    )


def is_few(photos: int, classes: int) -> bool:
    """Return whether so many training photos of so many classes are few.

    >>> is_few(599, 5), is_few(600, 5), is_few(1_200, 525)
    (True, False, True)
    """
    return photos < max(FEW, FEW_OF_A_CLASS * classes)


def for_few_photos(request: TrainingRequest) -> TrainingRequest:
    """Return a training of the head, and then of scale and bias of the upper layers.

    It is of two backbones; of the one of the recipe where the weights of the other are not to be had.
    """
    asked = request.asked
    planned = with_planned(request, with_scale_and_bias(two_frozen(asked), asked))
    try:
        fetch_weights(planned)
    except WeightsError:
        return with_planned(request, with_scale_and_bias(head_alone(asked), asked))
    return planned


def note_of_few(recipe: Recipe, photos: Sequence[Photo], classes: int) -> Note:
    """Return what the user should know of a training whose photos are few: why `recipe` trains so little."""
    number = _num_training(photos)
    limit = f"{FEW}" if number < FEW else f"{FEW_OF_A_CLASS} for each of {classes} classes"
    absent = [
        name
        for name in two_frozen(recipe).backbone.names
        if name not in recipe.backbone.names and not get_backbone(name).pretrained.is_here()
    ]
    better = "".join(
        f" With {name} as a second network it would do better (its weights: {get_backbone(name).where()})."
        for name in absent
    )
    few = f"{count(number, 'training photo')}, fewer than {limit}: a new head is trained"
    networks = networks_in_words(recipe)
    if not recipe.finetune.epochs:
        why = "Scale and bias of the upper layers would take more time than there is."
        return Note(f"{few}, on {networks}. {why}{better}", "settings")
    why = (
        "From so few photos, fine-tuning all weights of the upper layers loses more often than it gains; "
        "--recipe quick does it all the same."
    )
    return Note(f"{few}, then scale and bias of the upper layers, on {networks}. {why}{better}", "settings")


def _num_training(photos: Sequence[Photo]) -> int:
    return sum(photo.split == "train" for photo in photos)
