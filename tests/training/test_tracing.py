import keras
import numpy as np

from budwood.training.tracing import train_on_batch

RNG = np.random.default_rng(0)


class Counted(keras.layers.Layer):
    """Counts how often Python runs through it, which under TensorFlow is once a graph."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def call(self, inputs):
        self.calls += 1
        return inputs


def compiled():
    pixels = keras.Input((5,))
    counted = Counted()
    dense = keras.layers.Dense(3, kernel_initializer=keras.initializers.RandomNormal(seed=1))
    model = keras.Model(pixels, dense(counted(pixels)))
    model.compile(
        optimizer=keras.optimizers.Adam(0.1),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    counted.calls = 0
    return model, counted


def test_train_on_batch__makes_one_graph_and_does_what_keras_does():
    (ours, counted), (plain, again) = compiled(), compiled()
    for rows in (8, 8, 3, 1):
        features = RNG.normal(size=(rows, 5)).astype(np.float32)
        targets = np.eye(3, dtype=np.float32)[RNG.integers(3, size=rows)]
        weights = RNG.random(rows).astype(np.float32)
        found = train_on_batch(ours, features, targets, weights)
        expected = plain.train_on_batch(features, targets, weights, return_dict=True)
        assert found.keys() == expected.keys() == {"loss", "accuracy"}
        np.testing.assert_allclose(list(found.values()), list(expected.values()), rtol=1e-5)
    for one, other in zip(ours.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    # One pass is Keras's own, which builds the metrics.
    assert counted.calls < again.calls


def test_train_on_batch__a_model_compiled_anew_learns_by_its_new_settings():
    model, _ = compiled()
    features, targets = np.ones((2, 5), np.float32), np.eye(3, dtype=np.float32)[:2]
    train_on_batch(model, features, targets, np.ones(2))
    model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mean_squared_error")
    before = model.get_weights()
    # Of the mean of squares, which a graph of the loss before would not give.
    squares = np.mean((model.predict_on_batch(features) - targets) ** 2)
    np.testing.assert_allclose(
        train_on_batch(model, features, targets, np.ones(2))["loss"], squares, rtol=1e-5
    )
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
