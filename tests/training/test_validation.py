import keras
import numpy as np
import pytest

from budwood.training.measured import from_logits
from budwood.training.validation import validate

RNG = np.random.default_rng(0)


def test_validate__is_inference_whatever_the_batches():
    start = keras.Input((4,))
    layers = [keras.layers.BatchNormalization(), keras.layers.Dropout(0.5, seed=1), keras.layers.Dense(3)]
    model = keras.Model(start, keras.Sequential(layers)(start))
    rows, labels = RNG.normal(size=(10, 4)).astype(np.float16), RNG.integers(3, size=10)
    whole, parts = validate(model, rows, labels), validate(model, rows, labels, batch_size=3)
    np.testing.assert_allclose(whole.losses, parts.losses, rtol=1e-5)
    expected = from_logits(np.asarray(model(rows.astype(np.float32), training=False)), labels)
    assert whole.row()["val_loss"] == pytest.approx(expected.losses.mean(), rel=1e-5)
