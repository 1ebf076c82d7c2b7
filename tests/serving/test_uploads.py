"""Bodies: bounded while they come, whatever their head says of them."""

import socket
import time

import pytest

from budwood.serving.errors import RequestError
from budwood.serving.limits import Limits
from budwood.serving.uploads import Upload, pictures_of
from tests.serving.running import form, running

POST = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def narrow(tiny_run, session_cache):
    limits = Limits(upload=100_000, body_seconds=0.4, batch=3, memory=150_000)
    with running({"colours": tiny_run}, limits) as found:
        yield found


def talk(port: int, *parts: bytes, wait: float = 0.0) -> bytes:
    """Send parts and return all that comes back until the server ends the connection."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.settimeout(10)
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(wait)
        except OSError:
            pass
        found = b""
        while more := connection.recv(65536):
            found += more
        return found


def test_body__longer_than_allowed(narrow):
    for size in (100_001, 900_000):
        assert narrow.post("/v1/predict", bytes(size)).kind == "too_large"
    # Without a length: in pieces, counted as they come.
    chunk = b"4e20\r\n" + bytes(20_000) + b"\r\n"
    answer = talk(
        narrow.port,
        POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
        *[chunk] * 6,
        b"0\r\n\r\n",
    )
    assert b" 413 " in answer.split(b"\r\n")[0]


def test_body__slower_than_allowed(narrow):
    began = time.monotonic()
    answer = talk(narrow.port, POST + b"Content-Length: 1000\r\n\r\nabc")
    assert b" 408 " in answer and b"slow_body" in answer and time.monotonic() - began < 5


def test_body__shorter_and_longer_than_its_head_says(narrow, red):
    length = b"Content-Length: %d\r\n\r\n"
    assert b" 408 " in talk(narrow.port, POST + length % (len(red) + 9) + red)
    # What is left is no request.
    answer = talk(narrow.port, POST + length % (len(red) - 9) + red)
    assert b" 400 " in answer and b"longer than its Content-Length" in answer and b"bad_request" in answer
    for wrong in (b"-1", b"x", b"1, 2", b"9" * 40):
        assert b" 400 " in talk(narrow.port, POST + b"Content-Length: " + wrong + b"\r\n\r\n")


def test_body__that_is_compressed(narrow, red):
    assert narrow.post("/v1/predict", red, Content_Encoding="gzip").status == 415


def test_body__held_bytes_are_let_go(narrow, red):
    for _ in range(3):
        narrow.post("/v1/predict", bytes(100_001))
        narrow.post("/v1/predict", red)
    assert narrow.server.engine.held == 0 and narrow.server.engine.under_way == 0


def test_pictures_of__a_form():
    limits = Limits(batch=2)
    body, kind = form(("a.jpg", b"one"), ("dir\\b.png", b"two\r\n--edg"))
    assert pictures_of(body, kind, limits) == [Upload("a.jpg", b"one"), Upload("b.png", b"two\r\n--edg")]
    assert pictures_of(b"raw", "application/x-www-form-urlencoded", limits) == [Upload("image 0", b"raw")]
    named, _ = form(("\x1b[31m\u202e.jpg", b"x"), ("", b"y"))
    assert [one.name for one in pictures_of(named, kind, limits)] == ["\ufffd[31m\ufffd.jpg", "image 1"]


@pytest.mark.parametrize(
    ("body", "kind", "word"),
    [
        (b"", "", "empty"),
        (b"", "multipart/form-data; boundary=edge", "bad_request"),
        (b"--edge--\r\n", "multipart/form-data; boundary=edge", "empty"),
        (b"no form", "multipart/form-data; boundary=edge", "bad_request"),
        (b"--edge\r\n", "multipart/form-data", "bad_request"),
        (form(("a", b"x"))[0][:-12], "multipart/form-data; boundary=edge", "bad_request"),
        (
            b'--edge\r\nContent-Disposition: form-data; name="top"\r\n\r\n3\r\n--edge--\r\n',
            "multipart/form-data; boundary=edge",
            "bad_request",
        ),
        (form(*[("a", b"x")] * 33)[0], "multipart/form-data; boundary=edge", "too_many_pictures"),
    ],
)
def test_pictures_of__refuses(body, kind, word):
    with pytest.raises(RequestError) as caught:
        pictures_of(body, kind, Limits())
    assert caught.value.kind == word
