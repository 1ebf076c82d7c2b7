"""Networks of keras.applications: one entry of the table each.

Weights come from the file that Keras itself downloads, or from one that the user gives.
"""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from budwood.backbones.contract import Backbone
from budwood.backbones.weights import LayerWeights, read_h5
from budwood.errors import WeightsError


def _symmetric(pixels: Any) -> Any:
    """Pixels to [-1, 1]: the style that Keras calls "tf"."""
    import keras

    return keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="preprocess")(pixels)


def _network(x: Any, function: str) -> Any:
    import keras

    return getattr(keras.applications, function)(include_top=False, weights=None, input_tensor=x).output


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


def _backbone(name: str, function: str, file: str, size: int = 224, **facts: Any) -> Backbone:
    return Backbone(
        name=name,
        size=size,
        network=partial(_network, function=function),
        pretrained=KerasDownload(function, file, size),
        **facts,
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
)
