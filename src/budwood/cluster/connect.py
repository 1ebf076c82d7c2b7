"""Joining a Ray cluster: within seconds or not at all, and only where every node computes the same."""

import importlib
import os
import signal
import socket
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from budwood._version import __version__
from budwood.core.cache import SETTING as CACHE
from budwood.core.cache import cache_dir
from budwood.core.errors import ClusterError
from budwood.core.system import versions
from budwood.core.tensorflow import hushed
from budwood.core.text import count
from budwood.core.threads import SETTING as THREADS
from budwood.core.threads import num_cores
from budwood.storage.place import SETTING as STORE
from budwood.storage.place import store_place

SECONDS = 8.0
"""Within which a cluster answers, to be told of within ten."""
LOOK_SECONDS = 60.0
"""Within which each node says what it has: it may have to start a process first, which imports NumPy."""
OBJECT_STORE = 200_000_000
"""Bytes of Ray's object store on this machine: what travels are lists of photos and counts."""
OWN = {
    # Its C++ says on the terminal that workers are begun anew, which is meant.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""How Ray is to behave in this process, unless the user says otherwise."""
LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Where it is "0", Ray listens on 127.0.0.1 alone, as it does by itself on Windows and macOS."""
FOLDER = "PWD"
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
                    f"the node {node.address} of the Ray cluster cannot work for us: {_lines(error)[-1]}. Install "
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


@contextmanager
def connect(address: str) -> Iterator[Cluster]:
    """Join a cluster, for a `with`; of one that this process has joined already, go on with it.

    Args:
        address: "local" starts one on this machine, for this process alone; "auto" is the one that `ray start` began
            here, or that RAY_ADDRESS names; or `HOST:PORT` of a head that this machine is a node of.

    Raises:
        ClusterError: Ray is not installed, the cluster does not answer, or a node has other versions than this process.
    """
    for name, value in OWN.items():
        os.environ.setdefault(name, value)
    joined = is_joined()
    place = None if joined else _place(address)
    if not joined and (place is None or place[0] in ("127.0.0.1", "localhost")):
        keep_to_loopback()
    ray = need_ray()
    try:
        if not joined:
            _join(ray, address, place)
        cluster = Cluster(address, _nodes(ray), _settings())
        if not cluster.nodes:
            raise ClusterError(
                f"no node of the Ray cluster at {address} has a core. Add one with `ray start`"
            )
        _refuse_other_versions(cluster)
        if store_place() is None:
            cluster.refuse_unshared(cache_dir(), f"the cache (set it with {CACHE}, or set {STORE})")
        yield cluster
    finally:
        # Where nobody answered, Ray is still trying, and a shutdown would wait for it.
        if not joined and ray.is_initialized():
            ray.shutdown()


def refuse_unreachable(address: str) -> None:
    """Raise what `connect` would raise for an address at which nothing listens, without Ray, or for a shared store that
    is no place: before anything slow is done."""
    need_ray()
    store_place()
    place = None if is_joined() else _place(address)
    if place is not None:
        _refuse_silent(*place)


def enter(settings: Mapping[str, str], threads: int) -> None:
    """Have this process of a node compute as the driver would: with its settings, and so many threads."""
    # Ray's own idea of it, which no process on one machine has.
    os.environ.pop("OMP_NUM_THREADS", None)
    for name in [name for name in os.environ if name.startswith("BUDWOOD_")]:
        del os.environ[name]
    os.environ.update({**settings, THREADS: str(threads)})
    # Paths of the driver may be relative.
    with suppress(OSError):
        os.chdir(settings[FOLDER])


def is_joined() -> bool:
    """Return whether this process has joined a cluster."""
    ray = sys.modules.get("ray")
    return ray is not None and ray.is_initialized()


def need_ray() -> Any:
    """Return Ray. Raise ClusterError where it is not installed."""
    try:
        import ray
    except ImportError as error:
        raise ClusterError(
            "--cluster needs Ray, which is not installed: pip install 'budwood[ray]', here and on every node"
        ) from error
    return ray


def _place(address: str) -> tuple[str, int] | None:
    """Return host and port of a head, None for a cluster of this process alone. Raise ClusterError for others."""
    if address == "local":
        return None
    if address.startswith("ray://"):
        raise ClusterError(
            f"{address} is the address of Ray Client, over which Ray Data does not run. Send the command to the "
            "cluster instead: ray job submit --address http://HEAD:8265 -- budwood ... --cluster auto"
        )
    found = address
    if address == "auto":
        found = os.environ.get("RAY_ADDRESS") or _begun_here()
        if not found:
            raise ClusterError(
                "--cluster auto found no Ray cluster: RAY_ADDRESS is not set, and no `ray start` was given on this "
                "machine. Start one with `ray start --head`, or give --cluster local"
            )
    host, _, port = found.rpartition(":")
    if not (host and port.isdecimal()):
        raise ClusterError(
            f"{found!r} is no address of a Ray cluster. Give auto, local, or HOST:PORT of its head, such as "
            "10.0.0.5:6379"
        )
    return host.strip("[]"), int(port)


def _begun_here() -> str:
    """Return the address that `ray start` left on this machine."""
    folder = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir())
    with suppress(OSError):
        return (folder / "ray" / "ray_current_cluster").read_text().strip()
    return ""


def _join(ray: Any, address: str, place: tuple[str, int] | None) -> None:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    until = time.monotonic() + SECONDS
    if place is None:
        options |= {
            "address": "local",
            "num_cpus": num_cores(),
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE,
        }
    else:
        host, port = place
        _refuse_silent(host, port)
        options["address"] = f"{host}:{port}"
        if host in ("127.0.0.1", "localhost"):
            options["_node_ip_address"] = "127.0.0.1"
    keep_silent()
    # Its C++ says on the terminal which level of logging it has.
    with _signals_kept(), hushed():
        try:
            if place is None:
                # Not in another thread: its processes end with the thread that started them.
                ray.init(**options)
            else:
                _in_time(lambda: ray.init(**options), options["address"], until)
        except ClusterError:
            raise
        except Exception as error:
            raise ClusterError(
                f"the Ray cluster at {address} cannot be joined: {_lines(error)[0]}"
            ) from error


def _refuse_silent(host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), timeout=SECONDS / 2).close()
    except OSError as error:
        raise ClusterError(
            f"no Ray cluster answers at {host}:{port}: {error.strerror or error}. Look whether its head runs (ray "
            "status) and whether this machine may reach it"
        ) from error


def keep_to_loopback() -> None:
    """Have the Ray of this process, and of those that it starts, listen on 127.0.0.1 alone."""
    os.environ[LOOPBACK] = "0"
    if "ray" in sys.modules:
        # It has read the variable when it was imported.
        constants: Any = importlib.import_module("ray._private.ray_constants")
        constants.ENABLE_RAY_CLUSTER = False


def keep_silent() -> None:
    """Have Ray print nothing of lost workers among what a command prints: those are told of by us."""
    worker: Any = importlib.import_module("ray._private.worker")
    if hasattr(worker, "_worker_logs_enabled"):
        worker._worker_logs_enabled = False


def _in_time(join: Callable[[], object], address: str, until: float) -> None:
    """Join before a time of the monotonic clock, or raise ClusterError.

    Ray itself tries for minutes to speak to a port on which something else listens.
    """
    failed: list[Exception] = []

    def run() -> None:
        try:
            join()
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=run, name="join", daemon=True)
    thread.start()
    thread.join(until - time.monotonic())
    if thread.is_alive():
        raise ClusterError(
            f"what listens at {address} does not answer as the head of a Ray cluster. Give the address that `ray "
            "start --head` printed, and the token of the cluster where it asks for one (RAY_AUTH_TOKEN)"
        )
    if failed:
        raise failed[0]


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Keep how this process ends at Ctrl-C and SIGTERM, which Ray would decide anew."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


def _nodes(ray: Any) -> tuple[Node, ...]:
    found = [
        Node(node["NodeID"], node["NodeManagerAddress"], int(node["Resources"].get("CPU", 0)))
        for node in ray.nodes()
        if node["Alive"]
    ]
    return tuple(sorted((node for node in found if node.cores), key=lambda node: (node.address, node.id)))


def _settings() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if name.startswith("BUDWOOD_")}
    own.pop(THREADS, None)
    return {**own, CACHE: str(cache_dir().absolute()), FOLDER: os.getcwd()}


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


def _versions() -> dict[str, str]:
    return {**versions(), "ray": need_ray().__version__}


def _refuse_other_versions(cluster: Cluster) -> None:
    own = _versions()
    for node, found in zip(cluster.nodes, cluster.on_each(_versions), strict=True):
        differs = [
            f"{name} {found.get(name, 'none')} (here {own.get(name, 'none')})"
            for name in sorted(own.keys() | found.keys())
            if own.get(name) != found.get(name)
        ]
        if differs:
            raise ClusterError(
                f"the node {node.address} would compute other numbers: it has {', '.join(differs)}. Install the same "
                f"versions on {'every node' if len(cluster.nodes) > 1 else 'it'}"
            )


def nearest(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that is there."""
    folder = folder.absolute()
    return next(one for one in (folder, *folder.parents) if one.is_dir())


def in_words(cluster: Cluster) -> str:
    """Return what the cluster is.

    >>> in_words(Cluster("auto", (Node("a", "10.0.0.1", 4), Node("b", "10.0.0.2", 4)), {}))
    'Ray cluster auto: 2 nodes, 8 cores'
    """
    return (
        f"Ray cluster {cluster.address}: {count(len(cluster.nodes), 'node')}, {count(cluster.cores, 'core')}"
    )


def _lines(error: BaseException) -> list[str]:
    return [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
