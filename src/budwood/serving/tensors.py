"""Tensors of the Open Inference protocol: as a request has them, in JSON or binary after it, and as pictures."""

import base64
import binascii
import math
import struct
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import UInt8
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from budwood.core.errors import PictureError
from budwood.data.pictures import list_pictures
from budwood.serving.errors import RequestError
from budwood.serving.queries import in_words

HEADER = "Inference-Header-Content-Length"
PIXELS, IMAGE = "pixels", "image"
_LARGEST_HEADER = 1 << 20
DataType = Literal["BOOL", "UINT8", "FP32", "BYTES"]
_KINDS: dict[str, np.dtype] = {"UINT8": np.dtype("<u1"), "FP32": np.dtype("<f4"), "BOOL": np.dtype("?")}


class Part(BaseModel):
    """Base of what is sent and answered."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())


class Parameters(Part):
    """What is asked of a tensor, or of all of them."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    binary_data_size: Annotated[int, Field(ge=0)] | None = None
    binary_data: bool | None = None
    binary_data_output: bool | None = None
    classification: int | None = None


class RequestInput(Part):
    """A tensor of a request."""

    name: str
    shape: list[Annotated[int, Field(ge=0)]] = Field(max_length=8)
    datatype: str
    parameters: Parameters = Parameters()
    data: list[Any] | None = None


class RequestOutput(Part):
    """A tensor that is asked for."""

    name: str
    parameters: Parameters = Parameters()


class InferRequest(Part):
    """The JSON of a request."""

    id: str | None = Field(None, max_length=200)
    parameters: Parameters = Parameters()
    inputs: list[RequestInput]
    outputs: list[RequestOutput] | None = None


class TensorInfo(Part):
    """A tensor that a model takes or gives; -1 is any number of pictures."""

    name: str
    datatype: DataType
    shape: list[int]


@dataclass(frozen=True)
class Tensor:
    """A tensor of an answer."""

    info: TensorInfo
    values: np.ndarray | list[bytes]

    @property
    def content(self) -> bytes:
        """Return the values as the binary extension has them."""
        if isinstance(self.values, list):
            return b"".join(struct.pack("<I", len(one)) + one for one in self.values)
        return self.values.astype(_KINDS[self.info.datatype]).tobytes()

    @property
    def data(self) -> list[Any]:
        """Return the values as JSON has them."""
        if isinstance(self.values, list):
            return [one.decode() for one in self.values]
        return self.values.ravel().tolist()


def read_request(content: bytes, header: str | None) -> tuple[InferRequest, bytes]:
    """Return the JSON of a request, and what stands after it."""
    length = len(content)
    if header is not None:
        # Python raises where a number has thousands of digits.
        known = header.isdecimal() and len(header) < 10
        if not known or int(header) > min(length, _LARGEST_HEADER):
            raise RequestError("bad_request", f"{HEADER} is no length of a part of the body")
        length = int(header)
    try:
        return InferRequest.model_validate_json(content[:length]), content[length:]
    except ValidationError as error:
        raise RequestError("bad_request", in_words(error.errors()[0])) from None


def read_pictures(
    side: int, asked: InferRequest, blobs: bytes, most: int
) -> list[bytes] | list[UInt8[np.ndarray, "size size 3"]]:
    """Return the pictures of a request: encoded, or as a model of so many pixels a side sees them."""
    if len(asked.inputs) != 1 or asked.inputs[0].name not in (PIXELS, IMAGE):
        raise RequestError("bad_request", f'give one input, "{PIXELS}" or "{IMAGE}"')
    (tensor,) = asked.inputs
    if not tensor.shape or tensor.shape[0] == 0:
        raise RequestError("empty", "there is no picture in the request")
    if tensor.shape[0] > most:
        raise RequestError(
            "too_many_pictures", f"more than {most} pictures in a request. Send fewer at a time"
        )
    size = tensor.parameters.binary_data_size
    if (size is None) == (tensor.data is None) or (size or 0) != len(blobs):
        raise RequestError(
            "bad_request",
            "give the input's data in JSON, or binary_data_size and as many bytes after the JSON",
        )
    if tensor.name == IMAGE:
        return _encoded(tensor, blobs)
    if tensor.shape[1:] != [side, side, 3] or tensor.datatype not in ("UINT8", "FP32"):
        raise RequestError(
            "bad_request", f'"{PIXELS}" is UINT8 or FP32 of shape [N, {side}, {side}, 3], red, green, blue'
        )
    try:
        return list_pictures(_pixels(tensor, blobs).reshape(tensor.shape))  # type: ignore[return-value]
    except PictureError as error:
        raise RequestError("bad_request", f"{PIXELS}: {error}") from None


def _pixels(tensor: RequestInput, blobs: bytes) -> np.ndarray:
    kind, wanted = _KINDS[tensor.datatype], math.prod(tensor.shape)
    if tensor.data is None:
        if len(blobs) != wanted * kind.itemsize:
            raise RequestError("bad_request", f"{len(blobs)} bytes are no tensor of this shape and type")
        return np.frombuffer(blobs, kind)
    try:
        values = np.asarray(tensor.data).ravel()
    except (ValueError, TypeError, OverflowError, RecursionError):
        values = np.array(None)
    # NumPy would read "255" and true as numbers.
    if values.dtype.kind not in "iuf":
        raise RequestError("bad_request", "the data of the input are no array of numbers")
    values = values.astype(np.float64)
    if values.size != wanted:
        raise RequestError("bad_request", f"{values.size} numbers are no tensor of this shape")
    # Numbers that UINT8 has not must not become others.
    whole = tensor.datatype == "UINT8" and bool(((values >= 0) & (values <= 255) & (values % 1 == 0)).all())
    return values.astype(np.uint8) if whole else values.astype(np.float32)


def _encoded(tensor: RequestInput, blobs: bytes) -> list[bytes]:
    count = math.prod(tensor.shape)
    if tensor.datatype != "BYTES" or count != tensor.shape[0]:
        raise RequestError("bad_request", f'"{IMAGE}" is BYTES of shape [N]')
    found: list[bytes] = []
    if tensor.data is None:
        place = 0
        while place + 4 <= len(blobs) and len(found) < count:
            (length,) = struct.unpack_from("<I", blobs, place)
            found.append(blobs[place + 4 : place + 4 + length])
            place += 4 + length
        if place != len(blobs):
            raise RequestError("bad_request", "the lengths in the binary data do not fit them")
    else:
        for one in tensor.data:
            try:
                found.append(base64.b64decode(one, validate=True))
            except (binascii.Error, ValueError, TypeError):
                raise RequestError(
                    "bad_request", "an encoded picture in JSON is base64, which this is not"
                ) from None
    if len(found) != count:
        raise RequestError("bad_request", f"{len(found)} pictures are no tensor of this shape")
    return found
