"""The Open Inference protocol (KServe, Triton, version 2) below /v2: the same models for clients that speak it.

A model takes one of two inputs: "pixels", UINT8 or FP32 `(N, S, S, 3)` with whole numbers from 0 to 255, resized by who
asks; or "image", BYTES `(N)`, encoded pictures, in JSON as base64. Tensors are JSON, or binary after it.
"""

from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response

from budwood._version import __version__
from budwood.core.errors import ImageError
from budwood.core.label_text import as_text
from budwood.inference.prediction import Prediction
from budwood.serving.errors import RequestError, of_picture
from budwood.serving.model import ServedModel
from budwood.serving.state import Server
from budwood.serving.tensors import (
    HEADER,
    IMAGE,
    PIXELS,
    DataType,
    InferRequest,
    Part,
    Tensor,
    TensorInfo,
    read_pictures,
    read_request,
)
from budwood.serving.uploads import body_of
from budwood.serving.v1 import ERRORS, answer_all, within

VERSION = "1"


class ModelMetadata(Part):
    """What a model takes, one of the inputs, and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorInfo]
    outputs: list[TensorInfo]


class ServerMetadata(Part):
    """What the server is."""

    name: str
    version: str
    extensions: list[str]


class InferOutput(Part):
    """A tensor of an answer; `data` where it is not binary."""

    name: str
    shape: list[int]
    datatype: DataType
    parameters: dict[str, int] | None = None
    data: list[Any] | None = None


class InferAnswer(Part):
    """The JSON of an answer."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[InferOutput]


class V2Error(Part):
    """A request that was not answered."""

    error: str


def router(server: Server) -> APIRouter:
    """Return the routes below /v2."""
    routes = APIRouter(prefix="/v2", tags=["v2"])
    errors = {status: {**one, "model": V2Error} for status, one in ERRORS.items()}
    # The protocol lets a client name a version in the address.
    versions = "/versions/{version}"

    def find(name: str, request: Request) -> ServedModel:
        if request.path_params.get("version", VERSION) != VERSION:
            raise RequestError("not_found", f"a model has one version here, {VERSION}")
        return server.models.find(name)

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
    @routes.get(f"/models/{{name}}{versions}", include_in_schema=False)
    async def model_metadata(name: str, request: Request) -> ModelMetadata:
        return _metadata(find(name, request))

    @routes.get(
        "/models/{name}/ready",
        summary="Whether a model answers",
        response_class=Response,
        responses={s: errors[s] for s in (401, 404, 422, 429)},
    )
    @routes.get(f"/models/{{name}}{versions}/ready", include_in_schema=False)
    async def model_ready(name: str, request: Request) -> Response:
        find(name, request)
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
    @routes.post(f"/models/{{name}}{versions}/infer", include_in_schema=False)
    async def infer(name: str, request: Request) -> Response:
        model, header = find(name, request), request.headers.get(HEADER)
        async with body_of(request, server.limits, server.engine) as content, within(server):
            asked, pictures = await server.engine.run(_read, model, content, header, server.limits.batch)
            binary = _wanted(model, asked)
            found = await _predict(server, model, pictures)
            return await server.engine.run(_answer, model, asked, binary, found)

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


def _read(
    model: ServedModel, content: bytes, header: str | None, most: int
) -> tuple[InferRequest, list[Any]]:
    # Millions of numbers in JSON take a while, in which other requests go on.
    asked, blobs = read_request(content, header)
    return asked, list(read_pictures(model.predictor.input.size, asked, blobs, most))


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
    def one(numbered: tuple[int, Any]) -> Prediction | RequestError:
        number, picture = numbered
        name, rules = f"image {number}", model.default_rules
        try:
            if isinstance(picture, bytes):
                return model.answer(name, picture, rules)
            return model.predict(name, model.predictor.score(picture), rules)
        except ImageError as error:
            return of_picture(error)

    found = await answer_all(server, one, list(enumerate(pictures)))
    answers = []
    for said in found:
        if isinstance(said, RequestError):
            raise said
        answers.append(said)
    return answers


def _outputs(model: ServedModel, found: list[Prediction]) -> list[Tensor]:
    def info(name: str, kind: DataType, *shape: int) -> TensorInfo:
        return TensorInfo(name=name, datatype=kind, shape=[len(found) or -1, *shape])

    shares = np.array([list(one.probabilities.values()) for one in found], np.float32)
    labels = [(one.label or "") if one.labels is None else as_text(one.labels) for one in found]
    far = np.array([one.out_of_distribution for one in found], bool)
    return [
        Tensor(info("probabilities", "FP32", len(model.classes)), shares),
        Tensor(info("label", "BYTES"), [one.encode("utf-8", "backslashreplace") for one in labels]),
        Tensor(info("none_of_these", "BOOL"), far),
    ]


def _answer(
    model: ServedModel, asked: InferRequest, binary: dict[str, bool], found: list[Prediction]
) -> Response:
    outputs, blobs = [], []
    tensors = {one.info.name: one for one in _outputs(model, found)}
    for name, as_binary in binary.items():
        tensor = tensors[name]
        if as_binary:
            blobs.append(tensor.content)
        outputs.append(
            InferOutput(
                name=name,
                shape=tensor.info.shape,
                datatype=tensor.info.datatype,
                parameters={"binary_data_size": len(blobs[-1])} if as_binary else None,
                data=None if as_binary else tensor.data,
            )
        )
    answer = InferAnswer(model_name=model.name, model_version=VERSION, id=asked.id, outputs=outputs)
    text = answer.model_dump_json(exclude_none=True).encode()
    if not blobs:
        return Response(text, media_type="application/json")
    return Response(
        b"".join([text, *blobs]), headers={HEADER: str(len(text))}, media_type="application/octet-stream"
    )
