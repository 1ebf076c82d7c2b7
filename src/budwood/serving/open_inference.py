"""The Open Inference protocol (KServe, Triton, version 2) below /v2: the same models for clients that speak it.

A model takes one of two inputs: "pixels", UINT8 or FP32 `(N, S, S, 3)` with whole numbers from 0 to 255, resized by who
asks; or "image", BYTES `(N)`, encoded pictures, in JSON as base64. Tensors are JSON, or binary after it.
"""

import base64
import binascii
import json
import math
import struct
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Request, Response
from jaxtyping import UInt8
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from budwood._version import __version__
from budwood.core.errors import ImageError, MachineError, PictureError
from budwood.core.label_text import as_text
from budwood.data.pictures import list_pictures
from budwood.inference.prediction import Prediction
from budwood.serving.errors import RequestError, of_picture
from budwood.serving.model import ServedModel
from budwood.serving.queries import in_words
from budwood.serving.state import Server
from budwood.serving.uploads import body_of
from budwood.serving.v1 import ERRORS, refuse_when_full, within

HEADER = "Inference-Header-Content-Length"
VERSION = "1"
PIXELS, IMAGE = "pixels", "image"
_LARGEST_HEADER = 1 << 20
DataType = Literal["BOOL", "UINT8", "FP32", "BYTES"]
_KINDS: dict[str, np.dtype] = {"UINT8": np.dtype("<u1"), "FP32": np.dtype("<f4"), "BOOL": np.dtype("?")}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class Parameters(_Part):
    """What is asked of a tensor, or of all of them."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    binary_data_size: Annotated[int, Field(ge=0)] | None = None
    binary_data: bool | None = None
    binary_data_output: bool | None = None
    classification: int | None = None


class RequestInput(_Part):
    """A tensor of a request."""

    name: str
    shape: list[Annotated[int, Field(ge=0)]] = Field(max_length=8)
    datatype: str
    parameters: Parameters = Parameters()
    data: list[Any] | None = None


class RequestOutput(_Part):
    """A tensor that is asked for."""

    name: str
    parameters: Parameters = Parameters()


class InferRequest(_Part):
    """The JSON of a request."""

    id: str | None = Field(None, max_length=200)
    parameters: Parameters = Parameters()
    inputs: list[RequestInput]
    outputs: list[RequestOutput] | None = None


class TensorInfo(_Part):
    """A tensor that a model takes or gives; -1 is any number of pictures."""

    name: str
    datatype: DataType
    shape: list[int]


class ModelMetadata(_Part):
    """What a model takes, one of the inputs, and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorInfo]
    outputs: list[TensorInfo]


class ServerMetadata(_Part):
    """What the server is."""

    name: str
    version: str
    extensions: list[str]


class InferOutput(_Part):
    """A tensor of an answer; `data` where it is not binary."""

    name: str
    shape: list[int]
    datatype: DataType
    parameters: dict[str, int] | None = None
    data: list[Any] | None = None


class InferAnswer(_Part):
    """The JSON of an answer."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[InferOutput]


class V2Error(_Part):
    """A request that was not answered."""

    error: str


@dataclass(frozen=True)
class _Tensor:
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


def router(server: Server) -> APIRouter:
    """Return the routes below /v2."""
    routes = APIRouter(prefix="/v2", tags=["v2"])
    errors = {status: {**one, "model": V2Error} for status, one in ERRORS.items()}

    @routes.get("", summary="What the server is", responses={s: errors[s] for s in (401, 429)})
    async def metadata() -> ServerMetadata:
        return ServerMetadata(name="budwood", version=__version__, extensions=["binary_tensor_data"])

    @routes.get("/health/live", summary="Whether the server is alive", response_class=Response)
    async def live() -> Response:
        return Response()

    @routes.get(
        "/health/ready",
        summary="Whether the server takes requests",
        response_class=Response,
        responses={503: {"description": "It stops."}},
    )
    async def ready() -> Response:
        return Response(status_code=503 if server.stopping else 200)

    @routes.get(
        "/models/{name}",
        summary="What a model takes and gives",
        responses={s: errors[s] for s in (401, 404, 422, 429)},
    )
    async def model_metadata(name: str) -> ModelMetadata:
        return _metadata(server.models.find(name))

    @routes.get(
        "/models/{name}/ready",
        summary="Whether a model answers",
        response_class=Response,
        responses={s: errors[s] for s in (401, 404, 422, 429)},
    )
    async def model_ready(name: str) -> Response:
        server.models.find(name)
        return Response()

    @routes.post(
        "/models/{name}/infer",
        summary="What a model says of pictures, in the Open Inference protocol",
        response_model=InferAnswer,
        responses=errors,
        openapi_extra={
            "requestBody": {
                "required": True,
                "description": "A request of the protocol; binary tensors stand after the JSON.",
                "content": {
                    "application/json": {"schema": _inlined(InferRequest.model_json_schema())},
                    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
                },
            }
        },
    )
    async def infer(name: str, request: Request) -> Response:
        await refuse_when_full(server, request)
        model = server.models.find(name)
        async with body_of(request, server.limits, server.engine) as content, within(server):
            asked, blobs = _read(content, request.headers.get(HEADER))
            pictures = _pictures(model, asked, blobs, server.limits.batch)
            binary = _wanted(model, asked)
            found = await _predict(server, model, pictures)
            return _answer(model, asked, binary, found)

    return routes


def _inlined(schema: Any, kinds: dict[str, Any] | None = None) -> Any:
    """Return a JSON schema without references, which a description would look for elsewhere."""
    if isinstance(schema, list):
        return [_inlined(one, kinds) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kinds = schema.get("$defs", {}) if kinds is None else kinds
    if "$ref" in schema:
        return _inlined(kinds[schema["$ref"].rpartition("/")[2]], kinds)
    return {key: _inlined(value, kinds) for key, value in schema.items() if key != "$defs"}


def _metadata(model: ServedModel) -> ModelMetadata:
    size = model.predictor.input.size
    return ModelMetadata(
        name=model.name,
        versions=[VERSION],
        platform="openvino",
        inputs=[
            TensorInfo(name=PIXELS, datatype="UINT8", shape=[-1, size, size, 3]),
            TensorInfo(name=IMAGE, datatype="BYTES", shape=[-1]),
        ],
        outputs=[one.info for one in _outputs(model, [])],
    )


def _read(content: bytes, header: str | None) -> tuple[InferRequest, bytes]:
    """Return the JSON of a request, and what stands after it."""
    length = len(content)
    if header is not None:
        if not header.isdecimal() or int(header) > min(length, _LARGEST_HEADER):
            raise RequestError("bad_request", f"{HEADER} is no length of a part of the body")
        length = int(header)
    try:
        return InferRequest.model_validate_json(content[:length]), content[length:]
    except ValidationError as error:
        raise RequestError("bad_request", in_words(error.errors()[0])) from None


def _pictures(
    model: ServedModel, asked: InferRequest, blobs: bytes, most: int
) -> list[bytes] | list[UInt8[np.ndarray, "size size 3"]]:
    """Return the pictures of a request: encoded, or as the model sees them."""
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
    side = model.predictor.input.size
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
        values = np.asarray(tensor.data, np.float64).ravel()
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise RequestError("bad_request", "the data of the input are no array of numbers") from None
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


def _wanted(model: ServedModel, asked: InferRequest) -> dict[str, bool]:
    """Return the outputs that are asked for, and whether as binary data."""
    known = [one.info.name for one in _outputs(model, [])]
    usual = bool(asked.parameters.binary_data_output)
    if not asked.outputs:
        return dict.fromkeys(known, usual)
    for one in asked.outputs:
        if one.name not in known:
            raise RequestError("bad_request", f"there is no such output. There are: {', '.join(known)}")
        if one.parameters.classification is not None:
            raise RequestError("bad_request", 'ask for the output "label" in place of a classification')
    own = ((one.name, one.parameters.binary_data) for one in asked.outputs)
    return {name: usual if binary is None else binary for name, binary in own}


async def _predict(server: Server, model: ServedModel, pictures: list[Any]) -> list[Prediction]:
    server.engine.refuse_when_full(len(pictures))

    def one(numbered: tuple[int, Any]) -> Prediction | RequestError:
        number, picture = numbered
        name, rules = f"image {number}", model.default_rules
        try:
            if isinstance(picture, bytes):
                return model.answer(name, picture, rules)
            return model.predict(name, model.predictor.score(picture), rules)
        except ImageError as error:
            return of_picture(error)

    try:
        found = await server.engine.run_all(one, list(enumerate(pictures)))
    except MachineError:
        raise RequestError("busy", "the server has no memory left for this picture. Try again") from None
    answers = []
    for said in found:
        if isinstance(said, RequestError):
            raise said
        answers.append(said)
    return answers


def _outputs(model: ServedModel, found: list[Prediction]) -> list[_Tensor]:
    def info(name: str, kind: DataType, *shape: int) -> TensorInfo:
        return TensorInfo(name=name, datatype=kind, shape=[len(found) or -1, *shape])

    shares = np.array([list(one.probabilities.values()) for one in found], np.float32)
    labels = [(one.label or "") if one.labels is None else as_text(one.labels) for one in found]
    far = np.array([one.out_of_distribution for one in found], bool)
    return [
        _Tensor(info("probabilities", "FP32", len(model.classes)), shares),
        _Tensor(info("label", "BYTES"), [one.encode("utf-8", "backslashreplace") for one in labels]),
        _Tensor(info("none_of_these", "BOOL"), far),
    ]


def _answer(
    model: ServedModel, asked: InferRequest, binary: dict[str, bool], found: list[Prediction]
) -> Response:
    outputs, blobs = [], []
    tensors = {one.info.name: one for one in _outputs(model, found)}
    for name, as_binary in binary.items():
        tensor = tensors[name]
        told: dict[str, Any] = tensor.info.model_dump()
        if as_binary:
            blobs.append(tensor.content)
            told["parameters"] = {"binary_data_size": len(blobs[-1])}
        else:
            told["data"] = tensor.data
        outputs.append(told)
    answer: dict[str, Any] = {"model_name": model.name, "model_version": VERSION, "outputs": outputs}
    if asked.id is not None:
        answer["id"] = asked.id
    text = json.dumps(answer).encode()
    if not blobs:
        return Response(text, media_type="application/json")
    return Response(
        b"".join([text, *blobs]), headers={HEADER: str(len(text))}, media_type="application/octet-stream"
    )
