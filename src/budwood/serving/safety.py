"""What stands before every route: who may ask, how often, and the headers of every answer. Plain ASGI, for each request
passes through it."""

import hashlib
import hmac
import json
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from budwood.serving.errors import RequestError
from budwood.serving.limits import Limits
from budwood.serving.schema import ErrorAnswer, ErrorDetail

Scope = dict[str, Any]
Send = Callable[[Any], Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
OPEN = ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready")
"""Asked by what watches the server, which has no key and is not counted."""
_GUARDED = ("/v1/", "/v2", "/metrics")
_MOST_CLIENTS = 10_000
_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


@dataclass(frozen=True)
class Access:
    """Who may ask.

    Args:
        key: to be given as `Authorization: Bearer KEY` or `X-API-Key: KEY`; None for a server without.
        hosts: names under which the server may be addressed, without port; empty for any.
        pages: names of sites whose pages may ask, beside those of the name under which the server is addressed: that of
            a proxy which hands requests on under another one.
    """

    key: str | None = field(default=None, repr=False)
    hosts: Collection[str] = ()
    pages: Collection[str] = ()


class Safety:
    """The outermost application: it refuses, or hands on and adds headers."""

    def __init__(self, app: Any, limits: Limits, access: Access):
        self._app, self._access = app, access
        self._rate = None if limits.rate is None else Rate(limits.rate)
        # Digests are as long whatever the key is, so that comparing them tells not even its length.
        self._key = None if access.key is None else _digest(access.key.encode())
        self._hosts = frozenset(host.lower() for host in access.hosts)
        self._pages = frozenset(host.lower() for host in access.pages)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(pair for pair in _HEADERS if pair[0] not in given),
                ]
            await send(message)

        try:
            self._refuse(scope)
        except RequestError as error:
            await send_error(error, send_with_headers, scope["path"])
            return
        await self._app(scope, receive, send_with_headers)

    def _refuse(self, scope: Scope) -> None:
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1").lower()
        # Who gives none, as checks of health by HTTP/1.0, is no browser that a page has sent here.
        if self._hosts and b"host" in headers and _without_port(host) not in self._hosts:
            raise RequestError("host", "this server does not answer under this name")
        origin = headers.get(b"origin")
        if scope["method"] == "POST" and origin is not None:
            # A page of another site may send a picture though it may not read the answer.
            of_page = origin.decode("latin-1").lower().partition("://")[2]
            if of_page != host and _without_port(of_page) not in self._pages:
                raise RequestError("origin", "pages of other sites may not ask this server")
        path = scope["path"]
        if path in OPEN:
            return
        # Guesses of the key count too.
        if self._rate is not None and path.startswith(_GUARDED):
            client = scope.get("client") or ("",)
            wait = self._rate.take(client[0])
            if wait:
                text = f"one client may ask {self._rate.rate:g} times a second"
                raise RequestError("rate", text, {"Retry-After": str(math.ceil(wait))})
        if self._key is not None and path.startswith(_GUARDED):
            scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
            given = headers.get(b"x-api-key") or (token if scheme.lower() == b"bearer" else b"")
            if not hmac.compare_digest(_digest(given), self._key):
                raise RequestError(
                    "key",
                    "this server asks for a key: Authorization: Bearer KEY, or X-API-Key: KEY",
                    {"WWW-Authenticate": "Bearer"},
                )


class Rate:
    """Counts requests of each client: so many a second, twice as many at once."""

    def __init__(self, rate: float, now: Callable[[], float] = time.monotonic):
        self.rate, self._most, self._now = rate, max(1.0, 2 * rate), now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> float:
        """Count a request; return 0, or after how many seconds the client may ask again."""
        now = self._now()
        left, since = self._left.pop(client, (self._most, now))
        left = min(self._most, left + (now - since) * self.rate)
        allowed = left >= 1
        self._left[client] = (left - 1 if allowed else left, now)
        if len(self._left) > _MOST_CLIENTS:
            self._left.popitem(last=False)
        return 0.0 if allowed else (1 - left) / self.rate


def error_body(error: RequestError, path: str) -> bytes:
    """Return what a client is told, in the words of the protocol that it speaks."""
    if path.startswith("/v2"):
        return json.dumps({"error": error.message}).encode()
    detail = ErrorDetail(kind=error.kind, message=error.message)
    return ErrorAnswer(error=detail).model_dump_json().encode()


async def send_error(error: RequestError, send: Send, path: str) -> None:
    """Answer with an error, without FastAPI."""
    body = error_body(error, path)
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **error.headers}
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host
