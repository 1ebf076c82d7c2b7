import pytest

from budwood.core.errors import DataError
from budwood.data.sources import read_source
from budwood.data.sources.schemes import refuse_unknown_scheme

KNOWN = ["tfds", "csv"]


@pytest.mark.parametrize(("source", "meant"), [("csvv:photos", "csv"), ("tdfs:cifar10:3.0.2", "tfds")])
def test_refuse_unknown_scheme__names_the_known_ones(source, meant):
    with pytest.raises(DataError) as caught:
        refuse_unknown_scheme(source, KNOWN)
    assert f"Did you mean {meant}?" in str(caught.value) and "Give csv:NAME or tfds:NAME" in str(caught.value)


def test_refuse_unknown_scheme__far_from_all():
    with pytest.raises(DataError, match="`gopher:` is no scheme of a source. Give csv:NAME"):
        refuse_unknown_scheme("gopher:photos", KNOWN)


@pytest.mark.parametrize("source", ["tfds:cifar10", "photos", "C:\\photos", "a/b:c", "2024:may", ""])
def test_refuse_unknown_scheme__what_may_be_a_path_passes(source):
    refuse_unknown_scheme(source, KNOWN)


def test_refuse_unknown_scheme__a_folder_that_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError):
        refuse_unknown_scheme("old:photos", KNOWN)
    (tmp_path / "old:photos").mkdir()
    refuse_unknown_scheme("old:photos", KNOWN)


def test_read_source__an_address_of_the_web__without_its_secrets():
    with pytest.raises(DataError, match="is an address of the web") as caught:
        read_source("https://KEY:SECRET@host/x.csv?sig=SECRET")
    assert "SECRET" not in str(caught.value)
