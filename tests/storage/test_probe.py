import pytest

from budwood.core.errors import StorageError
from budwood.storage import objects
from budwood.storage.objects import Storage, open_storage
from budwood.storage.place import read_place
from budwood.storage.probe import probe
from tests.servers import environment, refusing


def test_probe__of_a_place_that_will_do(bucket):
    place = read_place(f"s3://{bucket}/p")
    found = probe(place)
    assert found.is_conditional
    assert abs(found.skew) < 3
    assert list(open_storage(place).list()) == []


def test_probe__of_one_that_overwrites(tmp_path, monkeypatch):
    monkeypatch.setattr(Storage, "put_if_absent", lambda self, key, data: self.put(key, data) or True)
    assert not probe(read_place(tmp_path)).is_conditional


def test_probe__of_one_that_may_not_be_written(monkeypatch):
    monkeypatch.setitem(objects._RETRIES, "max_retries", 0)
    with refusing(403, "AccessDenied", methods=("PUT",)) as port:
        for name, value in environment(port).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(StorageError, match="no permission to write"):
            probe(read_place("s3://bucket/p"))
