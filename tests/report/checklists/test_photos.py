import pytest

from budwood.report.checklists import photos
from budwood.report.checklists.facts import Facts
from budwood.report.summary import read_contents
from tests.report.checklists.conftest import edit, set_recipe, set_rows


def of(folder):
    return Facts(read_contents(folder))


def test_dataset__is_told_from_others_by_hashes(facts):
    found = facts()
    said = photos.dataset(found)
    assert "200 photos in 5 classes of “flower_photos”" in said.text and found.info.split.sha256 in said.text


def test_source__is_never_more_than_a_hint(made):
    folder = made()
    assert photos.source(of(folder)).state == "question" and "one source" in photos.source(of(folder)).text
    edit(folder, "check.json", understood__classes={"daisy": {"train": 3, "test": 1}})
    assert "has the splits train and test" in photos.source(of(folder)).text


def test_outcome__says_how_frequent_each_class_is(facts):
    said = photos.outcome(facts(classes=["a", "b"], per_class=20))
    assert "“a” 20 (50.0" in said.text.replace("\u00a0", " ") and "one of 2" in said.text


def test_outcome__of_many_classes_says_the_range(facts):
    said = photos.outcome(facts(classes=[f"c{i}" for i in range(30)], per_class=10))
    assert "10 to 10, with a median of 10" in said.text and "18 others" in said.text


def test_outcome__of_several_labels_a_photo(labelled):
    found = Facts(read_contents(labelled))
    assert "Which labels a photo has, of these: “desert”" in photos.outcome(found).text
    assert "By label (train, validation, test)" in photos.counts(found).text
    assert "300 photos in 4 labels" in photos.dataset(found).text
    assert "No label of a photo is unknown." in photos.missing(found).text
    edit(labelled, "check.json", understood__unknown=30)
    told = photos.missing(Facts(read_contents(labelled))).text
    assert "Of 30 photos some labels are unknown" in told
    assert photos.shares_by_split(found).text == ""


def test_counts__names_groups_or_says_that_there_are_none(made):
    folder = made(classes=["a", "b"], per_class=20)
    assert "40 photos: 32 train, 4 validation and 4 test" in photos.counts(of(folder)).text
    assert "“a” 16, 2, 2" in photos.counts(of(folder)).text
    assert "No photos are known to belong together" in photos.counts(of(folder)).text
    set_rows(folder, lambda row: row | {"group": row["split"] if row["split"] != "train" else ""})
    assert "8 photos are of 2 groups of photos that belong together, the largest of 4; 32 stand" in (
        photos.counts(of(folder)).text
    )


def test_excluded__counts_each_reason(made):
    folder = made()
    problems = [{"path": f"{i}.jpg", "kind": "conflict", "detail": ""} for i in range(4)]
    edit(folder, "check.json", problems=problems, found=210, kept=205, unreadable=1)
    text = photos.excluded(of(folder)).text
    assert "left out 5 of 210 photos found: 1 file cannot be decoded; 4 where the same picture" in text


def test_excluded__nothing(made):
    folder = made()
    edit(folder, "check.json", problems=[], found=200, kept=200, unreadable=0)
    said = photos.excluded(of(folder))
    assert said.text == "The check left out 0 of 200 photos found." and said.state == "answered"


def test_excluded__names_what_was_not_read(made):
    folder = made()
    beside = {"kind": "beside", "place": ".", "count": 7, "example": "x.jpg", "ending": ".jpg"}
    edit(folder, "check.json", understood__passed_over=[beside])
    assert "Not read: 7 photos" in photos.excluded(of(folder)).text
    assert "nothing tells their class: 7" in photos.missing(of(folder)).text


@pytest.mark.parametrize(
    ("unreadable", "kinds", "told"),
    [
        (0, {}, ["all could be", "No picture stood", "No photo was there twice"]),
        (1, {"duplicate": 2}, ["1 file could not be, and was left out", "2 copies of photos"]),
        (3, {"conflict": 2, "leak": 1}, ["3 files could not be, and were", "3 photos, the same picture"]),
    ],
)
def test_unreadable(made, unreadable, kinds, told):
    folder = made()
    problems = [{"path": "a.jpg", "kind": kind, "detail": ""} for kind, n in kinds.items() for _ in range(n)]
    edit(folder, "check.json", problems=problems, unreadable=unreadable)
    text = photos.unreadable(of(folder)).text
    assert all(one in text for one in told), text


def test_unreadable__poor_photos_are_named_where_the_run_lists_them(made):
    folder = made()
    assert "check.json: poor" not in photos.unreadable(of(folder)).where
    edit(folder, "check.json", poor=[{"path": "a.jpg", "kind": "dark"}])
    assert "1 dark" in photos.unreadable(of(folder)).text


def test_missing__by_class_only_where_the_run_can_tell(made):
    folder = made(classes=["a", "b"], per_class=20)
    counts = {"a": {"": 23}, "b": {"": 20}}
    edit(folder, "check.json", understood__classes=counts, found=43, kept=40, unreadable=3)
    text = photos.missing(of(folder)).text.replace("\u00a0", " ")
    assert "3 of 43 (7.0 %)" in text and "“a” 3 of 23, of the others none" in text
    set_recipe(folder, "data.train_photos=20")
    assert "by class" not in photos.missing(of(folder)).text
    set_recipe(folder, "data.train_photos=all")
    edit(folder, "check.json", found=44)
    assert "by class" not in photos.missing(of(folder)).text


@pytest.mark.parametrize(
    ("resize", "told"), [("crop", "middle square"), ("pad", "grey"), ("stretch", "both sides")]
)
def test_transformations__resizing(made, resize, told):
    folder = made()
    set_recipe(folder, f"data.resize={resize}")
    said = photos.transformations(of(folder))
    assert told in said.text and "224 pixels" in said.text and "not augmented" in said.text


def test_transformations__what_saw_all_photos_is_said(made):
    folder = made()
    edit(folder, "check.json", values={"range": [0, 4095], "photos": 12})
    set_recipe(folder, "data.range=[0, 4095]")
    said = photos.transformations(of(folder))
    assert "values from 0 to 4095" in said.text and "those of every split" in said.text
    assert "check.json: values" in said.where


def test_transformations__augmentation_of_gradient_steps(facts):
    text = photos.transformations(facts(finetuned=True)).text
    assert "Training photos, and these alone" in text and "mirrored left to right" in text
    assert "turned by up to 0.1" in text


def test_transformations__augmentation_without_gradient_steps_was_not_used(made):
    folder = made()
    set_recipe(folder, "augment.views=3", "augment.horizontal_flip=true")
    assert "no gradient steps were taken" in photos.transformations(of(folder)).text


def test_used_part__a_subset_is_said(made):
    folder = made()
    assert "all training photos" in photos.used_part(of(folder)).text
    set_recipe(folder, "data.train_photos=50", "data.folds=5", "data.fold=2")
    assert "50 training photos" in photos.used_part(of(folder)).text
    assert "fold 2 of 5" in photos.used_part(of(folder)).text


def test_acquisition__sizes_where_they_are_known(made):
    folder = made()
    assert "240 to 240 pixels" in photos.acquisition(of(folder)).text
    set_rows(folder, lambda row: row | {"width": "0", "height": "0"})
    assert photos.acquisition(of(folder)).text == ""


def test_input_only__by_the_saved_model_or_the_recipe(facts):
    assert photos.input_only(facts()).where == ("model/model.json: input",)


def test_input_only__of_a_trial(facts):
    assert photos.input_only(facts(saved=False)).where == ("recipe.toml: data.size",)


def test_shares_by_split__names_the_class_that_differs_most(made):
    folder = made(classes=["a", "b"], per_class=20)
    set_rows(folder, lambda row: row | {"label": "a" if row["split"] == "train" else row["label"]})
    text = photos.shares_by_split(of(folder)).text.replace("\u00a0", " ")
    assert "100.0 % of the training photos and 50.0 % of the test photos" in text
