"""The store as a whole: what is in it, and how it stays within its limit."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from budwood.core.errors import StoreError
from budwood.features.store.store import FeatureStore

ROW_BYTES = 4000


def fill(store, fingerprint, *keys):
    with store.open(fingerprint, (ROW_BYTES // 4,)) as table:
        for key in keys:
            table.add(key, np.ones(ROW_BYTES // 4, np.float32))


def age(store, fingerprint, seconds):
    then = time.time() - seconds
    for marker in Path(store.folder, fingerprint).glob("*.json"):
        os.utime(marker, (then, then))


def fingerprints(store):
    return {entry["fingerprint"] for entry in store.info()["fingerprints"]}


def test_feature_store__lies_in_the_cache_by_default(own_cache, monkeypatch):
    monkeypatch.setenv("BUDWOOD_CACHE_LIMIT", "5MB")
    store = FeatureStore()
    assert store.folder == own_cache / "features"
    assert store.limit == 5_000_000
    assert store.info() == {"folder": str(store.folder), "limit": 5_000_000, "total": 0, "fingerprints": []}
    assert store.clear() == 0


@pytest.mark.parametrize("fingerprint", ["", "../up", "a/b", "a b", "x" * 200])
def test_open__refuses_a_fingerprint_that_is_no_folder_name(tmp_path, fingerprint):
    with pytest.raises(StoreError, match="fingerprint"):
        FeatureStore(tmp_path).open(fingerprint, (4,))


def test_open__refuses_other_dtypes(tmp_path):
    with pytest.raises(StoreError, match="float32, float16"):
        FeatureStore(tmp_path).open("fp", (4,), "float64")


def test_open__a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot be written.*BUDWOOD_CACHE"):
        FeatureStore(tmp_path / "file" / "features").open("fp", (4,))


def test_info__tells_what_is_there(tmp_path):
    store = FeatureStore(tmp_path, limit=10**9)
    fill(store, "one", "a", "b")
    fill(store, "two", "a")
    age(store, "one", 100)
    with store.open("one", (ROW_BYTES // 4,)):
        info = store.info()
    assert info["limit"] == 10**9
    two, one = info["fingerprints"]
    assert (one["fingerprint"], one["rows"], one["shards"], one["in_use"]) == ("one", 2, 1, True)
    assert (two["fingerprint"], two["rows"], two["shards"], two["in_use"]) == ("two", 1, 1, False)
    on_disk = [path.stat().st_size for path in tmp_path.glob("*/*.*") if path.is_file()]
    assert info["total"] == one["bytes"] + two["bytes"] == sum(on_disk)
    assert two["last_used"] > one["last_used"]


def test_close__evicts_what_was_unused_for_longest(tmp_path):
    store = FeatureStore(tmp_path, limit=3 * ROW_BYTES)
    fill(store, "one", "a")
    fill(store, "two", "b")
    age(store, "one", 100)
    age(store, "two", 200)
    with store.open("two", (ROW_BYTES // 4,)) as table:
        table.gather(["b"])
    fill(store, "three", "c")
    assert fingerprints(store) == {"two", "three"}


def test_close__never_evicts_what_a_living_process_has_open(tmp_path):
    code = """
import sys
from pathlib import Path
from budwood.features.store.store import FeatureStore
with FeatureStore(Path(sys.argv[1])).open("one", (1000,)) as table:
    print("open", flush=True)
    sys.stdin.readline()
    print(table.gather(["a"]).sum(), flush=True)
"""
    store = FeatureStore(tmp_path, limit=1)
    fill(FeatureStore(tmp_path), "one", "a")
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout.readline() == "open\n"
        fill(store, "two", "b")
        assert fingerprints(store) == {"one"}
        assert store.clear() == 0
        assert reader.communicate("go\n", timeout=60)[0] == "1000.0\n"
    fill(store, "two", "b")
    assert fingerprints(store) == set()


def test_clear__frees_everything_that_is_idle(tmp_path):
    store = FeatureStore(tmp_path)
    fill(store, "one", "a", "b")
    total = store.info()["total"]
    assert store.clear() == total
    assert store.info()["fingerprints"] == []
