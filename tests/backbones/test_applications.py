import dataclasses
import warnings

import keras
import numpy as np
import pytest

from budwood.backbones.applications import APPLICATIONS
from budwood.backbones.backbone import Backbone
from budwood.backbones.naming import own_names
from budwood.backbones.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from budwood.backbones.registry import get_backbone
from budwood.network.graph import cut

OWN = {
    "mobilenet": (keras.applications.MobileNet, keras.applications.mobilenet.preprocess_input),
    "mobilenet_v2": (keras.applications.MobileNetV2, keras.applications.mobilenet_v2.preprocess_input),
}
# The module of keras.applications, where it is not called as the backbone is.
MODULES = {
    "EfficientNet": "efficientnet",
    "EfficientNetV2": "efficientnet_v2",
    "ResNet": "resnet",
    "ResNetV2": "resnet_v2",
    "ConvNeXt": "convnext",
    "DenseNet": "densenet",
    "NASNet": "nasnet",
    "mobilenet_v3_small": "mobilenet_v3",
    "mobilenet_v3_large": "mobilenet_v3",
}
QUICK = {"mobilenet"}
NAMES = [
    entry.name if entry.name in QUICK else pytest.param(entry.name, marks=pytest.mark.slow)
    for entry in APPLICATIONS
]
# Coarse patterns, which differ more than noise does.
PIXELS = np.random.default_rng(0).uniform(0, 255, (16, 4, 4, 3)).repeat(16, 1).repeat(16, 2).astype("float32")


def run(model: keras.Model, values: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(values.copy(), training=False))


def settle_batch_norm(model: keras.Model, pixels: np.ndarray = PIXELS) -> None:
    """Statistics of a batch, so that random weights let what enters below be seen at the top."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
        elif isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
        elif layer.name.endswith("_layer_scale"):
            # So small at first that its block would count for nothing.
            layer.set_weights([np.linspace(0.3, 1.0, layer.weights[0].shape[0])])
    model(pixels.copy(), training=True)


@pytest.fixture
def keras_home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    return tmp_path


@pytest.mark.parametrize("name", OWN)
def test_build__file_gives_what_keras_gives(test_data, name):
    file = test_data / "weights" / f"{name}_1.0_224_no_top.weights.h5"
    network, preprocess = OWN[name]
    reference = network(include_top=False, weights=str(file), input_shape=(160, 160, 3))
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 160, 160, 3)).astype("float32")
    expected = np.asarray(reference(preprocess(pixels.copy()), training=False))
    given = np.asarray(get_backbone(name).build(160, weights=file)(pixels, training=False))
    assert expected.std() > 0.1
    np.testing.assert_allclose(given, expected, rtol=1e-3, atol=1e-4)


def keras_function(backbone: Backbone):
    return getattr(keras.applications, backbone.network.keywords["function"])


def build_as_imagenet(backbone: Backbone, size: int, patch: pytest.MonkeyPatch) -> tuple[keras.Model, tuple]:
    """What Keras builds for the literal weights="imagenet", with random ones in it, and the file that it asked for."""
    asked = []

    def get_file(file, address, file_hash=None, **settings):
        asked.append((file, address, file_hash))
        return file

    patch.setattr("keras.src.utils.file_utils.get_file", get_file)
    patch.setattr(keras.Model, "load_weights", lambda self, file: None)
    with warnings.catch_warnings():
        # MobileNets have files for several sizes.
        warnings.filterwarnings("ignore", message="`input_shape` is undefined or non-square")
        model = keras_function(backbone)(include_top=False, weights="imagenet", input_shape=(size, size, 3))
    patch.undo()
    (file,) = asked
    return model, file


@pytest.mark.parametrize("name", NAMES)
def test_build__is_what_keras_builds_for_its_own_weights(name, tmp_path, write_legacy):
    backbone = get_backbone(name)
    size = max(64, backbone.min_size)
    with pytest.MonkeyPatch.context() as patch:
        reference, file = build_as_imagenet(backbone, size, patch)
    published = backbone.pretrained
    assert (published.file, published.address, published.hash) == file

    preprocess = getattr(
        keras.applications, MODULES.get(name, MODULES.get(backbone.family, name))
    ).preprocess_input
    pixels = preprocess(np.resize(PIXELS[:8], (8, size, size, 3)).copy())
    for layer in reference.layers:
        if name.startswith("efficientnet_b") and isinstance(layer, keras.layers.Normalization):
            # What Keras's files hold there.
            layer.set_weights([np.array(IMAGENET_MEAN), np.array(IMAGENET_STD), np.array(0)])
            layer.finalize_state()
    settle_batch_norm(reference, pixels)
    write_legacy(tmp_path / published.file, reference)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUDWOOD_WEIGHTS", str(tmp_path))
        unhashed = dataclasses.replace(published, hash=None)
        given = dataclasses.replace(backbone, pretrained=unhashed).build(size)

    expected = run(reference, pixels)
    assert expected.std() > 1e-4
    found = run(given, np.resize(PIXELS[:8], (8, size, size, 3)))
    # Through hundreds of layers of random weights rounding grows; anything wrong is of another order.
    assert np.linalg.norm(found - expected) < 0.01 * np.linalg.norm(expected - expected.mean())
    names = own_names(reference.operations)
    assert [layer.name for layer in with_weights(given)] == [
        names.get(x.name, x.name) for x in with_weights(reference)
    ]


@pytest.mark.parametrize("variant", ["b0", "b1", "b2", "b3", "s", "m", "l"])
def test_pretrained__of_an_efficientnet_v2_is_the_file_that_keras_fetches(variant):
    """Of those that are too large to be built here each time."""
    from keras.src.applications.efficientnet_v2 import BASE_WEIGHTS_PATH, WEIGHTS_HASHES

    published, file = (
        get_backbone(f"efficientnet_v2{variant}").pretrained,
        f"efficientnetv2-{variant}_notop.h5",
    )
    expected = (file, BASE_WEIGHTS_PATH + file, WEIGHTS_HASHES[f"-{variant}"[-2:]][1])
    assert (published.file, published.address, published.hash) == expected


def with_weights(model: keras.Model) -> list[keras.layers.Layer]:
    """Of the network itself, those of models within the model too."""
    layers = []
    for layer in model.layers:
        layers += layer.layers if isinstance(layer, keras.Sequential) else [layer]
    return [
        layer
        for layer in layers
        if layer.weights
        and not isinstance(layer, keras.layers.Normalization)
        and not layer.name.startswith("preprocess")
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("mobilenet", "vgg16"),
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("mobilenet_v3_small", "convnext_tiny", "efficientnet_b0", "densenet121")
        ),
    ],
)
def test_build__takes_the_file_with_the_classifier(name, tmp_path, write_legacy):
    backbone = get_backbone(name)
    whole = keras_function(backbone)(weights=None, input_shape=(64, 64, 3))
    write_legacy(tmp_path / "with_top.h5", whole)
    given = backbone.build(64, weights=tmp_path / "with_top.h5")
    ours, theirs = (
        [weight for layer in with_weights(model) for weight in layer.get_weights()]
        for model in (given, whole)
    )
    assert len(ours) < len(theirs)
    for one, other in zip(ours, theirs, strict=False):
        np.testing.assert_array_equal(one.ravel(), other.ravel())


def test_build__takes_a_file_whatever_was_built_before_it_in_the_session(tmp_path):
    backbone = get_backbone("xception")
    # Keras numbers them on.
    keras.layers.Conv2D(1, 1), keras.layers.BatchNormalization(), keras.layers.Add()
    later = keras_function(backbone)(include_top=False, weights=None, input_shape=(71, 71, 3))
    assert "conv2d" not in [layer.name for layer in later.layers]
    later.save_weights(tmp_path / "later.weights.h5")
    given = backbone.build(71, weights=tmp_path / "later.weights.h5")
    for one, other in zip(given.get_weights(), later.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def imagenet_file(write_legacy, tmp_path_factory):
    """A file as Keras fetches it for `weights="imagenet"`: the normalization holds deviations for variances."""
    folder = tmp_path_factory.mktemp("keras")
    model = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(64, 64, 3))
    mean, deviation, count = np.array(IMAGENET_MEAN), np.array(IMAGENET_STD), np.array(0)
    (normalization,) = (layer for layer in model.layers if isinstance(layer, keras.layers.Normalization))
    normalization.set_weights([mean, deviation**2, count])
    normalization.finalize_state()
    settle_batch_norm(model)
    normalization.set_weights([mean, deviation, count])
    write_legacy(folder / "efficientnetb0_notop.h5", model)
    return folder / "efficientnetb0_notop.h5"


@pytest.fixture(scope="module")
def efficientnet(imagenet_file):
    """EfficientNet-B0 with the weights in that file."""
    return get_backbone("efficientnet_b0").build(64, weights=imagenet_file)


@pytest.mark.slow
def test_build__imagenet_weights_of_an_efficientnet_meet_the_pixels_they_know(
    imagenet_file, efficientnet, keras_home, monkeypatch
):
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", lambda *_, **settings: str(imagenet_file))
    network = keras.applications.EfficientNetB0
    reference = network(include_top=False, weights="imagenet", input_shape=(64, 64, 3))
    expected = run(reference, PIXELS)
    backbone = get_backbone("efficientnet_b0")
    backbone = dataclasses.replace(backbone, pretrained=dataclasses.replace(backbone.pretrained, hash=None))
    (keras_home / "models" / backbone.pretrained.file).write_bytes(imagenet_file.read_bytes())
    tolerance = 1e-3 * expected.std()
    for given in (backbone.build(64, weights="imagenet"), efficientnet):
        np.testing.assert_allclose(run(given, PIXELS), expected, rtol=1e-3, atol=tolerance)
    # What Keras makes of the same file under its own name would be wrong, and not by little.
    trap = run(network(include_top=False, weights=str(imagenet_file), input_shape=(64, 64, 3)), PIXELS)
    assert np.abs(trap - expected).mean() > 0.1 * expected.std()


def test_build__imagenet_weights_of_an_efficientnet_see_standardised_pixels(efficientnet):
    # What "random" weights see is for test_backbone.py.
    seen = run(cut(efficientnet, "preprocess")[0], PIXELS)
    np.testing.assert_allclose(
        seen, (PIXELS / 255 - IMAGENET_MEAN) / np.array(IMAGENET_STD), rtol=1e-5, atol=1e-5
    )
