"""Features on two nodes of one core each, by a real network; test_pool.py has the same without one, and fast."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from budwood.cluster.features import features_on, train_on
from budwood.cluster.nodes import Cluster, Node
from budwood.cluster.pool import Pool, T
from budwood.core.errors import ClusterError
from budwood.core.files import read_json
from budwood.core.progress.base import SILENT
from budwood.features.store.shared import SharedTable
from budwood.features.store.store import FeatureStore
from budwood.features.store.table import FeatureTable
from budwood.pipeline.ahead import compute_ahead
from budwood.pipeline.features import OpenFeatures
from budwood.pipeline.prepare import prepare
from budwood.pipeline.request import Output, ask_for_training, read_recipe
from budwood.pipeline.train import train_request
from budwood.storage.objects import open_storage
from budwood.storage.place import store_place
from tests.conftest import write_colours
from tests.features.test_shared_store import server
from tests.nodes import Killer, killing, node_to_lose, two_nodes
from tests.progress import KeptLines, KeptStages
from tests.servers import environment, wait_until

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


def number_of_shards(cache):
    return len(list(Path(cache, "features").glob("*/*.json")))


@pytest.mark.slow
def test_features_on__twenty_workers_killed__the_same_bits(ray_nodes, tmp_path, own_cache, monkeypatch):
    monkeypatch.setattr("budwood.cluster.features.PHOTOS", 16)
    photos, progress = write_colours(tmp_path / "photos", 400), KeptLines()
    with Killer(killing("ray::MapWorker"), 20, lambda: number_of_shards(own_cache)) as killer:
        done, info = features_on("auto", prepare(request(photos, progress=progress)))
    assert killer.killed == 20 and not done.extraction.failed
    # Of two workers killed within one piece one is seen.
    assert (info.nodes, info.cores, info.lost_nodes) == (2, 2, 0) and 10 <= info.lost_workers <= 20
    assert any("a worker of the cluster was lost" in line for line in progress.lines)
    # A piece is a shard: a kill costs no more than the one in hand.
    refuse_other_rows(photos, own_cache, tmp_path / "other", monkeypatch, twice=20 * 16)


def refuse_other_rows(photos, there, here, monkeypatch, twice):
    """The cache of a cluster has the rows that this machine computes by itself, and so many twice at most."""
    found, number = stored(there)
    monkeypatch.setenv("BUDWOOD_CACHE", str(here))
    compute_ahead(prepare(request(photos)))
    ours, all_of_them = stored(here)
    assert ours.keys() == found.keys() and len(found) == all_of_them and number <= all_of_them + twice
    assert all(np.array_equal(ours[key], found[key]) for key in ours)


@pytest.mark.slow
def test_features_on__a_node_is_lost__the_same_bits(ray_nodes, tmp_path, own_cache, monkeypatch):
    monkeypatch.setattr("budwood.cluster.features.PHOTOS", 16)
    photos, progress = write_colours(tmp_path / "photos", 200), KeptLines()
    with node_to_lose(ray_nodes) as lose, Killer(lose, 1, lambda: number_of_shards(own_cache) > 4) as killer:
        done, info = features_on("auto", prepare(request(photos, progress=progress)))
    assert killer.killed == 1 and not done.extraction.failed
    assert (info.nodes, info.cores, info.lost_nodes) == (3, 3, 1)
    assert "1 node of the cluster was lost; others did its work" in progress.lines
    refuse_other_rows(photos, own_cache, tmp_path / "other", monkeypatch, twice=2 * 16)


@pytest.mark.slow
def test_features__two_drivers_on_one_cluster__no_photo_twice(tmp_path, own_cache):
    photos = write_colours(tmp_path / "photos", 200)
    settings = [word for setting in SMALL for word in ("--set", setting)]
    command = [sys.executable, "-m", "budwood", "features", photos, "--recipe", "frozen-linear", *settings]
    with two_nodes(join=False):
        drivers = [
            subprocess.Popen(
                [*command, "--cluster", "auto"], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
            )
            for _ in range(2)
        ]
        told = [driver.communicate(timeout=400)[0] for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0, 0], told
    rows, number = stored(own_cache)
    computed = [int(re.search(r"(\d+) computed", one)[1]) for one in told]
    assert len(rows) == number == sum(computed) == 600, told


@pytest.mark.slow
def test_features__on_a_cluster_whose_store_stands_still_for_ten_seconds(tmp_path, own_cache, monkeypatch):
    photos = write_colours(tmp_path / "photos", 300)
    compute_ahead(prepare(request(photos)))
    here, _ = stored(own_cache)
    with server() as (store, port):
        for name, value in {**environment(port), "BUDWOOD_STORE": "s3://lab/features"}.items():
            monkeypatch.setenv(name, value)
        there = open_storage(store_place())

        def shards():
            return sum("/markers/" in one.key for one in there.list(""))

        settings = [word for setting in SMALL for word in ("--set", setting)]
        command = [
            sys.executable,
            "-m",
            "budwood",
            "features",
            photos,
            "--recipe",
            "frozen-linear",
            *settings,
        ]
        monkeypatch.setenv("BUDWOOD_CACHE", str(tmp_path / "nodes"))
        # Nodes that the command starts have its environment, and the credentials with it.
        with subprocess.Popen([*command, "--cluster", "local"], stderr=subprocess.PIPE, text=True) as running:
            wait_until(lambda: shards() > 0, seconds=180)
            assert running.poll() is None
            store.send_signal(signal.SIGSTOP)
            time.sleep(10)
            store.send_signal(signal.SIGCONT)
            _, told = running.communicate(timeout=240)
        assert running.returncode == 0 and "lost" not in told, told
        monkeypatch.setenv("BUDWOOD_CACHE", str(tmp_path / "fresh"))
        again = compute_ahead(prepare(request(photos)))
        assert (again.extraction.num_computed, again.extraction.num_found) == (0, 900)
        ((fingerprint, _), row), *_ = here.items()
        with FeatureStore().open(fingerprint, row.shape) as table:
            found = table.gather([key for _, key in here])
    assert np.array_equal(found, list(here.values()))


@pytest.mark.slow
def test_train_on__features_there_and_all_the_rest_here(ray_nodes, session_colours, tmp_path):
    run = train_on("auto", request(session_colours, tmp_path / "run"))
    found = run.info["features"]
    assert (found["computed"], found["found"]) == (0, 42)
    assert found["cluster"] == {"nodes": 2, "cores": 2, "computed": 42, "lost_workers": 0, "lost_nodes": 0}


@pytest.mark.slow
def test_train_on__a_probe_that_memory_does_not_hold_goes_through_shards_there(
    ray_nodes, session_colours, tmp_path, monkeypatch
):
    for module in ("linear_probe", "sharded_probe"):
        monkeypatch.setattr(f"budwood.training.{module}.probe_place", lambda *sizes: "shards")
    monkeypatch.setattr("budwood.training.linear_probe.linear_fits", lambda *sizes: False)
    here = train_request(request(session_colours, tmp_path / "here"))
    progress = KeptLines()
    there = train_on("auto", request(session_colours, tmp_path / "there", progress))
    assert progress.lines.count("Ray cluster auto: 2 nodes, 2 cores") == 2
    assert there.info["features"]["cluster"]["lost_workers"] == 0
    for file in ("predictions.csv", "split.csv"):
        assert (here.folder / file).read_bytes() == (there.folder / file).read_bytes()


@dataclass(frozen=True)
class PoolHere(Pool[T]):
    """Does in this process what workers would, one piece after the other."""

    def run(self, pieces):
        worker = self.worker(*self.given)
        return map(worker.do, pieces)


@contextmanager
def cluster_here(address):
    yield Cluster(address, (Node("1", "127.0.0.1", 1), Node("2", "127.0.0.1", 1)), {})


@pytest.fixture
def nodes_here(tiny_backbones, own_cache, monkeypatch):
    for name, stand_in in (("connect", cluster_here), ("Pool", PoolHere), ("WAIT", 0.05)):
        monkeypatch.setattr(f"budwood.cluster.features.{name}", stand_in)
    monkeypatch.setattr("budwood.cluster.nodes.Cluster.refuse_unseen", lambda self, source: None)
    monkeypatch.setattr("budwood.cluster.nodes.Cluster.lost", 0)


def test_features_on__what_another_run_computes_is_waited_for(session_colours, nodes_here, monkeypatch):
    progress = KeptLines()
    recipe = read_recipe("frozen-linear", ["backbone.name=tiny", "data.size=64"])
    prepared = prepare(ask_for_training(session_colours, recipe, Output(), progress=progress))
    monkeypatch.setattr("budwood.cluster.features.MOST_CLAIMED", 20)
    with prepared.open_features(SILENT, fetch=False) as other, ExitStack() as claims:
        theirs = claims.enter_context(other.claim(prepared.photos[:10], 10))

        def ends(seconds):
            """The other run stores half of what it claimed, and is lost."""
            other.compute(theirs[:5], claimed=True)
            other.flush()
            claims.close()

        monkeypatch.setattr("budwood.cluster.features.time.sleep", ends)
        done, _ = features_on("auto", prepared)
    assert [line for line in progress.lines if "another run" in line] == [
        "another run computes 10 photos now: they are waited for"
    ]
    assert done.photos == 42 and (done.extraction.num_computed, done.extraction.num_found) == (37, 5)


def test_features_on__claims_once_for_all_workers(session_colours, nodes_here, monkeypatch):
    claimed = []
    claim = FeatureTable.claim

    def kept(self, keys, most):
        claimed.append(keys)
        return claim(self, keys, most)

    monkeypatch.setattr(FeatureTable, "claim", kept)
    recipe = read_recipe("frozen-linear", ["backbone.name=tiny", "data.size=64"])
    done, _ = features_on(
        "auto", prepare(ask_for_training(session_colours, recipe, Output(), progress=SILENT))
    )
    assert done.extraction.num_computed == 42 and list(map(len, claimed)) == [42]


def test_features_on__workers_claim_where_the_claim_did_not_reach_the_shared_store(
    session_colours, nodes_here, tmp_path, monkeypatch
):
    (tmp_path / "nfs").mkdir()
    monkeypatch.setenv("BUDWOOD_STORE", str(tmp_path / "nfs"))
    asked = []
    compute = OpenFeatures.compute

    def kept(self, photos, *, claimed=False):
        asked.append(claimed)
        return compute(self, photos, claimed=claimed)

    monkeypatch.setattr(OpenFeatures, "compute", kept)
    monkeypatch.setattr(SharedTable, "answers", False)
    recipe = read_recipe("frozen-linear", ["backbone.name=tiny", "data.size=64"])
    done, _ = features_on(
        "auto", prepare(ask_for_training(session_colours, recipe, Output(), progress=SILENT))
    )
    assert done.extraction.num_computed == 42 and not any(asked)


def test_features_on__what_the_store_has_under_one_network_is_not_computed_again(
    session_colours, nodes_here, tmp_path, monkeypatch
):
    (tmp_path / "nfs").mkdir()
    monkeypatch.setenv("BUDWOOD_STORE", str(tmp_path / "nfs"))

    def computed(names, cache):
        monkeypatch.setenv("BUDWOOD_CACHE", str(tmp_path / cache))
        recipe = read_recipe("frozen-linear", [f"backbone.name={names}", "data.size=64"])
        prepared = prepare(ask_for_training(session_colours, recipe, Output(), progress=progress))
        return features_on("auto", prepared)[0].extraction.num_computed

    progress = KeptStages()
    assert computed("tiny", "a") == 42
    assert computed('["tiny", "tiny_other"]', "b") == 42
    assert [stage for stage in progress.stages if stage[0] == "features"] == [["features", 42, 42]] * 2


def test_features_on__nobody_there(session_colours, monkeypatch, tmp_path):
    prepared = prepare(request(session_colours))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setattr("budwood.cluster.connect.is_joined", lambda: False)
    with pytest.raises(ClusterError, match="found no Ray cluster"):
        features_on("auto", prepared)
