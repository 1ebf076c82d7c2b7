import pytest

from budwood.core.errors import RecipeError
from budwood.data.manifest import Photo
from budwood.studies.grid import read_grid
from budwood.studies.trials import folder_name, plan_trials

PHOTOS = [
    Photo(b"", f"{label}/{number}", label, sha256=f"{label}{number}")
    for label in "ab"
    for number in range(20)
]


def combinations(recipes, sizes=(), **options):
    return read_grid(recipes, **options).combinations(sizes)


def test_plan_trials__all_configurations_of_a_split_before_the_next():
    given = combinations(["frozen-linear", "frozen-gradient"], sizes=[10, "all"])
    trials, replicate_kind = plan_trials(given, PHOTOS, seeds=[4, 7])
    assert replicate_kind == "split"
    assert [trial.replicate for trial in trials] == ["split 4"] * 4 + ["split 7"] * 4
    assert len({trial.name for trial in trials}) == 8
    assert trials[0].name == "frozen-linear-10-photos-split-4"
    assert trials[0].configuration.name == "frozen-linear, 10 photos"
    assert {trial.recipe.split_seed for trial in trials[4:]} == {7}


def test_plan_trials__folds():
    trials, replicate_kind = plan_trials(combinations(["frozen-linear"]), PHOTOS, seeds=[0], folds=3)
    assert replicate_kind == "fold"
    assert [(trial.replicate, trial.recipe.data.fold, trial.recipe.data.folds) for trial in trials] == [
        ("fold 1 of 3", 0, 3),
        ("fold 2 of 3", 1, 3),
        ("fold 3 of 3", 2, 3),
    ]
    twice, _ = plan_trials(combinations(["frozen-linear"]), PHOTOS, seeds=[0, 1], folds=3)
    assert len({trial.name for trial in twice}) == len({trial.replicate for trial in twice}) == 6


def test_plan_trials__given_splits_leave_the_seed_of_the_training():
    photos = [
        Photo(b"", f"{split}/{photo.name}", photo.label, split=split)
        for split in ("train", "validation", "test")
        for photo in PHOTOS
    ]
    trials, replicate_kind = plan_trials(combinations(["frozen-linear"]), photos, seeds=[0, 1])
    assert replicate_kind == "seed"
    assert [(trial.replicate, trial.recipe.seed, trial.recipe.split_seed) for trial in trials] == [
        ("seed 0", 0, 0),
        ("seed 1", 1, 0),
    ]
    with pytest.raises(RecipeError, match="nothing to divide into folds"):
        plan_trials(combinations(["frozen-linear"]), photos, seeds=[0], folds=5)


def test_plan_trials__names_that_would_be_alike_are_told_apart():
    given = combinations(
        ["frozen-linear"], grid=['head.pooling=["avg"]', "frozen.l2_strengths=[[0.8, 0.1], [0.8,0.01]]"]
    )
    trials, _ = plan_trials(given, PHOTOS, seeds=[0])
    assert len({trial.name for trial in trials}) == 2


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("quick, a/b: é split 0", "quick-a-b-split-0"),
        ("../quick.", "quick"),
        ("finetune.learning_rate=1e-3", "finetune.learning_rate=1e-3"),
        ("x" * 300, "x" * 120),
    ],
)
def test_folder_name__every_file_system_takes_it(name, folder):
    assert folder_name(name) == folder
