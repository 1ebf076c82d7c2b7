"""A session of ONNX Runtime on this machine's processor, with as many threads as this process is to start."""

from typing import TYPE_CHECKING, Any

from budwood.core.system import num_cores

if TYPE_CHECKING:
    from pathlib import Path


def open_session(model: "Path | bytes") -> Any:
    """Return a session of a model, from its file or its content."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_cores()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
