"""One training under way: what its phases share, and the two phases."""

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np
from jaxtyping import Int

from budwood.config.recipe import Augment, Head, Recipe
from budwood.core.cache import cache_dir
from budwood.core.errors import DataError
from budwood.core.notes import TakesNotes
from budwood.core.progress.base import Progress
from budwood.core.text import count
from budwood.data.manifest import Photo
from budwood.data.split import SPLITS
from budwood.features.ensemble import ExtractorEnsemble
from budwood.features.extract import Extraction
from budwood.features.extractor import FeatureExtractor
from budwood.features.store.eviction import default_limit
from budwood.inference.artifact import Artifact, make_artifact, save_model
from budwood.network.compose import PooledBackbone, compose, layer_prefix, logits_of
from budwood.network.graph import cut
from budwood.network.heads import LOGITS, apply, divide_logits, head_layers, head_model, mean_layers
from budwood.network.unfreeze import LayerRow, Unfrozen, frozen_table, head_table, unfreeze
from budwood.pipeline.phases import PhaseResult, train_finetune_phase, train_frozen_phase
from budwood.run import Run
from budwood.runs.directory import RunDirectory, flat
from budwood.runs.files import write_history, write_layers, write_linear_path, write_recipe
from budwood.runs.schema import EpochRow, TeacherInfo, TrainedPart, TrainedPhase, ViewsInfo
from budwood.training.batch_norm import quicken_batch_norm
from budwood.training.batches import Batches, TrainingData, make_batches
from budwood.training.callbacks import (
    FindLossSpike,
    KeepCheckpoints,
    ShowProgress,
    TellUser,
    WriteTensorBoard,
)
from budwood.training.checkpoints import Checkpoints, part_of
from budwood.training.linear_probe import resolve_fit
from budwood.training.loop import Before, DivergedError
from budwood.training.validation import validate

Layer = keras.layers.Layer

START = "start"
"""The phase that a run goes on from, or whose head nobody trained."""


@dataclass
class Work:
    """One training under way: what its phases share."""

    directory: RunDirectory
    recipe: Recipe
    size: int
    classes: tuple[str, ...]
    photos: tuple[Photo, ...]
    callbacks: Sequence[keras.callbacks.Callback]
    progress: Progress
    teacher: FeatureExtractor | None = None
    """Open, from pixels to the probabilities of the model that is learned from."""
    phases: list[TrainedPhase] = field(default_factory=list)
    """What `metrics.json` will say of each phase, before it is measured."""
    history: list[EpochRow] = field(default_factory=list)
    saved: dict[str, tuple[Path, dict[str, Any]]] = field(default_factory=dict)
    """The file of each phase's model, and what `model.json` will say of it."""
    failure: str | None = None
    """Why phase 2 left no model, where it was tried."""

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

    def hooks(self, phase: str, backbone: str | None = None) -> list[keras.callbacks.Callback]:
        """Return what is told of the gradient steps of a phase; of several backbones each has records of its own."""
        settings = self.recipe.model_dump(mode="json", exclude_none=True, exclude={"evaluate", "log"})
        identity = {key: json.dumps(value) for key, value in flat(settings).items()}
        identity["photos"] = self.directory.split_sha256
        if self.directory.info.distill:
            identity["teacher"] = self.directory.info.distill.model
        checkpoints = Checkpoints(
            self.folder / "checkpoints", part_of(phase, backbone), identity, self.recipe.log.checkpoints
        )
        logs = self.folder / "logs" / (backbone or "")
        return [
            TellUser(self.directory.note),
            KeepCheckpoints(checkpoints),
            *([FindLossSpike()] if phase == "finetune" else []),
            *([WriteTensorBoard(logs)] if self.recipe.log.tensorboard else []),
            *self.callbacks,
            ShowProgress(self.progress),
        ]

    def add(self, phase: str, results: Sequence[tuple[str | None, PhaseResult, Sequence[str]]]) -> None:
        """Takes what a phase gave into the records of the run: of each backbone that it trained by itself the name,
        the result, and the layers that were unfrozen."""
        described: list[TrainedPart] = []
        for backbone, result, unfrozen_layers in results:
            own = {"backbone": backbone} if backbone else {}
            self.history += [cast(EpochRow, {"phase": phase, **own, **row}) for row in result.history]
            described.append(
                TrainedPart(
                    name=backbone or phase,
                    seconds=round(result.seconds, 3),
                    epochs=len(result.history),
                    best_epoch=result.best_epoch,
                    trainable_parameters=result.trainable_parameters,
                    unfrozen_layers=tuple(unfrozen_layers),
                    stopped=result.stopped,
                )
            )
        _, result, _ = results[-1]
        if results[0][0] is None:
            self.recipe = result.recipe
            whole = TrainedPhase.model_validate(described[0].to_json())
        else:
            whole = TrainedPhase(
                name=phase,
                seconds=sum(one.seconds for one in described),
                epochs=sum(one.epochs for one in described),
                # Each has a best epoch of its own; what comes after the last one's is in no model.
                best_epoch=described[-1].best_epoch,
                trainable_parameters=sum(one.trainable_parameters for one in described),
                unfrozen_layers=tuple(layer for one in described for layer in one.unfrozen_layers),
                backbones=tuple(described),
            )
        write_recipe(self.folder, self.recipe)
        if result.linear_path is not None:
            write_linear_path(self.folder, result.linear_path)
        write_history(self.folder, self.history)
        self.phases.append(whole)

    def go_on_from(self, previous: Run) -> None:
        """Takes the history of a run that is fine-tuned further into this one."""
        before = previous.kept_phase
        # What the run did after the epoch that it kept is not in its model.
        self.history += [row for row in previous.history if row["epoch"] <= before.best_epoch]
        write_history(self.folder, self.history)
        write_recipe(self.folder, self.recipe)
        own = {name: getattr(before, name) for name in TrainedPart.model_fields}
        self.phases.append(TrainedPhase(**{**own, "name": START}))
        self.directory.record_start(previous.folder.name)
        self.directory.note(
            f"photos that the run {previous.folder.name} knows stay in the split that they had there; others are "
            "trained on",
            "split",
        )

    def learn_from(self, teacher: Run) -> None:
        """Notes whose model teaches, and what follows for the split."""
        self.directory.record_teacher(TeacherInfo(run=teacher.folder.name, model=teacher.model_sha256))
        if {photo.sha256 for photo in self.photos} & {row["sha256"] for row in teacher.splits}:
            self.directory.note(
                f"photos that the teacher {teacher.folder.name} knows stay in the split that they had there, so that "
                "none is measured on that it learned from",
                "split",
            )

    def ask_teacher(self, batches: Batches) -> None:
        """Computes and stores what the teacher says of the views that are known beforehand."""
        if self.teacher is None:
            return
        extraction = batches.prepare_teacher()
        refuse_failures(extraction)
        self.directory.count_teacher(extraction.num_computed, extraction.num_found)
        for line in self.teacher.notes:
            self.directory.note_once(line, "features")

    def save(self, networks: Sequence[PooledBackbone], head: Sequence[Layer]) -> None:
        """Writes the model as the phase before left it. Later phases change the same layers."""
        phase = self.phases[-1].name if self.phases else START
        file = self.folder / "checkpoints" / f"{phase}.keras"
        model = compose(networks, head, flip=self.recipe.evaluate.flip)
        if not self.recipe.finetune.epochs:
            write_layers(self.folder, head_table(model))
        temperature = 1.0
        if self.phases:
            artifact = make_artifact(model, self.classes, self.recipe.data.resize, self.recipe.backbone.name)
            temperature = artifact.info["temperature"] = self._temperature(artifact)
            self.saved[phase] = (file, artifact.info)
        # The next phase goes on from the logits as they were trained.
        raw = divide_logits(model, temperature)
        save_model(model, file)
        model.get_layer(LOGITS).set_weights(raw)
        self.directory.record_base(phase)

    def _temperature(self, artifact: Artifact) -> float:
        """By which the logits of the very model that is saved are to be divided: what suits the validation photos."""
        photos = self.parts["validation"]
        with artifact.features(engine=self.recipe.backbone.engine, progress=self.progress) as features:
            refuse_failures(features.compute(photos))
            logits = logits_of(artifact.head)
            found = validate(logits, features.rows(photos), self.labels["validation"], calibrate=True)
        assert found.temperature is not None
        return found.temperature

    def tidy(self) -> None:
        """Leaves of the checkpoints what can be evaluated: nothing goes on from a complete training."""
        folder = self.folder / "checkpoints"
        for file in [*folder.glob("*-last.npz"), *folder.glob(f"{START}-*.npz")]:
            file.unlink(missing_ok=True)
        if not any(folder.iterdir()):
            folder.rmdir()


@dataclass(frozen=True)
class Start:
    """Where the fine-tuning of one backbone starts: a head on its features alone."""

    layers: list[keras.layers.Layer]
    val_loss: float
    """With this head, and the temperature by which its logits are to be divided."""
    temperature: float


def train_head(
    work: Work,
    networks: Sequence[PooledBackbone],
    training: ExtractorEnsemble,
    exact: ExtractorEnsemble,
) -> list[Layer]:
    """Phase "frozen": a head on the joined features of all backbones."""
    recipe = work.recipe
    if not recipe.frozen.epochs:
        width = sum(network.features for network in networks)
        layers = head_layers(recipe.head, len(work.classes), recipe.seed)
        # Built, so that there are weights to be saved.
        head_model(layers, width)
        return layers
    result = _fit_head(work, recipe, training, exact, "frozen")
    work.add("frozen", [(None, result, ())])
    return result.layers


def start_heads(
    work: Work,
    networks: Sequence[PooledBackbone],
    layers: list[Layer],
    training: ExtractorEnsemble,
    exact: ExtractorEnsemble,
) -> list[Start]:
    """For each backbone the head with which it is fine-tuned: of one alone the head there is, of several one each."""
    if len(networks) == 1:
        before = min((row["val_loss"] for row in work.history), default=math.inf)
        return [Start(layers, before, 1.0)]
    # As a rule the linear fit, whatever stands on the joined features.
    plain = Head(dropout=work.recipe.head.dropout, l2=work.recipe.head.l2, logits=work.recipe.head.logits)
    recipe = work.recipe.model_copy(
        update={"head": plain, "frozen": work.recipe.frozen.model_copy(update={"fit": "linear"})}
    )
    starts = []
    for network, own, own_exact in zip(networks, training.parts, exact.parts, strict=True):
        if not recipe.frozen.epochs:
            layers = head_layers(plain, len(work.classes), recipe.seed)
            starts.append(Start(layers, math.inf, 1.0))
            continue
        result = _fit_head(
            work,
            recipe,
            ExtractorEnsemble([own]),
            ExtractorEnsemble([own_exact]),
            START,
            network.name,
        )
        starts.append(Start(result.layers, result.best_val_loss, result.temperature))
    return starts


def _fit_head(
    work: Work,
    recipe: Recipe,
    training: ExtractorEnsemble,
    exact: ExtractorEnsemble,
    phase: str,
    backbone: str | None = None,
) -> PhaseResult:
    train, validation = work.parts["train"], work.parts["validation"]
    plain = training.rows(train)
    batches = make_batches(training, train, work.labels["train"], recipe.augment, recipe.seed, work.teacher)
    num_photos, num_features = plain.shape
    if resolve_fit(recipe, num_photos, num_features, len(work.classes))[0].frozen.fit == "gradient":
        refuse_failures(batches.prepare())
        work.ask_teacher(batches)
    return train_frozen_phase(
        recipe,
        TrainingData(batches, exact.rows(validation), work.labels["validation"], work.classes),
        plain,
        work.labels["train"],
        callbacks=work.hooks(phase, backbone),
        progress=work.progress,
        note=work.directory.note,
    )


def finetune(work: Work, networks: Sequence[PooledBackbone], starts: Sequence[Start]) -> None:
    """Phase "finetune": the upper layers of the backbones are trained too, one backbone after the other.

    Each trains with a head of its own; of several, the model is then the mean of their logits, which is a linear head
    on the joined features. One that is not fine-tuned takes part with the head that it has.
    """
    recipe, several = work.recipe, len(networks) > 1
    models = [
        keras.Model(
            network.model.input,
            apply(start.layers, network.model.output),
            name=network.name,
        )
        for network, start in zip(networks, starts, strict=True)
    ]
    unfrozen = {
        network.name: unfreeze(model, network.backbone, recipe.finetune)
        for network, model in zip(networks, models, strict=True)
        if recipe.finetune.trains(network.name)
    }
    write_layers(work.folder, _layer_table(networks, models, unfrozen))
    temperatures = [start.temperature for start in starts]
    results: list[tuple[str | None, PhaseResult, Sequence[str]]] = []
    failure = None
    for number, (network, model, start) in enumerate(zip(networks, models, starts, strict=True)):
        if network.name not in unfrozen:
            continue
        backbone = network.name if several else None
        first_epoch = work.first_epoch + sum(len(result.history) for _, result, _ in results)
        try:
            result = _finetune_one(work, model, unfrozen[network.name], start, first_epoch, backbone)
        except DivergedError as error:
            if not work.phases:
                raise
            left = (
                f"{network.name} takes part as it was"
                if several
                else "There is no phase 2, the model of the phase before is kept"
            )
            failure = str(error)
            work.directory.note(f"{failure}. {left}", "diverged")
            continue
        temperatures[number] = result.temperature
        prefix = layer_prefix(network, networks)
        layers = tuple(f"{prefix}{name}" for name in unfrozen[network.name].layers)
        results.append((backbone, result, layers))
    if not results:
        work.failure = failure
        return
    work.add("finetune", results)
    heads = [start.layers for start in starts]
    work.save(networks, mean_layers(heads, temperatures, recipe.head) if several else heads[0])


def _finetune_one(
    work: Work, model: keras.Model, unfrozen: Unfrozen, start: Start, first_epoch: int, backbone: str | None
) -> PhaseResult:
    """Trains the upper layers of one backbone from features stored at a lower boundary."""
    recipe, train, validation = work.recipe, work.parts["train"], work.parts["validation"]
    features = FeatureExtractor(
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
        batches = make_batches(features, train, work.labels["train"], augment, recipe.seed, work.teacher)
        with work.directory.stage(f"views of {backbone}" if backbone else "views"):
            extraction = batches.prepare() + features.compute(validation)
            refuse_failures(extraction)
            for line in features.notes:
                work.directory.note(line, "features")
            work.ask_teacher(batches)
        views = ViewsInfo(
            boundary=unfrozen.boundary,
            computed=extraction.num_computed,
            found=extraction.num_found,
            bytes_per_view=features.row_bytes,
        )
        work.directory.record_views(views, backbone)
        if recipe.backbone.weights_of(model.name) == "random":
            quicken_batch_norm(model, math.ceil(len(batches.labels) / recipe.finetune.batch_size))
        with work.directory.stage(f"finetune {backbone}" if backbone else "finetune"):
            return train_finetune_phase(
                recipe,
                model,
                unfrozen,
                TrainingData(batches, features.rows(validation), work.labels["validation"], work.classes),
                Before(first_epoch - 1, start.val_loss),
                callbacks=work.hooks("finetune", backbone),
            )


def _layer_table(
    networks: Sequence[PooledBackbone],
    models: Sequence[keras.Model],
    unfrozen: Mapping[str, Unfrozen],
) -> list[LayerRow]:
    """Every layer of every backbone, each with the head with which it is fine-tuned."""
    rows = []
    for network, model in zip(networks, models, strict=True):
        prefix = layer_prefix(network, networks)
        found = unfrozen.get(network.name)
        table = found.table if found else frozen_table(model)
        rows += [replace(row, name=f"{prefix}{row.name}") for row in table]
    return rows


def refuse_failures(extraction: Extraction) -> None:
    """Raises DataError for a photo that could be read a moment ago, and of which views cannot be made."""
    for name, detail in extraction.failed.items():
        raise DataError(f"{name}: {detail}. Start the run again, with --resume")


def affordable(augment: Augment, bytes_per_view: int, note: TakesNotes) -> Augment:
    """The augmentation with a bank of no more views than the store may hold and the disk has room for."""
    room = min(default_limit(), int(0.8 * shutil.disk_usage(cache_dir()).free))
    most = max(1, room // max(1, bytes_per_view))
    if augment.views == "per-epoch" or augment.views <= most:
        return augment
    note(
        f"augment.views = {augment.views} would take {augment.views * bytes_per_view / 1e9:.1f} GB, more than the "
        f"{room / 1e9:.1f} GB that the store may hold or the disk has room for: {count(most, 'view')} of each photo "
        "instead. BUDWOOD_CACHE_LIMIT and BUDWOOD_CACHE make more room",
        "features",
    )
    return augment.model_copy(update={"views": most})


def label_indices(photos: Sequence[Photo], classes: Sequence[str]) -> Int[np.ndarray, "n"]:
    """The class of each photo as its place in `classes`."""
    places = {label: place for place, label in enumerate(classes)}
    return np.array([places[photo.label] for photo in photos], dtype=np.int64)
