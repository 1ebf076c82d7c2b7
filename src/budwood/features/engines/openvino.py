"""Converted graphs run through OpenVINO on the CPU, one picture at a time on every core.

Measured on two cores (MobileNetV2, 224 px): one picture per request and one thread per request is the fastest way,
4.6 ms against 9 ms in batches of 8; and what comes out then depends on the picture alone, to the last bit.
OpenVINO's own cache of compiled graphs is not used: it saves 0.06 s and loads damaged weights without a word.
"""

import ctypes
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, UInt8

from budwood.core.errors import BackboneError
from budwood.core.notes import Note
from budwood.core.system import num_cores
from budwood.features.engines.graphs import (
    compile_graph,
    convert_model,
    has_bf16,
    import_openvino,
    read_kept,
)

if TYPE_CHECKING:
    import keras

LARGEST_ERROR_OF_BF16 = 0.06
"""As a share of the norm of one picture's features. The eight bits of bf16 cost 0.01 to 0.04."""

__all__ = ["Graph", "OpenVinoGraph", "import_openvino"]


class Graph:
    """A converted graph that is compiled when it is first run, and again in a process that was forked since.

    Several threads may run it at once.

    Args:
        read: returns the graph, an `openvino.Model`; called once in every process that runs it.
        precision: "f32" or "bf16".
        graph: what `read` would return, where it was read already: compiled at once.
    """

    def __init__(self, read: Callable[[], Any], precision: str = "f32", *, graph: Any = None):
        self._read, self.precision = read, precision
        self._compiled: Any = None if graph is None else compile_graph(graph, precision)
        self._lock, self._own = threading.Lock(), threading.local()
        _graphs.add(self)

    @property
    def compiled(self) -> Any:
        """The compiled model of this process."""
        with self._lock:
            if self._compiled is None:
                self._compiled = compile_graph(self._read(), self.precision)
            return self._compiled

    def run_all(
        self, views: Iterable[UInt8[np.ndarray, "size size 3"]]
    ) -> Iterator[list[Float32[np.ndarray, "..."]]]:
        """Return all outputs of the graph for each picture, in order. Two requests per core are under way at
        a time."""
        compiled = self.compiled
        idle: list[Any] = []
        busy: deque = deque()
        try:
            for view in views:
                if not idle and len(busy) < 2 * num_cores():
                    idle.append(compiled.create_infer_request())
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

    def run_one(self, view: UInt8[np.ndarray, "size size 3"]) -> list[Float32[np.ndarray, "..."]]:
        """Return all outputs of the graph for one picture, at once: for many threads that each have one.

        A thread keeps its request, so that as many are under way as there are threads.
        """
        compiled = self.compiled
        if getattr(self._own, "compiled", None) is not compiled:
            self._own.compiled, self._own.request = compiled, compiled.create_infer_request()
        self._own.request.start_async({0: view[np.newaxis]})
        return _finish(self._own.request)

    def run_batch(self, rows: Float32[np.ndarray, "n ..."]) -> Float32[np.ndarray, "n ..."]:
        """Return the first output of the graph for rows of one batch."""
        return np.array(self.compiled.create_infer_request().infer({0: rows})[0], np.float32)

    def after_fork(self) -> None:
        """Forget what was compiled before this process was forked: its threads stayed behind."""
        self._lock = threading.Lock()
        if request := getattr(self._own, "request", None):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(request))
        self._own = threading.local()
        if self._compiled is not None:
            # Its destructor would wait for them.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._compiled))
            self._compiled = None


_graphs: "weakref.WeakSet[Graph]" = weakref.WeakSet()


def _after_fork() -> None:
    for graph in list(_graphs):
        graph.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class OpenVinoGraph:
    """Runs a frozen keras.Model of the TensorFlow backend through OpenVINO on the CPU.

    Args:
        model: 0-255 float32 pixels `(None, S, S, 3)` in, one tensor or several out; None for a graph that is kept.
        precision: "f32" or "bf16".
        folder: where the converted graph is kept, or is found.

    Raises:
        BackboneError: the converted graph does not compute what the model does, or no graph is kept and no model given.
    """

    def __init__(self, model: "keras.Model | None", *, precision: str, folder: Path):
        self.notes: list[Note] = []
        self._model, self._folder = model, folder
        if precision == "bf16" and not has_bf16():
            text = "this CPU has no bf16 arithmetic: the feature extractor runs in f32"
            self.notes.append(Note(text, "precision"))
            precision = "f32"
        graph = self._read()
        if precision == "bf16":
            precision = self._refuse_rough_arithmetic(graph)
        self._graph = Graph(self._read, precision, graph=graph)

    def run_all(
        self, views: Iterable[UInt8[np.ndarray, "size size 3"]]
    ) -> Iterator[list[Float32[np.ndarray, "..."]]]:
        """Return all outputs of the model for each picture, in order."""
        return self._graph.run_all(views)

    def _read(self) -> Any:
        graph, fault = read_kept(self._folder)
        self.notes += [Note(fault, "store")] if fault else []
        if graph is None and self._model is None:
            raise BackboneError(f"no inference graph is kept in {self._folder}")
        return graph if graph is not None else convert_model(self._model, self._folder)

    def _refuse_rough_arithmetic(self, graph: Any) -> str:
        """Return "f32" where bf16 on this CPU is further from it than rounding explains, else "bf16"."""
        _, height, width, _ = graph.input(0).shape
        rough, exact = compile_graph(graph, "bf16"), compile_graph(graph, "f32")
        # Smooth at several scales, as photos are.
        rng = np.random.default_rng(0)
        scales = [
            np.kron(rng.random((side, side, 3)), np.ones((-(-height // side), -(-width // side), 1)))
            for side in (2, 8, 32)
        ]
        picture = np.mean([scale[:height, :width] for scale in scales], axis=0)
        pixels = (picture * 255).astype(np.uint8)[np.newaxis]
        pairs = zip(rough(pixels).to_tuple(), exact(pixels).to_tuple(), strict=True)
        error = max(
            float(np.linalg.norm(found - expected)) / (float(np.linalg.norm(expected)) or 1.0)
            for found, expected in pairs
        )
        if error <= LARGEST_ERROR_OF_BF16:
            return "bf16"
        text = f"bf16 on this CPU is {error:.0%} off, more than rounding explains: the feature extractor runs in f32"
        self.notes.append(Note(text, "precision"))
        return "f32"


def _finish(request: Any) -> list[Float32[np.ndarray, "..."]]:
    request.wait()
    return [tensor.data[0].astype(np.float32) for tensor in request.output_tensors]
