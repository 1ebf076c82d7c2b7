import pytest

from budwood.backbones.naming import automatic_prefix, own_names, renumbered


def layer(kind, name):
    """A layer of a class of that name."""
    found = type(kind, (), {})()
    found.name = name
    return found


@pytest.mark.parametrize(
    ("kind", "name", "prefix"),
    [
        ("Conv2D", "conv2d", "conv2d"),
        ("Conv2D", "conv2d_17", "conv2d"),
        ("Conv2D", "conv2d_bn", None),
        ("Conv2D", "stem", None),
        ("BatchNormalization", "batch_normalization_3", "batch_normalization"),
        ("DepthwiseConv2D", "depthwise_conv2d", "depthwise_conv2d"),
        ("ZeroPadding2D", "zero_padding2d_1", "zero_padding2d"),
        ("ReLU", "re_lu_2", "re_lu"),
        ("Add", "add_1", "add"),
        ("GlobalAveragePooling2D", "global_average_pooling2d", "global_average_pooling2d"),
    ],
)
def test_automatic_prefix__is_what_keras_makes_of_the_class(kind, name, prefix):
    assert automatic_prefix(layer(kind, name)) == prefix


def test_automatic_prefix__is_that_of_keras():
    import keras

    for kind in (
        keras.layers.Conv2D(1, 1),
        keras.layers.ReLU(),
        keras.layers.UpSampling2D(),
        keras.layers.ELU(),
    ):
        assert automatic_prefix(kind) is not None, kind.name


def test_renumbered__by_number_and_not_by_letter():
    assert renumbered(["add_10", "add_9", "add", "added_3"], "add") == {
        "add": "add",
        "add_9": "add_1",
        "add_10": "add_2",
    }
    assert renumbered([], "add") == {}


def test_own_names__each_kind_by_itself_and_given_names_stay():
    layers = [
        layer("Conv2D", "conv2d_8"),
        layer("Add", "add_3"),
        layer("Conv2D", "stem"),
        layer("Conv2D", "conv2d_7"),
        layer("Conv2D", "conv2d_12"),
    ]
    assert own_names(layers) == {
        "conv2d_7": "conv2d",
        "conv2d_8": "conv2d_1",
        "conv2d_12": "conv2d_2",
        "add_3": "add",
        "stem": "stem",
    }
