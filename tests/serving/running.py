"""A server on a real socket, in a thread of this process."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from budwood.serving.limits import Limits
from budwood.serving.models import Models
from budwood.serving.safety import LOOPBACK, Access
from budwood.serving.serve import bind, make_uvicorn
from budwood.serving.state import Server


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def kind(self) -> str:
        """Of the error."""
        return self.json["error"]["kind"]


@dataclass
class Running:
    """A server that answers."""

    server: Server
    port: int

    def ask(self, method: str, path: str, body=None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, given)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def post(self, path: str, body, **headers: str) -> Answer:
        return self.ask("POST", path, body, **headers)


@contextmanager
def running(folders: dict[str, Path], limits: Limits | None = None, **given) -> Iterator[Running]:
    """Serve runs until the block ends."""
    given.setdefault("access", Access(hosts=LOOPBACK))
    ready = threading.Event()
    with bind("127.0.0.1", 0) as bound:
        server = Server(Models(folders), limits or Limits(), **given)
        uvicorn = make_uvicorn(server, ready.set)
        thread = threading.Thread(target=uvicorn.run, kwargs={"sockets": [bound]})
        port = bound.getsockname()[1]
        thread.start()
        assert ready.wait(20)
        try:
            yield Running(server, port)
        finally:
            uvicorn.should_exit = True
            thread.join(20)
            server.engine.close()
            assert not thread.is_alive()


def form(*files: tuple[str, bytes], field: str = "file") -> tuple[bytes, str]:
    """A body with files, and its content type."""
    parts = [
        f'--edge\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode()
        + content
        + b"\r\n"
        for name, content in files
    ]
    return b"".join(parts) + b"--edge--\r\n", "multipart/form-data; boundary=edge"
