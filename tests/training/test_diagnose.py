import keras
import numpy as np
import pytest

from budwood.training.diagnose import find_loss_spike
from budwood.training.validation import validate


@pytest.fixture
def trained():
    """A network that has learned, with the photos it is validated on: features, labels."""
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    features = rng.normal(np.eye(8)[labels] * 3, 1).astype(np.float32)
    start = keras.Input((8,))
    x = keras.layers.Dense(8, kernel_initializer=keras.initializers.HeNormal(seed=1), name="low")(start)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.8, name="norm")(x))
    out = keras.layers.Dense(3, kernel_initializer=keras.initializers.HeNormal(seed=2), name="head_logits")(x)
    model = keras.Model(start, out)
    model.compile(keras.optimizers.Adam(0.05), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    for _ in range(40):
        model.train_on_batch(features, labels)
    return model, features, labels


def weights(model):
    return [weight.numpy() for weight in model.weights]


def look(trained, change):
    """What is found when an epoch changes the model so."""
    model, features, labels = trained
    start, before = weights(model), validate(model, features, labels).losses
    assert before.mean() < 0.3
    change(model)
    after, changed = validate(model, features, labels).losses, weights(model)
    found = find_loss_spike(model, start, before, after, lambda: validate(model, features, labels).losses)
    # It has put things back and forth; they end as they were.
    for old, new in zip(changed, weights(model), strict=True):
        np.testing.assert_array_equal(old, new)
    if found:
        assert found.before == pytest.approx(before.mean()) and found.after == pytest.approx(after.mean())
    return found


def move_weights(model, by=1.0):
    rng = np.random.default_rng(3)
    for weight in model.trainable_weights:
        weight.assign(weight + by * rng.normal(size=weight.shape))


def move_statistics(model):
    norm = model.get_layer("norm")
    norm.moving_mean.assign(norm.moving_mean + 5)
    norm.moving_variance.assign(norm.moving_variance * 30)


def test_find_cliff__nothing_went_wrong(trained):
    assert look(trained, lambda model: move_weights(model, 1e-4)) is None


def test_find_cliff__rate_too_high(trained):
    found = look(trained, move_weights)
    assert found.cause == "rate"
    assert "lower finetune.learning_rate" in found.words and "with them put back" in found.words


def test_find_cliff__batch_norm_has_moved(trained):
    def change(model):
        move_weights(model, 1e-4)
        move_statistics(model)

    found = look(trained, change)
    assert found.cause == "batch_norm"
    assert 'finetune.batch_norm = "frozen"' in found.words


def test_find_cliff__a_real_step_that_moves_batch_norm(trained):
    """Training mode on other photos, at a rate that moves no weight to speak of."""
    _, features, labels = trained

    def change(model):
        model.compile(
            keras.optimizers.Adam(1e-6), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        )
        for _ in range(20):
            model.train_on_batch(features * 3 + 10, labels)

    assert look(trained, change).cause == "batch_norm"


def test_find_cliff__both_have_moved(trained):
    def change(model):
        move_weights(model)
        move_statistics(model)

    found = look(trained, change)
    assert found.cause == "both" and "both have gone too far" in found.words


def test_find_cliff__nothing_was_trained_below_the_head(trained):
    """As when `compile` is forgotten after `trainable` was set: only the head learns."""

    def change(model):
        kernel = model.get_layer("head_logits").kernel
        kernel.assign(kernel * 1.001)

    found = look(trained, change)
    assert found.cause == "compile" and "not compiled after `trainable` was set" in found.words


def test_find_cliff__compile_forgotten_for_real(trained):
    """What Keras trained when the model was frozen it goes on to train until the next `compile`."""
    model, features, labels = trained
    model.get_layer("low").trainable = model.get_layer("norm").trainable = False
    model.compile(keras.optimizers.Adam(1e-4), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch(features, labels)
    model.get_layer("low").trainable = model.get_layer("norm").trainable = True
    found = look((model, features, labels), lambda model: model.train_on_batch(features, labels))
    assert found.cause == "compile"


def test_find_cliff__a_head_alone_is_no_matter(trained):
    model, _, _ = trained
    model.get_layer("low").trainable = model.get_layer("norm").trainable = False
    assert look(trained, lambda model: None) is None
