import os
import subprocess
import sys

import joblib
import pytest
from joblib.externals.loky import get_reusable_executor

from budwood.core import threads
from budwood.core.errors import SettingError
from budwood.core.threads import (
    LIBRARIES,
    asked_threads,
    limit_libraries,
    num_cores,
    usable_cores,
    worker_share,
)


@pytest.fixture
def machine(monkeypatch):
    """A machine of eight cores without a quota, and nothing asked."""
    monkeypatch.delenv("BUDWOOD_THREADS", raising=False)
    monkeypatch.setattr(threads, "usable_cores", lambda: list(range(8)))
    monkeypatch.setattr(threads, "cpu_quota", lambda: None)
    monkeypatch.setattr(threads, "worker_share", lambda: None)

    def found(**values):
        for name, value in values.items():
            monkeypatch.setattr(threads, name, lambda value=value: value)

    return found


@pytest.mark.parametrize(("quota", "expected"), [(None, 8), (2.0, 2), (2.5, 3), (0.2, 1), (100.0, 8)])
def test_num_cores__within_the_quota(machine, quota, expected):
    machine(cpu_quota=quota)
    assert num_cores() == expected


@pytest.mark.parametrize(
    ("asked", "share", "expected"), [("3", None, 3), ("32", None, 32), ("4", 2, 2), (" ", 5, 5)]
)
def test_num_cores__as_many_as_are_asked_for(machine, monkeypatch, asked, share, expected):
    machine(cpu_quota=2.0 if share is None else None, worker_share=share)
    monkeypatch.setenv("BUDWOOD_THREADS", asked)
    assert num_cores() == expected


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "1025", "1e1", "\u0662", "2 3"])
def test_asked_threads__bad_values_are_refused_in_one_line(monkeypatch, value):
    monkeypatch.setenv("BUDWOOD_THREADS", value)
    with pytest.raises(SettingError, match="BUDWOOD_THREADS=.* from 1 to 1024, or unset it") as refused:
        asked_threads()
    assert "\n" not in str(refused.value)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen here")
def test_usable_cores__of_a_pinned_process(monkeypatch):
    monkeypatch.delenv("BUDWOOD_THREADS", raising=False)
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert usable_cores() == [min(before)] and num_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_worker_share__of_the_workers_of_joblib(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert worker_share() is None
    shares = joblib.Parallel(n_jobs=2)(joblib.delayed(worker_share)() for _ in range(2))
    get_reusable_executor().shutdown()
    assert shares == [max(1, joblib.cpu_count() // 2)] * 2


@pytest.mark.parametrize(
    ("quota", "asked", "set_to"), [(None, "", None), (2.0, "", "2"), (None, "3", "3"), (2.0, "no", None)]
)
def test_limit_libraries__where_they_would_start_more(machine, monkeypatch, quota, asked, set_to):
    machine(cpu_quota=quota)
    monkeypatch.setenv("BUDWOOD_THREADS", asked)
    monkeypatch.setattr(os, "environ", {**os.environ, "OPENBLAS_NUM_THREADS": "5"})
    for name in LIBRARIES[1:]:
        os.environ.pop(name, None)
    limit_libraries()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "5"
    assert [os.environ.get(name) for name in LIBRARIES[1:]] == [set_to] * 2


def test_limit_libraries__before_numpy_is_loaded():
    code = """
import budwood, threadpoolctl, numpy
print([pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"])
"""
    own = {key: value for key, value in os.environ.items() if key not in LIBRARIES}
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={**own, "BUDWOOD_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(found.stdout.strip("[]\n").split(", ")) == {"1"}
