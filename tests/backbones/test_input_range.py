import dataclasses
from collections.abc import Callable
from functools import cache, reduce
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image, ImageFilter

from budwood.backbones.input_range import MAX_VIEWS, RANGES, check_input_range
from budwood.backbones.registry import BACKBONES, get_backbone
from budwood.data import images
from budwood.data.sample_datasets import write_digits

FILES = {
    "mobilenet_v2": "mobilenet_v2_1.0_224_no_top.weights.h5",
    "mobilenet": "mobilenet_1.0_224_no_top.weights.h5",
}
PHOTOS = ("flower_photos", "cats_and_dogs", "oxford_flowers12")
MEAN = np.array([0.485, 0.456, 0.406])
DEVIATION = np.array([0.229, 0.224, 0.225])


QUICK = [
    "mobilenet",
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("mobilenet_v2", "efficientnet_lite0")),
]


def rescaling(scale=1.0, offset=0.0) -> keras.layers.Layer:
    return keras.layers.Rescaling(scale, offset, name="preprocess")


PREPROCESSING = {
    "[-1, 1]": lambda pixels: rescaling(1 / 127.5, -1.0)(pixels),
    "[0, 1]": lambda pixels: rescaling(1 / 255)(pixels),
    "[0, 255]": lambda pixels: rescaling()(pixels),
    "torch": lambda pixels: rescaling(list(1 / 255 / DEVIATION), list(-MEAN / DEVIATION))(pixels),
    "caffe": lambda pixels: rescaling(1.0, [-103.939, -116.779, -123.68])(pixels[..., ::-1]),
}


WRONG = {name: preprocess for name, preprocess in PREPROCESSING.items() if name != "[-1, 1]"}
WRONG["0 to 0.5"] = lambda pixels: rescaling(1 / 510)(pixels)


def views_of(folder: Path, size: int, count: int, seed: int = 0) -> np.ndarray:
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".jpg", ".png"))
    chosen = np.random.default_rng(seed).permutation(len(files))[:count]
    return np.stack([images.view(files[index], size) for index in chosen])


@pytest.fixture(scope="module")
def photos(test_data) -> Callable[..., np.ndarray]:
    """Views of photos of a data set, decoded once."""

    @cache
    def views(name: str, size: int = 96, count: int = 30, seed: int = 0) -> np.ndarray:
        return views_of(test_data / "datasets" / name, size, count, seed)

    return views


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("digits") / "digits"
    write_digits(folder)
    return folder


@pytest.fixture(scope="module")
def genuine(test_data) -> Callable[[str, int], keras.Model]:
    """A backbone with the weights that it was trained to, built once."""

    @cache
    def build(name: str, size: int) -> keras.Model:
        weights = test_data / "weights" / FILES[name] if name in FILES else "imagenet"
        return get_backbone(name).build(size, weights)

    return build


def with_preprocessing(model: keras.Model, preprocess: Callable) -> keras.Model:
    """The network of `model` up to its first BatchNorm layer, under another preprocessing."""
    own = model.layers[[layer.name for layer in model.layers].index("preprocess") + 1 :]
    norm = next(
        place for place, layer in enumerate(own) if isinstance(layer, keras.layers.BatchNormalization)
    )
    stem = own[: norm + 1]

    def network(pixels, **_settings):
        return reduce(lambda x, layer: type(layer).from_config(layer.get_config())(x), stem, pixels)

    backbone = dataclasses.replace(get_backbone(model.name), preprocess=preprocess, network=network)
    built = backbone.build(model.input_shape[1], weights="random")
    for layer in stem:
        built.get_layer(layer.name).set_weights(layer.get_weights())
    return built


def trained_on(views: np.ndarray, preprocess: Callable) -> keras.Model:
    """A stem of random filters whose BatchNorm statistics are those of the views under that preprocessing."""
    pixels = keras.Input(views.shape[1:], name="pixels")
    filters = keras.initializers.GlorotNormal(seed=0)
    x = keras.layers.Conv2D(32, 3, strides=2, padding="same", kernel_initializer=filters, name="conv")(
        preprocess(pixels)
    )
    norm = keras.layers.BatchNormalization(name="norm")
    model = keras.Model(pixels, norm(x))
    given = keras.ops.convert_to_numpy(keras.Model(pixels, x)(views.astype("float32")))
    norm.moving_mean.assign(given.mean(axis=(0, 1, 2)))
    norm.moving_variance.assign(given.var(axis=(0, 1, 2)))
    return model


def assert_right(found) -> None:
    assert found.declared == found.likely == "[-1, 1]" == next(iter(found.scores))
    assert not found.suspicious
    assert found.scores["[-1, 1]"] < 0.15
    assert min(value for name, value in found.scores.items() if name != "[-1, 1]") > 0.25
    assert "fits the weights" in found.words


def assert_wrong(found, declared: str) -> None:
    assert (found.declared, found.likely) == (declared, "[-1, 1]")
    assert found.suspicious
    assert f"trained on pixels as [-1, 1], but the preprocessing gives them {declared}" in found.words


@pytest.mark.parametrize("name", QUICK)
def test_check_input_range__tells_the_right_from_each_wrong_range(name, genuine, photos):
    model = genuine(name, 96)
    wrong = {declared: with_preprocessing(model, preprocess) for declared, preprocess in WRONG.items()}
    for folder in PHOTOS:
        assert_right(check_input_range(model, photos(folder)))
        for declared, other in wrong.items():
            assert_wrong(check_input_range(other, photos(folder)), declared)


@pytest.mark.slow
@pytest.mark.parametrize("size", [96, 128, 160, 224])
@pytest.mark.parametrize(
    "name", ["mobilenet_v2", "mobilenet", "efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]
)
def test_check_input_range__is_right_at_every_size_whatever_the_photos(name, size, genuine, photos, digits):
    model = genuine(name, size)
    wrong = {declared: with_preprocessing(model, preprocess) for declared, preprocess in WRONG.items()}
    for folder in PHOTOS:
        assert_right(check_input_range(model, photos(folder, size, 256)))
        for seed in range(3):
            views = photos(folder, size, 30, seed)
            assert_right(check_input_range(model, views))
            for declared, other in wrong.items():
                assert_wrong(check_input_range(other, views), declared)
    assert not check_input_range(model, views_of(digits, size, 256)).suspicious


@pytest.mark.parametrize("name", QUICK)
def test_check_input_range__keeps_quiet_on_digits_and_noise(name, genuine, digits, colours):
    for size in (64, 160):
        model = genuine(name, size)
        for folder in (digits, colours):
            found = check_input_range(model, views_of(folder, size, 40))
            assert not found.suspicious
            assert found.words.startswith("No verdict on the input range: these pictures are unlike")


CHANGES = {
    "dark": lambda views: views * 0.3,
    "bright": lambda views: views * 0.5 + 127,
    "dull": lambda views: (views - 127.0) * 0.3 + 100,
    "harsh": lambda views: (views - 127.0) * 2 + 127,
    "grey": lambda views: np.repeat(views.mean(axis=-1, keepdims=True), 3, axis=-1),
    "green": lambda views: views * np.array([0.3, 0.9, 0.3]),
    "negative": lambda views: 255 - views,
    "silhouettes": lambda views: np.where(views.mean(axis=-1, keepdims=True) > 127, 255, [0, 0, 0]),
    "noisy": lambda views: views + np.random.default_rng(0).normal(0, 40, views.shape),
    "blurred": lambda views: np.stack(
        [Image.fromarray(view).filter(ImageFilter.GaussianBlur(4)) for view in views]
    ),
    "one colour": lambda views: np.full_like(views, 30),
}


@pytest.mark.parametrize("change", CHANGES)
def test_check_input_range__does_not_take_odd_photos_for_a_wrong_range(change, genuine, photos):
    model = genuine("mobilenet_v2", 96)
    for folder in PHOTOS[:2]:
        views = CHANGES[change](photos(folder)).clip(0, 255).astype(np.uint8)
        assert not check_input_range(model, views).suspicious


def test_check_input_range__dark_and_dull_photos_still_give_away_a_wrong_range(genuine, photos):
    model = with_preprocessing(genuine("mobilenet_v2", 96), PREPROCESSING["[0, 1]"])
    for change in ("dark", "bright", "dull"):
        views = CHANGES[change](photos("flower_photos")).clip(0, 255).astype(np.uint8)
        assert_wrong(check_input_range(model, views), "[0, 1]")


@pytest.mark.parametrize("trained", RANGES)
def test_check_input_range__knows_networks_of_every_range(trained, photos):
    network = trained_on(photos("cats_and_dogs", count=60), PREPROCESSING[trained])
    norm = network.get_layer("norm").get_weights()
    for declared in RANGES:
        model = trained_on(photos("cats_and_dogs", count=1), PREPROCESSING[declared])
        model.get_layer("norm").set_weights(norm)
        found = check_input_range(model, photos("flower_photos"))
        assert (found.declared, found.likely) == (declared, trained)
        assert found.suspicious == (declared != trained)


def test_check_input_range__notices_the_factor_that_keras_forgets(photos):
    # What Keras's EfficientNet gives weights that it takes from a file: standard deviations taken for variances.
    forgotten = np.sqrt(DEVIATION)
    network = trained_on(photos("cats_and_dogs", count=60), PREPROCESSING["torch"])
    model = trained_on(
        photos("cats_and_dogs", count=1),
        lambda pixels: rescaling(list(1 / 255 / forgotten), list(-MEAN / forgotten))(pixels),
    )
    model.get_layer("norm").set_weights(network.get_layer("norm").get_weights())
    found = check_input_range(model, photos("flower_photos"))
    assert (found.declared, found.likely, found.suspicious) == ("-1.01 to 1.25", "torch", True)


def test_check_input_range__near_ranges_are_one(photos):
    views = photos("flower_photos")
    model = trained_on(views, PREPROCESSING["[-1, 1]"])
    lite = trained_on(views[:1], lambda pixels: rescaling(1 / 128, -127 / 128)(pixels))
    lite.get_layer("norm").set_weights(model.get_layer("norm").get_weights())
    found = check_input_range(lite, views)
    assert (found.declared, found.likely, found.suspicious) == ("[-1, 1]", "[-1, 1]", False)
    assert set(found.scores) == set(RANGES)


def test_check_input_range__preprocessing_may_be_several_layers_or_none(photos):
    views = photos("flower_photos")

    def two_layers(pixels):
        halved = keras.layers.Rescaling(0.5, name="preprocess_first")(pixels)
        return rescaling(1 / 63.75, -1.0)(halved)

    one, two = trained_on(views, PREPROCESSING["[-1, 1]"]), trained_on(views, two_layers)
    assert check_input_range(two, views).declared == "[-1, 1]"
    assert check_input_range(two, views).scores == pytest.approx(
        check_input_range(one, views).scores, abs=1e-3
    )
    none = check_input_range(trained_on(views, lambda pixels: pixels), views)
    assert (none.declared, none.likely, none.suspicious) == ("[0, 255]", "[0, 255]", False)


def test_check_input_range__runs_only_the_first_layers(photos):
    views = photos("flower_photos")
    stem = trained_on(views, PREPROCESSING["[-1, 1]"])
    x = keras.layers.Conv2D(4, 3, kernel_initializer=keras.initializers.Constant(np.nan))(stem.output)
    x = keras.layers.BatchNormalization()(x)
    assert check_input_range(keras.Model(stem.input, x), views) == check_input_range(stem, views)


def test_check_input_range__takes_views_from_everywhere(photos):
    views = photos("flower_photos")[:2]
    model = trained_on(views, PREPROCESSING["[-1, 1]"])
    many = np.repeat(views, MAX_VIEWS, axis=0)
    assert check_input_range(model, many).scores == pytest.approx(
        check_input_range(model, views).scores, abs=1e-3
    )
    first = check_input_range(model, many[:MAX_VIEWS]).scores
    assert first["[-1, 1]"] != pytest.approx(check_input_range(model, many).scores["[-1, 1]"], abs=1e-3)


DECLARED = {"ResNet": "caffe", "VGG": "caffe"} | dict.fromkeys(
    ("EfficientNet", "EfficientNetV2", "ConvNeXt", "DenseNet"), "torch"
)
# Within a hundredth of it: these take pixels / 128 - 1.
DECLARED |= dict.fromkeys(("efficientnet_v2s", "efficientnet_v2m", "efficientnet_v2l"), "[-1, 1]")


@pytest.mark.parametrize("name", BACKBONES)
def test_check_input_range__names_what_each_backbone_declares(name):
    backbone = BACKBONES[name]
    stand_in = dataclasses.replace(
        backbone, network=lambda pixels, **_: keras.layers.ReLU()(pixels), min_size=32
    )
    model = stand_in.build(32, weights="random")
    expected = DECLARED.get(name, DECLARED.get(backbone.family, "[-1, 1]"))
    assert check_input_range(model, np.zeros((1, 32, 32, 3), np.uint8)).declared == expected


def no_verdict(model: keras.Model, views: np.ndarray) -> str:
    found = check_input_range(model, views)
    assert (found.declared, found.likely, found.scores) == ("[-1, 1]", "[-1, 1]", {})
    assert not found.suspicious
    return found.words


def test_check_input_range__no_verdict_where_nothing_tells():
    rng = np.random.default_rng(0)
    views = rng.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    assert "weights are random" in no_verdict(get_backbone("mobilenet_v2").build(32, weights="random"), views)
    trained = trained_on(views, PREPROCESSING["[-1, 1]"])
    assert "no photos" in no_verdict(trained, views[:0])
    trained.get_layer("norm").moving_variance.assign(np.zeros(32))
    assert "no channel that varies" in no_verdict(trained, views)
    pixels = keras.Input((32, 32, 3))
    plain = keras.Model(pixels, keras.layers.Conv2D(4, 3)(PREPROCESSING["[-1, 1]"](pixels)))
    assert "no BatchNorm" in no_verdict(plain, views)


def test_check_input_range__dead_channels_do_not_count(photos):
    views = photos("flower_photos")
    model = trained_on(views, PREPROCESSING["[-1, 1]"])
    before = check_input_range(model, views).scores
    pixels = model.input
    kernel = model.get_layer("conv").kernel
    wide = keras.layers.Conv2D(64, 3, strides=2, padding="same")
    norm = keras.layers.BatchNormalization()
    dead = keras.Model(pixels, norm(wide(model.get_layer("preprocess").output)))
    wide.set_weights([np.concatenate([kernel, np.zeros_like(kernel)], axis=-1), np.zeros(64)])
    own = [keras.ops.convert_to_numpy(part) for part in model.get_layer("norm").weights]
    norm.set_weights([np.concatenate([part, np.zeros(32)]) for part in own])
    assert check_input_range(dead, views).scores == pytest.approx(before, abs=1e-3)


def test_check_input_range__where_the_model_makes_pictures_smaller(photos, test_data):
    weights = test_data / "weights" / FILES["mobilenet"]
    backbone, views = get_backbone("mobilenet"), photos("flower_photos", 128)
    found, same = (
        check_input_range(backbone.build(96, weights, pixels=pixels), shown)
        for pixels, shown in ((128, views), (None, photos("flower_photos", 96)))
    )
    assert found.declared == same.declared == found.likely == "[-1, 1]" and not found.suspicious
    assert found.scores["[-1, 1]"] == pytest.approx(same.scores["[-1, 1]"], abs=0.02)
