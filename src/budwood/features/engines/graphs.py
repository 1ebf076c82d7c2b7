"""Graphs of OpenVINO: converted from Keras models, kept in folders with their checksums, joined and cut."""

import ctypes
import hashlib
import io
import json
import logging
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from budwood.core.errors import BackboneError
from budwood.core.processes import interrupts_deferred
from budwood.core.system import num_cores

if TYPE_CHECKING:
    import keras

MAX_GRAPHS = 16
"""Graphs kept in the cache, tens of megabytes each; the one unused for longest goes first."""
GRAPH = "graph"
"""Name, without its ending, of the files of a graph in the cache."""


def import_openvino() -> Any:
    """Return the module `openvino`, kept from calling home. Raise ImportError where it is not installed.

    openvino-telemetry otherwise writes an identifier into the home folder and sends events when OpenVINO is imported
    and when a model is converted.
    """
    # With None in its place the import fails, and OpenVINO takes the stub that it brings for that case.
    if sys.modules.setdefault("openvino_telemetry", None) is not None:  # type: ignore[arg-type]
        from openvino_telemetry.utils.sender import TelemetrySender

        TelemetrySender.send = lambda *message, **options: None
    import openvino

    return openvino


@contextmanager
def quiet_nncf() -> Iterator[Any]:
    """Give the module `nncf`, which draws no bars, says nothing meanwhile, and does not call home."""
    import_openvino()
    import nncf

    nncf.set_log_level(logging.ERROR)
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        yield nncf


def openvino_core() -> Any:
    """Return an OpenVINO core that maps no files: Windows renames no folder of which a file is mapped.

    This thread goes on handling signals on the stack that it had. OpenVINO's CPU plugin (2026.4) has it do so on one of
    the core's own, and puts back what it found when the core goes; where cores go in another order than they came, a
    stack is left that is gone, and the next signal, such as that of Ctrl-C, ends the process.
    """
    with _signal_stack_kept():
        core = import_openvino().Core()
        core.set_property({"ENABLE_MMAP": False})
        # Loads the plugin, here and not later.
        core.get_versions("CPU")
    return core


class _SignalStack(ctypes.Structure):
    """`stack_t` of Linux, see sigaltstack(2)."""

    _fields_ = (("place", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


def has_bf16() -> bool:
    """Return whether this CPU computes in bf16, by what OpenVINO knows of it; False where OpenVINO is not installed."""
    try:
        return "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    except ImportError:
        return False


@contextmanager
def _signal_stack_kept() -> Iterator[None]:
    if sys.platform != "linux":
        yield
        return
    library, before = ctypes.CDLL(None), _SignalStack()
    library.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        library.sigaltstack(ctypes.byref(before), None)


def compile_graph(graph: Any, precision: str = "f32", *, requests: int | None = None) -> Any:
    """Compile a graph for this machine's CPU in "f32" or "bf16", which is never left to the plugin's default.

    `requests` is how many there are at a time, by default one for each core; fewer share the cores.
    """
    cores = num_cores()
    settings = {
        "INFERENCE_PRECISION_HINT": precision,
        "EXECUTION_MODE_HINT": "ACCURACY" if precision == "f32" else "PERFORMANCE",
        "NUM_STREAMS": requests or cores,
        "INFERENCE_NUM_THREADS": cores,
        # The decoding threads want the cores too.
        "ENABLE_CPU_PINNING": False,
    }
    return openvino_core().compile_model(graph, "CPU", settings)


def read_kept(folder: Path) -> tuple[Any, str]:
    """Return the graph kept in a folder of the cache, or None; a damaged one is removed, and the second value
    says so."""
    if not folder.exists():
        return None, ""
    with suppress(OSError):
        os.utime(folder)
    try:
        if json.loads((folder / f"{GRAPH}.json").read_bytes()) != checksums(folder, GRAPH):
            raise ValueError("checksum")
        return openvino_core().read_model(folder / f"{GRAPH}.xml"), ""
    except (OSError, ValueError, RuntimeError):
        shutil.rmtree(folder, ignore_errors=True)
        return None, f"the inference graph in {folder} was damaged and is converted again"


def convert_model(model: "keras.Model", folder: Path) -> Any:
    """Convert a model from 0-255 pixels, keep the graph in a folder of the cache, and return it as read from there.

    Raises:
        BackboneError: the converted graph does not compute what the model does.
    """
    import tensorflow as tf

    openvino = import_openvino()
    shape = (1, *model.input.shape[1:])
    # A traced function converts three times as fast as a SavedModel.
    traced = tf.function(
        lambda pixels: model(pixels, training=False),
        input_signature=[tf.TensorSpec(shape, tf.float32)],
        autograph=False,
    ).get_concrete_function()
    steps = openvino.preprocess.PrePostProcessor(convert(traced))
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    return keep_graph(steps.build(), folder, lambda graph: _compare(graph, traced, shape))


def keep_graph(made: Any, folder: Path, compare: Callable[[Any], None] = lambda graph: None) -> Any:
    """Keep a graph in a folder of the cache, and return it as read from there, once it has been compared."""
    aside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    aside.mkdir(parents=True)
    try:
        import_openvino().save_model(made, aside / f"{GRAPH}.xml", compress_to_fp16=False)
        # Read back and compared: on a full disk OpenVINO may write half a file without an error.
        graph = openvino_core().read_model(aside / f"{GRAPH}.xml")
        compare(graph)
        (aside / f"{GRAPH}.json").write_text(json.dumps(checksums(aside, GRAPH)))
        with suppress(OSError):  # another process has just put its own there
            aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    _forget_oldest(folder.parent)
    return graph


def convert_head(model: "keras.Model") -> Any:
    """Return the graph of a model from float32 rows of features, any number at once."""
    import tensorflow as tf

    traced = tf.function(
        lambda rows: model(rows, training=False),
        input_signature=[tf.TensorSpec(model.input.shape, tf.float32)],
        autograph=False,
    ).get_concrete_function()
    return convert(traced)


def convert(traced: Any) -> Any:
    """Return the graph of a concrete function of TensorFlow; outputs that have names there keep them."""
    import tensorflow as tf

    openvino = import_openvino()
    if sys.version_info >= (3, 13):
        _mend_conversion(tf.__version__)
    # It asks Python for every layer, and turns a KeyboardInterrupt into an error of its own.
    with interrupts_deferred():
        converted = openvino.convert_model(traced)
    # Swish brings a gradient of its own, whose loose ends become outputs beside the model's.
    named = isinstance(traced.structured_outputs, dict)
    names = list(traced.structured_outputs) if named else [output.name for output in traced.outputs]
    ends = [converted.output(name).get_node() for name in names]
    return openvino.Model(ends, converted.get_parameters())


def join(parts: Sequence[Any], head: Any) -> Any:
    """Return one graph of feature extractors on the same pixels and the head that takes their features
    joined.

    Its outputs are the head's, then each part's; the graphs given are used up.
    """
    openvino = import_openvino()
    pixels = parts[0].get_parameters()[0]
    features = []
    for part in parts:
        own = part.get_parameters()[0]
        if own is not pixels:
            _redirect(own.output(0), pixels.output(0))
        features.append(part.get_results()[0].input_value(0))
    joined = features[0]
    if len(features) > 1:
        joined = openvino.opset13.concat([one.get_node() for one in features], -1).output(0)
    _redirect(head.get_parameters()[0].output(0), joined)
    results = [openvino.opset13.result(one) for one in (head.get_results()[0].input_value(0), *features)]
    graph = openvino.Model(results, [pixels])
    names = ["probabilities", *(f"features_{number}" for number in range(len(features)))]
    for output, name in zip(graph.outputs, names, strict=True):
        output.get_tensor().set_names({name})
    graph.validate_nodes_and_infer_types()
    return graph


def only_output(graph: Any, number: int) -> Any:
    """Return the part of a graph that one of its outputs needs."""
    return import_openvino().Model([graph.get_results()[number]], graph.get_parameters())


def above_features(graph: Any) -> Any:
    """Return the head of a joined graph by itself: rows of features in, any number at once, probabilities
    out."""
    openvino = import_openvino()
    probabilities, *parts = graph.get_results()
    joined = parts[0].input_value(0)
    if len(parts) > 1:
        takers = [one.get_node() for one in joined.get_target_inputs()]
        joined = next(one for one in takers if one.get_type_name() == "Concat").output(0)
    shape = openvino.PartialShape([-1, *joined.get_partial_shape().to_shape()[1:]])
    rows = openvino.opset13.parameter(shape, openvino.Type.f32)
    results = {id(one) for one in parts}
    for taker in joined.get_target_inputs():
        if id(taker.get_node()) not in results and taker.get_node().get_type_name() != "Result":
            taker.replace_source_output(rows.output(0))
    return openvino.Model([probabilities], [rows])


def with_distance(graph: Any, known: Float32[np.ndarray, "n features"], nth: int) -> Any:
    """Return a joined graph with one output more: how far a picture's features lie from known ones, `(1, 1)`.

    That is 1 minus the cosine similarity to the nth nearest of them. Here it costs a hundredth of the network and
    depends on the picture alone to the last bit; beside the graph, a product of matrices for each picture would wait
    for the threads that the graph keeps busy.

    Args:
        graph: as `join` makes it.
        known: directions, each of length 1.
        nth: from 1 up.
    """
    openvino = import_openvino()
    ops = openvino.opset13
    _, *parts = graph.get_results()
    joined = [part.input_value(0).get_node() for part in parts]
    features = parts[0].input_value(0) if len(joined) == 1 else ops.concat(joined, -1).output(0)
    if len(features.get_partial_shape()) == 3:  # a picture and its mirror image
        features = ops.reduce_mean(features, np.array([1]), keep_dims=False).output(0)
    length = ops.maximum(
        ops.reduce_l2(features, np.array([1]), keep_dims=True),
        ops.constant(np.finfo(np.float32).tiny, np.float32),
    )
    similar = ops.matmul(ops.divide(features, length), ops.constant(known), False, True)
    nearest = ops.topk(similar, ops.constant(nth, np.int32), 1, "max", "value")
    nth_nearest = ops.gather(nearest.output(0), ops.constant([nth - 1], np.int32), ops.constant(1, np.int32))
    distance = ops.subtract(ops.constant(1, np.float32), nth_nearest)
    output = ops.result(distance)
    output.output(0).get_tensor().set_names({"distance"})
    graph.add_results([output])
    graph.validate_nodes_and_infer_types()
    return graph


def of_any_batch(graph: Any, outputs: Sequence[str], above: str) -> Any:
    """Return a joined graph from float32 pixels `(n, S, S, 3)` of any number of pictures, for other programs.

    Args:
        graph: as `join` makes it, or `with_distance`; it is used up.
        outputs: by name; those that it has are kept, in this order, and its features are not.
        above: how the names of operations begin that the features do not need.
    """
    openvino = import_openvino()
    ends = {output.any_name: output for output in graph.outputs}
    found = [ends[name].get_node() for name in outputs if name in ends]
    features = [output.get_node() for name, output in ends.items() if name not in outputs]
    below = {node.get_name() for node in openvino.Model(features, graph.get_parameters()).get_ops()}
    old = graph.get_parameters()[0]
    _free_first_axis(old)
    new = openvino.opset13.parameter(
        openvino.PartialShape([-1, *old.get_partial_shape().to_shape()[1:]]), openvino.Type.f32, name="pixels"
    )
    new.output(0).get_tensor().set_names({"pixels"})
    for taker in old.output(0).get_target_inputs():
        # The features begin with the pixels as floating point.
        assert taker.get_node().get_type_name() == "Convert"
        _redirect(taker.get_node().output(0), new.output(0))
    exported = openvino.Model(found, [new])
    for node in exported.get_ops():
        if node.get_name() not in below and node.get_type_name() != "Parameter":
            node.set_friendly_name(above + node.get_friendly_name())
    exported.validate_nodes_and_infer_types()
    return exported


def _free_first_axis(pixels: Any) -> None:
    """Let reshapes of what is made of the pixels take any number of pictures: traced for one, they name it."""
    ops = import_openvino().opset13
    seen, todo = set(), [pixels]
    while todo:
        node = todo.pop()
        if node.get_name() in seen:
            continue
        seen.add(node.get_name())
        todo += [taker.get_node() for output in node.outputs() for taker in output.get_target_inputs()]
        if node.get_type_name() not in ("Reshape", "Unsqueeze"):
            continue
        first, *others = node.output(0).get_partial_shape().to_shape()
        pattern = ops.constant(np.array([-1, *others], np.int64))
        below = node.input_value(0).get_node()
        if node.get_type_name() == "Reshape":
            node.input(1).replace_source_output(pattern.output(0))
        elif first == 1 and below.get_type_name() == "Squeeze":
            # Of a map of one place OpenVINO drops the axis of the pictures too, and adds it again.
            _redirect(node.output(0), ops.reshape(below.input_value(0), pattern, False).output(0))


def _redirect(source: Any, target: Any) -> None:
    for taker in source.get_target_inputs():
        taker.replace_source_output(target)


def _compare(graph: Any, traced: Any, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    found = compile_graph(graph, "f32")(pixels)
    errors = [
        np.abs(found[number] - expected).max() / max(np.abs(expected).max(), 1e-6)
        for number, expected in enumerate(map(np.asarray, _as_list(traced(pixels.astype(np.float32)))))
    ]
    error = max(errors)
    if not error < 1e-3:
        raise BackboneError(
            f"OpenVINO's graph differs from the Keras model by {error:.1e} of the largest feature, expected below "
            ' 1e-3. Say backbone.engine = "keras"'
        )


def _mend_conversion(tensorflow: str) -> None:
    """Let OpenVINO 2026.4 convert on Python 3.13, where it deletes a name that its `exec` no longer makes."""
    from openvino.frontend.tensorflow import utils

    utils.get_environment_setup = lambda framework: {"tensorflow": tensorflow, "sys_platform": sys.platform}


def _as_list(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def checksums(folder: Path, stem: str) -> dict[str, str]:
    """SHA-256 of the two files of a graph, by their names."""
    names = f"{stem}.xml", f"{stem}.bin"
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def _forget_oldest(folder: Path) -> None:
    with suppress(OSError):
        graphs = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in graphs[MAX_GRAPHS:]:
            shutil.rmtree(path, ignore_errors=True)
