"""Photos of a check decoded on a Ray cluster; what they have to do with one another is found by who asks."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from budwood.cluster.connect import connect
from budwood.cluster.nodes import Cluster, in_words
from budwood.cluster.pool import Pool, pieces_of
from budwood.cluster.workers import CheckWorker, SomePhotos
from budwood.core.progress.base import Progress
from budwood.data.check import Inspect, Inspected
from budwood.data.manifest import Photo

PHOTOS = 512
"""In a piece at most."""


@contextmanager
def inspect_on(address: str, data: str | os.PathLike, progress: Progress) -> Iterator[Inspect]:
    """Yield what decodes photos on a cluster, for a `with`, see `data.check.check`.

    Args:
        address: of the cluster, see `cluster.connect.connect`.
        data: where the photos are.
        progress: told of the cluster, and of lost workers and nodes.

    Raises:
        ClusterError: the cluster cannot be joined, or a node does not reach the photos.
    """
    with connect(address) as cluster:
        progress.say(in_words(cluster))
        cluster.refuse_unseen(data)
        yield lambda photos, told: _inspect(cluster, photos, told, progress)


def _inspect(
    cluster: Cluster, photos: Sequence[Photo], told: Callable[[int], None], progress: Progress
) -> list[Inspected]:
    if not photos:
        return []
    pool = Pool(cluster, CheckWorker, (), progress)
    found: dict[int, Sequence[Inspected]] = {}
    first, pieces = 0, []
    for some in pieces_of(photos, pool.size, PHOTOS):
        pieces.append(SomePhotos(first, some))
        first += len(some)
    for done in pool.run(pieces):
        found[done.first] = done.found
        told(len(done.found))
    return [one for piece in pieces for one in found[piece.first]]
