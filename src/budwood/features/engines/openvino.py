"""A frozen part as an OpenVINO graph: converted once, kept on disk, run one picture at a time on every core.

Measured on two cores (MobileNetV2, 224 px): one picture per request and one thread per request is the fastest way,
4.6 ms against 9 ms in batches of 8; and what comes out then depends on the picture alone, to the last bit.
OpenVINO's own cache of compiled graphs is not used: it saves 0.06 s and loads damaged weights without a word.
"""

import hashlib
import json
import os
import shutil
import sys
import uuid
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, UInt8

from budwood.core.errors import BackboneError
from budwood.core.system import num_cores

if TYPE_CHECKING:
    import keras

MAX_GRAPHS = 16
"""Graphs kept on disk, tens of megabytes each; the one unused for longest goes first."""
LARGEST_ERROR_OF_BF16 = 0.06
"""Of the norm of one picture's features; 0.01 to 0.04 is what its eight bits cost."""
_FILES = ("graph.xml", "graph.bin")


def import_openvino() -> Any:
    """The module `openvino`, kept from calling home. Raises ImportError where it is not installed.

    openvino-telemetry otherwise writes an identifier into the home folder and sends events when OpenVINO is imported
    and when a model is converted.
    """
    # With None in its place the import fails, and OpenVINO takes the stub that it brings for that case.
    if sys.modules.setdefault("openvino_telemetry", None) is not None:  # type: ignore[arg-type]
        from openvino_telemetry.utils.sender import TelemetrySender

        TelemetrySender.send = lambda *message, **options: None
    import openvino

    return openvino


class OpenVinoGraph:
    """Runs a frozen keras.Model of the TensorFlow backend through OpenVINO on the CPU.

    Args:
        model: 0-255 float32 pixels `(None, S, S, 3)` in, one tensor or several out.
        precision: "f32" or "bf16".
        folder: where the converted graph is kept, or is found.

    Raises:
        BackboneError: the converted graph does not compute what the model does.
    """

    def __init__(self, model: "keras.Model", *, precision: str, folder: Path):
        self._core = import_openvino().Core()
        # Windows renames no folder of which a file is mapped.
        self._core.set_property({"ENABLE_MMAP": False})
        self.notes: list[str] = []
        if precision == "bf16" and "BF16" not in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            self.notes.append("this CPU has no bf16 arithmetic: the frozen part runs in f32")
            precision = "f32"
        graph = self._load(folder)
        if graph is None:
            graph = self._convert(model, folder)
        self._compiled = self._compile(graph, precision)
        if precision == "bf16":
            self._refuse_rough_arithmetic(graph, tuple(model.input.shape[1:3]))

    def run(self, views: Iterable[UInt8[np.ndarray, "size size 3"]]) -> Iterator[Float32[np.ndarray, "..."]]:
        """The first output of the model for each picture, in order."""
        return (outputs[0] for outputs in self.run_all(views))

    def run_all(
        self, views: Iterable[UInt8[np.ndarray, "size size 3"]]
    ) -> Iterator[list[Float32[np.ndarray, "..."]]]:
        """All outputs of the model for each picture, in order. Two requests per core are under way at a time."""
        idle = [self._compiled.create_infer_request() for _ in range(2 * num_cores())]
        busy: deque = deque()
        try:
            for view in views:
                if not idle:
                    idle.append(busy.popleft())
                    yield _finish(idle[-1])
                busy.append(idle.pop())
                busy[-1].start_async({0: view[np.newaxis]})
            while busy:
                yield _finish(busy.popleft())
        finally:
            for request in busy:
                request.wait()

    def _refuse_rough_arithmetic(self, graph: Any, size: tuple[int, int]) -> None:
        """Goes back to f32 where bf16 on this CPU is further from it than rounding explains."""
        rough, exact = self._compiled, self._compile(graph, "f32")
        # Smooth at several scales, as photos are.
        rng = np.random.default_rng(0)
        scales = [
            np.kron(rng.random((side, side, 3)), np.ones((-(-size[0] // side), -(-size[1] // side), 1)))
            for side in (2, 8, 32)
        ]
        picture = np.mean([scale[: size[0], : size[1]] for scale in scales], axis=0)
        pixels = (picture * 255).astype(np.uint8)[np.newaxis]
        pairs = zip(rough(pixels).to_tuple(), exact(pixels).to_tuple(), strict=True)
        error = max(
            float(np.linalg.norm(found - expected)) / (float(np.linalg.norm(expected)) or 1.0)
            for found, expected in pairs
        )
        if not error <= LARGEST_ERROR_OF_BF16:
            self.notes.append(
                f"bf16 on this CPU is {error:.0%} off, more than rounding explains: the frozen part runs in f32"
            )
            self._compiled = exact

    def _compile(self, graph: Any, precision: str) -> Any:
        cores = num_cores()
        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "EXECUTION_MODE_HINT": "ACCURACY" if precision == "f32" else "PERFORMANCE",
            "NUM_STREAMS": cores,
            "INFERENCE_NUM_THREADS": cores,
            # The decoding threads want the cores too.
            "ENABLE_CPU_PINNING": False,
        }
        return self._core.compile_model(graph, "CPU", settings)

    def _load(self, folder: Path) -> Any:
        """The graph kept in the folder, or None where there is none that is whole."""
        if not folder.exists():
            return None
        with suppress(OSError):
            os.utime(folder)
        try:
            if json.loads((folder / "graph.json").read_bytes()) != _checksums(folder):
                raise ValueError("checksum")
            return self._core.read_model(folder / _FILES[0])
        except (OSError, ValueError, RuntimeError):
            self.notes.append(f"the inference graph in {folder} was damaged and is converted again")
            shutil.rmtree(folder, ignore_errors=True)
            return None

    def _convert(self, model: "keras.Model", folder: Path) -> Any:
        """Converts the model, keeps the graph in the folder, and returns it as read back from there."""
        import tensorflow as tf

        openvino = import_openvino()
        if sys.version_info >= (3, 13):
            _mend_conversion(tf.__version__)
        shape = (1, *model.input.shape[1:])
        # A traced function converts three times as fast as a SavedModel.
        traced = tf.function(
            lambda pixels: model(pixels, training=False),
            input_signature=[tf.TensorSpec(shape, tf.float32)],
            autograph=False,
        ).get_concrete_function()
        converted = openvino.convert_model(traced)
        # Swish brings a gradient of its own, whose loose ends become outputs beside the model's.
        ends = [converted.output(output.name).get_node() for output in traced.outputs]
        converted = openvino.Model(ends, converted.get_parameters())
        steps = openvino.preprocess.PrePostProcessor(converted)
        steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))

        aside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
        aside.mkdir(parents=True)
        try:
            openvino.save_model(steps.build(), aside / _FILES[0], compress_to_fp16=False)
            # Read back and compared: on a full disk OpenVINO may write half a file without an error.
            graph = self._core.read_model(aside / _FILES[0])
            self._compare(graph, traced, shape)
            (aside / "graph.json").write_text(json.dumps(_checksums(aside)))
            with suppress(OSError):  # another process has just put its own there
                aside.rename(folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        _forget_oldest(folder.parent)
        return graph

    def _compare(self, graph: Any, traced: Any, shape: tuple[int, ...]) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        found = self._compile(graph, "f32")(pixels)
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
    """Lets OpenVINO 2026.4 convert on Python 3.13, where it deletes a name that its `exec` no longer makes."""
    from openvino.frontend.tensorflow import utils

    utils.get_environment_setup = lambda framework: {"tensorflow": tensorflow, "sys_platform": sys.platform}


def _as_list(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def _finish(request: Any) -> list[Float32[np.ndarray, "..."]]:
    request.wait()
    return [tensor.data[0].astype(np.float32) for tensor in request.output_tensors]


def _checksums(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in _FILES}


def _forget_oldest(folder: Path) -> None:
    with suppress(OSError):
        graphs = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in graphs[MAX_GRAPHS:]:
            shutil.rmtree(path, ignore_errors=True)
