from budwood.data.sources.listing import Draft, File, Folder, Placed
from tests.data.sources.listings import listed

NAMES = ["a/2.jpg", "a/b/1.jpg", "a0.jpg", "b/", "c/d/e/3.jpg"]


def test_every__in_the_order_of_names_with_folders_among_the_photos():
    top = Folder("", (Folder("b", (), (File("b/1"),)), Folder("d")), (File("a"), File("c")))
    assert [file.name for file in top.every()] == ["a", "b/1", "c"]
    assert [file.base for file in top.every()] == ["a", "1", "c"]


def test_num_photos__and_the_folders_that_have_some():
    top = listed(NAMES)
    assert top.num_photos == 4
    assert [(one.base, one.num_photos) for one in top.folders] == [("a", 2), ("b", 0), ("c", 1)]
    assert [one.name for one in top.children] == ["a", "c"]


def test_find__by_the_whole_path_alone():
    top = listed([*NAMES, "c/d2/1.jpg"])
    for name in ("", "a", "a/b", "b", "c/d", "c/d/e", "c/d2"):
        assert top.find(name).name == name
    for name in ("x", "a/2.jpg", "c/d/e/f", "d", "c/", "/a"):
        assert top.find(name) is None


def placed(label, split):
    return Placed(f"{label}.jpg", label, split, "home", "site")


def test_draft__a_lone_train_is_still_to_be_divided():
    draft = Draft("splits", [placed("a", "train")], splits={"train": ("Training",)}, above=["x", "x"])
    found = draft.finish()
    assert found.splits == {}
    assert found.above == ("Training", "x")
    assert found.photos == (placed("a", None),)


def test_draft__given_splits_stay_and_labels_are_counted():
    splits = {"train": ("l",), "test": ("t",)}
    found = Draft(
        "splits", [placed("a", "train"), placed("a", "test"), placed("b", "test")], splits=splits
    ).finish()
    assert (found.splits, found.counts) == (splits, {"a": 2, "b": 1})
    assert [photo.split for photo in found.photos] == ["train", "test", "test"]
