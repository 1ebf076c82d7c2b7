"""What the phases of one training share. Nothing of it changes while they run."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from budwood.config.recipe import Recipe
from budwood.core.errors import DataError
from budwood.core.notes import NoteKind
from budwood.core.progress.base import Progress
from budwood.data.manifest import PARTS, Photo
from budwood.evaluation.task import Task
from budwood.evaluation.taxonomy import LabelTree
from budwood.features.extract import Extraction
from budwood.features.extractor import FeatureExtractor
from budwood.features.twins import Twin
from budwood.pipeline.budget import Pace
from budwood.runs.directory import RunDirectory
from budwood.runs.resume import flat
from budwood.training.batches import Batches
from budwood.training.callbacks import (
    FindLossSpike,
    KeepCheckpoints,
    KeepToTime,
    ShowProgress,
    TellUser,
    WriteTensorBoard,
)
from budwood.training.checkpoints import Checkpoints, part_of
from budwood.training.class_weights import relative
from budwood.training.sharded_probe import OpenMap, over_threads


@dataclass(frozen=True)
class Session:
    """What the phases of one training share."""

    directory: RunDirectory
    recipe: Recipe
    """With the sizes resolved; what a phase resolves is in its outcome."""
    size: int
    """Side of the model's input in pixels."""
    classes: tuple[str, ...]
    parts: Mapping[str, Sequence[Photo]]
    """Photos by split."""
    labels: Mapping[str, np.ndarray]
    """Their targets, as the task encodes them."""
    task: Task
    teacher: FeatureExtractor | None
    """Open, from pixels to the probabilities of the model that is learned from."""
    callbacks: Sequence[keras.callbacks.Callback]
    """The user's own."""
    twins: tuple[Twin, ...] = ()
    """Photos of which a training photo is a copy, as their features and pixels tell."""
    tree: LabelTree | None = None
    """Of the labels, where there is one that has levels above the classes."""
    open_map: OpenMap = over_threads
    """Opens the map over the shards of a linear probe that memory does not hold; by default over threads here."""
    pace: Pace | None = None
    """When the training has to end, where it has to."""

    @property
    def progress(self) -> Progress:
        """Return what shows how far it is."""
        return self.directory.progress

    def hooks(
        self, recipe: Recipe, phase: str, backbone: str | None = None, until: float | None = None
    ) -> list[keras.callbacks.Callback]:
        """Return what is told of the gradient steps of a phase; of several backbones each has records of its own.

        With `until`, a time of `time.monotonic`, no epoch is begun that would end later.
        """
        folder, progress = self.directory.folder, self.directory.progress
        checkpoints = Checkpoints(
            folder / "checkpoints",
            part_of(phase, backbone),
            self._identity(recipe, phase),
            recipe.log.checkpoints,
        )
        return [
            TellUser(self._tell),
            KeepCheckpoints(checkpoints, recipe.evaluate.thresholds),
            *([FindLossSpike()] if phase == "finetune" else []),
            *([KeepToTime(until, backbone)] if until is not None else []),
            *([WriteTensorBoard(folder / "logs" / (backbone or ""))] if recipe.log.tensorboard else []),
            *self.callbacks,
            ShowProgress(progress),
        ]

    def ask_teacher(self, batches: Batches) -> None:
        """Compute and store what the teacher says of the views that are known beforehand."""
        if self.teacher is None:
            return
        extraction = batches.prepare_teacher()
        refuse_failures(extraction)
        known = self.directory.info.distill
        assert known is not None, "the teacher is recorded first"
        self.directory.record(distill=known.with_answers(extraction.num_computed, extraction.num_found))
        for note in self.teacher.notes:
            self.directory.note_once(note.text, note.kind)

    def _tell(self, text: str, kind: NoteKind = "general") -> None:
        if kind == "loss_spike":
            # Told at the end, where later epochs do not make up for it.
            self.directory.keep(text, kind)
        else:
            self.directory.note(text, kind)

    def _identity(self, recipe: Recipe, phase: str) -> dict[str, str]:
        """Return what must be the same for a phase to be gone on with."""
        settings = recipe.model_dump(mode="json", exclude_none=True, exclude={"evaluate", "log"})
        if phase != "finetune":
            # A head learns from the views of phase 2; how many epochs that has may follow from the time.
            settings["finetune"] = {"planned": recipe.finetune.epochs > 0}
        else:
            # Each backbone is trained by itself; one for which there is no time is left out later.
            del settings["finetune"]["backbones"]
        identity = {key: json.dumps(value) for key, value in flat(settings).items()}
        identity["photos"] = self.directory.split_sha256
        weights = np.array([photo.weight for photo in self.parts.get("train", ())])
        if relative(weights) is not None:
            identity["weights"] = hashlib.sha256(weights.tobytes()).hexdigest()
        if self.directory.info.distill:
            identity["teacher"] = self.directory.info.distill.model
        return identity


def divide_by_split(
    photos: Sequence[Photo], classes: Sequence[str], task: Task
) -> tuple[dict[str, list[Photo]], dict[str, np.ndarray]]:
    """Return the photos of each split, and their targets."""
    parts: dict[str, list[Photo]] = {
        split: [photo for photo in photos if photo.split == split] for split in PARTS
    }
    labels = {split: task.encode([photo.label for photo in part], classes) for split, part in parts.items()}
    return parts, labels


def refuse_failures(extraction: Extraction) -> None:
    """Raise DataError for a photo that could be read a moment ago, and of which views cannot be made."""
    for name, detail in extraction.failed.items():
        raise DataError(f"{name}: {detail}. Start the run again, with --resume")
