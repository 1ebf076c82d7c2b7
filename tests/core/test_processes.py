"""What processes do when the one that started them ends, or a terminal interrupts them all."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from budwood.core.processes import interrupts_held_back

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
