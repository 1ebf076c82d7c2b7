import pytest

from budwood.config.recipe import Recipe
from budwood.core.errors import RunError
from budwood.core.files import json_lines, read_json, write_json, write_json_lines
from budwood.data.label_sets import with_labels
from budwood.data.manifest import Photo
from budwood.runs.schema import CheckReport
from budwood.studies.records import (
    FORMAT,
    Configuration,
    PhotoTable,
    StoredFeatures,
    StudyFolder,
    StudyRecord,
    TrialRecord,
)

QUICK, LINEAR = Configuration(recipe="quick"), Configuration(recipe="frozen-linear", backbone="mobilenet_v2")


@pytest.fixture
def study(tmp_path):
    (tmp_path / "trials").mkdir()
    return StudyFolder(tmp_path)


def record(**keys):
    return StudyRecord(replicate_kind="split", configurations=[QUICK], trials=["a"], **keys)


def test_study_record__adding_keeps_the_order_and_nothing_twice():
    more = record().adding([LINEAR, QUICK], ["b", "a", "c"])
    assert more.configurations == [QUICK, LINEAR] and more.trials == ["a", "b", "c"]


def test_study_folder__what_is_written_is_read(study):
    study.write(record(search=3, seconds=1.5))
    assert study.read() == record(search=3, seconds=1.5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": FORMAT + 1}, f"of format {FORMAT + 1}, and this version reads format {FORMAT}"),
        ({"colour": 1}, "colour of study.json"),
        ({"replicate_kind": "day"}, "replicate_kind of study.json"),
    ],
)
def test_study_folder__of_another_kind(study, change, words):
    write_json(study.file, record().to_json() | change)
    with pytest.raises(RunError, match=words):
        study.read()


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_study_folder__no_study(study, content):
    if content is not None:
        study.file.write_text(content)
    with pytest.raises(RunError, match=f"{study.path} is no study: .*Give the directory that `budwood study"):
        study.read()


def test_trial_folder__updates_what_is_there_and_makes_nothing(study):
    trial = study.trial("quick-split-0")
    trial.update(state="failed")
    assert trial.read() is None and not trial.file.exists()
    recipe = Recipe.from_dict({"data": {"size": 64}})
    trial.write(TrialRecord(configuration="quick", replicate="split 0", recipe=recipe))
    trial.update(state="complete", seconds=2.0)
    found = trial.read()
    assert (found.state, found.seconds, found.error, found.recipe) == ("complete", 2.0, None, recipe)
    trial.file.write_text("{")
    assert trial.read() is None


def test_photo_table__without_the_pictures(study):
    photos = (
        Photo(b"1", "a/1.jpg", "a", "train", "f00", 40, 30, "plant 7"),
        Photo(b"2", "b/2.jpg", "b", "test", weight=0.5, metadata={"age": "3"}),
    )
    check = CheckReport(problems=(), found=2, kept=2, unreadable=0)
    study.write_photos(PhotoTable(("a", "b"), photos, check))
    found = study.read_photos()
    assert found == PhotoTable(("a", "b"), photos, check)
    assert [photo.image for photo in found.photos] == [b"", b""]


def test_photo_table__of_an_older_version_has_no_weights(study):
    check = CheckReport(problems=(), found=1, kept=1, unreadable=0)
    study.write_photos(PhotoTable(("a",), (Photo(b"", "1.jpg", "a", weight=3.0),), check))
    head, *rows = json_lines(study.photo_file)
    study.photo_file.unlink()
    write_json(study.old_photo_file, {**head, "photos": [row[:-1] for row in rows]})
    assert [photo.weight for photo in study.read_photos().photos] == [1.0]


@pytest.mark.parametrize("content", [None, "{", "[]", '{"key": {}}'])
def test_features__nothing_that_can_be_read(study, content):
    if content is not None:
        study.features_file.write_text(content)
    assert study.read_features() == {}


def test_features__what_is_written_is_read(study):
    known = {"key": StoredFeatures(fingerprint="f", features=1280, size=224, failed={"a.jpg": "truncated"})}
    study.write_features(known)
    assert study.read_features() == known
    assert read_json(study.features_file)["key"]["computed"] == 0


def test_photo_table__several_labels_come_back(study):
    photos = (
        with_labels(
            Photo(b"", "1.jpg", "", "train", "a" * 64, 640, 480), ["sea", "sunset"], unknown=["trees"]
        ),
        with_labels(Photo(b"", "2.jpg", "", "test", "b" * 64, 640, 480), []),
    )
    check = CheckReport(problems=(), found=2, kept=2, unreadable=0)
    study.write_photos(PhotoTable(("sea", "sunset", "trees"), photos, check, "multi-label"))
    found = study.read_photos()
    assert found.task == "multi-label"
    assert [(one.labels, one.unknown) for one in found.photos] == [(("sea", "sunset"), ("trees",)), ((), ())]
    # Those of an older version are of one class each.
    head, *rows = json_lines(study.photo_file)
    del head["task"]
    write_json_lines(study.photo_file, [head, *rows])
    assert study.read_photos().task == "single-label" and study.read_photos().photos[0].labels is None
