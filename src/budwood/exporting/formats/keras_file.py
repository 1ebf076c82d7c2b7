"""A Keras file: the model as the run keeps it, for Keras 3 on any backend."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from budwood.exporting.formats.format import Runtime
from budwood.exporting.quantization import Kind, Quantization

if TYPE_CHECKING:
    import keras

FILE = "model.keras"


class KerasFile:
    name = "keras"
    title = "Keras"
    writes_with: tuple[str, ...] = ()
    runs_with: tuple[str, ...] = ()
    quantizes_with: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ()
    install = "keras tensorflow numpy pillow"
    code = """import keras

model = keras.models.load_model(folder / "model.keras", compile=False)
probabilities = np.asarray(model(pixels, training=False))"""

    def write(self, model: "keras.Model", folder: Path) -> None:
        model.save(folder / FILE)

    def quantize(self, model: "keras.Model", plain: Path, folder: Path, how: Quantization) -> None:
        raise NotImplementedError("it has no kinds")

    def load(self, folder: Path) -> Runtime:
        import keras

        model = keras.models.load_model(folder / FILE, compile=False, safe_mode=True)
        return lambda pixels: np.asarray(
            keras.ops.convert_to_numpy(model(pixels, training=False)), np.float32
        )

    def names(self, folder: Path) -> tuple[str, str]:
        return "pixels", "probabilities"
