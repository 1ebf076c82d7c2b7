import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from budwood.core.errors import DataError
from budwood.data.download import download, sha256_of

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `content`; `ranges` honours Range, `cut` ends each answer after that many bytes."""

    content, ranges, cut, status = CONTENT, True, None, 200

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/file.tgz"
        self.asked: list[str | None] = []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and server.ranges else 0
        if server.status != 200 or start >= len(server.content):
            self.send_error(416 if server.status == 200 else server.status)
            return
        body = server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.cut])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_download__whole(server, tmp_path):
    download(server.url, tmp_path / "new" / "file.tgz", sha256=SHA256)
    assert (tmp_path / "new" / "file.tgz").read_bytes() == CONTENT
    assert server.asked == [None]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file.tgz"]


def test_download__goes_on_after_cuts(server, tmp_path):
    server.cut = 400_000
    download(server.url, tmp_path / "file.tgz", sha256=SHA256)
    assert sha256_of(tmp_path / "file.tgz") == SHA256
    assert server.asked == [None, "bytes=400000-", "bytes=800000-"]


def test_download__goes_on_in_a_later_call(server, tmp_path):
    server.cut = 100_000
    with pytest.raises(DataError, match=r"cut short; 500,000 bytes have arrived\. Run the command again"):
        download(server.url, tmp_path / "file.tgz", sha256=SHA256)
    assert not (tmp_path / "file.tgz").exists()
    server.cut = None
    download(server.url, tmp_path / "file.tgz", sha256=SHA256)
    assert server.asked[-1] == "bytes=500000-"
    assert sha256_of(tmp_path / "file.tgz") == SHA256


def test_download__server_without_ranges_starts_over(server, tmp_path):
    (tmp_path / "file.tgz.part").write_bytes(b"x" * 1000)
    server.ranges = False
    download(server.url, tmp_path / "file.tgz", sha256=SHA256)
    assert (tmp_path / "file.tgz").read_bytes() == CONTENT


def test_download__all_has_arrived_already(server, tmp_path):
    (tmp_path / "file.tgz.part").write_bytes(CONTENT)
    download(server.url, tmp_path / "file.tgz", sha256=SHA256)
    assert (tmp_path / "file.tgz").read_bytes() == CONTENT


def test_download__file_is_here_already(server, tmp_path):
    (tmp_path / "file.tgz").write_bytes(CONTENT)
    download(server.url, tmp_path / "file.tgz", sha256=SHA256)
    assert server.asked == []


def test_download__wrong_content_is_removed(server, tmp_path):
    server.content = b"<html>please log in</html>"
    with pytest.raises(DataError, match="sent something else than expected"):
        download(server.url, tmp_path / "file.tgz", sha256=SHA256)
    assert list(tmp_path.iterdir()) == []


def test_download__refused(server, tmp_path):
    server.status = 404
    with pytest.raises(DataError, match="the server answers 404 Not Found"):
        download(server.url, tmp_path / "file.tgz", sha256=SHA256)


def test_download__no_network(tmp_path):
    with pytest.raises(DataError, match=r"cannot download .*Check the network"):
        download("http://127.0.0.1:9/file.tgz", tmp_path / "file.tgz", sha256=SHA256)


def test_download__counts_bytes(server, tmp_path):
    counted = []

    class Counter:
        def stage(self, name, total=None, unit="photos"):
            assert (name, total, unit) == ("download", len(CONTENT), "bytes")
            return self

        def say(self, line):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *arguments):
            pass

        def advance(self, steps=1):
            counted.append(steps)

    download(server.url, tmp_path / "file.tgz", sha256=SHA256, progress=Counter())
    assert sum(counted) == len(CONTENT)
