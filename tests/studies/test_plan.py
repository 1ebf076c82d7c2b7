import pytest

from budwood.config.recipe import Recipe
from budwood.core.errors import RecipeError
from budwood.data.manifest import Photo
from budwood.studies.plan import configurations, parse_seeds, parse_sizes, plan

PHOTOS = [
    Photo(b"", f"{label}/{number}", label, sha256=f"{label}{number}")
    for label in "ab"
    for number in range(20)
]


def test_configurations__every_combination_named_by_what_differs():
    found = configurations(
        ["frozen-linear", "frozen-gradient"],
        backbones=["mobilenet_v2", "efficientnet_lite2@320+efficientnet_lite0@224"],
        grid=["head.dropout=[0.0, 0.5]"],
        sizes=[50, "all"],
        settings=["seed=3", "frozen.fit=gradient"],
    )
    assert len(found) == len({(one.name, one.photos) for one in found}) == 16
    first, last = found[0], found[-1]
    assert (first.name, first.photos) == ("frozen-linear, mobilenet_v2, head.dropout=0.0", 50)
    assert (first.recipe.seed, first.recipe.data.train_photos) == (3, 50)
    assert last.recipe.backbone.names == ["efficientnet_lite2", "efficientnet_lite0"]
    assert (last.recipe.head.dropout, last.photos, last.recipe.data.train_photos) == (0.5, None, "all")


def test_configurations__weights_go_to_the_backbones_they_are_for():
    found = configurations(
        ["frozen-linear"],
        backbones=["mobilenet_v2", "mobilenet", "efficientnet_lite0"],
        weights=["mobilenet_v2=/a=b.h5", "mobilenet=c.h5"],
    )
    assert [one.recipe.backbone.weights_of(one.recipe.backbone.names[0]) for one in found] == [
        *("/a=b.h5", "c.h5", "imagenet")
    ]
    (one,) = configurations(["frozen-linear"], backbones=["mobilenet_v2"], weights=["folder/x=y.h5"])
    assert one.recipe.backbone.weights_of("mobilenet_v2") == "folder/x=y.h5"


def test_configurations__tables_and_text_as_values():
    found = configurations(
        [Recipe()], grid=['finetune.unfreeze=[{layers = 20}, {blocks = 2}, "all"]', 'head.pooling=["avg"]']
    )
    assert [one.name for one in found] == [
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
    ],
)
def test_configurations__bad_requests(options, words):
    with pytest.raises(RecipeError, match=words):
        configurations(**{"recipes": ["frozen-linear"], **options})


def test_plan__all_configurations_of_a_split_before_the_next():
    given = configurations(["frozen-linear", "frozen-gradient"], sizes=[10, "all"])
    trials, replicate_kind = plan(given, PHOTOS, seeds=[4, 7])
    assert replicate_kind == "split"
    assert [trial.replicate for trial in trials] == ["split 4"] * 4 + ["split 7"] * 4
    assert len({trial.name for trial in trials}) == 8
    assert trials[0].name == "frozen-linear-10-photos-split-4"
    assert trials[0].configuration == "frozen-linear, 10 photos"
    assert {trial.recipe.split_seed for trial in trials[4:]} == {7}


def test_plan__folds():
    trials, replicate_kind = plan(configurations(["frozen-linear"]), PHOTOS, seeds=[0], folds=3)
    assert replicate_kind == "fold"
    assert [(trial.replicate, trial.recipe.data.fold, trial.recipe.data.folds) for trial in trials] == [
        ("fold 1 of 3", 0, 3),
        ("fold 2 of 3", 1, 3),
        ("fold 3 of 3", 2, 3),
    ]
    twice, _ = plan(configurations(["frozen-linear"]), PHOTOS, seeds=[0, 1], folds=3)
    assert len({trial.name for trial in twice}) == len({trial.replicate for trial in twice}) == 6


def test_plan__given_splits_leave_the_seed_of_the_training():
    photos = [
        Photo(b"", f"{split}/{photo.name}", photo.label, split=split)
        for split in ("train", "validation", "test")
        for photo in PHOTOS
    ]
    trials, replicate_kind = plan(configurations(["frozen-linear"]), photos, seeds=[0, 1])
    assert replicate_kind == "seed"
    assert [(trial.replicate, trial.recipe.seed, trial.recipe.split_seed) for trial in trials] == [
        ("seed 0", 0, 0),
        ("seed 1", 1, 0),
    ]
    with pytest.raises(RecipeError, match="nothing to divide into folds"):
        plan(configurations(["frozen-linear"]), photos, seeds=[0], folds=5)


def test_plan__names_that_would_be_alike_are_told_apart():
    given = configurations(
        ["frozen-linear"], grid=['head.pooling=["avg"]', "frozen.l2_strengths=[[0.8, 0.1], [0.8,0.01]]"]
    )
    trials, _ = plan(given, PHOTOS, seeds=[0])
    assert len({trial.name for trial in trials}) == 2


@pytest.mark.parametrize("text", ["", "0", "a", "3-", "5-3", "1,1", "-1", "1.5"])
def test_parse_seeds__bad(text):
    with pytest.raises(RecipeError, match="give how many"):
        parse_seeds(text)


@pytest.mark.parametrize("text", ["", "0", "all,x", "1.5", "-3"])
def test_parse_sizes__bad(text):
    with pytest.raises(RecipeError, match="give numbers of training photos"):
        parse_sizes(text)
