"""LiteRT (formerly TensorFlow Lite), for phones and small computers."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from budwood.core.system import num_cores
from budwood.exporting.formats.format import PIXELS, PROBABILITIES, Runtime, named
from budwood.exporting.quantization import Kind, Quantization

if TYPE_CHECKING:
    import keras

FILE = "model.tflite"


class LiteRtFile:
    name = "litert"
    title = "LiteRT"
    writes_with: tuple[str, ...] = ("tensorflow",)
    runs_with: tuple[str, ...] = ("ai_edge_litert",)
    quantizes_with: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ("float16", "int8")
    install = "ai-edge-litert numpy pillow"
    code = """from ai_edge_litert.interpreter import Interpreter

model = Interpreter(str(folder / "model.tflite"))
place = model.get_input_details()[0]["index"]
model.resize_tensor_input(place, pixels.shape)
model.allocate_tensors()
model.set_tensor(place, pixels)
model.invoke()
probabilities = model.get_tensor(model.get_output_details()[0]["index"])"""

    def write(self, model: "keras.Model", folder: Path) -> None:
        named(model).export(str(folder / FILE), format="litert", verbose=False)

    def quantize(self, model: "keras.Model", plain: Path, folder: Path, how: Quantization) -> None:
        import tensorflow as tf

        asked: dict[str, object] = {"optimizations": [tf.lite.Optimize.DEFAULT]}
        if how.kind == "float16":
            asked["target_spec"] = {"supported_types": [tf.float16]}
        else:
            # Pixels and probabilities stay float32: what goes in and comes out is the same.
            asked["representative_dataset"] = lambda: ([pixels] for pixels in how.sample)
        named(model).export(str(folder / FILE), format="litert", verbose=False, **asked)

    def load(self, folder: Path) -> Runtime:
        from ai_edge_litert.interpreter import Interpreter

        model = Interpreter(str(folder / FILE), num_threads=num_cores())
        source, target = (
            some[0]["index"] for some in (model.get_input_details(), model.get_output_details())
        )

        def run(pixels: np.ndarray) -> np.ndarray:
            if tuple(model.get_input_details()[0]["shape"]) != pixels.shape:
                model.resize_tensor_input(source, pixels.shape)
            model.allocate_tensors()
            model.set_tensor(source, pixels)
            model.invoke()
            return model.get_tensor(target)

        return run

    def names(self, folder: Path) -> tuple[str, str]:
        return PIXELS, PROBABILITIES
