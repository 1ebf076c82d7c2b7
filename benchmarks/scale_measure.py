"""Seconds, processor seconds and peak memory of a piece of work."""

import threading
import time
from contextlib import contextmanager
from pathlib import Path


class Measured:
    """What a piece of work took, once it is done."""

    seconds = 0.0
    cpu = 0.0
    peak = 0
    """Bytes of the process without mapped files, at its highest; where the system says it."""

    @property
    def cells(self) -> list[str]:
        return [f"{self.seconds:.1f} s", f"{self.cpu:.1f} CPU s", f"{self.peak / 1e6:,.0f} MB"]


@contextmanager
def measured():
    found, stop = Measured(), threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            found.peak = max(found.peak, own_memory())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    started, cpu = time.perf_counter(), time.process_time()
    try:
        yield found
    finally:
        found.seconds, found.cpu = time.perf_counter() - started, time.process_time() - cpu
        stop.set()
        thread.join()
        found.peak = max(found.peak, own_memory())


def own_memory() -> int:
    """Return the bytes of the process that lie in no file; 0 where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
