"""Phase 2: the upper layers of the backbones are trained too, one backbone after the other."""

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace

import keras

from budwood.config.recipe import Augment, Recipe
from budwood.core.cache import cache_dir
from budwood.core.errors import RunError
from budwood.core.notes import TakesNotes
from budwood.core.text import count
from budwood.evaluation.task import MULTI_LABEL
from budwood.features.store.eviction import default_limit
from budwood.network.compose import PooledBackbone, compose, layer_prefix
from budwood.network.heads import apply, mean_layers
from budwood.network.unfreeze import LayerRow, Unfrozen, frozen_table, head_table, unfreeze
from budwood.pipeline.few_photos import is_few
from budwood.pipeline.head import Start
from budwood.pipeline.outcome import START, PhaseOutcome, of_results
from budwood.pipeline.phases import PhaseResult, train_finetune_phase
from budwood.pipeline.plan import with_values
from budwood.pipeline.rates import below
from budwood.pipeline.session import Session, refuse_failures
from budwood.runs.schema import ViewsInfo
from budwood.runs.writing import write_layers, write_recipe
from budwood.training.batch_norm import quicken_batch_norm
from budwood.training.batches import TrainingData, make_batches
from budwood.training.checkpoints import identity_of, part_of
from budwood.training.loop import Before, DivergedError


def finetune(
    session: Session, networks: Sequence[PooledBackbone], starts: Sequence[Start], before: PhaseOutcome
) -> tuple[PhaseOutcome | None, str | None]:
    """Train the upper layers of the backbones that the recipe names.

    Each trains with a head of its own; of several, the model is then the mean of their logits, which is a linear head
    on the joined features. Each backbone's logits are calibrated before the mean is taken; with few photos they are
    not, and all count alike. A backbone that is not fine-tuned takes part with the head that it has.

    Returns:
        What it came to; or None, and why no backbone could be fine-tuned.
    """
    recipe, several, pace = before.recipe, len(networks) > 1, session.pace
    models = [
        keras.Model(network.model.input, apply(start.layers, network.model.output), name=network.name)
        for network, start in zip(networks, starts, strict=True)
    ]
    unfrozen = {
        network.name: unfreeze(model, network.backbone, recipe.finetune)
        for network, model in zip(networks, models, strict=True)
        if recipe.finetune.trains(network.name)
    }
    write_layers(session.directory.folder, layer_table(networks, models, unfrozen))
    scalings = [start.scaling for start in starts]
    results: list[tuple[str | None, PhaseResult, Sequence[str]]] = []
    failure, epochs = None, before.epochs
    for number, (network, model, start) in enumerate(zip(networks, models, starts, strict=True)):
        if network.name not in unfrozen:
            continue
        backbone = network.name if several else None
        own, until = recipe, None
        if pace is not None:
            until = pace.until(network.name)
            fitting = pace.epochs(network.name)
            minutes = "1 minute leaves" if pace.minutes == 1 else f"{pace.minutes:g} minutes leave"
            if not fitting and before.trained is None:
                fitting = 1
                why = "one is done all the same, for without it there is no model"
                session.directory.note(f"{minutes} no time for an epoch of {network.name}: {why}", "budget")
            if not fitting:
                failure = f"{minutes} no time for an epoch of {network.name}"
                session.directory.note(failure, "budget")
                if others := [name for name in unfrozen if name != network.name]:
                    # Written, so that a resumed run leaves the backbone out too.
                    del unfrozen[network.name]
                    recipe = recipe.model_copy(
                        update={"finetune": recipe.finetune.model_copy(update={"backbones": others})}
                    )
                    write_recipe(session.directory.folder, recipe)
                continue
            # Of several the recipe has one number of epochs for all.
            if several and fitting < recipe.finetune.epochs:
                of = f"{fitting} of {count(recipe.finetune.epochs, 'epoch')} of {network.name}"
                session.directory.note(f"{minutes} time for {of}", "budget")
            fitting = min(fitting, recipe.finetune.epochs) if several else fitting
            own = with_values(recipe, epochs=fitting)
            if own != recipe and not several:
                # What an interrupted training is gone on with.
                write_recipe(session.directory.folder, own)
        elif backbone is not None:
            own = _as_begun(session, recipe, backbone)
        try:
            result = finetune_one(
                session, own, model, unfrozen[network.name], Before(epochs, start.val_loss), backbone, until
            )
        except DivergedError as error:
            if before.trained is None:
                raise
            failure = str(error)
            left = (
                f"{network.name} takes part as it was"
                if several
                else "There is no phase 2, the model of the phase before is kept"
            )
            session.directory.note(f"{failure}. {left}", "diverged")
            continue
        epochs += len(result.history)
        scalings[number] = result.scaling
        prefix = layer_prefix(network, networks)
        results.append((backbone, result, [f"{prefix}{name}" for name in unfrozen[network.name].layers]))
    # What had no time, or diverged, was not trained.
    trained = {name: unfrozen[name] for name in unfrozen if {None, name} & {one for one, _, _ in results}}
    rows = layer_table(networks, models, trained)
    if not trained and before.name != START:
        rows = list(head_table(compose(networks, before.head, flip=recipe.evaluate.flip)))
    write_layers(session.directory.folder, rows)
    if not results:
        return None, failure
    heads = [start.layers for start in starts]
    if is_few(len(session.parts["train"]), len(session.classes)) and session.task.name != MULTI_LABEL.name:
        # Temperatures from some ten validation photos weigh the networks badly (docs/experiments/log.md). The mean is
        # calibrated all the same, when the model is saved.
        scalings = [1.0] * len(starts)
    head = mean_layers(heads, scalings, recipe.head, session.task.activation) if several else heads[0]
    return of_results("finetune", head, results, recipe), None


def _as_begun(session: Session, recipe: Recipe, backbone: str) -> Recipe:
    """Return the recipe with the number of epochs that the checkpoint of one of several backbones was begun with.

    Within a limit of minutes it may be lower than the recipe's. Without a checkpoint the recipe is returned as it is.
    """
    file = session.directory.folder / "checkpoints" / f"{part_of('finetune', backbone)}-last.npz"
    if not session.directory.info.requested.is_limited:
        return recipe
    try:
        epochs = int(identity_of(file)["finetune.epochs"])
    except (OSError, RunError, KeyError, ValueError):
        return recipe
    return with_values(recipe, epochs=epochs) if 0 < epochs < recipe.finetune.epochs else recipe


def finetune_one(
    session: Session,
    recipe: Recipe,
    model: keras.Model,
    unfrozen: Unfrozen,
    before: Before,
    backbone: str | None,
    until: float | None = None,
) -> PhaseResult:
    """Train the upper layers of one backbone from features stored at a lower boundary; of several, say which one.

    No epoch is begun that would end after `until`, by `time.monotonic`.
    """
    train, validation = session.parts["train"], session.parts["validation"]
    features = below(model, unfrozen, recipe, session.progress)
    directory = session.directory
    with features:
        augment = affordable(recipe.augment, len(train) * features.row_bytes, directory.note)
        batches = make_batches(
            features, train, session.labels["train"], augment, recipe.seed, session.teacher
        )
        with directory.stage(f"views of {backbone}" if backbone else "views"):
            extraction = batches.prepare() + features.compute(validation)
            refuse_failures(extraction)
            directory.note_all(features.notes)
            session.ask_teacher(batches)
        views = ViewsInfo(
            boundary=unfrozen.boundary,
            computed=extraction.num_computed,
            found=extraction.num_found,
            bytes_per_view=features.row_bytes,
        )
        others = directory.info.views if isinstance(directory.info.views, dict) else {}
        directory.record(views={**others, backbone: views} if backbone else views)
        if recipe.backbone.weights_of(model.name) == "random" and not unfrozen.held:
            quicken_batch_norm(model, math.ceil(len(batches.labels) / recipe.finetune.batch_size))
        data = TrainingData(
            batches,
            features.rows(validation),
            session.labels["validation"],
            session.classes,
            session.task,
        )
        with directory.stage(f"finetune {backbone}" if backbone else "finetune"):
            return train_finetune_phase(
                recipe,
                model,
                unfrozen,
                data,
                before,
                callbacks=session.hooks(recipe, "finetune", backbone, until),
            )


def layer_table(
    networks: Sequence[PooledBackbone], models: Sequence[keras.Model], unfrozen: Mapping[str, Unfrozen]
) -> list[LayerRow]:
    """Return every layer of every backbone, each with the head with which it is fine-tuned."""
    rows = []
    for network, model in zip(networks, models, strict=True):
        prefix = layer_prefix(network, networks)
        found = unfrozen.get(network.name)
        table = found.table if found else frozen_table(model)
        rows += [replace(row, name=f"{prefix}{row.name}") for row in table]
    return rows


def affordable(augment: Augment, bytes_per_view: int, note: TakesNotes) -> Augment:
    """Return the augmentation with a bank of no more views than the store may hold and the disk has room for."""
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
