"""ONNX, which runtimes of many makers read."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from budwood.exporting.formats.format import PIXELS, PROBABILITIES, Runtime
from budwood.exporting.quantization import Kind, Quantization, nncf_quietly

if TYPE_CHECKING:
    import keras

FILE = "model.onnx"
OPSET = 18
"""Of 2022: old enough for most runtimes in use, and the newest that tf2onnx writes."""


class OnnxFile:
    name = "onnx"
    title = "ONNX"
    writes_with: tuple[str, ...] = ("tensorflow", "tf2onnx", "onnx")
    runs_with: tuple[str, ...] = ("onnxruntime",)
    quantizes_with: tuple[str, ...] = ("nncf",)
    kinds: tuple[Kind, ...] = ("int8",)
    install = "onnxruntime numpy pillow"
    code = """import onnxruntime

model = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
probabilities = model.run(["probabilities"], {"pixels": pixels})[0]"""

    def write(self, model: "keras.Model", folder: Path) -> None:
        import onnx

        # Keras exports no model that has not been called since it was read.
        model(np.zeros((1, *model.input.shape[1:]), np.float32), training=False)
        with warnings.catch_warnings():
            # tf2onnx 1.17 under NumPy 2.4, in its own code.
            warnings.simplefilter("ignore")
            model.export(str(folder / FILE), format="onnx", verbose=False, opset_version=OPSET)
        written = onnx.load(folder / FILE)
        _rename(written.graph, written.graph.input[0].name, PIXELS)
        _rename(written.graph, written.graph.output[0].name, PROBABILITIES)
        onnx.checker.check_model(written)
        onnx.save(written, folder / FILE)

    def quantize(self, model: "keras.Model", plain: Path, folder: Path, how: Quantization) -> None:
        import onnx

        with nncf_quietly() as nncf:
            sample = nncf.Dataset([{PIXELS: pixels} for pixels in how.sample])
            found = nncf.quantize(onnx.load(plain / FILE), sample, subset_size=len(how.sample))
        onnx.save(found, folder / FILE)

    def load(self, folder: Path) -> Runtime:
        import onnxruntime

        session = onnxruntime.InferenceSession(folder / FILE, providers=["CPUExecutionProvider"])
        return lambda pixels: session.run([PROBABILITIES], {PIXELS: pixels})[0]

    def names(self, folder: Path) -> tuple[str, str]:
        return PIXELS, PROBABILITIES


def _rename(graph, old: str, new: str) -> None:
    """Give a tensor of a graph another name."""
    for some in (graph.input, graph.output, graph.value_info):
        for tensor in some:
            if tensor.name == old:
                tensor.name = new
    for node in graph.node:
        for places in (node.input, node.output):
            for at, name in enumerate(places):
                if name == old:
                    places[at] = new
