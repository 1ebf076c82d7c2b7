"""A TensorFlow SavedModel, as TensorFlow Serving and TensorFlow's other languages take it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from budwood.exporting.formats.format import Answers, Runtime
from budwood.exporting.formats.tracing import SIGNATURE, save_signature
from budwood.exporting.network import PIXELS
from budwood.exporting.quantization import Kind, Quantizer, Square

if TYPE_CHECKING:
    from budwood.exporting.network import Network


class SavedModel:
    name = "saved_model"
    title = "TensorFlow SavedModel"
    writes_with: tuple[str, ...] = ("tensorflow",)
    runs_with: tuple[str, ...] = ("tensorflow",)
    quantizes_with: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ()
    tells_others = True
    from_keras = True
    install = 'tensorflow numpy "pillow>=13"'
    code = """import tensorflow as tf

model = tf.saved_model.load(folder / "model")
answers = {
    name: some.numpy() for name, some in model.signatures["serving_default"](pixels=tf.constant(pixels)).items()
}"""

    def write(self, network: "Network", folder: Path) -> None:
        save_signature(network.keras, folder / "model")

    def halve(self, network: "Network", plain: Path, folder: Path) -> None:
        raise NotImplementedError("it has no kinds")

    def quantizer(self, network: "Network", plain: Path, sample: Sequence[Square]) -> Quantizer:
        raise NotImplementedError("it has no kinds")

    def load(self, folder: Path) -> Runtime:
        import tensorflow as tf

        loaded = tf.saved_model.load(str(folder / "model"))
        answer = loaded.signatures[SIGNATURE]

        def run(pixels: np.ndarray) -> Answers:
            # The variables live as long as what was loaded.
            assert loaded is not None
            return {name: some.numpy() for name, some in answer(**{PIXELS: tf.constant(pixels)}).items()}

        return run

    def load_as_delivered(self, folder: Path) -> tuple[str, Runtime] | None:
        return None
