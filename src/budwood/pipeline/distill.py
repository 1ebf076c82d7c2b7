"""The teacher: a finished run whose model a smaller one learns from (`[distill]`)."""

from collections.abc import Sequence

import keras
import numpy as np

from budwood.config.recipe import Recipe
from budwood.core.errors import DataError
from budwood.core.progress.base import SILENT, Progress
from budwood.data.manifest import Photo
from budwood.evaluation.task import MULTI_LABEL, SINGLE_LABEL, Task
from budwood.features.extractor import FeatureExtractor
from budwood.inference.artifact import load_artifact
from budwood.runs.files import RunFiles


def refuse_unfit_teacher(
    teacher: RunFiles, classes: Sequence[str], photos: Sequence[Photo], task: Task = SINGLE_LABEL
) -> None:
    """Raise DataError where a teacher has another task, does not know exactly these classes, or learned from photos
    that are to be measured on: through it the student would know them too."""
    if teacher.info.task != task.name:
        has = {SINGLE_LABEL.name: "one label", MULTI_LABEL.name: "several labels"}
        raise DataError(
            f"the run {teacher.folder} knows {has.get(teacher.info.task, teacher.info.task)} a photo, and the photos "
            f"here have {has.get(task.name, task.name)}: its probabilities would teach something else. Give a run of "
            "the same kind"
        )
    unknown = [label for label in classes if label not in teacher.classes]
    beyond = [label for label in teacher.classes if label not in classes]
    if unknown or beyond:
        which = [f"does not know {', '.join(unknown[:5])}"] if unknown else []
        which += [f"knows {', '.join(beyond[:5])} besides"] if beyond else []
        raise DataError(
            f"a teacher must know exactly the classes of the photos, and the run {teacher.folder} "
            f"{' and '.join(which)}. Give photos of the teacher's classes, or a run that was trained on these"
        )
    learned = {row.sha256 for row in teacher.split if row.split == "train"}
    for split in ("validation", "test", "calibration"):
        seen = sum(photo.split == split and photo.sha256 in learned for photo in photos)
        if seen:
            without = ", or --no-test" if split == "test" else ""
            raise DataError(
                f"the run {teacher.folder} was trained on {seen:,} of the {split} photos, so the model that it teaches "
                f"would seem better than it is. Give the photos that the run kept for {split} too{without}"
            )


def teacher_features(
    teacher: RunFiles, recipe: Recipe, classes: Sequence[str], progress: Progress = SILENT
) -> FeatureExtractor:
    """Return the whole model of a run as one feature extractor: what it yields for a view are its probabilities.

    Their logarithms are logits, calibrated as the saved model is and whatever its head looks like. Views are augmented
    as the student's are, and rendered at the teacher's own size and way of resizing.

    Args:
        teacher: its model is read.
        recipe: the student's; of it [augment], seed, precision and engine.
        classes: the student's, in the order wanted; the teacher knows the same in any order.
        progress: told of the stage "features".

    Raise RunError where the model is missing or damaged.
    """
    artifact = load_artifact(teacher.folder / "model")
    return FeatureExtractor(
        _in_order(artifact.model, [artifact.classes.index(label) for label in classes]),
        size=artifact.size,
        resize=artifact.resize,
        levels=artifact.levels,
        precision=recipe.backbone.precision,
        engine=recipe.backbone.engine,
        augment=recipe.augment,
        seed=recipe.seed,
        progress=progress,
    )


def _in_order(model: keras.Model, places: list[int]) -> keras.Model:
    """Return the model with its outputs in another order."""
    if places == sorted(places):
        return model
    order = keras.layers.Dense(len(places), use_bias=False, dtype="float32", name="in_order")
    outputs = order(model.output)
    order.set_weights([np.eye(len(places), dtype=np.float32)[:, places]])
    return keras.Model(model.input, outputs)
