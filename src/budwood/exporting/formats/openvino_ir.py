"""OpenVINO's own format, for processors, graphics and accelerators of Intel, and processors of others."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from budwood.exporting.formats.format import PIXELS, PROBABILITIES, Runtime
from budwood.exporting.quantization import Kind, Quantization, nncf_quietly
from budwood.features.engines.graphs import compile_graph, import_openvino, new_core

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
    install = "openvino numpy pillow"
    # Some processors would compute in bf16 by default, which moves probabilities by a percent.
    code = """import openvino

model = openvino.compile_model(folder / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
probabilities = model(pixels)["probabilities"]"""

    def write(self, model: "keras.Model", folder: Path) -> None:
        # Before Keras imports it, so that it does not call home.
        openvino = import_openvino()
        aside = folder / "aside.xml"
        model.export(str(aside), format="openvino", verbose=False)
        graph = new_core().read_model(aside)
        for file in (aside, aside.with_suffix(".bin")):
            file.unlink()
        graph.inputs[0].get_tensor().set_names({PIXELS})
        graph.outputs[0].get_tensor().set_names({PROBABILITIES})
        openvino.save_model(graph, folder / FILE, compress_to_fp16=False)

    def quantize(self, model: "keras.Model", plain: Path, folder: Path, how: Quantization) -> None:
        openvino, graph = import_openvino(), new_core().read_model(plain / FILE)
        if how.kind == "float16":
            # The weights alone: values between layers stay float32.
            openvino.save_model(graph, folder / FILE, compress_to_fp16=True)
            return
        with nncf_quietly() as nncf:
            sample = nncf.Dataset(list(how.sample))
            found = nncf.quantize(graph, sample, subset_size=len(how.sample))
        openvino.save_model(found, folder / FILE, compress_to_fp16=False)

    def load(self, folder: Path) -> Runtime:
        return _runtime(new_core().read_model(folder / FILE))

    def names(self, folder: Path) -> tuple[str, str]:
        graph = new_core().read_model(folder / FILE)
        return graph.inputs[0].any_name, graph.outputs[0].any_name


def _runtime(graph: Any) -> Runtime:
    compiled = compile_graph(graph)
    return lambda pixels: np.array(compiled(pixels)[0])
