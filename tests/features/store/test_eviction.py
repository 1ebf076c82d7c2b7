"""Eviction: least recently used first, what is in use never."""

import os

import numpy as np
import pytest

from budwood.core.errors import StoreError
from budwood.features.store.eviction import clear, default_limit, evict, list_usage, parse_bytes
from budwood.features.store.leases import Lease
from budwood.features.store.shards import read_shard, write_shard


def put(folder, fingerprint, key, used):
    (folder / fingerprint).mkdir(exist_ok=True)
    shard = write_shard(folder / fingerprint, [key], np.zeros((1, 1000), np.float32))
    os.utime(shard.marker, (used, used))
    return shard


def keys(folder):
    return {key for marker in folder.glob("*/*.json") for key in read_shard(marker).keys}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20GB", 20 * 10**9),
        ("20 gb", 20 * 10**9),
        ("1.5GiB", 3 * 2**29),
        ("7", 7),
        ("7B", 7),
        ("3k", 3000),
        ("2 TB", 2 * 10**12),
    ],
)
def test_parse_bytes__reads_usual_words(text, expected):
    assert parse_bytes(text) == expected


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "20 GX", "1e9", "twenty"])
def test_parse_bytes__refuses_the_rest(text):
    with pytest.raises(StoreError, match="such as 20GB"):
        parse_bytes(text)


def test_default_limit__comes_from_the_environment(monkeypatch):
    monkeypatch.delenv("BUDWOOD_CACHE_LIMIT", raising=False)
    assert default_limit() == 20 * 10**9
    monkeypatch.setenv("BUDWOOD_CACHE_LIMIT", "3MB")
    assert default_limit() == 3 * 10**6


def test_evict__takes_the_least_recently_used_across_fingerprints(tmp_path):
    shards = [
        put(tmp_path, fingerprint, key, used)
        for fingerprint, key, used in [("one", "a", 40), ("two", "b", 10), ("one", "c", 20), ("two", "d", 30)]
    ]
    size = list_usage(tmp_path / "one")[0].bytes
    assert evict(tmp_path, 4 * size) == 0
    assert evict(tmp_path, 2 * size + size // 2) == 2 * size
    assert keys(tmp_path) == {"a", "d"}
    assert not shards[1].path.exists()
    evict(tmp_path, 0)
    assert list(tmp_path.iterdir()) == []


def test_evict__never_touches_what_is_in_use(tmp_path):
    put(tmp_path, "used", "old", 10)
    put(tmp_path, "idle", "young", 20)
    lease = Lease(tmp_path / "used")
    evict(tmp_path, 1)
    assert keys(tmp_path) == {"old"}
    lease.release()
    evict(tmp_path, 1)
    assert keys(tmp_path) == set()


def test_clear__returns_the_bytes_freed_and_spares_what_is_in_use(tmp_path):
    put(tmp_path, "used", "a", 10)
    put(tmp_path, "idle", "b", 20)
    lease = Lease(tmp_path / "used")
    expected = sum(file.stat().st_size for file in (tmp_path / "idle").iterdir())
    assert clear(tmp_path) == expected
    assert keys(tmp_path) == {"a"}
    lease.release()
