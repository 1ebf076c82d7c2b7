"""Ensembles and flips: what is put together computes what its parts do, and comes apart again."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from budwood.backbones.backbone import resized
from budwood.backbones.registry import get_backbone
from budwood.config.recipe import Head
from budwood.core.scaling import LabelScaling, scaled
from budwood.features.engines.openvino import OpenVinoGraph
from budwood.features.extractor import with_pooling
from budwood.network.compose import PooledBackbone, compose, logits_of, take_apart
from budwood.network.graph import BOUNDARY, branches, cut, fingerprint
from budwood.network.heads import LOGITS, head_layers, head_model, mean_layers, to_logits

SIZE, CLASSES = 24, 3
PIXELS = np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE, 3)).astype(np.float32)


def network(name: str, size: int, channels: int) -> PooledBackbone:
    """A network of three layers with statistics that are not trivial, its own input `size` px wide."""
    pixels = keras.Input((SIZE, SIZE, 3), name="pixels")
    x = pixels if size == SIZE else resized(pixels, size)
    x = keras.layers.Rescaling(1 / 255, name="preprocess")(x)
    kernel = keras.initializers.RandomNormal(stddev=0.5, seed=channels)
    x = keras.layers.Conv2D(channels, 3, strides=2, kernel_initializer=kernel, name="conv")(x)
    x = keras.layers.BatchNormalization(name="bn")(x)
    model = with_pooling(keras.Model(pixels, keras.layers.ReLU(name="out")(x), name=name), "avg")
    rng = np.random.default_rng(channels)
    model.get_layer("bn").set_weights([rng.random(channels).astype(np.float32) + 0.5 for _ in range(4)])
    return PooledBackbone(replace(get_backbone("mobilenet"), name=name), model)


def numbers(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def make(num_trunks: int, head: Head) -> tuple[list[PooledBackbone], list[keras.layers.Layer]]:
    networks = [network("large", SIZE, 5), network("small", 16, 7)][:num_trunks]
    layers = head_layers(head, 2 if head.logits == "single" else CLASSES, seed=1)
    built = head_model(layers, sum(one.features for one in networks))
    rng = np.random.default_rng(2)
    built.set_weights([weight + rng.random(weight.shape, np.float32) for weight in built.get_weights()])
    if head.logits == "single":
        layers[-2].set_weights([np.array([[-0.5, 0.5]], np.float32)])
    return networks, layers


def by_hand(networks, layers, mirror: bool) -> np.ndarray:
    """Probabilities, by the parts alone and NumPy."""
    to_logits_ = head_model(to_logits(layers), sum(one.features for one in networks))
    ways = [PIXELS, PIXELS[:, :, ::-1]] if mirror else [PIXELS]
    logits = [
        numbers(to_logits_(np.concatenate([numbers(one.model(way)) for one in networks], axis=1)))
        for way in ways
    ]
    mean = np.mean(logits, axis=0)
    if mean.shape[1] == 1:
        mean = np.concatenate([-mean / 2, mean / 2], axis=1)
    shares = np.exp(mean - mean.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


HEADS = [Head(), Head(hidden=[6], batch_norm=True, dropout=0.3), Head(logits="single")]


@pytest.mark.parametrize("head", HEADS, ids=["linear", "hidden", "single"])
@pytest.mark.parametrize("mirror", [False, True], ids=["plain", "mirrored"])
@pytest.mark.parametrize("num_trunks", [1, 2])
def test_compose__computes_what_the_parts_do_and_comes_apart(num_trunks, mirror, head, tmp_path):
    networks, layers = make(num_trunks, head)
    expected = by_hand(networks, layers, mirror)
    model = compose(networks, layers, flip=mirror)
    assert len({layer.name for layer in model.layers}) == len(model.layers)
    np.testing.assert_allclose(numbers(model(PIXELS)), expected, atol=1e-6)

    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True, compile=False)
    np.testing.assert_array_equal(numbers(loaded(PIXELS)), numbers(model(PIXELS)))
    frozen, above = cut(loaded, BOUNDARY)
    features = numbers(frozen(PIXELS))
    assert features.shape == ((4, 2, *features.shape[2:]) if mirror else (4, features.shape[1]))
    np.testing.assert_allclose(numbers(above(features)), expected, atol=1e-6)
    joined = np.concatenate([numbers(branch(PIXELS)) for branch in branches(frozen)], axis=-1)
    np.testing.assert_array_equal(joined, features)
    assert len(branches(frozen)) == num_trunks
    shown = numbers(logits_of(above)(features))
    assert shown.shape == (4, layers[[layer.name for layer in layers].index(LOGITS)].units)

    again, head_again = take_apart(loaded, [one.backbone for one in networks])
    for one, other in zip(networks, again, strict=True):
        assert fingerprint(one.model) == fingerprint(other.model)
        assert [layer.name for layer in one.model.layers] == [layer.name for layer in other.model.layers]
    np.testing.assert_allclose(by_hand(again, head_again, mirror), expected, atol=1e-6)
    assert [layer.name for layer in head_again] == [layer.name for layer in layers]


def test_compose__each_backbone_is_the_frozen_part_that_it_is_alone():
    networks, layers = make(2, Head())
    frozen, _ = cut(compose(networks, layers), BOUNDARY)
    assert [fingerprint(branch) for branch in branches(frozen)] == [
        fingerprint(one.model) for one in networks
    ]
    assert {"large.conv", "small.conv", "small.preprocess_resize"} <= {layer.name for layer in frozen.layers}


def test_compose__copies_are_not_touched_by_what_the_parts_learn():
    networks, layers = make(2, Head())
    model = compose(networks, layers)
    before = numbers(model(PIXELS))
    networks[0].model.get_layer("conv").kernel.assign_add(
        keras.ops.ones_like(networks[0].model.get_layer("conv").kernel)
    )
    np.testing.assert_array_equal(numbers(model(PIXELS)), before)


def test_compose__openvino_runs_all_of_it(tmp_path):
    networks, layers = make(2, Head())
    model = compose(networks, layers, flip=True)
    graph = OpenVinoGraph(model, precision="f32", folder=tmp_path / "graph")
    found = np.stack([outputs[0] for outputs in graph.run_all(PIXELS.astype(np.uint8))])
    np.testing.assert_allclose(found, numbers(model(PIXELS)), atol=1e-5)


@pytest.mark.parametrize("logits", ["per-class", "single"])
def test_mean_layers__is_the_mean_of_the_logits_each_at_its_temperature(logits):
    head, rng = Head(logits=logits), np.random.default_rng(3)
    heads = [head_layers(head, 2, seed) for seed in (1, 2)]
    models = [head_model(to_logits(layers), width) for layers, width in zip(heads, (4, 6), strict=True)]
    for model in models:
        model.set_weights([weight + rng.random(weight.shape, np.float32) for weight in model.get_weights()])
    vectors = [rng.random((5, width), np.float32) for width in (4, 6)]
    expected = np.mean(
        [numbers(model(vector)) / t for model, vector, t in zip(models, vectors, (0.5, 2.0), strict=True)],
        axis=0,
    )
    joint = head_model(to_logits(mean_layers(heads, (0.5, 2.0), head)), 10)
    np.testing.assert_allclose(numbers(joint(np.concatenate(vectors, axis=1))), expected, rtol=1e-5)


def test_mean_layers__of_several_labels_each_with_its_scaling():
    rng, scalings = np.random.default_rng(3), (LabelScaling((2.0, 0.5), (1.0, -1.0)), 2.0)
    heads = [head_layers(Head(), 2, seed, "sigmoid") for seed in (1, 2)]
    models = [head_model(to_logits(layers), width) for layers, width in zip(heads, (4, 6), strict=True)]
    for model in models:
        model.set_weights([weight + rng.random(weight.shape, np.float32) for weight in model.get_weights()])
    vectors = [rng.random((5, width), np.float32) for width in (4, 6)]
    each = [
        scaled(numbers(model(vector)), scaling)
        for model, vector, scaling in zip(models, vectors, scalings, strict=True)
    ]
    joint = head_model(mean_layers(heads, scalings, activation="sigmoid"), 10)
    found = numbers(joint(np.concatenate(vectors, axis=1)))
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-np.mean(each, axis=0))), rtol=1e-5)


@pytest.mark.parametrize(("num", "flip"), [(1, False), (1, True), (2, False)])
def test_compose__at_a_temperature_leaves_the_layers_that_are_trained_alone(num, flip):
    networks, layers = make(num, Head(dropout=0.5))
    before = [layer.get_weights() for layer in layers]
    raw = compose(networks, layers, flip=flip)
    divided = compose(networks, layers, flip=flip, scaling=2.5)
    kernel, bias = raw.get_layer(LOGITS).get_weights()
    found = divided.get_layer(LOGITS).get_weights()
    np.testing.assert_array_equal(found[0], kernel / np.float32(2.5))
    np.testing.assert_array_equal(found[1], bias / np.float32(2.5))
    for layer, weights in zip(layers, before, strict=True):
        for old, new in zip(weights, layer.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
    if (num, flip) == (1, False):
        # Others have layers that Keras numbers.
        assert divided.get_config() == raw.get_config()
