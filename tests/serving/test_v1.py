"""Predictions, explanations and the list of models, over a real socket."""

import base64
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from budwood.run import load
from tests.serving.running import form, running


def test_predict__as_the_run_does(server, red, tiny_run, shared_cache):
    asked = "?precision=0.9&coverage=0.8&acceptance=0.9&top=3"
    answer = server.post(f"/v1/predict{asked}", red).json
    run = load(tiny_run)
    (expected,) = run.predict([red], precision=0.9, coverage=0.8, acceptance=0.9)
    (found,) = answer["predictions"]
    assert answer["fingerprint"] == run.model_sha256 and answer["milliseconds"] > 0
    for name, value in expected.to_json(3).items():
        if name in ("name", "top"):
            continue
        assert found[name] == pytest.approx(value, abs=1e-6) if name == "distance" else found[name] == value
    assert [one["label"] for one in found["top"]] == [label for label, _ in expected.top(3)]


def test_predict__several_labels(tiny_label_run, red):
    with running({"labels": tiny_label_run}) as server:
        (found,) = server.post("/v1/predict?coverage=0.5", red).json["predictions"]
        assert found["label"] is None and "red" in found["labels"]
        answer = server.post("/v1/predict?precision=0.9", red)
        assert answer.status == 422 and answer.kind == "not_possible"
        assert str(tiny_label_run) not in answer.json["error"]["message"]
        (info,) = server.get("/v1/models").json["models"]
        assert info["several_labels"] and set(info["thresholds"]) == set(info["classes"])
        figures = load(tiny_label_run).files.metrics.figures_of("test")
        assert info["measured"] == {
            "split": "test",
            "photos": figures.n,
            "mean_average_precision": figures.mean_average_precision,
            "mean_average_precision_ci95": figures.mean_average_precision_ci95,
        }


def test_predict__files_of_a_form(server, red):
    body, kind = form(("../../a <b>.jpg", red), ("b.txt", b"text"))
    found = server.post("/v1/predict", body, Content_Type=kind).json["predictions"]
    assert [one["name"] for one in found] == ["a <b>.jpg", "b.txt"]
    assert found[0]["label"] == "red" and found[1]["error"]["kind"] == "not_an_image"
    assert server.post("/v1/predict", *[form(("b.txt", b"text"))[0]], Content_Type=kind).status == 415


def test_predict__options_out_of_range(server, red):
    answer = server.post("/v1/predict?coverge=0.9", red)
    assert answer.status == 400 and "not known" in answer.json["error"]["message"]


def test_predict__what_the_run_cannot_promise(server, red, tiny_run):
    answer = server.post("/v1/predict?coverage=0.9999", red)
    assert (answer.status, answer.kind) == (422, "not_possible")
    assert str(tiny_run) not in answer.body.decode()


def test_predict__no_such_model(server, red):
    answer = server.post("/v1/predict?model=colour", red)
    assert answer.status == 404 and "Did you mean colours" in answer.json["error"]["message"]


def _bomb() -> bytes:
    """The head of a picture of 900 million pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    sealed = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    return b"\x89PNG\r\n\x1a\n" + sealed + b"\0\0\1\0IDAT" + bytes(64)


@pytest.mark.parametrize(
    ("make", "status", "kind"),
    [
        (lambda red: b"", 422, "empty"),
        (lambda red: b"text", 415, "not_an_image"),
        (lambda red: red[: len(red) // 2], 422, "truncated"),
        (lambda red: _bomb(), 413, "too_large"),
        (lambda red: red + b"PK\x05\x06" + bytes(18), 415, "not_an_image"),
        (lambda red: b"cos\nsystem\n(S'ls'\ntR.", 415, "not_an_image"),
    ],
    ids=["empty", "text", "truncated", "bomb", "zip", "pickle"],
)
def test_predict__bodies_that_are_no_picture(server, red, make, status, kind):
    answer = server.post("/v1/predict", make(red))
    assert (answer.status, answer.kind) == (status, kind)
    assert not any(word in answer.body for word in (b"Traceback", b"/src/", b"PIL", b"BUDWOOD"))


def test_explain(server, red):
    answer = server.post("/v1/explain?target=blue", red).json
    heat = np.array(answer["heat"])
    assert heat.shape == (6, 6) and np.isfinite(heat).all() and answer["target"] == "blue"
    picture = Image.open(io.BytesIO(base64.b64decode(answer["picture"].partition(",")[2])))
    assert picture.size == (64, 64) and answer["similar"] == []
    assert server.post("/v1/explain?target=pink", red).status == 400
    body, kind = form(("a.jpg", red), ("b.jpg", red))
    assert server.post("/v1/explain", body, Content_Type=kind).kind == "too_many_pictures"


def test_explain__training_photos_where_they_may_be_shown(tiny_run, red):
    with running({"colours": tiny_run}, show_training_photos=True) as server:
        similar = server.post("/v1/explain", red).json["similar"]
        assert similar[0]["label"] == "red" and similar[0]["thumbnail"].startswith("data:image/jpeg;base64,")


def test_models(server, tiny_run):
    first, second = server.get("/v1/models").json["models"]
    assert (first["name"], first["default"], second["default"]) == ("colours", True, False)
    assert first["classes"] == ["blue", "green", "red"] and first["input"]["size"] == 64
    assert first["measured"]["split"] == "test" and not first["training_photos"]
