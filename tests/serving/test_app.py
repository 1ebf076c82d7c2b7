"""The application as a whole, over a real socket."""

import pytest

from tests.serving.running import form


def test_app__health_and_headers(server):
    for path, state in (("/healthz", "alive"), ("/readyz", "ready")):
        answer = server.get(path)
        assert (answer.status, answer.json) == (200, {"status": state})
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "server" not in answer.headers


def test_app__what_is_not_there(server):
    assert (server.get("/no").status, server.get("/no").kind) == (404, "not_found")
    assert (server.get("/v1/predict").status, server.get("/v1/predict").kind) == (405, "method_not_allowed")


def test_app__predicts(server, red):
    answer = server.post("/v1/predict?top=2", red)
    assert answer.status == 200 and answer.json["model"] == "colours"
    (one,) = answer.json["predictions"]
    assert one["label"] == "red" and len(one["top"]) == 2
    assert sum(one["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    body, kind = form(("a.jpg", red), ("b.txt", b"text"))
    found = server.post("/v1/predict?model=again", body, Content_Type=kind).json
    assert [one["name"] for one in found["predictions"]] == ["a.jpg", "b.txt"]
    assert found["predictions"][1]["error"]["kind"] == "not_an_image"


def test_app__describes_itself(server):
    assert set(server.get("/openapi.json").json["paths"]) >= {"/v1/predict", "/v1/models", "/healthz"}
    page = server.get("/docs").body.decode()
    assert "POST /v1/predict" in page and "http://" not in page and "https://" not in page


def test_app__stops_in_peace(server):
    server.server.stopping = True
    try:
        answer = server.get("/readyz")
        assert answer.status == 503 and answer.json == {"status": "stopping"}
        # A connection that goes on may bring another request, which is answered still.
        assert "connection" not in answer.headers
        server.server.ending = True
        assert server.get("/readyz").headers["connection"] == "close"
    finally:
        server.server.stopping = server.server.ending = False
