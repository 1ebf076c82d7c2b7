"""Cuts a model at one boundary: the feature extractor from the pixels up to it, the trainable part from there on."""

import hashlib
import json
import math
from collections.abc import Collection
from typing import Any

import keras
from keras import KerasTensor

from budwood.core.errors import BackboneError, did_you_mean

BOUNDARY = "pooling"
"""The layer after which the trainable part begins while the whole backbone is frozen."""


def cut_points(model: keras.Model) -> list[str]:
    """Return names of the layers whose output alone separates input from output, bottom first.

    The input layer is the first of them and the output layer the last; a layer inside a residual branch is none.

    Args:
        model: a flat functional model with one input and one output.
    """
    return list(_boundaries(model))


def boundary_below(model: keras.Model, layers: Collection[str], largest: float = math.inf) -> str:
    """Return the highest cut point such that none of `layers` is in the part up to and with it.

    Args:
        model: a flat functional model with one input and one output.
        layers: names of the layers that must stay above; with none of them it is the output layer.
        largest: how many numbers it may yield for one photo at most; the input may always.

    Returns:
        A name of `cut_points(model)`: the input layer's where nothing else will do.

    Raises:
        BackboneError: when the model has no such layer.
    """
    order = [node.operation.name for node in nodes(model)]
    for name in layers:
        if name not in order:
            raise BackboneError(f"{model.name} has no layer `{name}`.{did_you_mean(name, order)}")
    below = set(order[: min(map(order.index, layers), default=len(order))])
    lowest, *others = _boundaries(model).items()
    fitting = [name for name, output in others if name in below and math.prod(output.shape[1:]) <= largest]
    return fitting[-1] if fitting else lowest[0]


def cut(model: keras.Model, at: str) -> tuple[keras.Model, keras.Model]:
    """Return the feature extractor, up to and with the layer `at`, and the trainable part above it.

    Both share their layers with `model`: a weight changed in one is changed in all, and `trainable(frozen(x))` equals
    `model(x)`. At the input layer the feature extractor gives back what it gets, and the trainable part is the whole.

    Args:
        model: a flat functional model with one input and one output.
        at: one of `cut_points(model)`.

    Raises:
        BackboneError: when the output of `at` alone does not separate input from output.
    """
    boundaries = _boundaries(model)
    if at not in boundaries:
        names = [layer.name for layer in model.layers]
        reason = (
            "another path goes around it"
            if at in names
            else f"it has no such layer.{did_you_mean(at, names)}"
        )
        raise BackboneError(
            f"{model.name} cannot be cut at `{at}`: {reason}. Take one of its {len(boundaries)} cut points "
            "(`cut_points(model)`)."
        )
    boundary = boundaries[at]
    frozen = keras.Model(model.input, boundary, name=f"{model.name}_frozen")
    # Keras makes no model from an output to itself; a new input passed through is the same.
    start = (
        keras.Input(batch_shape=boundary.shape, dtype=boundary.dtype)
        if boundary is model.output
        else boundary
    )
    end = start if boundary is model.output else model.output
    trainable = keras.Model(start, end, name=f"{model.name}_trainable")
    return frozen, trainable


def branches(model: keras.Model) -> list[keras.Model]:
    """Return the models whose outputs a model puts together at its end, in order; itself where it ends
    otherwise.

    Args:
        model: a flat functional model with one input and one output; they share its layers.
    """
    node = _node_of(model.output)
    if not isinstance(node.operation, keras.layers.Concatenate):
        return [model]
    return [keras.Model(model.input, tensor, name=model.name) for tensor in node.input_tensors]


def fingerprint(frozen: keras.Model, **extra: str | int) -> str:
    """32 hexadecimal digits that are equal for equal graphs, weights and extras, and differ otherwise.

    Names do not count, nor what has no part in inference: a model and its saved and reloaded copy have one fingerprint,
    and so have a model with dropout and the same without.

    Args:
        frozen: a flat functional model.
        extra: what else decides its features, such as `size=224, resize="crop", precision="f32"`.
    """
    places: Places = {}
    layers: list[dict] = []
    config = frozen.get_config()
    # Every layer comes after those that it needs.
    for layer in config["layers"]:
        calls = _by_position(layer["inbound_nodes"], places)
        if layer["module"] == "keras.layers" and layer["class_name"] in IDENTITY_IN_INFERENCE:
            # What it gives is what it gets, so whoever takes it takes that.
            places[layer["name"]] = [call["args"][0] for call in calls]
        else:
            places[layer["name"]] = len(layers)
            layers.append(_inference_part(layer) | {"calls": calls})
    output = places[frozen.output_names[0]]
    # The last one may be dropout too.
    output = output[0][0] if isinstance(output, list) else output
    digest = hashlib.sha256(json.dumps([layers, output, extra], sort_keys=True).encode())
    for layer in frozen.layers:
        for weight in layer.weights:
            digest.update(keras.ops.convert_to_numpy(weight).tobytes())
    return digest.hexdigest()[:32]


def _boundaries(model: keras.Model) -> dict[str, KerasTensor]:
    """Return the output tensor of each cut point, by the layer's name, bottom first."""
    calls = nodes(model)
    position = {id(node): index for index, node in enumerate(calls)}
    last_use = list(range(len(calls)))
    for index, node in enumerate(calls):
        for parent in node.parent_nodes:
            last_use[position[id(parent)]] = index
    boundaries = {}
    furthest = 0
    for index, node in enumerate(calls):
        # In topological order a node separates input from output exactly when no edge passes over it.
        if furthest <= index and len(node.output_tensors) == 1:
            boundaries[node.operation.name] = node.output_tensors[0]
        furthest = max(furthest, last_use[index])
    return boundaries


def nodes(model: keras.Model) -> list[Any]:
    """Return every call of a layer on the way to the model's output, each after those that it needs."""
    order: dict[int, Any] = {}
    todo = [_node_of(model.output)]
    while todo:
        node = todo[-1]
        waiting = [parent for parent in node.parent_nodes if id(parent) not in order]
        if waiting:
            todo += waiting
        else:
            order[id(todo.pop())] = node
    return list(order.values())


def _node_of(tensor: KerasTensor) -> Any:
    # The first node of a layer need not be this model's: each cut adds nodes to the layers that it shares.
    operation, index, _ = tensor._keras_history
    return operation._inbound_nodes[index]


NO_PART_IN_INFERENCE = ("name", "trainable", "seed")
IDENTITY_IN_INFERENCE = {
    *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
    *("AlphaDropout", "GaussianDropout", "GaussianNoise", "ActivityRegularization"),
}


def _inference_part(layer: dict) -> dict:
    config = {
        key: value
        for key, value in layer["config"].items()
        if key not in NO_PART_IN_INFERENCE
        and not key.endswith(("_initializer", "_regularizer", "_constraint"))
    }
    return {"module": layer["module"], "class": layer["class_name"], "config": config}


Places = dict[str, int | list]
"""Of each layer its position, or what its calls pass on where it passes on what it gets."""


def _by_position(value: Any, places: Places) -> Any:
    """Return arguments of a layer's calls, tensors told by the position of the layer that they come from."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        name, call, *rest = value["config"]["keras_history"]
        place = places[name]
        return place[call] if isinstance(place, list) else [place, call, *rest]
    if isinstance(value, dict):
        return {key: _by_position(item, places) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_by_position(item, places) for item in value]
    return value
