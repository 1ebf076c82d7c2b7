"""Joining a cluster, and what is refused before anything is computed."""

import os
import socket
import time
from dataclasses import replace

import pytest

from budwood.cluster import connect as module
from budwood.cluster.connect import Cluster, Node, connect, enter, nearest
from budwood.core.errors import ClusterError, StorageError


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
    assert "2 nodes, 2 cores" in module.in_words(cluster)


def test_connect__nobody_there(alone):
    assert "ray start" in refused("auto")
    assert "HOST:PORT" in refused("somewhere")
    words = refused(f"127.0.0.1:{free_port()}")
    assert "no Ray cluster answers at 127.0.0.1:" in words and "refused" in words


def test_refuse_unreachable__before_anything_slow(alone, monkeypatch, tmp_path):
    module.refuse_unreachable("local")
    for address in ("auto", "somewhere", "ray://10.0.0.1:10001", f"127.0.0.1:{free_port()}"):
        with pytest.raises(ClusterError):
            module.refuse_unreachable(address)
    with socket.socket() as head:
        head.bind(("127.0.0.1", 0))
        head.listen()
        module.refuse_unreachable(f"127.0.0.1:{head.getsockname()[1]}")
    monkeypatch.setenv("BUDWOOD_STORE", f"file://{tmp_path}/unmounted")
    with pytest.raises(StorageError, match="there is no folder"):
        module.refuse_unreachable("local")


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


def test_keep_silent__ray_prints_nothing_of_lost_workers(monkeypatch, capsys):
    worker = pytest.importorskip("ray._private.worker")
    monkeypatch.setattr(worker, "_worker_logs_enabled", True)
    data = {"lines": ["a worker died"], "pid": "raylet", "is_err": False, "ip": "", "job": ""}
    worker.print_worker_logs(data, None)
    assert "a worker died" in capsys.readouterr().out
    module.keep_silent()
    worker.print_worker_logs(data, None)
    assert capsys.readouterr().out == ""


def test_connect__without_ray(monkeypatch):
    monkeypatch.setattr(module, "is_joined", lambda: False)
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    assert "pip install 'budwood[ray]'" in refused("local")


def test_connect__a_node_with_other_versions(ray_nodes, monkeypatch):
    own = module.versions()
    monkeypatch.setattr(module, "versions", lambda: {**own, "keras": "3.99"})
    words = refused("auto")
    assert f"keras {own['keras']} (here 3.99)" in words and "every node" in words


def test_cluster__a_folder_that_nodes_do_not_share(cluster, tmp_path, monkeypatch):
    cluster.refuse_unshared(tmp_path, "the study")
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(Cluster, "on_each", lambda self, work, *given: ["", "No such file or directory"])
    with pytest.raises(ClusterError, match=r"does not reach the study .*: No such file.*NFS"):
        cluster.refuse_unshared(tmp_path, "the study")
    assert not list(tmp_path.iterdir())


def test_cluster__photos_that_nodes_do_not_see(cluster, tmp_path, monkeypatch):
    cluster.refuse_unseen(tmp_path)
    cluster.refuse_unseen("tfds:digits")
    monkeypatch.setattr(Cluster, "on_each", lambda self, work, *given: ["folder", ""])
    with pytest.raises(ClusterError, match="does not see the photos"):
        cluster.refuse_unseen(tmp_path)


def test_cluster__a_node_that_cannot_answer(cluster):
    gone = replace(cluster, nodes=(Node("1" * 56, "10.9.9.9", 1),))
    with pytest.raises(ClusterError, match=r"10\.9\.9\.9"):
        gone.on_each(module._versions)


@pytest.mark.parametrize(("most", "threads", "room"), [(1, 1, 6), (2, 2, 3), (8, 2, 3)])
def test_cluster__shares_of_unequal_nodes(most, threads, room):
    found = Cluster("auto", (Node("a", "10.0.0.1", 4), Node("b", "10.0.0.2", 2)), {})
    assert (found.threads(most), found.room(threads)) == (threads, room)


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


def test_nearest(tmp_path):
    assert nearest(tmp_path / "a" / "b") == tmp_path and nearest(tmp_path) == tmp_path
