"""What of the backbone trains in phase 2, and where the model is cut for it."""

import json
import math
from dataclasses import dataclass, replace

import keras

from budwood.backbones.backbone import Backbone
from budwood.backbones.naming import PREPROCESS
from budwood.config.learning import Finetune, Unfreeze
from budwood.core.errors import RecipeError, did_you_mean
from budwood.network.graph import BOUNDARY, boundary_below, cut

NORMALIZATION = (
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
)
"""Layers of which `parameters = "scale-and-bias"` trains gamma and beta."""


@dataclass(frozen=True)
class LayerRow:
    """One layer of the flat model."""

    name: str
    kind: str
    """Its class, such as "Conv2D"."""
    shape: tuple[int | None, ...]
    """Of what it yields for one photo."""
    parameters: int
    trained: bool
    """Some of its parameters change in phase 2."""
    part: str
    """"frozen" or "trainable"; a layer of the trainable part may be frozen all the same."""


@dataclass(frozen=True)
class Unfrozen:
    """A model made ready for phase 2."""

    boundary: str
    """The layer at which to cut the model: the highest cut point below every trained layer whose features, as float16,
    take no more bytes than the photo's pixels; the input layer where there is none, or where everything trains. With
    `parameters = "scale-and-bias"` it is also below the layers that `parameters = "all"` would train."""
    layers: tuple[str, ...]
    """The backbone's layers that train, bottom first."""
    depth: dict[str, int]
    """For each of them, how many blocks it lies below the topmost block."""
    table: tuple[LayerRow, ...]
    """Every layer of the model, bottom first."""
    held: frozenset[str] = frozenset()
    """Names of the BatchNorm layers among `layers` whose gamma and beta are trained and whose statistics are fixed."""


def unfreeze(model: keras.Model, backbone: Backbone, settings: Finetune) -> Unfrozen:
    """Set `trainable` on every layer of a flat model as the recipe's [finetune] asks, and say where to cut
    it.

    Above the line that `settings.unfreeze` draws the backbone trains, below it nothing does. With
    `settings.batch_norm = "frozen"` no BatchNorm layer of the backbone does either: Keras then runs it on its stored
    statistics also while training, whatever the call says. With `settings.parameters = "scale-and-bias"` nothing but
    normalization layers does; BatchNorm among them, in `Unfrozen.held`, must be run on its stored statistics, as
    `fold_batch_norm` does. Of the head, everything trains that was not made fixed; the preprocessing never does. The
    model is not compiled.

    Args:
        model: raw pixels `(None, S, S, 3)` in, with the layers of `backbone.build` and a head on them.
        backbone: whose layers are counted, from the top, as Keras counts them: with activations and the input layer.
        settings: of them `unfreeze`, `parameters` and `batch_norm`.

    Raises:
        RecipeError: when the line lies outside of the backbone, or nothing above it has parameters to train.

    >>> from budwood.backbones.registry import get_backbone
    >>> backbone = get_backbone("mobilenet")
    >>> found = unfreeze(backbone.build(96, "random"), backbone, Finetune(unfreeze={"blocks": 1}))
    >>> found.boundary, found.layers
    ('conv_pw_12_relu', ('conv_dw_13', 'conv_pw_13'))
    """
    own = backbone.layers(model)
    blocks = backbone.blocks(model)
    line = _line(settings, own, blocks, backbone.name)

    def stays_off(layer: keras.layers.Layer) -> bool:
        if layer.name not in own:
            # A model that is off as a whole has turned its head off too, and no longer tells what was fixed.
            return layer.name.startswith(PREPROCESS) or (model.trainable and not layer.trainable)
        return own.index(layer.name) < line or _is_off(layer, settings)

    off = {layer.name for layer in model.layers if stays_off(layer)}
    model.trainable = True
    for layer in model.layers:
        layer.trainable = layer.name not in off

    trained = tuple(name for name in own if model.get_layer(name).trainable_weights)
    if not trained:
        raise RecipeError(_nothing_to_train(model, own, settings, backbone.name))
    # Pixels are stored as bytes, features as float16.
    largest = math.prod(model.input_shape[1:]) / 2
    # The boundary of `parameters = "all"` where possible, so that both use the same stored features.
    unfrozen = [name for name in own[line:] if model.get_layer(name).weights]
    lowest = trained if settings.parameters == "all" else unfrozen
    boundary = own[0] if settings.unfreeze == "all" else boundary_below(model, lowest, largest)
    above = {name: number for number, block in enumerate(reversed(blocks)) for name in block}
    held = frozenset(
        name for name in trained if settings.parameters != "all" and _is_batch_norm(model.get_layer(name))
    )
    return Unfrozen(boundary, trained, {name: above[name] for name in trained}, _table(model, boundary), held)


def _line(settings: Finetune, own: list[str], blocks: list[list[str]], network: str) -> int:
    """Return the place in `own` of the lowest layer that is asked for."""
    asked = settings.unfreeze
    if isinstance(asked, str):
        return 0
    if asked.fraction is not None:
        # As `layers[:int(len(layers) * 0.7)]` does; the rest is for what 1 - 0.3 lacks to 0.7.
        return math.floor(len(own) * (1 - asked.fraction) + 1e-9)
    if asked.from_layer is not None:
        if asked.from_layer in own:
            return own.index(asked.from_layer)
        raise RecipeError(
            f"{_in_words(asked)} names no layer of {network}.{did_you_mean(asked.from_layer, own)} "
            f"Its {len(own)} layers go from {own[0]} to {own[-1]}; preprocessing never trains, the head always does."
        )
    units, number = ("layers", asked.layers) if asked.layers is not None else ("blocks", asked.blocks)
    available = len(own) if units == "layers" else len(blocks)
    assert number is not None
    if number > available:
        raise RecipeError(
            f"{_in_words(asked)} asks for more {units} than the backbone has. {network} has {available} {units}; "
            f'give {available} or fewer, or "all".'
        )
    return len(own) - number if units == "layers" else own.index(blocks[-number][0])


def _is_off(layer: keras.layers.Layer, settings: Finetune) -> bool:
    """Return whether a layer above the line does not train."""
    if settings.parameters == "all":
        return settings.batch_norm == "frozen" and _is_batch_norm(layer)
    # Of one without gamma and beta nothing would train but the statistics, which are to stay.
    return not (isinstance(layer, NORMALIZATION) and _has_scale_or_bias(layer))


def _has_scale_or_bias(layer: keras.layers.Layer) -> bool:
    return any(getattr(layer, name, None) is not None for name in ("gamma", "beta"))


def _is_batch_norm(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization)


def _nothing_to_train(model: keras.Model, own: list[str], settings: Finetune, network: str) -> str:
    layers = [model.get_layer(name) for name in reversed(own)]
    possible = [
        (number, layer.name)
        for number, layer in enumerate(layers, start=1)
        if layer.weights and not _is_off(layer, settings)
    ]
    if not possible:
        return (
            f'{network} has no normalization layers, of which `parameters = "scale-and-bias"` would train scale and '
            'bias. Give `parameters = "all"`.'
        )
    number, highest = possible[0]
    why = (
        "the layers above the line have no parameters, or are BatchNorm layers that are held"
        if settings.parameters == "all"
        else "there are no normalization layers above the line"
    )
    return (
        f"{_in_words(settings.unfreeze)} leaves nothing of {network} to train: {why}. The topmost that could train is "
        f"{highest}: give {{layers = {number}}} or more."
    )


def _in_words(asked: str | Unfreeze) -> str:
    if isinstance(asked, str):
        return f'`unfreeze = "{asked}"`'
    ((key, value),) = asked.model_dump(exclude_none=True).items()
    return f"`unfreeze = {{{key} = {json.dumps(value)}}}`"


def frozen_table(model: keras.Model) -> tuple[LayerRow, ...]:
    """Return every layer of a model of which nothing is trained, bottom first."""
    return tuple(replace(row, trained=False) for row in _table(model, model.layers[-1].name))


def head_table(model: keras.Model) -> tuple[LayerRow, ...]:
    """Return every layer of a composed model of which the head alone was trained, bottom first."""
    rows = _table(model, BOUNDARY)
    return tuple(replace(row, trained=row.trained and row.part == "trainable") for row in rows)


def _table(model: keras.Model, boundary: str) -> tuple[LayerRow, ...]:
    frozen = {layer.name for layer in cut(model, boundary)[0].layers}
    return tuple(
        LayerRow(
            name=layer.name,
            kind=type(layer).__name__,
            shape=tuple(layer.output.shape[1:]),
            parameters=layer.count_params(),
            trained=bool(layer.trainable_weights),
            part="frozen" if layer.name in frozen else "trainable",
        )
        for layer in model.layers
    )
