"""What a Ray cluster of this machine alone reaches: features on two nodes of one core, and many workers that sleep.

    python -m benchmarks.cluster features PHOTOS [--recipe frozen-linear]
    python -m benchmarks.cluster sleeping [--workers 64] [--delay 50]

`features` compares with one process of two cores, each with an empty cache, after the first pieces: loading the network
is told apart. `sleeping` measures coordination alone, from when the last worker has begun until the first runs dry.
With `--delay` what they sleep for is claimed by the driver and stored by them, as features of photos are, at a store
that answers each request so many milliseconds late.
"""

import argparse
import os
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.nodes import two_nodes

TABLE = "benchmark"
OF_PIECE = 32
"""Photos of a piece, where they are stored."""


class Timed:
    """Progress that keeps when the stage of features advanced."""

    def __init__(self):
        self.began, self.events = 0.0, []

    def say(self, line):
        print(f"  {line}", flush=True)

    @contextmanager
    def stage(self, name, total=None, unit="photos"):
        if name == "features":
            self.began = time.monotonic()
        yield self

    def advance(self, steps=1):
        if steps:
            self.events.append((time.monotonic(), steps))

    def rate(self, left_out):
        """Photos a second after the first events."""
        counted = self.events[left_out:]
        return sum(steps for _, steps in counted) / (counted[-1][0] - self.events[left_out - 1][0])


def features(arguments):
    rates = {}
    for where in ("one process of two cores", "two nodes of one core"):
        with tempfile.TemporaryDirectory() as cache:
            os.environ["BUDWOOD_CACHE"] = cache
            rates[where] = features_of(arguments, where)
    one, two = rates.values()
    print(f"two nodes reach {two / one:.0%} of the rate of one process")


def features_of(arguments, where):
    from budwood.core.tensorflow import load_keras
    from budwood.pipeline.request import Output, ask_for_training, read_recipe

    load_keras()
    from budwood.cluster.features import features_on
    from budwood.pipeline.ahead import compute_ahead
    from budwood.pipeline.prepare import prepare

    progress = Timed()
    recipe = read_recipe(arguments.recipe)
    prepared = prepare(ask_for_training(arguments.photos, recipe, Output(), progress=progress))
    progress.events.clear()
    alone = where.startswith("one")
    if alone:
        done = compute_ahead(prepared)
    else:
        with two_nodes():
            done, _ = features_on("auto", prepared)
    # The first piece of each of two workers.
    rate = progress.rate(1 if alone else 2)
    first = progress.events[0][0] - progress.began
    print(
        f"{where}: {done.extraction.num_computed} photos, first after {first:.1f} s, then {rate:.1f}/s",
        flush=True,
    )
    return rate


class SleeperWithStore:
    """Computes features of photos by sleeping, and puts them into the shared store as workers of a cluster do."""

    def __init__(self):
        from budwood.features.store.store import FeatureStore

        self._open = FeatureStore().open(TABLE, (1280,), fetch=False)
        self._table = self._open.__enter__()

    def do(self, piece):
        import numpy as np

        from budwood.features.extract import extract

        number, seconds = piece

        class Sleeping:
            def run(self, views):
                for view in views:
                    time.sleep(seconds / OF_PIECE)
                    yield np.repeat(view.mean(axis=(0, 1)), 427)[:1280].astype(np.float32)

        began = time.time()
        extract(photos_of(number), Sleeping, self._table, renderer=renderer(), claimed=True)
        self._table.wait()
        return os.getpid(), began, began + seconds


def photos_of(number):
    import numpy as np

    from budwood.data.manifest import Photo

    return [
        Photo(
            np.full((8, 8, 3), place, np.uint8),
            name=str(place),
            label="a",
            sha256=f"{number:032x}{place:032x}",
        )
        for place in range(OF_PIECE)
    ]


def renderer():
    from budwood.data.augment import PLAIN, Renderer

    return Renderer(32, "crop", PLAIN, 0)


@contextmanager
def claimed(pieces):
    """Claim the photos of all pieces, as the driver of a cluster does."""
    from budwood.features.extract import keys_of
    from budwood.features.store.store import FeatureStore

    keys = [key for number, _ in pieces for key in keys_of(photos_of(number), renderer())]
    with FeatureStore().open(TABLE, (1280,), fetch=False) as table, table.claim(keys, len(keys)) as claim:
        assert len(claim.keys) == len(keys)
        yield


class Sleeper:
    """Sleeps as long as a piece says."""

    def do(self, seconds):
        began = time.time()
        time.sleep(seconds)
        return os.getpid(), began, time.time()


def sleeping(arguments):
    # By this name workers find it.
    from benchmarks.cluster import Sleeper, SleeperWithStore
    from benchmarks.shared_store import throttled_store
    from budwood.cluster import pool
    from budwood.cluster.connect import connect
    from budwood.core.progress.base import SILENT

    pool.MOST_CORES = 1
    number = arguments.workers
    pieces = [arguments.seconds] * number * arguments.pieces
    with ExitStack() as stack:
        worker = Sleeper
        if arguments.delay is not None:
            worker, pieces = SleeperWithStore, list(enumerate(pieces))
            stack.enter_context(throttled_store(arguments.delay))
            os.environ["BUDWOOD_CACHE"] = stack.enter_context(tempfile.TemporaryDirectory())
            stack.enter_context(claimed(pieces))
        stack.enter_context(two_nodes(2, cores=number // 2))
        cluster = stack.enter_context(connect("auto"))
        started = time.time()
        done = list(pool.Pool(cluster, worker, (), SILENT).run(pieces))
        ended = time.time()
    by_worker = defaultdict(list)
    for worker, began, end in done:
        by_worker[worker].append((began, end))
    first = max(min(began for began, _ in spans) for spans in by_worker.values())
    last = min(max(end for _, end in spans) for spans in by_worker.values())
    busy = sum(max(0.0, min(end, last) - max(began, first)) for _, began, end in done)
    print(
        f"{len(by_worker)} workers, {len(done)} pieces of {arguments.seconds} s in {ended - started:.1f} s; all were "
        f"up after {first - started:.1f} s, then {busy / (len(by_worker) * (last - first)):.1%} of their time was "
        f"work, over {last - first:.1f} s"
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = parser.add_subparsers(required=True)
    one = parts.add_parser("features")
    one.add_argument("photos", type=Path)
    one.add_argument("--recipe", default="frozen-linear")
    one.set_defaults(measure=features)
    other = parts.add_parser("sleeping")
    other.add_argument("--workers", type=int, default=64)
    other.add_argument("--seconds", type=float, default=2.0)
    other.add_argument("--pieces", type=int, default=15, help="for each worker")
    other.add_argument(
        "--delay", type=float, help="with a store whose requests take so many milliseconds more"
    )
    other.set_defaults(measure=sleeping)
    arguments = parser.parse_args()
    arguments.measure(arguments)


if __name__ == "__main__":
    main()
