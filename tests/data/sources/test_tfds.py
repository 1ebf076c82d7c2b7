import shutil
import socket
import sys
from pathlib import Path

import numpy as np
import pytest

from budwood.core.errors import DataError
from budwood.core.progress.plain import Plain
from budwood.data.check import check
from budwood.data.images import decode, view
from budwood.data.sources import read_source, source_name
from budwood.data.sources import tfds as source
from budwood.data.sources.tfds import display_names, read_tfds
from budwood.data.split import assign_splits

BREEDS = ["n02085620-zebra", "n02085782-ant", "n02085936-half/half"]


@pytest.fixture(scope="module")
def tfds():
    return pytest.importorskip("tensorflow_datasets")


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def builder_class(tfds, name, features, splits, supervised=None):
    """A builder of `splits`, which maps a split to its examples."""

    class Toy(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.2.0")

        def _info(self):
            features_dict = tfds.features.FeaturesDict(features)
            return tfds.core.DatasetInfo(builder=self, features=features_dict, supervised_keys=supervised)

        def _split_generators(self, downloads):
            return {split: enumerate(examples) for split, examples in splits.items()}

        def _generate_examples(self):
            raise NotImplementedError

    Toy.name = name
    return Toy


def prepare(tfds, folder, name, features, splits, supervised=None):
    with tfds.core.registered.skip_registration():
        builder = builder_class(tfds, name, features, splits, supervised)(data_dir=folder)
    builder.download_and_prepare()


def picture(label, number, side=32):
    """One colour, which tells the class and the number."""
    return np.full((side, side, 3), (40 * label + 10, number, 7), np.uint8)


def examples(count, num_classes=3, first=0):
    return [
        {"image": picture(number % num_classes, number), "label": number % num_classes}
        for number in range(first, first + count)
    ]


@pytest.fixture(scope="module")
def data_dir(tfds, tmp_path_factory):
    """Data sets as TFDS writes them, without the code that made them."""
    folder = tmp_path_factory.mktemp("tfds")
    image, label = tfds.features.Image(shape=(32, 32, 3)), tfds.features.ClassLabel(names=BREEDS)
    pairs = {"image": image, "label": label}
    splits = {"train": examples(30), "test": examples(6, first=30)}
    prepare(tfds, folder, "toy_dogs", pairs, splits, ("image", "label"))
    numbered = {
        "photo": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
        "digit": tfds.features.ClassLabel(num_classes=11),
        "weight": np.float32,
    }
    many = [
        {"photo": picture(number % 3, number, 40), "digit": number % 11, "weight": 1.0}
        for number in range(44)
    ]
    prepare(tfds, folder, "toy_numbers", numbered, {"train": many})
    unlabelled = [{**example, "label": -1} for example in examples(5)]
    splits = {"train": examples(9), "validation": examples(3), "test": unlabelled, "extra": examples(3)}
    prepare(tfds, folder, "toy_odd", pairs, splits, ("image", "label"))
    prepare(tfds, folder, "toy_whole", pairs, {"everything": examples(9)})
    prepare(tfds, folder, "toy_halves", pairs, {"left": examples(3), "right": examples(3)})
    prepare(tfds, folder, "toy_words", {"word": tfds.features.Text()}, {"train": [{"word": "a"}]})
    return folder


@pytest.fixture(autouse=True)
def data_dir_is_known(request, monkeypatch):
    if "data_dir" in request.fixturenames:
        monkeypatch.setenv("TFDS_DATA_DIR", str(request.getfixturevalue("data_dir")))


def test_read_tfds__splits_and_classes_as_there(data_dir, capsys):
    manifest = read_tfds("toy_dogs")
    assert manifest.classes == ("zebra", "ant", "half/half")
    assert [photo.split for photo in manifest.photos] == ["train"] * 30 + ["test"] * 6
    assert manifest.problems == ()
    assert capsys.readouterr().out == ""


def test_read_tfds__every_picture_under_its_class(data_dir):
    photos = read_tfds("toy_dogs").photos
    assert len({photo.name for photo in photos}) == len(photos)
    seen = set()
    for photo in photos:
        red, number, blue = decode(photo.image)[0, 0]
        assert (red - 10, blue) == (40 * ["zebra", "ant", "half/half"].index(photo.label), 7)
        seen.add((photo.split, int(number)))
    assert seen == {("train", number) for number in range(30)} | {
        ("test", number) for number in range(30, 36)
    }


def test_read_tfds__names_lie_in_class_folders(data_dir):
    photos = read_tfds("toy_dogs").photos
    assert {photo.name.rpartition("/")[0] for photo in photos if photo.split == "test"} == {
        "test/zebra",
        "test/ant",
        "test/half_half",
    }
    assert all(photo.image.is_absolute() and photo.image.as_posix().endswith(photo.name) for photo in photos)


def test_read_tfds__small_pictures_can_be_learned_from(data_dir):
    found = check(read_source("tfds:toy_dogs"))
    assert found.problems == () and len(found.photos) == 36
    photos = assign_splits(found.photos)
    assert {photo.split for photo in photos} == {"train", "validation", "test"}
    assert sum(photo.split == "test" for photo in photos) == 6
    assert view(photos[0].image, 96).shape == (96, 96, 3)


def test_read_tfds__lone_train_without_class_names(data_dir):
    manifest = read_tfds("toy_numbers:1.2.0")
    assert manifest.classes == tuple(map(str, range(11)))
    assert {photo.split for photo in manifest.photos} == {None}
    assert [photo.label for photo in manifest.photos].count("10") == 4
    assert {photo.image.suffix for photo in manifest.photos} == {".jpg"}


def test_read_tfds__lone_split_of_another_name_is_the_whole_data(data_dir):
    photos = read_tfds("toy_whole").photos
    assert len(photos) == 9 and {photo.split for photo in photos} == {None}


def test_read_tfds__other_splits_and_unlabelled_pictures_are_ignored(data_dir):
    manifest = read_tfds("toy_odd")
    assert [photo.split for photo in manifest.photos] == ["train"] * 9 + ["validation"] * 3
    assert [(problem.path, problem.kind) for problem in manifest.problems] == [
        ("extra", "ignored"),
        ("test", "ignored"),
    ]
    assert "5 pictures without a class" in manifest.problems[1].detail


def test_read_tfds__unpacks_once(data_dir, monkeypatch):
    first = read_tfds("toy_dogs")
    monkeypatch.setattr(source, "_unpack", lambda *arguments: pytest.fail("unpacked again"))
    again = read_tfds("toy_dogs")
    assert again == first
    assert [photo.image for photo in again.photos] == [photo.image for photo in first.photos]


def test_read_tfds__unpacks_anew_what_was_prepared_anew(data_dir, tmp_path):
    copy = shutil.copytree(data_dir, tmp_path / "copy")
    first = read_tfds("toy_dogs", copy)
    record = next((copy / "toy_dogs" / "1.2.0").glob("*train*"))
    record.touch()
    again = read_tfds("toy_dogs", copy)
    assert again == first and again.photos[0].image != first.photos[0].image


def test_read_tfds__goes_on_after_an_interrupted_unpacking(data_dir, monkeypatch):
    whole = source._examples

    def interrupted(*arguments):
        yield from list(whole(*arguments))[:3]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(source, "_examples", interrupted)
        with pytest.raises(KeyboardInterrupt):
            read_tfds("toy_dogs")
    photos = read_tfds("toy_dogs").photos
    assert len(photos) == 36 and all(photo.image.is_file() for photo in photos)


def test_read_tfds__full_disk_leaves_nothing(data_dir, own_cache, monkeypatch):
    def full(self, content):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(DataError, match="No space left.*BUDWOOD_CACHE"):
            read_tfds("toy_dogs")
    assert [path for path in (own_cache / "data").rglob("*") if path.suffix != ".lock"] == []


def test_read_tfds__damaged_files(data_dir, tmp_path):
    copy = shutil.copytree(data_dir, tmp_path / "copy")
    record = next((copy / "toy_dogs" / "1.2.0").glob("*train*"))
    record.write_bytes(record.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"toy_dogs/1\.2\.0 in .* are damaged"):
        read_tfds("toy_dogs", copy)


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        ("cifar1", "cifar1 not found.*Did you mean cifar10"),
        ("toy_dogs:9.9.9", "cannot give `toy_dogs:9.9.9`.*TFDS_DATA_DIR"),
        ("toy_halves", "the splits left, right but no `train`"),
        ("toy_words", "one class each: its features are word"),
    ],
)
def test_read_tfds__says_what_is_wrong(data_dir, dataset, words):
    with pytest.raises(DataError, match=words):
        read_tfds(dataset)


@pytest.mark.parametrize("dataset", ["", "cifar10:latest", "../cifar10", "a b", "mnist/x/y", "ns:cifar10"])
def test_read_tfds__no_name_of_a_data_set(dataset):
    with pytest.raises(DataError, match="not the name of a data set. Expected `tfds:cifar10`"):
        read_tfds(dataset)


def test_read_tfds__not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(DataError, match=r"pip install 'budwood\[tfds\]'"):
        read_tfds("cifar10")


def test_read_tfds__prepares_what_is_not_there(tfds, tmp_path, capsys):
    features = {
        "image": tfds.features.Image(shape=(32, 32, 3)),
        "label": tfds.features.ClassLabel(names=["b", "a"]),
    }
    made = builder_class(tfds, "budwood_made", features, {"train": examples(6, 2)})
    tfds.core.registered._DATASET_REGISTRY["budwood_made"] = made
    try:
        assert read_tfds("budwood_made", tmp_path / "new").classes == ("b", "a")
        silent = capsys.readouterr()
        assert (silent.out, silent.err) == ("", "")
        assert (tmp_path / "new" / "budwood_made" / "1.2.0" / "dataset_info.json").is_file()
        read_tfds("budwood_made", tmp_path / "other", progress=Plain())
        told = capsys.readouterr()
        assert told.out == "" and "TensorFlow Datasets downloads and prepares it" in told.err
    finally:
        del tfds.core.registered._DATASET_REGISTRY["budwood_made"]


def test_read_tfds__cannot_be_prepared(tfds, tmp_path, monkeypatch):
    def fail(self):
        raise AssertionError("needs files that you fetch yourself.\nSee the page")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(DataError, match="could not prepare cifar10/.* fetch yourself[)]. Prepare it"):
        read_tfds("cifar10", tmp_path)


@pytest.mark.parametrize("name", ["tfds:toy_dogs", Path("tfds:toy_dogs:1.2.0")])
def test_read_source__tfds(data_dir, name):
    assert read_source(name) == read_tfds("toy_dogs")


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("tfds:stanford_dogs", "stanford_dogs"),
        ("tfds:cifar10:3.0.2", "cifar10"),
        (Path("tfds:cifar10_corrupted/fog_1:1.0.0"), "cifar10_corrupted-fog_1"),
        ("photos/flowers/", "flowers"),
        ("/", "run"),
    ],
)
def test_source_name__is_what_to_call_a_run(given, name):
    assert source_name(given) == name


def test_display_names__stay_apart():
    assert display_names(["n02085620-a", "n02085782-b-c"]) == ["a", "b-c"]
    assert display_names(["n02085620-a", "n02085782-a"]) == ["n02085620-a", "n02085782-a"]
    assert display_names(["n1-a", "forest-trail"]) == ["n1-a", "forest-trail"]
