"""The process: its socket, its signals, and its end."""

import http.client
import io
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from budwood.core.errors import BudwoodError
from budwood.serving.serve import address_of, bind, is_loopback, refuse_missing_packages


def test_bind__a_port_that_is_taken():
    with bind("127.0.0.1", 0) as first:
        first.listen()
        port = first.getsockname()[1]
        with pytest.raises(BudwoodError, match=f"port {port}: address already in use. Give another --port"):
            bind("127.0.0.1", port)
        assert address_of(first) == f"http://127.0.0.1:{port}" and is_loopback(first)
    with bind("0.0.0.0", 0) as every:
        assert not is_loopback(every)
    with pytest.raises(BudwoodError, match="cannot listen on"):
        bind("no such host.invalid", 0)


def test_refuse_missing_packages(monkeypatch):
    refuse_missing_packages()
    monkeypatch.setattr("budwood.serving.serve.PACKAGES", ("fastapi", "no_such_package"))
    with pytest.raises(BudwoodError, match=r"no_such_package.*budwood\[serve\]"):
        refuse_missing_packages()


@pytest.fixture
def process(tiny_run, shared_cache):
    command = [sys.executable, "-m", "budwood.cli", "serve", str(tiny_run), "--port", "0", "--timeout", "20"]
    found = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    lines = []
    for line in found.stderr:
        lines.append(line)
        if "ready: " in line:
            break
    assert lines and "ready: " in lines[-1], lines
    yield found, int(lines[-1].rpartition(":")[2])
    found.kill()
    found.communicate()


def test_serve__ends_in_peace_and_loses_nothing(process, red):
    """Under load SIGTERM ends the process with status 0, and each request on a connection that it took is answered:
    of clients that keep theirs, and of those that make one for each request."""
    found, port = process
    if Path("/proc").is_dir():
        # OpenVINO has a reader of TensorFlow's files of its own.
        assert "-packages/tensorflow/" not in Path(f"/proc/{found.pid}/maps").read_text()
    lost, answered, began = [], [], threading.Event()

    def ask(number: int) -> None:
        # Most ask for little, so that at the end many requests are on their way.
        asked = ("POST", "/v1/predict", red) if number % 8 == 0 else ("GET", "/healthz", None)
        headers = {"Host": "localhost"} | ({"Connection": "close"} if number % 2 else {})
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        while True:
            try:
                connection.connect() if connection.sock is None else None
            except OSError:
                return
            try:
                connection.request(*asked, headers)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                lost.append(error)
                return
            answered.append(answer.status)
            if len(answered) > 100:
                began.set()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    assert began.wait(20)
    found.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join(20)
    assert found.wait(20) == 0
    # None but what a busy machine resets at the very moment; before the queue was taken it was one of each client.
    assert set(answered) == {200} and len(lost) <= 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="signals of POSIX")
def test_serve__ctrl_c(process):
    found, port = process
    with socket.create_connection(("127.0.0.1", port)):
        found.send_signal(signal.SIGINT)
        assert found.wait(20) == 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="tells memory as Linux does")
def test_serve__gives_the_memory_of_large_pictures_back(process, red):
    found, port = process

    def ask(content: bytes) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            connection.request("POST", "/v1/predict", content, {"Host": "localhost"})
            assert connection.getresponse().status == 200

    def megabytes() -> float:
        status = Path(f"/proc/{found.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1000

    file = io.BytesIO()
    Image.new("RGB", (4900, 4900)).save(file, "PNG")
    ask(red)
    before = megabytes()
    for _ in range(2):
        threads = [threading.Thread(target=ask, args=(file.getvalue(),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    # Each of them takes 72 MB.
    assert megabytes() < before + 60
