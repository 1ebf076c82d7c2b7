import pytest

from budwood.config.recipe import Recipe
from budwood.core.errors import RecipeError
from budwood.studies.grid import Range, parse_seeds, parse_sizes, read_grid


def combinations(recipes, sizes=(), **options):
    return read_grid(recipes, **options).combinations(sizes)


def test_combinations__every_combination_named_by_what_differs():
    found = combinations(
        ["frozen-linear", "frozen-gradient"],
        backbones=["mobilenet_v2", "efficientnet_lite2@320+efficientnet_lite0@224"],
        grid=["head.dropout=[0.0, 0.5]"],
        sizes=[50, "all"],
        settings=["seed=3", "frozen.fit=gradient"],
    )
    assert len(found) == len({one.configuration.name for one in found}) == 16
    first, last = found[0], found[-1]
    assert first.configuration.base == "frozen-linear, mobilenet_v2, head.dropout=0.0"
    assert first.configuration.name == f"{first.configuration.base}, 50 photos"
    assert first.configuration.settings == {"head.dropout": "0.0"} and first.configuration.photos == 50
    assert (first.recipe.seed, first.recipe.data.train_photos) == (3, 50)
    assert last.recipe.backbone.names == ["efficientnet_lite2", "efficientnet_lite0"]
    assert (last.recipe.head.dropout, last.configuration.photos, last.recipe.data.train_photos) == (
        0.5,
        None,
        "all",
    )


def test_combinations__weights_go_to_the_backbones_they_are_for():
    found = combinations(
        ["frozen-linear"],
        backbones=["mobilenet_v2", "mobilenet", "efficientnet_lite0"],
        weights=["mobilenet_v2=/a=b.h5", "mobilenet=c.h5"],
    )
    assert [one.recipe.backbone.weights_of(one.recipe.backbone.names[0]) for one in found] == [
        *("/a=b.h5", "c.h5", "imagenet")
    ]
    (one,) = combinations(["frozen-linear"], backbones=["mobilenet_v2"], weights=["folder/x=y.h5"])
    assert one.recipe.backbone.weights_of("mobilenet_v2") == "folder/x=y.h5"


def test_combinations__tables_and_text_as_values():
    found = combinations(
        [Recipe()], grid=['finetune.unfreeze=[{layers = 20}, {blocks = 2}, "all"]', 'head.pooling=["avg"]']
    )
    assert [one.configuration.name for one in found] == [
        "recipe, finetune.unfreeze={layers = 20}, head.pooling=avg",
        "recipe, finetune.unfreeze={blocks = 2}, head.pooling=avg",
        "recipe, finetune.unfreeze=all, head.pooling=avg",
    ]
    assert found[2].recipe.finetune.unfreeze == "all"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"recipes": []}, "needs a recipe"),
        ({"recipes": ["frozen-liner"]}, "Did you mean frozen-linear"),
        ({"grid": ["frozen.learning_rate=[]"]}, "the list is empty"),
        ({"grid": ["frozen.learning_rate=1e-3"]}, r"expected section.key=\[value, value\]"),
        ({"grid": ["frozen.learning_rat=[1e-3]"]}, "Did you mean frozen.learning_rate"),
        ({"grid": ["frozen.learning_rate=[1e-3, 1e-3]"]}, "is in the study twice"),
        ({"recipes": ["auto", "auto"]}, "is in the study twice"),
        ({"backbones": ["mobilenet+mobilenet"]}, "is there twice"),
        ({"grid": ["seed=[1]", "seed = [2]"]}, "--grid seed is there twice"),
        ({"grid": ["evaluate.test=[true, false]"]}, "measured on different photos"),
        ({"backbones": ["mobilenet_v2+mobilenet"], "weights": ["f.h5"]}, "say whose file it is"),
        ({"sizes": [1]}, "data.train_photos"),
        ({"sizes": [9, 9]}, "the number of photos `9` is in the study twice"),
        ({"grid": ["frozen.folds=3..5"]}, "a range is for a search"),
        ({"grid": ["budget.minutes=[1, 2]"]}, "two trials would not be of one recipe"),
        (
            {"grid": ['backbone.precision=["f32", "int8"]']},
            "backbone.precision = int8 is tried on the photos",
        ),
    ],
)
def test_combinations__bad_requests(options, words):
    with pytest.raises(RecipeError, match=words):
        combinations(**{"recipes": ["frozen-linear"], **options})


@pytest.mark.parametrize("text", ["", "0", "a", "3-", "5-3", "1,1", "-1", "1.5"])
def test_parse_seeds__bad(text):
    with pytest.raises(RecipeError, match="give how many"):
        parse_seeds(text)


@pytest.mark.parametrize("text", ["", "0", "all,x", "1.5", "-3"])
def test_parse_sizes__bad(text):
    with pytest.raises(RecipeError, match="give numbers of training photos"):
        parse_sizes(text)


def test_read_grid__every_dimension():
    grid = read_grid(
        ["quick", "frozen-linear"],
        backbones=["mobilenet_v2", "mobilenet"],
        grid=["head.pooling=['avg', 'max']", "finetune.learning_rate=1e-5..1e-2", "frozen.folds=3..5"],
    )
    assert list(grid.dimensions) == [
        *("recipe", "backbone", "head.pooling", "finetune.learning_rate", "frozen.folds")
    ]
    point = {"recipe": "quick", "backbone": "mobilenet", "head.pooling": "max"}
    found = grid.at(point | {"finetune.learning_rate": 3e-5, "frozen.folds": 4})
    assert (
        found.configuration.name
        == "quick, mobilenet, head.pooling=max, finetune.learning_rate=3e-05, frozen.folds=4"
    )
    assert (found.recipe.backbone.name, found.recipe.head.pooling) == ("mobilenet", "max")
    assert (found.recipe.finetune.learning_rate, found.recipe.frozen.folds) == (3e-5, 4)


@pytest.mark.parametrize(
    ("text", "whole", "log"),
    [
        ("frozen.folds=3..5", True, False),
        ("frozen.batch_size=8..128", True, True),
        ("head.dropout=0.0..0.5", False, False),
        ("finetune.learning_rate = 1e-5 .. 1e-2", False, True),
        ("finetune.unfreeze.fraction=0.1..0.5", False, False),
    ],
)
def test_read_grid__ranges(text, whole, log):
    (found,) = read_grid(["quick"], grid=[text]).ranges.values()
    assert (found.whole, found.log) == (whole, log)


def test_range__rounds_within_its_ends():
    assert Range(0.12345, 0.5).rounded(0.12345) == 0.12345
    assert Range(1e-5, 1e-2).rounded(0.000123456) == 0.000123
    assert Range(1, 9).rounded(4) == 4


def test_grid__size_and_points():
    grid = read_grid(["quick", Recipe()], grid=["frozen.folds=3..5"])
    assert grid.size == 6 == len(list(grid.points()))
    assert read_grid(["quick"], grid=["head.dropout=0.0..0.5"]).size == float("inf")


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ([], "nothing to search"),
        (["frozen.folds=[3]"], "nothing to search"),
        (["frozen.folds=.."], "a number at either end"),
        (["frozen.folds=3.."], "a number at either end"),
        (["head.dropout=nan..0.5"], "a number at either end"),
        (["frozen.folds=5..3"], "from a smaller number to a larger one"),
        (["frozen.folds=3..3"], "from a smaller number to a larger one"),
        (["frozen.fold=3..5"], "Did you mean frozen.folds"),
        (["frozen.folds=1..5"], "greater than or equal to 2"),
        (["frozen.folds=3..50"], "less than or equal to 20"),
        (["frozen.folds=3.0..5.0"], "valid integer"),
        (["head.pooling=1..2"], "'avg' or 'max'"),
        (["augment.horizontal_flip=0..1"], "no numbers, so it has no range"),
        (["frozen.folds=[3, 1]"], "greater than or equal to 2"),
        (["frozen.folds=[3, 3]"], "twice"),
        (["frozen.folds=[3, 4]", "frozen.folds=3..5"], "twice"),
        (["split_seed=0..9"], "measured on different photos"),
    ],
)
def test_read_grid__what_does_not_fit(grid, words):
    with pytest.raises(RecipeError, match=words):
        read_grid(["quick"], grid=grid).check()


def test_read_grid__twice_or_none():
    with pytest.raises(RecipeError, match="needs a recipe"):
        read_grid([])
    with pytest.raises(RecipeError, match="the recipe `quick` is in the study twice"):
        read_grid(["quick", "quick"])
