"""What every source must do; a further one is one entry of `SOURCES`."""

import pickle
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import Image

from budwood.core.progress.base import SILENT
from budwood.data import images
from budwood.data.check import check
from budwood.data.image_ref import ImageBytes
from budwood.data.images import decode, digest
from budwood.data.manifest import SPLITS, Manifest, Photo
from budwood.data.sources import SCHEMES, Source, read_arrays, read_source, source_name
from tests.data.sources.forms import COLOURS, FORMS, NUMBER, each, encoded, put_pictures


def make_splits(folder: Path) -> Path:
    for split in ("train", "test"):
        (folder / split).mkdir()
        put_pictures(folder / split)
    for file in (folder / "test").rglob("*.png"):
        Image.new("RGB", (50, 40 + int(file.stem)), COLOURS[file.parent.name]).save(file)
    return folder


def make_tfds(folder: Path) -> str:
    tfds = pytest.importorskip("tensorflow_datasets")
    from tests.data.sources.test_tfds import prepare

    features = {
        "image": tfds.features.Image(shape=(None, None, 3)),
        "label": tfds.features.ClassLabel(names=list(COLOURS)),
    }
    examples = [
        {"image": decode(encoded(label, number)), "label": list(COLOURS).index(label)}
        for label, number in each()
    ]
    prepare(tfds, folder, "contract", features, {"train": examples}, ("image", "label"))
    return "tfds:contract"


def in_memory() -> Manifest:
    photos = [
        Photo(ImageBytes(encoded(label, number)), name=f"{label}/{number}.png", label=label)
        for label, number in each()
    ]
    return Manifest(tuple(photos), tuple(sorted(COLOURS)), name="colours")


def make_arrays(folder: Path) -> Manifest:
    pairs = list(each())
    return read_arrays([decode(encoded(*pair)) for pair in pairs], [label for label, _ in pairs])


SOURCES: dict[str, Callable[[Path], object]] = {
    "folder": put_pictures,
    "folder with splits": make_splits,
    "tfds": make_tfds,
    "arrays": make_arrays,
    "manifest in memory": lambda folder: in_memory(),
    "a scheme of its own": lambda folder: "shelf:colours",
    **FORMS,
}


@pytest.fixture(params=SOURCES.values(), ids=SOURCES.keys())
def source(request, tmp_path, monkeypatch, own_cache):
    monkeypatch.setitem(
        SCHEMES, "shelf", Source(lambda name, settings, progress: in_memory(), lambda name: name)
    )
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    return request.param(tmp_path)


def test_source__lists_the_same_photos_each_time(source):
    one, other = read_source(source), read_source(source)
    assert [photo.name for photo in one.photos] == [photo.name for photo in other.photos]
    assert one.classes == other.classes


def test_source__names_are_unique_and_lie_below_the_source(source):
    names = [photo.name for photo in read_source(source).photos]
    assert len(set(names)) == len(names) >= len(COLOURS) * (NUMBER - 1)
    assert all(not PurePosixPath(name).is_absolute() and "\\" not in name for name in names)


def test_source__labels_and_splits_are_known(source):
    manifest = read_source(source)
    assert {photo.label for photo in manifest.photos} == set(manifest.classes) == set(COLOURS)
    assert {photo.split for photo in manifest.photos} <= {None, *SPLITS}


def test_source__decodes_nothing(source, monkeypatch):
    read_source(source)  # unpacks what has to be unpacked
    for name in ("_decode", "open_image"):
        monkeypatch.setattr(images, name, lambda *arguments: pytest.fail("a picture was decoded"))
    read_source(source)


def test_source__pictures_are_those_of_their_class_and_travel(source):
    manifest = pickle.loads(pickle.dumps(read_source(source)))
    for photo in manifest.photos:
        assert tuple(decode(photo.image)[0, 0]) == COLOURS[photo.label]


def test_source__passes_the_check(source):
    manifest = read_source(source, progress=SILENT)
    found = check(manifest)
    assert [photo.name for photo in found.photos] == [photo.name for photo in manifest.photos]
    assert all(photo.sha256 == digest(photo.image) and photo.width and photo.height for photo in found.photos)


def test_source__has_a_name_for_files(source):
    name = source_name(source)
    assert name and not set(name) & set("/\\:")


def test_read_source__what_has_no_known_scheme_is_a_folder(tmp_path):
    place = tmp_path / "odd:name"
    place.mkdir()
    put_pictures(place)
    assert len(read_source(str(place)).photos) == len(COLOURS) * NUMBER
    assert source_name(place) == "odd:name"


def test_read_arrays__pictures_stay_as_they_are():
    pixels = np.zeros((40, 40, 3), np.uint8)
    assert read_arrays([pixels], ["a"]).photos[0].image is pixels
