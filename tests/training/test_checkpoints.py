import json

import keras
import numpy as np
import pytest

from budwood.core.errors import RunError
from budwood.training.checkpoints import Checkpoints, apply_weights, layer_weights, read


def network(width=4, norm=True):
    start = keras.Input((3,))
    x = keras.layers.Dense(width, name="low")(start)
    if norm:
        x = keras.layers.BatchNormalization(name="norm")(x)
    return keras.Model(start, keras.layers.Dense(2, name="head_logits")(keras.layers.Dropout(0.5, seed=1)(x)))


def write(checkpoints, epoch, model=None, is_best=False):
    checkpoints.write_weights(model or network(), epoch, {"epoch": epoch, "val_loss": 0.5}, is_best)


@pytest.mark.parametrize(
    ("keep", "files"),
    [
        ("best", ["finetune-0008.npz", "finetune-best.npz"]),
        ("all", ["finetune-0007.npz", "finetune-0008.npz", "finetune-best.npz"]),
    ],
)
def test_write_weights__keeps_what_is_asked_for(tmp_path, keep, files):
    checkpoints = Checkpoints(tmp_path / "checkpoints", "finetune", {}, keep)
    write(checkpoints, 7, is_best=True)
    write(checkpoints, 8)
    assert sorted(file.name for file in (tmp_path / "checkpoints").iterdir()) == files
    assert read(checkpoints.path("best"))[0]["epoch"] == 7


def test_read__holds_no_pickle(tmp_path):
    checkpoints = Checkpoints(tmp_path, "frozen", {"recipe": "r"})
    model = network()
    write(checkpoints, 3, model, is_best=True)
    with np.load(checkpoints.path("best"), allow_pickle=False) as archive:
        assert all(archive[name].dtype != object for name in archive.files)
        assert json.loads(archive["state"].tobytes())["row"] == {"epoch": 3, "val_loss": 0.5}
        assert set(archive.files) == {"state", *layer_weights(model)}


def test_layer_weights__statistics_too_but_no_seeds():
    assert list(layer_weights(network())) == [
        *("low/0", "low/1", "norm/0", "norm/1", "norm/2", "norm/3", "head_logits/0", "head_logits/1"),
    ]


def test_apply_weights__sets_them_by_layer(tmp_path):
    checkpoints = Checkpoints(tmp_path, "finetune", {})
    upper = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="head_logits")])
    write(checkpoints, 9, upper, is_best=True)
    model = network()
    before = layer_weights(model)
    assert apply_weights(model, checkpoints.path("best")) == {
        "phase": "finetune",
        "epoch": 9,
        "row": {"epoch": 9, "val_loss": 0.5},
        "labels": None,
    }
    after, given = layer_weights(model), layer_weights(upper)
    for name in before:
        np.testing.assert_array_equal(after[name], given.get(name, before[name]))


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        (network(norm=False), "holds norm/0 .* none of that name"),
        (network(width=5), r"low/0 of shape \(3, 4\), the model has shape \(3, 5\)"),
    ],
)
def test_apply_weights__another_network(tmp_path, model, fault):
    checkpoints = Checkpoints(tmp_path, "frozen", {})
    write(checkpoints, 1, is_best=True)
    before = layer_weights(model)
    with pytest.raises(RunError, match=fault):
        apply_weights(model, checkpoints.path("best"))
    for name, value in layer_weights(model).items():
        np.testing.assert_array_equal(value, before[name])


def test_apply_weights__no_such_file(tmp_path):
    with pytest.raises(RunError, match="cannot read the checkpoint .*frozen-0003.npz"):
        apply_weights(network(), Checkpoints(tmp_path, "frozen", {}).path(3))


def test_read_last__gives_what_was_written(tmp_path):
    checkpoints = Checkpoints(tmp_path, "frozen", {"recipe": "a"})
    arrays = {"model/0": np.arange(6, dtype=np.float32).reshape(2, 3), "model/1": np.array([2, 3], np.int64)}
    history = [{"epoch": 1, "val_loss": 0.1 + 0.2, "learning_rate": 1e-5}]
    assert checkpoints.read_last() is None
    checkpoints.write_last({"history": history, "stopped": None}, arrays)
    state, found = checkpoints.read_last()
    assert state["history"] == history and state["stopped"] is None
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_read_last__of_another_training(tmp_path):
    Checkpoints(tmp_path, "frozen", {"recipe": "a", "photos": "1", "keras": "3"}).write_last({}, {})
    other = Checkpoints(tmp_path, "frozen", {"recipe": "b", "photos": "1", "seed": "7"})
    with pytest.raises(RunError) as error:
        other.read_last()
    assert "recipe was a, now it is b" in str(error.value)
    assert "keras was 3, now it is not there" in str(error.value)
    assert "seed was not there, now it is 7" in str(error.value)
    assert "photos" not in str(error.value)


def test_read_last__phases_do_not_see_each_other(tmp_path):
    Checkpoints(tmp_path, "frozen", {"recipe": "a"}).write_last({}, {})
    assert Checkpoints(tmp_path, "finetune", {"recipe": "b"}).read_last() is None


def test_read_last__clears_what_a_killed_process_left(tmp_path):
    (tmp_path / ".abc.part.npz").write_bytes(b"half")
    (tmp_path / "frozen.keras").write_bytes(b"another's")
    Checkpoints(tmp_path, "frozen", {}).read_last()
    assert [file.name for file in tmp_path.iterdir()] == ["frozen.keras"]
