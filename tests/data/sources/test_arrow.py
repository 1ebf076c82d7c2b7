"""Arrow files that Hugging Face saved: their pictures are read where they lie."""

import json

import pytest

from budwood.config.data import Data
from budwood.core.errors import DataError
from budwood.core.progress.base import SILENT
from budwood.data.sources import read_source
from budwood.data.sources.arrow import ArrowFile
from tests.data.sources.forms import COLOURS, halves, hub_table, make_saved, make_saved_splits

pa = pytest.importorskip("pyarrow")


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


KINDS = {
    "stream": lambda path, schema: pa.ipc.new_stream(path, schema),
    "file": lambda path, schema: pa.ipc.new_file(path, schema),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("type_name", ["binary", "large_binary"])
def test_arrow_file__pictures_are_stretches_of_it(tmp_path, kind, type_name):
    contents = [b"one", None, b"", b"four" * 100, b"five"]
    column = pa.array(contents, getattr(pa, type_name)())
    # Batches that begin in the middle of an array.
    batches = [pa.record_batch({"image": column[:2]}), pa.record_batch({"image": column[2:]})]
    path = str(tmp_path / "x.arrow")
    with KINDS[kind](path, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    found = list(ArrowFile(path).pictures("image", SILENT))
    assert [one if one is None else one.read() for one in found] == [
        b"one",
        None,
        None,
        b"four" * 100,
        b"five",
    ]


def test_arrow_file__a_struct_without_bytes_gives_its_path(tmp_path):
    rows = [{"bytes": b"x", "path": "1.png"}, {"bytes": None, "path": "2.png"}, None]
    column = pa.array(rows, pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    table = pa.table({"image": column})
    path = str(tmp_path / "x.arrow")
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table)
    first, second, third = ArrowFile(path).pictures("image", SILENT)
    assert first.read() == b"x"
    assert (second, third) == ("2.png", None)
