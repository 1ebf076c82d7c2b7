"""The linear probe over shards on two nodes of one core each, and what a worker has of a shard."""

import pickle
import random
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from budwood.cluster import shards as module
from budwood.cluster.nodes import Cluster, Node
from budwood.cluster.pool import Losses
from budwood.cluster.ray_library import need_ray
from budwood.cluster.shards import Kept, Workers, sent, shards_on
from budwood.core.errors import ClusterError, DataError
from budwood.features.ensemble import JoinedRows
from budwood.features.store.store import FeatureStore
from budwood.training.row_shards import RowShard, in_shards
from budwood.training.sharded_probe import fit_shards
from tests.cluster.stand_ins import Count, DeadlyRows, NoRay, number_of, refuse
from tests.nodes import kill_one, node_to_lose
from tests.progress import KeptLines
from tests.servers import wait_until

STRENGTH = 0.03


@pytest.fixture
def stored():
    """Gives rows of the feature store, and their labels."""
    with ExitStack() as opened:

        def store(n=600, features=10, classes=4, name="a"):
            rng = np.random.default_rng(0)
            labels = np.arange(n) % classes
            x = rng.normal(size=(classes, features))[labels] * 0.5 + rng.normal(size=(n, features))
            x = (x * np.geomspace(0.1, 10, features) + 3).astype(np.float32)
            table = opened.enter_context(FeatureStore().open(name, (features,)))
            for number in rng.permutation(n):
                table.add(f"photo {number}", x[number])
            return table.reader([f"photo {number}" for number in range(n)]), labels

        yield store


def fit(shards, over, strength=STRENGTH):
    with threadpool_limits(1):
        return fit_shards(shards, 4, strengths=[strength], tolerance=1e-8, map=over)


def killing(over, times, seed=0):
    """A map under which a worker is killed after some results of a pass, while others are worked out: so often."""
    left, choose = [times], random.Random(seed)

    def mapped(function, shards, *more):
        deadly = choose.randrange(len(shards))
        for place, one in enumerate(over(function, shards, *more)):
            if place == deadly and left[0] and kill_one("ray::_Worker", choose.choice):
                left[0] -= 1
            yield one

    return mapped, left


def test_map__the_bits_of_one_process__and_the_probabilities_of_scikit_learn(cluster, stored):
    rows, labels = stored()
    shards = in_shards(rows, labels, np.ones(len(labels)), 6)
    here, losses, progress = fit(shards, map), Losses(), KeptLines()
    with shards_on("auto", losses, progress) as over:
        there = fit(shards, over)
        deadly, left = killing(over, 1)
        again = fit(shards, deadly)
    assert left == [0] and losses == Losses(1, 0)
    assert progress.lines == [
        "Ray cluster auto: 2 nodes, 2 cores",
        "a worker of the cluster was lost; another one has taken its place",
    ]
    for found in (there, again):
        np.testing.assert_array_equal(found.kernel, here.kernel)
        np.testing.assert_array_equal(found.bias, here.bias)
    x = rows[:].astype(np.float64)
    deviations = x.std(axis=0)
    scaled = (x - x.mean(axis=0)) / np.sqrt(deviations * deviations.mean())
    exact = LogisticRegression(C=1 / (STRENGTH * len(x)), tol=1e-10, max_iter=10_000).fit(scaled, labels)
    found = softmax(x @ there.kernel + there.bias, axis=1)
    assert np.abs(found - exact.predict_proba(scaled)).max() < 1e-5


@pytest.mark.slow
def test_map__twenty_workers_killed__the_same_bits(cluster, stored):
    rows, labels = stored(20_000, 64)
    shards = in_shards(rows, labels, np.ones(len(labels)), 16)
    losses, fits = Losses(), []
    with shards_on("auto", losses, KeptLines()) as over:
        deadly, left = killing(over, 20)
        while left[0]:
            fits.append((fit(shards, deadly, strength := 0.1 / (len(fits) + 1)), strength))
    # One that is killed before it is given anything again is not missed.
    assert 10 <= losses.workers <= 20
    for found, strength in fits:
        here = fit(shards, map, strength)
        np.testing.assert_array_equal(found.kernel, here.kernel)


@pytest.mark.slow
def test_map__a_node_is_lost__the_same_bits(ray_nodes, stored):
    rows, labels = stored(20_000, 64)
    shards = in_shards(rows, labels, np.ones(len(labels)), 16)
    here, losses, progress, passes = fit(shards, map), Losses(), KeptLines(), []
    with node_to_lose(ray_nodes) as lose, shards_on("auto", losses, progress) as over:

        def mapped(*given):
            passes.append(None)
            for place, one in enumerate(over(*given)):
                if len(passes) == 3 and place == 4:
                    assert lose()
                yield one

        there = fit(shards, mapped)
        # The head notices some seconds later.
        wait_until(lambda: sum(node["Alive"] for node in need_ray().nodes()) == 2, seconds=60)
    assert losses == Losses(1, 1) and len(passes) > 3
    assert "1 node of the cluster was lost; others did its work" in progress.lines
    np.testing.assert_array_equal(there.kernel, here.kernel)


def test_map__what_kills_every_worker__and_what_is_refused(cluster, monkeypatch):
    monkeypatch.setattr(module, "MOST_LOST", 0)
    labels, weights = np.zeros(3, int), np.ones(3)
    with opened(cluster) as workers:
        shards = in_shards(np.ones((3, 2)), labels, weights, 2)
        with pytest.raises(DataError, match="^3 rows too many$"):
            list(workers.map(refuse, shards, [3, 4]))
        with pytest.raises(ClusterError, match="were lost 1 times .*goes on from there"):
            list(workers.map(RowShard.read, [RowShard(DeadlyRows(), 0, labels, weights)], [slice(0, 1)]))


@pytest.fixture
def no_ray(monkeypatch):
    """Three workers, of one core each, that are not there."""
    found = NoRay()
    monkeypatch.setattr(module, "need_ray", lambda: found)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    found.cluster = Cluster("auto", tuple(Node(str(place), "10.0.0.1", 1) for place in range(3)), {})
    return found


def test_workers__each_has_the_same_shards_in_every_pass(no_ray):
    workers, shards = Workers(no_ray.cluster, Losses()), [Count(number) for number in range(20)]
    for _ in range(2):
        assert list(workers.map(number_of, shards)) == list(range(20))
    assert list(workers.map(number_of, shards[4:6], [10, 20])) == [14, 25]
    assert all(worker == shard % 3 for worker, shard in no_ray.done) and len(no_ray.done) == 42


def test_workers__a_lost_one_has_its_shards_done_by_others__until_the_next_is_up(no_ray):
    no_ray.deadly[1], no_ray.late = 2, {3}
    losses, progress = Losses(), KeptLines()
    workers, shards = Workers(no_ray.cluster, losses, progress), [Count(number) for number in range(12)]
    assert list(workers.map(number_of, shards)) == list(range(12))
    assert losses == Losses(1, 0) and len(progress.lines) == 1
    # No shard is done twice that was done.
    assert sorted(shard for _, shard in no_ray.done) == list(range(12))
    assert [shard for worker, shard in no_ray.done if worker == 1] == [1, 4]
    no_ray.late.clear()
    workers._workers[1].ready = no_ray.actors[3].__ray_ready__.remote()
    no_ray.done.clear()
    list(workers.map(number_of, shards))
    assert [shard for worker, shard in no_ray.done if worker == 3] == [1, 4, 7, 10]


def test_workers__none_comes_up(no_ray):
    no_ray.late = set(range(9))
    workers = Workers(no_ray.cluster, Losses())
    with pytest.raises(ClusterError, match="no worker of the Ray cluster began .*goes on from there"):
        list(workers.map(number_of, [Count(0)]))


def test_workers__a_shard_that_loses_every_worker(no_ray, monkeypatch):
    no_ray.deadly = dict.fromkeys(range(9), 0)
    with pytest.raises(ClusterError, match="were lost 4 times .*too little memory"):
        list(Workers(no_ray.cluster, Losses()).map(number_of, [Count(0)]))


@contextmanager
def opened(cluster):
    workers = Workers(cluster, Losses())
    try:
        yield workers
    finally:
        workers.close()


def test_sent__where_rows_lie__and_they_are_found_in_the_shared_store(stored, tmp_path, monkeypatch):
    pytest.importorskip("obstore")
    (tmp_path / "shared").mkdir()
    monkeypatch.setenv("BUDWOOD_STORE", str(tmp_path / "shared"))
    rows, labels = stored(60)
    other, _ = stored(60, 3, name="b")
    joined = JoinedRows([rows, other])
    for source in (rows, joined):
        shard = in_shards(source, labels, np.ones(60), 3)[1]
        content = pickle.dumps(sent(shard))
        assert len(content) < 3000
        expected = shard.read(slice(0, 20))
        for part in (rows, other):
            # Whoever reads it waits for what is put meanwhile.
            part._table._shared.wait()
        with monkeypatch.context() as elsewhere:
            elsewhere.setenv("BUDWOOD_CACHE", str(tmp_path / "elsewhere"))
            kept = Kept()
            found = kept.get(7, lambda content=content: content)
            np.testing.assert_array_equal(found.read(slice(0, 20)), expected)
            np.testing.assert_array_equal(found.labels, shard.labels)
            assert kept.get(7, lambda: pytest.fail("it is kept")) is found


def test_sent__rows_that_a_node_does_not_find(stored, tmp_path, monkeypatch):
    rows, labels = stored(10)
    content = pickle.dumps(sent(in_shards(rows, labels, np.ones(10), 1)[0]))
    monkeypatch.setenv("BUDWOOD_CACHE", str(tmp_path / "elsewhere"))
    with pytest.raises(ClusterError, match="cannot read the features of the photos: 10 of 10"):
        Kept().get(0, lambda: content)


def test_sent__of_other_rows_all():
    shard = in_shards(np.ones((3, 2)), np.zeros(3, int), np.ones(3), 1)[0]
    assert sent(shard) is shard
