"""What is said of the files of a model; that models come back is tested where they are trained."""

import json

import numpy as np
import pytest

from budwood.core.errors import RunError
from budwood.evaluation.ood import Reference
from budwood.inference.artifact import REFERENCE, read_info, read_reference, save_artifact
from budwood.inference.model_info import ModelInfo, ModelInput

INFO = ModelInfo(
    classes=("a", "b"),
    input=ModelInput(size=32, resize="crop"),
    backbone="one",
    boundary="features",
    temperature=1.0,
    versions={},
    fingerprints={"frozen": "f"},
)


@pytest.fixture
def reference():
    rows = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    return Reference(rows[:8], np.arange(8) % 2, rows[8:])


@pytest.fixture
def folder(tmp_path, reference):
    (tmp_path / "phase.keras").write_bytes(b"a model")
    save_artifact(tmp_path / "model", tmp_path / "phase.keras", INFO, reference)
    return tmp_path / "model"


def test_save_artifact__moves_the_file_and_signs_what_lies_there(folder):
    assert not (folder.parent / "phase.keras").exists()
    info = read_info(folder)
    assert set(info.fingerprints) == {"frozen", "model", "reference"}
    assert info.model_copy(update={"fingerprints": INFO.fingerprints}) == INFO
    assert read_reference(folder, info).labels.tolist() == [0, 1] * 4


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "model.json").unlink(), "cannot read the model in .*model"),
        (lambda folder: (folder / "model.json").write_text("{"), "cannot read the model in"),
        (lambda folder: (folder / "model.json").write_text("{}"), "it lacks classes"),
        (lambda folder: change(folder, fingerprints={}), "it lacks model"),
        (lambda folder: change(folder, more=1), "the unknown key more"),
        (lambda folder: (folder / "model.keras").unlink(), "cannot read the model in"),
        (lambda folder: (folder / "model.keras").write_bytes(b"another"), "is not the file that was saved"),
    ],
)
def test_read_info__says_what_is_wrong(folder, damage, words):
    damage(folder)
    with pytest.raises(RunError, match=words):
        read_info(folder)


def change(folder, **values):
    file = folder / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def test_read_reference__gone_or_changed_is_never_passed_over(folder):
    info = read_info(folder)
    content = (folder / REFERENCE).read_bytes()
    (folder / REFERENCE).write_bytes(content + b"x")
    with pytest.raises(RunError, match="is not the file that was saved"):
        read_reference(folder, info)
    (folder / REFERENCE).unlink()
    with pytest.raises(RunError, match="is gone"):
        read_reference(folder, info)
    assert read_reference(folder, INFO) is None
