import errno

import filelock
import pytest

from budwood.core import locks
from budwood.core.errors import CacheWarning, RunError
from budwood.core.locks import FileLock, Timeout, lock
from budwood.features.store.claims import Claim
from budwood.features.store.leases import Lease, in_use


@pytest.fixture(params=[OSError(errno.ENOLCK, "No locks available"), NotImplementedError()])
def no_locks(request, monkeypatch):
    """A disk that has none, as an NFS without its lock service."""

    def acquire(self):
        raise request.param

    monkeypatch.setattr(filelock.FileLock, "_acquire", acquire)
    monkeypatch.setattr(locks, "_said", False)


def test_file_lock(tmp_path):
    with FileLock(tmp_path / "lock") as mine:
        assert mine.held and mine.works
        with pytest.raises(Timeout):
            FileLock(tmp_path / "lock").acquire(timeout=0.0)
    assert not mine.held
    FileLock(tmp_path / "lock").acquire(timeout=0.0)


def test_file_lock__a_disk_without_locks_is_said_once(tmp_path, no_locks):
    with pytest.warns(
        CacheWarning, match=f"the disk of {tmp_path} has no locks on files.*drops nothing. Set BUD"
    ):
        found = FileLock(tmp_path / "lock")
        found.acquire(timeout=0.0)
    assert found.held and not found.works
    with lock(tmp_path / "run"), FileLock(tmp_path / "lock"):
        pass


def test_file_lock__what_is_in_use_is_not_dropped_on_a_disk_without_locks(tmp_path, no_locks, monkeypatch):
    monkeypatch.setattr(locks, "_said", True)
    lease = Lease(tmp_path)
    assert in_use(tmp_path) and lease.path.exists()
    lease.release()
    claim = Claim(tmp_path, ["a", "b"], 1)
    claim.take()
    assert claim.keys == ["a"]
    claim.release()
    assert {path.name for path in (tmp_path / "claims").iterdir()} <= {"claims.lock"}


def test_file_lock__other_errors_are_errors(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        FileLock(tmp_path / "file" / "lock").acquire(timeout=0.0)


def test_lock__one_at_a_time_and_released_by_an_error(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(ZeroDivisionError), lock(folder):
        with pytest.raises(RunError, match=f"{folder} is in use by another study"), lock(folder, "study"):
            pass
        raise ZeroDivisionError
    with lock(folder):
        pass


def test_lock__knows_a_folder_by_its_place_and_leaves_it_alone(tmp_path, own_cache):
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    with (
        lock(tmp_path / "run"),
        lock(tmp_path / "other"),
        pytest.raises(RunError),
        lock(tmp_path / "link" / "run"),
    ):
        pass
    assert not (tmp_path / "run").exists() and list((own_cache / "locks").iterdir())
