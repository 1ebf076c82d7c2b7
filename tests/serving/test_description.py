"""The OpenAPI description, and the page of it."""

import re


def test_description__names_every_route(server):
    paths = server.get("/openapi.json").json["paths"]
    assert set(paths) >= {
        *("/v1/predict", "/v1/explain", "/v1/models", "/healthz", "/readyz", "/metrics"),
        *("/v2", "/v2/models/{name}", "/v2/models/{name}/infer", "/v2/health/live"),
    }
    names = [one["name"] for one in paths["/v1/predict"]["post"]["parameters"]]
    assert names == ["model", "top", "precision", "coverage", "acceptance"]
    assert set(paths["/v1/predict"]["post"]["responses"]) >= {"200", "400", "413", "415", "422", "503"}


def test_description__refers_to_nothing_that_is_not_there(server):
    text = server.get("/openapi.json").body.decode()
    known = set(server.get("/openapi.json").json["components"]["schemas"])
    references = set(re.findall(r'"\$ref":\s*"([^"]+)"', text))
    assert {one.rpartition("/")[2] for one in references} <= known
    assert all(one.startswith("#/components/schemas/") for one in references)


def test_description__as_a_page_that_asks_nothing_of_others(server):
    answer = server.get("/docs")
    page = answer.body.decode()
    assert "POST /v1/predict" in page and "PicturePrediction" in page
    assert "<script" not in page and "//" not in re.sub(r"</?\w", "", page).replace("<!doctype", "")
    anchors = set(re.findall(r'href="#(\w+)"', page))
    assert anchors and anchors <= set(re.findall(r'id="(\w+)"', page))
    assert server.get("/docs/style.css").headers["content-type"].startswith("text/css")
