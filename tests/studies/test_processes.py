import os
import signal
import sys
import threading
import time

import pytest

from budwood.core.errors import Terminated
from budwood.studies.processes import environment, run_to_its_end, stay_on

INTERRUPTED = """
import os, signal, sys
from budwood.core.processes import hear_interrupts
os.kill(os.getpid(), signal.SIGINT)
{}
sys.exit(3)
"""


@pytest.fixture
def interruptible():
    """Ctrl-C as in a terminal, whatever began the tests: what runs in the background ignores it, and so do children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_run_to_its_end__interrupts_wait_until_they_are_asked_for(capfd):
    assert run_to_its_end([sys.executable, "-c", INTERRUPTED.format("")]) == 3
    assert capfd.readouterr().err == ""
    heard = "try: hear_interrupts()\nexcept KeyboardInterrupt: sys.exit(4)"
    assert run_to_its_end([sys.executable, "-c", INTERRUPTED.format(heard)]) == 4


@pytest.mark.usefixtures("interruptible")
def test_run_to_its_end__interrupted_it_waits_for_the_process_and_raises(tmp_path):
    code = "import pathlib, sys, time; time.sleep(0.8); pathlib.Path(sys.argv[1]).write_text('in order')"
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run_to_its_end([sys.executable, "-c", code, str(tmp_path / "file")])
    assert (tmp_path / "file").read_text() == "in order"


@pytest.mark.usefixtures("interruptible")
def test_run_to_its_end__terminated_it_interrupts_the_process(tmp_path):
    code = """
import pathlib, sys, time
from budwood.core.processes import hear_interrupts
try:
    hear_interrupts()
    pathlib.Path(sys.argv[1]).write_text("")
    time.sleep(20)
except KeyboardInterrupt:
    pathlib.Path(sys.argv[1]).write_text("in order")
"""
    file = tmp_path / "file"

    def terminate(number, frame):
        raise Terminated

    def end_it_once_it_runs():
        while not file.exists():
            time.sleep(0.02)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        threading.Thread(target=end_it_once_it_runs, daemon=True).start()
        with pytest.raises(Terminated):
            run_to_its_end([sys.executable, "-c", code, str(file)])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert file.read_text() == "in order"


@pytest.mark.parametrize(("base", "level"), [({}, "3"), ({"TF_CPP_MIN_LOG_LEVEL": "0"}, "0")])
def test_environment__quiet_unless_asked_otherwise(base, level):
    assert environment(base | {"A": "b"}) == {"A": "b", "TF_CPP_MIN_LOG_LEVEL": level}


def test_environment__a_share_of_the_threads():
    base = {"BUDWOOD_THREADS": "8", "OPENBLAS_NUM_THREADS": "8"}
    own = environment(base, 2)
    assert (own["BUDWOOD_THREADS"], own["OPENBLAS_NUM_THREADS"]) == ("2", "2")
    assert "TF_NUM_INTRAOP_THREADS" not in own and environment({}, 2)["BUDWOOD_THREADS"] == "2"


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
