"""A store that several machines share: each is a folder of its own here, before one bucket."""

import io
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from budwood.core.errors import StorageError
from budwood.features.store import shared as shared_module
from budwood.features.store.shards import Shard, checksum_of, marker_of
from budwood.features.store.store import FeatureStore
from budwood.storage import objects
from budwood.storage.objects import open_storage
from budwood.storage.place import read_place
from tests.progress import KeptLines
from tests.servers import SECRET, environment, refusing


@pytest.fixture(params=["s3", "folder"])
def place(request, tmp_path):
    if request.param == "folder":
        return read_place(tmp_path / "nfs")
    return read_place(f"s3://{request.getfixturevalue('bucket')}/budwood")


@pytest.fixture
def machine(tmp_path, place):
    """Makes the store of one more machine, with an empty cache of its own."""

    def make(name):
        return FeatureStore(tmp_path / name / "features", shared=place)

    return make


def fill(store, values, shape=(4,), **options):
    with store.open("fp", shape, **options) as table:
        for key, value in values.items():
            table.add(key, np.full(shape, value, np.float32))
    return table


def objects_of(place, below=""):
    return {one.key: one for one in open_storage(place.below("features/fp")).list(below)}


def test_missing__not_again__asks_a_shared_store_once(machine, place, monkeypatch):
    fill(machine("a"), {"x": 1})
    with machine("b").open("fp", (4,)) as table:
        assert table.missing(["x", "z"], again=False) == ["z"]
        fill(machine("a"), {"y": 2})
        with monkeypatch.context() as patch:
            patch.setattr(objects.Storage, "list", None)
            assert table.missing(["x", "y", "z"], again=False) == ["y", "z"]
            table.add("z", np.ones(4, np.float32))
            table.flush()
            assert table.missing(["x", "y", "z"], again=False) == ["y"]
            table.wait()
        assert table.missing(["x", "y", "z"]) == []
        assert len(objects_of(place, "markers")) == 3


def test_table__what_one_machine_stored_another_has(machine, place):
    fill(machine("a"), {"x": 1, "y": 2})
    with machine("b").open("fp", (4,)) as table:
        assert table.missing(["x", "z", "y"]) == ["z"]
        assert np.array_equal(table.gather(["y", "x"]), [[2] * 4, [1] * 4])
        assert table.notes == []
    assert len(objects_of(place)) == 2
    # It is on the machine now.
    with FeatureStore(machine("b").folder).open("fp", (4,)) as table:
        assert table.missing(["x", "y"]) == []


def test_table__sees_what_comes_later(machine):
    with machine("b").open("fp", (4,)) as table:
        assert table.missing(["x", "y"]) == ["x", "y"]
        fill(machine("a"), {"x": 1})
        assert table.missing(["x", "y"]) == ["y"]
        fill(machine("a"), {"y": 2})
        assert table.missing(["x", "y"]) == []
        assert np.array_equal(table.gather(["y"]), [[2] * 4])


def test_reader__fetches_what_was_not_asked_for_before(machine):
    fill(machine("a"), {"x": 1})
    with machine("b").open("fp", (4,)) as table:
        assert np.array_equal(table.gather(["x"]), [[1] * 4])


def test_missing__without_fetching(machine):
    fill(machine("a"), {"x": 1})
    store = machine("b")
    with store.open("fp", (4,), fetch=False) as table:
        assert table.missing(["x", "y"]) == ["y"]
    assert not list(store.folder.glob("fp/*.npy"))


def test_put__features_of_before_are_put_once(machine, place):
    fill(FeatureStore(machine("a").folder), {"x": 1})
    assert objects_of(place) == {}
    for _ in range(2):
        with machine("a").open("fp", (4,)) as table:
            table.missing(["x"])
        assert len(objects_of(place)) == 2
    # Nor is it put again by a machine that fetched it.
    with machine("b").open("fp", (4,)) as table:
        table.missing(["x"])
    assert len(objects_of(place)) == 2


def test_table__of_another_dtype_is_another_table(machine):
    fill(machine("a"), {"x": 1}, dtype="float16")
    with machine("b").open("fp", (4,)) as table:
        assert table.missing(["x"]) == ["x"]
        assert table.notes == []


def test_table__rows_without_a_marker_are_never_read(machine, place):
    storage = open_storage(place.below("features/fp"))
    storage.put("rows/" + "0" * 64 + ".npy", b"half")
    with machine("a").open("fp", (4,)) as table:
        assert table.missing(["x"]) == ["x"]
        assert table.notes == []


def damaged_rows(storage, key):
    content = bytearray(storage.get(key))
    content[-1] ^= 1
    storage.put(key, bytes(content))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damaged_rows, "do not match their checksum"),
        (lambda storage, key: storage.put(key, b""), "do not match their checksum"),
        (lambda storage, key: storage.delete(key), "is not there, although it has a marker"),
    ],
)
def test_table__damaged_rows_are_left_out_named_and_kept(machine, place, damage, said):
    fill(machine("a"), {"x": 1})
    storage = open_storage(place.below("features/fp"))
    damage(storage, next(iter(objects_of(place, "rows"))))
    before = objects_of(place)
    with machine("b").open("fp", (4,)) as table:
        assert table.missing(["x"]) == ["x"]
        assert table.missing(["x"]) == ["x"]
        assert [said in note.text for note in table.notes] == [True]
        # Computed again, it is put beside: whoever comes next finds it.
        table.add("x", np.full(4, 1, np.float32))
    assert set(before) <= set(objects_of(place))


def npy(rows, **options):
    file = io.BytesIO()
    np.save(file, rows, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"none at all", "no .npy file of numbers"),
        (npy(np.array([[1, "a", None, 2]], object), allow_pickle=True), "no .npy file of numbers"),
        (npy(np.ones((1, 4))), "not of the shape and type"),
        (npy(np.ones((2, 4), np.float32)), "not of the shape and type"),
        (npy(np.full((1, 4), np.nan, np.float32)), "some are not finite"),
    ],
)
def test_table__rows_that_are_no_features__whatever_their_checksum_says(machine, place, content, said):
    storage = open_storage(place.below("features/fp"))
    shard = Shard(Path("a.npy"), ("x",), (4,), "float32", checksum_of(content, ["x"]))
    storage.put(f"rows/{shard.checksum}.npy", content)
    storage.put(f"markers/{1:016d}-{shard.checksum[:16]}.json", marker_of(shard))
    lines = KeptLines()
    for name in ("b", "c"):
        store = machine(name)
        store.progress = lines
        with store.open("fp", (4,)) as table:
            assert table.missing(["x"]) == (["x"] if name == "b" else [])
            # The one that comes later may find the good rows first.
            assert [said in note.text for note in table.notes] in ([True], [] if name == "c" else [True])
            if name == "b":
                table.add("x", np.full(4, 1, np.float32))
            else:
                assert np.array_equal(table.gather(["x"]), [[1] * 4])
    # Both tables found it, and it was said once.
    assert len(lines.lines) == 1


def test_missing__without_fetching__rows_that_are_not_there_or_cut(machine, place):
    fill(machine("a"), {"x": 1})
    storage = open_storage(place.below("features/fp"))
    ((rows, _),) = objects_of(place, "rows").items()
    for damage in (lambda: storage.put(rows, b"cut"), lambda: storage.delete(rows)):
        damage()
        with machine("b").open("fp", (4,), fetch=False) as table:
            assert table.missing(["x", "y"]) == ["x", "y"]
            assert ["are not there, or cut" in note.text for note in table.notes] == [True]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        json.dumps({"keys": ["x"], "shape": [9], "dtype": "float32", "sha256": "0" * 64}).encode(),
        b"[" * 200_000,
    ],
)
def test_table__markers_of_another_form_are_ignored(machine, place, content):
    storage = open_storage(place.below("features/fp"))
    storage.put(f"markers/{1:016d}-{'0' * 16}.json", content)
    storage.put("markers/readme.txt", b"")
    with machine("a").open("fp", (4,)) as table:
        assert table.missing(["x"]) == ["x"]
        assert len(table.notes) == 2
    assert len(objects_of(place, "markers")) == 2


def test_markers__are_read_once_on_a_machine(machine, monkeypatch):
    fill(machine("a"), {"x": 1})
    with machine("b").open("fp", (4,)) as table:
        table.missing(["x"])
    asked = []
    get = objects.Storage.get
    monkeypatch.setattr(
        objects.Storage, "get", lambda self, key, *more: asked.append(key) or get(self, key, *more)
    )
    with machine("b").open("fp", (4,)) as table:
        assert table.missing(["x", "y"]) == ["y"]
    assert asked == []


def test_open__a_place_that_cannot_be_used_stops_at_once(tmp_path, monkeypatch):
    monkeypatch.setitem(objects._RETRIES, "max_retries", 0)
    with refusing(403, "SignatureDoesNotMatch") as port:
        for name, value in environment(port).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("BUDWOOD_STORE", "s3://bucket/x")
        with pytest.raises(StorageError, match="credentials for s3://bucket/x") as error:
            FeatureStore(tmp_path / "features").open("fp", (4,))
    assert SECRET not in str(error.value)


def test_open__the_cache_itself_is_no_shared_store(tmp_path):
    with pytest.raises(StorageError, match="the same folder"):
        FeatureStore(tmp_path / "features", shared=read_place(tmp_path)).open("fp", (4,))


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (507, "XMinioStorageFull")])
def test_put__what_cannot_be_put_stays_here_and_is_told_once(tmp_path, monkeypatch, status, code, bucket):
    monkeypatch.setitem(objects._RETRIES, "max_retries", 0)
    local = tmp_path / "a" / "features"
    with refusing(status, code, methods=("PUT",)) as port, monkeypatch.context() as elsewhere:
        for name, value in environment(port).items():
            elsewhere.setenv(name, value)
        with FeatureStore(local, shared=read_place(f"s3://{bucket}/p")).open("fp", (4,)) as table:
            for key in ("x", "y"):
                with table.claim([key], 8) as claim:
                    assert claim.keys == [key]
                    table.add(key, np.ones(4, np.float32))
                    table.flush()
            assert table.missing(["x", "y"]) == []
            assert len(table.notes) == 1
    # Once it can be written again, all of it is put.
    place = read_place(f"s3://{bucket}/p")
    with FeatureStore(local, shared=place).open("fp", (4,)) as table:
        assert table.missing(["x", "y"]) == []
    assert len(objects_of(place, "markers")) == 2


def test_storage__that_goes_away_stops_nothing(tmp_path, monkeypatch, place):
    fill(FeatureStore(tmp_path / "a", shared=place), {"x": 1})
    with FeatureStore(tmp_path / "b", shared=place).open("fp", (4,)) as table:
        assert table.missing(["z"]) == ["z"]

        def fail(self, *args, **more):
            raise StorageError("it cannot be reached", "unreachable")

        for name in ("get", "put", "put_if_absent", "list"):
            monkeypatch.setattr(objects.Storage, name, fail)
        assert table.missing(["x"]) == ["x"]
        with table.claim(["x"], 1) as claim:
            assert claim.keys == ["x"]
            table.add("x", np.ones(4, np.float32))
        assert table.missing(["x"]) == []
        table.flush()
    assert len(table.notes) == 2


def test_attempts__are_rarer_while_it_fails(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(shared_module.time, "monotonic", lambda: now[0])
    told = []
    attempts = shared_module.Attempts(told.append, "Then.", "Never.")
    assert attempts.are_due
    for waits in (30, 60, 120):
        attempts.failed(StorageError("Away", "unreachable"))
        now[0] += waits - 1
        assert not attempts.are_due
        now[0] += 1
        assert attempts.are_due
    attempts.failed(StorageError("Not allowed", "permission"))
    now[0] += 1e9
    assert not attempts.are_due
    assert told == ["Away. Then."]


def test_attempts__what_is_of_no_use_is_said_so():
    told = []
    shared_module.Attempts(told.append, "Then.", "Never.").failed(StorageError("Not allowed", "permission"))
    assert told == ["Not allowed. Never."]


def test_table__a_killed_writer_leaves_nothing_half_read(tmp_path):
    """Killed between rows and marker, and in the middle of the marker's own writing."""
    code = """
        import os, sys
        import numpy as np
        from pathlib import Path
        from budwood.features.store.store import FeatureStore
        from budwood.storage import objects
        from budwood.storage.place import read_place

        put, died = objects.Storage.put_if_absent, sys.argv[3]
        def dying(self, key, data):
            if key.startswith(died):
                os._exit(9)
            return put(self, key, data)
        store = FeatureStore(Path(sys.argv[1]), shared=read_place(sys.argv[2]))
        with store.open("fp", (4,)) as table:
            table.add("x", np.ones(4, np.float32))
            table.flush()
            table.missing(["y"])  # waits until what was added is put
            objects.Storage.put_if_absent = dying
            table.add("y", np.ones(4, np.float32))
            table.flush()
    """
    place = read_place(tmp_path / "nfs")
    for number, died in enumerate(("rows", "markers")):
        ended = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / str(number)), str(place), died],
            timeout=60,
        )
        assert ended.returncode == 9
        with FeatureStore(tmp_path / f"other{number}", shared=place).open("fp", (4,)) as table:
            assert table.missing(["x", "y"]) == ["y"]
            assert table.notes == []
    # Started again on its own machine, it puts what it had.
    with FeatureStore(tmp_path / "1", shared=place).open("fp", (4,)) as table:
        assert table.missing(["x", "y"]) == []
    with FeatureStore(tmp_path / "more", shared=place).open("fp", (4,)) as table:
        assert table.missing(["x", "y"]) == []
