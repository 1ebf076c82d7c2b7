import os

import pytest

from budwood.studies.processes import environment, stay_on


@pytest.mark.parametrize(("base", "level"), [({}, "3"), ({"TF_CPP_MIN_LOG_LEVEL": "0"}, "0")])
def test_environment__quiet_unless_asked_otherwise(base, level):
    assert environment(base | {"A": "b"}) == {"A": "b", "TF_CPP_MIN_LOG_LEVEL": level}


def test_stay_on__no_cores_leave_the_process_where_it_is(monkeypatch):
    pinned = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda *told: pinned.append(told), raising=False)
    stay_on([])
    stay_on([1])
    assert pinned == [(0, [1])]


def test_stay_on__cores_that_are_not_ours(monkeypatch):
    def refuse(*told):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "sched_setaffinity", refuse, raising=False)
    stay_on([9999])
