import keras
import numpy as np
import pytest

from budwood.backbones.applications import KerasDownload
from budwood.backbones.registry import get_backbone
from budwood.errors import WeightsError

OWN = {
    "mobilenet": (keras.applications.MobileNet, keras.applications.mobilenet.preprocess_input),
    "mobilenet_v2": (keras.applications.MobileNetV2, keras.applications.mobilenet_v2.preprocess_input),
}


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
