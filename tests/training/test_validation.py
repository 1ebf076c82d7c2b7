import keras
import numpy as np
import pytest
from scipy.special import log_expit, log_softmax

from budwood.training.losses import from_logits
from budwood.training.validation import validate

RNG = np.random.default_rng(0)


def test_from_logits__of_several_classes():
    logits, labels = RNG.normal(size=(50, 8)).astype(np.float32) * 4, RNG.integers(8, size=50)
    found = from_logits(logits, labels)
    expected = -log_softmax(logits.astype(np.float64), axis=1)[np.arange(50), labels]
    np.testing.assert_allclose(found.losses, expected)
    assert (found.correct == (logits.argmax(axis=1) == labels)).all()
    top = np.argsort(logits, axis=1)[:, -5:]
    assert (found.in_top5 == (top == labels[:, None]).any(axis=1)).all()
    assert found.row().keys() == {"val_loss", "val_accuracy", "val_top5_accuracy"}


def test_from_logits__of_one_logit():
    logits, labels = np.array([[-3.0], [2.0], [40.0], [200.0]], np.float32), np.array([0, 1, 1, 0])
    found = from_logits(logits, labels)
    signs = np.array([-1, 1, 1, -1])
    np.testing.assert_allclose(found.losses, -log_expit(signs * logits[:, 0].astype(np.float64)), atol=1e-15)
    assert found.correct.tolist() == [True, True, True, False]
    assert found.in_top5 is None
    assert found.row(prefix="").keys() == {"loss", "accuracy"}


def test_validate__is_inference_whatever_the_batches():
    start = keras.Input((4,))
    layers = [keras.layers.BatchNormalization(), keras.layers.Dropout(0.5, seed=1), keras.layers.Dense(3)]
    model = keras.Model(start, keras.Sequential(layers)(start))
    rows, labels = RNG.normal(size=(10, 4)).astype(np.float16), RNG.integers(3, size=10)
    whole, parts = validate(model, rows, labels), validate(model, rows, labels, batch_size=3)
    np.testing.assert_allclose(whole.losses, parts.losses, rtol=1e-5)
    expected = from_logits(np.asarray(model(rows.astype(np.float32), training=False)), labels)
    assert whole.row()["val_loss"] == pytest.approx(expected.losses.mean(), rel=1e-5)
