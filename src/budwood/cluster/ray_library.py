"""Ray, as this process uses it: silent, and on loopback where nobody else is to be reached."""

import importlib
import os
import sys
from contextlib import suppress
from typing import Any

from budwood.core.errors import ClusterError

OWN = {
    # Its C++ says on the terminal that workers are begun anew, which is meant.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""How Ray is to behave in this process, unless the user says otherwise."""
LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Where it is "0", Ray listens on 127.0.0.1 alone, as it does by itself on Windows and macOS."""


def need_ray() -> Any:
    """Return Ray. Raise ClusterError where it is not installed."""
    try:
        import ray
    except ImportError as error:
        raise ClusterError(
            "--cluster needs Ray, which is not installed: pip install 'budwood[ray]', here and on every node"
        ) from error
    return ray


def behave() -> None:
    """Set how Ray is to behave in this process, where the user has not said otherwise."""
    for name, value in OWN.items():
        os.environ.setdefault(name, value)


def ask_head(host: str, port: int) -> None:
    """Wait until the head of a cluster has answered in Ray's own protocol, however long; return where it refuses."""
    # Whatever it is: whether the cluster can be joined is said by who joins it.
    with suppress(Exception):
        library: Any = importlib.import_module("ray._raylet")
        library.GcsClient(address=f"{host}:{port}").get_all_node_info(timeout=60)


def is_joined() -> bool:
    """Return whether this process has joined a cluster."""
    ray = sys.modules.get("ray")
    return ray is not None and ray.is_initialized()


def keep_to_loopback() -> None:
    """Have the Ray of this process, and of those that it starts, listen on 127.0.0.1 alone."""
    os.environ[LOOPBACK] = "0"
    if sys.modules.get("ray") is not None:
        # It has read the variable when it was imported.
        constants: Any = importlib.import_module("ray._private.ray_constants")
        constants.ENABLE_RAY_CLUSTER = False


def take_token() -> None:
    """Show the token of this user to a cluster that was begun on this machine, as Ray does for "auto": `ray start` asks
    for one wherever there is one, and `--cluster local` makes one."""
    with suppress(ImportError, AttributeError):
        setup: Any = importlib.import_module("ray._private.authentication.authentication_token_setup")
        setup.maybe_enable_token_auth_if_token_available(warn_if_disabled=False)


def keep_silent() -> None:
    """Have Ray print nothing of lost workers among what a command prints: those are told of by us."""
    worker: Any = importlib.import_module("ray._private.worker")
    if hasattr(worker, "_worker_logs_enabled"):
        worker._worker_logs_enabled = False
