"""LiteRT (formerly TensorFlow Lite), for phones and small computers."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from budwood.core.system import num_cores
from budwood.core.tensorflow import hushed
from budwood.exporting.formats.format import Answers, Runtime
from budwood.exporting.formats.litert_int8 import LiteRtQuantizer, quietly
from budwood.exporting.formats.tracing import save_signature
from budwood.exporting.network import PIXELS
from budwood.exporting.quantization import Kind, Quantizer, Square

if TYPE_CHECKING:
    import keras

    from budwood.exporting.network import Network

FILE = "model.tflite"


class LiteRtFile:
    name = "litert"
    title = "LiteRT"
    writes_with: tuple[str, ...] = ("tensorflow",)
    runs_with: tuple[str, ...] = ("ai_edge_litert",)
    quantizes_with: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ("float16", "int8")
    tells_others = True
    from_keras = True
    install = 'ai-edge-litert numpy "pillow>=13"'
    code = """from ai_edge_litert.interpreter import Interpreter

model = Interpreter(str(folder / "model.tflite"))
answers = model.get_signature_runner("serving_default")(pixels=pixels)"""

    def write(self, network: "Network", folder: Path) -> None:
        _convert(network.keras, folder)

    def halve(self, network: "Network", plain: Path, folder: Path) -> None:
        import tensorflow as tf

        _convert(network.keras, folder, [tf.float16])

    def quantizer(self, network: "Network", plain: Path, sample: Sequence[Square]) -> Quantizer:
        return LiteRtQuantizer(network.keras, FILE, sample)

    def load(self, folder: Path) -> Runtime:
        from ai_edge_litert.interpreter import Interpreter

        # With its first picture it tells of the delegate that it takes.
        with hushed():
            model = Interpreter(str(folder / FILE), num_threads=num_cores())
            run = model.get_signature_runner()
            run(**{PIXELS: np.zeros(model.get_input_details()[0]["shape"], np.float32)})

        def answer(pixels: np.ndarray) -> Answers:
            return run(**{PIXELS: pixels})

        return answer

    def load_as_delivered(self, folder: Path) -> tuple[str, Runtime] | None:
        return None


def _convert(network: "keras.Model", folder: Path, types: Sequence[Any] = ()) -> None:
    """Write a network, its weights in these types in place of float32."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory(prefix="budwood-") as saved:
        save_signature(network, Path(saved))
        converter = tf.lite.TFLiteConverter.from_saved_model(saved)
        if types:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = list(types)
        with quietly():
            (folder / FILE).write_bytes(converter.convert())
