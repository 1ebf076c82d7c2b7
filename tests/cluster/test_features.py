"""Features on two nodes of one core each, by a real network; test_pool.py has the same without one, and fast."""

import os
import random
import signal
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from budwood.cluster.features import features_on, train_on
from budwood.core.errors import ClusterError
from budwood.core.files import read_json
from budwood.core.progress.base import SILENT
from budwood.pipeline.ahead import compute_ahead
from budwood.pipeline.prepare import prepare
from budwood.pipeline.request import Output, ask_for_training, read_recipe
from tests.conftest import write_colours
from tests.progress import KeptLines

SMALL = ["data.size=64", "backbone.weights=random", "evaluate.resamples=200"]


def request(photos, output=None, progress=SILENT):
    return ask_for_training(photos, read_recipe("frozen-linear", SMALL), Output(output), progress=progress)


def stored(cache):
    """The features of a cache by fingerprint and key, and how many rows there are."""
    rows, number = {}, 0
    for marker in Path(cache, "features").glob("*/*.json"):
        keys, values = read_json(marker)["keys"], np.load(marker.with_suffix(".npy"))
        number += len(keys)
        rows |= {(marker.parent.name, key): row for key, row in zip(keys, values, strict=True)}
    return rows, number


class Killer(threading.Thread):
    """Kills a random worker each time that a new shard has appeared, so often and no more."""

    def __init__(self, cache, times, seed=0):
        super().__init__(daemon=True)
        self.cache, self.times, self.killed, self.over = cache, times, 0, threading.Event()
        self.choose = random.Random(seed).choice

    def run(self):
        before = 0
        while not self.over.wait(0.2) and self.killed < self.times:
            shards = len(list(Path(self.cache, "features").glob("*/*.json")))
            if shards > before and (workers := list(self.workers())):
                before = shards
                with suppress(ProcessLookupError):
                    os.kill(self.choose(workers), signal.SIGKILL)
                    self.killed += 1

    @staticmethod
    def workers():
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if place.joinpath("cmdline").read_text().startswith("ray::MapWorker"):
                    yield int(place.name)


@pytest.mark.slow
def test_features_on__twenty_workers_killed__the_same_bits(ray_nodes, tmp_path, own_cache, monkeypatch):
    monkeypatch.setattr("budwood.cluster.features.PHOTOS", 16)
    photos, progress = write_colours(tmp_path / "photos", 400), KeptLines()
    killer = Killer(own_cache, 20)
    killer.start()
    done, info = features_on("auto", prepare(request(photos, progress=progress)))
    killer.over.set()
    assert killer.killed == 20 and not done.extraction.failed
    # Of two workers killed within one piece one is seen.
    assert (info.nodes, info.cores, info.lost_nodes) == (2, 2, 0) and 10 <= info.lost_workers <= 20
    assert any("a worker of the cluster was lost" in line for line in progress.lines)
    there, number = stored(own_cache)
    # A piece is a shard: a kill costs no more than the one in hand.
    assert len(there) == 1200 and number <= 1200 + 20 * 16
    monkeypatch.setenv("BUDWOOD_CACHE", str(tmp_path / "other"))
    compute_ahead(prepare(request(photos)))
    here, _ = stored(tmp_path / "other")
    assert here.keys() == there.keys()
    assert all(np.array_equal(here[key], there[key]) for key in here)


@pytest.mark.slow
def test_train_on__features_there_and_all_the_rest_here(ray_nodes, session_colours, tmp_path):
    run = train_on("auto", request(session_colours, tmp_path / "run"))
    found = run.info["features"]
    assert (found["computed"], found["found"]) == (0, 42)
    assert found["cluster"] == {"nodes": 2, "cores": 2, "computed": 42, "lost_workers": 0, "lost_nodes": 0}


def test_features_on__nobody_there(session_colours, monkeypatch, tmp_path):
    prepared = prepare(request(session_colours))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setattr("budwood.cluster.connect.is_joined", lambda: False)
    with pytest.raises(ClusterError, match="found no Ray cluster"):
        features_on("auto", prepared)
