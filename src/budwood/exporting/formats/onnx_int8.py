"""An ONNX graph made int8 by NNCF, with layers left as they are and logits calibrated anew where that is asked."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from budwood.core.scaling import LabelScaling, Scaling
from budwood.exporting.formats.format import PIXELS, PROBABILITIES
from budwood.exporting.formats.onnx_session import open_session
from budwood.exporting.quantization import COMPARED, Square, by_added_noise, nncf_quietly, relative_error


class OnnxQuantizer:
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
        import onnx

        assert self._first is not None, "write first"
        plain, rounded = onnx.load(self._file), self._first
        makers = {output: node for node in rounded.graph.node for output in node.output}
        known = {output for node in plain.graph.node for output in node.output}
        layers = {
            node.name: node
            for node in rounded.graph.node
            if node.output[0] in known and any(_is_rounded(makers, name) for name in node.input)
        }
        outputs = [node.output[0] for node in layers.values()]
        given = [_outputs(graph, outputs, self._sample[:COMPARED]) for graph in (plain, rounded)]
        errors = {
            name: relative_error(*(values[place] for values in given)) for place, name in enumerate(layers)
        }
        return by_added_noise(errors, {name: _above(node, makers, layers) for name, node in layers.items()})

    def write(self, folder: Path, left: Collection[str] = (), scaling: Scaling = 1.0) -> None:
        import onnx

        with nncf_quietly() as nncf:
            scope = nncf.IgnoredScope(names=list(left), patterns=[self._never], validate=False)
            graph = nncf.quantize(
                onnx.load(self._file),
                nncf.Dataset([{PIXELS: pixels} for pixels in self._sample]),
                subset_size=len(self._sample),
                ignored_scope=scope,
            )
        if self._first is None:
            self._first = onnx.ModelProto.FromString(graph.SerializeToString())
        if scaling != 1.0:
            _scale(graph.graph, scaling)
        onnx.save(graph, folder / self._file.name)


def _is_rounded(makers: dict[str, Any], name: str) -> bool:
    """Return whether a tensor was rounded, and is no weight."""
    maker = makers.get(name)
    return maker is not None and maker.op_type == "DequantizeLinear" and maker.input[0] in makers


def _above(node: Any, makers: dict[str, Any], layers: Collection[str]) -> set[str]:
    """Return the nearest of some layers that a node takes from."""
    found, seen = set(), set()
    todo = list(node.input)
    while todo:
        maker = makers.get(todo.pop())
        if maker is None or id(maker) in seen:
            continue
        seen.add(id(maker))
        if maker.name in layers:
            found.add(maker.name)
        else:
            todo += maker.input
    return found


def _outputs(graph: Any, names: Sequence[str], sample: Sequence[Square]) -> list[list[np.ndarray]]:
    """Return what some tensors are for each photo."""
    import onnx

    wider = onnx.ModelProto.FromString(graph.SerializeToString())
    there = {output.name for output in wider.graph.output}
    wider.graph.output.extend(
        onnx.helper.make_empty_tensor_value_info(name) for name in names if name not in there
    )
    session = open_session(wider.SerializeToString())
    given = [session.run(list(names), {PIXELS: pixels}) for pixels in sample]
    return [[photo[place] for photo in given] for place in range(len(names))]


def _scale(graph: Any, scaling: Scaling) -> None:
    """Calibrate the logits of a graph, on their way into what makes probabilities of them."""
    from onnx import helper, numpy_helper

    place, last = next((place, node) for place, node in enumerate(graph.node) if PROBABILITIES in node.output)
    if isinstance(scaling, LabelScaling):
        scale, shift = np.array(scaling.scale, np.float32), np.array(scaling.shift, np.float32)
    else:
        scale, shift = np.full(1, 1 / scaling, np.float32), np.zeros(1, np.float32)
    for name, values in (("calibration_scale", scale), ("calibration_shift", shift)):
        graph.initializer.append(numpy_helper.from_array(values, name))
    logits = last.input[0]
    last.input[0] = "calibrated_logits"
    graph.node.insert(place, helper.make_node("Mul", [logits, "calibration_scale"], ["scaled_logits"]))
    graph.node.insert(
        place + 1, helper.make_node("Add", ["scaled_logits", "calibration_shift"], ["calibrated_logits"])
    )
