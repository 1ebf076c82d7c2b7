"""One contract for every backbone of the registry."""

import dataclasses
import functools
import gc
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image

from budwood.backbones.backbone import Backbone
from budwood.backbones.registry import BACKBONES
from budwood.core.errors import BackboneError, WeightsError
from budwood.features.engines.openvino import OpenVinoGraph
from budwood.inference.grad_cam import GradCam
from budwood.network.graph import cut, cut_points, fingerprint

SIZE = 64


def lite(pixels: np.ndarray) -> np.ndarray:
    return (pixels - 127) / 128


def by_128(pixels: np.ndarray) -> np.ndarray:
    return pixels / 128 - 1


def style(mode: str):
    return functools.partial(keras.applications.imagenet_utils.preprocess_input, mode=mode)


# By family, or by name where a family has two. Keras's function changes nothing where the network preprocesses by
# itself: there it is what the network's first layers do, against which test_applications.py holds ours.
PREPROCESSED = {
    "EfficientNet-Lite": lite,
    "MobileNet": keras.applications.mobilenet_v2.preprocess_input,
    "EfficientNet": style("torch"),
    "EfficientNetV2": style("torch"),
    "efficientnet_v2s": by_128,
    "efficientnet_v2m": by_128,
    "efficientnet_v2l": by_128,
    "ResNet": keras.applications.resnet.preprocess_input,
    "ResNetV2": keras.applications.resnet_v2.preprocess_input,
    "ConvNeXt": style("torch"),
    "DenseNet": keras.applications.densenet.preprocess_input,
    "Xception": keras.applications.xception.preprocess_input,
    "Inception": keras.applications.inception_v3.preprocess_input,
    "InceptionResNet": keras.applications.inception_resnet_v2.preprocess_input,
    "NASNet": keras.applications.nasnet.preprocess_input,
    "VGG": keras.applications.vgg16.preprocess_input,
}
# As the authors count them, and the stem.
BLOCKS = {
    "EfficientNet-Lite": 8,
    "mobilenet": 14,
    "mobilenet_v2": 18,
    "mobilenet_v3_small": 12,
    "mobilenet_v3_large": 16,
    "EfficientNet": 8,
    "EfficientNetV2": 7,
    "efficientnet_v2m": 8,
    "efficientnet_v2l": 8,
    "resnet50": 17,
    "resnet101": 34,
    "resnet152": 51,
    "resnet50_v2": 17,
    "resnet101_v2": 34,
    "resnet152_v2": 51,
    "convnext_tiny": 19,
    "ConvNeXt": 37,
    "DenseNet": 5,
    "Xception": 14,
    "inception_v3": 12,
    "inception_resnet_v2": 44,
    "nasnet_mobile": 17,
    "nasnet_large": 23,
    "VGG": 5,
}
BRANCHES = {
    "EfficientNet-Lite": "block2b_dwconv",
    "mobilenet": None,
    "mobilenet_v2": "block_2_depthwise",
    "mobilenet_v3_small": "expanded_conv_2_depthwise",
    "mobilenet_v3_large": "expanded_conv_2_depthwise",
    "efficientnet_b0": "block1a_se_reduce",
    "EfficientNet": "block2b_dwconv",
    "EfficientNetV2": "block5b_dwconv2",
    "ResNet": "conv2_block1_0_conv",
    "ResNetV2": "conv2_block1_0_conv",
    "ConvNeXt": "{name}_stage_0_block_0_layer_scale",
    "DenseNet": "conv2_block1_1_conv",
    "Xception": "block2_sepconv1",
    "inception_v3": "conv2d_5",
    "inception_resnet_v2": "block35_1_conv",
    "NASNet": "normal_concat_1",
    "VGG": None,
}
WITHOUT_BATCH_NORM = {"ConvNeXt", "VGG"}
SMALL_MEMBERS = {
    *("efficientnet_lite0", "mobilenet", "mobilenet_v2", "mobilenet_v3_small"),
    *("resnet50", "resnet50_v2", "convnext_tiny", "xception", "vgg16"),
}
BaseConvolutions = keras.layers.Conv2D | keras.layers.DepthwiseConv2D | keras.layers.SeparableConv2D
# What copies a network's layers (the mark `copies`) takes seconds and knows nothing of families. In the fast tier it
# meets each way of building once: Lite, as built, made plain, with stochastic depth, without BatchNorm.
COPIED = {"efficientnet_lite0", "mobilenet", "mobilenet_v3_small", "vgg16"}
NAMES = [name if name in SMALL_MEMBERS else pytest.param(name, marks=pytest.mark.slow) for name in BACKBONES]


def of(table: dict, backbone: Backbone):
    known = backbone.name in table or backbone.family in table
    assert known, f"add {backbone.name} or {backbone.family} to the tables at the head of this file"
    return table[backbone.name] if backbone.name in table else table[backbone.family]


def size_of(backbone: Backbone) -> int:
    return max(SIZE, backbone.min_size)


@pytest.fixture(scope="module", params=NAMES)
def built(request) -> SimpleNamespace:
    """A backbone with random weights and BatchNorm statistics that hide no mistake, under a small head."""
    backbone = BACKBONES[request.param]
    network = backbone.build(size_of(backbone), weights="random")
    unshaken = network.get_weights()
    shake_batch_norm(network)
    x = keras.layers.GlobalAveragePooling2D(name="pooling")(network.output)
    x = keras.layers.Dense(3, name="head_logits", kernel_initializer=keras.initializers.RandomNormal(seed=1))(
        x
    )
    x = keras.layers.Activation("softmax", name="probabilities")(x)
    whole = keras.Model(network.input, x)
    values = pixels(size_of(backbone))
    yield SimpleNamespace(backbone=backbone, network=network, whole=whole, unshaken=unshaken, pixels=values)
    # The largest have billions of bytes, and the next one comes.
    gc.collect()


@pytest.fixture(scope="module")
def others(built, tmp_path_factory) -> list[keras.Model]:
    """The backbone at other sizes: drawn from the seed of `built`, and from another with the weights that it has, in a
    file, and with more stochastic depth where it has some by itself."""
    backbone, file = built.backbone, tmp_path_factory.mktemp("own") / "own.weights.h5"
    built.network.save_weights(file)
    return [
        backbone.build(max(75, backbone.min_size + 2), weights="random", seed=0),
        backbone.build(
            backbone.min_size,
            weights=file,
            seed=1,
            drop_connect_rate=0.4 if backbone.drop_connect_rate else "auto",
        ),
    ]


def pixels(size: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (2, size, size, 3)).astype("float32")


def run(model: keras.Model, values: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(values, training=False))


def shake_batch_norm(model: keras.Model) -> None:
    """And the scales of ConvNeXt, which begin so small that its blocks would count for nothing."""
    rng = np.random.default_rng(7)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            uniform, normal = (
                draw(size=layer.moving_mean.shape) for draw in (rng.random, rng.standard_normal)
            )
            drawn = {"gamma": 0.5 + 1.5 * uniform, "beta": 0.5 * normal}
            drawn |= {"moving_mean": 0.5 * normal[::-1], "moving_variance": 0.5 + 1.5 * uniform[::-1]}
            for weight in layer.weights:
                weight.assign(drawn[weight.name])
        elif layer.name.endswith("_layer_scale"):
            layer.set_weights([rng.uniform(0.3, 1.0, layer.weights[0].shape)])


def assert_preprocessed(model: keras.Model, built: SimpleNamespace) -> None:
    given = run(cut(model, "preprocess")[0], built.pixels)
    expected = of(PREPROCESSED, built.backbone)(built.pixels.copy())
    np.testing.assert_allclose(given, expected, rtol=1e-6, atol=1e-5)


def test_build__takes_raw_pixels_and_gives_a_feature_map(built):
    backbone, network = built.backbone, built.network
    assert network.input.name == "pixels"
    assert network.input_shape == (None, *built.pixels.shape[1:])
    assert network.output_shape[-1] == backbone.features
    assert (
        sum(network.get_layer(name).count_params() for name in backbone.layers(network))
        == backbone.parameters
    )
    # As float64: random weights take the largest networks beyond what float32 can square.
    assert run(network, built.pixels).astype(np.float64).std() > 1e-3


def test_build__preprocesses_as_the_network_was_trained(built):
    assert_preprocessed(built.network, built)


@pytest.mark.parametrize("name", BACKBONES)
def test_preprocess__is_as_the_network_was_trained_and_a_wrong_one_would_be_noticed(name):
    # The network above the pixels has no part in it, so a stand-in saves the time.
    stand_in = dataclasses.replace(BACKBONES[name], network=keras.layers.ReLU(), drop_connect_rate=None)
    seen = SimpleNamespace(backbone=stand_in, pixels=pixels(size_of(stand_in)))
    assert_preprocessed(stand_in.build(size_of(stand_in), weights="random"), seen)
    wrong = keras.layers.Rescaling(1 / 127, offset=-1.0, name="preprocess")
    model = dataclasses.replace(stand_in, preprocess=wrong).build(size_of(stand_in), weights="random")
    with pytest.raises(AssertionError):
        assert_preprocessed(model, seen)


def test_build__is_flat_and_of_plain_keras_layers(built):
    assert not any(isinstance(layer, keras.Model) for layer in built.network.layers)
    assert all(type(layer).__module__.startswith("keras.") for layer in built.network.layers)


def test_build__has_batch_norm_or_none(built):
    norms = [layer for layer in built.network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert (built.backbone.family in WITHOUT_BATCH_NORM) == (not norms)


@pytest.mark.copies
def test_build__saved_and_loaded_in_safe_mode_gives_the_same(built, tmp_path):
    file = tmp_path / "model.keras"
    built.whole.save(file)
    loaded = keras.models.load_model(file, safe_mode=True)
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in built.whole.layers]
    np.testing.assert_array_equal(run(loaded, built.pixels), run(built.whole, built.pixels))
    frozen = cut(loaded, built.backbone.last)[0]
    assert fingerprint(frozen) == fingerprint(built.network)


@pytest.mark.slow
def test_build__inference_engine_agrees(built, tmp_path):
    pytest.importorskip("openvino")
    values = built.pixels.round().astype("uint8")
    # Higher up, random weights turn the last bits of a photo into other features altogether.
    points = cut_points(built.network)
    ends = [block[-1] for block in built.backbone.blocks(built.network)[:4] if block[-1] in points]
    bottom, _ = cut(built.network, ends[-1])
    graph = OpenVinoGraph(bottom, precision="f32", folder=tmp_path / "graph")
    expected = run(bottom, values.astype("float32"))
    found = np.stack([outputs[0] for outputs in graph.run_all(values)])
    assert np.linalg.norm(found - expected) < 1e-4 * np.linalg.norm(expected)


@pytest.mark.copies
def test_build__cut_anywhere_and_composed_equals_the_whole(built):
    points = cut_points(built.whole)
    stem, end = built.backbone.blocks(built.network)[0], built.backbone.last
    # Every kind: pixels, stem, inside of and between blocks, after an addition, the end, in the head; of the smallest
    # graph every sixth boundary too (test_cut.py takes every one of a small graph).
    kinds = ["pixels", "preprocess", stem[0], stem[-1], end, "pooling", "probabilities"]
    kinds += [unit[-1] for unit in built.backbone.blocks(built.network) if unit[-1] in points][1:-1:12]
    kinds += [name for name in points if name.endswith(("_add", "_dwconv", "depthwise"))][::12]
    chosen = kinds + points[::6] if built.backbone.name == "mobilenet" else kinds
    assert set(chosen) <= set(points)
    expected = run(built.whole, built.pixels)
    for at in chosen:
        frozen, trainable = cut(built.whole, at)
        composed = run(trainable, run(frozen, built.pixels))
        np.testing.assert_allclose(composed, expected, rtol=1e-5, atol=1e-6, err_msg=at)


def test_build__a_boundary_inside_a_branch_is_none(built):
    branch = of(BRANCHES, built.backbone)
    if branch is None:
        assert len(cut_points(built.network)) == len(built.network.layers)
    else:
        branch = branch.format(name=built.backbone.name)
        assert branch in built.backbone.layers(built.network)
        assert branch not in cut_points(built.network)


@pytest.mark.copies
def test_build__grad_cam_is_what_a_linear_head_weighs(built):
    """The weights of the channels are known in closed form: the class's less the others', as probable as they are."""
    tf = pytest.importorskip("tensorflow")
    pictures = built.pixels.astype(np.uint8)
    # Traced, as there: random weights turn the last bits of a photo into other features altogether.
    maps = np.asarray(
        tf.function(lambda values: built.network(values, training=False))(pictures.astype(np.float32))
    )
    head = built.whole.get_layer("head_logits")
    kernel, bias = head.get_weights()
    # Random networks give features of any size: brought to logits of which no class is certain.
    small = kernel / np.abs(maps.mean(axis=(1, 2)) @ kernel).max()
    targets = np.arange(len(maps)) % 3
    head.set_weights([small, bias])
    try:
        found = GradCam(built.whole, pooled=["pooling"], logits="head_logits").maps(pictures, targets)
    finally:
        head.set_weights([kernel, bias])
    side = pictures.shape[1]
    assert found.shape == (len(maps), side, side) and np.isfinite(found).all()
    for number, target in enumerate(targets):
        logits = maps[number].mean(axis=(0, 1), dtype=np.float64) @ small
        logits[target] = -np.inf
        others = np.exp(logits - logits.max())
        cells = (maps[number] @ (small[:, target] - small @ others / others.sum())).astype(np.float32)
        image = Image.fromarray(cells).resize((side, side), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(found[number], np.maximum(image, 0), atol=2e-3 * np.abs(cells).max())


def test_layers__are_the_networks_own(built):
    names = built.backbone.layers(built.whole)
    assert names[0] == "pixels"
    assert names[-1] == built.backbone.last
    assert names == built.backbone.layers(built.network)
    assert "preprocess" not in names


@pytest.mark.copies
def test_layers__are_named_alike_whatever_was_built_before(built, others):
    names = built.backbone.layers(built.network)
    assert all(names == built.backbone.layers(other) for other in others)


def test_blocks__hold_every_layer_once_in_order(built):
    blocks = built.backbone.blocks(built.whole)
    assert len(blocks) == of(BLOCKS, built.backbone)
    assert [name for block in blocks for name in block] == built.backbone.layers(built.network)[1:]


def test_blocks__end_where_the_model_can_be_cut(built):
    points = cut_points(built.network)
    ends = [block[-1] for block in built.backbone.blocks(built.network)]
    if built.backbone.family == "NASNet":
        assert [end for end in ends if end in points] == [ends[0], ends[-1]]
    else:
        assert set(ends) <= set(points)


@pytest.mark.copies
def test_build__random_weights_follow_the_seed_alone(built, others):
    assert all(map(np.array_equal, others[0].get_weights(), built.unshaken))


def test_build__another_seed_draws_other_weights():
    one, other = (BACKBONES["mobilenet_v2"].build(32, weights="random", seed=seed) for seed in (0, 1))
    kernels = [layer.name for layer in one.layers if isinstance(layer, BaseConvolutions)]
    assert len(kernels) > 50
    for name in kernels:
        values = [model.get_layer(name).get_weights()[0] for model in (one, other)]
        assert np.mean(values[0] == values[1]) < 0.01, name


def dropout(model: keras.Model) -> list[keras.layers.Dropout]:
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]


@pytest.mark.copies
def test_build__dropout_follows_the_seed_alone(built, others):
    seeds, same, different = ([layer.seed for layer in dropout(model)] for model in (built.network, *others))
    assert seeds == same
    assert all(isinstance(seed, int) for seed in seeds)
    assert len(set(seeds) | set(different)) == 2 * len(seeds)


@pytest.mark.copies
def test_build__stochastic_depth_as_asked(built, others):
    if built.backbone.drop_connect_rate is None:
        with pytest.raises(BackboneError, match=f"{built.backbone.name} has no stochastic depth"):
            built.backbone.build(weights="random", drop_connect_rate=0.4)
        built.backbone._network(0.0, seed=0)
        return
    model = others[1]
    if not built.backbone.drop_connect_rate:
        size = model.input_shape[1]
        model = built.backbone.build(size, weights="random", seed=1, drop_connect_rate=0.4)
        # Nothing but training changes.
        assert fingerprint(model) == fingerprint(built.backbone.build(size, weights="random", seed=1))
    rates = [layer.rate for layer in dropout(model)]
    assert all(layer.name.startswith("block") and layer.name.endswith("_drop") for layer in dropout(model))
    assert rates == sorted(rates) and 0 < rates[0] < 0.1 and 0.3 < rates[-1] < 0.4 + 1e-9


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_build__refuses_rates_that_are_no_chance(built, rate):
    with pytest.raises(BackboneError, match=f"drop_connect_rate = {rate}"):
        built.backbone.build(weights="random", drop_connect_rate=rate)


@pytest.mark.copies
def test_build__takes_sizes_other_than_its_own(built, others):
    for model in others:
        size = model.input_shape[1]
        _, height, width, channels = model.output_shape
        # The Inceptions lose an edge at many a layer.
        least = 1 if built.backbone.family.startswith("Inception") else size // 32
        assert least <= height == width <= -(-size // 32)
        assert channels == built.backbone.features


def test_build__refuses_sizes_too_small(built):
    smallest = built.backbone.min_size
    for size in (0, -224, smallest - 1):
        with pytest.raises(BackboneError, match=f"pictures of {size} px.*at least {smallest}"):
            built.backbone.build(size, weights="random")


def test_build__missing_file_is_told(built, tmp_path):
    with pytest.raises(WeightsError, match=r"no weights file .*none\.h5"):
        built.backbone.build(weights=tmp_path / "none.h5")


@pytest.mark.copies
def test_build__own_saved_weights_come_back(built, others):
    """In the same graph, but for its size and what dropout does in training."""
    again = others[1]
    assert all(map(np.array_equal, again.get_weights(), built.network.get_weights()))
    for one, other in zip(built.network.layers, again.layers, strict=True):
        assert type(one) is type(other)
        if not isinstance(one, keras.layers.InputLayer | keras.layers.Dropout):
            assert computed(one) == computed(other)


def computed(layer: keras.layers.Layer) -> dict:
    """What a layer does, without how its weights are drawn."""
    return {key: value for key, value in layer.get_config().items() if not key.endswith("_initializer")}


def test_where__says_a_place(built):
    assert any(
        word in str(built.backbone.where())
        for word in ("installed", "downloaded", "published", "in the mirror")
    )


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
