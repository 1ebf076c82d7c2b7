import keras
import numpy as np
import pytest

from budwood.backbones.applications import IMAGENET_MEAN, IMAGENET_STD, KerasDownload
from budwood.backbones.registry import get_backbone
from budwood.errors import WeightsError
from budwood.features.cut import cut

OWN = {
    "mobilenet": (keras.applications.MobileNet, keras.applications.mobilenet.preprocess_input),
    "mobilenet_v2": (keras.applications.MobileNetV2, keras.applications.mobilenet_v2.preprocess_input),
}
WITHOUT_FILE = {
    "efficientnet_b0": (keras.applications.EfficientNetB0, keras.applications.efficientnet.preprocess_input),
    "efficientnet_v2b0": (
        keras.applications.EfficientNetV2B0,
        keras.applications.efficientnet_v2.preprocess_input,
    ),
    "resnet50": (keras.applications.ResNet50, keras.applications.resnet50.preprocess_input),
}
# Coarse patterns, which differ more than noise does.
PIXELS = np.random.default_rng(0).uniform(0, 255, (16, 4, 4, 3)).repeat(16, 1).repeat(16, 2).astype("float32")


def run(model: keras.Model, values: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(values.copy(), training=False))


def settle_batch_norm(model: keras.Model) -> None:
    """Statistics of a batch, so that random weights let what enters below be seen at the top."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
        elif isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    model(PIXELS.copy(), training=True)


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


def test_build__failed_download_names_the_file_and_the_way_out(keras_home, monkeypatch):
    def fail(**settings):
        raise Exception("URL fetch failure")  # as Keras does

    monkeypatch.setattr(keras.applications, "MobileNetV2", fail)
    with pytest.raises(WeightsError) as error:
        get_backbone("mobilenet_v2").build()
    message = str(error.value)
    assert "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5" in message
    assert str(keras_home / "models") in message
    assert "--weights FILE" in message


def test_build__imagenet_comes_from_the_file_that_keras_keeps(keras_home, test_data):
    backbone = get_backbone("mobilenet")
    file = test_data / "weights" / "mobilenet_1.0_224_no_top.weights.h5"
    (keras_home / "models" / backbone.pretrained.file).write_bytes(file.read_bytes())
    kept, given = backbone.build(64), backbone.build(64, weights=file)
    for one, other in zip(kept.get_weights(), given.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_where__says_whether_the_file_is_here(keras_home):
    download = KerasDownload("MobileNet", "some.h5", 224)
    assert "not downloaded" in download.where()
    (keras_home / "models" / "some.h5").touch()
    assert download.where().endswith("some.h5, downloaded")


@pytest.mark.parametrize("name", WITHOUT_FILE)
def test_build__saved_by_keras_gives_what_keras_gives(tmp_path, name):
    network, preprocess = WITHOUT_FILE[name]
    reference = network(include_top=False, weights=None, input_shape=(64, 64, 3))
    settle_batch_norm(reference)
    reference.save_weights(tmp_path / "a.weights.h5")
    given = get_backbone(name).build(64, weights=tmp_path / "a.weights.h5")
    expected = run(reference, preprocess(PIXELS.copy()))
    assert expected.std() > 0.1
    np.testing.assert_allclose(run(given, PIXELS), expected, rtol=1e-3, atol=1e-3 * expected.std())
    own = [layer.name for layer in reference.layers if "rescaling" not in layer.name][1:]
    own = [name for name in own if "normalization" not in name]
    assert get_backbone(name).layers(given)[1:] == own


@pytest.fixture
def imagenet_file(write_legacy, tmp_path):
    """A file as Keras fetches it for `weights="imagenet"`: the normalization holds deviations for variances."""
    model = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(64, 64, 3))
    mean, deviation, count = np.array(IMAGENET_MEAN), np.array(IMAGENET_STD), np.array(0)
    (normalization,) = (layer for layer in model.layers if isinstance(layer, keras.layers.Normalization))
    normalization.set_weights([mean, deviation**2, count])
    normalization.finalize_state()
    settle_batch_norm(model)
    normalization.set_weights([mean, deviation, count])
    write_legacy(tmp_path / "efficientnetb0_notop.h5", model)
    return tmp_path / "efficientnetb0_notop.h5"


def test_build__imagenet_weights_of_an_efficientnet_meet_the_pixels_they_know(
    imagenet_file, keras_home, monkeypatch
):
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", lambda *_, **settings: str(imagenet_file))
    network = keras.applications.EfficientNetB0
    expected = run(network(include_top=False, weights="imagenet", input_shape=(64, 64, 3)), PIXELS)
    backbone = get_backbone("efficientnet_b0")
    (keras_home / "models" / backbone.pretrained.file).write_bytes(imagenet_file.read_bytes())
    tolerance = 1e-3 * expected.std()
    for weights in ("imagenet", imagenet_file):
        given = backbone.build(64, weights=weights)
        np.testing.assert_allclose(run(given, PIXELS), expected, rtol=1e-3, atol=tolerance)
    # What Keras makes of the same file under its own name would be wrong, and not by little.
    trap = run(network(include_top=False, weights=str(imagenet_file), input_shape=(64, 64, 3)), PIXELS)
    assert np.abs(trap - expected).mean() > 0.1 * expected.std()


def test_build__imagenet_weights_of_an_efficientnet_see_standardised_pixels(imagenet_file):
    backbone = get_backbone("efficientnet_b0")
    for weights in ("random", imagenet_file):
        seen = run(cut(backbone.build(64, weights=weights), "preprocess")[0], PIXELS)
        np.testing.assert_allclose(
            seen, (PIXELS / 255 - IMAGENET_MEAN) / np.array(IMAGENET_STD), rtol=1e-5, atol=1e-5
        )
