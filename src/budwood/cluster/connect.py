"""Joining a Ray cluster: within seconds or not at all, and only where every node computes the same."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from budwood.cluster.head import SECONDS, head_place, refuse_silent, watched
from budwood.cluster.nodes import Cluster, Node, lines
from budwood.cluster.ray_library import (
    ask_head,
    behave,
    is_joined,
    keep_silent,
    keep_to_loopback,
    need_ray,
    take_token,
)
from budwood.cluster.settings import settings
from budwood.core.cache import SETTING as CACHE
from budwood.core.cache import cache_dir
from budwood.core.errors import ClusterError
from budwood.core.system import versions
from budwood.core.tensorflow import hushed
from budwood.core.threads import num_cores
from budwood.storage.place import SETTING as STORE
from budwood.storage.place import store_place

OBJECT_STORE = 200_000_000
"""Bytes of Ray's object store on this machine: what travels are lists of photos and counts."""


@contextmanager
def connect(address: str) -> Iterator[Cluster]:
    """Join a cluster, for a `with`; of one that this process has joined already, go on with it.

    Args:
        address: "local" starts one on this machine, for this process alone; "auto" is the one that `ray start` began
            here, or that RAY_ADDRESS names; or `HOST:PORT` of a head that this machine is a node of.

    Raises:
        ClusterError: Ray is not installed, the cluster does not answer, or a node has other versions than this process;
            or its head is lost later.
    """
    behave()
    joined = is_joined()
    place = None if joined else head_place(address)
    if not joined and (place is None or place[0] in ("127.0.0.1", "localhost")):
        keep_to_loopback()
    ray = need_ray()
    try:
        if not joined:
            _join(ray, address, place)
        cluster = Cluster(address, _nodes(ray), settings())
        if not cluster.nodes:
            raise ClusterError(
                f"no node of the Ray cluster at {address} has a core. Add one with `ray start`"
            )
        _refuse_other_versions(cluster)
        if store_place() is None:
            cluster.refuse_unshared(cache_dir(), f"the cache (set it with {CACHE}, or set {STORE})")
        with watched(*_head(ray)):
            yield cluster
    finally:
        # Where nobody answered, Ray is still trying, and a shutdown would wait for it.
        if not joined and ray.is_initialized():
            ray.shutdown()


def refuse_unreachable(address: str) -> None:
    """Raise what `connect` would raise for an address at which no head of a cluster answers, or without Ray: before
    anything slow is done."""
    need_ray()
    place = None if is_joined() else head_place(address)
    if place is not None:
        behave()
        refuse_silent(*place)
        with hushed():
            _in_time(lambda: ask_head(*place), f"{place[0]}:{place[1]}", time.monotonic() + SECONDS)


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
        refuse_silent(host, port)
        options["address"] = f"{host}:{port}"
        if host in ("127.0.0.1", "localhost"):
            options["_node_ip_address"] = "127.0.0.1"
    keep_silent()
    # Its C++ says on the terminal which level of logging it has.
    with _signals_kept(), hushed():
        try:
            if address == "auto" and not os.environ.get("RAY_ADDRESS"):
                take_token()
            if place is None:
                # Not in another thread: its processes end with the thread that started them.
                ray.init(**options)
            else:
                _in_time(lambda: ray.init(**options), options["address"], until)
        except ClusterError:
            raise
        except Exception as error:
            raise ClusterError(f"the Ray cluster at {address} cannot be joined: {lines(error)[0]}") from error


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
            "start --head` printed, and show its token where it asks for one, which `ray start` does wherever there is "
            "one: RAY_AUTH_MODE=token, with RAY_AUTH_TOKEN or ~/.ray/auth_token"
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


def _head(ray: Any) -> tuple[str, int]:
    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    return host.strip("[]"), int(port)


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
