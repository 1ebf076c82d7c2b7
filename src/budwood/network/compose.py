"""The model that is saved, put together from its parts and taken apart again.

The backbones of an ensemble share one input; a picture and its mirror image go through them as one batch. Both are
plain layers of one flat graph: what is saved needs no code of ours, and what is measured is what is saved.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np

from budwood.backbones.backbone import Backbone
from budwood.core.scaling import Scaling, folded
from budwood.network.graph import BOUNDARY, cut
from budwood.network.heads import LOGITS, apply

POOLED = "pooled"
"""The pooling of a backbone where the boundary lies above it."""
BOTH = "both"
"""The picture and its mirror image, one after the other in one batch."""
MEAN = "mean_of_both"
"""The mean of the logits of both."""


@dataclass(frozen=True)
class PooledBackbone:
    """A backbone as one training has it."""

    backbone: Backbone
    model: keras.Model
    """Raw 0-255 pixels `(None, S, S, 3)`, S the same for all backbones of a training, to one vector `(None, features)`;
    its layers have the network's own names, the last one is "pooling"."""

    @property
    def name(self) -> str:
        return self.backbone.name

    @property
    def features(self) -> int:
        return self.model.output.shape[-1]


def layer_prefix(network: PooledBackbone, networks: Sequence[PooledBackbone]) -> str:
    """Return what the names of a backbone's layers begin with in the saved model: nothing where it stands
    alone."""
    return f"{network.name}." if len(networks) > 1 else ""


def _joined_name(prefix: str, own: str) -> str:
    return prefix + (POOLED if own == BOUNDARY else own)


def compose(
    networks: Sequence[PooledBackbone],
    head: Sequence[keras.layers.Layer],
    *,
    flip: bool = False,
    scaling: Scaling = 1.0,
) -> keras.Model:
    """Return one flat model of all parts, cut at the layer "pooling" into its feature extractor and its head.

    Args:
        networks: one or more backbones, different ones, that see the same pixels.
        head: layers from the vectors of all networks, joined in this order, to probabilities.
        flip: average the logits of the picture and of its mirror image. What crosses the boundary are then two
            vectors, `(None, 2, features)`.
        scaling: by which the logits are calibrated: it is in the weights of their layer, which is then a copy.

    Returns:
        Raw 0-255 pixels `(None, S, S, 3)` in, probabilities out. One backbone alone, not flipped, shares its layers
        with the model, and so does its head without a scaling; everything else is copied, weights with it, and of
        several backbones every layer's name begins with the backbone's and a dot.
    """
    name = "_and_".join(network.name for network in networks)
    first = networks[0].model
    if len(networks) == 1 and not flip:
        if scaling != 1.0:
            head = _at_scaling(head, first.output.shape[-1], scaling)
        return keras.Model(first.input, apply(head, first.output), name=name)
    pixels = keras.Input(first.input.shape[1:], name="pixels", dtype="float32")
    start = _both_ways(pixels) if flip else pixels
    vectors = []
    for network in networks:
        prefix = layer_prefix(network, networks)
        vector = _copied(network.model, start, partial(_joined_name, prefix))
        if flip:
            pair = keras.ops.reshape(vector, (-1, 2 * network.features))
            together = f"{prefix}{BOTH}" if prefix else BOUNDARY
            vector = keras.layers.Reshape((2, network.features), name=together)(pair)
        vectors.append(vector)
    joined = keras.layers.Concatenate(name=BOUNDARY)(vectors) if len(vectors) > 1 else vectors[0]
    return keras.Model(pixels, _head_copied(head, joined, flip, scaling), name=name)


def take_apart(
    model: keras.Model, backbones: Sequence[Backbone]
) -> tuple[list[PooledBackbone], list[keras.layers.Layer]]:
    """Return what `compose` put together, as copies: the backbones, and the head that stands on their
    vectors.

    Args:
        model: as `compose` gave it, or read back from disk.
        backbones: those in it, in their order.
    """
    mirrored = any(layer.name == MEAN for layer in model.layers)
    start = model.get_layer(BOTH).output if mirrored else model.input
    networks = []
    for backbone in backbones:
        prefix = f"{backbone.name}." if len(backbones) > 1 else ""
        end = prefix + POOLED if prefix or mirrored else BOUNDARY
        part = keras.Model(start, model.get_layer(end).output)
        pixels = keras.Input(start.shape[1:], name="pixels", dtype="float32")

        def own_name(name: str, prefix: str = prefix, end: str = end) -> str:
            return BOUNDARY if name == end else name.removeprefix(prefix)

        networks.append(
            PooledBackbone(backbone, keras.Model(pixels, _copied(part, pixels, own_name), name=backbone.name))
        )
    _, above = cut(model, BOUNDARY)
    head = [layer for layer in above.layers[1:] if layer.name != MEAN]
    vector = keras.Input((sum(network.features for network in networks),))
    alone = keras.Model(vector, _head_copied(head, vector))
    return networks, alone.layers[1:]


def logits_of(head: keras.Model) -> keras.Model:
    """Return the head of a composed model, `cut` at its boundary, up to the logits of which its probabilities
    are made."""
    return cut(head, logits_layer(head))[0]


def logits_layer(model: keras.Model) -> str:
    """Name of the layer of a composed model that gives the logits of which its probabilities are made."""
    return MEAN if any(layer.name == MEAN for layer in model.layers) else LOGITS


def pooling_layers(model: keras.Model) -> list[str]:
    """Return names of the layers of a composed model that pool the feature maps of its backbones, one for
    each, in order."""
    names = [layer.name for layer in model.layers if layer.name.rpartition(".")[2] == POOLED]
    return names or [BOUNDARY]


def _both_ways(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """(n, S, S, 3) to (2 n, S, S, 3): each picture, then its mirror image."""
    _, height, width, channels = pixels.shape
    # Below one another they are, in memory, already the batch that is wanted.
    pair = keras.layers.Concatenate(axis=1)([pixels, keras.ops.flip(pixels, axis=2)])
    batch = keras.ops.reshape(pair, (-1, height * width * channels))
    return keras.layers.Reshape((height, width, channels), name=BOTH)(batch)


def _copied(model: keras.Model, tensor: keras.KerasTensor, rename: Callable[[str], str]) -> keras.KerasTensor:
    """Return what the model gives for a tensor, by copies of its layers under other names."""
    copies: dict[str, keras.Operation] = {}
    outputs: dict[str, keras.KerasTensor] = {}

    def clone(layer: keras.Operation) -> keras.Operation:
        copies[layer.name] = type(layer).from_config({**layer.get_config(), "name": rename(layer.name)})
        return copies[layer.name]

    def call(layer: keras.Operation, *arguments, **options) -> keras.KerasTensor:
        outputs[layer.name] = layer(*arguments, **options)
        return outputs[layer.name]

    keras.models.clone_model(model, input_tensors=tensor, clone_function=clone, call_function=call)
    for layer in model.layers[1:]:
        copies[layer.name].set_weights(layer.get_weights())
    return outputs[rename(model.layers[-1].name)]


def _head_copied(
    head: Sequence[keras.layers.Layer],
    tensor: keras.KerasTensor,
    flip: bool = False,
    scaling: Scaling = 1.0,
) -> keras.KerasTensor:
    for layer in head:
        copy = type(layer).from_config(layer.get_config())
        tensor = copy(tensor)
        copy.set_weights(_scaled(layer, scaling))
        if flip and layer.name == LOGITS:
            tensor = keras.layers.GlobalAveragePooling1D(dtype="float32", name=MEAN)(tensor)
    return tensor


def _at_scaling(
    head: Sequence[keras.layers.Layer], features: int, scaling: Scaling
) -> list[keras.layers.Layer]:
    """Return copies of the layers, of which the one that gives the logits gives them scaled."""
    copies = [type(layer).from_config(layer.get_config()) for layer in head]
    apply(copies, keras.Input((features,)))
    for layer, copy in zip(head, copies, strict=True):
        # Not the weights alone: what dropout draws next is in a variable too.
        for own, other in zip(copy.variables, layer.variables, strict=True):
            own.assign(other)
        copy.set_weights(_scaled(layer, scaling))
    return copies


def _scaled(layer: keras.layers.Layer, scaling: Scaling) -> list[np.ndarray]:
    """Return the weights of a layer of a head, those of the logits scaled."""
    weights = layer.get_weights()
    if layer.name != LOGITS or scaling == 1.0:
        return weights
    kernel, bias = weights
    return list(folded(kernel, bias, scaling))
