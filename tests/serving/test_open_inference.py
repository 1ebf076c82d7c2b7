"""The Open Inference protocol: metadata, tensors in JSON and binary, what is refused."""

import base64
import json
import os
import struct
import subprocess
import sys
import textwrap
import venv

import numpy as np
import pytest

from budwood.data.images import view

INFER = "/v2/models/colours/infer"


@pytest.fixture(scope="module")
def shares(server, red):
    return server.post("/v1/predict", red).json["predictions"][0]["probabilities"]


def _binary(tensor: dict, blob: bytes, **more) -> tuple[bytes, dict]:
    tensor["parameters"] = {"binary_data_size": len(blob)}
    text = json.dumps({"inputs": [tensor], **more}).encode()
    return text + blob, {"Inference_Header_Content_Length": str(len(text))}


def _outputs(answer) -> dict:
    return {one["name"]: one for one in answer.json["outputs"]}


def test_metadata(server):
    assert server.get("/v2").json["extensions"] == ["binary_tensor_data"]
    assert server.get("/v2/health/live").status == server.get("/v2/health/ready").status == 200
    found = server.get("/v2/models/colours").json
    assert found["inputs"][0] == {"name": "pixels", "datatype": "UINT8", "shape": [-1, 64, 64, 3]}
    assert found["outputs"][0]["shape"] == [-1, 3]
    assert server.get("/v2/models/colours/ready").status == 200
    assert server.get("/v2/models/colours/versions/1").json == found
    assert server.get("/v2/models/colours/versions/1/ready").status == 200
    assert server.get("/v2/models/colours/versions/2/ready").status == 404
    answer = server.get("/v2/models/other/ready")
    assert answer.status == 404 and isinstance(answer.json["error"], str)


@pytest.mark.parametrize("kind", ["UINT8", "FP32"])
def test_infer__pixels(server, red, shares, kind):
    seen = np.stack([view(red, 64)] * 2).astype({"UINT8": "<u1", "FP32": "<f4"}[kind])
    tensor = {"name": "pixels", "shape": [2, 64, 64, 3], "datatype": kind}
    body, headers = _binary(dict(tensor), seen.tobytes(), id="a")
    for answer in (
        server.post(INFER, body, **headers),
        server.post(INFER, json.dumps({"inputs": [{**tensor, "data": seen.tolist()}]})),
        server.post(INFER, json.dumps({"inputs": [{**tensor, "data": seen.ravel().tolist()}]})),
    ):
        found = _outputs(answer)
        assert found["label"]["data"] == ["red", "red"]
        assert found["probabilities"]["data"] == pytest.approx(list(shares.values()) * 2, abs=1e-6)
        assert found["probabilities"]["shape"] == [2, 3]
    assert server.post(INFER, body, **headers).json["id"] == "a"


def test_infer__encoded_pictures(server, red, shares):
    tensor = {"name": "image", "shape": [1], "datatype": "BYTES"}
    text = json.dumps({"inputs": [{**tensor, "data": [base64.b64encode(red).decode()]}]})
    for path in (INFER, INFER.replace("/infer", "/versions/1/infer")):
        assert _outputs(server.post(path, text))["label"]["data"] == ["red"]
    blob = struct.pack("<I", len(red)) + red
    wanted = [{"name": "probabilities", "parameters": {"binary_data": True}}, {"name": "label"}]
    body, headers = _binary(tensor, blob, outputs=wanted)
    answer = server.post(INFER, body, **headers)
    length = int(answer.headers["inference-header-content-length"])
    first, second = json.loads(answer.body[:length])["outputs"]
    assert first["parameters"] == {"binary_data_size": 12} and second["data"] == ["red"]
    found = np.frombuffer(answer.body[length:], "<f4")
    assert found.tolist() == pytest.approx(list(shares.values()), abs=1e-6)


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        (
            {"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": ["dGV4dA=="]}]},
            "cannot be read",
        ),
        (
            {
                "inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": ["dGV4dA=="]}],
                "outputs": [{"name": "x"}],
            },
            "no such output",
        ),
        ({}, "inputs"),
    ],
)
def test_infer__refuses(server, asked, named):
    answer = server.post(INFER, json.dumps(asked))
    assert 400 <= answer.status < 500 and named in answer.json["error"]


CLIENT = """
    import json, sys
    import numpy as np
    import tritonclient.http as triton

    client = triton.InferenceServerClient(f"127.0.0.1:{sys.argv[1]}")
    assert client.is_server_ready() and client.is_model_ready("colours") and not client.is_model_ready("other")
    assert client.get_model_metadata("colours")["inputs"][1]["name"] == "image"
    picture = triton.InferInput("image", [2], "BYTES")
    with open(sys.argv[2], "rb") as file:
        picture.set_data_from_numpy(np.array([file.read()] * 2, dtype=object))
    for binary in (True, False):
        outputs = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("label", "probabilities")]
        found = client.infer("colours", [picture], outputs=outputs)
        labels = [one.decode() if binary else one for one in found.as_numpy("label")]
        print(json.dumps([labels, found.as_numpy("probabilities").tolist()]))
    picture.set_data_from_numpy(np.array([b"text"] * 2, dtype=object))
    try:
        client.infer("colours", [picture])
    except triton.InferenceServerException as error:
        print(json.dumps(error.message()))
"""


@pytest.mark.slow
def test_infer__by_tritonclient(server, red, shares, tmp_path):
    # It holds back packages that the server needs.
    venv.create(tmp_path / "client", with_pip=True)
    python = tmp_path / "client" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if subprocess.run(
        [python, "-m", "pip", "install", "-q", "tritonclient[http]"], capture_output=True
    ).returncode:
        pytest.skip("tritonclient cannot be installed here")
    (tmp_path / "red.jpg").write_bytes(red)
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    told = subprocess.run(
        [python, "-I", "-c", textwrap.dedent(CLIENT), str(server.port), tmp_path / "red.jpg"],
        env=alone,
        check=True,
        stdout=subprocess.PIPE,
        timeout=60,
    ).stdout.splitlines()
    *answers, refused = map(json.loads, told)
    assert len(answers) == 2 and "cannot be read" in refused
    for labels, probabilities in answers:
        assert labels == ["red", "red"]
        assert probabilities == [pytest.approx(list(shares.values()), abs=1e-6)] * 2
