"""A Ray cluster that was joined: its nodes, and what each of them says."""

import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from budwood._version import __version__
from budwood.cluster.ray_library import need_ray
from budwood.core.errors import ClusterError
from budwood.core.text import count

LOOK_SECONDS = 60.0
"""Within which each node says what it has: it may have to start a process first, which imports NumPy."""
T = TypeVar("T")


@dataclass(frozen=True)
class Node:
    """A machine of the cluster that computes."""

    id: str
    address: str
    cores: int


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster that this process has joined; made by `connect`."""

    address: str
    """As the user named it."""
    nodes: tuple[Node, ...]
    settings: Mapping[str, str]
    """Environment variables that all workers have as this process has them."""

    @property
    def cores(self) -> int:
        return sum(node.cores for node in self.nodes)

    def threads(self, most: int) -> int:
        """Return how many cores one piece of work gets, at most so many: every node has as many."""
        return max(1, min(most, *(node.cores for node in self.nodes)))

    def room(self, threads: int) -> int:
        """Return how many pieces of work of so many cores run at a time."""
        return max(1, sum(node.cores // threads for node in self.nodes))

    @property
    def lost(self) -> int:
        """Return how many of the nodes are gone."""
        alive = {node["NodeID"] for node in need_ray().nodes() if node["Alive"]}
        return len({node.id for node in self.nodes} - alive)

    def on_each(self, work: Callable[..., T], *given: object) -> list[T]:
        """Return what a function of a module says on each node. Raise ClusterError where one does not answer."""
        ray = need_ray()
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        remote = ray.remote(work)
        refs = [
            remote.options(
                num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)
            ).remote(*given)
            for node in self.nodes
        ]
        found = []
        for node, ref in zip(self.nodes, refs, strict=True):
            try:
                found.append(ray.get(ref, timeout=LOOK_SECONDS))
            except ray.exceptions.GetTimeoutError as error:
                raise ClusterError(
                    f"the node {node.address} of the Ray cluster did not answer within {LOOK_SECONDS:.0f} s. "
                    "See what keeps it busy (ray status), or take it out of the cluster"
                ) from error
            except ray.exceptions.RayError as error:
                # The last line of a trace says what it was.
                raise ClusterError(
                    f"the node {node.address} of the Ray cluster cannot work for us: {lines(error)[-1]}. Install "
                    f"there what is here: pip install 'budwood[ray]=={__version__}'"
                ) from error
        return found

    def refuse_unshared(self, folder: Path, what: str) -> None:
        """Raise ClusterError where a node does not see a folder of this machine, or cannot write there."""
        token = folder.absolute() / f".cluster-{uuid.uuid4().hex}"
        token.write_text(token.name)
        try:
            answers = self.on_each(_reach, token)
        finally:
            for file in folder.absolute().glob(f"{token.name}*"):
                file.unlink(missing_ok=True)
        for node, fault in zip(self.nodes, answers, strict=True):
            if fault:
                raise ClusterError(
                    f"the node {node.address} does not reach {what} {folder.absolute()}: {fault}. Give a folder on a "
                    "disk that every node has under the same path, such as one of NFS"
                )

    def refuse_unseen(self, data: str | os.PathLike, what: str = "the photos") -> None:
        """Raise ClusterError where something is in a place of this machine that a node does not see."""
        place = os.path.abspath(data)
        if not os.path.exists(place):
            return
        for node, found in zip(self.nodes, self.on_each(_kind_of_place, place), strict=True):
            if found != _kind_of_place(place):
                raise ClusterError(
                    f"the node {node.address} does not see {what} in {place}. Give a place on a disk that every "
                    "node has under the same path, such as one of NFS"
                )


def in_words(cluster: Cluster) -> str:
    """Return what the cluster is.

    >>> in_words(Cluster("auto", (Node("a", "10.0.0.1", 4), Node("b", "10.0.0.2", 4)), {}))
    'Ray cluster auto: 2 nodes, 8 cores'
    """
    return (
        f"Ray cluster {cluster.address}: {count(len(cluster.nodes), 'node')}, {count(cluster.cores, 'core')}"
    )


def nearest(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that is there."""
    folder = folder.absolute()
    return next(one for one in (folder, *folder.parents) if one.is_dir())


def lines(error: BaseException) -> list[str]:
    return [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]


def _reach(token: Path) -> str:
    """Return why a node does not read this file, or cannot write beside it; an empty text where it can."""
    try:
        found = token.read_text()
        token.with_name(f"{token.name}.{uuid.uuid4().hex}").write_text("seen")
    except OSError as error:
        return error.strerror or str(error)
    return "" if found == token.name else "the file there is another one"


def _kind_of_place(place: str) -> str:
    return "folder" if os.path.isdir(place) else "file" if os.path.isfile(place) else ""
