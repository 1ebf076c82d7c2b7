import pytest
from pydantic import ValidationError

from budwood.inference.model_info import ModelInfo, ModelInput

INFO = ModelInfo(
    classes=("a", "b"),
    input=ModelInput(size=32, resize="crop", levels=(0, 4095)),
    backbone=("one", "two"),
    boundary="features",
    temperature=1.5,
    versions={"keras": "3"},
    fingerprints={"frozen": "f", "model": "m"},
)


def test_model_info__comes_back_from_json():
    assert ModelInfo.model_validate(INFO.model_dump(mode="json")) == INFO
    assert INFO.input.range == (0, 255)


def test_sha256__of_the_model_and_of_what_may_lie_beside_it():
    assert (INFO.sha256, INFO.reference_sha256) == ("m", None)
    more = INFO.model_copy(update={"fingerprints": {**INFO.fingerprints, "reference": "r"}})
    assert more.reference_sha256 == "r"


@pytest.mark.parametrize(
    "change",
    [
        {"output": "logits"},
        {"unknown": 1},
        {"classes": None},
        {"input": {"size": 32}},
        {"input": {"size": 1, "resize": "crop", "channels": "BGR"}},
        {"input": {"size": 1, "resize": "crop", "filter": "bilinear"}},
    ],
)
def test_model_info__of_another_contract_is_refused(change):
    with pytest.raises(ValidationError):
        ModelInfo.model_validate({**INFO.model_dump(mode="json"), **change})


def test_model_info__names_the_filter_and_an_older_file_has_the_same():
    written = INFO.to_json()
    assert written["input"]["filter"] == "bicubic, antialiased"
    del written["input"]["filter"]
    assert ModelInfo.model_validate(written) == INFO
