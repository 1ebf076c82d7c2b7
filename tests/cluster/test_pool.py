"""A pool of workers on a cluster of two nodes of one core each."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from budwood.cluster import pool as module
from budwood.cluster.nodes import Cluster, Node
from budwood.cluster.pool import Losses, Pool, _Actor, pieces_of
from budwood.core.errors import ClusterError
from budwood.core.progress.base import SILENT
from budwood.data.images import digest
from budwood.data.manifest import Photo
from tests.cluster.stand_ins import MeansWorker, Squares, means
from tests.progress import KeptLines


def test_run__ends_on_nodes_of_one_core__and_goes_on_where_a_worker_is_killed(cluster, tmp_path):
    progress = KeptLines()
    pool = Pool(cluster, Squares, (tmp_path, (7,)), progress)
    assert (pool.size, pool.threads) == (2, 1) and pool.losses == Losses(0, 0)
    assert sorted(pool.run(range(40))) == [n * n for n in range(40)]
    assert (tmp_path / "7 has killed").exists()
    assert progress.lines == ["a worker of the cluster was lost; another one has taken its place"]
    assert pool.losses == Losses(1, 0)


def test_run__what_a_worker_refuses_is_raised_here(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "enter", lambda settings, threads: None)
    actor = _Actor(pickle.dumps((Squares, (tmp_path,))), {}, 1)
    done, refused = (actor({"piece": [pickle.dumps(piece)]}) for piece in (3, -1))
    assert pickle.loads(done["outcome"][0]) == 9
    monkeypatch.setattr(module, "_rows", lambda results: (yield {k: v[0] for k, v in refused.items()}))
    with pytest.raises(ClusterError, match="^-1 has no place here$"):
        list(Pool(cluster, Squares, (tmp_path,), SILENT).run([-1]))


@pytest.mark.slow
def test_run__features_of_a_killed_worker__the_same_bits_and_each_photo_once(
    cluster, tmp_path, own_cache, monkeypatch
):
    rng, photos = np.random.default_rng(0), []
    for number in range(60):
        file = tmp_path / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (10, 12, 3), dtype=np.uint8)).save(file)
        photos.append(Photo(file, file.name, "a", sha256=digest(file)))
    log = tmp_path / "computed.log"
    pieces = pieces_of(photos, 2, 8, least=8)
    found = list(Pool(cluster, MeansWorker, (log,), SILENT).run(pieces))
    assert (tmp_path / "computed.killed").exists()
    computed = log.read_text().splitlines()
    # At most what the killed worker had in hand is computed again.
    assert sum(one.num_computed for one in found) == len(set(computed)) == 60
    assert len(computed) <= 60 + 8
    with means(log) as there:
        assert there.missing(photos) == 0
        rows = there.array(photos)
    monkeypatch.setenv("BUDWOOD_CACHE", str(tmp_path / "other"))
    with means(tmp_path / "here.log") as here:
        (tmp_path / "here.killed").touch()
        here.compute(photos)
        assert np.array_equal(here.array(photos), rows)


@pytest.mark.parametrize(("cores", "size", "threads"), [([1, 1], 2, 1), ([16, 16], 8, 4), ([6, 2], 4, 2)])
def test_pool__workers_of_a_cluster(cores, size, threads):
    nodes = tuple(Node(str(place), "10.0.0.1", number) for place, number in enumerate(cores))
    pool = Pool(Cluster("auto", nodes, {}), Squares, (), SILENT)
    assert (pool.size, pool.threads) == (size, threads)
    assert replace(pool, progress=KeptLines()).size == size


def test_pieces_of__nothing_is_lost_or_twice():
    for number in (1, 15, 16, 17, 1000):
        pieces = pieces_of(range(number), 3, 64)
        assert [one for piece in pieces for one in piece] == list(range(number))
        assert max(map(len, pieces)) <= 64
