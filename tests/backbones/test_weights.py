import h5py
import keras
import numpy as np
import pytest

from budwood.backbones.registry import get_backbone
from budwood.backbones.weights import LayerWeights, NoWeights, assign, read_h5
from budwood.core.errors import WeightsError


@pytest.fixture
def model() -> keras.Model:
    return small()


def small(seed: int = 0, channels: int = 4) -> keras.Model:
    initializer = keras.initializers.GlorotUniform(seed)
    x = pixels = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(channels, 3, kernel_initializer=initializer, name="conv")(x)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.Conv2D(5, 1, use_bias=False, kernel_initializer=initializer, name="top")(x)
    return keras.Model(pixels, x)


def assert_same_weights(one: keras.Model, other: keras.Model) -> None:
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_read_h5__keras_3_file(model, tmp_path):
    small(seed=5).save_weights(tmp_path / "a.weights.h5")
    assign(model, read_h5(tmp_path / "a.weights.h5"), "small")
    assert_same_weights(model, small(seed=5))


def test_read_h5__network_inside_of_a_saved_model(model, tmp_path):
    outer = keras.Sequential(
        [keras.Input((8, 8, 3)), small(seed=5), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    outer.save_weights(tmp_path / "a.weights.h5")
    assign(model, read_h5(tmp_path / "a.weights.h5"), "small")
    assert_same_weights(model, small(seed=5))


@pytest.mark.parametrize("prefix", ["", "renamed_since_"])
def test_read_h5__legacy_file_by_name_or_by_order(write_legacy, model, tmp_path, prefix):
    write_legacy(tmp_path / "a.h5", small(seed=5), prefix)
    assign(model, read_h5(tmp_path / "a.h5"), "small")
    assert_same_weights(model, small(seed=5))


def test_read_h5__legacy_file_in_another_order_goes_by_name(write_legacy, tmp_path):
    def twins(seed: int) -> keras.Model:
        x = pixels = keras.Input((4,))
        for name, place in (("first", 1), ("second", 2)):
            x = keras.layers.Dense(
                4, kernel_initializer=keras.initializers.GlorotUniform(seed + place), name=name
            )(x)
        return keras.Model(pixels, x)

    write_legacy(tmp_path / "a.h5", twins(5))
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file.attrs["layer_names"] = list(reversed(file.attrs["layer_names"]))
    model = twins(0)
    assign(model, read_h5(tmp_path / "a.h5"), "twins")
    assert_same_weights(model, twins(5))


def test_read_h5__cut_short(tmp_path):
    small().save_weights(tmp_path / "a.weights.h5")
    content = (tmp_path / "a.weights.h5").read_bytes()
    for length in (0, 100, len(content) // 2, len(content) - 1):
        (tmp_path / "b.h5").write_bytes(content[:length])
        with pytest.raises(WeightsError, match=r"b\.h5 is damaged or not a Keras weights file"):
            read_h5(tmp_path / "b.h5")


def test_read_h5__another_kind_of_file(tmp_path):
    (tmp_path / "a.h5").write_text("no weights here")
    with pytest.raises(WeightsError, match="not a Keras weights file"):
        read_h5(tmp_path / "a.h5")


def test_read_h5__hdf5_of_something_else(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["table"] = np.zeros(3)
    with pytest.raises(WeightsError, match="holds no named layer"):
        read_h5(tmp_path / "a.h5")


def test_assign__another_shape_changes_nothing(model, tmp_path):
    small(seed=5, channels=6).save_weights(tmp_path / "a.weights.h5")
    with pytest.raises(
        WeightsError, match=r"is not for small: 3 layers differ in shape, the first of them conv: .*\b6\b"
    ):
        assign(model, read_h5(tmp_path / "a.weights.h5"), "small")
    assert_same_weights(model, small())


def test_assign__missing_layer_changes_nothing(model):
    arrays = {layer.name: layer.get_weights() for layer in small(seed=5).layers if layer.weights}
    del arrays["top"]
    with pytest.raises(WeightsError, match="lacks 1 of 3 layers, the first of them top"):
        assign(model, LayerWeights(arrays, "a.h5"), "small")
    assert_same_weights(model, small())


def test_assign__leaves_a_classifier_aside(model):
    arrays = {layer.name: layer.get_weights() for layer in small(seed=5).layers if layer.weights}
    assign(model, LayerWeights({**arrays, "predictions": [np.zeros((5, 1000))]}, "a.h5"), "small")
    assert_same_weights(model, small(seed=5))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_assign__refuses_what_is_no_finite_number(model, bad):
    arrays = {layer.name: layer.get_weights() for layer in small(seed=5).layers if layer.weights}
    arrays["bn"][2][0] = bad
    with pytest.raises(WeightsError, match=r"a\.h5 is damaged: layer bn"):
        assign(model, LayerWeights(arrays, "a.h5"), "small")
    assert_same_weights(model, small())


def test_assign__a_torso_of_a_larger_network_is_refused(model):
    arrays = {layer.name: layer.get_weights() for layer in small(seed=5).layers if layer.weights}
    with pytest.raises(WeightsError, match="it holds 1 more convolutions, the first of them above"):
        assign(model, LayerWeights({**arrays, "above": [np.zeros((3, 3, 5, 8))]}, "a.h5"), "small")
    assert_same_weights(model, small())


def test_build__a_larger_variants_file_is_named():
    larger = get_backbone("efficientnet_lite1").pretrained._file()
    with pytest.raises(WeightsError) as error:
        get_backbone("efficientnet_lite0").build(32, weights=larger)
    message = str(error.value)
    assert "is not for efficientnet_lite0: " in message
    assert "It looks like efficientnet_lite1." in message
    assert message.endswith("(3,413,024 numbers), such as efficientnet-lite0-57934424.pth.")


def test_build__a_deeper_variants_file_is_named(write_legacy, tmp_path):
    # Every layer of VGG16 is in VGG19, and of the same shape.
    write_legacy(
        tmp_path / "a.h5", keras.applications.VGG19(include_top=False, weights=None, input_shape=(32, 32, 3))
    )
    with pytest.raises(
        WeightsError, match=r"not for vgg16: it holds 3 more .* It looks like vgg19\. .*vgg16_weights"
    ):
        get_backbone("vgg16").build(32, weights=tmp_path / "a.h5")


def test_build__another_networks_file_is_named(test_data):
    file = test_data / "weights" / "mobilenet_1.0_224_no_top.weights.h5"
    with pytest.raises(
        WeightsError, match=r"is not for mobilenet_v2: .* It looks like mobilenet\. Give weights of"
    ):
        get_backbone("mobilenet_v2").build(64, weights=file)
    with pytest.raises(WeightsError, match=r"is not for efficientnet_lite0"):
        get_backbone("efficientnet_lite0").build(64, weights=file)


def test_build__truncated_file(test_data, tmp_path):
    content = (test_data / "weights" / "mobilenet_1.0_224_no_top.weights.h5").read_bytes()
    (tmp_path / "short.weights.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match=r"short\.weights\.h5 is damaged"):
        get_backbone("mobilenet").build(64, weights=tmp_path / "short.weights.h5")


def test_no_weights__are_refused_with_what_goes_in_their_place(tmp_path):
    none = NoWeights("plain_stack")
    with pytest.raises(WeightsError, match="plain_stack has no published ImageNet weights.*random"):
        none.read()
    assert not none.is_here() and "not published" in str(none.where())
