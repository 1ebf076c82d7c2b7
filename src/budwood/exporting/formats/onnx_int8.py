"""An ONNX graph made int8 by NNCF so that ONNX Runtime computes its convolutions with whole numbers.

ONNX Runtime does so where the values before and behind a convolution are rounded alike: to the same kind of whole
number, with one range for all channels. It folds BatchNorm into convolutions itself, but at full precision alone.
"""

import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from budwood.exporting.formats.nncf_int8 import NncfQuantizer, nearest
from budwood.exporting.formats.onnx_session import open_session
from budwood.exporting.network import PIXELS, PROBABILITIES
from budwood.exporting.quantization import Square


class OnnxQuantizer(NncfQuantizer):
    """Makes a written ONNX graph int8."""

    _folded: Any = None

    def read(self) -> Any:
        if self._folded is None:
            self._folded = _without_batch_norm(self._file)
        return self.copy(self._folded)

    def copy(self, graph: Any) -> Any:
        import onnx

        copied = onnx.ModelProto()
        copied.CopyFrom(graph)
        return copied

    def save(self, graph: Any, file: Path) -> None:
        import onnx

        onnx.checker.check_model(graph)
        onnx.save(graph, file)

    def options(self, nncf: Any) -> Mapping[str, Any]:
        values = nncf.quantization.advanced_parameters.QuantizationParameters(per_channel=False)
        return {
            # One range for values of both signs, which need not lie around 0.
            "preset": nncf.QuantizationPreset.MIXED,
            "advanced_parameters": nncf.AdvancedQuantizationParameters(
                activations_quantization_params=values
            ),
        }

    def mend(self, graph: Any) -> Any:
        _all_unsigned(graph.graph)
        return graph

    def rounded_layers(self, plain: Any, rounded: Any) -> dict[str, Collection[str]]:
        makers = {output: node for node in rounded.graph.node for output in node.output}
        known = {output for node in plain.graph.node for output in node.output}
        layers = {
            node.name: node
            for node in rounded.graph.node
            if node.output[0] in known and any(_is_rounded(makers, name) for name in node.input)
        }

        def sources(node: Any) -> list[Any]:
            return [makers[name] for name in node.input if name in makers]

        return {
            name: nearest(sources(node), lambda one: one.name, sources, layers)
            for name, node in layers.items()
        }

    def outputs(self, graph: Any, layers: Sequence[str], sample: Sequence[Square]) -> list[list[np.ndarray]]:
        import onnx

        wider = self.copy(graph)
        there = {output.name for output in wider.graph.output}
        makers = {node.name: node for node in wider.graph.node}
        names = [makers[layer].output[0] for layer in layers]
        wider.graph.output.extend(
            onnx.helper.make_empty_tensor_value_info(name) for name in names if name not in there
        )
        session = open_session(wider.SerializeToString())
        return [session.run(names, {PIXELS: pixels}) for pixels in sample]

    def scale(self, graph: Any, scale: np.ndarray, shift: np.ndarray) -> None:
        from onnx import helper, numpy_helper

        nodes = graph.graph.node
        place, last = next((place, node) for place, node in enumerate(nodes) if PROBABILITIES in node.output)
        for name, values in (("calibration_scale", scale), ("calibration_shift", shift)):
            graph.graph.initializer.append(numpy_helper.from_array(values, name))
        logits = last.input[0]
        last.input[0] = "calibrated_logits"
        nodes.insert(place, helper.make_node("Mul", [logits, "calibration_scale"], ["scaled_logits"]))
        nodes.insert(
            place + 1, helper.make_node("Add", ["scaled_logits", "calibration_shift"], ["calibrated_logits"])
        )


def _without_batch_norm(file: Path) -> Any:
    """Return a graph whose BatchNorm is part of the convolutions before it."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # What holds for every processor, written in operations of ONNX itself.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory(prefix="budwood-") as folder:
        options.optimized_model_filepath = str(Path(folder) / file.name)
        onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        graph = onnx.load(options.optimized_model_filepath)
    used = {node.domain for node in graph.graph.node}
    kept = [one for one in graph.opset_import if one.domain in used]
    del graph.opset_import[:]
    graph.opset_import.extend(kept)
    return graph


def _all_unsigned(graph: Any) -> None:
    """Let all values that are rounded be of 0 to 255, those of -128 to 127 too: as much is added to their zeros."""
    from onnx import numpy_helper

    # Types of some of these values.
    del graph.value_info[:]
    zeros = {node.input[2] for node in graph.node if node.op_type == "QuantizeLinear"}
    for some in graph.initializer:
        if some.name in zeros:
            values = numpy_helper.to_array(some)
            if values.dtype == np.int8:
                raised = (values.astype(np.int16) + 128).astype(np.uint8)
                some.CopyFrom(numpy_helper.from_array(raised, some.name))


def _is_rounded(makers: Mapping[str, Any], name: str) -> bool:
    """Return whether a tensor was rounded, and is no weight."""
    maker = makers.get(name)
    return maker is not None and maker.op_type == "DequantizeLinear" and maker.input[0] in makers
