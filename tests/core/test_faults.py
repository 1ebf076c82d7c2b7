import json

import pydantic
import pytest

from budwood.core.faults import fault


class Inner(pydantic.BaseModel):
    size: int


class Outer(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    parts: list[Inner]


def caught(call, *arguments):
    with pytest.raises(Exception) as error:
        call(*arguments)
    return error.value


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "it lacks parts"),
        ({"parts": [{"size": 1}, {}]}, "it lacks parts.1.size"),
        ({"parts": [], "colour": 1}, "it has the unknown key colour"),
        ({"parts": [{"size": "big"}]}, "parts.0.size: input should be a valid integer"),
        ([], "it: input should be"),
    ],
)
def test_fault__of_a_schema(content, words):
    assert fault(caught(Outer.model_validate, content)).startswith(words)


def test_fault__of_files(tmp_path):
    assert fault(caught(json.loads, "{")).startswith("it is no JSON (")
    assert fault(caught((tmp_path / "absent").read_text)) == "No such file or directory"
    assert fault(KeyError("photos")) == "it lacks photos"
    assert fault(ValueError("row 3 is no epoch")) == "row 3 is no epoch"
