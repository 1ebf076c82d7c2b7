"""Heads of requests that are too slow, too long or none."""

import dataclasses
import time

from budwood.serving.limits import Limits
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
