"""OpenVINO's own format, for processors, graphics and accelerators of Intel, and processors of others."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from budwood.exporting.formats.format import DISTANCE, PROBABILITIES, Answers, Runtime
from budwood.exporting.formats.openvino_int8 import OpenVinoQuantizer
from budwood.exporting.formats.tracing import above_features, trace
from budwood.exporting.quantization import Kind, Quantizer, Square
from budwood.features.engines.graphs import compile_graph, convert, import_openvino, new_core

if TYPE_CHECKING:
    import keras

FILE = "model.xml"


class OpenVinoIr:
    name = "openvino"
    title = "OpenVINO"
    writes_with: tuple[str, ...] = ("openvino",)
    runs_with: tuple[str, ...] = ("openvino",)
    quantizes_with: tuple[str, ...] = ("nncf",)
    kinds: tuple[Kind, ...] = ("float16", "int8")
    tells_others = True
    install = 'openvino numpy "pillow>=13"'
    # Some processors would compute in bf16 by default, which moves probabilities by a percent.
    code = """import openvino

model = openvino.compile_model(folder / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
answers = {output.any_name: some for output, some in model(pixels).items()}"""

    def write(self, network: "keras.Model", folder: Path) -> None:
        # Not by Keras's own export, which imports OpenVINO so that it calls home.
        openvino, graph = import_openvino(), convert(trace(network))
        # Sorted by their names otherwise: servers and old programs take the first.
        ends = [graph.output(name).get_node() for name in (PROBABILITIES, DISTANCE) if name in network.output]
        openvino.save_model(
            openvino.Model(ends, graph.get_parameters()), folder / FILE, compress_to_fp16=False
        )

    def halve(self, network: "keras.Model", plain: Path, folder: Path) -> None:
        # The weights alone: values between layers stay float32.
        graph = new_core().read_model(plain / FILE)
        import_openvino().save_model(graph, folder / FILE, compress_to_fp16=True)

    def quantizer(self, network: "keras.Model", plain: Path, sample: Sequence[Square]) -> Quantizer:
        return OpenVinoQuantizer(plain / FILE, sample, above_features(network))

    def load(self, folder: Path) -> Runtime:
        return _runtime(compile_graph(new_core().read_model(folder / FILE), requests=1))

    def load_as_delivered(self, folder: Path) -> tuple[str, Runtime] | None:
        compiled = new_core().compile_model(folder / FILE, "CPU")
        precision = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        return (precision, _runtime(compiled)) if precision != "f32" else None


def _runtime(compiled: Any) -> Runtime:
    names = [output.any_name for output in compiled.outputs]

    def run(pixels: np.ndarray) -> Answers:
        found = compiled([pixels])
        return {name: np.array(found[name]) for name in names}

    return run
