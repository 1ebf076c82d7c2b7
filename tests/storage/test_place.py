import pytest

from budwood.core.errors import StorageError
from budwood.storage.place import Place, is_address, read_place, store_place


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("s3://bucket/a/b/", Place("s3", "bucket", "a/b")),
        ("s3a://bucket", Place("s3", "bucket", "")),
        ("gs://bucket/ä b", Place("gs", "bucket", "ä b")),
        ("s3:/bucket/a", Place("s3", "bucket", "a")),
        ("file:///tmp/x/", Place("file", "", "/tmp/x")),
        ("/tmp/x", Place("file", "", "/tmp/x")),
    ],
)
def test_read_place(text, place):
    assert read_place(text) == place


@pytest.mark.parametrize(
    "text",
    [
        "s3://AKIAKEY:hidden@bucket/a",
        "s3://hidden@bucket",
        "s3://bucket/a?X-Amz-Signature=hidden",
        "az://box/a?sig=hidden",
        "s3:/key:hidden@bucket/a",
    ],
)
def test_read_place__credentials_are_refused_and_not_repeated(text):
    with pytest.raises(StorageError) as error:
        read_place(text)
    assert "hidden" not in str(error.value)
    assert error.value.kind == "setting"


@pytest.mark.parametrize("text", ["s3://", "s3://b", "ftp://bucket/a", "s3://bucket//a", "s3://bucket/../a"])
def test_read_place__what_is_no_place_is_refused(text):
    with pytest.raises(StorageError):
        read_place(text)


def test_relative__never_leads_out():
    place = read_place("s3://bucket/photos")
    assert place.relative(read_place("s3://bucket/photos/a.jpg")) == "a.jpg"
    assert place.relative(read_place("s3://other/photos/a.jpg")) is None
    assert place.relative(read_place("s3://bucket/photos2/a.jpg")) is None


def test_is_address():
    assert is_address("s3:/bucket/once") and is_address("gs://b/c")
    assert not is_address("tfds:mnist") and not is_address("C:/photos") and not is_address("hf://x")


def test_store_place__is_what_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.delenv("BUDWOOD_STORE", raising=False)
    assert store_place() is None
    monkeypatch.setenv("BUDWOOD_STORE", str(tmp_path))
    assert store_place() == Place("file", "", str(tmp_path))
    monkeypatch.setenv("BUDWOOD_STORE", str(tmp_path / "not_mounted"))
    with pytest.raises(StorageError, match="there is no folder .*mount"):
        store_place()
    assert not (tmp_path / "not_mounted").exists()
