"""Connections with bounds on what uvicorn waits for without end; and whoever still sends hears why it is refused."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from budwood.serving.errors import RequestError
from budwood.serving.safety import HEADERS, error_body

LARGEST_HEAD = 64 * 1024
LAST_SECONDS = 1.0
"""For which a server that ends still takes a request on a connection that is open."""


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 with bounds on the head of each request, on what comes after its answer, and on the number of
    connections, set on a subclass.

    The rest of a body that is refused before its end is read and dropped. Were the connection closed at once, the
    system would reset it, and a client that is still sending would never read the answer.
    """

    head_seconds = 10.0
    most = 1000
    dropped_seconds = 30.0
    dropped_bytes = 200_000_000

    def connection_made(self, transport: Any) -> None:
        super().connection_made(_Transport(transport, self))  # type: ignore[arg-type]
        self._inner = transport
        self.ending = False
        """Whether all is said, and what still comes is dropped."""
        self._head_bytes, self._dropped = 0, 0
        self._in_head, self._in_body = True, False
        self._timer: Any = self.loop.call_later(self.head_seconds, self._close)
        if len(self.connections) > self.most:
            self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.ending or (self._in_body and self.cycle.response_complete):
            self._dropped += len(data)
            if self._dropped > self.dropped_bytes:
                self._close()
        if self.ending:
            return
        super().data_received(data)
        if not self._in_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > LARGEST_HEAD and not self.transport.is_closing():
            self._refuse("the head of the request is too long")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        self._close_after(self.head_seconds)

    def on_headers_complete(self) -> None:
        self._in_head, self._in_body, self._dropped = False, True, 0
        self._timer.cancel()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body = False
        self._timer.cancel()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_body and not self.ending:
            self._close_after(self.dropped_seconds)

    def send_400_response(self, msg: str) -> None:
        self._refuse("this is no HTTP request, or follows a body that is longer than its Content-Length says")

    def shutdown(self) -> None:
        """End the connection: once its answer is sent, or where nothing is asked for in a moment."""
        if self.ending:
            self._close()
        elif self._is_idle():
            # A request may be on its way: the client knows nothing yet of the end.
            self.loop.call_later(LAST_SECONDS, self._close_idle)
        else:
            super().shutdown()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _close_idle(self) -> None:
        if self._is_idle():
            self._close()

    def end(self, *, at_once: bool = True) -> None:
        """Close the connection; while a body is on its way, or if not at once, only when the client stops sending."""
        if self._inner.is_closing() or self.ending:
            return
        if at_once and not self._in_body:
            self._inner.close()
            return
        self.ending = True
        self._inner.write_eof()
        self.flow.resume_reading()
        self._close_after(self.dropped_seconds)

    def _refuse(self, message: str) -> None:
        path = self.scope.get("path", "") if self.scope else ""
        body = error_body(RequestError("bad_request", message), path)
        own = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"}
        head = "".join(f"{name}: {value}\r\n" for name, value in {**own, **HEADERS}.items())
        self.transport.write(f"HTTP/1.1 400 Bad Request\r\n{head}\r\n".encode() + body)
        self.end(at_once=False)

    def _close_after(self, seconds: float) -> None:
        self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self._close)

    def _close(self) -> None:
        self._inner.close()


class _Transport:
    """What uvicorn writes to, and closes when it likes: closing is left to the protocol."""

    def __init__(self, inner: Any, protocol: BoundedProtocol):
        self._inner, self._protocol = inner, protocol

    def write(self, data: bytes) -> None:
        if not self._protocol.ending:
            self._inner.write(data)

    def close(self) -> None:
        self._protocol.end()

    def is_closing(self) -> bool:
        return self._protocol.ending or self._inner.is_closing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
