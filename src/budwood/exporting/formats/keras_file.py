"""A Keras file: the model as the run keeps it, for Keras 3 on any backend."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from budwood.exporting.formats.format import Answers, Runtime
from budwood.exporting.quantization import Kind, Quantizer, Square

if TYPE_CHECKING:
    from budwood.exporting.network import Network

FILE = "model.keras"


class KerasFile:
    name = "keras"
    title = "Keras"
    writes_with: tuple[str, ...] = ()
    runs_with: tuple[str, ...] = ()
    quantizes_with: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ()
    tells_others = True
    from_keras = True
    install = 'keras tensorflow numpy "pillow>=13"'
    code = """import keras

model = keras.models.load_model(folder / "model.keras", compile=False)
answers = {name: keras.ops.convert_to_numpy(some) for name, some in model(pixels, training=False).items()}"""

    def write(self, network: "Network", folder: Path) -> None:
        network.keras.save(folder / FILE)

    def halve(self, network: "Network", plain: Path, folder: Path) -> None:
        raise NotImplementedError("it has no kinds")

    def quantizer(self, network: "Network", plain: Path, sample: Sequence[Square]) -> Quantizer:
        raise NotImplementedError("it has no kinds")

    def load(self, folder: Path) -> Runtime:
        import keras

        network = keras.models.load_model(folder / FILE, compile=False, safe_mode=True)

        def run(pixels: np.ndarray) -> Answers:
            found = network(pixels, training=False)
            return {name: keras.ops.convert_to_numpy(some) for name, some in found.items()}

        return run

    def load_as_delivered(self, folder: Path) -> tuple[str, Runtime] | None:
        return None
