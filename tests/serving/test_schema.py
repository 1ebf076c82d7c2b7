"""The schema of the answers."""

import pytest
from pydantic import TypeAdapter, ValidationError

from budwood.serving.schema import Accuracy, ErrorDetail, LabelPrecision, PicturePrediction


def test_measured__of_one_label_and_of_several_are_told_apart():
    either = TypeAdapter(Accuracy | LabelPrecision)
    for one in (
        Accuracy(split="test", photos=9, accuracy=0.9, accuracy_ci95=(0.8, 1.0)),
        LabelPrecision(split="test", photos=9, mean_average_precision=0.9, mean_average_precision_ci95=None),
    ):
        assert either.validate_json(one.model_dump_json()) == one


def test_picture__a_share_beyond_1_is_a_mistake_of_ours():
    with pytest.raises(ValidationError):
        PicturePrediction(name="a", probability=1.5)


def test_error__of_a_kind_that_is_known():
    with pytest.raises(ValidationError):
        ErrorDetail(kind="odd", message="x")
