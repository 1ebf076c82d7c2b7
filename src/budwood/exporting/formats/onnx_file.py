"""ONNX, which runtimes of many makers read."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from budwood.core.errors import RunError
from budwood.core.system import machine
from budwood.exporting.formats.format import Answers, Runtime
from budwood.exporting.formats.onnx_int8 import OnnxQuantizer
from budwood.exporting.formats.onnx_session import open_session
from budwood.exporting.formats.tracing import above_features
from budwood.exporting.network import DISTANCE, PIXELS, PROBABILITIES
from budwood.exporting.quantization import Kind, Quantizer, Square

if TYPE_CHECKING:
    import keras

    from budwood.exporting.network import Network

FILE = "model.onnx"
OPSET = 18
"""Of 2022: old enough for most runtimes in use, and the newest that tf2onnx writes."""
MEMORY = 35
"""Bytes of memory that tf2onnx takes for each byte of weights, an estimate: ConvNeXt-Large needs more than 30."""


class OnnxFile:
    name = "onnx"
    title = "ONNX"
    writes_with: tuple[str, ...] = ("tensorflow", "tf2onnx", "onnx")
    runs_with: tuple[str, ...] = ("onnxruntime",)
    quantizes_with: tuple[str, ...] = ("nncf",)
    kinds: tuple[Kind, ...] = ("int8",)
    tells_others = True
    from_keras = True
    install = 'onnxruntime numpy "pillow>=13"'
    code = """import onnxruntime

model = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
names = [output.name for output in model.get_outputs()]
answers = dict(zip(names, model.run(names, {"pixels": pixels})))"""

    def write(self, network: "Network", folder: Path) -> None:
        import onnx

        model = network.keras
        _refuse_too_large(model)
        # Keras exports no model that has not been called since it was made.
        model(np.zeros((1, *model.input.shape[1:]), np.float32), training=False)
        with warnings.catch_warnings(), _silent(logging.getLogger("tf2onnx")):
            # tf2onnx 1.17 under NumPy 2.4, in its own code.
            warnings.simplefilter("ignore")
            with _inlined():
                model.export(str(folder / FILE), format="onnx", verbose=False, opset_version=OPSET)
        written = onnx.load(folder / FILE)
        _rename(written.graph, written.graph.input[0].name, PIXELS)
        _without_erfc(written.graph)
        outputs = {output.name: output for output in written.graph.output}
        del written.graph.output[:]
        # Sorted by their names otherwise: servers and old programs take the first.
        written.graph.output.extend(outputs[name] for name in (PROBABILITIES, DISTANCE) if name in outputs)
        onnx.checker.check_model(written)
        onnx.save(written, folder / FILE)

    def halve(self, network: "Network", plain: Path, folder: Path) -> None:
        raise NotImplementedError("it has no such kind")

    def quantizer(self, network: "Network", plain: Path, sample: Sequence[Square]) -> Quantizer:
        return OnnxQuantizer(plain / FILE, sample, above_features(network.keras))

    def load(self, folder: Path) -> Runtime:
        session = open_session(folder / FILE)
        names = [output.name for output in session.get_outputs()]

        def run(pixels: np.ndarray) -> Answers:
            return dict(zip(names, session.run(names, {PIXELS: pixels}), strict=True))

        return run

    def load_as_delivered(self, folder: Path) -> tuple[str, Runtime] | None:
        return None


def _refuse_too_large(network: "keras.Model") -> None:
    """Raise RunError where the conversion is expected to take more memory than the machine has."""
    needed, there = MEMORY * 4 * network.count_params(), machine().memory
    if there is not None and needed > there:
        raise RunError(
            f"tf2onnx, which converts to ONNX, takes about {needed / 1e9:.0f} GB of memory for this network, and here "
            f"are {there / 1e9:.0f}. Export where there is more, or take --format openvino"
        )


@contextmanager
def _inlined() -> Iterator[None]:
    """Let functions that a traced one calls become part of it: Keras compiles convolutions in groups, as ConvNeXt has
    them, by XLA, and tf2onnx knows no call of that."""
    import tensorflow as tf

    eagerly = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(eagerly)


@contextmanager
def _silent(logger: logging.Logger) -> Iterator[None]:
    """Let a logger say nothing: tf2onnx prints tracebacks of simplifications that it then leaves out."""
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def _without_erfc(graph) -> None:
    """Write 1 - erf for the complementary error function, of which TensorFlow makes GELU and ONNX knows nothing."""
    from onnx import helper, numpy_helper

    places = [place for place, node in enumerate(graph.node) if node.op_type == "Erfc"]
    if places:
        graph.initializer.append(numpy_helper.from_array(np.ones((), np.float32), "one_of_erfc"))
    for place in reversed(places):
        node = graph.node[place]
        source, target, between = node.input[0], node.output[0], f"{node.output[0]}_erf"
        node.CopyFrom(helper.make_node("Erf", [source], [between], name=f"{node.name}_erf"))
        graph.node.insert(place + 1, helper.make_node("Sub", ["one_of_erfc", between], [target], name=target))


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
