"""A graph of OpenVINO made int8 by NNCF, with layers left as they are and logits calibrated anew where asked."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from budwood.core.scaling import LabelScaling, Scaling
from budwood.exporting.formats.format import PIXELS, PROBABILITIES
from budwood.exporting.quantization import COMPARED, Square, by_added_noise, nncf_quietly, relative_error
from budwood.features.engines.graphs import compile_graph, import_openvino, new_core


class OpenVinoQuantizer:
    """Makes a written graph int8.

    Args:
        file: of the graph.
        sample: training photos.
        never: a regular expression of nodes that are always left at full precision.
    """

    def __init__(self, file: Path, sample: Sequence[Square], never: str):
        self._file, self._sample, self._never = file, sample, never
        self._first: Any = None

    def noisiest(self) -> Sequence[str]:
        assert self._first is not None, "write first"
        plain, rounded = new_core().read_model(self._file), self._first.clone()
        known = {node.get_friendly_name() for node in plain.get_ops()}
        layers = {name: node for name, node in _rounded_layers(rounded).items() if name in known}
        given = [_outputs(graph, list(layers), self._sample[:COMPARED]) for graph in (plain, rounded)]
        errors = {name: relative_error(given[0][name], given[1][name]) for name in layers}
        return by_added_noise(errors, {name: _above(node, layers) for name, node in layers.items()})

    def write(self, folder: Path, left: Collection[str] = (), scaling: Scaling = 1.0) -> None:
        graph = new_core().read_model(self._file)
        names = [*left, *_branches(graph)]
        with nncf_quietly() as nncf:
            scope = nncf.IgnoredScope(names=names, patterns=[self._never], validate=False)
            graph = nncf.quantize(
                graph,
                nncf.Dataset([{PIXELS: pixels} for pixels in self._sample]),
                subset_size=len(self._sample),
                ignored_scope=scope,
            )
        if self._first is None:
            self._first = graph.clone()
        if scaling != 1.0:
            _scale(graph, scaling)
        import_openvino().save_model(graph, folder / self._file.name, compress_to_fp16=False)


def _rounded_layers(graph: Any) -> dict[str, Any]:
    """Return the nodes that take rounded values, by their names."""
    found = {}
    for node in graph.get_ordered_ops():
        if node.get_type_name() == "FakeQuantize":
            for taker in node.output(0).get_target_inputs():
                found[taker.get_node().get_friendly_name()] = taker.get_node()
    return found


def _branches(graph: Any) -> set[str]:
    """Return the nodes that one output needs and another does not: OpenVINO has names of its own for some of them."""
    needed: list[set[str]] = []
    for output in graph.outputs:
        found: dict[str, Any] = {}
        todo = [output.get_node()]
        while todo:
            node = todo.pop()
            if node.get_friendly_name() not in found:
                found[node.get_friendly_name()] = node
                todo += [value.get_node() for value in node.input_values()]
        needed.append(set(found))
    first, *others = needed
    return first.union(*others) - first.intersection(*others)


def _above(node: Any, layers: Collection[str]) -> set[str]:
    """Return the nearest of some layers that a node takes from."""
    found, seen = set(), set()
    todo = [value.get_node() for value in node.input_values()]
    while todo:
        one = todo.pop()
        name = one.get_friendly_name()
        if name in layers:
            found.add(name)
        elif name not in seen:
            seen.add(name)
            todo += [value.get_node() for value in one.input_values()]
    return found


def _outputs(graph: Any, names: Sequence[str], sample: Sequence[Square]) -> dict[str, list[np.ndarray]]:
    """Return what some nodes give for each photo."""
    openvino = import_openvino()
    nodes = {node.get_friendly_name(): node for node in graph.get_ops()}
    ends = [openvino.opset13.result(nodes[name].output(0)) for name in names]
    compiled = compile_graph(openvino.Model(ends, graph.get_parameters()), requests=1)
    given = [[np.array(one) for one in compiled([pixels]).values()] for pixels in sample]
    return {name: [photo[place] for photo in given] for place, name in enumerate(names)}


def _scale(graph: Any, scaling: Scaling) -> None:
    """Calibrate the logits of a graph, on their way into what makes probabilities of them."""
    opset = import_openvino().opset13
    last = graph.output(PROBABILITIES).get_node().input_value(0).get_node()
    logits = last.input_value(0)
    if isinstance(scaling, LabelScaling):
        scale, shift = np.array(scaling.scale, np.float32), np.array(scaling.shift, np.float32)
        calibrated = opset.add(opset.multiply(logits, scale[None]), shift[None])
    else:
        calibrated = opset.multiply(logits, np.full((1, 1), 1 / scaling, np.float32))
    last.input(0).replace_source_output(calibrated.output(0))
    graph.validate_nodes_and_infer_types()
