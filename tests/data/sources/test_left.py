from hypothesis import given
from hypothesis import strategies as st

from budwood.config.data import Data
from budwood.core.errors import DataError
from budwood.data.sources.folder import read_tree
from tests.data.sources.shelf import Shelf

BESIDE = {"beside", "unlabelled", "annotations", "copy", "preview", "no_label"}
"""Why photos are not read; everything else that is passed over is no photo."""


FOLDERS = st.sampled_from(
    ["train", "Test", "val", "images", "masks", "a", "b", "A", "thumbs", "2024", "pred", "@eaDir", "c d"]
)
FILES = st.sampled_from(
    [
        "1.jpg",
        "2.jpg",
        "cat.1.jpg",
        "dog_1.jpg",
        "cat_2.jpg",
        "dog.2.jpg",
        "a.heic",
        "b.txt",
        ".x",
        "c.jpg.part",
    ]
)
SHELVES = st.lists(
    st.tuples(st.lists(FOLDERS, max_size=3), FILES).map(lambda parts: "/".join([*parts[0], parts[1]])),
    min_size=1,
    max_size=30,
    unique=True,
)


@given(SHELVES, st.sampled_from(["auto", "classes", "splits", "nested", "flat"]))
def test_read_tree__every_file_is_a_photo_or_told_of(names, layout):
    try:
        manifest = read_tree(Shelf(names), Data(layout=layout))
    except DataError as error:
        assert "shelf" in str(error)
        return
    visible = [name for name in names if "@eaDir" not in name and not name.endswith("/.x") and name != ".x"]
    photos = [name for name in visible if name.endswith(".jpg")]
    read = [photo.name for photo in manifest.photos]
    assert len(set(read)) == len(read) and set(read) <= set(photos)
    beside = [one for one in manifest.passed_over if one.kind in BESIDE]
    assert sum(one.count for one in beside) == len(photos) - len(read)
    assert {photo.label for photo in manifest.photos} == set(manifest.classes)
    counts = manifest.understood().classes
    assert sum(sum(of_split.values()) for of_split in counts.values()) == len(read)
    # What lies in a folder that is passed over as a whole is told of by that.
    whole = [one.place for one in beside]
    rest = [name for name in visible if name not in photos]
    told = sum(one.count for one in manifest.passed_over if one.kind in ("format", "partial"))
    outside = [name for name in rest if not any(name.startswith(f"{place}/") for place in whole)]
    assert len(outside) <= told + len([one for one in manifest.problems if one.kind == "ignored"])
    assert told <= len(rest)
