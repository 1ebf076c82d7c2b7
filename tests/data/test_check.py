import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from budwood.core.errors import DataError, MachineError
from budwood.core.label_text import of_text
from budwood.data import check as check_module
from budwood.data.check import check, refusal
from budwood.data.images import decode
from budwood.data.label_sets import with_labels
from budwood.data.sources import read_arrays, read_folder


def photo(path: Path, seed: int = 0, size: tuple[int, int] = (40, 36), **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*reversed(size), 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    """Ten different photos of cats and ten of dogs."""
    for index in range(10):
        photo(tmp_path / "cats" / f"{index}.jpg", index)
        photo(tmp_path / "dogs" / f"{index}.png", 100 + index)
    return tmp_path


@pytest.fixture
def split_folder(tmp_path) -> Path:
    for index in range(4):
        for place, split in enumerate(("train", "val", "test")):
            photo(tmp_path / split / "cats" / f"{index}.png", 10 * place + index)
            photo(tmp_path / split / "dogs" / f"{index}.png", 100 + 10 * place + index)
    return tmp_path


def kinds(found) -> dict[str, str]:
    return {problem.path: problem.kind for problem in found.problems}


def test_check__sound_photos(folder):
    found = check(read_folder(folder))
    assert found.problems == ()
    assert (found.num_found, found.num_unreadable, len(found.photos)) == (20, 0, 20)
    assert found.classes == ("cats", "dogs")
    assert {(photo.width, photo.height) for photo in found.photos} == {(40, 36)}
    assert len({photo.sha256 for photo in found.photos}) == 20


def test_check__bad_photos_are_listed_and_left_out(folder):
    cats = folder / "cats"
    (cats / "text.jpg").write_text("not a photo")
    (cats / "empty.jpg").touch()
    whole = (cats / "0.jpg").read_bytes()
    (cats / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    Image.new("1", (20_000, 20_000)).save(cats / "bomb.png")
    found = check(read_folder(folder), max_unreadable=0.5)
    assert kinds(found) == {
        "cats/text.jpg": "not_an_image",
        "cats/empty.jpg": "empty",
        "cats/cut.jpg": "truncated",
        "cats/bomb.png": "too_large",
    }
    assert (found.num_found, found.num_unreadable, len(found.photos)) == (24, 4, 20)
    assert not any(str(folder) in problem.detail for problem in found.problems)


def test_check__every_photo_that_is_kept_can_be_decoded(folder):
    cats = folder / "cats"
    photo(cats / "turned.jpg", 50, exif=Image.Exif())
    Image.new("CMYK", (40, 40), (0, 90, 0, 0)).save(cats / "cmyk.jpg")
    Image.fromarray(np.arange(1600, dtype=np.uint16).reshape(40, 40)).save(cats / "deep.png")
    Image.new("P", (40, 40)).save(cats / "palette.png", transparency=0)
    Image.new("L", (40, 40)).save(cats / "grey.png")
    Image.new("RGB", (1, 1)).save(cats / "one.png")
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    for name in ("moving.gif", "moving.webp"):
        frames[0].save(cats / name, save_all=True, append_images=frames[1:])
    found = check(read_folder(folder))
    assert kinds(found) == {"cats/one.png": "tiny"}
    for kept in found.photos:
        height, width, _ = decode(kept.image).shape
        assert (kept.width, kept.height) == (width, height)


def test_check__exif_turned_photo_has_its_upright_size(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    photo(folder / "cats" / "turned.jpg", 50, size=(60, 40), exif=exif)
    turned = next(photo for photo in check(read_folder(folder)).photos if photo.name == "cats/turned.jpg")
    assert (turned.width, turned.height) == (40, 60)


def test_check__no_permission(folder, monkeypatch):
    opened = os.open

    def refuse(path, *arguments, **options):
        if os.fspath(path).endswith("cats/3.jpg"):
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    found = check(read_folder(folder))
    assert kinds(found) == {"cats/3.jpg": "permission"}
    assert found.num_unreadable == 1


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_check__no_permission_on_disk(folder):
    (folder / "cats" / "3.jpg").chmod(0)
    assert kinds(check(read_folder(folder))) == {"cats/3.jpg": "permission"}


def test_check__photo_that_vanished(folder):
    manifest = read_folder(folder)
    (folder / "dogs" / "5.png").unlink()
    assert kinds(check(manifest)) == {"dogs/5.png": "unreadable"}


def test_check__failing_disk(folder, monkeypatch):
    def fail(*arguments):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.read", fail)
    monkeypatch.setattr("budwood.data.decoder.machine.WAITS", (0.0, 0.0))
    with pytest.raises(
        MachineError, match=r"cats/0.jpg cannot be read: Input/output error. It was tried 3 times"
    ):
        check(read_folder(folder))


def test_check__too_many_bad_photos(folder):
    for index in range(6):
        (folder / "cats" / f"bad{index}.jpg").write_text("no")
    with pytest.raises(
        DataError, match=r"6 of 26 photos \(23%\).*bad0.jpg' \(not_an_image\).*`data.max_unreadable`.*0\.2"
    ):
        check(read_folder(folder))
    assert check(read_folder(folder), max_unreadable=0.25).num_unreadable == 6


def test_check__duplicates_are_kept(folder):
    (folder / "cats" / "copy.jpg").write_bytes((folder / "cats" / "0.jpg").read_bytes())
    found = check(read_folder(folder))
    assert kinds(found) == {"cats/copy.jpg": "duplicate"}
    assert "'cats/0.jpg'" in found.problems[0].detail
    assert len(found.photos) == 21


def test_check__conflicting_labels_are_left_out(folder):
    for copy in ("cats/copy.jpg", "dogs/copy.jpg"):
        (folder / copy).write_bytes((folder / "cats" / "0.jpg").read_bytes())
    found = check(read_folder(folder))
    assert kinds(found) == dict.fromkeys(["cats/0.jpg", "cats/copy.jpg", "dogs/copy.jpg"], "conflict")
    assert "'dogs/copy.jpg' (dogs)" in found.problems[0].detail
    assert len(found.photos) == 19


def test_check__leaks_leave_the_earlier_split(split_folder):
    for source, copy in (("test", "train"), ("test", "val"), ("val", "train")):
        data = (split_folder / source / "cats" / "0.png").read_bytes()
        (split_folder / copy / "cats" / f"from_{source}.png").write_bytes(data)
    found = check(read_folder(split_folder))
    assert kinds(found) == dict.fromkeys(
        ["train/cats/from_test.png", "val/cats/from_test.png", "train/cats/from_val.png"], "leak"
    )
    assert len(found.photos) == 24
    assert found.num_unreadable == 0


def test_check__conflict_across_splits(split_folder):
    (split_folder / "train" / "dogs" / "x.png").write_bytes(
        (split_folder / "test" / "cats" / "0.png").read_bytes()
    )
    assert kinds(check(read_folder(split_folder))) == {
        "train/dogs/x.png": "conflict",
        "test/cats/0.png": "conflict",
    }


def test_check__one_class_left(folder):
    for path in (folder / "dogs").iterdir():
        path.write_text("no")
    with pytest.raises(DataError, match=r"photos of 1 class can be used \('cats'\); two are needed"):
        check(read_folder(folder), max_unreadable=0.6)


def test_check__class_without_usable_photos_is_dropped(folder):
    photo(folder / "birds" / "0.png", 200).write_text("no")
    found = check(read_folder(folder))
    assert found.classes == ("cats", "dogs")
    assert kinds(found) == {"birds/0.png": "not_an_image", "birds": "empty_class"}


def test_check__class_with_two_different_photos(folder):
    for index, seed in enumerate((200, 201, 201)):
        photo(folder / "birds" / f"{index}.png", seed)
    with pytest.raises(DataError, match="too few photos: 'birds' has 2. Each class needs at least 3"):
        check(read_folder(folder))


def test_check__class_with_two_different_photos_can_be_left_out(folder):
    for index, seed in enumerate((200, 201, 201)):
        photo(folder / "birds" / f"{index}.png", seed)
    with pytest.raises(DataError, match="leave such classes out with --min-photos 3"):
        check(read_folder(folder))
    found = check(read_folder(folder), min_photos=3)
    assert found.classes == ("cats", "dogs") and {one.label for one in found.photos} == {"cats", "dogs"}
    assert ("birds", "small_class") in [(one.path, one.kind) for one in found.problems]
    assert found.left_out == ["too few photos (data.min_photos), so the class is left out: birds"]
    assert check(read_folder(folder), min_photos=2, for_training=False).classes == ("birds", "cats", "dogs")
    most = Counter(photo.label for photo in found.photos).most_common(1)[0][1]
    with pytest.raises(
        DataError, match=rf"min_photos = 100 \(--min-photos\) leaves.* has {most} and .*or fewer"
    ) as error:
        check(read_folder(folder), min_photos=100)
    assert refusal(check(read_folder(folder), min_photos=100, for_training=False)) == str(error.value)


def test_check__photos_of_a_group_count_once(folder):
    for index in range(5):
        photo(folder / "birds" / f"{index}.png", 200 + index)
    found = read_folder(folder)
    burst = tuple(
        replace(one, group="burst" if one.label == "birds" and not one.name.endswith("0.png") else None)
        for one in found.photos
    )
    with pytest.raises(DataError, match="'birds' has 2"):
        check(replace(found, photos=burst))
    assert check(replace(found, photos=burst), min_photos=3).classes == ("cats", "dogs")


def test_check__class_without_training_photos(split_folder):
    photo(split_folder / "test" / "birds" / "0.png", 200)
    with pytest.raises(DataError, match="no usable photos in train of 'birds'"):
        check(read_folder(split_folder))


def test_check__no_photos():
    with pytest.raises(DataError, match="there are no photos"):
        check(read_arrays([], []))


def test_check__arrays_and_bytes(folder):
    files = sorted(folder.glob("*/*"))
    images = [decode(path) if index % 2 else path.read_bytes() for index, path in enumerate(files)]
    found = check(
        read_arrays([*images, np.zeros((3, 3), np.float32)], [*(path.parent.name for path in files), "cats"])
    )
    assert kinds(found) == {"00020": "unreadable"}
    assert all((photo.width, photo.height) == (40, 36) for photo in found.photos)


def test_check__second_time_decodes_nothing_but_new_photos(folder, monkeypatch):
    first = check(read_folder(folder))
    photo(folder / "cats" / "new.jpg", 300)
    (folder / "cats" / "bad.jpg").write_text("no")
    measured = []
    measure = check_module.look
    monkeypatch.setattr(check_module, "look", lambda image: measured.append(image) or measure(image))
    second = check(read_folder(folder))
    expected = [(folder / "cats" / name).read_bytes() for name in ("bad.jpg", "new.jpg")]
    assert sorted(measured) == sorted(expected)
    assert set(first.photos) <= set(second.photos)


def test_check__interrupt_keeps_what_was_decoded(folder, monkeypatch):
    measure = check_module.look
    calls = []

    def interrupt(image):
        calls.append(image)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return measure(image)

    monkeypatch.setattr(check_module, "look", interrupt)
    with pytest.raises(KeyboardInterrupt):
        check(read_folder(folder))
    first = len(calls)
    check(read_folder(folder))
    assert len(calls) - first < 20


def test_to_json__problems_with_path_kind_detail(folder):
    (folder / "cats" / "bad.jpg").write_text("no")
    content = json.loads(json.dumps(check(read_folder(folder)).to_json()))
    assert content["found"] == 21 and content["kept"] == 20 and content["unreadable"] == 1
    assert [sorted(problem) for problem in content["problems"]] == [["detail", "kind", "path"]]


@pytest.mark.slow
def test_check__real_flowers(test_data):
    found = check(read_folder(test_data / "datasets" / "flower_photos"))
    assert found.num_found == 3670 and found.num_unreadable == 0
    assert Counter(problem.kind for problem in found.problems) == {
        "conflict": 2,
        "duplicate": 2,
        "ignored": 1,
    }
    conflicts = {problem.path for problem in found.problems if problem.kind == "conflict"}
    assert conflicts == {"roses/15922772266_1167a06620.jpg", "tulips/15922772266_1167a06620.jpg"}
    assert len(found.photos) == 3668


def labelled(folder, sets):
    """Photos of a folder with several labels, each as one text."""
    manifest = read_folder(folder)
    photos = tuple(with_labels(one, *of_text(sets.get(one.name, one.label))) for one in manifest.photos)
    return replace(manifest, photos=photos, classes=("cats", "dogs", "night"))


def test_check__copies_whose_labels_contradict_one_another_are_told_of_by_the_difference(folder):
    for name in ("a", "b"):
        (folder / "cats" / f"{name}.jpg").write_bytes((folder / "cats/0.jpg").read_bytes())
    sets = {"cats/0.jpg": "cats", "cats/a.jpg": "dogs;night", "cats/b.jpg": "cats;?night"}
    found = check(labelled(folder, sets | {"cats/1.jpg": "night"}), for_training=False)
    details = {one.path: one.detail for one in found.problems}
    assert kinds(found) == dict.fromkeys(sets, "conflict")
    assert details["cats/0.jpg"] == (
        "the same picture has other labels too: 'cats/a.jpg' (with dogs, night, without cats); all are left out"
    )
    # Of its unknown label it contradicts none.
    assert "'cats/a.jpg' (with dogs, without cats)" in details["cats/b.jpg"]
    assert details["cats/a.jpg"].count("cats/") == 2 and len(found.photos) == 19


def test_check__an_unknown_label_contradicts_nothing(folder):
    (folder / "cats" / "a.jpg").write_bytes((folder / "cats/0.jpg").read_bytes())
    sets = {"cats/0.jpg": "cats;night", "cats/a.jpg": "cats;?night", "cats/1.jpg": "night"}
    found = check(labelled(folder, sets), for_training=False)
    assert kinds(found) == {"cats/a.jpg": "duplicate"} and len(found.photos) == 21


def test_check__a_label_of_no_usable_photo_is_unknown_of_none(folder):
    (folder / "cats" / "0.jpg").write_bytes(b"no picture")
    found = check(labelled(folder, {"cats/0.jpg": "night", "cats/1.jpg": "cats;?night"}))
    assert kinds(found)["night"] == "empty_class" and found.classes == ("cats", "dogs")
    assert not any(photo.unknown for photo in found.photos)
