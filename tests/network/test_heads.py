import keras
import numpy as np
import pytest
from scipy.special import expit, logit, softmax

from budwood.config.recipe import Head
from budwood.core.errors import RecipeError
from budwood.core.scaling import LabelScaling
from budwood.network.heads import apply, head_layers, head_model, linear_layers, scale_logits, to_logits
from budwood.training.label_probe import LabelsFit
from budwood.training.linear_probe import LinearFit

FEATURES = np.random.default_rng(0).normal(size=(6, 10)).astype(np.float32)


@pytest.mark.parametrize("num_classes", [2, 7])
def test_head_layers__end_in_probabilities(num_classes):
    model = head_model(head_layers(Head(hidden=[8, 4], batch_norm=True, dropout=0.5), num_classes), 10)
    found = model.predict(FEATURES, verbose=0)
    assert found.shape == (6, num_classes)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    assert model.get_layer("head_logits").units == num_classes
    assert model.layers[-1].name == "probabilities"


def test_head_layers__order_and_names():
    names = [layer.name for layer in head_layers(Head(hidden=[8], batch_norm=True, dropout=0.5), 3)]
    assert names == [
        *("head_batch_norm", "head_dropout", "head_dense_1", "head_batch_norm_1", "head_dropout_1"),
        *("head_logits", "probabilities"),
    ]


def test_head_layers__plain_head_is_one_dense_layer():
    assert [layer.name for layer in head_layers(Head(), 3)] == ["head_logits", "probabilities"]


def test_head_layers__l2_is_on_kernels_alone():
    model = head_model(head_layers(Head(hidden=[8], l2=0.1), 3), 10)
    for weight in model.weights:
        weight.assign(np.ones(weight.shape))
    assert float(sum(model.losses)) == pytest.approx(0.1 * (10 * 8 + 8 * 3))


def test_head_layers__seed_decides_the_weights():
    def weights(seed):
        model = head_model(head_layers(Head(hidden=[8, 8], dropout=0.5), 3, seed), 10)
        return np.concatenate([weight.ravel() for weight in model.get_weights()])

    assert (weights(1) == weights(1)).all()
    assert (weights(1) != weights(2)).any()


def test_head_layers__hidden_layers_start_different():
    model = head_model(head_layers(Head(hidden=[10, 10]), 3), 10)
    first, second = (model.get_layer(f"head_dense_{number}").kernel.numpy() for number in (1, 2))
    assert (first != second).any()


def test_head_layers__seed_decides_the_dropout():
    def dropped(seed):
        layers = head_layers(Head(dropout=0.5), 3, seed)
        return layers[0](np.ones((1, 100), np.float32), training=True).numpy()

    assert (dropped(1) == dropped(1)).all()
    assert (dropped(1) != dropped(2)).any()


def test_linear_layers__give_the_fit():
    rng = np.random.default_rng(1)
    kernel, bias = rng.normal(size=(10, 3)).astype(np.float32), rng.normal(size=3).astype(np.float32)
    model = head_model(linear_layers(LinearFit(kernel, bias, 0.1, [], 0.0)), 10)
    np.testing.assert_allclose(
        model.predict(FEATURES, verbose=0), softmax(FEATURES @ kernel + bias, axis=1), rtol=1e-5, atol=1e-7
    )


def test_linear_layers__one_logit_gives_the_same_probabilities():
    rng = np.random.default_rng(1)
    fit = LinearFit(
        rng.normal(size=(10, 2)).astype(np.float32), rng.normal(size=2).astype(np.float32), 0.1, [], 0.0
    )
    single = head_model(linear_layers(fit, Head(logits="single")), 10)
    expected = head_model(linear_layers(fit), 10).predict(FEATURES, verbose=0)
    np.testing.assert_allclose(single.predict(FEATURES, verbose=0), expected, rtol=1e-4, atol=1e-6)
    assert sum(weight.shape[0] for weight in single.trainable_weights) == 10 + 1


def test_head_layers__one_logit(tmp_path):
    layers = head_layers(Head(logits="single", hidden=[4]), 2)
    assert [layer.name for layer in layers[-3:]] == ["head_logits", "logit_pair", "probabilities"]
    model = head_model(layers, 10)
    logits = head_model(to_logits(layers), 10).predict(FEATURES, verbose=0)
    found = model.predict(FEATURES, verbose=0)
    assert logits.shape == (6, 1)
    np.testing.assert_allclose(found[:, 1], expit(logits[:, 0]), rtol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    # 1,281 for a plain one on 1,280 features, as for a network that ends in the logit itself.
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == 10 * 4 + 4 + 4 + 1
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(again.predict(FEATURES, verbose=0), found)
    assert not again.get_layer("logit_pair").trainable


@pytest.mark.parametrize("num_classes", [3, 1])
def test_head_layers__one_logit_is_for_two_classes(num_classes):
    with pytest.raises(RecipeError, match=f"the data have {num_classes}"):
        head_layers(Head(logits="single"), num_classes)


@pytest.mark.parametrize("num_labels", [1, 2, 5])
def test_head_layers__several_labels_are_independent(num_labels, tmp_path):
    layers = head_layers(Head(hidden=[4]), num_labels, activation="sigmoid")
    model = head_model(layers, 10)
    logits = head_model(to_logits(layers), 10).predict(FEATURES, verbose=0)
    found = model.predict(FEATURES, verbose=0)
    assert found.shape == (6, num_labels)
    np.testing.assert_allclose(found, expit(logits), rtol=1e-5)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(again.predict(FEATURES, verbose=0), found)


def test_linear_layers__of_several_labels_give_the_fit():
    rng = np.random.default_rng(1)
    kernel, bias = rng.normal(size=(10, 3)).astype(np.float32), rng.normal(size=3).astype(np.float32)
    fit = LabelsFit(kernel, bias, np.ones(3), ((), (), ()), np.zeros((0, 3), np.float32), 0.0)
    model = head_model(linear_layers(fit, Head(dropout=0.2), activation="sigmoid"), 10)
    np.testing.assert_allclose(
        model.predict(FEATURES, verbose=0), expit(FEATURES @ kernel + bias), rtol=1e-5, atol=1e-7
    )


def test_scale_logits__scales_and_shifts_each_label():
    model = head_model(head_layers(Head(hidden=[4]), 3, activation="sigmoid"), 10)
    scaling = LabelScaling((2.0, 0.5, 1.0), (1.0, -1.0, 0.0))
    before = logit(model.predict(FEATURES, verbose=0).astype(np.float64))
    scale_logits(model, scaling)
    np.testing.assert_allclose(model.predict(FEATURES, verbose=0), expit(scaling.apply(before)), rtol=1e-4)
    scale_logits(model, scaling.inverse())
    np.testing.assert_allclose(model.predict(FEATURES, verbose=0), expit(before), rtol=1e-4)


@pytest.mark.parametrize("num_labels", [2, 3])
def test_head_layers__one_logit_is_not_for_several_labels(num_labels):
    with pytest.raises(RecipeError, match="photos here may have several labels"):
        head_layers(Head(logits="single"), num_labels, activation="sigmoid")


def test_to_logits__ends_before_the_softmax():
    layers = head_layers(Head(hidden=[4]), 3)
    assert [layer.name for layer in to_logits(layers)] == ["head_dense_1", "head_logits"]


def test_apply__shares_the_layers_with_a_larger_flat_model(tmp_path):
    layers = head_layers(Head(hidden=[4]), 3)
    head = head_model(layers, 10)
    pixels = keras.Input((2, 5), name="pixels")
    whole = keras.Model(pixels, apply(layers, keras.layers.Flatten()(pixels)))
    assert all(not isinstance(layer, keras.Model) for layer in whole.layers)
    expected = head.predict(FEATURES, verbose=0)
    whole.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(again.predict(FEATURES.reshape(-1, 2, 5), verbose=0), expected, rtol=1e-6)
