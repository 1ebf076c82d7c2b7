import pytest

from budwood.config.recipe import Recipe
from budwood.core.errors import RecipeError
from budwood.studies.space import Range, read_space


def test_read_space__every_dimension():
    space = read_space(
        ["quick", "frozen-linear"],
        backbones=["mobilenet_v2", "mobilenet"],
        grid=["head.pooling=['avg', 'max']", "finetune.learning_rate=1e-5..1e-2", "frozen.folds=3..5"],
    )
    assert list(space.dimensions) == [
        *("recipe", "backbone", "head.pooling", "finetune.learning_rate", "frozen.folds")
    ]
    point = {"recipe": "quick", "backbone": "mobilenet", "head.pooling": "max"}
    found = space.configuration(point | {"finetune.learning_rate": 3e-5, "frozen.folds": 4})
    assert found.name == "quick, mobilenet, head.pooling=max, finetune.learning_rate=3e-05, frozen.folds=4"
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
def test_read_space__ranges(text, whole, log):
    (found,) = read_space(["quick"], grid=[text]).ranges.values()
    assert (found.whole, found.log) == (whole, log)


def test_range__rounds_within_its_ends():
    assert Range(0.12345, 0.5).rounded(0.12345) == 0.12345
    assert Range(1e-5, 1e-2).rounded(0.000123456) == 0.000123
    assert Range(1, 9).rounded(4) == 4


def test_space__size_and_points():
    space = read_space(["quick", Recipe()], grid=["frozen.folds=3..5"])
    assert space.size == 6 == len(list(space.points()))
    assert read_space(["quick"], grid=["head.dropout=0.0..0.5"]).size == float("inf")


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
def test_read_space__what_does_not_fit(grid, words):
    with pytest.raises(RecipeError, match=words):
        read_space(["quick"], grid=grid)


def test_read_space__twice_or_none():
    with pytest.raises(RecipeError, match="needs a recipe"):
        read_space([])
    with pytest.raises(RecipeError, match="the recipe `quick` is in the search twice"):
        read_space(["quick", "quick"])
