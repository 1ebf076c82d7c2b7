import keras
import numpy as np
import pytest

from budwood.core.errors import BackboneError
from budwood.network.graph import boundary_below, cut, cut_points, fingerprint


@pytest.fixture
def model() -> keras.Model:
    return residual()


def residual(drop: float | None = None) -> keras.Model:
    """pixels -> stem -> (a -> b) + stem -> add -> (left | right) -> join -> end; with dropout here and there"""

    def dropped(tensor, *kinds: type[keras.layers.Layer]):
        for kind in kinds if drop is not None else ():
            tensor = kind(drop)(tensor)
        return tensor

    def dense(width: int, seed: int, name: str) -> keras.layers.Layer:
        return keras.layers.Dense(width, kernel_initializer=keras.initializers.GlorotUniform(seed), name=name)

    pixels = keras.Input((6,), name="pixels")
    stem = dense(4, 1, "stem")(dropped(pixels, keras.layers.Dropout))
    b = dropped(dense(4, 3, "b")(dense(4, 2, "a")(stem)), keras.layers.Dropout)
    add = keras.layers.Add(name="add")([b, stem])
    left, right = dense(3, 4, "left")(dropped(add, keras.layers.AlphaDropout)), dense(2, 5, "right")(add)
    join = keras.layers.Concatenate(name="join")([left, right])
    end = dense(2, 6, "end")(dropped(join, keras.layers.Dropout, keras.layers.GaussianNoise))
    return keras.Model(pixels, dropped(end, keras.layers.Dropout))


def run(model: keras.Model, values) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(values, training=False))


VALUES = np.random.default_rng(0).normal(size=(3, 6)).astype("float32")
POINTS = ["pixels", "stem", "add", "join", "end"]


def test_cut_points__only_where_one_tensor_passes(model):
    assert cut_points(model) == POINTS


def test_cut_points__a_shortcut_over_everything_leaves_the_ends():
    pixels = keras.Input((4,), name="pixels")
    x = keras.layers.Dense(4, name="inner")(pixels)
    assert cut_points(keras.Model(pixels, keras.layers.Add(name="add")([x, pixels]))) == ["pixels", "add"]


@pytest.mark.parametrize("at", POINTS)
def test_cut__composed_equals_the_whole(model, at):
    frozen, trainable = cut(model, at)
    np.testing.assert_array_equal(run(trainable, run(frozen, VALUES)), run(model, VALUES))


def test_cut__at_the_input_the_frozen_part_gives_back_what_it_gets(model):
    frozen, trainable = cut(model, "pixels")
    np.testing.assert_array_equal(run(frozen, VALUES), VALUES)
    assert [layer.name for layer in trainable.layers] == [layer.name for layer in model.layers]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([], "end"),
        (["end"], "join"),
        (["left"], "add"),
        (["right", "end"], "add"),
        (["add"], "stem"),
        (["b", "end"], "stem"),
        (["a"], "stem"),
        (["stem", "left"], "pixels"),
        (["pixels"], "pixels"),
    ],
)
def test_boundary_below__highest_place_where_one_tensor_passes(model, layers, expected):
    assert boundary_below(model, layers) == expected
    frozen = {layer.name for layer in cut(model, expected)[0].layers}
    assert not frozen & (set(layers) - {"pixels"})


def test_boundary_below__goes_down_to_where_features_are_small_enough(model):
    # `join` yields 5 numbers, `add` and `stem` 4; the 6 of the input are always allowed.
    found = [boundary_below(model, ["end"], largest) for largest in (5.0, 4.5, 4.0, 3.0)]
    assert found == ["join", "add", "add", "pixels"]


def test_boundary_below__unknown_layer(model):
    with pytest.raises(BackboneError, match=r"no layer `lefft`\. Did you mean left\?"):
        boundary_below(model, ["lefft"])


def test_cut__parts_share_their_layers(model):
    frozen, trainable = cut(model, "add")
    assert frozen.get_layer("a") is model.get_layer("a")
    assert trainable.get_layer("left") is model.get_layer("left")
    before = run(model, VALUES)
    for part, name in ((frozen, "a"), (trainable, "left")):
        part.get_layer(name).kernel.assign(part.get_layer(name).kernel * 2)
    assert not np.allclose(run(model, VALUES), before)
    np.testing.assert_array_equal(run(trainable, run(frozen, VALUES)), run(model, VALUES))


def test_cut__a_part_can_be_cut_again(model):
    frozen, trainable = cut(model, "stem")
    middle, top = cut(trainable, "join")
    np.testing.assert_array_equal(run(top, run(middle, run(frozen, VALUES))), run(model, VALUES))
    assert cut_points(trainable)[1:] == ["add", "join", "end"]


def test_cut__whole_model_still_saves_and_loads(model, tmp_path):
    for at in POINTS:
        cut(model, at)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(run(loaded, VALUES), run(model, VALUES))
    assert cut_points(loaded) == POINTS
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]


@pytest.mark.parametrize(
    ("at", "reason"), [("a", "another path goes around it"), ("stemm", "Did you mean stem?")]
)
def test_cut__refuses_other_places(model, at, reason):
    with pytest.raises(BackboneError, match=f"cannot be cut at `{at}`") as error:
        cut(model, at)
    assert reason in str(error.value)


def test_fingerprint__a_second_build_and_a_reloaded_copy_are_equal(model, tmp_path):
    expected = fingerprint(cut(model, "add")[0], size=6)
    assert len(expected) == 32 and int(expected, 16) >= 0
    assert fingerprint(cut(residual(), "add")[0], size=6) == expected
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    assert fingerprint(cut(loaded, "add")[0], size=6) == expected


def test_fingerprint__names_and_trainable_do_not_count(model):
    expected = fingerprint(cut(model, "add")[0])
    pixels = keras.Input((6,))
    stem = keras.layers.Dense(4)(pixels)
    add = keras.layers.Add()([keras.layers.Dense(4)(keras.layers.Dense(4)(stem)), stem])
    unnamed = keras.Model(pixels, add)
    unnamed.set_weights(cut(model, "add")[0].get_weights())
    model.get_layer("a").trainable = False
    assert fingerprint(cut(model, "add")[0]) == expected == fingerprint(unnamed)


@pytest.mark.parametrize("drop", [0.0, 0.1, 0.5])
def test_fingerprint__dropout_does_not_count(model, drop, tmp_path):
    dropping = residual(drop)
    assert len(dropping.layers) == len(model.layers) + 6
    assert fingerprint(dropping) == fingerprint(model)
    assert fingerprint(cut(dropping, "add")[0]) == fingerprint(cut(model, "add")[0])
    dropping.save(tmp_path / "model.keras")
    assert fingerprint(keras.models.load_model(tmp_path / "model.keras", safe_mode=True)) == fingerprint(
        model
    )


def test_fingerprint__wiring_behind_dropout_counts():
    def build(swapped: bool) -> keras.Model:
        pixels = keras.Input((2,))
        a, b = keras.layers.ReLU()(pixels), keras.layers.Softmax()(pixels)
        a, b = keras.layers.Dropout(0.1)(a), keras.layers.Dropout(0.1)(b)
        return keras.Model(pixels, keras.layers.Subtract()([b, a] if swapped else [a, b]))

    assert fingerprint(build(False)) == fingerprint(build(False)) != fingerprint(build(True))


def test_fingerprint__one_bit_of_one_weight_counts(model):
    expected = fingerprint(model)
    kernel, bias = model.get_layer("right").get_weights()
    kernel[0, 0] = np.nextafter(kernel[0, 0], np.float32(9))
    model.get_layer("right").set_weights([kernel, bias])
    assert fingerprint(model) != expected


def test_fingerprint__settings_and_wiring_count():
    def build(epsilon: float = 1e-3, crossed: bool = False) -> keras.Model:
        pixels = keras.Input((2,))
        a = keras.layers.BatchNormalization(epsilon=epsilon)(pixels)
        b = keras.layers.Subtract()([pixels, a] if crossed else [a, pixels])
        return keras.Model(pixels, b)

    assert fingerprint(build()) == fingerprint(build())
    assert len({fingerprint(build()), fingerprint(build(1e-5)), fingerprint(build(crossed=True))}) == 3


def test_fingerprint__extras_and_boundary_count(model):
    prints = [
        fingerprint(model),
        fingerprint(model, size=6),
        fingerprint(model, size=7),
        fingerprint(model, size=6, resize="crop"),
        fingerprint(cut(model, "add")[0]),
        fingerprint(cut(model, "join")[0]),
    ]
    assert len(set(prints)) == len(prints)
