"""OpenVINO's own format, for processors, graphics and accelerators of Intel, and processors of others."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from budwood.exporting.formats.format import Answers, Runtime
from budwood.exporting.formats.openvino_int8 import OpenVinoQuantizer
from budwood.exporting.network import ABOVE_FEATURES
from budwood.exporting.quantization import Kind, Quantizer, Square
from budwood.features.engines.graphs import compile_graph, import_openvino, openvino_core

if TYPE_CHECKING:
    from budwood.exporting.network import Network

FILE = "model.xml"


class OpenVinoIr:
    name = "openvino"
    title = "OpenVINO"
    writes_with: tuple[str, ...] = ("openvino",)
    runs_with: tuple[str, ...] = ("openvino",)
    quantizes_with: tuple[str, ...] = ("nncf",)
    kinds: tuple[Kind, ...] = ("float16", "int8")
    tells_others = True
    from_keras = False
    install = 'openvino numpy "pillow>=13"'
    # Some processors would compute in bf16 by default, which moves probabilities by a percent.
    code = """import openvino

model = openvino.compile_model(folder / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
answers = {output.any_name: some for output, some in model(pixels).items()}"""

    def write(self, network: "Network", folder: Path) -> None:
        # The graph that the run answers by itself: TensorFlow, by which Keras exports, is not needed.
        with tempfile.TemporaryDirectory(prefix="budwood-") as scratch:
            graph = network.openvino(Path(scratch))
            import_openvino().save_model(graph, folder / FILE, compress_to_fp16=False)

    def halve(self, network: "Network", plain: Path, folder: Path) -> None:
        # The weights alone: values between layers stay float32.
        graph = openvino_core().read_model(plain / FILE)
        import_openvino().save_model(graph, folder / FILE, compress_to_fp16=True)

    def quantizer(self, network: "Network", plain: Path, sample: Sequence[Square]) -> Quantizer:
        return OpenVinoQuantizer(plain / FILE, sample, f"{ABOVE_FEATURES}.*")

    def load(self, folder: Path) -> Runtime:
        return _runtime(compile_graph(openvino_core().read_model(folder / FILE), requests=1))

    def load_as_delivered(self, folder: Path) -> tuple[str, Runtime] | None:
        compiled = openvino_core().compile_model(folder / FILE, "CPU")
        precision = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        return (precision, _runtime(compiled)) if precision != "f32" else None


def _runtime(compiled: Any) -> Runtime:
    names = [output.any_name for output in compiled.outputs]

    def run(pixels: np.ndarray) -> Answers:
        found = compiled([pixels])
        return {name: np.array(found[name]) for name in names}

    return run
