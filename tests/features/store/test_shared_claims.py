import threading
import time
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from budwood.features.store import shared_claims
from budwood.features.store.shared_claims import SharedClaims
from budwood.storage.clock import ServerClock
from budwood.storage.objects import Storage, open_storage
from budwood.storage.place import read_place
from tests.servers import wait_until


@pytest.fixture(params=["s3", "folder"])
def storage(request, tmp_path):
    if request.param == "folder":
        return open_storage(read_place(tmp_path / "nfs"))
    return open_storage(read_place(f"s3://{request.getfixturevalue('bucket')}/p"))


@pytest.fixture
def claims(storage):
    return lambda: SharedClaims(storage, ServerClock(storage))


def test_hold__each_key_is_of_one(claims):
    with ExitStack() as stack:
        first = stack.enter_context(claims().hold(["a", "b", "c"], 2))
        second = stack.enter_context(claims().hold(["a", "b", "c"], 2))
        third = stack.enter_context(claims().hold(["a", "b", "c"], 2))
        assert (first, second, third) == (["a", "b"], ["c"], [])


def test_hold__takes_less_where_others_work_too_and_little_is_left(claims):
    keys = [f"k{number}" for number in range(400)]
    with claims().hold(keys, 200) as first:
        assert len(first) == 200
        with claims().hold(keys, 200) as second:
            assert len(second) == 50
            with claims().hold(keys, 200) as third:
                assert len(third) == 25
            own = [f"own{number}" for number in range(100)]
            with claims().hold(own, 4096, share=False) as given:
                assert given == own
    with claims().hold(keys, 400) as alone:
        assert len(alone) == 400


def test_hold__what_was_given_back_is_free(claims, storage, monkeypatch):
    monkeypatch.setattr(shared_claims, "TIDIED", -10.0)
    for _ in range(5):
        with claims().hold(["a"], 2) as keys:
            assert keys == ["a"]
    # Those that are over are removed but for the last, so that a number never comes back.
    assert [one.key for one in storage.list("claims")] == ["claims/000000000005.json"]


def test_hold__is_given_back_where_the_work_fails(claims):
    with pytest.raises(KeyError), claims().hold(["a"], 2):
        raise KeyError
    with claims().hold(["a"], 2) as keys:
        assert keys == ["a"]


def test_hold__of_a_dead_process_expires_and_of_a_living_one_does_not(claims, storage, monkeypatch):
    storage.put("claims/000000000001.json", b'{"keys": ["a"]}')
    monkeypatch.setattr(shared_claims, "EXPIRY", 2.5)
    monkeypatch.setattr(shared_claims, "RENEWAL", 0.2)
    with claims().hold(["b"], 1):
        with claims().hold(["a", "b"], 2) as keys:
            assert keys == []

        def free():
            with claims().hold(["a", "b"], 2) as keys:
                return keys

        wait_until(lambda: free() == ["a"])


def test_hold__however_many_keys_it_is_kept_alive_by_an_empty_object(claims, storage, monkeypatch):
    monkeypatch.setattr(shared_claims, "RENEWAL", 0.05)
    with claims().hold(["a"], 1):
        written = storage.head("claims/000000000001.json")
        wait_until(lambda: any(one.key == "claims/000000000001.alive" for one in storage.list("claims")))
        assert storage.head("claims/000000000001.alive").size == 0
        assert storage.head("claims/000000000001.json") == written
    with claims().hold(["a"], 1) as keys:
        assert keys == ["a"]
    assert storage.head("claims/000000000001.json").size == 2


def test_hold__of_a_process_that_stood_still_is_its_own_again(claims, storage, monkeypatch):
    monkeypatch.setattr(shared_claims, "EXPIRY", -10.0)
    monkeypatch.setattr(shared_claims, "RENEWAL", 3600.0)
    with claims().hold(["a"], 1):
        with claims().hold(["a"], 1) as keys:
            assert keys == ["a"]
        monkeypatch.setattr(shared_claims, "EXPIRY", 60.0)
        storage.put("claims/000000000001.alive", b"")
        with claims().hold(["a"], 1) as keys:
            assert keys == []


def test_hold__lists_again_where_it_stood_still_before_it_put(claims, storage, monkeypatch):
    # Another process claimed meanwhile, ended, and its number was removed.
    def listed(self, below, was=Storage.list):
        found = list(was(self, below))
        if not found:
            clock.append(shared_claims.LISTED + 1)
            self.put("claims/000000000002.json", b'{"keys": ["a"]}')
        return iter(found)

    clock = [0.0]
    monkeypatch.setattr(Storage, "list", listed)
    monkeypatch.setattr(shared_claims, "time", SimpleNamespace(monotonic=lambda: clock[-1], sleep=time.sleep))
    with claims().hold(["a", "b"], 2) as keys:
        assert keys == ["b"]
    assert {one.key for one in storage.list("claims")} == {
        "claims/000000000002.json",
        "claims/000000000003.json",
    }


@pytest.mark.parametrize("ahead", [-3600.0, 3600.0])
def test_hold__whatever_the_clock_of_this_machine_says(claims, storage, monkeypatch, ahead):
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + ahead)
    storage.put("claims/000000000001.json", b'{"keys": ["a"]}')
    with claims().hold(["a", "b"], 2) as keys:
        assert keys == ["b"]


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"nonsense", b'{"keys": 5}', b'{"keys": [1]}', b"[" * 200_000]
)
def test_hold__what_is_no_claim_claims_nothing(claims, storage, content):
    storage.put("claims/000000000001.json", content)
    storage.put("claims/readme.txt", b"x")
    with claims().hold(["a"], 2) as keys:
        assert keys == ["a"]


def test_hold__whose_answer_was_lost_is_known_as_ones_own(claims, monkeypatch):
    put = Storage.put_if_absent
    monkeypatch.setattr(Storage, "put_if_absent", lambda self, key, data: put(self, key, data) and False)
    with claims().hold(["a"], 1) as keys:
        assert keys == ["a"]


def test_hold__of_many_at_once_never_overlap(claims, storage):
    keys = [f"k{number}" for number in range(40)]
    taken, start, errors = [], threading.Barrier(8), []

    def work():
        try:
            start.wait()
            with claims().hold(keys, 5) as own:
                taken.extend(own)
                start.wait()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(taken) == sorted(keys)
