"""Connections that send a head too slowly, or one too long, are ended: uvicorn itself waits for ever."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD = 64 * 1024


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 with bounds on the head of each request and on the number of connections, set on a subclass."""

    head_seconds = 10.0
    most = 1000

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._head_bytes, self._in_head = 0, True
        self._timer: Any = self.loop.call_later(self.head_seconds, self._give_up)
        if len(self.connections) > self.most:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._in_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > LARGEST_HEAD and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        self._timer.cancel()
        self._timer = self.loop.call_later(self.head_seconds, self._give_up)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._timer.cancel()
        super().on_headers_complete()

    def _give_up(self) -> None:
        if self._in_head and not self.transport.is_closing():
            self.transport.close()
