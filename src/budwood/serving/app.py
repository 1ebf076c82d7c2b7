"""The application: every route of the server."""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from budwood._version import __version__
from budwood.serving import description, open_inference, page, v1
from budwood.serving.errors import Kind, RequestError
from budwood.serving.metrics import CONTENT_TYPE
from budwood.serving.queries import in_words
from budwood.serving.safety import Safety, error_body
from budwood.serving.schema import State
from budwood.serving.state import Server

log = logging.getLogger("budwood.serving")


def make_app(server: Server) -> Any:
    """Return the ASGI application of a server."""
    app = FastAPI(
        title="Budwood",
        version=__version__,
        description=description.INTRO,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    app.include_router(v1.router(server))
    app.include_router(open_inference.router(server))
    app.include_router(description.router(app))
    app.include_router(page.router(server))
    _add_health(app, server)

    @app.exception_handler(RequestError)
    async def refused(request: Request, error: RequestError) -> Response:
        return Response(error_body(error, request.url.path), error.status, error.headers, "application/json")

    @app.exception_handler(RequestValidationError)
    async def wrong(request: Request, error: RequestValidationError) -> Response:
        return await refused(request, RequestError("bad_request", in_words(error.errors()[0])))

    @app.exception_handler(HTTPException)
    async def missing(request: Request, error: HTTPException) -> Response:
        kind: Kind = "method_not_allowed" if error.status_code == 405 else "not_found"
        known = RequestError(kind, f"{str(error.detail).lower()}. /docs says what there is", error.headers)
        return await refused(request, known)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        text = "the server could not answer. Its log says why"
        return await refused(request, RequestError("internal", text))

    return Safety(_Watched(app, server), server.limits, server.access)


def _add_health(app: FastAPI, server: Server) -> None:
    @app.get("/healthz", tags=["health"], summary="Whether the server is alive")
    async def healthz() -> State:
        return State(status="alive")

    @app.get(
        "/readyz",
        tags=["health"],
        summary="Whether the server takes requests",
        responses={503: {"model": State}},
    )
    async def readyz(response: Response) -> State:
        if server.stopping:
            response.status_code = 503
            return State(status="stopping")
        return State(status="ready")

    @app.get("/metrics", tags=["health"], summary="Counts, as Prometheus reads them", response_class=Response)
    async def metrics() -> Response:
        server.metrics.under_way.set(server.engine.under_way)
        server.metrics.held.set(server.engine.held)
        return Response(server.metrics.as_text(), media_type=CONTENT_TYPE)


class _Watched:
    """Counts requests, ends connections while the server stops, and says nothing of what went wrong inside."""

    def __init__(self, app: FastAPI, server: Server):
        self._app, self._server = app, server

    async def __call__(
        self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        if scope["method"] == "HEAD":
            # As GET, with the same head; uvicorn leaves the body out.
            scope = {**scope, "method": "GET"}

        async def watched(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self._server.ending:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            # It was answered; here it is told of.
            log.exception("a request failed")
        finally:
            route = getattr(scope.get("route"), "path", None) or "other"
            metrics = self._server.metrics
            metrics.requests.labels(route, str(status)).inc()
            metrics.seconds.labels(route).observe(time.perf_counter() - began)
