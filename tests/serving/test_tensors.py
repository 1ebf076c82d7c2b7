"""Tensors of requests as pictures, and of answers as bytes and numbers."""

import base64
import json
import struct

import numpy as np
import pytest

from budwood.serving.errors import RequestError
from budwood.serving.tensors import Tensor, TensorInfo, read_pictures, read_request

SIDE, MOST = 5, 3
PIXELS = {"name": "pixels", "shape": [1, SIDE, SIDE, 3], "datatype": "UINT8"}
IMAGE = {"name": "image", "shape": [1], "datatype": "BYTES"}
NUMBERS = SIDE * SIDE * 3


def pictures(asked: dict, blobs: bytes = b"") -> list:
    """The pictures of a request as it comes."""
    text = json.dumps(asked).encode()
    return list(read_pictures(SIDE, *read_request(text + blobs, str(len(text))), MOST))


@pytest.mark.parametrize("kind", ["UINT8", "FP32"])
def test_read_pictures__pixels_in_json_and_binary(kind):
    values = np.arange(2 * NUMBERS).reshape(2, SIDE, SIDE, 3).astype({"UINT8": "<u1", "FP32": "<f4"}[kind])
    tensor = {**PIXELS, "shape": [2, SIDE, SIDE, 3], "datatype": kind}
    blob = {**tensor, "parameters": {"binary_data_size": values.nbytes}}
    for found in (
        pictures({"inputs": [{**tensor, "data": values.tolist()}]}),
        pictures({"inputs": [blob]}, values.tobytes()),
    ):
        assert np.array_equal(found, values) and found[0].dtype == np.uint8


def test_read_pictures__encoded_in_json_and_binary():
    asked = {**IMAGE, "shape": [2], "data": [base64.b64encode(one).decode() for one in (b"a", b"")]}
    assert pictures({"inputs": [asked]}) == [b"a", b""]
    blob = struct.pack("<I", 2) + b"ab" + struct.pack("<I", 1) + b"c"
    asked = {**IMAGE, "shape": [2], "parameters": {"binary_data_size": len(blob)}}
    assert pictures({"inputs": [asked]}, blob) == [b"ab", b"c"]


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({}, "inputs"),
        ({"inputs": []}, "one input"),
        ({"inputs": [{**PIXELS, "name": "x", "data": []}]}, "one input"),
        ({"inputs": [PIXELS]}, "binary_data_size"),
        ({"inputs": [{**PIXELS, "shape": [0, SIDE, SIDE, 3], "data": []}]}, "no picture"),
        ({"inputs": [{**PIXELS, "data": [1, 2]}]}, "no tensor of this shape"),
        ({"inputs": [{**PIXELS, "data": [[1], [2, 3]]}]}, "no array of numbers"),
        ({"inputs": [{**PIXELS, "data": ["255"] * SIDE * SIDE * 3}]}, "no array of numbers"),
        ({"inputs": [{**PIXELS, "data": [True] * SIDE * SIDE * 3}]}, "no array of numbers"),
        ({"inputs": [{**PIXELS, "data": [300] * NUMBERS}]}, "pixels"),
        ({"inputs": [{**PIXELS, "datatype": "FP32", "data": [0.5] * NUMBERS}]}, "pixels"),
        ({"inputs": [{**PIXELS, "shape": [1, 3, SIDE, SIDE], "data": [0] * NUMBERS}]}, "5, 5, 3"),
        ({"inputs": [{**IMAGE, "data": ["!"]}]}, "base64"),
        ({"inputs": [{**IMAGE, "data": [7]}]}, "base64"),
        ({"inputs": [{**IMAGE, "shape": [99], "data": [""]}]}, "more than 3"),
        ({"inputs": [{**IMAGE, "shape": [1, 2], "data": ["", ""]}]}, "BYTES of shape"),
    ],
)
def test_read_pictures__refuses(asked, named):
    with pytest.raises(RequestError) as caught:
        pictures(asked)
    assert named in caught.value.message and 400 <= caught.value.status < 500


def test_read_pictures__lengths_that_do_not_fit():
    blob = struct.pack("<I", 2**31) + b"short"
    with pytest.raises(RequestError, match="lengths"):
        pictures({"inputs": [{**IMAGE, "parameters": {"binary_data_size": len(blob)}}]}, blob)


@pytest.mark.parametrize(
    ("body", "header"),
    [(b"{", None), (b"[" * 100_000, None), (b"{}", "9"), (b"{}", "-1"), (b"{}", "9" * 5000), (b"\xff", None)],
)
def test_read_request__damaged(body, header):
    with pytest.raises(RequestError) as caught:
        read_request(body, header)
    assert caught.value.status == 400


def test_tensor__as_bytes_and_as_json():
    numbers = Tensor(TensorInfo(name="p", datatype="FP32", shape=[2]), np.array([0.5, 1.0]))
    assert np.frombuffer(numbers.content, "<f4").tolist() == numbers.data == [0.5, 1.0]
    words = Tensor(TensorInfo(name="l", datatype="BYTES", shape=[1]), ["ö".encode()])
    assert words.content == b"\x02\0\0\0\xc3\xb6" and words.data == ["ö"]
