"""The routes below /v1: predictions, explanations, the models."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from budwood.core.errors import BudwoodError, MachineError
from budwood.core.files import JsonObject
from budwood.inference.rules import PLAIN, Asked, Rules
from budwood.serving import page
from budwood.serving.answers import explain_one, in_error, predict_one
from budwood.serving.errors import STATUS_OF_KIND, RequestError
from budwood.serving.model import ReplacedError, ServedModel
from budwood.serving.queries import ExplainQuery, PredictQuery, parameters_of, read_query
from budwood.serving.schema import (
    ErrorAnswer,
    ExplainAnswer,
    ModelsAnswer,
    PicturePrediction,
    PredictAnswer,
    ServedModelInfo,
)
from budwood.serving.state import Server
from budwood.serving.uploads import Upload, body_of, pictures_of

_PICTURE: JsonObject = {
    "requestBody": {
        "required": True,
        "description": "The bytes of one picture as its file has them, or a form with files.",
        "content": {
            **{
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in ("image/*", "application/octet-stream")
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {"type": "array", "items": {"type": "string", "format": "binary"}}
                    },
                }
            },
        },
    }
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": "Refused."}
    for status in sorted(set(STATUS_OF_KIND.values()))
}

P = TypeVar("P")
T = TypeVar("T")


def router(server: Server) -> APIRouter:
    """Return the routes below /v1."""
    routes = APIRouter(prefix="/v1", tags=["v1"])

    @routes.get("/models", summary="The models that answer", responses=_only(401, 429))
    async def models() -> ModelsAnswer:
        return ModelsAnswer(models=[_info(server, model) for model in server.models])

    @routes.post(
        "/predict",
        summary="What the model says of pictures",
        response_model=PredictAnswer,
        responses=ERRORS,
        openapi_extra=_PICTURE | {"parameters": parameters_of(PredictQuery)},
    )
    async def predict(request: Request) -> Response:
        query = read_query(request, PredictQuery)
        chosen = server.models.find(query.model)
        async with _pictures_of(server, request) as sent:
            rules = await rules_of(server, chosen, query.asked)
            found = await predict_all(server, chosen, sent.uploads, rules, query.top)
        return _as_json(
            PredictAnswer(
                model=chosen.name,
                fingerprint=chosen.fingerprint,
                milliseconds=sent.milliseconds,
                predictions=found,
            )
        )

    @routes.post(
        "/explain",
        summary="Where in a picture the model sees a class",
        response_model=ExplainAnswer,
        responses=ERRORS,
        openapi_extra=_PICTURE | {"parameters": parameters_of(ExplainQuery)},
    )
    async def explain(request: Request) -> Response:
        query = read_query(request, ExplainQuery)
        chosen = server.models.find(query.model)
        if query.target is not None and query.target not in chosen.classes:
            raise RequestError("bad_request", "the model has no class of this name. /v1/models lists them")
        shown = server.show_training_photos
        async with _pictures_of(server, request) as sent:
            if len(sent.uploads) != 1:
                raise RequestError("too_many_pictures", "one picture at a time is explained")
            (found,) = await answer_all(
                server,
                lambda upload: explain_one(chosen, upload, query.target, show_photos=shown),
                sent.uploads,
            )
        if isinstance(found, RequestError):
            raise found
        return _as_json(found.model_copy(update={"milliseconds": sent.milliseconds}))

    return routes


@dataclass(frozen=True)
class _Sent:
    """The pictures of a request, and when the last byte of them came."""

    uploads: list[Upload]
    came: float

    @property
    def milliseconds(self) -> float:
        """How long ago that is."""
        return round(1000 * (time.perf_counter() - self.came), 3)


@asynccontextmanager
async def _pictures_of(server: Server, request: Request) -> AsyncIterator[_Sent]:
    """Yield the pictures of a request, for as long as its answer may take. Raise RequestError where it has none, or
    more than are allowed or there is room for."""
    async with body_of(request, server.limits, server.engine) as content:
        came = time.perf_counter()
        kind = request.headers.get("content-type", "")
        uploads = pictures_of(content, kind, server.limits)
        async with within(server):
            yield _Sent(uploads, came)


async def predict_all(
    server: Server, model: ServedModel, uploads: list[Upload], rules: Rules, top: int
) -> list[PicturePrediction]:
    """Return the predictions of a request's pictures. Raise RequestError where none of them can be read."""
    found = await answer_all(server, lambda upload: predict_one(upload, model, rules, top), uploads)
    errors = [one for one in found if isinstance(one, RequestError)]
    for _ in errors:
        server.metrics.pictures.labels(model.name, "unreadable").inc()
    if len(errors) == len(found):
        raise errors[0]
    answers = [
        in_error(upload.name, one) if isinstance(one, RequestError) else one
        for upload, one in zip(uploads, found, strict=True)
    ]
    for one in answers:
        if one.error is None:
            server.metrics.count(model.name, one)
    return answers


async def answer_all(server: Server, answer: Callable[[P], T], pictures: Sequence[P]) -> list[T]:
    """Return what is said of each picture of a request. Raise RequestError where there is no room for them."""
    server.engine.refuse_when_full(len(pictures))
    try:
        return await server.engine.run_all(answer, pictures)
    except MachineError:
        raise RequestError("busy", "the server has no memory left for this picture. Try again") from None


async def rules_of(server: Server, model: ServedModel, asked: Asked) -> Rules:
    """Return the rules of what was asked. Raise RequestError where the run's photos do not promise it."""
    if asked == PLAIN:
        return model.default_rules
    try:
        return await server.engine.run(model.rules, asked)
    except ReplacedError:
        raise RequestError("busy", "the model is being replaced. Try again in a second") from None
    except BudwoodError as error:
        # Where the run lies is nobody's business.
        text = str(error).replace(str(model.folder), model.name)
        raise RequestError("not_possible", text) from None


class within:  # noqa: N801
    """A block that raises RequestError where the answer takes too long."""

    def __init__(self, server: Server):
        self._seconds = server.limits.seconds
        self._timeout = asyncio.timeout(self._seconds)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, *failure: Any) -> None:
        try:
            await self._timeout.__aexit__(*failure)
        except TimeoutError:
            text = f"the answer took longer than {self._seconds:g} seconds. Try again, or send fewer pictures"
            raise RequestError("took_too_long", text) from None


def _info(server: Server, model: ServedModel) -> ServedModelInfo:
    shown = {
        "default": model.name == server.models.default,
        "training_photos": server.show_training_photos,
        "report": page.report_of(server, model),
    }
    return model.info.model_copy(update=shown)


def _only(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: ERRORS[status] for status in statuses}


def _as_json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), media_type="application/json")
