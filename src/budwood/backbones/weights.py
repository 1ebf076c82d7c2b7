"""Weights on their way into a model: read from a file without running anything in it, compared, then assigned."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from budwood.errors import WeightsError

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class LayerWeights:
    """Arrays by layer name, in the order in which Keras keeps a layer's variables."""

    arrays: dict[str, list[np.ndarray]]
    source: str
    """The file, for messages."""
    in_order: bool = False
    """Layers stand in the network's order, so that they can be matched where names have changed."""
    preprocess: Callable[[Any], Any] | None = None
    """The preprocessing that these weights were trained with, where the file says; None is the backbone's own."""

    @property
    def parameters(self) -> int:
        return sum(array.size for arrays in self.arrays.values() for array in arrays)


def existing_file(path: Path) -> Path:
    """`path` itself, if it is a file. Raises WeightsError otherwise."""
    if not path.is_file():
        raise WeightsError(f"no weights file {path}. Give an existing file, `imagenet` or `random`.")
    return path


def read_h5(path: Path) -> LayerWeights:
    """The weights in a Keras file, `.weights.h5` or the older `.h5`.

    Raises:
        WeightsError: when the file is missing, cut short, or not such a file.
    """
    import h5py

    existing_file(path)
    try:
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)
            in_order = "layer_names" in root.attrs
            entries = _legacy_layers(root) if in_order else _named_layers(root)
            arrays = {name: values for name, values in entries if values}
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{path} is damaged or not a Keras weights file ({error}). Fetch it again; "
            "a `.weights.h5` or `.h5` file of a network without its classifier is expected."
        ) from error
    if not arrays:
        raise WeightsError(
            f"{path} holds no named layer. If an old Keras 3 wrote it, load and save it once with a newer one."
        )
    return LayerWeights(arrays, str(path), in_order)


def _named_layers(root: Any) -> list[tuple[str, list[np.ndarray]]]:
    """Layers at any depth, so that a network saved inside of another model is found too."""
    layers = []

    def visit(path: str, item: Any) -> None:
        if path.endswith("/vars") and "name" in item.attrs:
            layers.append((item.attrs["name"], [np.asarray(item[str(index)]) for index in range(len(item))]))

    root.visititems(visit)
    return layers


def _legacy_layers(root: Any) -> list[tuple[str, list[np.ndarray]]]:
    names = [_text(name) for name in root.attrs["layer_names"]]
    return [
        (name, [np.asarray(root[name][key]) for key in root[name].attrs["weight_names"]]) for name in names
    ]


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def assign(model: "keras.Model", weights: LayerWeights, network: str) -> None:
    """Give every variable of `model` its value from `weights`, or leave all as they are.

    Layers are matched by name; in a file that keeps the network's order, by place where the names differ. Layers of the
    file that the model lacks, such as a classifier, are left aside, and so is the preprocessing, which is fixed.

    Raises:
        WeightsError: when a layer is missing, has another shape, or holds what is not a finite number.
    """
    from budwood.backbones.contract import PREPROCESS

    layers = {
        layer.name: layer for layer in model.layers if layer.weights and not layer.name.startswith(PREPROCESS)
    }
    shapes = {name: [tuple(weight.shape) for weight in layer.weights] for name, layer in layers.items()}
    found = weights.arrays
    renamed = not layers.keys() <= found.keys()
    if (
        renamed
        and weights.in_order
        and list(shapes.values()) == [_shapes(arrays) for arrays in found.values()]
    ):
        found = dict(zip(layers, found.values(), strict=True))
    missing = [name for name in layers if name not in found]
    unlike = [name for name in layers if name in found and shapes[name] != _shapes(found[name])]
    if missing or unlike:
        if missing:
            fault = f"it lacks {len(missing)} of {len(layers)} layers, the first of them {missing[0]}"
        else:
            first = unlike[0]
            fault = f"{len(unlike)} layers differ in shape, the first of them {first}: "
            fault += f"{_shapes(found[first])} where {shapes[first]} is expected"
        raise WeightsError(
            f"{weights.source} is not for {network}: {fault}. {_what_it_is(weights)}"
            f"Give weights of {network} ({sum(layer.count_params() for layer in layers.values()):,} numbers)."
        )
    for name in layers:
        if not all(np.isfinite(array).all() for array in found[name]):
            raise WeightsError(
                f"{weights.source} is damaged: layer {name} holds what is not a finite number. Fetch the file again."
            )
    for name, layer in layers.items():
        layer.set_weights(found[name])


def _shapes(arrays: list[np.ndarray]) -> list[tuple[int, ...]]:
    return [array.shape for array in arrays]


def _what_it_is(weights: LayerWeights) -> str:
    from budwood.backbones.registry import BACKBONES

    for other in BACKBONES.values():
        with_classifier = other.parameters + 1000 * (other.features + 1)
        if weights.parameters in (other.parameters, with_classifier):
            return f"It looks like {other.name}. "
    names = list(weights.arrays)
    return f"It holds {len(names)} layers ({names[0]} to {names[-1]}), {weights.parameters:,} numbers. "
