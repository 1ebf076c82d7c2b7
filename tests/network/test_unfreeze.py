import dataclasses
from functools import partial

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.backbones.backbone import Backbone
from budwood.backbones.registry import BACKBONES, get_backbone
from budwood.config.learning import Finetune
from budwood.core.errors import RecipeError
from budwood.network.graph import cut, cut_points
from budwood.network.unfreeze import head_table, unfreeze
from tests.tiny import TINY

SIZE = 64


def with_head(network: keras.Model, num_logits: int = 3) -> keras.Model:
    for layer in network.layers:
        layer.trainable = False
    x = keras.layers.GlobalAveragePooling2D(name="pooling")(network.output)
    kernel = keras.initializers.RandomNormal(seed=1)
    return keras.Model(
        network.input,
        keras.layers.Dense(num_logits, kernel_initializer=kernel, name="head_logits")(x),
    )


def finetune(unfreeze, batch_norm: str = "frozen") -> Finetune:
    return Finetune(unfreeze=unfreeze, batch_norm=batch_norm)


def num_trainable(model: keras.Model) -> int:
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


@pytest.fixture(scope="module")
def backbone():
    return get_backbone("mobilenet_v2")


@pytest.fixture(scope="module")
def network(backbone) -> keras.Model:
    return backbone.build(SIZE, weights="random")


@pytest.fixture
def model(network) -> keras.Model:
    return with_head(network)


@pytest.mark.parametrize(("batch_norm", "expected"), [("train", 1_862_721), ("frozen", 1_840_897)])
def test_unfreeze__counts_as_the_two_phase_lesson_does(backbone, network, batch_norm, expected):
    model = with_head(network, num_logits=1)
    assert num_trainable(model) == 1_281
    assert len(backbone.layers(model)) == 154
    found = unfreeze(model, backbone, finetune({"layers": 54}, batch_norm))
    assert num_trainable(model) == expected
    assert num_trainable(cut(model, found.boundary)[1]) == expected
    assert found.boundary == "block_10_project_BN"


def test_unfreeze__agrees_with_a_loop_over_keras_layers(backbone, network):
    reference = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    for layer in reference.layers[: int(len(reference.layers) * 0.7)]:
        layer.trainable = False
    model = with_head(network)
    found = unfreeze(model, backbone, finetune({"fraction": 0.3}, "train"))
    assert list(found.layers) == [layer.name for layer in reference.layers if layer.trainable_weights]


@pytest.mark.parametrize(
    ("asked", "lowest", "boundary", "depth"),
    [
        ({"blocks": 1}, "block_16_expand", "block_15_add", 0),
        ({"blocks": 4}, "block_13_expand", "block_12_add", 3),
        ({"from_layer": "block_15_project"}, "block_15_project", "block_14_add", 1),
        # Nothing trains in the activation that is asked for first, nor in a BatchNorm layer.
        ({"from_layer": "block_16_project_BN"}, "Conv_1", "block_16_project_BN", 0),
        # Right below it 1,152 numbers pass at each of 64 places, above the block 96.
        ({"from_layer": "block_13_depthwise"}, "block_13_depthwise", "block_12_add", 3),
        # Down there every tensor is larger than the picture.
        ({"from_layer": "block_1_expand"}, "block_1_expand", "pixels", 15),
        ({"fraction": 1.0}, "Conv1", "pixels", 17),
        ("all", "Conv1", "pixels", 17),
    ],
)
def test_unfreeze__boundary_and_depth(backbone, model, asked, lowest, boundary, depth):
    found = unfreeze(model, backbone, finetune(asked))
    assert (found.layers[0], found.boundary) == (lowest, boundary)
    assert found.boundary in cut_points(model)
    assert found.depth[lowest] == depth and found.depth["Conv_1"] == 0
    assert list(found.depth) == list(found.layers)
    assert list(found.depth.values()) == sorted(found.depth.values(), reverse=True)


@settings(max_examples=settings.default.max_examples // 4)
@given(number=st.integers(3, 154), batch_norm=st.sampled_from(["frozen", "train"]))
def test_unfreeze__any_number_of_layers(backbone, network, number, batch_norm):
    model = with_head(network)
    found = unfreeze(model, backbone, finetune({"layers": number}, batch_norm))
    own = backbone.layers(model)
    assert set(found.layers) <= set(own[-number:])
    trained = [layer.name for layer in model.layers if layer.trainable_weights]
    assert trained == [*found.layers, "head_logits"]
    frozen, trainable = cut(model, found.boundary)
    # All that trains is in the trainable part, and no step of it is lost.
    assert not frozen.trainable_weights
    assert num_trainable(trainable) == num_trainable(model)
    assert np.prod(frozen.output_shape[1:]) * 2 <= SIZE * SIZE * 3 or found.boundary == "pixels"
    if batch_norm == "frozen":
        assert not any(isinstance(model.get_layer(name), keras.layers.BatchNormalization) for name in trained)


@pytest.mark.parametrize(
    "name",
    [
        "mobilenet_v2",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("efficientnet_lite2", "resnet50", "densenet121", "inception_v3", "nasnet_mobile")
        ),
    ],
)
def test_unfreeze__scale_and_bias_alone(name):
    backbone = BACKBONES[name]
    model = with_head(backbone.build(max(SIZE, backbone.min_size), weights="random"))
    every = unfreeze(model, backbone, finetune({"fraction": 0.3}, "train"))
    norms = [
        name for name in every.layers if isinstance(model.get_layer(name), keras.layers.BatchNormalization)
    ]
    found = unfreeze(model, backbone, Finetune(unfreeze={"fraction": 0.3}, parameters="scale-and-bias"))
    assert list(found.layers) == norms and found.held == set(norms) and every.held == frozenset()
    trained = {weight.path for weight in model.trainable_weights}
    own = {weight.path for name in norms for weight in model.get_layer(name).trainable_weights}
    assert trained == own | {weight.path for weight in model.get_layer("head_logits").weights}
    # So that the store has the features once.
    of_all_but_norms = unfreeze(model, backbone, Finetune(unfreeze={"fraction": 0.3}))
    assert found.boundary == every.boundary == of_all_but_norms.boundary


def test_unfreeze__a_norm_without_scale_and_bias_stays_as_it_is(backbone):
    model = with_head(backbone.build(SIZE, weights="random"))
    bare = model.get_layer("Conv_1_bn")
    bare.gamma = bare.beta = None
    found = unfreeze(model, backbone, Finetune(unfreeze={"blocks": 2}, parameters="scale-and-bias"))
    assert "Conv_1_bn" not in found.layers and not bare.trainable and "block_16_project_BN" in found.held


def test_unfreeze__scale_and_bias_of_layer_norms():
    backbone = BACKBONES["convnext_tiny"]
    model = with_head(backbone.build(max(32, backbone.min_size), weights="random"))
    found = unfreeze(model, backbone, Finetune(unfreeze={"blocks": 1}, parameters="scale-and-bias"))
    kinds = {type(model.get_layer(name)).__name__ for name in found.layers}
    assert kinds == {"LayerNormalization"} and not found.held


def test_unfreeze__scale_and_bias_of_what_has_none(backbone, model):
    vgg = BACKBONES["vgg16"]
    without = with_head(vgg.build(max(32, vgg.min_size), weights="random"))
    with pytest.raises(RecipeError, match="vgg16 has no normalization layers"):
        unfreeze(without, vgg, Finetune(unfreeze={"blocks": 1}, parameters="scale-and-bias"))
    with pytest.raises(RecipeError, match=r"no normalization layers above the line. .* is Conv_1_bn: give"):
        unfreeze(model, backbone, Finetune(unfreeze={"layers": 1}, parameters="scale-and-bias"))


def test_unfreeze__can_be_asked_again_for_less(backbone, model):
    unfreeze(model, backbone, finetune("all", "train"))
    first = unfreeze(model, backbone, finetune({"blocks": 1}))
    assert [layer.name for layer in model.layers if layer.trainable_weights] == [
        *first.layers,
        "head_logits",
    ]


def test_unfreeze__table_tells_every_layer(backbone, model):
    found = unfreeze(model, backbone, finetune({"from_layer": "block_15_project"}))
    rows = {row.name: row for row in found.table}
    assert list(rows) == [layer.name for layer in model.layers]
    frozen = {layer.name for layer in cut(model, found.boundary)[0].layers}
    assert {name for name, row in rows.items() if row.part == "frozen"} == frozen
    assert {row.part for row in found.table} == {"frozen", "trainable"}
    assert [name for name, row in rows.items() if row.trained] == [*found.layers, "head_logits"]
    project = rows["block_15_project"]
    assert (project.kind, project.shape, project.parameters) == ("Conv2D", (2, 2, 160), 960 * 160)
    # Between the boundary and the line: a member of the trainable part that does not train.
    assert (rows["block_15_expand"].part, rows["block_15_expand"].trained) == ("trainable", False)
    assert rows["block_15_project_BN"].parameters == 4 * 160 and not rows["block_15_project_BN"].trained
    assert sum(row.parameters for row in found.table) == model.count_params()


@pytest.mark.parametrize("turned_off", [False, True])
def test_unfreeze__head_trains_except_what_is_fixed(backbone, network, turned_off):
    x = keras.layers.GlobalAveragePooling2D(name="pooling")(network.output)
    x = keras.layers.BatchNormalization(name="head_batch_norm")(x)
    x = keras.layers.Dense(1, name="head_logits")(x)
    fixed = keras.layers.Dense(2, use_bias=False, trainable=turned_off, name="both")
    model = keras.Model(network.input, fixed(x))
    if turned_off:
        model.trainable = False
    unfreeze(model, backbone, finetune({"blocks": 1}))
    assert model.get_layer("head_batch_norm").trainable_weights
    assert model.get_layer("head_logits").trainable_weights
    assert bool(fixed.trainable_weights) == turned_off


def test_unfreeze__preprocessing_never_trains():
    backbone = get_backbone("resnet50")
    model = with_head(backbone.build(32, weights="random"))
    unfreeze(model, backbone, finetune("all", "train"))
    assert model.get_layer("preprocess_bgr").weights
    assert not model.get_layer("preprocess_bgr").trainable_weights
    assert model.get_layer("conv1_conv").trainable_weights


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"layers": 400},
            r"`unfreeze = {layers = 400}` asks for more layers than the backbone has\. mobilenet_v2 has 154 layers; "
            r'give 154 or fewer, or "all"',
        ),
        ({"blocks": 19}, r"more blocks than the backbone has\. mobilenet_v2 has 18 blocks"),
        ({"from_layer": "block_16_expnd"}, r"no layer of mobilenet_v2\. Did you mean block_16_expand\?"),
        ({"from_layer": "head_logits"}, r"the head always does"),
        ({"from_layer": "preprocess"}, r"preprocessing never trains"),
        ({"layers": 1}, r"leaves nothing of mobilenet_v2 to train: .* is Conv_1: give {layers = 3} or more"),
        ({"fraction": 0.001}, r"`unfreeze = {fraction = 0.001}` leaves nothing"),
    ],
)
def test_unfreeze__refuses_lines_outside_of_the_backbone(backbone, model, asked, message):
    with pytest.raises(RecipeError, match=message):
        unfreeze(model, backbone, finetune(asked))


def pixels_of(model: keras.Model) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (8, *model.input_shape[1:])).astype("float32")


def settle_batch_norm(model: keras.Model) -> None:
    """Gives the layers the statistics of a batch, as training has: with none, random weights let a signal fade out."""
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.trainable, layer.momentum = True, 0.0
    model(pixels_of(model), training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


def assert_batch_norm_is_held(model: keras.Model, backbone: Backbone, asked, batch_norm: str) -> None:
    found = unfreeze(model, backbone, finetune(asked, batch_norm))
    before = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    frozen, trainable = cut(model, found.boundary)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    trainable.compile(keras.optimizers.SGD(0.01), loss, run_eagerly=True)
    features = keras.ops.convert_to_numpy(frozen(pixels_of(model), training=False))
    for _ in range(2):
        trainable.train_on_batch(features, np.arange(len(features)) % 3)

    def is_changed(name: str) -> bool:
        return not all(map(np.array_equal, before[name], model.get_layer(name).get_weights()))

    changed = {name for name in before if is_changed(name)}
    batch_norms = {
        name for name in before if isinstance(model.get_layer(name), keras.layers.BatchNormalization)
    }
    trained = {*found.layers, "head_logits"} - batch_norms
    # Statistics, gamma and beta, to the last bit.
    assert changed & batch_norms == set()
    assert changed - batch_norms <= trained
    # Of a whole random network a step may be too small to move some layers.
    assert len(changed - batch_norms) > len(trained) / 2 > 1


def settled(backbone: Backbone) -> keras.Model:
    model = with_head(backbone.build(max(32, backbone.min_size), weights="random"))
    settle_batch_norm(model)
    return model


def assert_held_unless_asked(name: str, asked) -> None:
    backbone = BACKBONES[name]
    model = settled(backbone)
    assert_batch_norm_is_held(model, backbone, asked, "frozen")
    if any(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers):
        with pytest.raises(AssertionError, match=r"== set\(\)"):
            assert_batch_norm_is_held(model, backbone, asked, "train")


# The slow test has the others, which are more of the same.
@pytest.mark.parametrize(
    "name",
    [
        "mobilenet",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in (
                *("efficientnet_lite0", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0"),
                *("efficientnet_v2b0", "resnet50", "convnext_tiny", "nasnet_mobile"),
            )
        ),
    ],
)
def test_unfreeze__batch_norm_frozen_holds_every_bit(name):
    assert_held_unless_asked(name, {"blocks": 1})


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_unfreeze__batch_norm_frozen_holds_every_bit_of_the_whole_backbone(name):
    assert_held_unless_asked(name, "all")


def crossed(x, stride: int):
    """A stem, and four blocks, each of which takes in what the last two before it yield."""
    before = x = keras.layers.Conv2D(8, stride, strides=stride, name="stem")(x)
    for number in range(1, 5):
        both = [
            keras.layers.Conv2D(8, 1, name=f"block{number}_conv{place}")(given)
            for place, given in enumerate((x, before))
        ]
        before, x = x, keras.layers.Add(name=f"block{number}_add")(both)
    return x


# What the stem yields at stride 1 is more than the pixels are.
@pytest.mark.parametrize(("stride", "boundary"), [(4, "stem"), (1, "pixels")])
def test_unfreeze__where_no_cut_passes_between_crossed_blocks_the_boundary_is_below_them(stride, boundary):
    network = partial(crossed, stride=stride)
    backbone = dataclasses.replace(TINY, network=network, last="block4_add", features=8)
    model = with_head(backbone.build(32, weights="random"))
    for blocks in (1, 2):
        found = unfreeze(model, backbone, finetune({"blocks": blocks}))
        assert found.boundary == boundary
        trained = {f"block{5 - number}_conv{place}" for number in (1, 2)[:blocks] for place in (0, 1)}
        assert set(found.layers) == trained


@pytest.mark.slow
def test_unfreeze__where_no_cut_passes_between_blocks_the_boundary_is_the_pixels():
    backbone = get_backbone("nasnet_mobile")
    model = with_head(backbone.build(32, weights="random"))
    found = unfreeze(model, backbone, finetune({"blocks": 2}))
    assert found.boundary == "pixels"
    above = [name for block in backbone.blocks(model)[-2:] for name in block]
    assert set(found.layers) <= set(above)
    # The last but one takes in what the cell before it yields, and what the cell before that does.
    assert {"adjust_conv_projection_11", "adjust_conv_projection_12"} <= set(found.layers)


def test_head_table__the_head_alone_was_trained(backbone):
    rows = head_table(with_head(backbone.build(SIZE, "random")))
    assert [row.name for row in rows if row.trained] == ["head_logits"]
    assert [row.name for row in rows if row.part == "trainable"] == ["head_logits"]
    assert rows[-2].name == "pooling" and rows[-2].part == "frozen"
    assert len(rows) > 100 and rows[-1].parameters == 1281 * 3
