import unicodedata

import numpy as np
import pytest
from PIL import Image

from budwood.config.data import Data
from budwood.core.errors import DataError
from budwood.data.check import check
from budwood.data.sources import read_folder
from budwood.inference.own_photos import OwnPhotos
from tests.progress import KeptLines

CAFE, ROSE = "Caf\u00e9", "Ros\u00e9"


@pytest.fixture
def write(tmp_path, own_cache, monkeypatch):
    monkeypatch.setenv("BUDWOOD_CACHE", str(own_cache))

    def write(*labels):
        for number, label in enumerate(labels):
            for index in range(2):
                file = tmp_path / "photos" / label / f"{index}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.full((40, 40, 3), 50 * number + index, np.uint8)).save(file)
        return tmp_path / "photos"

    return write


def test_labelled__classes_in_another_unicode_form(write):
    folder = write(unicodedata.normalize("NFD", CAFE), unicodedata.normalize("NFD", ROSE))
    photos, _ = OwnPhotos([], [CAFE, ROSE]).labelled(folder, "all")
    assert [photo.label for photo in photos] == [CAFE, CAFE, ROSE, ROSE]


def test_labelled__classes_that_differ_by_case_are_the_runs_and_that_is_said(write):
    folder, said = write("CATS", "dogs "), KeptLines()
    photos, _ = OwnPhotos([], ["cats", "dogs"]).labelled(folder, "all", said)
    assert {photo.label for photo in photos} == {"cats", "dogs"}
    assert said.lines == [
        "'CATS' is taken for the class 'cats' of the run",
        "'dogs ' is taken for the class 'dogs' of the run",
    ]
    assert OwnPhotos([], ["cats"]).names_and_class(folder / "CATS" / "0.png")[1] == "cats"


def test_labelled__a_name_that_could_be_two_classes_is_refused(write):
    folder = write("Cats", "dogs")
    with pytest.raises(DataError, match="does not know the class Cats"):
        OwnPhotos([], ["cats", "CATS", "dogs"]).labelled(folder, "all")


def test_labelled__photos_saved_again_were_learned_from(tmp_path, monkeypatch):
    monkeypatch.setenv("BUDWOOD_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for label in ("a", "b"):
        for number in range(6):
            scene = Image.fromarray(rng.integers(0, 256, (7, 7, 3), np.uint8)).resize((160, 160))
            for folder, quality in (("own", 95), ("again", 60), ("new", 95)):
                (tmp_path / folder / label).mkdir(parents=True, exist_ok=True)
                if folder == "new":
                    scene = Image.fromarray(rng.integers(0, 256, (7, 7, 3), np.uint8)).resize((160, 160))
                scene.save(tmp_path / folder / label / f"{number}.jpg", quality=quality)
    checked = check(read_folder(tmp_path / "own"), for_training=False)
    rows = [
        {"name": photo.name, "sha256": photo.sha256, "label": photo.label, "split": "train"}
        for photo in checked.photos
    ]
    own = OwnPhotos(rows, ["a", "b"])
    again, left_out = own.labelled(tmp_path / "again", "unseen")
    assert (again, left_out) == ([], 12)
    new, left_out = own.labelled(tmp_path / "new", "unseen")
    assert (len(new), left_out) == (12, 0)
    # Of test photos nothing was learned.
    tested = OwnPhotos([row | {"split": "test"} for row in rows], ["a", "b"])
    assert len(tested.labelled(tmp_path / "again", "unseen")[0]) == 12


def test_labelled__a_photo_of_the_run_has_its_group(write):
    from budwood.data.images import digest

    folder = write("a", "b")
    own = [
        {
            "name": "a/0.png",
            "label": "a",
            "split": "test",
            "sha256": digest(folder / "a" / "0.png"),
            "group": "g",
        }
    ]
    photos, _ = OwnPhotos(own, ["a", "b"]).labelled(folder, "all")
    assert [photo.group for photo in photos] == ["g", None, None, None]


def label_table(tmp_path, text):
    rng = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(tmp_path / f"{number}.png")
    (tmp_path / "photos.csv").write_text(text)
    return tmp_path / "photos.csv"


@pytest.mark.parametrize(
    ("text", "unknown", "said"),
    [
        (
            "path,sea,sun\n0.png,1,0\n1.png,1,1\n2.png,0,1\n3.png,0,\n",
            [("moon",)] * 3 + [("moon", "sun")],
            "no column for 'moon'",
        ),
        ("path,labels\n0.png,sea\n1.png,sea;sun\n2.png,moon\n3.png,\n", [()] * 4, ""),
        ("path,labels\n0.png,sea\n1.png,sun\n2.png,moon\n3.png,sea\n", [()] * 4, "counts as having no other"),
    ],
    ids=["a column lacks", "all labels", "one label each"],
)
def test_labelled__of_several_labels_what_the_table_does_not_say_is_unknown(tmp_path, text, unknown, said):
    table, lines = label_table(tmp_path, text), KeptLines()
    own = OwnPhotos(
        [{"name": "x", "sha256": "", "label": "sea;sun", "split": "train"}],
        ["moon", "sea", "sun"],
        Data(task="multi-label"),
    )
    photos, _ = own.labelled(table, "all", lines)
    assert [photo.unknown for photo in photos] == unknown
    assert any(said in line for line in lines.lines) == bool(said)
    with pytest.raises(DataError, match=r"does not know the label sea \(of '0.png'\)"):
        OwnPhotos([], ["moon", "sun"], Data(task="multi-label")).labelled(table, "all")
