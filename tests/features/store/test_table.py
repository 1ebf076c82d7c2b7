"""A table: every key gives its own row back, or is missing; nothing damaged is ever read."""

import errno
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from budwood.core.errors import StoreError
from budwood.features.store import table as table_module
from budwood.features.store.store import FeatureStore
from budwood.features.store.table import Float16Overflow

POSIX = pytest.mark.skipif(os.name != "posix", reason="POSIX signals and limits")


@pytest.fixture
def store(tmp_path) -> FeatureStore:
    return FeatureStore(tmp_path / "features")


def fill(store, values, shape=(4,), fingerprint="fp"):
    with store.open(fingerprint, shape) as table:
        for key, value in values.items():
            table.add(key, np.full(shape, value, np.float32))
    return Path(store.folder, fingerprint)


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments], capture_output=True, text=True, timeout=60
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    keys=st.lists(st.text(), unique=True, min_size=1, max_size=12),
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple),
    dtype=st.sampled_from(["float32", "float16"]),
    flush_after=st.integers(0, 12),
    data=st.data(),
)
def test_table__gives_back_what_was_added(tmp_path_factory, keys, shape, dtype, flush_after, data):
    store = FeatureStore(tmp_path_factory.mktemp("store"))
    rows = np.random.default_rng(0).normal(size=(len(keys), *shape)).astype(np.float32)
    with store.open("fp", shape, dtype) as table:
        assert table.missing(keys) == keys
        for number, (key, row) in enumerate(zip(keys, rows, strict=True)):
            table.add(key, row)
            if number == flush_after:
                table.flush()
        assert table.missing(keys) == []
    order = np.array(data.draw(st.lists(st.integers(0, len(keys) - 1), min_size=1, max_size=20)))
    with store.open("fp", shape, dtype) as table:
        assert table.missing([*keys, "another key, longer than the others"]) == [
            "another key, longer than the others"
        ]
        asked = [keys[number] for number in order]
        expected = rows[order].astype(dtype)
        assert np.array_equal(table.gather(asked), expected)
        reader = table.reader(keys)
        assert len(reader) == len(keys)
        assert reader.shape == rows.shape
        assert np.array_equal(reader[order], expected)
        assert np.array_equal(reader[1:3], rows[1:3].astype(dtype))
        assert np.array_equal(reader[-1], rows[-1].astype(dtype))
        assert np.array_equal(np.asarray(reader), rows.astype(dtype))


def test_missing__names_each_key_once_in_order(store):
    fill(store, {"b": 1})
    with store.open("fp", (4,)) as table:
        assert table.missing(["c", "b", "a", "c"]) == ["c", "a"]


def test_missing__sees_what_another_table_has_committed(store):
    with store.open("fp", (4,)) as reader, store.open("fp", (4,)) as writer:
        assert reader.missing(["a"]) == ["a"]
        writer.add("a", np.ones(4, np.float32))
        writer.flush()
        assert reader.missing(["a"]) == []
        assert np.array_equal(reader.gather(["a"]), np.ones((1, 4)))


def test_missing__keeps_fingerprints_and_dtypes_apart(store):
    fill(store, {"a": 1}, fingerprint="one")
    with store.open("two", (4,)) as table:
        assert table.missing(["a"]) == ["a"]
    with store.open("one", (4,), "float16") as table:
        assert table.missing(["a"]) == ["a"]
        table.add("a", np.full(4, 2, np.float32))
    for dtype, value in (("float32", 1), ("float16", 2)):
        with store.open("one", (4,), dtype) as table:
            assert np.array_equal(table.gather(["a"]), np.full((1, 4), value))


def test_missing__duplicate_keys_survive_the_loss_of_one_copy(store):
    with store.open("fp", (4,)) as table:
        for _ in range(2):
            table.add("a", np.ones(4, np.float32))
            table.flush()
    damaged = sorted(Path(store.folder, "fp").glob("*.npy"))[0]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with store.open("fp", (4,)) as table:
        assert table.missing(["a"]) == []
        assert np.array_equal(table.gather(["a"]), np.ones((1, 4)))
        assert len(table.notes) == 1


def flip_byte(npy: Path, marker: Path) -> None:
    data = bytearray(npy.read_bytes())
    data[-3] ^= 16
    npy.write_bytes(data)


def cut_rows(npy: Path, marker: Path) -> None:
    npy.write_bytes(npy.read_bytes()[:-5])


def cut_marker(npy: Path, marker: Path) -> None:
    marker.write_text(marker.read_text()[:-5])


def other_shape(npy: Path, marker: Path) -> None:
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"shape": [2, 2]}))


def no_rows(npy: Path, marker: Path) -> None:
    npy.unlink()


@pytest.mark.parametrize("damage", [flip_byte, cut_rows, cut_marker, other_shape, no_rows])
def test_table__computes_again_what_was_damaged(store, damage):
    folder = fill(store, {"a": 1, "b": 2})
    marker = next(folder.glob("*.json"))
    fill(store, {"c": 3})
    damage(marker.with_suffix(".npy"), marker)
    with store.open("fp", (4,)) as table:
        assert table.missing(["a", "b", "c"]) == ["a", "b"]
        assert len(table.notes) == 1
        assert "computed again" in table.notes[0].text and table.notes[0].kind == "store"
        with pytest.raises(StoreError, match="2 of 3 features are not in the store"):
            table.gather(["a", "b", "c"])
        table.add("a", np.full(4, 1, np.float32))
        table.add("b", np.full(4, 2, np.float32))
        assert np.array_equal(table.gather(["c", "b", "a"])[:, 0], [3, 2, 1])
    assert not marker.exists()
    assert len(list(folder.glob("*.npy"))) == 2


def test_table__never_reads_rows_without_a_marker(store):
    folder = fill(store, {"a": 1})
    next(folder.glob("*.json")).unlink()
    with store.open("fp", (4,)) as table:
        assert table.missing(["a"]) == ["a"]
        assert table.notes == []


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (np.zeros(5, np.float32), "do not fit"),
        (np.zeros(4, np.float64), "do not fit"),
        (np.zeros(4, np.int32), "do not fit"),
        (np.array([0, np.nan, 0, 0], np.float32), "not finite"),
        (np.array([0, np.inf, 0, 0], np.float32), "not finite"),
    ],
)
def test_add__refuses_what_does_not_fit(store, row, words):
    with store.open("fp", (4,)) as table:
        with pytest.raises(StoreError, match=words):
            table.add("a", row)
        assert table.missing(["a"]) == ["a"]


def test_add__refuses_overflow_of_float16(store):
    with store.open("fp", (2,), "float16") as table:
        table.add("a", np.array([65504, -65504], np.float32))
        with pytest.raises(Float16Overflow, match="float32"):
            table.add("b", np.array([0, -65505], np.float32))
        assert np.array_equal(table.gather(["a"]), [[65504, -65504]])
        assert table.missing(["b"]) == ["b"]


def test_add__keeps_pixels_as_they_are(store):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    with store.open("fp", (5, 5, 3), "uint8") as table:
        table.add("a", pixels)
        for dtype in (np.float32, np.int64):
            with pytest.raises(StoreError, match="Give uint8"):
                table.add("b", pixels.astype(dtype))
    with store.open("fp", (5, 5, 3), "uint8") as table:
        assert table.missing(["a", "b"]) == ["b"]
        assert table.gather(["a"]).dtype == np.uint8
        assert np.array_equal(table.gather(["a"])[0], pixels)
    with store.open("fp", (5, 5, 3)) as table:
        with pytest.raises(StoreError, match="Give float32"):
            table.add("a", pixels)
        assert table.missing(["a"]) == ["a"]


def test_add__copies_the_row(store):
    row = np.ones(4, np.float32)
    with store.open("fp", (4,)) as table:
        table.add("a", row)
        row[:] = 7
        assert np.array_equal(table.gather(["a"]), np.ones((1, 4)))


@pytest.mark.parametrize(("name", "value"), [("FLUSH_BYTES", 64), ("FLUSH_SECONDS", 0.0)])
def test_add__flushes_by_size_and_by_time(store, monkeypatch, name, value):
    monkeypatch.setattr(table_module, name, value)
    with store.open("fp", (4,)) as table:
        for number in range(4):
            table.add(str(number), np.ones(4, np.float32))
        # 16 bytes a row: the fourth fills 64 bytes; no second passes between rows that are each flushed at once.
        assert len(list(table.folder.glob("*.json"))) == (1 if name == "FLUSH_BYTES" else 4)


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError])
def test_close__keeps_what_was_added_when_the_block_fails(store, failure):
    with pytest.raises(failure), store.open("fp", (4,)) as table:
        table.add("a", np.ones(4, np.float32))
        raise failure
    with store.open("fp", (4,)) as table:
        assert table.missing(["a"]) == []


def test_close__ends_reading(store):
    fill(store, {"a": 1})
    with store.open("fp", (4,)) as table:
        rows = table.reader(["a"])
    table.close()
    for use in (lambda: rows[[0]], lambda: table.missing(["a"]), lambda: table.gather(["a"])):
        with pytest.raises(StoreError, match="closed"):
            use()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT])
def test_flush__full_disk_keeps_what_was_written_and_says_so(store, monkeypatch, number):
    with store.open("fp", (4,)) as table:
        table.add("a", np.ones(4, np.float32))
        table.flush()

        def full(handle):
            raise OSError(number, "the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            table.add("b", np.ones(4, np.float32))
            with pytest.raises(
                StoreError, match=r"1 of the 2 features.*Free space, or set BUDWOOD_CACHE"
            ) as caught:
                table.flush()
        assert str(table.folder) in str(caught.value)
        assert table.missing(["a", "b"]) == ["b"]
        assert len(list(table.folder.glob("*.*"))) == 2


@POSIX
def test_flush__real_limit_of_file_size(tmp_path):
    code = """
        import resource, sys
        from pathlib import Path
        import numpy as np
        from budwood.core.errors import StoreError
        from budwood.features.store.store import FeatureStore
        with FeatureStore(Path(sys.argv[1])).open("fp", (1000,)) as table:
            table.add("small", np.ones(1000, np.float32))
            table.flush()
            for number in range(100):
                table.add(str(number), np.ones(1000, np.float32))
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
            try:
                table.flush()
            except StoreError as error:
                print(error)
    """
    done = run_python(code, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "1 of the 101 features computed now were kept" in done.stdout
    with FeatureStore(tmp_path).open("fp", (1000,)) as table:
        assert table.missing(["small", "0"]) == ["0"]
        assert table.notes == []
        assert len(list(table.folder.glob("*.npy*"))) == 1


def test_table__two_processes_write_at_once(tmp_path):
    code = """
        import sys
        from pathlib import Path
        import numpy as np
        from budwood.features.store.store import FeatureStore
        who = int(sys.argv[2])
        with FeatureStore(Path(sys.argv[1])).open("fp", (8,)) as table:
            print("open", flush=True)
            sys.stdin.readline()
            for number in range(who * 50, who * 50 + 100):
                table.add(str(number), np.full(8, number, np.float32))
                if number % 7 == 0:
                    table.flush()
    """
    start = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)]
    writers = [
        subprocess.Popen([*start, str(who)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for who in range(2)
    ]
    for writer in writers:
        assert writer.stdout.readline() == "open\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    keys = [str(number) for number in range(150)]
    with FeatureStore(tmp_path).open("fp", (8,)) as table:
        assert table.missing(keys) == []
        assert table.notes == []
        assert np.array_equal(table.gather(keys)[:, 3], np.arange(150))


@POSIX
def test_table__is_sound_after_a_kill_midway(tmp_path):
    code = """
        import sys
        from pathlib import Path
        import numpy as np
        from budwood.features.store import table as table_module
        from budwood.features.store.store import FeatureStore
        table_module.FLUSH_BYTES = 400_000
        with FeatureStore(Path(sys.argv[1])).open("fp", (1000,)) as table:
            number = 0
            while True:
                table.add(str(number), np.full(1000, number, np.float32))
                number += 1
                if number == 1000:
                    print("under way", flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout.readline() == "under way\n"
        writer.kill()
    keys = [str(number) for number in range(1000)]
    with FeatureStore(tmp_path).open("fp", (1000,)) as table:
        assert table.missing(keys) == []
        assert table.notes == []
        assert np.array_equal(table.gather(keys)[:, 0], np.arange(1000))


def test_close__merges_many_small_shards(store, monkeypatch):
    monkeypatch.setattr(table_module, "MAX_SHARDS", 3)
    for number in range(5):
        folder = fill(store, {str(number): number})
    keys = [str(number) for number in range(5)]
    with store.open("fp", (4,)) as table:
        table.missing(keys)
    assert len(list(folder.glob("*.json"))) == 1
    with store.open("fp", (4,)) as table:
        assert np.array_equal(table.gather(keys)[:, 0], range(5))


def test_close__does_not_merge_under_another_reader(store, monkeypatch):
    for number in range(5):
        folder = fill(store, {str(number): number})
    monkeypatch.setattr(table_module, "MAX_SHARDS", 3)
    with store.open("fp", (4,)) as other:
        with store.open("fp", (4,)) as table:
            table.missing(["0"])
        assert len(list(folder.glob("*.json"))) == 5
        assert np.array_equal(other.gather(["4"])[:, 0], [4])


def test_reader__works_with_more_shards_than_maps(store, monkeypatch):
    monkeypatch.setattr(table_module, "MAX_MAPS", 2)
    with store.open("fp", (4,)) as table:
        for number in range(6):
            table.add(str(number), np.full(4, number, np.float32))
            table.flush()
        rows = table.reader([str(number) for number in range(6)])
        order = np.array([5, 0, 3, 3, 1, 4, 2, 5])
        assert np.array_equal(rows[order][:, 0], order)
        assert len(table._maps) == 2
        assert rows[[]].shape == (0, 4)
