from datetime import UTC, datetime, timedelta

from budwood.storage.clock import ServerClock
from budwood.storage.objects import Listed, Storage, open_storage
from budwood.storage.place import read_place


def test_clock__asks_once_and_leaves_nothing(bucket, monkeypatch):
    storage = open_storage(read_place(f"s3://{bucket}/p"))
    puts = []
    put = Storage.put
    monkeypatch.setattr(Storage, "put", lambda self, *args: puts.append(1) or put(self, *args))
    clock = ServerClock(storage)
    first = clock.now()
    assert first <= clock.now() < first + 5
    assert abs(clock.skew()) < 3
    assert puts == [1]
    assert list(storage.list()) == []


def test_skew__of_a_storage_that_is_behind(tmp_path, monkeypatch):
    behind = datetime.now(UTC) - timedelta(hours=1)
    monkeypatch.setattr(Storage, "head", lambda self, key: Listed(key, 0, "", behind))
    assert 3590 < ServerClock(open_storage(read_place(tmp_path))).skew() < 3610
