import json

import pytest

from budwood.core.errors import DataError
from budwood.data.sources import columnar

pa = pytest.importorskip("pyarrow")


def schema(said):
    content = said if isinstance(said, bytes) else json.dumps(said).encode()
    return pa.schema([("label", pa.int64())], {b"huggingface": content})


def test_features_of__what_hugging_face_says_of_each_column():
    features = {"label": {"names": ["a", "b"], "_type": "ClassLabel"}}
    assert columnar.features_of(schema({"info": {"features": features}})) == features


@pytest.mark.parametrize(
    "said", [b"{", b"\xff", [], {}, {"info": None}, {"info": {"features": ["label"]}}, b"[" * 100_000]
)
def test_features_of__what_is_none(said):
    assert columnar.features_of(schema(said)) == {}
    assert columnar.features_of(pa.schema([("label", pa.int64())])) == {}


@pytest.mark.parametrize(
    ("feature", "kind", "names"),
    [
        ({"names": ["a", "b"]}, pa.int8(), ["a", "b"]),
        ({"names": ["a", "b"]}, pa.string(), None),
        ({"names": ["a", 1]}, pa.int64(), None),
        ({"names": "ab"}, pa.int64(), None),
        ({}, pa.int64(), None),
        (None, pa.int64(), None),
        (["a"], pa.int64(), None),
    ],
)
def test_class_names__of_numbers_alone(feature, kind, names):
    assert columnar._class_names(feature, kind) == names


def test_refuse_other_schema__by_names_and_types():
    one = pa.schema([("path", pa.string()), ("label", pa.int64())])
    columnar.refuse_other_schema(one, one.with_metadata({b"a": b"b"}), "x/1.parquet", "x/2.parquet")
    for other in (one.set(1, pa.field("label", pa.string())), one.set(1, pa.field("class", pa.int64()))):
        with pytest.raises(DataError, match=r"^2\.parquet has other columns than 1\.parquet: path, "):
            columnar.refuse_other_schema(one, other, "x/1.parquet", "x/2.parquet")


@pytest.mark.parametrize(
    ("kind", "pictures", "kept"),
    [
        (pa.binary(), True, False),
        (pa.large_binary(), True, False),
        (pa.binary(4), True, False),
        (pa.struct({"bytes": pa.binary(), "path": pa.string()}), True, False),
        (pa.struct({"path": pa.string()}), False, False),
        (pa.struct({"bytes": pa.string()}), False, False),
        (pa.string(), False, True),
        (pa.float32(), False, True),
        (pa.list_(pa.int8()), False, False),
    ],
)
def test_columns__hold_pictures_or_are_kept(kind, pictures, kept):
    assert columnar.holds_pictures(kind) is pictures
    assert columnar._can_be_kept(kind) is kept


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (pa.string(), True),
        (pa.large_string(), True),
        (pa.dictionary(pa.int8(), pa.string()), True),
        (pa.dictionary(pa.int8(), pa.int64()), False),
        (pa.binary(), False),
    ],
)
def test_is_text(kind, answer):
    assert columnar.is_text(kind) is answer


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            pa.ArrowInvalid("Not a file.\nmore"),
            r"x is damaged, or not what its ending says \(Not a file\)\. Make",
        ),
        (OSError("cut"), r"\(cut\)"),
        (MemoryError(), r"\(MemoryError\)"),
    ],
)
def test_readable__names_the_file(error, words):
    with pytest.raises(DataError, match=words), columnar.readable("x"):
        raise error


def test_readable__leaves_our_own_errors():
    with pytest.raises(DataError, match="^mine$"), columnar.readable("x"):
        raise DataError("mine")


def test_need_pyarrow__names_the_extra():
    assert columnar.need_pyarrow("x", "pyarrow.parquet") is pytest.importorskip("pyarrow.parquet")
    with pytest.raises(DataError, match=r"x needs pyarrow.*budwood\[parquet\]"):
        columnar.need_pyarrow("x", "pyarrow.nowhere")
