"""Two backbones of a few layers: what is tested on them is not the network, and a real one takes ten times as long."""

from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from budwood.backbones.backbone import Backbone
from budwood.backbones.preprocessing import symmetric
from budwood.backbones.weights import LayerWeights, WeightsLocation, read_h5

BLOCKS = {"block1a": 16, "block2a": 24, "block2b": 24, "block3a": 32, "block4a": 48}
"""Channels that each block yields. The second of a pair keeps the side and has a shortcut."""


def _network(x: Any, features: int) -> Any:
    from keras import layers

    def normalised(x: Any, name: str) -> Any:
        return layers.BatchNormalization(name=f"{name}_bn")(x)

    def conv(x: Any, channels: int, name: str, kernel: int = 1, stride: int = 1) -> Any:
        layer = layers.Conv2D(channels, kernel, stride, padding="same", use_bias=False, name=f"{name}_conv")
        return normalised(layer(x), name)

    x = layers.ReLU(6.0, name="stem_activation")(conv(x, 12, "stem", kernel=3, stride=2))
    for name, channels in BLOCKS.items():
        shortcut, stride = x, 1 if name.endswith("b") else 2
        layer = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False, name=f"{name}_dwconv")
        x = layers.ReLU(6.0, name=f"{name}_activation")(normalised(layer(x), name))
        x = conv(x, channels, f"{name}_project")
        if stride == 1:
            x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.ReLU(6.0, name="top_activation")(conv(x, features, "top"))


@dataclass(frozen=True)
class Drawn:
    """Weights that are drawn, and the same whenever they are asked for."""

    name: str

    @property
    def file(self) -> str:
        return f"{self.name}.h5"

    def read(self) -> LayerWeights:
        return _drawn(self.name)

    def read_file(self, path: Path) -> LayerWeights:
        return read_h5(path)

    def is_here(self) -> bool:
        return True

    def where(self) -> WeightsLocation:
        return WeightsLocation("installed", name="tests/tiny.py")


def _backbone(name: str, features: int, parameters: int) -> Backbone:
    return Backbone(
        name=name,
        family="Tiny",
        size=64,
        parameters=parameters,
        features=features,
        imagenet_top1=None,
        input_range="[-1, 1]",
        best_for="tests",
        preprocess=symmetric,
        network=partial(_network, features=features),
        last="top_activation",
        block=r"block\d",
        pretrained=Drawn(name),
    )


TINY = _backbone("tiny", 96, 10_800)
OTHER = _backbone("tiny_other", 64, 9_136)


@cache
def _drawn(name: str) -> LayerWeights:
    model = (TINY if name == "tiny" else OTHER).build(weights="random", seed=5)
    return LayerWeights({layer.name: layer.get_weights() for layer in model.layers if layer.weights}, "drawn")
