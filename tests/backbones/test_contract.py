"""One contract for every backbone of the registry."""

import dataclasses
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from budwood.backbones.registry import BACKBONES
from budwood.errors import BackboneError, WeightsError
from budwood.features.cut import cut, cut_points, fingerprint
from budwood.features.openvino_graph import OpenVinoGraph

SIZE = 64
OTHER_SIZES = (75, 32)


def lite(pixels: np.ndarray) -> np.ndarray:
    return (pixels - 127) / 128


def torch_style(pixels: np.ndarray) -> np.ndarray:
    return keras.applications.imagenet_utils.preprocess_input(pixels, mode="torch")


PREPROCESSED = {
    "efficientnet_lite0": lite,
    "efficientnet_lite1": lite,
    "efficientnet_lite2": lite,
    "mobilenet": keras.applications.mobilenet.preprocess_input,
    "mobilenet_v2": keras.applications.mobilenet_v2.preprocess_input,
    # Keras's function for them changes nothing: the network preprocesses by itself (test_applications.py).
    "efficientnet_b0": torch_style,
    "efficientnet_b3": torch_style,
    "efficientnet_v2b0": torch_style,
    "resnet50": keras.applications.resnet50.preprocess_input,
}
# As in Keras, less what preprocesses there: B0 and B3 have 2 layers of it, V2B0 too.
LAYERS = {
    "efficientnet_lite0": 141,
    "efficientnet_lite1": 186,
    "efficientnet_lite2": 186,
    "mobilenet": 86,
    "mobilenet_v2": 154,
    "efficientnet_b0": 235,
    "efficientnet_b3": 382,
    "efficientnet_v2b0": 268,
    "resnet50": 175,
}
BLOCKS = {
    "efficientnet_lite0": 8,
    "efficientnet_lite1": 8,
    "efficientnet_lite2": 8,
    "mobilenet": 14,
    "mobilenet_v2": 18,
    "efficientnet_b0": 8,
    "efficientnet_b3": 8,
    "efficientnet_v2b0": 7,
    "resnet50": 17,
}
BRANCHES = {
    "efficientnet_lite0": "block2b_dwconv",
    "efficientnet_lite1": "block2b_dwconv",
    "efficientnet_lite2": "block2b_dwconv",
    "mobilenet": None,
    "mobilenet_v2": "block_2_depthwise",
    "efficientnet_b0": "block1a_se_reduce",
    "efficientnet_b3": "block2b_dwconv",
    "efficientnet_v2b0": "block5b_dwconv2",
    "resnet50": "conv2_block1_0_conv",
}


# B3 is B0 with more of the same, and three times the work.
NAMES = [
    pytest.param(name, marks=pytest.mark.slow) if name == "efficientnet_b3" else name for name in BACKBONES
]


@pytest.fixture(scope="module", params=NAMES)
def built(request) -> SimpleNamespace:
    """A backbone with random weights and BatchNorm statistics that hide no mistake, under a small head."""
    backbone = BACKBONES[request.param]
    trunk = backbone.build(SIZE, weights="random")
    unshaken = trunk.get_weights()
    shake_batch_norm(trunk)
    x = keras.layers.GlobalAveragePooling2D(name="pooling")(trunk.output)
    x = keras.layers.Dense(3, name="head_logits", kernel_initializer=keras.initializers.RandomNormal(seed=1))(
        x
    )
    x = keras.layers.Activation("softmax", name="probabilities")(x)
    whole = keras.Model(trunk.input, x)
    return SimpleNamespace(backbone=backbone, trunk=trunk, whole=whole, unshaken=unshaken)


@pytest.fixture(scope="module")
def others(built) -> list[keras.Model]:
    """The backbone at other sizes; the seed of the first is that of `built`."""
    return [built.backbone.build(size, weights="random", seed=seed) for seed, size in enumerate(OTHER_SIZES)]


def pixels(size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (2, size, size, 3)).astype("float32")


def run(model: keras.Model, values: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(values, training=False))


def shake_batch_norm(model: keras.Model) -> None:
    rng = np.random.default_rng(7)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.gamma.shape
            uniform, normal = rng.uniform(0.5, 2.0, (2, *shape)), rng.normal(0.0, 0.5, (2, *shape))
            layer.set_weights([uniform[0], normal[0], normal[1], uniform[1]])


def assert_preprocessed(model: keras.Model, name: str) -> None:
    given = run(cut(model, "preprocess")[0], pixels())
    np.testing.assert_allclose(given, PREPROCESSED[name](pixels()), rtol=1e-6, atol=1e-5)


def test_build__takes_raw_pixels_and_gives_a_feature_map(built):
    backbone, trunk = built.backbone, built.trunk
    assert trunk.input.name == "pixels"
    assert trunk.input_shape == (None, SIZE, SIZE, 3)
    assert trunk.output_shape[-1] == backbone.features
    assert sum(trunk.get_layer(name).count_params() for name in backbone.layers(trunk)) == backbone.parameters
    assert run(trunk, pixels()).std() > 1e-3


def test_build__preprocesses_as_the_network_was_trained(built):
    assert_preprocessed(built.trunk, built.backbone.name)


def test_build__wrong_preprocessing_would_be_noticed(built):
    wrong = keras.layers.Rescaling(1 / 127, offset=-1.0, name="preprocess")

    # The network above the pixels has no part in it, so a stand-in saves the time.
    backbone = dataclasses.replace(
        built.backbone, preprocess=wrong, network=keras.layers.ReLU(), drop_connect_rate=None
    )
    model = backbone.build(SIZE, weights="random")
    with pytest.raises(AssertionError):
        assert_preprocessed(model, built.backbone.name)


def test_build__is_flat_and_of_plain_keras_layers(built):
    assert not any(isinstance(layer, keras.Model) for layer in built.trunk.layers)
    assert all(type(layer).__module__.startswith("keras.") for layer in built.trunk.layers)


def test_build__saved_and_loaded_in_safe_mode_gives_the_same(built, tmp_path):
    file = tmp_path / "model.keras"
    built.whole.save(file)
    loaded = keras.models.load_model(file, safe_mode=True)
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in built.whole.layers]
    np.testing.assert_array_equal(run(loaded, pixels()), run(built.whole, pixels()))
    frozen = cut(loaded, built.backbone.last)[0]
    assert fingerprint(frozen) == fingerprint(built.trunk)


@pytest.mark.slow
def test_build__inference_engine_agrees(built, tmp_path):
    pytest.importorskip("openvino")
    values = pixels().round().astype("uint8")
    # Higher up, random weights turn the last bits of a photo into other features altogether.
    bottom, _ = cut(built.trunk, built.backbone.blocks(built.trunk)[3][-1])
    graph = OpenVinoGraph(bottom, precision="f32", folder=tmp_path / "graph")
    expected = run(bottom, values.astype("float32"))
    np.testing.assert_allclose(
        np.stack(list(graph.run(values))), expected, atol=1e-4 * np.abs(expected).max()
    )


def test_build__cut_anywhere_and_composed_equals_the_whole(built):
    points = cut_points(built.whole)
    stem, end = built.backbone.blocks(built.trunk)[0], built.backbone.last
    # Every kind: pixels, stem, inside of and between blocks, after an addition, the end, in the head; of the smallest
    # graph every third boundary too (test_cut.py takes every one of a small graph).
    kinds = ["pixels", "preprocess", stem[0], stem[-1], end, "pooling", "probabilities"]
    kinds += [unit[-1] for unit in built.backbone.blocks(built.trunk) if unit[-1] in points][1:-1:6]
    kinds += [name for name in points if name.endswith(("_add", "_dwconv", "depthwise"))][::6]
    chosen = kinds + points[::3] if built.backbone.name == "mobilenet" else kinds
    assert set(chosen) <= set(points)
    expected = run(built.whole, pixels())
    for at in chosen:
        frozen, trainable = cut(built.whole, at)
        composed = run(trainable, run(frozen, pixels()))
        np.testing.assert_allclose(composed, expected, rtol=1e-5, atol=1e-6, err_msg=at)


def test_build__a_boundary_inside_a_branch_is_none(built):
    branch = BRANCHES[built.backbone.name]
    if branch is None:
        assert len(cut_points(built.trunk)) == len(built.trunk.layers)
    else:
        assert branch in built.backbone.layers(built.trunk)
        assert branch not in cut_points(built.trunk)


def test_layers__are_the_networks_own(built):
    names = built.backbone.layers(built.whole)
    assert len(names) == LAYERS[built.backbone.name]
    assert names[0] == "pixels"
    assert names[-1] == built.backbone.last
    assert names == built.backbone.layers(built.trunk)
    assert "preprocess" not in names


def test_blocks__hold_every_layer_once_in_order(built):
    blocks = built.backbone.blocks(built.whole)
    assert len(blocks) == BLOCKS[built.backbone.name]
    assert [name for block in blocks for name in block] == built.backbone.layers(built.trunk)[1:]


def test_blocks__end_where_the_model_can_be_cut(built):
    points = cut_points(built.trunk)
    assert all(block[-1] in points for block in built.backbone.blocks(built.trunk))


def test_build__random_weights_follow_the_seed_alone(built, others):
    same, different = (model.get_weights() for model in others)
    assert all(map(np.array_equal, same, built.unshaken))
    assert not all(map(np.array_equal, different, built.unshaken))


def dropout(model: keras.Model) -> list[keras.layers.Dropout]:
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]


def test_build__dropout_follows_the_seed_alone(built, others):
    seeds, same, different = ([layer.seed for layer in dropout(model)] for model in (built.trunk, *others))
    assert seeds == same
    assert all(isinstance(seed, int) for seed in seeds)
    assert len(set(seeds) | set(different)) == 2 * len(seeds)


def test_build__stochastic_depth_as_asked(built, others):
    if built.backbone.drop_connect_rate is None:
        with pytest.raises(BackboneError, match=f"{built.backbone.name} has no stochastic depth"):
            built.backbone.build(SIZE, weights="random", drop_connect_rate=0.4)
        built.backbone._network(0.0, seed=0)
        return
    own = others[1]
    model = built.backbone.build(own.input_shape[1], weights="random", seed=1, drop_connect_rate=0.4)
    rates = [layer.rate for layer in dropout(model)]
    assert all(layer.name.startswith("block") and layer.name.endswith("_drop") for layer in dropout(model))
    assert rates == sorted(rates) and 0 < rates[0] < 0.1 and 0.3 < rates[-1] < 0.4
    # Nothing but training changes.
    assert fingerprint(model) == fingerprint(own)


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_build__refuses_rates_that_are_no_chance(built, rate):
    with pytest.raises(BackboneError, match=f"drop_connect_rate = {rate}"):
        built.backbone.build(SIZE, weights="random", drop_connect_rate=rate)


def test_build__takes_sizes_other_than_its_own(built, others):
    for model, size in zip(others, OTHER_SIZES, strict=True):
        assert model.input_shape == (None, size, size, 3)
        _, height, width, channels = model.output_shape
        assert size // 32 <= height == width <= -(-size // 32)
        assert channels == built.backbone.features


@pytest.mark.parametrize("size", [0, 31, -224])
def test_build__refuses_sizes_too_small(built, size):
    with pytest.raises(BackboneError, match=f"{size} px.*at least 32"):
        built.backbone.build(size, weights="random")


def test_build__missing_file_is_told(built, tmp_path):
    with pytest.raises(WeightsError, match=r"no weights file .*none\.h5"):
        built.backbone.build(SIZE, weights=tmp_path / "none.h5")


def test_build__own_saved_weights_come_back(built, tmp_path):
    file = tmp_path / "own.weights.h5"
    built.trunk.save_weights(file)
    again = built.backbone.build(SIZE, weights=file)
    assert fingerprint(again) == fingerprint(built.trunk)


def test_where__says_a_place(built):
    assert any(word in built.backbone.where() for word in ("installed", "downloaded"))


def test_build__larger_pictures_are_made_smaller_inside():
    backbone = BACKBONES["mobilenet"]
    model, seen = (backbone.build(64, weights="random", pixels=pixels) for pixels in (96, None))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3)).astype(np.float32)
    smaller = keras.ops.image.resize(pixels, (64, 64), interpolation="bilinear")
    assert model.input.shape == (None, 96, 96, 3) and model.output.shape == seen.output.shape
    # Not told that it is no training: BatchNorm must keep its statistics all the same.
    np.testing.assert_allclose(np.asarray(model(pixels)), np.asarray(seen(smaller)), rtol=1e-4, atol=1e-5)
    assert backbone.layers(model) == backbone.layers(seen)
    assert backbone.blocks(model) == backbone.blocks(seen)
    assert fingerprint(model) != fingerprint(seen)
