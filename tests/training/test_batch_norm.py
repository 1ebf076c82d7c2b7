import keras
import numpy as np
import pytest

from budwood.backbones.registry import get_backbone
from budwood.config.learning import Finetune
from budwood.network.unfreeze import unfreeze
from budwood.training.batch_norm import quicken_batch_norm

SIZE = 64


def with_head(network: keras.Model) -> keras.Model:
    x = keras.layers.GlobalAveragePooling2D(name="pooling")(network.output)
    return keras.Model(network.input, keras.layers.Dense(3, name="head_logits")(x))


def finetune(unfreeze, batch_norm: str) -> Finetune:
    return Finetune(unfreeze=unfreeze, batch_norm=batch_norm)


@pytest.mark.slow
@pytest.mark.parametrize("quickened", [True, False])
def test_quicken_batch_norm__statistics_from_scratch_keep_up(quickened):
    backbone = get_backbone("mobilenet")
    model = with_head(backbone.build(SIZE, "random"))
    unfreeze(model, backbone, finetune("all", "train"))
    if quickened:
        quicken_batch_norm(model, steps=8)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.optimizer.learning_rate = 1e-6
    pixels = np.random.default_rng(0).uniform(0, 255, (16, SIZE, SIZE, 3)).astype("float32")
    for _ in range(16):
        model.train_on_batch(pixels, np.arange(16) % 3)
    below = keras.Model(model.input, model.get_layer("conv_dw_1").output)
    layer = model.get_layer("conv_dw_1_bn")
    # What the layer saw in the last batch, whose lower layers used the batch's statistics too.
    seen = keras.ops.convert_to_numpy(below(pixels, training=True)).var(axis=(0, 1, 2))
    lag = np.abs(keras.ops.convert_to_numpy(layer.moving_variance) / seen - 1)
    assert (np.median(lag) < 0.3) == quickened


def test_quicken_batch_norm__leaves_alone_what_has_steps_enough_or_is_held():
    backbone = get_backbone("mobilenet")
    model = with_head(backbone.build(SIZE, "random"))
    unfreeze(model, backbone, finetune({"blocks": 1}, "train"))
    quicken_batch_norm(model, steps=5000)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {layer.momentum for layer in norms} == {0.99}
    quicken_batch_norm(model, steps=10)
    assert {layer.name for layer in norms if layer.momentum != 0.99} == {"conv_dw_13_bn", "conv_pw_13_bn"}
    assert norms[-1].momentum ** 10 == pytest.approx(0.01)
