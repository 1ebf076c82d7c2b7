"""Features computed on a Ray cluster: each worker has the network open, and writes shards straight into the store."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from budwood.cluster.connect import connect
from budwood.cluster.nodes import Cluster, in_words
from budwood.cluster.pool import Losses, Pool, pieces_of
from budwood.cluster.shards import shards_on
from budwood.cluster.workers import Extractors, FeatureWorker, PhotosDone
from budwood.core.progress.base import Progress, Stage, announce
from budwood.core.text import count
from budwood.data.manifest import Photo
from budwood.features.extract import Extraction
from budwood.pipeline.ahead import Ahead, compute_ahead
from budwood.pipeline.features import OpenFeatures
from budwood.pipeline.prepare import Prepared, prepare
from budwood.pipeline.request import TrainingRequest
from budwood.pipeline.train import train_prepared
from budwood.run import Run
from budwood.runs.schema import ClusterInfo
from budwood.training.row_shards import Map

PHOTOS = 256
"""In a piece at most: what is computed again where a worker is lost."""
MOST_CLAIMED = 1_000_000
"""Photos that one run claims at a time: a claim names each."""
WAIT, LONGEST_WAIT = 5.0, 60.0
"""Seconds between two looks at what another run computes, at first and at last."""


def features_on(address: str, prepared: Prepared) -> tuple[Ahead, ClusterInfo]:
    """Compute the features that a training would begin with on a cluster, see `pipeline.ahead.compute_ahead`.

    Return what was done, and what run.json says of the cluster.

    Raises:
        ClusterError: the cluster cannot be joined, or a node does not reach the photos or the store.
    """
    progress = prepared.request.directory.progress
    with connect(address) as cluster:
        progress.say(in_words(cluster))
        cluster.refuse_unseen(prepared.request.source)
        losses = Losses()
        done = compute_ahead(
            prepared, lambda features, photos: _compute(cluster, prepared, features, photos, progress, losses)
        )
        info = ClusterInfo(
            nodes=len(cluster.nodes),
            cores=cluster.cores,
            computed=done.extraction.num_computed,
            lost_workers=losses.workers,
            lost_nodes=losses.nodes,
        )
        return done, info


def train_on(address: str, request: TrainingRequest) -> Run:
    """Train with features that are computed on a cluster, where a linear probe that memory does not hold goes through
    them too; all the rest is done in this process."""
    announce(request.directory.progress, request.steps)
    prepared = prepare(request)
    _, info = features_on(address, prepared)

    @contextmanager
    def open_map(progress: Progress) -> Iterator[Map]:
        losses = Losses()
        with shards_on(address, losses, progress) as over:
            yield over
        known = request.directory.info.features
        assert known is not None, "features are recorded first"
        lost = {
            "lost_workers": info.lost_workers + losses.workers,
            "lost_nodes": info.lost_nodes + losses.nodes,
        }
        request.directory.record(features=known.model_copy(update={"cluster": info.model_copy(update=lost)}))

    return train_prepared(replace(prepared, cluster=info, open_map=open_map))


def _compute(
    cluster: Cluster,
    prepared: Prepared,
    features: OpenFeatures,
    photos: Sequence[Photo],
    progress: Progress,
    losses: Losses,
) -> Extraction:
    request = prepared.request
    what = Extractors(
        prepared.recipe,
        request.sizes,
        dict(prepared.boundaries),
        None if request.previous is None else request.previous.folder.absolute(),
        features.exact.fingerprint,
    )
    computed = 0
    lacking = features.lacking(photos)
    if lacking:

        def pool(claimed: bool) -> Pool[PhotosDone]:
            return Pool(cluster, FeatureWorker, (what, claimed), progress, losses)

        with progress.stage("features", total=len(lacking)) as stage:
            computed = _compute_by(pool, features, lacking, progress, stage)
    # What no worker could read is read here once more, and named with all of its copies.
    left = features.compute(photos)
    return replace(
        left, num_computed=left.num_computed + computed, num_found=max(0, left.num_found - computed)
    )


def _compute_by(
    pool: Callable[[bool], Pool[PhotosDone]],
    features: OpenFeatures,
    lacking: Sequence[Photo],
    progress: Progress,
    stage: Stage,
) -> int:
    """Compute photos that the store lacks, but for what another run computes meanwhile; return how many views."""
    computed, wait = 0, WAIT

    def run(photos: Sequence[Photo], claimed: bool) -> int:
        workers, views = pool(claimed), 0
        for found in workers.run(pieces_of(photos, workers.size, PHOTOS)):
            views += found.extraction.num_computed
            stage.advance(found.photos)
        return views

    while lacking:
        # One claim for all workers: 64 that claim by themselves would read the claims of 64, over and over.
        with features.claim(lacking, MOST_CLAIMED) as own:
            held = features.shares
            if own and held:
                computed += run(own, claimed=True)
        if own and not held:
            # It did not reach the shared store, so each worker tries to claim what it computes.
            computed += run(own, claimed=False)
        if not own:
            if wait == WAIT:
                progress.say(f"another run computes {count(len(lacking), 'photo')} now: they are waited for")
            time.sleep(wait * random.uniform(0.8, 1.2))
            wait = min(2 * wait, LONGEST_WAIT)
        done = {photo.name for photo in own}
        others = [photo for photo in lacking if photo.name not in done]
        lacking = features.lacking(others)
        stage.advance(len(others) - len(lacking))
    return computed
