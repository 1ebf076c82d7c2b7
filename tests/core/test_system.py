import os

import joblib
import pytest
from joblib.externals.loky import get_reusable_executor

from budwood.core import system
from budwood.core.system import cpu_quota, machine, num_cores, usable_cores, worker_share


@pytest.fixture
def group(tmp_path):
    """Writes the files of control groups, and says in which of them the process is."""

    def write(membership, **files):
        for name, content in files.items():
            file = tmp_path / "fs" / name.replace("__", "/").replace("_max", ".max").replace("_cfs", ".cfs")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        (tmp_path / "membership").write_text(membership)
        return tmp_path / "fs", tmp_path / "membership"

    return write


def test_worker_share__of_the_workers_of_joblib(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert worker_share() is None
    shares = joblib.Parallel(n_jobs=2)(joblib.delayed(worker_share)() for _ in range(2))
    get_reusable_executor().shutdown()
    assert shares == [max(1, joblib.cpu_count() // 2)] * 2


@pytest.mark.parametrize(
    ("membership", "files", "quota"),
    [
        ("0::/\n", {"cpu_max": "200000 100000\n"}, 2.0),
        ("0::/\n", {"cpu_max": "max 100000\n"}, None),
        ("0::/\n", {}, None),
        ("0::/\n", {"cpu_max": "nonsense"}, None),
        ("0::/a/b\n", {"a__b__cpu_max": "max 100000", "a__cpu_max": "150000 100000"}, 1.5),
        ("0::/a\n", {"a__cpu_max": "400000 100000", "cpu_max": "100000 100000"}, 1.0),
        ("2:cpu:/\n0::/\n", {"cpu__cpu_cfs_quota_us": "300000", "cpu__cpu_cfs_period_us": "100000"}, 3.0),
        ("2:cpu:/\n", {"cpu__cpu_cfs_quota_us": "-1", "cpu__cpu_cfs_period_us": "100000"}, None),
        ("3:memory:/\n", {"cpu__cpu_cfs_quota_us": "300000", "cpu__cpu_cfs_period_us": "100000"}, None),
    ],
)
def test_cpu_quota(group, membership, files, quota):
    assert cpu_quota(*group(membership, **files)) == quota


def test_cpu_quota__elsewhere_than_on_linux(tmp_path):
    assert cpu_quota(tmp_path, tmp_path / "none") is None


@pytest.mark.parametrize(("quota", "expected"), [(None, 8), (2.0, 2), (2.5, 3), (0.2, 1), (100.0, 8)])
def test_num_cores__within_the_quota(monkeypatch, quota, expected):
    monkeypatch.setattr(system, "usable_cores", lambda: list(range(8)))
    monkeypatch.setattr(system, "cpu_quota", lambda: quota)
    assert num_cores() == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen here")
def test_usable_cores__of_a_pinned_process():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert usable_cores() == [min(before)] and num_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_machine__within_the_limit_of_a_container(group, tmp_path):
    info = tmp_path / "cpuinfo"
    info.write_text("processor : 0\nmodel name\t: Fast CPU @ 3 GHz\nmodel name\t: another\n")
    found = machine(info, *group("0::/a\n", a__memory_max="1000000", memory_max="max"))
    assert (found.processor, found.memory, found.cores) == ("Fast CPU @ 3 GHz", 1_000_000, num_cores())
    assert os.uname().sysname in found.system and os.uname().nodename not in found.system
    unlimited = machine(info, *group("0::/\n", memory_max="max"))
    assert unlimited.memory is not None and unlimited.memory > 1_000_000


def test_machine__elsewhere_than_on_linux(tmp_path, monkeypatch):
    monkeypatch.setattr(system.platform, "processor", lambda: "")
    monkeypatch.setattr(system.platform, "machine", lambda: "arm64")
    monkeypatch.delattr(os, "sysconf")
    found = machine(tmp_path / "none", tmp_path, tmp_path / "none")
    assert (found.processor, found.memory) == ("arm64", None)
