"""What is written down of a source is read again as it was: by Budwood, and where they are installed by others."""

import json
import re
import shutil
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from budwood.config.recipe import Recipe
from budwood.core.errors import DataError
from budwood.data.check import check
from budwood.data.image_ref import ImageFile
from budwood.data.images import content_of
from budwood.data.manifest import Manifest, Photo
from budwood.data.manifest_files import FORMATS, write_manifest
from budwood.data.sources import read_source
from budwood.data.split import divide
from tests.data.sources.forms import FORMS, make_tar, make_zip, put_pictures

NAMES = (
    "a b.png",
    "x/ü.png",
    "x/y,z;.png",
    'q"uote.png',
    "a%20b&c=d?.png",
    "#1.png",
    "deep/er/7.png",
    "8.PNG",
)
OUTPUTS = {
    "csv": "photos.csv",
    "tsv": "photos.tsv",
    "jsonl": "photos.jsonl",
    "parquet": "photos.parquet",
    "hf": ".",
    "label-studio": "tasks.json",
    "datumaro": "dm",
}
GROUPS = {"p1": "train", "ü,": "test", "3": "train"}
"""Each with the split that it is in, where splits are given."""
words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


@st.composite
def drafts(draw):
    """Labels, splits, groups, weights and further columns of any kind for the files of NAMES."""
    classes = draw(st.lists(words, min_size=2, max_size=4))
    classes = [unicodedata.normalize("NFC", name) for name in classes]
    assume(all(name.strip() for name in classes) and not any(set(";|,") & set(name) for name in classes))
    keys = {" ".join(name.casefold().split()) for name in classes}
    assume(len(keys) == len(classes))
    # A table is refused whose labels are what programs write for nothing ...
    assume(not {name.strip().casefold() for name in classes} & {"nan", "-nan", "<na>", "#n/a", "nat"})
    # ... or one number in two spellings, such as 0 and 00.
    numbers = [float(name) for name in classes if re.fullmatch(r"[+-]?\d{1,15}(\.0*)?", name.strip())]
    assume(len(set(numbers)) == len(numbers))
    number = len(NAMES)
    labels = classes[:2] + draw(st.lists(st.sampled_from(classes), min_size=number - 2, max_size=number - 2))
    splits = [None, "train", "validation", "test"]
    return (
        labels,
        draw(st.none() | st.lists(st.sampled_from([None, *GROUPS]), min_size=number, max_size=number)),
        draw(st.none() | st.lists(st.sampled_from(splits), min_size=number, max_size=number)),
        draw(st.lists(st.sampled_from([1.0, 0.0, 0.1, 2.5, 1e-7]), min_size=number, max_size=number)),
        draw(st.dictionaries(st.sampled_from(["age", "Ort", "file", "class", "weight"]), words, max_size=3)),
    )


def manifest_of(draft) -> Manifest:
    labels, groups, splits, weights, more = draft
    photos = []
    for place, name in enumerate(NAMES):
        group = groups[place] if groups else None
        split = splits[place] if splits else None
        photos.append(
            Photo(
                ImageFile(name),
                name=name,
                label=labels[place],
                split=GROUPS[group] if group and splits else split,
                group=group,
                weight=weights[place],
                metadata=more if place % 2 else {},
            )
        )
    return Manifest(tuple(photos), tuple(sorted(set(labels))))


def as_read(manifest: Manifest) -> set[tuple]:
    """What has to come back of a manifest: photos are given groups of their own, and splits that are all train none."""
    grouped = any(photo.group for photo in manifest.photos)
    divided = {photo.split for photo in manifest.photos} - {None, "train"}
    return {
        (
            photo.name,
            photo.label,
            photo.split if divided else None,
            (photo.group or photo.name) if grouped else None,
            photo.weight,
            frozenset((key.removesuffix("_2"), value) for key, value in photo.metadata.items()),
            Path(photo.image).resolve(),
        )
        for photo in manifest.photos
    }


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A folder with the files of NAMES, in which the test is."""
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"a picture")
    monkeypatch.chdir(tmp_path)
    return tmp_path


# The import of datumaro alone takes 8 s.
@pytest.mark.parametrize(
    "form", [pytest.param(one, marks=pytest.mark.slow) if one == "datumaro" else one for one in FORMATS]
)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much], deadline=None
)
@given(draft=drafts())
def test_write_manifest__comes_back_as_it_was(here, form, draft):
    manifest = manifest_of(draft)
    shutil.rmtree("dm", ignore_errors=True)
    again = read_source(str(write_manifest(manifest, Path(OUTPUTS[form]), format=form, overwrite=True)))
    assert as_read(again) == as_read(manifest)
    assert again.classes == manifest.classes


@pytest.mark.parametrize("form", FORMATS)
def test_write_manifest__from_another_folder(tmp_path, form):
    photos = put_pictures(tmp_path / "photos")
    folder = tmp_path / "lists"
    given = folder / OUTPUTS[form]
    pictures = folder / "pictures" if form == "hf" else None
    written = write_manifest(read_source(photos), given, format=form, pictures=pictures)
    again = read_source(str(written))
    assert [(photo.name, photo.label) for photo in again.photos] == [
        (photo.name, photo.label) for photo in read_source(photos).photos
    ]
    if form == "hf":
        with pytest.raises(DataError, match="lies outside of"):
            write_manifest(read_source(photos), given, format=form, overwrite=True)


@pytest.mark.parametrize("name", [name for name in FORMS if name != "one shard"])
def test_write_manifest__of_every_source_gives_the_same_split(tmp_path, monkeypatch, name):
    source = FORMS[name](tmp_path / "data" if "saved" in name or "webdataset" in name else tmp_path)
    monkeypatch.setattr("budwood.data.check.TINY", 0)
    read = read_source(source)
    on_disk = isinstance(source, Path) and source.exists()
    try:
        file = write_manifest(read, tmp_path / "list.csv", source=str(source) if on_disk else "")
    except DataError as error:
        assert "lies in no file of its own" in str(error)
        file = write_manifest(read, tmp_path / "list.csv", pictures=tmp_path / "written")
    again = read_source(file)
    assert [(photo.name, photo.label) for photo in again.photos] == [
        (photo.name, photo.label) for photo in read.photos
    ]
    # Pixels without a file get other bytes, by which they are divided.
    if all(isinstance(content_of(photo.image), bytes) for photo in read.photos):
        assert split_of(again) == split_of(read)


def split_of(manifest: Manifest) -> list[tuple]:
    """The rows of split.csv."""
    photos = divide(check(manifest).photos, Recipe())
    return [(photo.name, photo.label, photo.split, photo.sha256) for photo in photos]


@pytest.mark.parametrize(
    "make", [put_pictures, make_zip, lambda folder: make_tar(folder, "photos.tgz", "w:gz")]
)
def test_write_manifest__split_csv_is_the_same_to_the_byte(tmp_path, make):
    source = make(tmp_path / "photos" if make is put_pictures else tmp_path)
    read = read_source(source)
    again = read_source(write_manifest(read, tmp_path / "list.csv", source=str(source)))
    assert divide(check(again).photos, Recipe()) == divide(check(read).photos, Recipe())


def test_write_manifest__can_be_corrected_by_hand(tmp_path):
    photos = put_pictures(tmp_path / "photos")
    file = write_manifest(read_source(photos), tmp_path / "list.csv")
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], *(line.replace(",blue", ",navy") for line in lines[1:-1])]))
    again = read_source(file)
    assert again.classes == ("navy", "red") and len(again.photos) == len(lines) - 2


def test_write_manifest__not_over_its_source_and_not_over_a_file_unasked(tmp_path):
    photos = put_pictures(tmp_path / "photos")
    file = write_manifest(read_source(photos), tmp_path / "list.csv")
    before = file.read_bytes()
    for path in (file, tmp_path / "photos" / ".." / "list.csv"):
        with pytest.raises(DataError, match=r"list\.csv is what was read"):
            write_manifest(read_source(file), path, source=str(file), overwrite=True)
    with pytest.raises(DataError, match=r"list\.csv is there already"):
        write_manifest(read_source(photos), file)
    assert file.read_bytes() == before
    write_manifest(read_source(photos), file, overwrite=True)


@pytest.mark.parametrize("form", ["hf", "datumaro"])
def test_write_manifest__not_over_what_its_folder_was_read_by(tmp_path, form):
    photos = put_pictures(tmp_path / "photos")
    write_manifest(read_source(photos), photos, format=form)
    with pytest.raises(DataError, match="is what was read"):
        write_manifest(read_source(photos), photos, format=form, source=str(photos), overwrite=True)


def test_write_manifest__what_it_cannot_write(tmp_path):
    manifest = read_source(put_pictures(tmp_path / "photos"))
    with pytest.raises(DataError, match=r"list\.txt says by its ending none of the formats"):
        write_manifest(manifest, tmp_path / "list.txt")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="cannot write"):
        write_manifest(manifest, tmp_path / "file" / "list.csv")


def test_write_manifest__hugging_face_reads_the_same_labels(tmp_path):
    datasets = pytest.importorskip("datasets")
    photos = put_pictures(tmp_path / "photos")
    manifest = read_source(photos)
    write_manifest(manifest, photos, format="hf")
    loaded = datasets.load_dataset("imagefolder", data_dir=str(photos), cache_dir=str(tmp_path / "cache"))[
        "train"
    ]
    paths = loaded.cast_column("image", datasets.Image(decode=False))["image"]
    found = {
        Path(image["path"]).relative_to(photos).as_posix(): label
        for image, label in zip(paths, loaded["label"], strict=True)
    }
    assert found == {photo.name: photo.label for photo in manifest.photos}


def test_write_manifest__is_as_label_studio_and_datumaro_have_it(tmp_path):
    photos = put_pictures(tmp_path)
    manifest = read_source(photos)
    tasks = json.loads(write_manifest(manifest, tmp_path / "tasks.json", format="label-studio").read_text())
    assert tasks[0]["data"]["image"].startswith("/data/local-files/?d=blue/")
    assert tasks[0]["annotations"][0]["result"][0]["value"] == {"choices": ["blue"]}
    write_manifest(
        manifest, tmp_path / "dm", format="datumaro", pictures=tmp_path / "dm" / "images" / "default"
    )
    value = json.loads((tmp_path / "dm" / "annotations" / "default.json").read_text())
    assert [label["name"] for label in value["categories"]["label"]["labels"]] == ["blue", "red"]
    assert value["items"][0]["annotations"][0]["type"] == "label"
    assert read_source(tmp_path / "dm").classes == ("blue", "red")
