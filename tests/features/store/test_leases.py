"""Leases end with their process, however it ends."""

import subprocess
import sys

import pytest

from budwood.core.errors import StoreError
from budwood.features.store import leases
from budwood.features.store.leases import Lease, in_use, store_lock

HOLD = """
import sys, time
from pathlib import Path
from budwood.features.store.leases import Lease
lease = Lease(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_lease__is_seen_in_the_same_process_until_released(tmp_path):
    assert not in_use(tmp_path)
    first, second = Lease(tmp_path), Lease(tmp_path)
    assert in_use(tmp_path)
    first.release()
    assert in_use(tmp_path)
    second.release()
    assert not in_use(tmp_path)
    assert list((tmp_path / "leases").iterdir()) == []


def test_lease__of_a_killed_process_is_dead(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as other:
        try:
            assert other.stdout.readline() == "held\n"
            assert in_use(tmp_path)
        finally:
            other.kill()
    assert other.returncode != 0
    assert len(list((tmp_path / "leases").iterdir())) == 1
    assert not in_use(tmp_path)
    assert list((tmp_path / "leases").iterdir()) == []


def test_gate__is_passed_by_one_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "LOCK_SECONDS", 0.1)
    hold = HOLD.replace(
        "lease = Lease(Path(sys.argv[1]))", "lease = store_lock(Path(sys.argv[1])); lease.__enter__()"
    )
    hold = hold.replace("import Lease", "import store_lock")
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as other:
        try:
            assert other.stdout.readline() == "held\n"
            with pytest.raises(StoreError, match="another process has held"), store_lock(tmp_path):
                pass
        finally:
            other.kill()
    with store_lock(tmp_path):
        pass
