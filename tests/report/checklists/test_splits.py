import pytest

from budwood.report.checklists import splits
from budwood.report.checklists.facts import Facts
from budwood.report.summary import read_contents
from tests.report.checklists.conftest import edit, set_recipe, set_rows

TWINS = {"twins": 2, "n": 18, "accuracy": 0.5, "accuracy_ci95": [0.3, 0.7], "pairs": []}


def of(folder):
    return Facts(read_contents(folder))


def test_division__by_shares(facts):
    text = splits.division(facts()).text.replace("\u00a0", " ")
    assert "160 train, 20 validation and 20 test photos" in text
    assert "Divided at random by split seed 0" in text and "80 %, 10 % and 10 %" in text
    assert "5-fold cross-validation" in text


def test_division__in_folds(made):
    folder = made()
    set_recipe(folder, "data.folds=5", "data.fold=1")
    assert "Fold 1 of 5 is held out" in splits.division(of(folder)).text


def test_division__what_the_source_brings_is_not_called_random(made):
    folder = made()
    given = {"train": 2, "validation": 1, "test": 1}
    edit(folder, "check.json", understood__classes={"daisy": given})
    text = splits.division(of(folder)).text
    assert "The source itself brings the three splits" in text and "random" not in text
    edit(folder, "check.json", understood__classes={"daisy": {"train": 2, "test": 1}})
    assert "The source brings train and test; validation were made" in splits.division(of(folder)).text


def test_division__without_a_test_and_of_a_run_gone_on_with(made):
    folder = made(test=False)
    edit(folder, "run.json", **{"from": "first"})
    said = splits.division(of(folder))
    assert "No test was asked for" in said.text and "the run “first” knows" in said.text
    assert {"run.json: from", "recipe.toml: evaluate.test"} <= set(said.where)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("none", "equal pixels"),
        ("parent", "one folder"),
        ("column:patient", "column “patient”"),
        ("burst:60s", "at most 1 min 0 s apart"),
        ("near-duplicates", "nearly alike"),
    ],
)
def test_independence__names_the_rule(made, rule, told):
    folder = made()
    set_recipe(folder, f'data.group="{rule}"')
    assert told in splits.independence(of(folder)).text


def test_independence__is_looked_up_in_the_split(made):
    folder = made()
    assert (
        "no group and no file, by its SHA-256, is in more than one split"
        in splits.independence(of(folder)).text
    )
    set_rows(folder, lambda row: row | {"group": "scene"})
    text = splits.independence(of(folder)).text
    assert "1 group and 0 files (by SHA-256) are in more than one split" in text and "too high" in text


def test_independence__near_twins_with_the_accuracy_without_them(made):
    folder = made()
    assert "names no test photo that a training photo nearly shows." in splits.independence(of(folder)).text
    edit(folder, "metrics.json", test__without_twins=TWINS)
    said = splits.independence(of(folder))
    text = said.text.replace("\u00a0", " ")
    assert "Of 20 test photos 2 show nearly" in text and "50.0 % (95 % interval 30.0 % to 70.0 %)" in text
    assert "metrics.json: test.without_twins" in said.where
    every = {"twins": 20, "n": 0, "accuracy": None, "accuracy_ci95": None, "pairs": []}
    edit(folder, "metrics.json", test__without_twins=every)
    said = splits.independence(of(folder))
    assert said.text.endswith("Every test photo shows nearly what a training photo shows.")
    assert "metrics.json: test.without_twins" in said.where


def test_independence__of_a_trial_says_that_it_looked_by_hash_alone(facts):
    assert "by perceptual hash alone" in splits.independence(facts(saved=False)).text


def test_training_only__of_a_linear_probe(facts):
    said = splits.training_only(facts())
    assert said.state == "answered" and "cross-validation among them" in said.text
    assert "20 validation photos chose the temperature of the probabilities." in said.text


def test_training_only__of_two_phases(facts):
    text = splits.training_only(facts(finetuned=True)).text
    assert "chose the phase, the epoch and the temperature" in text


def test_training_only__needs_photos_that_chose_nothing(facts):
    said = splits.training_only(facts(test=False))
    assert said.state == "question" and "No test photo was measured" in said.text


def test_training_only__says_what_saw_all_photos(made):
    folder = made()
    edit(folder, "check.json", values={"range": [0, 4095], "photos": 12})
    assert "the range of values" in splits.training_only(of(folder)).text


def test_differences(made):
    folder = made()
    assert splits.differences(of(folder)).state == "answered"
    edit(folder, "check.json", understood__classes={"daisy": {"train": 2, "test": 1}})
    assert splits.differences(of(folder)).state == "question"


def test_differences__without_a_test(facts):
    assert splits.differences(facts(test=False)).state == "question"


def test_division_and_independence__of_several_labels(labelled):
    edit(labelled, "metrics.json", test__without_twins=TWINS)
    assert "sets of labels are spread alike" in splits.division(of(labelled)).text
    assert "the share of photos with every label right is" in splits.independence(of(labelled)).text


def test_division__says_what_calibration_photos_are_for(made):
    folder = made()
    assert "calibration photos" not in splits.division(of(folder)).text
    set_rows(folder, lambda row: row | {"split": "calibration"} if row["name"].endswith("1.jpg") else row)
    set_recipe(folder, "data.calibration=0.1")
    said = splits.division(of(folder))
    assert "set the thresholds of prediction sets" in said.text and "20 calibration" in said.text
    assert "recipe.toml: data.calibration" in said.where
