"""What a shared store costs: a request of each kind, and machines that compute features before it.

    python -m benchmarks.shared_store --delay 50 --machines 1 2 4

The store is moto's S3 on this machine, which answers each request after so many milliseconds more. Engines sleep in
place of computing, 20 ms a photo: what is measured is the coordination, not the work.
"""

import argparse
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS_A_PHOTO = 0.02


def serve(delay: float) -> None:
    """Answers until it is killed; prints its port."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    answer = DomainDispatcherApplication.__call__

    def late(self, environ, start_response):
        time.sleep(delay)
        return answer(self, environ, start_response)

    DomainDispatcherApplication.__call__ = late  # type: ignore[method-assign]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/lab", method="PUT")).close()
    print(port, flush=True)
    while True:
        time.sleep(1000)


def drive(cache: str, photos: int) -> None:
    """Is one machine: computes the features of photos that take no time to decode."""
    import hashlib

    import numpy as np

    from budwood.data.augment import PLAIN, Renderer
    from budwood.data.manifest import Photo
    from budwood.features.extract import extract
    from budwood.features.store.store import FeatureStore

    class Sleeping:
        def run(self, views):
            for view in views:
                time.sleep(SECONDS_A_PHOTO)
                yield np.repeat(view.mean(axis=(0, 1)), 427)[:1280].astype(np.float32)

    def photo(index: int) -> Photo:
        pixels = np.full((8, 8, 3), index % 256, np.uint8)
        return Photo(
            pixels, name=str(index), label="a", sha256=hashlib.sha256(str(index).encode()).hexdigest()
        )

    every = [photo(index) for index in range(photos)]
    started = time.monotonic()
    with FeatureStore(Path(cache)).open("benchmark", (1280,)) as table:
        found = extract(every, Sleeping, table, renderer=Renderer(32, "crop", PLAIN, 0))
    print(json.dumps({"computed": found.num_computed, "seconds": time.monotonic() - started}))


def requests(times: int = 20) -> dict[str, float]:
    """Median seconds of each kind of request, of 1 MB where it carries something."""
    from budwood.storage.objects import open_storage
    from budwood.storage.place import read_place

    storage, content = open_storage(read_place("s3://lab/requests")), os.urandom(1_000_000)
    calls = {
        "put": lambda number: storage.put_if_absent(f"a/{number}", content),
        "get": lambda number: storage.get(f"a/{number}"),
        "list": lambda number: list(storage.list("a")),
        "delete": lambda number: storage.delete(f"a/{number}"),
    }
    found = {}
    for name, call in calls.items():
        seconds = []
        for number in range(times):
            started = time.perf_counter()
            call(number)
            seconds.append(time.perf_counter() - started)
        found[name] = statistics.median(seconds)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--delay", type=float, default=50.0, help="milliseconds more a request")
    parser.add_argument("--machines", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--photos", type=int, default=3000, help="for each machine")
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--drive", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve is not None:
        serve(asked.serve)
    if asked.drive:
        drive(asked.drive, asked.photos)
        return
    alone = compare(1, asked.photos, None)
    for machines in asked.machines:
        with throttled_store(asked.delay):
            if machines == asked.machines[0]:
                told = ", ".join(f"{name} {1000 * value:.0f} ms" for name, value in requests().items())
                print(f"a request of 1 MB, {asked.delay:g} ms of them waited: {told}")
            compare(machines, machines * asked.photos, alone)


@contextmanager
def throttled_store(delay: float) -> Iterator[None]:
    """Serve a shared store that answers each request so many milliseconds late, and have this process use it."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.shared_store", "--serve", str(delay / 1000)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None, "a pipe was asked for"
        os.environ |= {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.stdout.readline().strip()}",
            "AWS_ACCESS_KEY_ID": "benchmark",
            "AWS_SECRET_ACCESS_KEY": "benchmark",
            "BUDWOOD_STORE": "s3://lab/store",
        }
        try:
            yield
        finally:
            server.kill()


def compare(machines: int, photos: int, alone: float | None) -> float:
    """Seconds that so many machines take; prints them beside what one takes for its part without a store."""
    module = [sys.executable, "-m", "benchmarks.shared_store"]
    with tempfile.TemporaryDirectory() as folder:
        drivers = [
            subprocess.Popen(
                [*module, "--drive", f"{folder}/{number}", "--photos", str(photos)],
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(machines)
        ]
        found = [json.loads(driver.communicate()[0]) for driver in drivers]
    seconds, computed = max(one["seconds"] for one in found), sum(one["computed"] for one in found)
    words = "without a store" if alone is None else f"{alone / seconds:.0%} of that rate a machine"
    print(
        f"{machines} machines, {photos:,} photos: {computed:,} computed in {seconds:.1f} s, {words}",
        flush=True,
    )
    return seconds


if __name__ == "__main__":
    main()
