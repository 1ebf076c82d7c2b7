"""A Ray cluster on one machine, for tests and benchmarks: nodes are processes, and listen on loopback alone."""

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from budwood.cluster.connect import keep_to_loopback

NODE = {"include_dashboard": False, "object_store_memory": 200_000_000, "node_ip_address": "127.0.0.1"}
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
