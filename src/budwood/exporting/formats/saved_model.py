"""A TensorFlow SavedModel, as TensorFlow Serving and TensorFlow's other languages take it."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from budwood.exporting.formats.format import Runtime, named
from budwood.exporting.quantization import Kind, Quantization

if TYPE_CHECKING:
    import keras

SIGNATURE = "serving_default"


class SavedModel:
    name = "saved_model"
    title = "TensorFlow SavedModel"
    writes_with: tuple[str, ...] = ("tensorflow",)
    runs_with: tuple[str, ...] = ("tensorflow",)
    quantizes_with: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ()
    install = "tensorflow numpy pillow"
    code = """import tensorflow as tf

answer = tf.saved_model.load(folder / "model").signatures["serving_default"]
probabilities = next(iter(answer(tf.constant(pixels)).values())).numpy()"""

    def write(self, model: "keras.Model", folder: Path) -> None:
        named(model).export(folder / "model", format="tf_saved_model", verbose=False)

    def quantize(self, model: "keras.Model", plain: Path, folder: Path, how: Quantization) -> None:
        raise NotImplementedError("it has no kinds")

    def load(self, folder: Path) -> Runtime:
        import tensorflow as tf

        loaded = tf.saved_model.load(str(folder / "model"))
        answer, output = loaded.signatures[SIGNATURE], self.names(folder)[1]

        def run(pixels: np.ndarray) -> np.ndarray:
            # The variables live as long as what was loaded.
            assert loaded is not None
            return answer(tf.constant(pixels))[output].numpy()

        return run

    def names(self, folder: Path) -> tuple[str, str]:
        import tensorflow as tf

        signature = tf.saved_model.load(str(folder / "model")).signatures[SIGNATURE]
        return next(iter(signature.structured_input_signature[1])), next(iter(signature.structured_outputs))
