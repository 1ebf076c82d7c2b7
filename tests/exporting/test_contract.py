from budwood.exporting.contract import Contract
from budwood.inference.model_info import ModelInfo, ModelInput

INFO = ModelInfo(
    classes=("a", "b"),
    input=ModelInput(size=64, resize="pad"),
    backbone="tiny",
    boundary="pooling",
    temperature=1.0,
    versions={},
    fingerprints={"model": "0" * 64},
)


def contract(info: ModelInfo) -> Contract:
    return Contract.of(info, exported_as="onnx", threshold=0.5, files={"model.onnx": "1" * 64}, versions={})


def test_of__is_written_and_read_again():
    found = contract(INFO)
    assert Contract.model_validate_json(found.model_dump_json()) == found
    assert (found.input.shape, found.input.resize, found.output.shape) == (
        (None, 64, 64, 3),
        "pad",
        (None, 2),
    )
    assert (found.distance.threshold, found.distance.acceptance) == (0.5, 0.98)
    assert found.thresholds is None and found.output.meaning == "probabilities that sum to 1"


def test_of__several_labels():
    found = contract(INFO.model_copy(update={"thresholds": (0.3, 0.6)}))
    assert found.thresholds == (0.3, 0.6) and found.output.meaning == "a probability a label"
