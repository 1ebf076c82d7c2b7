"""What processes do when the one that started them ends, or a terminal interrupts them all."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from budwood.core.processes import interrupts_deferred, interrupts_held_back

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {child!r}], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""
CHILD = """
import time
from budwood.core.processes import die_with_parent
die_with_parent()
print("bound", flush=True)
time.sleep(60)
"""


def is_there(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return status != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's end")
def test_die_with_parent__even_where_the_parent_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", PARENT.format(child=CHILD)], stdout=subprocess.PIPE)
    pid = int(parent.stdout.readline())
    assert is_there(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until = time.monotonic() + 20
    while is_there(pid) and time.monotonic() < until:
        time.sleep(0.02)
    assert not is_there(pid)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are not held back there")
def test_interrupts_held_back__in_what_is_started_meanwhile_and_not_here():
    code = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"

    def held_back():
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip()

    with interrupts_held_back():
        assert held_back() == "True"
    assert held_back() == "False"
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def raised_by(number: int) -> type[BaseException]:
    return {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: SystemExit}[number]


@pytest.fixture
def raising():
    """Handlers that raise, as a command has them."""

    def hear(number, frame):
        raise raised_by(number)

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    yield hear
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupts_deferred__raise_at_the_end(raising, number):
    done = []
    with pytest.raises(raised_by(number)), interrupts_deferred():
        signal.raise_signal(number)
        done.append("went on")
        signal.raise_signal(number)
        done.append("to the end")
    assert done == ["went on", "to the end"]
    assert signal.getsignal(number) is raising


def test_interrupts_deferred__an_error_of_what_was_interrupted_is_not_what_is_raised(raising):
    with pytest.raises(KeyboardInterrupt), interrupts_deferred():
        signal.raise_signal(signal.SIGINT)
        raise RuntimeError("of compiled code")


def test_interrupts_deferred__without_an_interrupt_errors_pass(raising):
    with pytest.raises(RuntimeError, match="its own"), interrupts_deferred():
        raise RuntimeError("its own")
    with interrupts_deferred():
        pass
    assert signal.getsignal(signal.SIGINT) is raising


def test_interrupts_deferred__what_python_does_not_handle_is_left_alone():
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with interrupts_deferred():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def test_interrupts_deferred__in_another_thread(raising):
    done = []

    def work():
        with interrupts_deferred():
            done.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [raising]
