"""Backbone: what every pretrained network must offer, whatever family it comes from."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from budwood.backbones.naming import PREPROCESS, RESIZE
from budwood.backbones.seeds import derive_seed
from budwood.backbones.weights import LayerWeights, WeightsLocation, assign, given_file
from budwood.core.errors import BackboneError, MissingWeightsError

if TYPE_CHECKING:
    import keras


@runtime_checkable
class Pretrained(Protocol):
    """Where a network's ImageNet weights come from."""

    def read(self) -> LayerWeights:
        """Return the weights. Raise WeightsError when they are missing or damaged."""

    def read_file(self, path: Path) -> LayerWeights:
        """Return the weights in a file that the user gives. Raise WeightsError when it cannot be read."""

    @property
    def file(self) -> str:
        """Return the name of the file that holds them."""

    def is_here(self) -> bool:
        """Return whether they can be had without a network."""

    def where(self) -> WeightsLocation:
        """Return where they would come from and whether they are here."""


@dataclass(frozen=True)
class Backbone:
    """A pretrained network without its classifier: raw pixels in, feature map out.

    >>> from budwood.backbones.registry import get_backbone
    >>> get_backbone("mobilenet_v2").features
    1280
    """

    name: str
    family: str
    size: int
    """Native side of the square input, in pixels."""
    parameters: int
    """Without the classifier."""
    features: int
    """Channels of the feature map."""
    imagenet_top1: float | None
    """Published top-1 accuracy on ImageNet, in percent."""
    input_range: str
    """What the network itself sees, after the preprocessing."""
    best_for: str
    """What it is good for, in a few words."""
    preprocess: Callable[[Any], Any] = field(repr=False)
    """Adds to a Keras tensor of raw 0-255 pixels what brings them to `input_range`; the last layer is "preprocess"."""
    network: Callable[..., Any] = field(repr=False)
    """Adds the network's layers to a Keras tensor of preprocessed pixels; gives its feature map. With stochastic depth
    it also takes `drop_connect_rate` and the `seed` from which its dropout is drawn."""
    last: str = field(repr=False)
    """Name of the layer that yields the feature map."""
    pretrained: Pretrained = field(repr=False)
    block: str = field(default="", repr=False)
    """Regular expression that the names of a block's layers begin with; the match, or its group, tells blocks apart."""
    block_end: str = field(default="", repr=False)
    """In place of `block`, where layers are not named by block: regular expression of the layers that the stem and each
    block end with."""
    drop_connect_rate: float | None = None
    """The network's own rate of stochastic depth (Huang et al. 2016); None where no block can be skipped."""
    min_size: int = 32
    known: Callable[[], Iterable["Backbone"]] = field(default=tuple, repr=False)
    """Gives all networks that there are, which errors about weights name."""

    def build(
        self,
        size: int | None = None,
        weights: str | Path = "imagenet",
        seed: int = 0,
        drop_connect_rate: float | Literal["auto"] = "auto",
        pixels: int | None = None,
    ) -> "keras.Model":
        """Return a flat functional model from raw pixels to the feature map.

        Args:
            size: side of the square input in pixels, from `min_size` up; None is the native size.
            weights: "imagenet", "random", or a file of weights without the classifier.
            seed: decides the "random" weights, and what dropout draws.
            drop_connect_rate: chance in [0, 1) that training skips the topmost block, falling to 0 at the bottom;
                "auto" is the network's own. It changes nothing but training.
            pixels: side of the model's input where that is larger than `size`: their first layer then makes pictures
                smaller (bilinear).

        Returns:
            A model from float32 pixels in [0, 255], `(None, pixels, pixels, 3)`, to the feature map, `(None, h, w,
            features)`. Its input is named "pixels"; the layers keep the network's own names.

        Raises:
            BackboneError: when the network cannot take the size, or has no block that could be skipped.
            WeightsError: when the weights are missing, damaged, or another network's.
        """
        import keras

        size = self.size if size is None else size
        self.refuse_impossible(size, drop_connect_rate)
        network = self._network(drop_connect_rate, seed)
        # Read before the graph is built, so that bad weights fail at once.
        found = self._read(weights)
        preprocess = (found and found.preprocess) or self.preprocess
        side = size if pixels is None else pixels
        given = keras.Input((side, side, 3), name="pixels", dtype="float32")
        seen = given if side == size else resized(given, size)
        model = keras.Model(given, network(preprocess(seen)), name=self.name)
        if found is None:
            _draw_weights(model, seed)
        else:
            assign(model, found, self.name, file=self.pretrained.file, recognise=self._recognise)
        return model

    def layers(self, model: "keras.Model") -> list[str]:
        """Return the names of the network's own layers in `model`, bottom first, its input layer included.

        What preprocesses the pixels and what stands on top of the feature map is not the network's.
        """
        names = [layer.name for layer in model.layers]
        own = names[: names.index(self.last) + 1]
        return [name for name in own if not name.startswith(PREPROCESS)]

    def blocks(self, model: "keras.Model") -> list[list[str]]:
        """Return the freeze units, bottom first: the stem, where there is one, then each block.

        What follows the last block belongs to it.
        """
        names = self.layers(model)[1:]
        starts = [0]
        if self.block_end:
            ends = [place for place, name in enumerate(names) if re.fullmatch(self.block_end, name)]
            starts += [end + 1 for end in ends[:-1]]
        else:
            current = None
            for place, name in enumerate(names):
                match = re.match(self.block, name)
                if match and match[match.lastindex or 0] != current:
                    current = match[match.lastindex or 0]
                    starts.append(place)
        return [names[start:end] for start, end in pairwise([*sorted(set(starts)), len(names)])]

    def where(self) -> WeightsLocation:
        """Return where the ImageNet weights come from and whether they are here."""
        return self.pretrained.where()

    def refuse_impossible(self, size: int, drop_connect_rate: float | Literal["auto"] = "auto") -> None:
        """Raise BackboneError for a size that the network cannot take, or a rate of blocks that it cannot skip."""
        if not isinstance(size, int) or size < self.min_size:
            raise BackboneError(
                f"{self.name} cannot take pictures of {size} px. "
                f"Give a whole number of at least {self.min_size}; its own size is {self.size}."
            )
        if self.drop_connect_rate is None and drop_connect_rate not in ("auto", 0):
            raise BackboneError(
                f"{self.name} has no stochastic depth: `drop_connect_rate = {drop_connect_rate}` asks for blocks to be "
                'skipped. Leave it at "auto", or take an EfficientNet.'
            )
        if drop_connect_rate != "auto" and not 0 <= drop_connect_rate < 1:
            raise BackboneError(
                f"`drop_connect_rate = {drop_connect_rate}` is no chance that a block is skipped. Give a number from 0 "
                'up to, and without, 1, or "auto".'
            )

    def _network(self, drop_connect_rate: float | Literal["auto"], seed: int) -> Callable[[Any], Any]:
        if self.drop_connect_rate is None:
            return self.network
        rate = self.drop_connect_rate if drop_connect_rate == "auto" else drop_connect_rate
        return partial(self.network, drop_connect_rate=rate, seed=seed)

    def _read(self, weights: str | Path) -> LayerWeights | None:
        if weights == "random":
            return None
        file = given_file(weights)
        return self.imagenet_weights() if file is None else self.pretrained.read_file(file)

    def imagenet_weights(self) -> LayerWeights:
        """Return the ImageNet weights, fetched where they are not here. Raise WeightsError."""
        try:
            return self.pretrained.read()
        except MissingWeightsError as error:
            here = [backbone.name for backbone in self.known() if backbone.pretrained.is_here()]
            if not here:
                raise
            raise MissingWeightsError(
                f"{error} Backbones whose weights are here: {', '.join(here)}."
            ) from error

    def _recognise(self, parameters: int) -> str | None:
        """Return the name of the network with so many parameters, with or without a classifier of 1,000 classes."""
        for other in self.known():
            if parameters in (other.parameters, other.parameters + 1000 * (other.features + 1)):
                return other.name
        return None


def resized(pixels: Any, size: int) -> Any:
    """Add to a Keras tensor of pixels what makes them smaller, bilinear; the last layer is "preprocess_resize"."""
    import keras

    # Not the layer Resizing: with it in a model, a plain `model(pixels)` runs as in training, BatchNorm and all.
    # Not antialiased: OpenVINO does not know how.
    smaller = keras.ops.image.resize(pixels, (size, size), interpolation="bilinear")
    return keras.layers.Identity(name=RESIZE)(smaller)


def _draw_weights(model: "keras.Model", seed: int) -> None:
    """Give a flat model new weights that `seed` alone decides, whatever ran before in this process."""
    import keras

    drawn = 0
    for layer in model.layers:
        for name, value in layer.get_config().items():
            if (
                isinstance(value, dict)
                and value.get("module") == "keras.initializers"
                and "seed" in value["config"]
            ):
                value["config"]["seed"] = derive_seed(seed, drawn)
                drawn += 1
                initializer = keras.initializers.deserialize(value)
                setattr(layer, name, initializer)
                weight = _weight_of(layer, name.removesuffix("_initializer"))
                weight.assign(initializer(weight.shape, dtype=weight.dtype))


def _weight_of(layer: "keras.layers.Layer", name: str) -> Any:
    """Return the weight that Keras draws with the layer's `{name}_initializer`."""
    return next(getattr(layer, each) for each in (name, f"{name}_kernel", "kernel") if hasattr(layer, each))
