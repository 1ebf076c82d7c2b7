"""Weights on their way into a model: read from a file without running anything in it, compared, then assigned."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from budwood.backbones.naming import PREPROCESS, automatic_prefix, renumbered
from budwood.core.errors import WeightsError

if TYPE_CHECKING:
    import keras

MIRROR = "BUDWOOD_WEIGHTS"
"""Environment variable: a directory with files of weights under their published names."""


@dataclass(frozen=True)
class WeightsLocation:
    """The place of a network's ImageNet weights, and whether they are here.

    >>> str(WeightsLocation("downloaded", Path("weights.h5")))
    'weights.h5, downloaded'
    """

    state: Literal[
        "in the mirror", "downloaded", "not downloaded", "installed", "not installed", "not published"
    ]
    path: Path | None = None
    """The file; None where it is not here, or in a package."""
    name: str = ""
    """The name of what holds or would hold the weights: a file, or a package with its version."""
    remedy: str = ""
    """The way to get the weights where they are not here."""

    def __str__(self) -> str:
        """Return the location in words."""
        return f"{self.path or self.name}, {self.state}" + (f": {self.remedy}" if self.remedy else "")


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
        """Return how many numbers there are, without those that normalise pixels."""
        trained = (arrays for name, arrays in self.arrays.items() if not name.startswith("normalization"))
        return sum(array.size for arrays in trained for array in arrays)


def existing_file(path: Path) -> Path:
    """Return `path` itself, if it is a file. Raise WeightsError otherwise."""
    if not path.is_file():
        raise WeightsError(f"no weights file {path}. Give an existing file, `imagenet` or `random`.")
    return path


def given_file(weights: str | Path) -> Path | None:
    """Return the file of weights, None of "imagenet" and "random". Raise WeightsError where it is not there."""
    return None if weights in ("imagenet", "random") else existing_file(Path(weights).expanduser())


def mirrored(file: str) -> Path | None:
    """Return the file in the directory that the environment variable BUDWOOD_WEIGHTS names.

    None where the variable is not set, or the directory does not have it.

    Raises:
        WeightsError: when there is no such directory, or it cannot be read.
    """
    named = os.environ.get(MIRROR)
    if not named:
        return None
    folder = Path(named).expanduser()
    try:
        return folder / file if file in os.listdir(folder) else None
    except OSError as error:
        raise WeightsError(
            f"{MIRROR} names {folder}, which is no directory that can be read ({error.strerror}). Name one, give "
            "yourself the permission to read it, or unset the variable."
        ) from error


def digest(path: Path, like: str) -> str:
    """Return the file's MD5 or SHA-256 in hexadecimal, whichever is as long as `like`. Raise WeightsError."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(
                file, partial(hashlib.new, _kind(like), usedforsecurity=False)
            ).hexdigest()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}). Check its permissions.") from error


def refuse_unlike(path: Path, published: str | None, remedy: str) -> None:
    """Raise WeightsError where the file's hash is not the published one; None as `published` accepts any file."""
    if published is not None and digest(path, published) != published:
        raise WeightsError(
            f"{path} is damaged, cut short ({path.stat().st_size:,} bytes) or another file: its {_kind(published)} is "
            f"not {published}, which is published. Remove it, or {remedy}."
        )


def _kind(hash: str) -> str:
    return "md5" if len(hash) == 32 else "sha256"


def read_h5(path: Path) -> LayerWeights:
    """Return the weights in a Keras file, `.weights.h5` or the older `.h5`.

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


@dataclass(frozen=True)
class NoWeights:
    """The `pretrained` of a network without published ImageNet weights: it begins from random ones, or from a file.

    >>> str(NoWeights("plain_stack").where())
    'ImageNet weights of plain_stack, not published'
    """

    name: str
    """The network's."""
    file: str = ""

    def read(self) -> LayerWeights:
        """Raise WeightsError: there are none."""
        raise WeightsError(
            f"{self.name} has no published ImageNet weights. Expected backbone.weights (--weights) to be "
            '"random", with a recipe that trains from scratch, or a file of weights'
        )

    def read_file(self, path: Path) -> LayerWeights:
        """Return the weights in a Keras file. Raise WeightsError when it cannot be read."""
        return read_h5(path)

    def is_here(self) -> bool:
        """Return False."""
        return False

    def where(self) -> WeightsLocation:
        """Return that they are not published."""
        return WeightsLocation("not published", name=f"ImageNet weights of {self.name}")


def _named_layers(root: Any) -> list[tuple[str, list[np.ndarray]]]:
    """Return layers at any depth, so that a network saved inside of another model is found too."""
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


def assign(
    model: "keras.Model",
    weights: LayerWeights,
    network: str,
    *,
    file: str = "",
    recognise: Callable[[int], str | None] | None = None,
) -> None:
    """Give every variable of `model` its value from `weights`, or leave all as they are.

    Layers are matched by name; where the names differ, in a file that keeps the network's order by place, in another
    after the names that Keras numbers by itself are counted from none. A classifier in the file is left aside, and so
    is the preprocessing, which is fixed.

    Args:
        network: its name, for the error.
        file: name of a file that would fit, for the error.
        recognise: returns the name of the network with so many parameters, for the error.

    Raises:
        WeightsError: when a layer is missing, has another shape, or holds what is not a finite number, or when the file
            holds more convolutions: those of a larger network, of which this one would be a torso.
    """
    layers = {
        layer.name: layer for layer in model.layers if layer.weights and not layer.name.startswith(PREPROCESS)
    }
    expected = {name: [tuple(weight.shape) for weight in layer.weights] for name, layer in layers.items()}
    found, rest = _in_place(expected, weights) or _by_name(list(layers.values()), weights.arrays)
    fault = _fault(expected, found, rest)
    if fault:
        raise WeightsError(
            f"{weights.source} is not for {network}: {fault}. "
            f"{_describe(weights, recognise)}{_wanted(network, layers, file)}"
        )
    for name in layers:
        if not all(np.isfinite(array).all() for array in found[name]):
            raise WeightsError(
                f"{weights.source} is damaged: layer {name} holds what is not a finite number. Fetch the file again."
            )
    for name, layer in layers.items():
        layer.set_weights(
            [array.reshape(shape) for array, shape in zip(found[name], expected[name], strict=True)]
        )


Arrays = dict[str, list[np.ndarray]]
Shapes = list[tuple[int, ...]]


def _by_name(layers: "list[keras.layers.Layer]", arrays: Arrays) -> tuple[Arrays, Arrays]:
    """Return what the file holds for each layer, and the rest."""
    if not all(layer.name in arrays for layer in layers):
        new_names: dict[str, str] = {}
        for prefix in filter(None, {automatic_prefix(layer) for layer in layers}):
            new_names |= renumbered(arrays, prefix)
        arrays = {new_names.get(name, name): values for name, values in arrays.items()}
    names = {layer.name for layer in layers}
    found = {name: values for name, values in arrays.items() if name in names}
    return found, {name: values for name, values in arrays.items() if name not in names}


def _in_place(expected: dict[str, Shapes], weights: LayerWeights) -> tuple[Arrays, Arrays] | None:
    """Return the same by the order in the file, where its names are others and its shapes are those expected.

    A group of the file may hold the arrays of several layers: those of a model within the model.
    """
    if not weights.in_order or expected.keys() <= weights.arrays.keys():
        return None
    wanted = [_bare(shape) for shapes in expected.values() for shape in shapes]
    flat = [(name, array) for name, values in weights.arrays.items() for array in values]
    if [_bare(array.shape) for _, array in flat[: len(wanted)]] != wanted:
        return None
    queue = iter(array for _, array in flat)
    found = {name: [next(queue) for _ in shapes] for name, shapes in expected.items()}
    rest: Arrays = {}
    for name, array in flat[len(wanted) :]:
        rest.setdefault(name, []).append(array)
    return found, rest


def _fault(expected: dict[str, Shapes], found: Arrays, rest: Arrays) -> str:
    missing = [name for name in expected if name not in found]
    if missing:
        return f"it lacks {len(missing)} of {len(expected)} layers, the first of them {missing[0]}"
    unlike = [
        name
        for name, shapes in expected.items()
        if list(map(_bare, shapes)) != [_bare(array.shape) for array in found[name]]
    ]
    if unlike:
        first = unlike[0]
        return (
            f"{len(unlike)} layers differ in shape, the first of them {first}: "
            f"{_shapes(found[first])} where {expected[first]} is expected"
        )
    # A classifier has none that is larger than one pixel.
    more = [name for name, arrays in rest.items() if any(_is_spatial(array) for array in arrays)]
    return f"it holds {len(more)} more convolutions, the first of them {more[0]}" if more else ""


def _is_spatial(array: np.ndarray) -> bool:
    return array.ndim == 4 and array.shape[0] * array.shape[1] > 1


def _bare(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape without axes of length one.

    A factor for each channel may be kept as a vector or as a kernel of one pixel.
    """
    return tuple(length for length in shape if length != 1)


def _shapes(arrays: list[np.ndarray]) -> list[tuple[int, ...]]:
    return [array.shape for array in arrays]


def _describe(weights: LayerWeights, recognise: Callable[[int], str | None] | None) -> str:
    other = recognise(weights.parameters) if recognise else None
    if other is not None:
        return f"It looks like {other}. "
    names = list(weights.arrays)
    return f"It holds {len(names)} layers ({names[0]} to {names[-1]}), {weights.parameters:,} numbers. "


def _wanted(network: str, layers: "dict[str, keras.layers.Layer]", file: str) -> str:
    numbers = f"{sum(layer.count_params() for layer in layers.values()):,} numbers"
    return f"Give weights of {network} ({numbers}){file and f', such as {file}'}."
