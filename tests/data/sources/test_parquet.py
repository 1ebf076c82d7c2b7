"""Parquet and Arrow: what is wrong with their columns is said, and pictures are unpacked once."""

import pickle

import pytest

from budwood.core.errors import DataError
from budwood.data.images import decode
from budwood.data.sources import columnar, read_source
from tests.data.sources.forms import (
    COLOURS,
    encoded,
    hub_table,
    make_parquet,
    put_pictures,
)

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def write(folder, columns, name="photos.parquet"):
    put_pictures(folder)
    parquet.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), folder / name)
    return folder / name


PATHS = ["red/0.png", "red/1.png", "blue/0.png", "blue/1.png"]
LABELS = ["red", "red", "blue", "blue"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"path": PATHS}, r"photos\.parquet has no column for the label\. Its columns: path"),
        ({"label": LABELS}, r"no column for the path of the picture\. Its columns: label"),
        (
            {"path": [1, 2, 3, 4], "label": LABELS},
            r"the column 'path' is of type int64\. Expected paths as text",
        ),
        (
            {"path": PATHS, "label": [0.5, 1.0, 2.0, 3.0]},
            r"the column 'label' is of type double\. Expected class",
        ),
        ({"path": PATHS, "label": [[1], [2], [3], [4]]}, r"the column 'label' is of type list"),
        ({"path": PATHS, "label": ["red", None, "blue", "blue"]}, r"row 2: the label is empty"),
        ({"path": [*PATHS[:3], None], "label": LABELS}, r"row 4: the path is empty"),
        ({"path": [*PATHS[:3], "blue/9.png"], "label": LABELS}, r"row 4: there is no 'blue/9\.png'"),
        ({"path": [*PATHS[:3], "../9.png"], "label": LABELS}, r"row 4: '\.\./9\.png' leads out of"),
        (
            {"image": [b"x", b"y", None, b"z"], "label": LABELS},
            r"row 3: it has no picture \('image' is empty\)",
        ),
        ({"path": PATHS, "label": LABELS, "class": LABELS, "file": PATHS}, None),
        ({"file": PATHS, "image": PATHS, "label": LABELS}, r"'file' and 'image' could each be the path"),
        (
            {"path": PATHS, "label": LABELS, "split": ["train", "p1", "test", "test"]},
            r"row 2: the split 'p1'",
        ),
    ],
)
def test_read_parquet__what_is_wrong_is_said(tmp_path, columns, message):
    file = write(tmp_path, columns)
    if message is None:
        assert len(read_source(file).photos) == 4
        return
    with pytest.raises(DataError, match=message):
        read_source(file)


def test_read_parquet__numbers_out_of_the_classes(tmp_path):
    rows = [(encoded("red", number), number) for number in range(3)]
    with pytest.raises(DataError, match=r"row 3: the label is 2, and the classes are numbered 0 to 1"):
        read_source(write(tmp_path, hub_table(rows)))


def test_read_parquet__numbers_without_names_are_the_classes(tmp_path):
    table = hub_table([(encoded("red", number), number) for number in range(3)]).replace_schema_metadata({})
    assert read_source(write(tmp_path, table)).classes == ("0", "1", "2")


def test_read_parquet__parts_with_other_columns(tmp_path):
    (tmp_path / "parts").mkdir()
    for name, column in (("train-0.parquet", "label"), ("test-0.parquet", "class")):
        parquet.write_table(pa.table({"path": PATHS, column: LABELS}), tmp_path / "parts" / name)
    with pytest.raises(
        DataError, match=r"train-0\.parquet has other columns than test-0\.parquet: path, label"
    ):
        read_source(tmp_path / "parts")


def test_read_parquet__is_none(tmp_path):
    (tmp_path / "photos.parquet").write_bytes(b"path,label\n")
    with pytest.raises(DataError, match=r"photos\.parquet is damaged, or not what its ending says"):
        read_source(tmp_path / "photos.parquet")


def test_read_parquet__without_pyarrow(tmp_path, monkeypatch):
    file = make_parquet(tmp_path)
    monkeypatch.setattr(
        columnar.importlib, "import_module", lambda name: (_ for _ in ()).throw(ImportError(name))
    )
    with pytest.raises(DataError, match=r"photos\.parquet needs pyarrow.*pip install 'budwood\[parquet\]'"):
        read_source(file)


def test_read_parquet__pictures_are_unpacked_once_and_travel(tmp_path, own_cache):
    file = make_parquet(tmp_path, inside=True)
    first = read_source(file)
    kept = [found for found in (own_cache / "data").iterdir() if found.suffix == ".pictures"]
    assert len(kept) == 1
    before = kept[0].stat().st_mtime_ns
    again = pickle.loads(pickle.dumps(read_source(file)))
    assert kept[0].stat().st_mtime_ns == before
    for one, other in zip(first.photos, again.photos, strict=True):
        assert one.image.read() == other.image.read()
        assert tuple(decode(one.image)[0, 0]) == COLOURS[one.label]
        assert dict(one.metadata) == {"age": str(int(one.metadata["age"]))}


def test_read_parquet__pictures_of_which_some_are_paths(tmp_path):
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = [
        {"bytes": encoded("red", 2), "path": "red/2.png"},
        {"bytes": None, "path": "red/1.png"},
        {"bytes": encoded("blue", 3), "path": None},
    ]
    table = pa.table({"image": pa.array(images, kind), "label": ["red", "red", "blue"]})
    photos = read_source(write(tmp_path, table)).photos
    assert photos[1].name == "red/1.png"
    assert [tuple(decode(photo.image)[0, 0]) for photo in photos] == [
        COLOURS[photo.label] for photo in photos
    ]


def test_read_parquet__many_row_groups(tmp_path):
    rows = [(encoded(label, number), place) for number in range(40) for place, label in enumerate(COLOURS)]
    parquet.write_table(hub_table(rows), tmp_path / "photos.parquet", row_group_size=7)
    photos = read_source(tmp_path / "photos.parquet").photos
    assert len(photos) == 80 and [photo.image.read() for photo in photos] == [content for content, _ in rows]


def test_read_parquet__several_labels_as_lists_and_as_columns(tmp_path):
    lists = write(
        tmp_path, {"path": PATHS, "labels": [["red", "warm"], ["red"], [], ["blue"]]}, "lists.parquet"
    )
    columns = write(
        tmp_path,
        {
            "path": PATHS,
            "red": [1, 1, 0, 0],
            "warm": [True, None, False, False],
            "blue": pa.array([0, 0, 0, 1], pa.int8()),
        },
        "columns.parquet",
    )
    assert [photo.labels for photo in read_source(lists).photos] == [("red", "warm"), ("red",), (), ("blue",)]
    found = read_source(columns).photos
    assert [photo.labels for photo in found] == [("red", "warm"), ("red",), (), ("blue",)]
    assert [photo.unknown for photo in found] == [(), ("warm",), (), ()]
