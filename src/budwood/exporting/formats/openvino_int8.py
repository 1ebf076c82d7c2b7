"""A graph of OpenVINO made int8 by NNCF."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from budwood.exporting.formats.nncf_int8 import NncfQuantizer, nearest
from budwood.exporting.network import PROBABILITIES
from budwood.exporting.quantization import Square
from budwood.features.engines.graphs import compile_graph, import_openvino, openvino_core


class OpenVinoQuantizer(NncfQuantizer):
    """Makes a written graph of OpenVINO int8."""

    def read(self) -> Any:
        return openvino_core().read_model(self._file)

    def copy(self, graph: Any) -> Any:
        return graph.clone()

    def save(self, graph: Any, file: Path) -> None:
        import_openvino().save_model(graph, file, compress_to_fp16=False)

    def rounded_layers(self, plain: Any, rounded: Any) -> dict[str, Collection[str]]:
        known = {_name(node) for node in plain.get_ops()}
        layers: dict[str, Any] = {}
        for node in rounded.get_ordered_ops():
            if node.get_type_name() == "FakeQuantize":
                takers = [taker.get_node() for taker in node.output(0).get_target_inputs()]
                layers |= {_name(taker): taker for taker in takers if _name(taker) in known}
        return {name: nearest(_sources(node), _name, _sources, layers) for name, node in layers.items()}

    def outputs(self, graph: Any, layers: Sequence[str], sample: Sequence[Square]) -> list[list[np.ndarray]]:
        openvino, copied = import_openvino(), graph.clone()
        nodes = {_name(node): node for node in copied.get_ops()}
        ends = [openvino.opset13.result(nodes[name].output(0)) for name in layers]
        compiled = compile_graph(openvino.Model(ends, copied.get_parameters()), requests=1)
        return [[np.array(one) for one in compiled([pixels]).values()] for pixels in sample]

    def scale(self, graph: Any, scale: np.ndarray, shift: np.ndarray) -> None:
        opset = import_openvino().opset13
        last = graph.output(PROBABILITIES).get_node().input_value(0).get_node()
        calibrated = opset.add(opset.multiply(last.input_value(0), scale), shift)
        last.input(0).replace_source_output(calibrated.output(0))
        graph.validate_nodes_and_infer_types()


def _name(node: Any) -> str:
    return node.get_friendly_name()


def _sources(node: Any) -> list[Any]:
    """Return the nodes that a node takes from."""
    return [value.get_node() for value in node.input_values()]
