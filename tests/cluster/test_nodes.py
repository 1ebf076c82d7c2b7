"""What is asked of the nodes of a cluster."""

from dataclasses import replace
from pathlib import Path

import pytest

from budwood.cluster.nodes import Cluster, Node, nearest
from budwood.core.errors import ClusterError


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
        gone.on_each(nearest, Path("/tmp"))


@pytest.mark.parametrize(("most", "threads", "room"), [(1, 1, 6), (2, 2, 3), (8, 2, 3)])
def test_cluster__shares_of_unequal_nodes(most, threads, room):
    found = Cluster("auto", (Node("a", "10.0.0.1", 4), Node("b", "10.0.0.2", 2)), {})
    assert (found.threads(most), found.room(threads)) == (threads, room)


def test_nearest(tmp_path):
    assert nearest(tmp_path / "a" / "b") == tmp_path and nearest(tmp_path) == tmp_path
