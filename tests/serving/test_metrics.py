"""Counts of the server."""


def test_metrics(server, red):
    server.post("/v1/predict?model=again", red)
    server.post("/v1/predict?model=again", b"text")
    text = server.get("/metrics").body.decode()
    assert 'budwood_pictures_total{model="again",outcome="answered"}' in text
    assert 'budwood_pictures_total{model="again",outcome="unreadable"}' in text
    assert 'budwood_requests_total{route="/v1/predict",status="415"}' in text
    # An address that a client makes up is no name of a count.
    server.get("/made/up")
    text = server.get("/metrics").body.decode()
    assert "made" not in text and 'route="other",status="404"' in text
