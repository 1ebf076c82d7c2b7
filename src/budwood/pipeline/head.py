"""Phase 1: a head on the features of all backbones, and the heads with which each of several is fine-tuned."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from budwood.config.recipe import Head, Recipe
from budwood.core.scaling import Scaling
from budwood.evaluation.task import MULTI_LABEL
from budwood.features.ensemble import ExtractorEnsemble
from budwood.network.compose import PooledBackbone
from budwood.network.heads import head_layers
from budwood.pipeline.features import OpenFeatures
from budwood.pipeline.outcome import START, PhaseOutcome, of_results, untrained
from budwood.pipeline.phases import PhaseResult, train_frozen_phase
from budwood.pipeline.session import Session, refuse_failures
from budwood.training.batches import TrainingData, make_batches
from budwood.training.linear_probe import resolve_fit
from budwood.training.probe_size import views_learned


@dataclass(frozen=True)
class Start:
    """Where the fine-tuning of one backbone starts: a head on its features alone."""

    layers: Sequence[keras.layers.Layer]
    val_loss: float
    """With this head at `scaling`."""
    scaling: Scaling
    """By which its logits are to be calibrated."""


def train_head(session: Session, features: OpenFeatures) -> PhaseOutcome:
    """Train a head on the joined features of all backbones; without epochs for it, return one that nobody trained."""
    if not session.recipe.frozen.epochs:
        return untrained(session, features.training.shape[0])
    result = _fit_head(session, session.recipe, session.recipe, features, "frozen")
    return of_results("frozen", result.layers, [(None, result, ())], session.recipe)


def start_heads(
    session: Session, networks: Sequence[PooledBackbone], before: PhaseOutcome, features: OpenFeatures
) -> list[Start]:
    """Return the head with which each backbone is fine-tuned: of one alone the head there is, of several one each."""
    if len(networks) == 1:
        return [Start(before.head, before.val_loss, 1.0)]
    # As a rule the linear probe, whatever stands on the joined features.
    settings = before.recipe.head
    plain = Head(dropout=settings.dropout, l2=settings.l2, logits=settings.logits)
    linear = before.recipe.frozen.model_copy(update={"fit": "linear"})
    recipe = before.recipe.model_copy(update={"head": plain, "frozen": linear})
    starts = []
    for network, own, exact in zip(networks, features.training.parts, features.exact.parts, strict=True):
        if not recipe.frozen.epochs:
            layers = head_layers(plain, len(session.classes), recipe.seed, session.task.activation)
            starts.append(Start(layers, math.inf, 1.0))
            continue
        alone = OpenFeatures(ExtractorEnsemble([own]), ExtractorEnsemble([exact]))
        result = _fit_head(session, recipe, before.recipe, alone, START, network.name)
        starts.append(Start(result.layers, result.best_val_loss, result.scaling))
    return starts


def _fit_head(
    session: Session,
    recipe: Recipe,
    asked: Recipe,
    features: OpenFeatures,
    phase: str,
    backbone: str | None = None,
) -> PhaseResult:
    """Train a head as `recipe` says; checkpoints belong to a training of `asked`."""
    train, validation = session.parts["train"], session.parts["validation"]
    batches = make_batches(
        features.training, train, session.labels["train"], recipe.augment, recipe.seed, session.teacher
    )
    several = session.task.name == MULTI_LABEL.name
    (width,) = features.training.shape
    views = views_learned(recipe, len(train))
    resolved, _ = resolve_fit(recipe, len(train) * views, width, len(session.classes), multi_label=several)
    by_steps = resolved.frozen.fit == "gradient"
    if by_steps or views > 1:
        refuse_failures(batches.prepare())
    if by_steps:
        # Their views are in the batches.
        views = 1
        session.ask_teacher(batches)
    data = TrainingData(
        batches,
        features.exact.rows(validation),
        session.labels["validation"],
        session.classes,
        session.task,
    )
    # The identity of the checkpoints has the resolved fit, as recipe.toml does, with which the run may be resumed.
    frozen = asked.frozen.model_copy(
        update={"fit": resolved.frozen.fit if asked.frozen.fit == "auto" else asked.frozen.fit}
    )
    asked = asked.model_copy(update={"frozen": frozen})
    shown = [photo for photo in train for _ in range(views)]
    return train_frozen_phase(
        recipe,
        data,
        features.training.rows(shown, list(range(views)) * len(train)),
        np.repeat(session.labels["train"], views, axis=0),
        # The views of a photo are held out together.
        [photo.group or (f"photo {photo.name}" if views > 1 else None) for photo in shown],
        np.array([photo.weight for photo in shown]),
        callbacks=session.hooks(asked, phase, backbone, session.pace.until_head if session.pace else None),
        open_map=session.open_map,
        progress=session.progress,
        note=session.directory.note,
    )
