"""Shards: whole or not at all, and never trusted when damaged."""

import errno
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from budwood.features.store import shards
from budwood.features.store.shards import (
    ShardError,
    merge_shards,
    read_shard,
    remove_orphans,
    remove_shard,
    verify,
    write_shard,
)

ROWS = np.arange(12, dtype=np.float32).reshape(3, 4)


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def test_write_shard__is_read_back_equal(tmp_path):
    written = write_shard(tmp_path, ["a", "b", "c"], ROWS)
    found = read_shard(written.marker)
    verify(found)
    assert found == written
    assert np.array_equal(found.open(), ROWS)
    assert np.array_equal(np.load(found.path), ROWS)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".npy"]


@pytest.mark.parametrize("at", ["rows", "marker"])
def test_write_shard__leaves_nothing_on_a_full_disk(tmp_path, monkeypatch, at):
    real, calls = os.fsync, []

    def full(handle):
        calls.append(handle)
        if len(calls) == (1 if at == "rows" else 2):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_shard(tmp_path, ["a", "b", "c"], ROWS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("offset", [0, 8, 20, -1, -40])
def test_verify__finds_a_flipped_bit(tmp_path, offset):
    shard = write_shard(tmp_path, ["a", "b", "c"], ROWS)
    flip(shard.path, offset)
    with pytest.raises(ShardError, match="checksum") as caught:
        verify(shard)
    assert caught.value.is_damage


def test_verify__finds_a_cut_file(tmp_path):
    shard = write_shard(tmp_path, ["a", "b", "c"], ROWS)
    shard.path.write_bytes(shard.path.read_bytes()[:-1])
    with pytest.raises(ShardError, match="checksum"):
        verify(shard)


def test_verify__looks_again_when_the_file_has_changed(tmp_path):
    shard = write_shard(tmp_path, ["a", "b", "c"], ROWS)
    verify(shard)
    flip(shard.path, -1)
    os.utime(shard.path, ns=(0, 0))
    with pytest.raises(ShardError):
        verify(shard)


@pytest.mark.parametrize(
    ("field", "value"), [("keys", ["a", "b", "d"]), ("shape", [2, 2]), ("shape", [5]), ("dtype", "float16")]
)
def test_verify__finds_a_marker_of_other_rows(tmp_path, field, value):
    marker = write_shard(tmp_path, ["a", "b", "c"], ROWS).marker
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {field: value}))
    with pytest.raises(ShardError) as caught:
        verify(read_shard(marker))
    assert caught.value.is_damage


def test_verify__a_missing_file_is_damage(tmp_path):
    shard = write_shard(tmp_path, ["a", "b", "c"], ROWS)
    shard.path.unlink()
    with pytest.raises(ShardError) as caught:
        verify(shard)
    assert caught.value.is_damage


def test_verify__too_many_open_files_is_no_damage(tmp_path, monkeypatch):
    shard = write_shard(tmp_path, ["a", "b", "c"], ROWS)

    def refuse(*arguments):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ShardError) as caught:
        verify(shard)
    assert not caught.value.is_damage


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '"keys"', "\x00", '{"keys": 3}', "[" * 200_000])
def test_read_shard__refuses_a_damaged_marker(tmp_path, text):
    marker = write_shard(tmp_path, ["a", "b", "c"], ROWS).marker
    marker.write_text(text)
    with pytest.raises(ShardError):
        read_shard(marker)


@pytest.mark.parametrize(
    "change", [{"keys": [1, 2, 3]}, {"shape": ["4"]}, {"dtype": "object"}, {"sha256": None}]
)
def test_read_shard__refuses_fields_of_the_wrong_kind(tmp_path, change):
    marker = write_shard(tmp_path, ["a", "b", "c"], ROWS).marker
    marker.write_text(json.dumps(json.loads(marker.read_text()) | change))
    with pytest.raises(ShardError):
        read_shard(marker)


def test_remove_shard__says_how_much_it_freed(tmp_path):
    shard = write_shard(tmp_path, ["a", "b", "c"], ROWS)
    size = shard.path.stat().st_size + shard.marker.stat().st_size
    assert remove_shard(shard.path) == size
    assert remove_shard(shard.path) == 0
    assert list(tmp_path.iterdir()) == []


def test_remove_orphans__takes_only_old_unfinished_files(tmp_path):
    shard = write_shard(tmp_path, ["a", "b", "c"], ROWS)
    old, young = tmp_path / "old.npy", tmp_path / "young.npy"
    part = tmp_path / "half.npy.part"
    for path in (old, young, part):
        path.write_bytes(b"x")
    long_ago = time.time() - shards.ORPHAN_AGE - 1
    for path in (old, part, shard.path):
        os.utime(path, (long_ago, long_ago))
    remove_orphans(tmp_path)
    assert set(tmp_path.iterdir()) == {shard.path, shard.marker, young}


def test_merge_shards__joins_the_small_ones_only(tmp_path):
    small = [write_shard(tmp_path, [f"k{n}"], np.full((1, 4), n, np.float32)) for n in range(5)]
    large = write_shard(tmp_path, [f"l{n}" for n in range(100)], np.zeros((100, 4), np.float32))
    merge_shards(tmp_path, [large, *small], limit=100)
    left = {marker: read_shard(marker) for marker in tmp_path.glob("*.json")}
    assert large.marker in left
    assert len(left) == 2
    (merged,) = (shard for shard in left.values() if shard.path != large.path)
    verify(merged)
    assert dict(zip(merged.keys, merged.open()[:, 0], strict=True)) == {f"k{n}": n for n in range(5)}


def test_merge_shards__leaves_a_damaged_one_out(tmp_path):
    small = [write_shard(tmp_path, [f"k{n}"], np.full((1, 4), n, np.float32)) for n in range(3)]
    flip(small[1].path, -1)
    merge_shards(tmp_path, small, limit=1000)
    assert sorted(key for marker in tmp_path.glob("*.json") for key in read_shard(marker).keys) == [
        "k0",
        "k1",
        "k2",
    ]
    assert small[1].marker.exists()
