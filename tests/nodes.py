"""A Ray cluster on one machine, for tests and benchmarks: nodes are processes, and listen on loopback alone."""

import os
import random
import shutil
import signal
import tempfile
import threading
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from budwood.cluster.ray_library import keep_to_loopback

NODE = {
    "include_dashboard": False,
    "object_store_memory": 200_000_000,
    "node_ip_address": "127.0.0.1",
    "no_monitor": True,
    "include_log_monitor": False,
}
SETTINGS = {
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@contextmanager
def two_nodes(number=2, cores=1, join=True):
    """Start a cluster, and end it. `.add_node(**NODE, num_cpus=1)` adds another node."""
    # Its sockets have the path in their names, which may be no longer than 100 characters.
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    (folder / "ray").mkdir()
    before = dict(os.environ)
    os.environ.update({**SETTINGS, "RAY_TMPDIR": str(folder)})
    keep_to_loopback()
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    try:
        for _ in range(number):
            cluster.add_node(**NODE, num_cpus=cores)
        os.environ["RAY_ADDRESS"] = cluster.address
        if join:
            ray.init(
                cluster.address, _node_ip_address="127.0.0.1", log_to_driver=False, logging_level="ERROR"
            )
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(folder, ignore_errors=True)


def processes(title):
    """The processes of this cluster, and of no other one on this machine, whose title begins so: "ray::MapWorker"."""
    folder = os.environ["RAY_TMPDIR"]
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            if place.joinpath("cmdline").read_text().startswith(title):
                parent = place.joinpath("stat").read_text().rpartition(")")[2].split()[1]
                if folder in Path("/proc", parent, "cmdline").read_text():
                    yield int(place.name)


def kill_one(title, choose=random.choice):
    """Kill one of them; say whether there was one."""
    found = sorted(processes(title))
    if found:
        with suppress(ProcessLookupError):
            os.kill(choose(found), signal.SIGKILL)
            return True
    return False


@contextmanager
def node_to_lose(nodes):
    """Add a node; yield what kills all its processes, and says so."""
    node = nodes.add_node(**NODE, num_cpus=1)
    left = [node]

    def lose():
        nodes.remove_node(left.pop(), allow_graceful=False)
        return True

    try:
        yield lose
    finally:
        if left:
            lose()


def killing(title, seed=0):
    """What kills a random process of a title."""
    return partial(kill_one, title, random.Random(seed).choice)


class Killer(threading.Thread):
    """Calls `kill()` each time that `done()` has grown, until it said so often that it killed, as a context."""

    def __init__(self, kill, times, done):
        super().__init__(daemon=True)
        self.kill, self.times, self.done, self.killed = kill, times, done, 0
        self.over = threading.Event()

    def run(self):
        before = self.done()
        while not self.over.wait(0.1) and self.killed < self.times:
            now = self.done()
            if now > before:
                before = now
                self.killed += self.kill()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *failure):
        self.over.set()
        self.join()
