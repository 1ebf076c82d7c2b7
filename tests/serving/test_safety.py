"""What stands before every route: keys, hosts, origins, rates, and the headers of every answer."""

import socket

import pytest

from budwood.serving.limits import Limits
from budwood.serving.safety import HEADERS, LOOPBACK, Access, Rate
from tests.serving.running import running

KEY = "a key of more than 16 letters"


@pytest.fixture(scope="module")
def guarded(tiny_run, session_cache):
    with running(
        {"colours": tiny_run}, Limits(rate=1000.0), access=Access(KEY, LOOPBACK, ["photos.example"])
    ) as found:
        yield found


def test_key(guarded, red):
    for path in ("/v1/models", "/v2", "/v2/models/colours", "/metrics"):
        assert guarded.get(path).status == 401
        assert guarded.get(path, Authorization=f"Bearer {KEY}").status == 200
        assert guarded.get(path, Authorization=f"bearer {KEY}").status == 200
        assert guarded.get(path, Authorization=f"Basic {KEY}").status == 401
        assert guarded.get(path, X_API_Key=KEY).status == 200
        for wrong in (KEY[:-1], KEY + "x", "", "\xe9"):
            assert guarded.get(path, X_API_Key=wrong).status == 401
    assert guarded.post("/v1/predict", red).status == 401
    assert guarded.get("/v1/models").headers["www-authenticate"] == "Bearer"
    for path in ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"):
        assert guarded.get(path).status == 200


def test_key__is_not_shown():
    assert KEY not in repr(Access(KEY))


def test_host__another_name_for_loopback_is_refused(server, red):
    for name in ("evil.example", "evil.example:8000", "127.0.0.1.evil.example", ""):
        answer = server.get("/v1/models", Host=name)
        assert (answer.status, answer.kind) == (421, "host")
    for name in ("localhost", f"LOCALHOST:{server.port}", "[::1]:80", "127.0.0.1"):
        assert server.get("/v1/models", Host=name).status == 200


def test_host__checks_of_health_that_give_none_are_answered(server):
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert b" 200 " in connection.recv(1000).splitlines()[0]


def test_origin__pages_of_other_sites_are_refused(server, red):
    assert server.post("/v1/predict", red, Origin="https://evil.example").kind == "origin"
    assert server.post("/v1/predict", red, Origin="null").status == 403
    own = f"127.0.0.1:{server.port}"
    assert server.post("/v1/predict", red, Origin=f"http://{own}").status == 200


def test_origin__of_a_proxy_that_hands_on_under_another_name(guarded, red):
    def ask(origin: str) -> int:
        return guarded.post("/v1/predict", red, X_API_Key=KEY, Origin=origin).status

    assert ask("https://photos.example") == ask("https://Photos.example:8443") == 200
    assert ask("https://photos.example.evil.example") == ask("https://localhost:1") == ask("null") == 403


def test_headers__of_every_answer(server, red):
    for answer in (
        server.get("/healthz"),
        server.get("/no"),
        server.get("/docs"),
        server.get("/v1/models", Host="x"),
        server.post("/v1/predict", b"text"),
        server.post("/v1/predict?top=x", red),
    ):
        for name, value in HEADERS.items():
            assert answer.headers[name.lower()] == value
        assert "access-control-allow-origin" not in answer.headers


def test_rate():
    now = 0.0
    rate = Rate(2.0, lambda: now)
    assert [rate.take("a") for _ in range(5)] == [0, 0, 0, 0, 0.5]
    assert rate.take("b") == 0
    now = 0.5
    assert [rate.take("a"), rate.take("a")] == [0, 0.5]


def test_rate__forgets_clients_that_are_gone():
    rate = Rate(1.0, lambda: 0.0)
    for number in range(10_100):
        rate.take(str(number))
    assert len(rate._left) == 10_000


def test_rate__says_when_to_come_again_and_not_sooner(tiny_run):
    with running({"colours": tiny_run}, Limits(rate=0.42)) as server:
        found = [server.get("/v1/models") for _ in range(2)]
        assert [one.status for one in found] == [200, 429]
        # In 2.4 seconds, of which 2 would be too few.
        assert found[1].headers["retry-after"] == "3"


def test_rate__of_requests(tiny_run):
    with running({"colours": tiny_run}, Limits(rate=1.0)) as server:
        found = [server.get("/v1/models") for _ in range(4)]
        assert [one.status for one in found[:2]] == [200, 200] and found[-1].status == 429
        assert found[-1].headers["retry-after"] == "1"
        assert server.get("/healthz").status == 200
