"""Ray, as this process uses it."""

import pytest

from budwood.cluster.ray_library import keep_silent


def test_keep_silent__ray_prints_nothing_of_lost_workers(monkeypatch, capsys):
    worker = pytest.importorskip("ray._private.worker")
    monkeypatch.setattr(worker, "_worker_logs_enabled", True)
    data = {"lines": ["a worker died"], "pid": "raylet", "is_err": False, "ip": "", "job": ""}
    worker.print_worker_logs(data, None)
    assert "a worker died" in capsys.readouterr().out
    keep_silent()
    worker.print_worker_logs(data, None)
    assert capsys.readouterr().out == ""
