"""Networks as keras.applications builds them become flat graphs of plain layers, here from one of a few operations."""

import keras
import numpy as np
import pytest
from keras import layers

from budwood.backbones.keras_graphs import as_built, made_plain


@keras.saving.register_keras_serializable("tests")
class LayerScale(layers.Layer):
    """As ConvNeXt has it."""

    def __init__(self, init_values=0.5, channels=4, **options):
        super().__init__(**options)
        self.init_values, self.channels = init_values, channels

    def call(self, x):
        return x * self.init_values


@keras.saving.register_keras_serializable("tests")
class CustomScaleLayer(layers.Layer):
    """As Inception-ResNet has it."""

    scale = 0.25

    def call(self, pair):
        return pair[0] + pair[1] * self.scale


def network(include_top, weights, input_shape=None, input_tensor=None):
    """Every kind of thing that is no plain layer."""
    assert include_top is False and weights is None
    start = keras.Input(input_shape) if input_tensor is None else input_tensor
    x = layers.Rescaling(1 / 255, name="own_preprocessing")(start) if input_tensor is None else start
    x = layers.Conv2D(4, 3, name="stem")(x)
    inner = keras.Sequential([layers.Conv2D(4, 1, name="inner"), layers.ReLU(name="inner_relu")])
    x = inner(x) if input_tensor is None else layers.ReLU()(x)
    gate = layers.Conv2D(4, 1)(x)
    x = x + 3.0
    x = x * 0.5
    x = x + gate
    x = LayerScale()(x)
    x = CustomScaleLayer()([x, gate])
    x = layers.Dropout(0.1, noise_shape=(None, 1, 1, 1), name="drop_a")(x)
    return keras.Model(start, layers.Dropout(0.2, name="drop_b")(x))


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(keras.applications, "Tiny", network, raising=False)
    return "Tiny"


def build(tiny, **options):
    start = keras.Input((8, 8, 3))
    return keras.Model(start, made_plain(start, tiny, **options))


def test_made_plain__computes_the_same_without_its_preprocessing(tiny):
    keras.utils.set_random_seed(0)
    original, plain = network(False, None, (8, 8, 3)), build(tiny)
    convs = [one for one in original._flatten_layers() if isinstance(one, layers.Conv2D)]
    copies = [one for one in plain.layers if type(one) is layers.Conv2D]
    assert len(convs) == len(copies) == 3
    by_shape = {tuple(one.kernel.shape): [] for one in convs}
    for one in convs:
        by_shape[tuple(one.kernel.shape)].append(one)
    # In the order of the graph: the stem, that of the inner model, the gate.
    inner = original.get_layer(next(one.name for one in original.layers if isinstance(one, keras.Sequential)))
    gate = next(one for one in convs if one.name != "stem" and one is not inner.layers[0])
    for source, target in zip((original.get_layer("stem"), inner.layers[0], gate), copies, strict=True):
        target.set_weights(source.get_weights())
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(plain(pixels / 255), original(pixels), rtol=1e-5, atol=1e-6)


def test_made_plain__is_flat_and_of_layers_that_keras_loads_in_safe_mode(tiny, tmp_path):
    model = build(tiny)
    assert {type(one).__module__.split(".")[0] for one in model.layers} == {"keras"}
    assert not any(isinstance(one, keras.Model) for one in model.layers)
    assert len(model.operations) == len(model.layers)
    model.save(tmp_path / "x.keras")
    pixels = np.ones((1, 8, 8, 3), np.float32)
    again = keras.models.load_model(tmp_path / "x.keras", safe_mode=True)
    np.testing.assert_array_equal(again(pixels), model(pixels))


def test_made_plain__is_named_alike_in_every_build(tiny):
    assert [one.name for one in build(tiny).layers[1:]] == [one.name for one in build(tiny).layers[1:]]


@pytest.mark.parametrize(("rate", "rates"), [(None, [0.1, 0.2]), (0.4, [0.2, 0.4]), (0.0, [0.0, 0.0])])
def test_made_plain__drop_connect_rises_to_what_is_asked_for(tiny, rate, rates):
    model = build(tiny, drop_connect_rate=rate)
    found = [model.get_layer(name) for name in ("drop_a", "drop_b")]
    assert [one.rate for one in found] == pytest.approx(rates)
    assert found[0].get_config()["noise_shape"] == (None, 1, 1, 1)


def test_made_plain__each_dropout_draws_by_a_seed_of_its_own(tiny):
    def seeds(seed):
        model = build(tiny, seed=seed)
        return [model.get_layer(name).seed for name in ("drop_a", "drop_b")]

    assert seeds(1) == seeds(1)
    assert len({*seeds(1), *seeds(2)}) == 4


def test_as_built__takes_the_network_as_it_is(tiny):
    start = keras.Input((8, 8, 3))
    model = keras.Model(start, as_built(start, tiny))
    assert model.get_layer("stem") and model.get_layer("drop_b").rate == 0.2
