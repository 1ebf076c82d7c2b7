"""One training under way: what its phases share, and the two phases."""

import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from jaxtyping import Int

from budwood import files
from budwood.backbones.contract import Backbone
from budwood.cache import cache_dir
from budwood.data.manifest import Photo
from budwood.data.split import SPLITS
from budwood.errors import DataError
from budwood.features.cut import cut
from budwood.features.eviction import default_limit
from budwood.features.extract import Extraction
from budwood.features.frozen import FrozenFeatures
from budwood.model import model_info, save_model
from budwood.progress import Progress
from budwood.recipe import Augment, Recipe
from budwood.records import read_history, write_history, write_layers
from budwood.report.words import count
from budwood.run import Run
from budwood.rundir import RunDirectory, flat
from budwood.training.checkpoints import Checkpoints
from budwood.training.feed import Feed, make_feed
from budwood.training.heads import LOGITS, apply, divide_logits, head_layers
from budwood.training.loop import DivergedError
from budwood.training.phase import PhaseResult, resolve_fit, train_finetune_phase, train_frozen_phase
from budwood.training.unfreeze import unfreeze

START = "start"
"""The phase that a run goes on from, or whose head nobody trained."""


@dataclass
class Work:
    """One training under way: what its phases share."""

    directory: RunDirectory
    recipe: Recipe
    backbone: Backbone
    size: int
    classes: tuple[str, ...]
    photos: tuple[Photo, ...]
    callbacks: Sequence[keras.callbacks.Callback]
    progress: Progress
    teacher: FrozenFeatures | None = None
    """Open, from pixels to the probabilities of the model that is learned from."""
    phases: list[dict[str, Any]] = field(default_factory=list)
    """What `metrics.json` will say of each phase, before it is measured."""
    history: list[dict[str, Any]] = field(default_factory=list)
    temperature: float = 1.0
    """By which the logits are divided in the model that is saved: what suits the validation photos."""
    saved: dict[str, tuple[Path, dict[str, Any]]] = field(default_factory=dict)
    """The file of each phase's model, and what `model.json` will say of it."""

    def __post_init__(self) -> None:
        self.parts = {split: [photo for photo in self.photos if photo.split == split] for split in SPLITS}
        self.labels = {split: label_indices(part, self.classes) for split, part in self.parts.items()}

    @property
    def folder(self) -> Path:
        return self.directory.folder

    @property
    def first_epoch(self) -> int:
        """The number of the next epoch: they are counted on through the phases."""
        return max((row["epoch"] for row in self.history), default=0) + 1

    def steps(self, phase: str) -> dict[str, Any]:
        """What the gradient steps of every phase are given."""
        settings = self.recipe.model_dump(mode="json", exclude_none=True, exclude={"evaluate", "log"})
        identity = {key: json.dumps(value) for key, value in flat(settings).items()}
        identity["photos"] = self.directory.info["split"]["sha256"]
        if self.teacher:
            identity["teacher"] = self.directory.info["distill"]["model"]
        return {
            "classes": self.classes,
            "checkpoints": Checkpoints(
                self.folder / "checkpoints", phase, identity, self.recipe.log.checkpoints
            ),
            "callbacks": self.callbacks,
            "log_folder": self.folder / "logs" if self.recipe.log.tensorboard else None,
            "progress": self.progress,
            "note": self.directory.note,
        }

    def add(self, phase: str, result: PhaseResult, unfrozen_layers: Sequence[str] = ()) -> None:
        """Takes what a phase gave into the records of the run."""
        self.recipe = result.recipe
        files.write_text(self.folder / "recipe.toml", result.recipe.to_toml())
        if result.linear_path is not None:
            files.write_json(self.folder / "linear_path.json", result.linear_path)
        self.temperature = result.temperature
        self.history += [{"phase": phase, **row} for row in result.history]
        write_history(self.folder, self.history)
        self.phases.append(
            {
                "name": phase,
                "seconds": round(result.seconds, 3),
                "epochs": len(result.history),
                "best_epoch": result.best_epoch,
                "trainable_parameters": result.trainable_parameters,
                "unfrozen_layers": list(unfrozen_layers),
                "stopped": result.stopped,
            }
        )

    def go_on_from(self, previous: Run) -> None:
        """Takes the history of a run that is fine-tuned further into this one."""
        before = previous.kept_phase
        # What the run did after the epoch that it kept is not in its model.
        self.history += [row for row in read_history(previous.folder) if row["epoch"] <= before["best_epoch"]]
        self.temperature = previous.temperature
        write_history(self.folder, self.history)
        files.write_text(self.folder / "recipe.toml", self.recipe.to_toml())
        keys = ("seconds", "epochs", "best_epoch", "trainable_parameters", "unfrozen_layers", "stopped")
        self.phases.append({"name": START, **{key: before.get(key) for key in keys}})
        self.directory.info["from"] = previous.folder.name
        self.directory.note(
            f"photos that the run {previous.folder.name} knows stay in the split that they had there; others are "
            "trained on"
        )

    def learn_from(self, teacher: Run) -> None:
        """Notes whose model teaches, and what follows for the split."""
        self.directory.info["distill"] = {
            "run": teacher.folder.name,
            "model": teacher.model_sha256,
            "computed": 0,
            "found": 0,
        }
        if {photo.sha256 for photo in self.photos} & {row["sha256"] for row in teacher.splits}:
            self.directory.note(
                f"photos that the teacher {teacher.folder.name} knows stay in the split that they had there, so that "
                "none is measured on that it learned from"
            )

    def ask_teacher(self, feed: Feed) -> None:
        """Computes and stores what the teacher says of the views that are known beforehand."""
        if self.teacher is None:
            return
        extraction = feed.prepare_teacher()
        refuse_failures(extraction)
        known = self.directory.info["distill"]
        known["computed"] += extraction.num_computed
        known["found"] += extraction.num_found
        for line in self.teacher.notes:
            if line not in self.directory.info["notes"]:
                self.directory.note(line)

    def save(self, model: keras.Model) -> None:
        """Writes the model as the phase before left it. Later phases change the same layers."""
        phase = self.phases[-1]["name"] if self.phases else START
        file = self.folder / "checkpoints" / f"{phase}.keras"
        # The next phase goes on from the logits as they were trained.
        raw = divide_logits(model, self.temperature)
        save_model(model, file)
        model.get_layer(LOGITS).set_weights(raw)
        self.directory.info.setdefault("base", phase)
        if self.phases:
            self.saved[phase] = (
                file,
                model_info(
                    model, self.classes, self.recipe.data.resize, self.backbone.name, self.temperature
                ),
            )

    def tidy(self) -> None:
        """Leaves of the checkpoints what can be evaluated: nothing goes on from a complete training."""
        folder = self.folder / "checkpoints"
        for file in folder.glob("*-last.npz"):
            file.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()


def train_head(
    work: Work, frozen: keras.Model, training: FrozenFeatures, exact: FrozenFeatures
) -> keras.Model:
    """Phase "frozen": a head on the features of the whole backbone; returns both as one flat model."""
    layers = head_layers(work.recipe.head, len(work.classes), work.recipe.seed)
    if work.recipe.frozen.epochs:
        plain = training.rows(work.parts["train"])
        feed = make_feed(
            training,
            work.parts["train"],
            work.labels["train"],
            work.recipe.augment,
            work.recipe.seed,
            work.teacher,
        )
        num_photos, num_features = plain.shape
        resolved, _ = resolve_fit(work.recipe, num_photos, num_features, len(work.classes))
        if resolved.frozen.fit == "gradient":
            refuse_failures(feed.prepare())
            work.ask_teacher(feed)
        result = train_frozen_phase(
            work.recipe,
            feed,
            plain,
            work.labels["train"],
            exact.rows(work.parts["validation"]),
            work.labels["validation"],
            **work.steps("frozen"),
        )
        work.add("frozen", result)
        layers = result.layers
    return keras.Model(frozen.input, apply(layers, frozen.output), name=work.backbone.name)


def finetune(work: Work, model: keras.Model) -> None:
    """Phase "finetune": the upper layers of the model are trained too, from features stored at a lower boundary."""
    recipe, train, validation = work.recipe, work.parts["train"], work.parts["validation"]
    unfrozen = unfreeze(model, work.backbone, recipe.finetune)
    write_layers(work.folder, unfrozen.table)
    features = FrozenFeatures(
        cut(model, unfrozen.boundary)[0],
        size=work.size,
        resize=recipe.data.resize,
        precision=recipe.backbone.precision,
        engine=recipe.backbone.engine,
        dtype="float16",
        augment=recipe.augment,
        seed=recipe.seed,
        progress=work.progress,
    )
    with features:
        augment = affordable(recipe.augment, len(train) * features.row_bytes, work.directory.note)
        feed = make_feed(features, train, work.labels["train"], augment, recipe.seed, work.teacher)
        with work.directory.stage("views"):
            extraction = feed.prepare() + features.compute(validation)
            refuse_failures(extraction)
            for line in features.notes:
                work.directory.note(line)
            work.ask_teacher(feed)
        work.directory.info["views"] = {
            "boundary": unfrozen.boundary,
            "computed": extraction.num_computed,
            "found": extraction.num_found,
            "bytes_per_view": features.row_bytes,
        }
        with work.directory.stage("finetune"):
            try:
                result = train_finetune_phase(
                    recipe,
                    model,
                    unfrozen,
                    feed,
                    features.rows(validation),
                    work.labels["validation"],
                    first_epoch=work.first_epoch,
                    best_before=min((row["val_loss"] for row in work.history), default=math.inf),
                    **work.steps("finetune"),
                )
            except DivergedError as error:
                if not work.phases:
                    raise
                work.directory.note(f"{error}. There is no phase 2, the model of the phase before is kept")
                return
    work.add("finetune", result, unfrozen.layers)
    work.save(model)


def refuse_failures(extraction: Extraction) -> None:
    """Raises DataError for a photo that could be read a moment ago, and of which views cannot be made."""
    for name, detail in extraction.failed.items():
        raise DataError(f"{name}: {detail}. Start the run again, with --resume")


def affordable(augment: Augment, bytes_per_view: int, note: Callable[[str], None]) -> Augment:
    """The augmentation with a bank of no more views than the store may hold and the disk has room for."""
    room = min(default_limit(), int(0.8 * shutil.disk_usage(cache_dir()).free))
    most = max(1, room // max(1, bytes_per_view))
    if augment.views == "per-epoch" or augment.views <= most:
        return augment
    note(
        f"augment.views = {augment.views} would take {augment.views * bytes_per_view / 1e9:.1f} GB, more than the "
        f"{room / 1e9:.1f} GB that the store may hold or the disk has room for: {count(most, 'view')} of each photo "
        "instead. BUDWOOD_CACHE_LIMIT and BUDWOOD_CACHE make more room"
    )
    return augment.model_copy(update={"views": most})


def label_indices(photos: Sequence[Photo], classes: Sequence[str]) -> Int[np.ndarray, "n"]:
    """The class of each photo as its place in `classes`."""
    places = {label: place for place, label in enumerate(classes)}
    return np.array([places[photo.label] for photo in photos], dtype=np.int64)
