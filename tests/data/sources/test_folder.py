import os

import pytest

from budwood.core.errors import DataError
from budwood.data.sources import read_source
from budwood.data.sources.folder import read_folder


def put(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode("utf-8", "surrogateescape"))


def names(manifest):
    return [photo.name for photo in manifest.photos]


def kinds(manifest):
    return {(problem.path, problem.kind) for problem in manifest.problems}


def test_read_folder__class_folders(tmp_path):
    put(tmp_path, "dogs/2.jpg", "cats/b.PNG", "cats/a.JPeG", "cats/deep/er/c.webp")
    manifest = read_folder(tmp_path)
    assert manifest.classes == ("cats", "dogs")
    assert names(manifest) == ["cats/a.JPeG", "cats/b.PNG", "cats/deep/er/c.webp", "dogs/2.jpg"]
    assert [photo.label for photo in manifest.photos] == ["cats", "cats", "cats", "dogs"]
    assert {photo.split for photo in manifest.photos} == {None}
    assert manifest.photos[2].image == tmp_path / "cats" / "deep" / "er" / "c.webp"
    assert manifest.problems == ()
    assert read_source(str(tmp_path)) == manifest


def test_read_folder__relative_root_gives_absolute_paths(tmp_path, monkeypatch):
    put(tmp_path, "d/a/1.jpg", "d/b/1.jpg")
    monkeypatch.chdir(tmp_path)
    assert read_folder("d").photos[0].image == tmp_path / "d" / "a" / "1.jpg"


@pytest.mark.parametrize("validation", ["validation", "valid", "val", "Validation", "VAL"])
def test_read_folder__three_splits(tmp_path, validation):
    put(tmp_path, "Train/a/1.jpg", "Train/b/1.jpg", f"{validation}/a/2.jpg", "TEST/b/3.jpg")
    manifest = read_folder(tmp_path)
    assert {photo.name: photo.split for photo in manifest.photos} == {
        "Train/a/1.jpg": "train",
        "Train/b/1.jpg": "train",
        f"{validation}/a/2.jpg": "validation",
        "TEST/b/3.jpg": "test",
    }


def test_read_folder__train_and_test_with_things_beside(tmp_path):
    put(
        tmp_path,
        "train/a/1.jpg",
        "train/b/1.jpg",
        "test/a/2.jpg",
        "images to test/x.jpg",
        "readme.md",
        "train/loose.jpg",
    )
    manifest = read_folder(tmp_path)
    assert {photo.split for photo in manifest.photos} == {"train", "test"}
    assert kinds(manifest) == {
        ("images to test", "ignored"),
        ("readme.md", "ignored"),
        ("train/loose.jpg", "ignored"),
    }


def test_read_folder__lone_train_is_the_whole_data(tmp_path):
    put(tmp_path, "train/a/1.jpg", "train/b/1.jpg")
    manifest = read_folder(tmp_path)
    assert names(manifest) == ["train/a/1.jpg", "train/b/1.jpg"]
    assert manifest.classes == ("a", "b")
    assert {photo.split for photo in manifest.photos} == {None}


def test_read_folder__train_as_a_class(tmp_path):
    put(tmp_path, "train/1.jpg", "car/1.jpg")
    assert read_folder(tmp_path).classes == ("car", "train")


def test_read_folder__unlabelled_test_photos_are_ignored(tmp_path):
    put(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "test/1.jpg")
    manifest = read_folder(tmp_path)
    assert {photo.split for photo in manifest.photos} == {None}
    assert ("test/1.jpg", "ignored") in kinds(manifest)


def test_read_folder__splits_without_train(tmp_path):
    put(tmp_path, "validation/a/1.jpg", "test/a/1.jpg", "test/b/1.jpg")
    with pytest.raises(DataError, match="no 'train' to learn from"):
        read_folder(tmp_path)


def test_read_folder__hidden_files_are_passed_over_and_others_listed(tmp_path):
    put(
        tmp_path,
        "a/1.jpg",
        "b/1.jpg",
        "a/.DS_Store",
        "a/Thumbs.db",
        "__MACOSX/a/1.jpg",
        ".git/x.jpg",
        "a/notes.txt",
    )
    manifest = read_folder(tmp_path)
    assert names(manifest) == ["a/1.jpg", "b/1.jpg"]
    assert kinds(manifest) == {("a/notes.txt", "ignored")}


def test_read_folder__runs_among_the_photos_are_no_classes(tmp_path):
    put(tmp_path, "a/1.jpg", "b/1.jpg", "a/run/run.json", "a/run/picture.jpg")
    put(tmp_path, "runs/first/run.json", "runs/second/run.json", "runs/second/model/model.json")
    put(tmp_path, "mixed/first/run.json", "mixed/2.jpg")
    manifest = read_folder(tmp_path)
    assert names(manifest) == ["a/1.jpg", "b/1.jpg", "mixed/2.jpg"]
    assert kinds(manifest) == set()


def test_read_folder__empty_class(tmp_path):
    put(tmp_path, "a/1.jpg", "b/1.jpg")
    (tmp_path / "c").mkdir()
    manifest = read_folder(tmp_path)
    assert manifest.classes == ("a", "b")
    assert kinds(manifest) == {("c", "empty_class")}


def test_read_folder__odd_names_survive(tmp_path):
    odd = [
        "a b/with space.jpg",
        "a b/new\nline.jpg",
        "花/日本語.jpg",
        "花/é'\".jpg",
        os.fsdecode(b"a b/\xff\xfe.jpg"),
    ]
    try:
        put(tmp_path, *odd)
    except OSError:
        pytest.skip("this file system takes no such names")
    manifest = read_folder(tmp_path)
    assert sorted(names(manifest)) == sorted(odd)
    assert all(photo.image.read_bytes() for photo in manifest.photos)


def test_read_folder__links_are_followed(tmp_path):
    put(tmp_path, "store/1.jpg", "store/2.jpg", "data/a/0.jpg")
    (tmp_path / "data" / "a" / "linked.jpg").symlink_to(tmp_path / "store" / "1.jpg")
    (tmp_path / "data" / "b").symlink_to(tmp_path / "store")
    assert names(read_folder(tmp_path / "data")) == ["a/0.jpg", "a/linked.jpg", "b/1.jpg", "b/2.jpg"]


def test_read_folder__link_loops_and_broken_links(tmp_path):
    put(tmp_path, "a/1.jpg", "b/1.jpg")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "b" / "self").symlink_to(tmp_path / "b")
    (tmp_path / "a" / "ring.jpg").symlink_to(tmp_path / "a" / "ring.jpg")
    (tmp_path / "b" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    manifest = read_folder(tmp_path)
    assert names(manifest) == ["a/1.jpg", "b/1.jpg"]
    assert kinds(manifest) == {
        ("a/up", "link_loop"),
        ("b/self", "link_loop"),
        ("a/ring.jpg", "link_loop"),
        ("b/gone.jpg", "broken_link"),
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_read_folder__pipes_are_not_photos(tmp_path):
    put(tmp_path, "a/1.jpg", "b/1.jpg")
    os.mkfifo(tmp_path / "a" / "pipe.jpg")
    assert kinds(read_folder(tmp_path)) == {("a/pipe.jpg", "ignored")}


def test_read_folder__unreadable_folder(tmp_path, monkeypatch):
    put(tmp_path, "a/1.jpg", "b/1.jpg", "b/locked/1.jpg")
    listdir = os.listdir

    def refuse(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    manifest = read_folder(tmp_path)
    assert names(manifest) == ["a/1.jpg", "b/1.jpg"]
    assert kinds(manifest) == {("b/locked", "unreadable")}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "is empty"),
        (["1.jpg", "2.jpg"], "lie loose in .*'1.jpg'"),
        (["a/1.jpg", "a/2.jpg"], "one class only, 'a'"),
        (["a/1.txt", "b/2.txt"], "holds no photos"),
    ],
)
def test_read_folder__nothing_to_learn_from(tmp_path, files, words):
    put(tmp_path, *files)
    with pytest.raises(DataError, match=f"{words}.*Expected a folder for each class"):
        read_folder(tmp_path)


def test_read_folder__missing_or_a_file(tmp_path):
    with pytest.raises(DataError, match=r"none does not exist.*DATA/cats/1\.jpg"):
        read_folder(tmp_path / "none")
    put(tmp_path, "file")
    with pytest.raises(DataError, match="is a file"):
        read_folder(tmp_path / "file")


def test_read_source__passes_a_manifest_on(tmp_path):
    put(tmp_path, "a/1.jpg", "b/1.jpg")
    manifest = read_folder(tmp_path)
    assert read_source(manifest) is manifest
