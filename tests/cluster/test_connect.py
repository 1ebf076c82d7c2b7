"""Joining a cluster, and what is refused before anything is computed."""

import os
import socket
import time

import pytest

from budwood.cluster import connect as module
from budwood.cluster.connect import connect
from budwood.cluster.nodes import in_words
from budwood.core.errors import ClusterError


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """No cluster has been begun or named."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))

    class NoRay:
        @staticmethod
        def is_initialized():
            return False

    monkeypatch.setattr(module, "is_joined", lambda: False)
    monkeypatch.setattr(module, "need_ray", lambda: NoRay)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def refused(address):
    started = time.monotonic()
    with pytest.raises(ClusterError) as error, connect(address):
        pass
    assert time.monotonic() - started < 1.5 * module.SECONDS
    return str(error.value)


@pytest.mark.slow
def test_connect__the_cluster_that_was_begun_here(cluster):
    assert [node.cores for node in cluster.nodes] == [1, 1] and cluster.cores == 2
    assert cluster.settings["BUDWOOD_CACHE"] == os.environ["BUDWOOD_CACHE"]
    assert "2 nodes, 2 cores" in in_words(cluster)


def test_connect__nobody_there(alone):
    assert "ray start" in refused("auto")
    assert "HOST:PORT" in refused("somewhere")
    words = refused(f"127.0.0.1:{free_port()}")
    assert "no Ray cluster answers at 127.0.0.1:" in words and "refused" in words


def test_refuse_unreachable__before_anything_slow(alone, monkeypatch):
    module.refuse_unreachable("local")
    for address in ("auto", "somewhere", "ray://10.0.0.1:10001", f"127.0.0.1:{free_port()}"):
        with pytest.raises(ClusterError):
            module.refuse_unreachable(address)
    with socket.socket() as head:
        head.bind(("127.0.0.1", 0))
        head.listen()
        monkeypatch.setattr(module, "SECONDS", 0.2)
        with pytest.raises(ClusterError, match="does not answer as the head"):
            module.refuse_unreachable(f"127.0.0.1:{head.getsockname()[1]}")


@pytest.mark.slow
def test_refuse_unreachable__a_head_that_answers(ray_nodes, monkeypatch):
    monkeypatch.setattr(module, "is_joined", lambda: False)
    begun = time.monotonic()
    module.refuse_unreachable("auto")
    assert time.monotonic() - begun < module.SECONDS


def test_connect__ray_client_is_refused_with_what_to_do(alone):
    assert "ray job submit" in refused("ray://10.0.0.1:10001")


def test_connect__something_else_listens(alone, monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 0.2)

    class Deaf:
        is_initialized = staticmethod(lambda: False)
        init = staticmethod(lambda **options: time.sleep(1))

    monkeypatch.setattr(module, "need_ray", lambda: Deaf)
    monkeypatch.setattr(module, "keep_silent", lambda: None)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ClusterError, match="does not answer as the head"), connect(address):
            pass


def test_connect__without_ray(monkeypatch):
    monkeypatch.setattr(module, "is_joined", lambda: False)
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    assert "pip install 'budwood[ray]'" in refused("local")


def test_connect__a_node_with_other_versions(ray_nodes, monkeypatch):
    own = module.versions()
    monkeypatch.setattr(module, "versions", lambda: {**own, "keras": "3.99"})
    words = refused("auto")
    assert f"keras {own['keras']} (here 3.99)" in words and "every node" in words
