import keras
import numpy as np
import pytest

from budwood.backbones.registry import get_backbone
from budwood.network.fold_batch_norm import FoldedConvolution, HeldBatchNorm, fold_batch_norm

RNG = np.random.default_rng(0)


def num_folded(model):
    return sum(isinstance(layer, FoldedConvolution) for layer in model.layers)


def far_from_trivial(model):
    """Statistics, gamma and beta of every BatchNorm layer as a trained network might have them."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([RNG.uniform(0.5, 2, weight.shape) for weight in layer.get_weights()])


def normed(*layers, trainable=False, **options):
    pixels = tensor = keras.Input((8, 8, 4))
    for layer in layers:
        tensor = layer(tensor)
    norm = keras.layers.BatchNormalization(trainable=trainable, name="norm", **options)
    model = keras.Model(pixels, norm(tensor))
    far_from_trivial(model)
    return model


def gradients(model, pixels, *, training=True):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.sin(model(pixels, training=training)))
    return [np.asarray(grad) for grad in tape.gradient(loss, model.trainable_variables)]


@pytest.mark.parametrize(
    "name",
    [
        *("mobilenet_v2", "efficientnet_lite0"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("resnet50", "densenet121", "inception_v3")),
    ],
)
def test_fold_batch_norm__computes_what_the_backbone_does_with_the_same_gradients(name):
    backbone = get_backbone(name)
    model = backbone.build(96 if name != "inception_v3" else 139, "random", 0)
    far_from_trivial(model)
    model.trainable = True
    for layer in model.layers:
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    twin = fold_batch_norm(model)
    # DenseNet norms before it convolves, so that only some of its norms stand on a convolution.
    assert num_folded(twin) > len(model.layers) // 12
    pixels = RNG.uniform(0, 255, (2, *model.input_shape[1:])).astype(np.float32)
    expected = np.asarray(model(pixels, training=False), np.float64)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(np.asarray(twin(pixels, training=False)) / scale, expected / scale, atol=1e-4)
    assert [id(one) for one in twin.trainable_variables] == [id(one) for one in model.trainable_variables]


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}, {"epsilon": 0.5}])
@pytest.mark.parametrize(
    "layer",
    [
        {"kind": keras.layers.Conv2D, "filters": 6, "kernel_size": 3, "strides": 2, "padding": "same"},
        {"kind": keras.layers.Conv2D, "filters": 6, "kernel_size": 3, "groups": 2},
        {"kind": keras.layers.Conv2D, "filters": 6, "kernel_size": 3, "dilation_rate": 2},
        {"kind": keras.layers.Conv2D, "filters": 6, "kernel_size": 1, "bias_initializer": "random_normal"},
        {"kind": keras.layers.DepthwiseConv2D, "kernel_size": 3},
        {"kind": keras.layers.DepthwiseConv2D, "kernel_size": 3, "depth_multiplier": 2, "strides": 2},
    ],
    ids=["strided", "grouped", "dilated", "with bias", "depthwise", "multiplied"],
)
def test_fold_batch_norm__any_convolution_and_norm(layer, options):
    layer = dict(layer)
    model = normed(layer.pop("kind")(use_bias="bias_initializer" in layer, **layer), **options)
    twin = fold_batch_norm(model)
    assert num_folded(twin) == 1
    pixels = RNG.normal(size=(3, 8, 8, 4)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(twin(pixels)), np.asarray(model(pixels)), rtol=1e-4, atol=1e-5)
    for found, expected in zip(gradients(twin, pixels), gradients(model, pixels), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "model",
    [
        lambda: normed(keras.layers.Conv2D(4, 3, use_bias=False), trainable=True),
        lambda: normed(keras.layers.Conv2D(4, 3, use_bias=False, activation="relu")),
        lambda: normed(keras.layers.Conv2D(4, 3, use_bias=False), keras.layers.ReLU()),
        lambda: normed(keras.layers.Conv2DTranspose(4, 3, use_bias=False)),
        lambda: normed(keras.layers.Conv2D(8, 3, use_bias=False, padding="same"), axis=1),
    ],
    ids=["norm trains", "activation", "apart", "transposed", "another axis"],
)
def test_fold_batch_norm__leaves_what_it_cannot_fold(model):
    model = model()
    assert fold_batch_norm(model) is model


def batch_norms(model):
    return [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]


@pytest.mark.parametrize(
    ("name", "size"),
    [
        *(("mobilenet_v2", 96), ("efficientnet_lite0", 96)),
        *(
            pytest.param(name, size, marks=pytest.mark.slow)
            for name, size in (
                *(("resnet50", 96), ("densenet121", 96), ("inception_v3", 139), ("xception", 96)),
                *(("mobilenet_v3_large", 96), ("nasnet_mobile", 96)),
            )
        ),
    ],
)
def test_fold_batch_norm__of_norms_that_are_held_gamma_and_beta_train_on_the_statistics_there_are(name, size):
    model = get_backbone(name).build(size, "random", 0)
    far_from_trivial(model)
    model.trainable = True
    for layer in model.layers:
        layer.trainable = isinstance(layer, keras.layers.BatchNormalization)
    held = {layer.name for layer in batch_norms(model)}
    before = [layer.moving_mean.numpy() for layer in batch_norms(model)]
    twin = fold_batch_norm(model, held=held)
    assert [id(one) for one in twin.trainable_variables] == [id(one) for one in model.trainable_variables]
    assert sum(isinstance(layer, HeldBatchNorm) for layer in twin.layers) == len(held)
    pixels = RNG.uniform(0, 255, (2, *model.input_shape[1:])).astype(np.float32)
    # In inference mode Keras takes the statistics that there are.
    expected, found = gradients(model, pixels, training=False), gradients(twin, pixels, training=True)
    expected, found = (np.concatenate([part.ravel() for part in parts]) for parts in (expected, found))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())
    assert all(map(np.array_equal, before, [layer.moving_mean.numpy() for layer in batch_norms(model)]))


def test_fold_batch_norm__frozen_norms_are_folded_held_ones_held_and_others_train():
    pixels = tensor = keras.Input((8, 8, 4))
    for name in ("frozen", "held", "free"):
        tensor = keras.layers.Conv2D(4, 3, name=f"conv_{name}")(tensor)
        tensor = keras.layers.BatchNormalization(name=name, trainable=name != "frozen")(tensor)
        # Or else what is added below a norm that takes the mean away again would do nothing.
        tensor = keras.layers.ReLU(name=f"relu_{name}")(tensor)
    model = keras.Model(pixels, tensor)
    far_from_trivial(model)
    twin = fold_batch_norm(model, held=["held"])
    names = [layer.name for layer in twin.layers[1:] if not layer.name.startswith("relu")]
    assert names == ["conv_frozen_folded", "conv_held", "held_held", "conv_free", "free"]
    assert [id(one) for one in twin.trainable_variables] == [id(one) for one in model.trainable_variables]
    before = {layer.name: [value.copy() for value in layer.get_weights()] for layer in batch_norms(model)}
    twin.compile("sgd", "mse", jit_compile=False)
    twin.train_on_batch(RNG.normal(size=(3, 8, 8, 4)), RNG.normal(size=(3, 2, 2, 4)))
    after = {layer.name: layer.get_weights() for layer in batch_norms(model)}
    moved = {
        name: [bool((old != new).any()) for old, new in zip(before[name], after[name], strict=True)]
        for name in before
    }
    # Gamma, beta, mean and variance.
    assert moved == {"frozen": [False] * 4, "held": [True, True, False, False], "free": [True] * 4}
    values = RNG.normal(size=(3, 8, 8, 4)).astype(np.float32)
    np.testing.assert_allclose(
        np.asarray(twin(values, training=False)),
        np.asarray(model(values, training=False)),
        rtol=1e-4,
        atol=1e-5,
    )


def test_fold_batch_norm__a_held_norm_that_stands_in_two_places():
    pixels, norm = keras.Input((8, 8, 4)), keras.layers.BatchNormalization(name="norm")
    model = keras.Model(pixels, norm(keras.layers.ReLU()(norm(pixels))))
    far_from_trivial(model)
    twin = fold_batch_norm(model, held=["norm"])
    assert sum(isinstance(layer, HeldBatchNorm) for layer in twin.layers) == 1
    values = RNG.normal(size=(3, 8, 8, 4)).astype(np.float32)
    expected = np.asarray(model(values, training=False))
    np.testing.assert_allclose(np.asarray(twin(values, training=True)), expected, rtol=1e-5, atol=1e-6)


def test_fold_batch_norm__a_convolution_that_others_use_too():
    pixels = keras.Input((8, 8, 4))
    tensor = keras.layers.Conv2D(4, 1, use_bias=False)(pixels)
    normed = keras.layers.BatchNormalization(trainable=False)(tensor)
    model = keras.Model(pixels, keras.layers.Add()([tensor, normed]))
    assert fold_batch_norm(model) is model


@pytest.mark.parametrize(
    "name",
    [
        *("mobilenet_v2", "efficientnet_lite0"),
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("resnet50", "densenet121", "mobilenet_v3_large")
        ),
    ],
)
def test_fold_batch_norm__in_bf16_the_backbone_is_the_same_up_to_rounding(name):
    backbone = get_backbone(name)
    model = backbone.build(96, "random", 0)
    model.trainable = True
    for layer in model.layers:
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    exact, twin = fold_batch_norm(model), fold_batch_norm(model, "bf16")
    assert num_folded(twin) == num_folded(exact)
    assert [id(one) for one in twin.trainable_variables] == [id(one) for one in model.trainable_variables]
    assert twin.output.dtype == "float32"
    handed_on = [layer for layer in twin.layers if layer.output.dtype == "bfloat16"]
    # BatchNorm stands before DenseNet's convolutions, so that above each folded one is one that is not; most
    # activations of MobileNetV3 are no ReLU.
    few = {"densenet121": 0, "mobilenet_v3_large": 6}
    assert len(handed_on) == few[name] if name in few else len(handed_on) > num_folded(twin) // 4
    pixels = RNG.uniform(0, 255, (4, *model.input_shape[1:])).astype(np.float32)
    expected, found = (np.asarray(one(pixels, training=False), np.float64) for one in (exact, twin))
    assert 1e-5 < np.linalg.norm(found - expected) / np.linalg.norm(expected) < 0.1
    flat = [np.concatenate([part.ravel() for part in gradients(one, pixels)]) for one in (twin, exact)]
    assert all(np.isfinite(one).all() for one in flat)
    assert flat[0] @ flat[1] / np.linalg.norm(flat[0]) / np.linalg.norm(flat[1]) > 0.9


def test_fold_batch_norm__bf16_is_handed_on_between_convolutions_alone():
    pixels = tensor = keras.Input((8, 8, 4))
    for number in range(3):
        tensor = keras.layers.Conv2D(4, 1, use_bias=False, name=f"conv{number}")(tensor)
        tensor = keras.layers.BatchNormalization(trainable=False)(tensor)
        tensor = keras.layers.ReLU(6.0)(tensor)
        if number == 1:
            tensor = keras.layers.Add()([tensor, pixels])
    twin = fold_batch_norm(keras.Model(pixels, tensor), "bf16")
    found = {layer.name: layer.output.dtype for layer in twin.layers if isinstance(layer, FoldedConvolution)}
    assert found == {"conv0_folded": "bfloat16", "conv1_folded": "float32", "conv2_folded": "float32"}
    # The activation between the first two is done with the convolution below it.
    assert sum(isinstance(layer, keras.layers.ReLU) for layer in twin.layers) == 2


def test_fold_batch_norm__a_relu_that_stands_in_two_places_is_done_in_both():
    relu, pixels = keras.layers.ReLU(), keras.Input((8, 8, 4))
    tensor = pixels
    for number in range(3):
        tensor = keras.layers.Conv2D(4, 1, use_bias=False, name=f"conv{number}")(tensor)
        tensor = keras.layers.BatchNormalization(trainable=False)(tensor)
        tensor = relu(tensor if number == 0 else keras.layers.Add()([tensor, pixels]))
    model = keras.Model(pixels, tensor)
    values = RNG.normal(size=(3, 8, 8, 4)).astype(np.float32)
    found, expected = np.asarray(fold_batch_norm(model, "bf16")(values)), np.asarray(model(values))
    assert (expected == 0).any()
    assert np.linalg.norm(found - expected) < 0.03 * np.linalg.norm(expected)
