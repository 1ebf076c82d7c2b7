import os
import pickle
import sys
import time
import traceback

import pytest

from budwood.core.errors import StorageError
from budwood.storage import objects
from budwood.storage.objects import open_storage, within
from budwood.storage.place import read_place
from tests.servers import SECRET, environment, hanging, refusing


@pytest.fixture(params=["memory", "file", "s3"])
def place(request, tmp_path):
    """An empty place of each kind: what holds for one holds for all."""
    if request.param == "memory":
        return read_place(f"memory://m{os.urandom(4).hex()}/some/prefix")
    if request.param == "file":
        return read_place((tmp_path / "some folder").as_uri().replace("%20", " "))
    return read_place(f"s3://{request.getfixturevalue('bucket')}/some/prefix")


def keys(storage, *args):
    return sorted(one.key for one in storage.list(*args))


def test_contract__what_was_put_is_got_listed_and_deleted(place):
    storage = open_storage(place)
    assert keys(storage) == []
    assert storage.put_if_absent("a/1", b"one")
    assert not storage.put_if_absent("a/1", b"other")
    assert storage.get("a/1") == b"one"
    storage.put("a/1", b"second")
    storage.put("ab/ö 2%20#?.jpg", b"2")
    assert storage.get("a/1") == b"second"
    assert storage.get_range("a/1", 1, 3) == b"eco"
    assert b"".join(storage.stream("a/1")) == b"second"
    assert keys(storage) == ["a/1", "ab/ö 2%20#?.jpg"]
    assert keys(storage, "a") == ["a/1"]
    assert storage.head("a/1").size == 6
    storage.delete("a/1")
    storage.delete("a/1")
    assert keys(storage) == ["ab/ö 2%20#?.jpg"]


def test_contract__lists_only_what_comes_after(place):
    storage = open_storage(place)
    for name in ("x/01", "x/02", "x/03", "y/00"):
        storage.put(name, b"")
    assert keys(storage, "x", "x/01") == ["x/02", "x/03"]


def test_contract__an_object_that_is_gone_or_changed_is_an_error_of_that_kind(place):
    storage = open_storage(place)
    for call in (storage.get, storage.head, lambda key: storage.get_range(key, 0, 1)):
        with pytest.raises(StorageError, match="is not there") as gone:
            call("none/x")
        assert gone.value.kind == "gone"
    storage.put("a", b"1")
    etag = storage.head("a").etag
    assert storage.get("a", etag) == b"1"
    storage.put("a", b"another")
    with pytest.raises(StorageError, match="changed") as changed:
        storage.get("a", etag)
    assert changed.value.kind == "changed"


def test_contract__can_be_pickled(bucket):
    storage = open_storage(read_place(f"s3://{bucket}/p"))
    storage.put("a", b"1")
    sent = pickle.dumps(storage)
    assert SECRET.encode() not in sent
    assert pickle.loads(sent).get("a") == b"1"


def test_contract__names_that_cannot_be_used_are_said(place):
    for name in ("a//b", "a/../b"):
        with pytest.raises(StorageError) as error:
            open_storage(place).put(name, b"")
        assert error.value.kind == "name"


REFUSALS = {
    "credentials": (403, "InvalidAccessKeyId"),
    "permission": (403, "AccessDenied"),
    "no_bucket": (404, "NoSuchBucket"),
    "clock": (403, "RequestTimeTooSkewed"),
    "region": (301, "PermanentRedirect"),
    "full": (507, "XMinioStorageFull"),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_refusals__are_one_sentence_without_a_secret(kind, monkeypatch):
    monkeypatch.setitem(objects._RETRIES, "max_retries", 0)
    status, code = REFUSALS[kind]
    with refusing(status, code) as port:
        for name, value in environment(port).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(StorageError) as error:
            open_storage(read_place("s3://bucket/prefix"))
    assert error.value.kind == kind
    assert "\n" not in str(error.value)
    told = "".join(traceback.format_exception(error.value))
    assert SECRET not in told and "AKIA" not in told


def test_refusals__a_bucket_that_may_not_be_written_can_be_listed(monkeypatch):
    with refusing(403, "AccessDenied", methods=("PUT",)) as port:
        for name, value in environment(port).items():
            monkeypatch.setenv(name, value)
        storage = open_storage(read_place("s3://bucket/prefix"))
        with pytest.raises(StorageError, match="no permission to write s3://bucket/prefix") as error:
            storage.put_if_absent("a", b"")
    assert error.value.kind == "permission"


def test_retries__a_server_that_is_busy_is_asked_again(monkeypatch):
    asked = []
    with refusing(503, "SlowDown", headers=[("Retry-After", "0")], also=asked.append) as port:
        for name, value in environment(port).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setitem(objects._RETRIES, "max_retries", 2)
        with pytest.raises(StorageError) as error:
            open_storage(read_place("s3://bucket/prefix"))
    assert error.value.kind == "busy"
    assert len(asked) == 3


def test_check__a_server_that_never_answers_is_unreachable_in_time(monkeypatch):
    with hanging() as port:
        for name, value in environment(port).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(objects, "ANSWER_SECONDS", 0.3)
        started = time.monotonic()
        with pytest.raises(StorageError, match=f"cannot be reached at 127.0.0.1:{port}") as error:
            open_storage(read_place("s3://bucket/prefix"))
    assert error.value.kind == "unreachable"
    assert time.monotonic() - started < 3.0


def test_within__passes_errors_on():
    with pytest.raises(KeyError):
        within(5.0, lambda: {}["a"], read_place("s3://bucket"))


def test_open_storage__without_obstore(monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(StorageError, match=r"pip install 'budwood\[cloud\]'"):
        open_storage(read_place("s3://bucket"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_storage__is_refused_in_a_forked_process(tmp_path, monkeypatch):
    monkeypatch.setattr(objects, "_pids", {1, os.getpid()})
    with pytest.raises(StorageError, match="forked"):
        open_storage(read_place(tmp_path))
