"""Work on a Ray cluster by Ray Data: pieces of it, in a stream, for a pool of workers each of which is warm.

A piece must be such that to do it twice does no harm: one whose worker is lost is begun anew by another.
"""

import importlib
import logging
import pickle
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from budwood.cluster.nodes import Cluster
from budwood.cluster.ray_library import need_ray
from budwood.cluster.settings import enter
from budwood.core.errors import BudwoodError, ClusterError
from budwood.core.progress.base import Progress
from budwood.core.text import count

SHARE = 0.1
"""Of a core that a worker leaves: Ray's own tasks need some, and would wait for ever for one that a worker holds."""
AHEAD = 2
"""Pieces that a worker has been given, so that it need not wait for the next one."""
MOST_CORES = 4
"""Of one worker: more of them share a network in memory, fewer wait less for one another."""
T = TypeVar("T", covariant=True)


class Worker(Protocol[T]):
    """Does pieces of work, one after the other, in a process of a node."""

    def do(self, piece: Any) -> T: ...


@dataclass
class Losses:
    """What was lost while others did its work."""

    workers: int = 0
    nodes: int = 0

    def tell_worker(self, progress: Progress) -> None:
        """Count one more worker, and say so."""
        self.workers += 1
        progress.say("a worker of the cluster was lost; another one has taken its place")

    def tell_nodes(self, cluster: Cluster, progress: Progress) -> None:
        """Count the nodes that are gone by now, and say so where there are any."""
        self.nodes = cluster.lost
        if self.nodes:
            progress.say(f"{count(self.nodes, 'node')} of the cluster was lost; others did its work")


@dataclass(frozen=True)
class Pool(Generic[T]):
    """What does the work.

    Args:
        cluster: that this process has joined.
        worker: a class of a module, or a function that makes a worker of `given`.
        given: what can be pickled.
        progress: told of lost workers and nodes.
        losses: counted here.
    """

    cluster: Cluster
    worker: Callable[..., Worker[T]]
    given: tuple[Any, ...]
    progress: Progress
    losses: Losses = field(default_factory=Losses)

    @property
    def threads(self) -> int:
        """Return the cores of one worker."""
        return self.cluster.threads(MOST_CORES)

    @property
    def size(self) -> int:
        """Return the number of workers."""
        return self.cluster.room(self.threads)

    def run(self, pieces: Sequence[Any]) -> Iterator[T]:
        """Return what came of each piece, as they end.

        Raises:
            BudwoodError: that of a worker, as it would be raised here.
            ClusterError: the cluster is lost.
        """
        ray = need_ray()
        importlib.import_module("ray.data")
        # What it has to say is said by us.
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        items = [{"piece": pickle.dumps(piece)} for piece in pieces]
        results = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
            _Actor,
            # As bytes, for what they need must not be imported before the settings hold.
            fn_constructor_args=(
                pickle.dumps((self.worker, self.given)),
                dict(self.cluster.settings),
                self.threads,
            ),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(
                size=min(self.size, len(items)), max_tasks_in_flight_per_actor=AHEAD
            ),
            num_cpus=self.threads - SHARE,
        )
        workers: set[str] = set()
        try:
            with closing(_rows(results)) as rows:
                for row in rows:
                    self._tell(workers, row["worker"])
                    outcome = pickle.loads(row["outcome"])
                    if isinstance(outcome, BudwoodError):
                        raise outcome
                    yield outcome
        except ray.exceptions.RayError as error:
            raise ClusterError(
                f"the work on the Ray cluster ended: {str(error).strip().splitlines()[-1]}. What was computed is "
                "kept: the same command goes on from there"
            ) from error
        self.losses.tell_nodes(self.cluster, self.progress)

    def _tell(self, workers: set[str], worker: str) -> None:
        """Say where a worker is at work beyond those that there were."""
        if worker not in workers:
            workers.add(worker)
            if len(workers) > self.size:
                self.losses.tell_worker(self.progress)


def pieces_of(items: Sequence[Any], workers: int, most: int, least: int = 16) -> list[Sequence[Any]]:
    """Return items in pieces of `most` at most, so many that no worker idles long at the end.

    >>> [len(piece) for piece in pieces_of(range(100), 2, 64)]
    [16, 16, 16, 16, 16, 16, 4]
    """
    size = max(1, min(most, max(least, len(items) // (8 * workers))))
    return [items[first : first + size] for first in range(0, len(items), size)]


class _Actor:
    """A worker as Ray Data calls it."""

    def __init__(self, what: bytes, settings: Mapping[str, str], threads: int):
        enter(settings, threads)
        import ray

        self._id = ray.get_runtime_context().get_worker_id()
        self._what = what
        self._worker: Worker[Any] | None = None

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        try:
            if self._worker is None:
                # Here and not at the beginning, where an error would look like a lost worker.
                make, given = pickle.loads(self._what)
                self._worker = make(*given)
            outcome: Any = self._worker.do(pickle.loads(batch["piece"][0]))
        except BudwoodError as error:
            outcome = error
        return {"worker": [self._id], "outcome": [pickle.dumps(outcome)]}


def _rows(results: Any) -> Generator[Any, None, None]:
    yield from results.iter_rows()
