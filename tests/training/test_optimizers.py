import keras
import numpy as np
import pytest

from budwood.config.learning import Finetune, Frozen
from budwood.core.errors import RecipeError
from budwood.training.optimizers import ByLayer, current_rate, make_optimizer, optimizers


def two_layers():
    """A model of two layers whose kernels are ones."""
    start = keras.Input((2,))
    low = keras.layers.Dense(2, kernel_initializer="ones", name="low")(start)
    return keras.Model(start, keras.layers.Dense(1, kernel_initializer="ones", name="high")(low))


def step(optimizer, model, gradient=1.0):
    """How far each weight moves, by layer and number."""
    before = [weight.numpy() for weight in model.trainable_weights]
    optimizer.apply(
        [np.full(weight.shape, gradient, np.float32) for weight in model.trainable_weights],
        model.trainable_weights,
    )
    moved = [
        float(np.abs(weight.numpy() - old).max())
        for weight, old in zip(model.trainable_weights, before, strict=True)
    ]
    return dict(zip(["low/0", "low/1", "high/0", "high/1"], moved, strict=True))


@pytest.mark.parametrize("name", list(optimizers()))
def test_make_optimizer__every_optimizer_of_keras(name):
    optimizer = make_optimizer(Frozen(optimizer=name, learning_rate=0.02), 10)
    assert current_rate(optimizer) == pytest.approx(0.02)
    assert not optimizer.weight_decay


def test_make_optimizer__settings_reach_it():
    assert make_optimizer(Frozen(optimizer="RMSprop", momentum=0.5), 10).momentum == 0.5
    assert make_optimizer(Frozen(optimizer="adamw", weight_decay=0.1), 10).weight_decay == 0.1
    assert make_optimizer(Frozen(clip_norm=2.0), 10).global_clipnorm == 2.0
    averaging = make_optimizer(Frozen(ema=0.9), 10)
    assert averaging.use_ema and averaging.ema_momentum == 0.9 and averaging.ema_overwrite_frequency is None


def test_make_optimizer__biases_do_not_decay():
    optimizer = make_optimizer(Frozen(optimizer="sgd", weight_decay=0.5, learning_rate=1.0), 10)
    # A name that holds one of theirs is none of them.
    dense = keras.layers.Dense(2, bias_initializer="ones", kernel_initializer="ones", name="beta_bias")
    dense.build((None, 2))
    optimizer.apply([np.zeros((2, 2), np.float32), np.zeros(2, np.float32)], dense.trainable_variables)
    np.testing.assert_allclose(dense.kernel.numpy(), 0.5)
    np.testing.assert_allclose(dense.bias.numpy(), 1.0)


def test_make_optimizer__scales_of_convnext_do_not_decay():
    for name, left in (("stage_0_block_0_layer_scale", 1.0), ("stage_0_block_0_depthwise_conv", 0.5)):
        layer = keras.layers.DepthwiseConv2D(1, use_bias=False, depthwise_initializer="ones", name=name)
        layer.build((None, 1, 1, 3))
        optimizer = make_optimizer(Frozen(optimizer="sgd", weight_decay=0.5, learning_rate=1.0), 10)
        optimizer.apply([np.zeros((1, 1, 3, 1), np.float32)], layer.trainable_variables)
        np.testing.assert_allclose(layer.kernel.numpy(), left)


def test_make_optimizer__unknown_name():
    with pytest.raises(RecipeError, match=r"unknown optimizer `adm`\. Did you mean adam\? frozen\.optimizer"):
        make_optimizer(Frozen(optimizer="adm"), 10)
    with pytest.raises(RecipeError, match=r"finetune\.optimizer is one of"):
        make_optimizer(Finetune(optimizer="adm", epochs=1), 10)


def test_make_optimizer__momentum_where_there_is_none():
    with pytest.raises(RecipeError, match="adam takes no momentum"):
        make_optimizer(Frozen(optimizer="adam", momentum=0.9), 10)


def test_make_optimizer__warmup_longer_than_training():
    with pytest.raises(RecipeError, match="leaves none of the 3 epochs"):
        make_optimizer(Frozen(schedule="cosine", epochs=3, warmup_epochs=3), 10)


def test_make_optimizer__warmup_with_plateau():
    with pytest.raises(RecipeError, match="warmup_epochs goes with"):
        make_optimizer(Frozen(schedule="reduce_on_plateau", warmup_epochs=1), 10)


@pytest.mark.parametrize("name", ["adam", "sgd", "adamw", "lion"])
def test_make_optimizer__rates_of_their_own(name):
    settings = Finetune(optimizer=name, learning_rate=0.01, epochs=1)
    model = two_layers()
    optimizer = make_optimizer(settings, 10, model, {"low": 0.25})
    moved = step(optimizer, model)
    alone = two_layers()
    expected = step(make_optimizer(settings, 10), alone)
    assert moved["high/0"] == pytest.approx(expected["high/0"], rel=1e-3)
    assert moved["low/0"] == pytest.approx(expected["low/0"] / 4, rel=1e-3)
    assert moved["low/1"] == pytest.approx(expected["low/1"] / 4, rel=1e-3)


def test_make_optimizer__rates_of_1_need_no_wrapper():
    assert not isinstance(make_optimizer(Finetune(epochs=1), 10, two_layers(), {"low": 1.0}), ByLayer)


def test_make_optimizer__rates_of_layers_that_do_not_train():
    model = two_layers()
    model.get_layer("low").trainable = False
    assert not isinstance(make_optimizer(Finetune(epochs=1), 10, model, {"low": 0.5}), ByLayer)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_by_layer__follows_the_schedule(schedule):
    settings = Finetune(optimizer="sgd", learning_rate=0.5, schedule=schedule, warmup_epochs=1, epochs=4)
    model = two_layers()
    optimizer, alone = make_optimizer(settings, 2, model, {"low": 0.1}), make_optimizer(settings, 2)
    single = two_layers()
    for _ in range(6):
        assert current_rate(optimizer) == pytest.approx(current_rate(alone), abs=1e-7)
        moved, expected = step(optimizer, model), step(alone, single)
        assert moved["high/0"] == pytest.approx(expected["high/0"], rel=1e-4, abs=1e-6)
        assert moved["low/0"] == pytest.approx(expected["low/0"] / 10, rel=1e-4, abs=1e-6)


def test_by_layer__rate_can_be_set():
    model = two_layers()
    optimizer = make_optimizer(Finetune(optimizer="sgd", learning_rate=0.5, epochs=1), 2, model, {"low": 0.1})
    optimizer.learning_rate = 0.25
    assert current_rate(optimizer) == pytest.approx(0.25)
    moved = step(optimizer, model)
    assert moved["high/0"] == pytest.approx(0.25)
    assert moved["low/0"] == pytest.approx(0.025, rel=1e-4)


@pytest.mark.parametrize("rates", [{}, {"low": 0.5}])
def test_make_optimizer__clips_all_gradients_together(rates):
    settings = Finetune(optimizer="sgd", learning_rate=1.0, clip_norm=0.3, epochs=1)
    model = two_layers()
    moved = step(make_optimizer(settings, 10, model, rates), model, gradient=2.0)
    # Nine gradients of 2 have a norm of 6.
    assert moved["high/0"] == pytest.approx(2 * 0.3 / 6, rel=1e-4)
    assert moved["low/0"] == pytest.approx(moved["high/0"] * rates.get("low", 1.0), rel=1e-4)
    short = (
        step(make_optimizer(settings, 10, two_layers(), rates), two_layers(), gradient=0.05)
        if not rates
        else None
    )
    assert short is None or short["high/0"] == pytest.approx(0.05, rel=1e-4)


@pytest.mark.parametrize("rates", [{}, {"low": 0.5}])
def test_make_optimizer__average_of_the_weights(rates):
    model = two_layers()
    optimizer = make_optimizer(
        Finetune(optimizer="sgd", learning_rate=1.0, ema=0.5, epochs=1), 10, model, rates
    )
    for _ in range(2):
        step(optimizer, model)
    # 1, then 0, then -1; the average begins with the first step's weights.
    assert model.get_layer("high").kernel.numpy().ravel().tolist() == [-1.0, -1.0]
    optimizer.finalize_variable_values(model.trainable_variables)
    assert model.get_layer("high").kernel.numpy().ravel().tolist() == [-0.5, -0.5]


def test_current_rate__is_the_number_that_was_given():
    assert current_rate(make_optimizer(Frozen(learning_rate=1e-5), 10)) == 1e-5
