"""The head of a Ray cluster: where it is, and whether it answers."""

import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from budwood.core.errors import ClusterError

SECONDS = 8.0
"""Within which a cluster answers, to be told of within ten."""
LOST_SECONDS = 20.0
"""Without an answer of its port after which a head counts as lost. Ray itself waits for a minute, and then ends the
process of the driver without a word."""
LOOK_EVERY = 2.0


def head_place(address: str) -> tuple[str, int] | None:
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
    if "@" in host:
        # What stands there may be a secret, and errors are kept in logs: it is not repeated.
        raise ClusterError(
            "the address of the Ray cluster has credentials in it, or what looks like some. Give HOST:PORT alone; the "
            "token of a cluster comes from RAY_AUTH_TOKEN"
        )
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


def refuse_silent(host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), timeout=SECONDS / 2).close()
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "that is no name of a host"
        raise ClusterError(
            f"no Ray cluster answers at {host}:{port}: {why or error}. Look whether its head runs (ray "
            "status) and whether this machine may reach it"
        ) from error


@contextmanager
def watched(host: str, port: int) -> Iterator[None]:
    """Raise ClusterError in the main thread once a head is lost, for a `with`.

    In another thread than the main one nothing is watched, for nobody could be interrupted there.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGUSR1"):
        yield
        return
    lost, over, main = threading.Event(), threading.Event(), threading.get_ident()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if lost.is_set() and not over.is_set():
            raise ClusterError(
                f"the head of the Ray cluster at {host}:{port} does not answer any more. What was computed is "
                "kept: start the cluster again, and give the same command"
            )

    def watch() -> None:
        answered = time.monotonic()
        while not over.wait(LOOK_EVERY):
            if answers(host, port):
                answered = time.monotonic()
            elif time.monotonic() - answered > LOST_SECONDS:
                lost.set()
                # Again and again: what is interrupted may wait for the head once more as it ends.
                signal.pthread_kill(main, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, interrupt)
    thread = threading.Thread(target=watch, name="watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        signal.signal(signal.SIGUSR1, signal.SIG_DFL if before is None else before)


def answers(host: str, port: int) -> bool:
    """Return whether something listens at a port."""
    with suppress(OSError):
        socket.create_connection((host, port), timeout=LOOK_EVERY).close()
        return True
    return False
