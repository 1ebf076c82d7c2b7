import pytest

from budwood.data.sources.copies import possible_copies, small_copies, without
from budwood.data.sources.listing import File, Folder
from tests.data.sources.listings import listed

BESIDE = ["a/1.jpg", "a/2.jpg", "b/1.jpg"]


@pytest.mark.parametrize("start", ["", "deep/"])
@pytest.mark.parametrize("some", [BESIDE, BESIDE[1:]])
def test_possible_copies__each_photo_with_the_one_beside_it(start, some):
    top = listed([start + name for name in [*BESIDE, *(f"x/{name}" for name in some)]])
    (found,) = possible_copies(top)
    assert found.folder == f"{start}x"
    assert found.pairs == tuple((f"{start}x/{name}", start + name) for name in some)


@pytest.mark.parametrize(
    "names",
    [BESIDE, [*BESIDE, "x/a/1.jpg", "x/a/9.jpg"], [*BESIDE, "x/c/1.jpg"], [*BESIDE, "x/1.jpg", "x/2.jpg"]],
)
def test_possible_copies__none_where_a_photo_is_new(names):
    assert list(possible_copies(listed(names))) == []


def test_possible_copies__none_of_another_size():
    def classes(start, size):
        return tuple(Folder(f"{start}{label}", (), (File(f"{start}{label}/1", size),)) for label in "ab")

    for size, number in ((7, 1), (8, 0)):
        top = Folder("", (*classes("", 7), Folder("x", classes("x/", size))))
        assert len(list(possible_copies(top))) == number


def test_without__takes_folders_out_at_any_depth():
    top = without(listed([*BESIDE, "c/x/1.jpg", "c/2.jpg"]), frozenset({"a", "c/x"}))
    assert [file.name for file in top.every()] == ["b/1.jpg", "c/2.jpg"]
    assert top.num_photos == 2


@pytest.mark.parametrize(
    ("name", "size", "found"), [("2.png", 3, True), ("2.png", 7, False), ("9.png", 3, False)]
)
def test_small_copies__of_photos_in_the_folders_beside(name, size, found):
    def folder(name, *files):
        return Folder(name, (), tuple(File(f"{name}/{base}", size) for base, size in files))

    classes = folder("t/a", ("1.jpg", 7)), folder("t/b", ("2.jpg", 7))
    top = Folder("", (Folder("t", (*classes, folder("t/thumbs", ("1.png", 3), (name, size)))),))
    assert small_copies(top) == (frozenset({"t/thumbs"}) if found else frozenset())
