"""Heads of requests that are too slow, too long or none."""

import dataclasses
import http.client
import json
import socket
import time
from contextlib import closing

import pytest

from budwood.serving.limits import Limits
from budwood.serving.safety import LOOPBACK, Access
from tests.serving.running import running
from tests.serving.test_uploads import talk


def test_connection__heads(tiny_run):
    limits = dataclasses.replace(Limits(), head_seconds=0.4)
    with running({"colours": tiny_run}, limits) as server:
        began = time.monotonic()
        assert talk(server.port, b"GET / HTTP/1.1\r\nHost: lo") == b""
        assert talk(server.port) == b""
        assert time.monotonic() - began < 5
        many = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X: %s\r\n" % (b"y" * 1000) * 80
        assert b" 400 " in talk(server.port, many)
        for damaged in (b"\x16\x03\x01 not http\r\n\r\n", b"GET\r\n\r\n", b"G" * 100_000):
            answer = talk(server.port, damaged)
            assert b" 400 " in answer and b"Traceback" not in answer
        assert server.get("/healthz").status == 200


def test_connection__two_requests_on_one(server, red):
    head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
    answer = talk(server.port, head + b"\r\n" + head + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200") == 2


@pytest.fixture(scope="module")
def narrow(tiny_run):
    limits = dataclasses.replace(Limits(), upload=200_000, body_seconds=0.5)
    with running(
        {"colours": tiny_run}, limits, access=Access("a key of more than 16 letters", LOOPBACK)
    ) as found:
        yield found


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/predict", {}, 401),
        ("/v1/predict", {"Host": "evil.example"}, 421),
        ("/v1/predict", {"X-API-Key": "a key of more than 16 letters"}, 413),
        ("/v1/predict", {"X-API-Key": "a key of more than 16 letters", "Connection": "close"}, 413),
        ("/healthz", {}, 405),
    ],
)
def test_connection__whoever_still_sends_hears_why_it_is_refused(narrow, path, headers, status):
    connection = http.client.HTTPConnection("127.0.0.1", narrow.port, timeout=20)
    with closing(connection):
        # More than the system holds for a server that does not read.
        connection.request("POST", path, bytes(1_900_000), headers)
        answer = connection.getresponse()
        assert answer.status == status and "message" in json.loads(answer.read())["error"]
        if "Connection" not in headers:
            # It goes on: the next request stands after the body.
            connection.request("GET", "/healthz")
            assert connection.getresponse().status == 200


@pytest.mark.parametrize("ends", [b"", b"Connection: close\r\n"])
def test_connection__what_follows_a_refusal_is_bounded(narrow, ends):
    head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n" + ends + b"Content-Length: 99999999\r\n\r\n"
    began = time.monotonic()
    # It sends nothing more, or more and more.
    assert b" 401 " in talk(narrow.port, head)
    with socket.create_connection(("127.0.0.1", narrow.port), 10) as connection, pytest.raises(OSError):
        connection.sendall(head + bytes(50_000_000))
    assert time.monotonic() - began < 5


def test_connection__head_of_what_get_answers(server):
    for path in ("/", "/healthz", "/readyz", "/v1/models", "/docs"):
        answer, as_get = server.ask("HEAD", path), server.get(path)
        assert answer.status == 200 and answer.body == b""
        assert answer.headers["content-length"] == str(len(as_get.body))
    assert server.ask("HEAD", "/v1/predict").status == 405
