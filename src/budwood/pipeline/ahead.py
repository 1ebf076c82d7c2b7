"""Features computed ahead of a training, which then finds them in the store."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from budwood.core.errors import RecipeError
from budwood.core.tensorflow import usual_keras
from budwood.data.manifest import Photo
from budwood.features.extract import Extraction
from budwood.pipeline.features import OpenFeatures
from budwood.pipeline.prepare import Prepared

Compute = Callable[[OpenFeatures, Sequence[Photo]], Extraction]
GOES_ON = "the features that were computed are kept: the same command goes on from there"


@dataclass(frozen=True)
class Ahead:
    """What was done."""

    photos: int
    extraction: Extraction
    seconds: float
    """Of the features alone, without the check of the photos and the loading of the backbones."""
    fingerprint: str


@usual_keras()
def compute_ahead(prepared: Prepared, compute: Compute = OpenFeatures.compute) -> Ahead:
    """Put the features of all photos into the store that a training would begin with.

    Args:
        prepared: the training; nothing of it is written.
        compute: where they are computed; in this process by default.

    Raises:
        RecipeError: the training uses no features of frozen layers.
        StoreError: the disk is full. What was computed before is kept, as it is on Ctrl-C.
    """
    if not (prepared.request.previous or prepared.recipe.frozen.epochs):
        raise RecipeError(
            "with frozen.epochs = 0 no head is trained on features of the frozen backbone, so there are none to "
            "compute ahead. Give a recipe that has phase 1"
        )
    # What a shared store holds stays there: who trains fetches it.
    with prepared.open_features(
        prepared.request.directory.progress, prepared.boundaries, fetch=False
    ) as features:
        started = time.perf_counter()
        try:
            extraction = compute(features, prepared.photos)
        except KeyboardInterrupt as error:
            error.add_note(GOES_ON)
            raise
        seconds = time.perf_counter() - started
        return Ahead(len(prepared.photos), extraction, seconds, features.exact.fingerprint)
