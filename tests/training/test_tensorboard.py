import pytest

from budwood.training.tensorboard import open_log


def read(folder):
    """Tags, steps and values of the scalars in a folder's event files."""
    import tensorflow as tf

    found = []
    for file in sorted(folder.iterdir()):
        for record in tf.data.TFRecordDataset(str(file)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == "scalars"
                found.append((value.tag, event.step, float(tf.make_ndarray(value.tensor))))
    return found


def test_open_log__writes_scalars_of_both_splits(tmp_path):
    with open_log(tmp_path) as log:
        for epoch in (3, 4):
            log({"epoch": epoch, "loss": 0.5 / epoch, "val_loss": 1.0 * epoch, "learning_rate": 0.25})
    assert read(tmp_path / "train") == [
        ("epoch_loss", 3, pytest.approx(0.5 / 3)),
        ("epoch_learning_rate", 3, 0.25),
        ("epoch_loss", 4, 0.125),
        ("epoch_learning_rate", 4, 0.25),
    ]
    assert read(tmp_path / "validation") == [("epoch_loss", 3, 3.0), ("epoch_loss", 4, 4.0)]


def test_open_log__nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open_log(None) as log:
        log({"epoch": 1, "loss": 0.5})
    assert list(tmp_path.iterdir()) == []


def test_open_log__needs_no_tensorboard(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tensorboard", None)
    with open_log(tmp_path) as log:
        log({"epoch": 1, "loss": 0.5})
    assert len(read(tmp_path / "train")) == 1
