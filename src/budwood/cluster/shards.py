"""A map over shards of rows on a Ray cluster, for the linear probe of more features than one memory holds.

What is sent of rows that lie in the feature store is where they lie: a worker reads them from its cache, or fetches
them from the shared store, and goes through the same shards in every pass. Their files stay mapped, so that the system
keeps in memory what there is room for. What comes of a shard goes to the driver, which has it in the order of the
shards; a shard whose worker is lost is gone through again by another one.
"""

import pickle
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from budwood.cluster.connect import connect
from budwood.cluster.nodes import LOOK_SECONDS, Cluster, in_words
from budwood.cluster.pool import MOST_CORES, SHARE, Losses
from budwood.cluster.ray_library import need_ray
from budwood.cluster.settings import enter
from budwood.core.errors import BudwoodError, ClusterError, StorageError, StoreError
from budwood.core.progress.base import SILENT, Progress
from budwood.features.ensemble import JoinedRows
from budwood.features.store.store import FeatureStore, FeatureTable, Rows
from budwood.features.store.table import RowsPlace
from budwood.training.row_shards import Map, RowShard, Shard

MOST_LOST = 3
"""Workers that may be lost under one shard in one pass: it may be what kills them."""
GOES_ON = "What was computed is kept: the same command goes on from there"
AHEAD = 2
"""Shards that each thread of a worker has been given, so that it need not wait for the next one."""


@contextmanager
def shards_on(address: str, losses: Losses, progress: Progress = SILENT) -> Iterator[Map]:
    """Yield a map over shards by the workers of a cluster, for a `with`.

    It gives what a function of a module says of each shard, in their order, to the bits of one process with one thread
    of BLAS. Of shards that it is given again it asks the same workers.

    Args:
        address: of the cluster, see `cluster.connect.connect`.
        losses: counted here.
        progress: told of the cluster, and of lost workers and nodes.

    Raises:
        ClusterError: the cluster cannot be joined, no worker begins, or a shard has lost its worker too often.
        BudwoodError: that of a worker, as it would be raised here.
    """
    with connect(address) as cluster:
        progress.say(in_words(cluster))
        workers = Workers(cluster, losses, progress)
        try:
            yield workers.map
            losses.tell_nodes(cluster, progress)
        finally:
            workers.close()


class Workers:
    """The workers of a cluster, each with the shards of its number.

    Args:
        cluster: that this process has joined.
        losses: counted here.
        progress: told of lost workers.
    """

    def __init__(self, cluster: Cluster, losses: Losses, progress: Progress = SILENT):
        self._cluster, self._losses, self._progress = cluster, losses, progress
        self._threads = cluster.threads(MOST_CORES)
        self._actor = (
            need_ray()
            .remote(_Worker)
            .options(
                num_cpus=self._threads - SHARE,
                max_concurrency=self._threads,
                max_restarts=0,
                scheduling_strategy="SPREAD",
            )
        )
        self._workers = [self._begin() for _ in range(cluster.room(self._threads))]
        self._sent: dict[int, tuple[Shard, int, Any]] = {}
        self._never_up = 0
        # For all of them, so that none is given what others will go through.
        self._look(LOOK_SECONDS)

    def map(
        self, function: Callable[..., Any], shards: Sequence[Shard], *more: Sequence[Any]
    ) -> Iterator[Any]:
        """Yield what a function says of each shard and what stands beside it, in their order."""
        ray = need_ray()
        work = ray.put(pickle.dumps(function))
        calls = [(self._send(shard), beside) for shard, *beside in zip(shards, *more, strict=True)]
        ahead = AHEAD * self._threads * len(self._workers)
        running: dict[Any, tuple[int, _Begun]] = {}
        done: dict[int, Any] = {}
        lost = [0] * len(calls)

        def begin(place: int) -> None:
            (number, where), beside = calls[place]
            worker = self._worker_of(number)
            ref = worker.actor.do.remote(number, [where], work, pickle.dumps(beside))
            running[ref] = (place, worker)

        begun = 0
        for place in range(len(calls)):
            while place not in done:
                while begun < min(len(calls), place + ahead):
                    begin(begun)
                    begun += 1
                ended, _ = ray.wait(list(running), num_returns=1)
                for ref in ended:
                    at, worker = running.pop(ref)
                    try:
                        done[at] = ray.get(ref)
                    except ray.exceptions.RayTaskError:
                        raise
                    except ray.exceptions.RayError as error:
                        lost[at] += 1
                        self._replace(worker)
                        if lost[at] > MOST_LOST:
                            raise ClusterError(
                                f"the workers that went through a part of the features were lost {lost[at]} times "
                                f"({type(error).__name__}). Look for what ends them, such as too little memory on the "
                                f"nodes. {GOES_ON}"
                            ) from error
                        begin(at)
            outcome = done.pop(place)
            if isinstance(outcome, BudwoodError):
                raise outcome
            yield outcome

    def close(self) -> None:
        """End the workers."""
        for worker in self._workers:
            self._end(worker)

    def _begin(self) -> "_Begun":
        actor = self._actor.remote(dict(self._cluster.settings), self._threads)
        return _Begun(actor, actor.__ray_ready__.remote())

    def _end(self, worker: "_Begun") -> None:
        with suppress(Exception):
            need_ray().kill(worker.actor)

    def _send(self, shard: Shard) -> tuple[int, Any]:
        """Return the number of a shard and where a worker finds it, which is put there once."""
        if id(shard) not in self._sent:
            where = need_ray().put(pickle.dumps(sent(shard)))
            # With the shard, whose identity would else be that of another one some day.
            self._sent[id(shard)] = (shard, len(self._sent), where)
        _, number, where = self._sent[id(shard)]
        return number, where

    def _worker_of(self, number: int) -> "_Begun":
        """Return who goes through a shard: the one of its number, or while that is not up another one."""
        self._look(0.0)
        if not any(worker.is_up for worker in self._workers):
            self._look(LOOK_SECONDS)
        up = [worker for worker in self._workers if worker.is_up]
        if not up:
            raise ClusterError(
                f"no worker of the Ray cluster began within {LOOK_SECONDS:.0f} s. See what keeps its cores busy (ray "
                f"status). {GOES_ON}"
            )
        own = self._workers[number % len(self._workers)]
        return own if own.is_up else up[number % len(up)]

    def _look(self, seconds: float) -> None:
        """Wait so long for the workers that are not up yet."""
        ray, until = need_ray(), time.monotonic() + seconds
        while waiting := {worker.ready: worker for worker in self._workers if not worker.is_up}:
            ended, _ = ray.wait(list(waiting), timeout=max(0, until - time.monotonic()))
            if not ended:
                return
            worker = waiting[ended[0]]
            try:
                ray.get(worker.ready)
                worker.is_up, self._never_up = True, 0
            except ray.exceptions.RayError as error:
                self._never_up += 1
                if self._never_up > MOST_LOST:
                    raise ClusterError(
                        f"workers of the Ray cluster end as they begin: {str(error).strip().splitlines()[-1]}. "
                        f"{GOES_ON}"
                    ) from error
                self._replace(worker)

    def _replace(self, worker: "_Begun") -> None:
        """Begin another one in the place of a worker that is lost, unless that was done."""
        if worker in self._workers:
            self._end(worker)
            self._workers[self._workers.index(worker)] = self._begin()
            self._losses.tell_worker(self._progress)


@dataclass(eq=False)
class _Begun:
    """A worker as the driver has it."""

    actor: Any
    ready: Any
    """Ends once it is up."""
    is_up: bool = False


@dataclass(frozen=True, eq=False)
class StoredShard:
    """Rows of the feature store as they are sent: where they lie, and what is known of each."""

    places: tuple[RowsPlace, ...]
    """One for each feature table; the features of a photo are those of all tables, joined."""
    labels: Int[np.ndarray, "n"]
    weights: Float[np.ndarray, "n"]


def sent(shard: Shard) -> Shard | StoredShard:
    """Return what is sent of a shard: of rows of the feature store where they lie, of others all of it."""
    if not (isinstance(shard, RowShard) and isinstance(shard.source, Rows)):
        return shard
    part = slice(shard.first, shard.first + len(shard.labels))
    return StoredShard(tuple(shard.source.places(part)), shard.labels, shard.weights)


class Kept:
    """Shards as a process of a node has them: open from the first time that they are asked for until it ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shards: dict[int, Shard] = {}
        self._tables: dict[tuple[str, tuple[int, ...], str], FeatureTable] = {}

    def get(self, number: int, content: Callable[[], bytes]) -> Shard:
        """Return a shard by its number, of what `sent` gave. Raise ClusterError where its rows are not found."""
        # A table is for one thread; rows may be read by several.
        with self._lock:
            if number not in self._shards:
                found = pickle.loads(content())
                self._shards[number] = self._open(found) if isinstance(found, StoredShard) else found
            return self._shards[number]

    def _open(self, shard: StoredShard) -> RowShard:
        try:
            rows = [self._table(place).reader(place.keys) for place in shard.places]
        except (StoreError, StorageError) as error:
            raise ClusterError(
                f"a node of the cluster cannot read the features of the photos: {error}"
            ) from error
        return RowShard(rows[0] if len(rows) == 1 else JoinedRows(rows), 0, shard.labels, shard.weights)

    def _table(self, place: RowsPlace) -> FeatureTable:
        name = (place.fingerprint, place.shape, place.dtype)
        if name not in self._tables:
            # Its lease ends with this process.
            self._tables[name] = FeatureStore().open(*name)
        return self._tables[name]


class _Worker:
    """Goes through shards, in a process of a node."""

    def __init__(self, settings: Mapping[str, str], threads: int):
        enter(settings, threads)
        from threadpoolctl import threadpool_limits

        # As the driver would: see `sharded_probe.fit_rows_as_asked`.
        threadpool_limits(1)
        self._kept = Kept()

    def do(self, number: int, where: Sequence[Any], work: bytes, beside: bytes) -> Any:
        ray = need_ray()
        try:
            shard = self._kept.get(number, lambda: ray.get(where[0]))
            return pickle.loads(work)(shard, *pickle.loads(beside))
        except BudwoodError as error:
            return error
