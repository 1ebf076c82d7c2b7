import os

import pytest

from budwood.config.data import Data
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
    assert kinds(manifest) == {("test", "ignored")}


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


def passed_over(manifest):
    return {(one.kind, one.place, one.ending): one.count for one in manifest.passed_over}


def test_read_folder__counts_what_it_does_not_read_by_kind_and_class(tmp_path):
    put(tmp_path, *(f"train/{label}/{number}.jpg" for label in "ab" for number in range(2)))
    put(
        tmp_path,
        *(f"train/b/{number}.HEIC" for number in range(3)),
        "train/b/deep/raw.NEF",
        "train/a/x.jpg.part",
    )
    put(tmp_path, "test/1.jpg", "notes/read.txt", "train/loose.jpg", "train/a/.hidden.jpg")
    (tmp_path / "train" / "a" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    manifest = read_folder(tmp_path)
    assert passed_over(manifest) == {
        ("format", "b", ".heic"): 3,
        ("format", "b", ".nef"): 1,
        ("partial", "a", ""): 1,
        ("unlabelled", "test", ""): 1,
        ("beside", "train", ""): 1,
        ("litter", "a", ""): 1,
        ("broken_link", "a", ""): 1,
    }
    assert next(one.example for one in manifest.passed_over if one.ending == ".heic") == "train/b/0.HEIC"
    assert ("train/b/0.HEIC", "ignored") in kinds(manifest)


def test_read_folder__pictures_are_known_by_their_content(tmp_path):
    put(tmp_path, "a/1.jpg", "b/1.jpg", "b/cut.jpg.crdownload", "b/words", "b/list.txt")
    for name in ("b/none", "b/c.jpg_large", "b/d.jpg?w=3", "b/list.csv"):
        (tmp_path / name).write_bytes(b"\xff\xd8\xff\xe0 a JPEG")
    (tmp_path / "b" / "raw.NEF").write_bytes(b"II*\0 a small preview lies in it")
    manifest = read_folder(tmp_path)
    assert names(manifest) == ["a/1.jpg", "b/1.jpg", "b/c.jpg_large", "b/d.jpg?w=3", "b/none"]
    assert passed_over(manifest) == {
        ("partial", "b", ""): 1,
        ("format", "b", ""): 1,
        ("format", "b", ".txt"): 1,
        ("format", "b", ".csv"): 1,
        ("format", "b", ".nef"): 1,
    }


LITTER = [
    *(
        "@eaDir/a/1.jpg/SYNOFILE_THUMB_M.jpg",
        "#recycle/a/9.jpg",
        "$RECYCLE.BIN/x/9.jpg",
        ".Trash-1000/files/9.jpg",
    ),
    *("a/.AppleDouble/1.jpg", "a/._1.jpg", "a/.picasa.ini", "a/.picasaoriginals/1.jpg", "a/desktop.ini"),
    *("Lightroom Catalog Previews.lrdata/0/1.jpg", "System Volume Information/x.jpg", "__MACOSX/a/._1.jpg"),
]


def test_read_folder__litter_is_passed_over_by_its_name(tmp_path):
    put(tmp_path, "a/1.jpg", "trash/1.jpg")
    clean = read_folder(tmp_path)
    put(tmp_path, *LITTER)
    manifest = read_folder(tmp_path)
    assert manifest.photos == clean.photos
    assert manifest.problems == ()
    assert {one.kind for one in manifest.passed_over} == {"litter"}
    assert sum(one.count for one in manifest.passed_over) == len(LITTER)


def test_read_folder__a_copy_inside_itself(tmp_path):
    put(tmp_path, *(f"{label}/{number}.jpg" for label in "ab" for number in range(3)))
    for label in "ab":
        for number in range(3):
            put(tmp_path, f"x/{label}/{number}.jpg")
            (tmp_path / f"x/{label}/{number}.jpg").write_bytes(
                (tmp_path / f"{label}/{number}.jpg").read_bytes()
            )
    manifest = read_folder(tmp_path)
    assert manifest.classes == ("a", "b")
    assert passed_over(manifest) == {("copy", "x", ""): 6}
    assert kinds(manifest) == {("x", "ignored")}
    # Of the same name and size, but another photo.
    (tmp_path / "x/a/1.jpg").write_bytes(b"a/2.jpg")
    with pytest.raises(DataError, match="'x' in .* holds folders of the same names"):
        read_folder(tmp_path)


def test_read_folder__previews_beside_their_photos(tmp_path):
    put(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/thumbs/9.jpg")
    for number in (1, 2):
        put(tmp_path, f"a/thumbs/{number}.png")
        (tmp_path / f"a/thumbs/{number}.png").write_bytes(b"small")
    manifest = read_folder(tmp_path)
    assert names(manifest) == ["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/thumbs/9.jpg"]
    assert passed_over(manifest) == {("preview", "a/thumbs", ""): 2}


COMPOSED, DECOMPOSED = "Caf\u00e9", "Cafe\u0301"


def test_read_folder__one_class_in_two_unicode_forms(tmp_path):
    put(tmp_path, f"train/{DECOMPOSED}/1.jpg", "train/b/1.jpg", f"test/{COMPOSED}/2.jpg", "test/b/2.jpg")
    manifest = read_folder(tmp_path)
    assert manifest.classes == (COMPOSED, "b")
    assert manifest.reading.joined == {COMPOSED: (COMPOSED,)}
    put(tmp_path, f"{COMPOSED}/1.jpg", f"{DECOMPOSED}/2.jpg", "b/3.jpg")
    assert read_folder(tmp_path, Data(layout="classes")).classes == (COMPOSED, "b", "test", "train")


@pytest.mark.parametrize(("train", "test"), [("Cats", "cats"), ("cat", "cat "), ("big cat", "Big  Cat")])
def test_read_folder__one_class_by_case_and_blanks(tmp_path, train, test):
    put(tmp_path, f"train/{train}/1.jpg", "train/b/1.jpg", f"test/{test}/2.jpg", "test/b/2.jpg")
    manifest = read_folder(tmp_path)
    assert set(manifest.classes) == {train, "b"}
    assert manifest.reading.joined == {train: (test,)}


def test_read_folder__two_classes_that_differ_by_case_are_asked_about(tmp_path):
    put(tmp_path, "a/1.jpg", "A/2.jpg", "b/1.jpg")
    with pytest.raises(DataError, match="'A' and 'a' in .* one class.*--layout classes"):
        read_folder(tmp_path)
    assert read_folder(tmp_path, Data(layout="classes")).classes == ("A", "a", "b")


def test_read_folder__says_how_it_was_read(tmp_path):
    put(
        tmp_path,
        *(
            f"{site}/{split}/{label}/1.jpg"
            for site in ("n", "s")
            for split in ("Training", "Testing")
            for label in "ab"
        ),
    )
    manifest = read_folder(tmp_path, Data(layout="nested"))
    assert manifest.reading.layout == "nested"
    assert manifest.reading.asked
    assert manifest.reading.above == ("n", "s")
    assert manifest.reading.splits == {
        "train": ("n/Training", "s/Training"),
        "test": ("n/Testing", "s/Testing"),
    }
    assert {photo.metadata["domain"] for photo in manifest.photos} == {"n", "s"}


def test_read_folder__what_may_be_no_class_is_said(tmp_path):
    put(tmp_path, "a/1.jpg", "b/2.jpg", "b/a/3.jpg", "New Folder (2)/1.jpg", "_gsdata_/1.jpg")
    reading = read_folder(tmp_path).reading
    assert (reading.doubtful, reading.inner) == (("New Folder (2)",), ("b/a",))
