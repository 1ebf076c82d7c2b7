"""The process that serves: its socket, its signals, and its end, at which what was accepted is answered first."""

import asyncio
import ctypes
import logging
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from types import FrameType
from typing import TYPE_CHECKING

from budwood.core.errors import BudwoodError

if TYPE_CHECKING:
    import uvicorn

    from budwood.serving.state import Server

PACKAGES = ("fastapi", "httptools", "prometheus_client", "python_multipart", "uvicorn")
_SO_ATTACH_FILTER = 26
LARGE_BLOCK = 4 << 20
"""Bytes; a photo of a megapixel needs less."""
GRACE = 0.5
"""Seconds for which a server that is told to stop still takes connections: who balances load learns of it meanwhile."""


def refuse_missing_packages() -> None:
    """Raise BudwoodError where a package of the extra is not installed."""
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise BudwoodError(
            f"a server needs {', '.join(missing)}, not installed here. Give `pip install 'budwood[serve]'`"
        )


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that is bound, and does not listen yet. Raise BudwoodError where it cannot be."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, proto)
        try:
            if os.name == "posix":
                # Elsewhere it would share the port with whoever has it.
                found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(address)
        except BaseException:
            found.close()
            raise
    except (OSError, UnicodeError) as error:
        # No name of a host has an empty part, or one of more than 63 letters: Python does not ask for it.
        words = (getattr(error, "strerror", None) or "this is no name of a host").lower()
        raise BudwoodError(
            f"cannot listen on {host} port {port}: {words}. Give another --port (0 for any that is free), or --host"
        ) from error
    return found


def address_of(bound: socket.socket) -> str:
    """Return the address of a bound socket as a browser takes it."""
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(bound: socket.socket) -> bool:
    """Return whether only this machine reaches a bound socket."""
    host = bound.getsockname()[0]
    return host == "::1" or host.startswith("127.")


def serve(server: "Server", bound: socket.socket, ready: Callable[[], None] = lambda: None) -> None:
    """Answer requests until the process is told to end by SIGTERM or Ctrl-C.

    Args:
        server: the models.
        bound: from `bind`.
        ready: called once requests are taken.
    """
    from threadpoolctl import threadpool_limits

    give_back_large_blocks()
    server.models.watch()
    try:
        # Each thread that answers has a core to itself: a pool of NumPy's own below each would only wait for it.
        with threadpool_limits(1):
            make_uvicorn(server, ready).run(sockets=[bound])
    finally:
        server.models.close()
        server.engine.close()


def give_back_large_blocks() -> None:
    """Have the memory of large pictures given back to the system when they are done with.

    glibc keeps what was once given back for the next time, and after a few large pictures at once three times as much
    is resident as before them.
    """
    with suppress(OSError, AttributeError):
        # M_MMAP_THRESHOLD; said once, it is fixed.
        ctypes.CDLL(None).mallopt(-3, LARGE_BLOCK)


def _waiting(listening: socket.socket) -> Iterator[socket.socket]:
    """Yield the connections that wait to be taken, and let no further one in where the system can do so."""
    listening.setblocking(False)
    if sys.platform == "linux":
        # A filter that passes nothing. Without it a connection may come between the last one that is taken and the
        # end of the socket, and is reset; so its client asks once more, a second later, and is refused.
        filter_ = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
        with suppress(OSError):
            listening.setsockopt(
                socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(filter_))
            )
    with suppress(OSError):
        while True:
            yield listening.accept()[0]


def make_uvicorn(server: "Server", ready: Callable[[], None]) -> "uvicorn.Server":
    """Return what answers on a bound socket."""
    import uvicorn

    from budwood.serving.app import make_app
    from budwood.serving.connection import BoundedProtocol

    # Damaged requests are counted, and answered; a line in the log for each would be theirs to fill it.
    for name in ("uvicorn.error", "python_multipart"):
        logging.getLogger(name).setLevel(logging.ERROR)

    class Protocol(BoundedProtocol):
        head_seconds = server.limits.head_seconds
        most = server.limits.connections
        dropped_seconds = server.limits.body_seconds
        dropped_bytes = server.limits.dropped

    class Uvicorn(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            # The event loop closes its own; through these what waits at the end can still be taken.
            self.listening = [one.dup() for one in sockets or []]
            await super().startup(sockets)
            self.loop = asyncio.get_running_loop()
            ready()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            server.ending = True
            for one in self.servers:
                one.close()
            # The system accepted these, and the event loop did not; what comes from here on is refused.
            waiting = [connection for one in self.listening for connection in _waiting(one)]
            for listening in [*self.listening, *(sockets or [])]:
                listening.close()
            for connection in waiting:
                await self.loop.connect_accepted_socket(self._protocol, connection)
            await super().shutdown()

        def _protocol(self) -> asyncio.Protocol:
            return Protocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            # Uvicorn's own would raise the signal again at the end, and the process would not end in peace.
            if server.stopping:
                self.should_exit = True
                self.force_exit = sig == signal.SIGINT
                return
            server.stopping = True
            self.loop.call_soon_threadsafe(self.loop.call_later, GRACE, self._end)

        def _end(self) -> None:
            self.should_exit = True

    seconds = server.limits.seconds + server.limits.body_seconds
    return Uvicorn(
        uvicorn.Config(
            make_app(server),
            http=Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            # Longer than the 60 seconds after which many proxies end a connection of their own.
            timeout_keep_alive=75,
            timeout_graceful_shutdown=int(seconds) + 1,
        )
    )
