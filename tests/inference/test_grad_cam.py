import keras
import numpy as np
import pytest
from PIL import Image

from budwood.backbones.registry import get_backbone
from budwood.config.recipe import Head
from budwood.core.errors import BackboneError
from budwood.features.extractor import with_pooling
from budwood.inference.grad_cam import GradCam
from budwood.network.compose import PooledBackbone, compose, logits_layer, pooling_layers
from budwood.network.heads import head_layers


def grad_cam(model: keras.Model) -> GradCam:
    return GradCam(model, pooled=pooling_layers(model), logits=logits_layer(model))


def network(name: str, size: int = 64) -> PooledBackbone:
    backbone = get_backbone(name)
    weights = "imagenet" if name == "efficientnet_lite0" else "random"
    return PooledBackbone(backbone, with_pooling(backbone.build(size, weights=weights), "avg"))


@pytest.fixture(scope="module")
def lite() -> PooledBackbone:
    return network("efficientnet_lite0")


def head(num_classes: int, features: int, **settings) -> list[keras.layers.Layer]:
    """Untrained, with weights large enough to be sure of something."""
    layers = head_layers(Head(**settings), num_classes, seed=1)
    keras.Sequential([keras.Input((features,)), *layers])
    layers[-2].set_weights([3 * weight for weight in layers[-2].get_weights()])
    return layers


def pixels(number: int, size: int = 64) -> np.ndarray:
    """Pictures with something in them: light and dark at several scales."""
    rng = np.random.default_rng(number)
    scales = [
        np.kron(rng.random((number, side, side, 3)), np.ones((1, size // side, size // side, 1)))
        for side in (2, 8)
    ]
    return (255 * np.mean(scales, axis=0)).astype(np.uint8)


def enlarged(cells: np.ndarray, size: int = 64) -> np.ndarray:
    image = Image.fromarray(cells.astype(np.float32))
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))


def test_grad_cam__is_the_gradient_of_the_whole_model(lite):
    """Against the method written down anew, as Keras's own example has it, through a head with a hidden layer."""
    tf = pytest.importorskip("tensorflow")
    model = compose([lite], head(3, lite.features, hidden=[16], dropout=0.3))
    pictures, targets = pixels(6), np.arange(6) % 3
    found = grad_cam(model).maps(pictures, targets)
    assert found.max() > 0.1
    both = keras.Model(model.input, [model.get_layer("pooling").input, model.output])
    for number, target in enumerate(targets):
        with tf.GradientTape() as tape:
            maps, shares = both(pictures[number : number + 1].astype(np.float32), training=False)
            odds = tf.math.log(shares[0, target]) - tf.math.log(1 - shares[0, target])
        weights = np.asarray(tape.gradient(odds, maps)).mean(axis=(0, 1, 2))
        cells = np.asarray(maps)[0] @ weights
        expected = np.maximum(enlarged(cells * cells.size), 0)
        np.testing.assert_allclose(found[number], expected, atol=1e-3 * found.max())


@pytest.mark.slow
def test_grad_cam__one_logit_is_as_good_as_two(lite):
    single = compose([lite], head(2, lite.features, logits="single"))
    kernel, bias = single.get_layer("head_logits").get_weights()
    pair = compose([lite], head(2, lite.features))
    pictures, targets = pixels(2), np.array([0, 1])
    pair.get_layer("head_logits").set_weights([np.hstack([-kernel / 2, kernel / 2]), np.array([0, bias[0]])])
    one, two = (grad_cam(model).maps(pictures, targets) for model in (single, pair))
    assert one.max() > 0
    np.testing.assert_allclose(one, two, atol=1e-4 * one.max())


@pytest.mark.slow
def test_grad_cam__of_one_label_hangs_on_no_other(lite):
    def labelled(number):
        layers = head_layers(Head(), number, seed=1, activation="sigmoid")
        keras.Sequential([keras.Input((lite.features,)), *layers])
        layers[-2].set_weights([kernel[:, :number], np.zeros(number)])
        return compose([lite], layers)

    kernel = np.random.default_rng(0).random((lite.features, 3))
    pictures, targets = pixels(2), np.array([0, 0])
    found = grad_cam(labelled(3)).maps(pictures, targets)
    assert found.max() > 0.1
    alone = grad_cam(labelled(1)).maps(pictures, targets)
    np.testing.assert_allclose(alone, found, atol=1e-4 * found.max())
    # What tells it from a softmax is there in a model that was saved, too.
    config = keras.layers.Activation("sigmoid").get_config()
    assert keras.layers.Activation.from_config(config).activation is keras.activations.sigmoid


@pytest.mark.slow
def test_grad_cam__knows_no_shift_of_all_logits(lite):
    model = compose([lite], head(3, lite.features))
    pictures, targets = pixels(2), np.array([2, 0])
    before = grad_cam(model).maps(pictures, targets)
    kernel, bias = model.get_layer("head_logits").get_weights()
    model.get_layer("head_logits").set_weights([kernel + np.linspace(-1, 1, len(kernel))[:, None], bias])
    np.testing.assert_allclose(grad_cam(model).maps(pictures, targets), before, atol=2e-3 * before.max())


@pytest.mark.slow
def test_grad_cam__of_networks_side_by_side_is_the_sum(lite):
    networks = [lite, network("mobilenet")]
    layers = head(3, sum(one.features for one in networks))
    model = compose(networks, layers)
    assert pooling_layers(model) == ["efficientnet_lite0.pooled", "mobilenet.pooled"]
    pictures, targets = pixels(2), np.array([0, 2])
    kernel, _ = layers[-2].get_weights()
    shares = np.asarray(model(pictures.astype(np.float32), training=False))
    for number, target in enumerate(targets):
        others = np.where(np.arange(3) == target, 0, shares[number]) / (1 - shares[number, target])
        weights = kernel[:, target] - kernel @ others
        total = np.zeros((64, 64))
        for one, part in zip(networks, np.split(weights, [lite.features]), strict=True):
            below = keras.Model(one.model.input, one.model.layers[-1].input)
            total += enlarged(np.asarray(below(pictures[number : number + 1].astype(np.float32)))[0] @ part)
        expected = np.maximum(total, 0)
        found = grad_cam(model).maps(pictures[number : number + 1], targets[number : number + 1])[0]
        np.testing.assert_allclose(found, expected, atol=1e-3 * expected.max())


@pytest.mark.slow
def test_grad_cam__of_a_mirrored_model_is_the_same_for_the_mirror_image(lite):
    model = compose([lite], head(3, lite.features), flip=True)
    pictures, targets = pixels(2), np.array([0, 1])
    found = grad_cam(model).maps(pictures, targets)
    mirrored = grad_cam(model).maps(np.ascontiguousarray(pictures[:, :, ::-1]), targets)
    assert found.max() > 0
    np.testing.assert_allclose(mirrored[:, :, ::-1], found, atol=1e-3 * found.max())


def test_grad_cam__no_pictures(lite):
    maps = grad_cam(compose([lite], head(3, lite.features))).maps(
        np.zeros((0, 64, 64, 3), np.uint8), np.zeros(0, int)
    )
    assert maps.shape == (0, 64, 64)


def test_grad_cam__a_layer_that_pools_nothing(lite):
    model = compose([lite], head(3, lite.features))
    with pytest.raises(BackboneError, match="no layer `stem_conv` that pools feature maps"):
        GradCam(model, pooled=["stem_conv"], logits="head_logits")
