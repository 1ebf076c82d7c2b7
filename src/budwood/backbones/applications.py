"""Networks of keras.applications: one entry of the table each.

Weights come from the file that Keras itself downloads, or from one that the user gives.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from budwood.backbones.contract import Backbone, derive_seed
from budwood.backbones.weights import LayerWeights, read_h5
from budwood.errors import WeightsError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Of red, green and blue in [0, 1]."""
CAFFE_MEAN = (103.939, 116.779, 123.68)
"""Of blue, green and red in [0, 255]."""
KERAS_DROP_CONNECT_RATE = 0.2
"""What Keras builds every EfficientNet with; its functions take no other."""


def _symmetric(pixels: Any) -> Any:
    """Pixels to [-1, 1]: the style that Keras calls "tf"."""
    import keras

    return keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="preprocess")(pixels)


def _standardised(
    pixels: Any, mean: Sequence[float] = IMAGENET_MEAN, deviation: Sequence[float] = IMAGENET_STD
) -> Any:
    """Pixels to [0, 1], then less the mean of each channel and by its deviation: the style that Keras calls "torch"."""
    import keras

    scale = [1 / (255 * float(value)) for value in deviation]
    offset = [-float(value) / float(spread) for value, spread in zip(mean, deviation, strict=True)]
    return keras.layers.Rescaling(scale, offset, name="preprocess")(pixels)


def _centred_bgr(pixels: Any) -> Any:
    """Blue, green, red, each less its mean: the style that Keras calls "caffe"."""
    import keras

    # Keras has no layer that reorders channels; this convolution picks each of them, to the last bit.
    swapped = keras.layers.Conv2D(
        3,
        1,
        use_bias=False,
        trainable=False,
        kernel_initializer=keras.initializers.Constant(
            [[[[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]]]
        ),
        name="preprocess_bgr",
    )(pixels)
    return keras.layers.Rescaling(1.0, [-mean for mean in CAFFE_MEAN], name="preprocess")(swapped)


def _network(x: Any, function: str) -> Any:
    import keras

    return getattr(keras.applications, function)(include_top=False, weights=None, input_tensor=x).output


def _efficientnet(x: Any, function: str, drop_connect_rate: float, seed: int) -> Any:
    """Keras's network without its own preprocessing, with the rate and the seeds that are asked for."""
    import keras
    from keras import layers

    built = getattr(keras.applications, function)(include_top=False, weights=None, input_shape=x.shape[1:])
    dropout = [layer.name for layer in built.layers if isinstance(layer, layers.Dropout)]

    def clone(layer: layers.Layer) -> layers.Layer:
        config = layer.get_config()
        if layer.name in dropout:
            config["rate"] *= drop_connect_rate / KERAS_DROP_CONNECT_RATE
            config["seed"] = derive_seed(seed, dropout.index(layer.name))
        return type(layer).from_config(config)

    outputs = {}

    def call(layer: layers.Layer, tensor: Any, *rest: Any, **arguments: Any) -> Any:
        preprocesses = isinstance(layer, layers.Rescaling | layers.Normalization)
        outputs[layer.name] = tensor if preprocesses else layer(tensor, *rest, **arguments)
        return outputs[layer.name]

    keras.models.clone_model(built, input_tensors=x, clone_function=clone, call_function=call)
    return outputs[built.layers[-1].name]


@dataclass(frozen=True)
class KerasDownload:
    """The file of weights that Keras fetches on first use and keeps."""

    function: str
    file: str
    size: int

    def read(self) -> LayerWeights:
        if not self._path.is_file():
            self._download()
        return read_h5(self._path)

    def read_file(self, path: Path) -> LayerWeights:
        return read_h5(path)

    def where(self) -> str:
        state = "downloaded" if self._path.is_file() else "not downloaded: Keras fetches it on first use"
        return f"{self._path}, {state}"

    @property
    def _path(self) -> Path:
        # As Keras decides, without the seconds that importing it takes.
        home = os.environ.get("KERAS_HOME") or "~/.keras"
        return Path(home).expanduser() / "models" / self.file

    def _download(self) -> None:
        import keras

        try:
            # Keras knows the address and the hash; the model made on the way is not used.
            getattr(keras.applications, self.function)(
                include_top=False, input_shape=(self.size, self.size, 3)
            )
        # Keras raises plain Exception when a download fails.
        except Exception as error:
            raise WeightsError(
                f"the ImageNet weights could not be downloaded ({error}). Put {self.file} in {self._path.parent}, "
                "or give `--weights FILE`, which needs no network."
            ) from error


class EfficientNetDownload(KerasDownload):
    """Of the first EfficientNets, whose files also hold what normalises the pixels.

    Keras keeps standard deviations where it expects variances, and mends that by a further layer that it adds for the
    literal `weights="imagenet"` alone: the same weights given as a file meet pixels at half their contrast there.
    """

    def read(self) -> LayerWeights:
        return _normalised_as_told(super().read(), imagenet=True)

    def read_file(self, path: Path) -> LayerWeights:
        return _normalised_as_told(super().read_file(path))


def _normalised_as_told(weights: LayerWeights, imagenet: bool = False) -> LayerWeights:
    """The weights without their normalization, which becomes the preprocessing that they ask for."""
    arrays = dict(weights.arrays)
    # Keras numbers unnamed layers: it may be "normalization_1".
    found = next((name for name in arrays if name.startswith("normalization")), None)
    if found is None:
        return weights
    mean, variance, *_ = (np.ravel(array).astype(np.float64) for array in arrays.pop(found))
    deviation = np.sqrt(variance)
    # Weights from elsewhere than ImageNet have never seen the further layer.
    if imagenet or np.allclose(mean, IMAGENET_MEAN, atol=1e-3):
        deviation = deviation * np.sqrt(IMAGENET_STD)
    preprocess = partial(_standardised, mean=tuple(mean), deviation=tuple(deviation))
    return replace(weights, arrays=arrays, preprocess=preprocess)


def _backbone(
    name: str,
    function: str,
    file: str,
    size: int = 224,
    network: Callable[..., Any] = _network,
    download: type[KerasDownload] = KerasDownload,
    **facts: Any,
) -> Backbone:
    return Backbone(
        name=name,
        size=size,
        network=partial(network, function=function),
        pretrained=download(function, file, size),
        **facts,
    )


_efficientnet_b = partial(
    _backbone,
    family="EfficientNet",
    network=_efficientnet,
    download=EfficientNetDownload,
    preprocess=_standardised,
    input_range="ImageNet mean and deviation",
    block=r"block\d",
    last="top_activation",
    drop_connect_rate=KERAS_DROP_CONNECT_RATE,
)


APPLICATIONS = (
    _backbone(
        "mobilenet_v2",
        "MobileNetV2",
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
        family="MobileNet",
        parameters=2_257_984,
        features=1280,
        imagenet_top1=71.3,
        preprocess=_symmetric,
        input_range="[-1, 1]",
        block=r"expanded_conv|block_\d+",
        last="out_relu",
        sweet_spot="the tutorials' choice: the fastest here, and small",
    ),
    _backbone(
        "mobilenet",
        "MobileNet",
        "mobilenet_1_0_224_tf_no_top.h5",
        family="MobileNet",
        parameters=3_228_864,
        features=1024,
        imagenet_top1=70.4,
        preprocess=_symmetric,
        input_range="[-1, 1]",
        # A block is a depthwise and a pointwise convolution; its first layer may be padding.
        block=r"conv_(?:pad|dw|pw)_(\d+)",
        last="conv_pw_13_relu",
        sweet_spot="plain stack without shortcuts: any layer can be a boundary",
    ),
    _efficientnet_b(
        "efficientnet_b0",
        "EfficientNetB0",
        "efficientnetb0_notop.h5",
        parameters=4_049_564,
        features=1280,
        imagenet_top1=77.1,
        sweet_spot="accurate for its size; slower on a CPU than Lite0",
    ),
    _efficientnet_b(
        "efficientnet_b3",
        "EfficientNetB3",
        "efficientnetb3_notop.h5",
        size=300,
        parameters=10_783_528,
        features=1536,
        imagenet_top1=81.6,
        sweet_spot="the most accurate here, at several times the work of B0",
    ),
    _backbone(
        "efficientnet_v2b0",
        "EfficientNetV2B0",
        "efficientnetv2-b0_notop.h5",
        family="EfficientNetV2",
        network=_efficientnet,
        parameters=5_919_312,
        features=1280,
        imagenet_top1=78.7,
        preprocess=_standardised,
        input_range="ImageNet mean and deviation",
        block=r"block\d",
        last="top_activation",
        drop_connect_rate=KERAS_DROP_CONNECT_RATE,
        sweet_spot="more accurate than B0 at about its cost",
    ),
    _backbone(
        "resnet50",
        "ResNet50",
        "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        family="ResNet",
        parameters=23_587_712,
        features=2048,
        imagenet_top1=74.9,
        preprocess=_centred_bgr,
        input_range="BGR less its mean",
        block=r"conv\d_block\d+",
        last="conv5_block3_out",
        sweet_spot="the classic: large, robust, much studied",
    ),
)
