"""Whether the head of a cluster answers."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from budwood.cluster import head as module
from budwood.cluster.head import answers, head_place, refuse_silent, watched
from budwood.core.errors import ClusterError
from tests.conftest import write_colours
from tests.nodes import two_nodes
from tests.servers import wait_until


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(module, "LOST_SECONDS", 0.2)
    monkeypatch.setattr(module, "LOOK_EVERY", 0.05)


@pytest.fixture
def head():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        found.listen(50)
        yield found


def test_watched__one_that_is_lost_interrupts_what_waits(hasty, head):
    host, port = head.getsockname()
    before = signal.getsignal(signal.SIGUSR1)
    words = f"127.0.0.1:{port} does not answer any more.*the same command"
    with pytest.raises(ClusterError, match=words), watched(host, port):
        time.sleep(0.5)
        head.close()
        threading.Event().wait(20)
    assert signal.getsignal(signal.SIGUSR1) is before


def test_watched__one_that_answers_again_in_time(hasty, head, monkeypatch):
    monkeypatch.setattr(module, "LOST_SECONDS", 5)
    host, port = head.getsockname()
    with watched(host, port):
        head.close()
        time.sleep(0.2)
        assert not answers(host, port)
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind((host, port))
            again.listen(50)
            monkeypatch.setattr(module, "LOST_SECONDS", 0.2)
            time.sleep(0.5)


def test_watched__in_another_thread_nobody_is_interrupted(hasty):
    ended = []

    def work():
        with watched("127.0.0.1", 1):
            time.sleep(0.5)
        ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended


@pytest.mark.parametrize(
    ("address", "words"),
    [("..:6379", "that is no name of a host"), ("user:SECRET@host:6379", "has credentials in it")],
)
def test_refuse_silent__what_is_no_host(address, words):
    with pytest.raises(ClusterError, match=words) as caught:
        refuse_silent(*head_place(address))
    assert "SECRET" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("node", [True, False], ids=["the node of the head", "the head alone"])
def test_features__the_head_is_lost__said_in_time_and_gone_on_with(tmp_path, own_cache, node):
    photos = write_colours(tmp_path / "photos", 300)
    command = [sys.executable, "-m", "budwood", "features", photos, "--recipe", "frozen-linear"]
    command += ["--set", "data.size=64", "--set", "backbone.weights=random"]

    def stored():
        return {path: path.stat().st_mtime_ns for path in Path(own_cache, "features").glob("*/*.npy")}

    with two_nodes(join=False) as nodes:
        with subprocess.Popen(
            [*command, "--cluster", "auto"], stderr=subprocess.PIPE, text=True, env=dict(os.environ)
        ) as running:
            wait_until(lambda: len(stored()) > 1, seconds=180)
            assert running.poll() is None
            if node:
                nodes.remove_node(nodes.head_node, allow_graceful=False)
            else:
                nodes.head_node.kill_gcs_server(check_alive=False)
            begun = time.monotonic()
            _, told = running.communicate(timeout=120)
        assert time.monotonic() - begun < 55
    assert running.returncode == 1 and told.count("error") == 1
    assert "does not answer any more. What was computed is kept" in told
    before = stored()
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "0 were there" not in done.stdout
    # What was there stays as it was.
    assert before.items() <= stored().items()
    keys = sum(len(np.load(path)) for path in stored())
    assert keys == 900
