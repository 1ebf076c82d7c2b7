import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.config.data import Data
from budwood.core.errors import DataError
from budwood.data.sources.layout import choose_reading, possible_readings
from budwood.data.sources.layout_words import option
from tests.data.sources.listings import in_each, listed


def seen(names, **settings):
    """What is read: by class the splits of its photos."""
    reading = choose_reading(listed(names), Data(**settings), "DATA")
    found = {}
    for photo in reading.photos:
        found.setdefault(photo.label, set()).add(photo.split)
    return found


WHOLE = {"a": {None}, "b": {None}}
HALF = {"a": {"train", "test"}, "b": {"train", "test"}}
ALL = {label: {"train", "validation", "test"} for label in "ab"}
CERTAIN = {
    "classes": (in_each("a", "b"), WHOLE),
    "sub-folders of classes": (in_each("a/garden", "a", "b/x", "b/y"), WHOLE),
    "a level below each class": (in_each("a/images", "b/images"), WHOLE),
    "each class once more": (in_each("a/a", "b/b"), WHOLE),
    "days below the classes": (in_each("a/2024-05-01", "a/2024-05-02", "b/2024-05-01", "b/20240503"), WHOLE),
    "patients below the classes": (
        in_each("a/patient_1", "a/patient_2", "b/patient_3", "b/patient_4"),
        WHOLE,
    ),
    "Training, Testing": (in_each("Training/a", "Training/b", "Testing/a", "Testing/b"), HALF),
    "nested once more": (
        in_each(*(f"seg_{split}/seg_{split}/{label}" for split in ("train", "test") for label in "ab"))
        + in_each("seg_pred/seg_pred"),
        HALF,
    ),
    "train_set, test_set": (in_each("train_set/a", "train_set/b", "test_set/a", "test_set/b"), HALF),
    "trainset, eval, holdout": (
        in_each(*(f"{s}/{c}" for s in ("trainset", "eval", "holdout") for c in "ab")),
        ALL,
    ),
    "train, dev, eval": (in_each(*(f"{s}/{c}" for s in ("train", "dev", "eval") for c in "ab")), ALL),
    "the data set's name before": (
        in_each("birds-train/a", "birds-train/b", "birds-test/a", "birds-test/b"),
        HALF,
    ),
    "a class folder of the split alone": (
        in_each("train/a", "train/b", "test/b/deep"),
        {"a": {"train"}, "b": {"train", "test"}},
    ),
    "photos beside the splits": (in_each("train/a", "train/b", "test/a", "test/b", "images to test"), HALF),
    "a lone train": (in_each("train/a", "train/b"), WHOLE),
    "a lone train and photos to predict": (in_each("train/a", "train/b", "test", "pred"), WHOLE),
    "a class called train": (in_each("train", "b"), {"train": {None}, "b": {None}}),
    "a class called test beside others": (in_each("test", "a", "b"), {**WHOLE, "test": {None}}),
    "splits below the classes": (in_each("a/train", "a/test", "b/train", "b/test"), HALF),
    "images beside annotations": (in_each("images/a", "images/b", "annotations/a", "annotations/b"), WHOLE),
    "images beside masks in splits": (
        in_each(*(f"{s}/{w}/{c}" for s in ("train", "test") for w in ("images", "masks") for c in "ab")),
        HALF,
    ),
    "file names": ([f"{label}.{n}.jpg" for label in "ab" for n in range(3)], WHOLE),
    "file names in images beside annotations": (
        [f"images/{label}_{n}.jpg" for label in "ab" for n in range(3)] + ["annotations/trimaps/a_1.png"],
        WHOLE,
    ),
    "file names beside a test without": (
        [f"train/{label}.{n}.jpg" for label in "ab" for n in range(3)] + in_each("test1"),
        WHOLE,
    ),
    "file names in every split": (
        [f"{split}/{label}_{n}.jpg" for split in ("train", "test") for label in "ab" for n in range(3)],
        HALF,
    ),
}


@pytest.mark.parametrize(("names", "expected"), CERTAIN.values(), ids=CERTAIN.keys())
def test_choose_reading__certain(names, expected):
    assert seen(names) == expected


AMBIGUOUS = {
    "domains or classes": (
        in_each("amazon/images/a", "amazon/images/b", "dslr/images/a", "dslr/images/b"),
        {"--layout classes": {"amazon", "dslr"}, "--layout nested": {"a", "b"}},
    ),
    "a class that one domain lacks": (
        in_each("amazon/a", "amazon/b", "dslr/a"),
        {"--layout classes": {"amazon", "dslr"}, "--layout nested": {"a", "b"}},
    ),
    "classes of two levels": (
        in_each("cats/persian", "cats/siamese", "dogs/beagle", "dogs/poodle"),
        {
            "--layout classes": {"cats", "dogs"},
            "--layout nested": {"persian", "siamese", "beagle", "poodle"},
        },
    ),
    "digits of two writers": (
        in_each("ann/0", "ann/1", "bob/0", "bob/1"),
        {"--layout classes": {"ann", "bob"}, "--layout nested": {"0", "1"}},
    ),
    "domains in the splits": (
        in_each(*(f"{s}/{d}/{c}" for s in ("train", "test") for d in ("art", "photo") for c in "ab")),
        {"--layout splits": {"art", "photo"}, "--layout nested": {"a", "b"}},
    ),
    "a misspelt split": (
        in_each("train/a", "train/b", "tset/a", "tset/b"),
        {
            "--split-folders train=train": {"a", "b"},
            "--split-folders train=train,test=tset": {"a", "b"},
            "--split-folders train=train,validation=tset": {"a", "b"},
        },
    ),
    "validation or test": (
        in_each("train/a", "train/b", "eval/a", "eval/b"),
        {"--split-folders train=train,test=eval": {"a", "b"}},
    ),
    "two folders for one split": (
        in_each("train/a", "train/b", "training/a", "training/b"),
        {
            "--split-folders train=train": {"a", "b"},
            "--split-folders train=training": {"a", "b"},
            "--split-folders train=train,train=training": {"a", "b"},
        },
    ),
    "two folders for validation": (
        in_each(*(f"{s}/{c}" for s in ("train", "valid", "dev", "test") for c in "ab")),
        {
            "--split-folders validation=dev,test=test,train=train": {"a", "b"},
            "--split-folders validation=valid,test=test,train=train": {"a", "b"},
            "--split-folders validation=dev,validation=valid,test=test,train=train": {"a", "b"},
        },
    ),
    "a train without a name": (
        in_each("learn/a", "learn/b", "test/a", "test/b"),
        {"--split-folders train=learn,test=test": {"a", "b"}, "--layout classes": {"learn", "test"}},
    ),
    "a lone train beside photos": (
        in_each("train/steam", "train/diesel", "car"),
        {"--layout splits": {"steam", "diesel"}, "--layout classes": {"train", "car"}},
    ),
    "file names beside class folders": (
        [*in_each("a", "b"), *(f"{label}_{n}.jpg" for label in "cd" for n in range(3))],
        {"--layout classes": {"a", "b"}, "--layout flat": {"c", "d"}},
    ),
}


@pytest.mark.parametrize(("names", "options"), AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_choose_reading__shows_every_reading_and_its_option(names, options):
    top = listed(names)
    found = {option(one): one for one in possible_readings(top)}
    assert len(found) == len(possible_readings(top))
    assert {text: set(found[text].counts) for text in options} == options
    with pytest.raises(DataError) as error:
        choose_reading(top, Data(), "DATA")
    for text, reading in found.items():
        assert f"{text} " in str(error.value)
        # What the option says is what it does.
        name, _, value = text.partition(" ")
        chosen = (
            {"layout": value}
            if name == "--layout"
            else {"split_folders": {split: list(names) for split, names in reading.split_folders.items()}}
        )
        assert choose_reading(top, Data(**chosen), "DATA").photos == reading.photos


def test_choose_reading__as_asked():
    names = in_each("amazon/train/a", "amazon/train/b", "amazon/test/a", "dslr/train/b", "dslr/train/a")
    assert seen(names, layout="nested") == {"a": {"train", "test"}, "b": {"train"}}
    reading = choose_reading(listed(names), Data(layout="nested"), "DATA")
    assert {photo.above for photo in reading.photos} == {"amazon", "dslr"}
    assert seen(names, layout="classes") == {"amazon": {None}, "dslr": {None}}
    assert seen(in_each("flowers/a", "flowers/b"), layout="nested") == WHOLE
    deep = in_each("x/Learn/a", "x/Learn/b", "x/Try/a", "y/a")
    folders = {"train": "x/Learn", "test": ["x/Try"]}
    assert seen(deep, split_folders=folders) == {"a": {"train", "test"}, "b": {"train"}}


NAMES = st.one_of(
    st.sampled_from(
        ["train", "Test", "val", "eval", "images", "masks", "a", "b", "A", "2024", "patient_1", "pred"]
    ),
    st.text(string.ascii_lowercase + " _-1", min_size=1, max_size=4).filter(
        lambda name: name.strip() == name
    ),
)
PHOTOS = st.sampled_from(["1.jpg", "2.jpg", "cat.1.jpg", "cat.2.jpg", "dog_1.jpg", "dog_2.jpg", "IMG_1.jpg"])
TREES = st.lists(
    st.tuples(st.lists(NAMES, max_size=4), PHOTOS).map(lambda parts: "/".join([*parts[0], parts[1]])),
    min_size=1,
    max_size=30,
    unique=True,
)


@given(TREES, st.sampled_from(["auto", "classes", "splits", "nested", "flat"]))
def test_choose_reading__every_photo_is_read_once_at_most(names, layout):
    top = listed(names)
    there = {file.name for file in top.every()}
    readings = possible_readings(top)
    try:
        readings.append(choose_reading(top, Data(layout=layout), "DATA"))
    except DataError as error:
        assert "DATA" in str(error)
    for reading in readings:
        read = [photo.name for photo in reading.photos]
        assert len(set(read)) == len(read)
        assert set(read) <= there
        left = [name for name in reading.reasons if name in read]
        assert left == []


TRAIN = [
    "train",
    "Train",
    "training",
    "TRAINING",
    "trainset",
    "train_set",
    "train-images",
    "seg_train",
    "train1",
]
TEST = [
    "test",
    "Test",
    "testing",
    "testset",
    "test_set",
    "test-images",
    "seg_test",
    "test1",
    "holdout",
    "hold_out",
]
VALIDATION = ["val", "valid", "validation", "Validation", "dev", "dev_set", "val-images"]


@given(st.sampled_from(TRAIN), st.sampled_from(VALIDATION), st.sampled_from(TEST), st.booleans(), st.data())
def test_choose_reading__renaming_the_splits_changes_nothing(train, validation, test, twice, data):
    # Words that mean something of themselves are tried above: none of them begins so.
    label = st.text(string.ascii_lowercase, min_size=1, max_size=4).map("zz".__add__)
    labels = data.draw(st.lists(label, min_size=2, max_size=4, unique=True))

    def read(folders):
        names = [
            f"{folder}/{f'{folder}/' if twice else ''}{label}/{number}.jpg"
            for folder in folders
            for label in labels
            for number in range(2)
        ]
        reading = choose_reading(listed(names), Data(), "DATA")
        return sorted((p.name.rpartition("/")[2], p.label, p.split or "") for p in reading.photos)

    assert read(["train", "validation", "test"]) == read([train, validation, test])
    assert read(["train", "test"]) == read([train, test])
