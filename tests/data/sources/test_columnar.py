"""Parquet and Arrow: what is wrong with their columns is said, and pictures are unpacked once."""

import json
import pickle

import pytest

from budwood.config.data import Data
from budwood.core.errors import DataError
from budwood.data.images import decode
from budwood.data.sources import columnar, read_source
from tests.data.sources.forms import (
    COLOURS,
    encoded,
    halves,
    hub_table,
    make_parquet,
    make_saved,
    make_saved_splits,
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
        ({"path": PATHS, "label": [["a"], ["b"], ["c"], ["d"]]}, r"the column 'label' is of type list"),
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


def test_read_saved__splits_of_other_names(tmp_path):
    make_saved_splits(tmp_path / "saved")
    (tmp_path / "saved" / "test").rename(tmp_path / "saved" / "odd")
    (tmp_path / "saved" / "dataset_dict.json").write_text('{"splits": ["train", "odd"]}')
    with pytest.raises(DataError, match=r"odd/data-.*row 1: the split 'odd' is none that is known"):
        read_source(tmp_path / "saved")
    found = read_source(tmp_path / "saved", Data(split_folders={"train": "train", "test": "odd"}))
    assert {photo.split for photo in found.photos} == {"train", "test"}
    assert len([photo for photo in found.photos if photo.split == "test"]) == len(halves()["test"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("state.json", "{", "state.json cannot be read"),
        (
            "state.json",
            '{"_data_files": [{"filename": "../../etc/passwd"}]}',
            "names '../../etc/passwd', which is no",
        ),
        (
            "state.json",
            json.dumps({"_data_files": [{"filename": "a" * 300}]}),
            "names 'aaa.*, which is no file",
        ),
        ("state.json", '{"_data_files": []}', "names no data files"),
        ("state.json", '{"_indices_data_files": [{"filename": "x"}]}', "is a selection of another data set"),
        ("state.json", "[]", "state.json is not what save_to_disk writes"),
        ("dataset_info.json", "nothing", "dataset_info.json cannot be read"),
        ("data-00000-of-00001.arrow", "nothing", "is damaged, or not what its ending says"),
    ],
)
def test_read_saved__damaged(tmp_path, name, content, message):
    make_saved(tmp_path / "saved")
    (tmp_path / "saved" / name).write_text(content)
    with pytest.raises(DataError, match=message):
        read_source(tmp_path / "saved")


def test_read_saved__a_name_of_a_column_that_is_no_text(tmp_path):
    file = make_saved(tmp_path / "saved") / "data-00000-of-00001.arrow"
    file.write_bytes(file.read_bytes().replace(b"label", b"la\xc5el"))
    with pytest.raises(DataError, match=r"saved is damaged, or not what its ending says .*decode byte 0xc5"):
        read_source(tmp_path / "saved")


def test_read_saved__compressed_is_refused(tmp_path):
    folder = make_saved(tmp_path / "saved")
    table = hub_table([row for rows in halves().values() for row in rows])
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(
        str(folder / "data-00000-of-00001.arrow"), table.schema, options=options
    ) as stream:
        stream.write_table(table)
    with pytest.raises(DataError, match="is compressed"):
        read_source(folder)


def test_read_saved__is_what_hugging_face_writes_and_reads(tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = [row for part in halves().values() for row in part]
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=list(COLOURS)),
            "age": datasets.Value("int32"),
        }
    )
    data = datasets.Dataset.from_dict(
        {
            "image": [{"bytes": content, "path": None} for content, _ in rows],
            "label": [label for _, label in rows],
            "age": list(range(len(rows))),
        },
        features=features,
    )
    data.save_to_disk(str(tmp_path / "one"), num_shards=2)
    datasets.DatasetDict(data.train_test_split(2, seed=0)).save_to_disk(str(tmp_path / "parts"))
    one, parts = read_source(tmp_path / "one"), read_source(tmp_path / "parts")
    assert [photo.image.read() for photo in one.photos] == [content for content, _ in rows]
    assert [photo.label for photo in one.photos] == [list(COLOURS)[label] for _, label in rows]
    assert [photo.metadata["age"] for photo in one.photos] == [str(number) for number in range(len(rows))]
    assert sorted(photo.image.read() for photo in parts.photos) == sorted(content for content, _ in rows)
    assert sum(photo.split == "test" for photo in parts.photos) == 2
    assert len(datasets.load_from_disk(str(make_saved(tmp_path / "ours")))) == len(rows)
