"""What a process of a node has from the driver."""

import os

from budwood.cluster.settings import enter


def test_enter__computes_as_the_driver_would(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "driver").mkdir()
    monkeypatch.setattr(os, "environ", {"OMP_NUM_THREADS": "1", "BUDWOOD_LEFT": "x", "HOME": "/"})
    own = {"BUDWOOD_CACHE": "/shared", "PWD": str(tmp_path / "driver")}
    enter(own, 3)
    assert os.environ == {**own, "BUDWOOD_THREADS": "3", "HOME": "/"}
    assert os.getcwd() == own["PWD"]
    # A node need not have the folder.
    enter({**own, "PWD": str(tmp_path / "absent")}, 3)
