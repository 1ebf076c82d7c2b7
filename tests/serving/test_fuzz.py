"""What no client would send on purpose: damaged pictures by the thousand, and whatever the description allows."""

import http.client
import io
import os
import random
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

pytestmark = pytest.mark.slow
MUTATED = int(os.environ.get("BUDWOOD_MUTATED", "20000"))
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF")


@pytest.fixture(scope="module")
def process(tiny_run, session_cache):
    """A server of its own, whose memory can be told."""
    environment = os.environ | {"BUDWOOD_CACHE": str(session_cache)}
    command = [
        sys.executable,
        "-m",
        "budwood.cli",
        "serve",
        str(tiny_run),
        "--port",
        "0",
        "--max-pixels",
        "2",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as found:
        line = next(line for line in found.stderr if "ready: " in line)
        yield found, int(line.rpartition(":")[2])
        found.terminate()
        log = found.stderr.read()
    assert found.returncode == 0 and "Traceback" not in log, log[-3000:]


def _seeds(red: bytes) -> list[bytes]:
    found = [red]
    with Image.open(io.BytesIO(red)) as picture:
        for form in FORMATS:
            try:
                file = io.BytesIO()
                picture.save(file, form)
                found.append(file.getvalue())
            except (KeyError, OSError):
                continue
    return found


def mutated(content: bytes, draw: random.Random) -> bytes:
    """A picture with a few bytes changed, cut out, doubled or cut off."""
    found = bytearray(content)
    for _ in range(draw.randint(1, 8)):
        # Most of what can go wrong stands in the head.
        place = draw.randrange(min(len(found), 200) if draw.random() < 0.6 else len(found))
        match draw.randrange(5):
            case 0:
                found[place] = draw.randrange(256)
            case 1:
                found[place : place + 4] = draw.choice(
                    (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff")
                )
            case 2:
                del found[place : place + draw.randint(1, 64)]
            case 3:
                found[place:place] = found[place : place + draw.randint(1, 64)]
            case 4 if place > 8:
                del found[place:]
        if not found:
            return b"\0"
    return bytes(found)


def _megabytes(process: subprocess.Popen) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1000


def test_fuzz__mutated_pictures(process, red):
    """No answer with 500, no silence, and memory that does not grow."""
    server, port = process
    draw, seeds, statuses = random.Random(0), _seeds(red), set()
    sizes = []
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        for number in range(MUTATED):
            body = mutated(draw.choice(seeds), draw)
            connection.request("POST", "/v1/predict", body, {"Host": "localhost"})
            answer = connection.getresponse()
            content = answer.read()
            statuses.add(answer.status)
            assert answer.status in (200, 413, 415, 422), (number, answer.status, content)
            assert b"Traceback" not in content and b"site-packages" not in content
            if number % max(1, MUTATED // 20) == 0 and Path("/proc").is_dir():
                sizes.append(_megabytes(server))
    assert {200, 415, 422} <= statuses
    # The first thousands load decoders and fill pools.
    assert not sizes or sizes[-1] < sizes[len(sizes) // 4] + 40, sizes


def test_fuzz__heads(process):
    """Damaged heads are refused, and the next request is answered."""
    _, port = process
    draw = random.Random(0)
    good = b"POST /v1/predict?top=2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nConnection: close\r\n\r\ntext"
    for _ in range(MUTATED // 20):
        with socket.create_connection(("127.0.0.1", port), 15) as connection:
            try:
                connection.sendall(mutated(good, draw))
                connection.shutdown(socket.SHUT_WR)
                found = connection.recv(65536)
            except ConnectionError:
                continue
        assert not found or 400 <= int(found[9:12]) < 500, found
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=15)) as asked:
        asked.request("GET", "/healthz", headers={"Host": "localhost"})
        assert asked.getresponse().status == 200


def test_fuzz__what_the_description_allows(process, tmp_path):
    """Schemathesis draws requests from the OpenAPI description: every answer is one that it names."""
    pytest.importorskip("schemathesis")
    _, port = process
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{port}/openapi.json"),
        *("--checks", "not_a_server_error,status_code_conformance,content_type_conformance"),
        *("--checks", "response_schema_conformance"),
        *("--max-examples", "60", "--seed", "1", "--request-timeout", "30"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
