"""Predictions on a Ray cluster: each worker has the run loaded, and writes parts straight into the folder."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from budwood.cluster.connect import connect
from budwood.cluster.nodes import Cluster, in_words, nearest
from budwood.cluster.pool import Pool
from budwood.cluster.workers import PartDone, PartToDo, PredictionWorker, Predictors
from budwood.core.progress.base import Progress
from budwood.data.image_ref import ImageFile
from budwood.data.images import ImageLike
from budwood.inference.prediction_files import Written
from budwood.inference.prediction_parts import ROWS, Part, Parts, have_parts, places_of

FEWEST = 200
"""Pictures of a part."""


def predict_on(
    address: str,
    what: Predictors,
    pictures: Sequence[tuple[str, ImageLike]],
    *,
    told: Callable[[PartDone], None],
    progress: Progress,
) -> Written:
    """Write predictions as parts on a cluster; return what all of them hold.

    Those that are there are kept, wherever they were written.

    Args:
        address: of the cluster, see `cluster.connect.connect`.
        what: its `parts` as planned for one machine.
        pictures: by their names, in the order of the rows.
        told: of each part as it ends.
        progress: told of the stage "predictions".

    Raises:
        ClusterError: the cluster cannot be joined, or a node does not reach the run or the folder.
        BudwoodError: something else is in the folder, or parts of another model, of other pictures or options.
    """
    with connect(address) as cluster:
        progress.say(in_words(cluster))
        what = replace(what, run=what.run.absolute(), folder=what.folder.absolute())
        cluster.refuse_unseen(what.run, "the run")
        cluster.refuse_unshared(nearest(what.folder), "the place of the predictions")
        return _predict(cluster, what, pictures, told, progress)


def _predict(
    cluster: Cluster,
    what: Predictors,
    pictures: Sequence[tuple[str, ImageLike]],
    told: Callable[[PartDone], None],
    progress: Progress,
) -> Written:
    sent = _absolute(pictures)
    pool = Pool(cluster, PredictionWorker, (), progress)
    # Of a folder that is gone on with, the parts keep the size that they have.
    planned = what.parts.model_copy(
        update={"rows_per_part": min(ROWS, max(FEWEST, len(pictures) // (8 * pool.size)))}
    )

    def write(parts: Parts, numbers: Sequence[int]) -> Iterator[Part]:
        places = [places_of(number, parts) for number in numbers]
        todo = [
            PartToDo(number, [sent[place] for place in of_part])
            for number, of_part in zip(numbers, places, strict=True)
        ]
        own = replace(pool, given=(replace(what, parts=parts.model_copy(update={"parts": ()})),))
        with progress.stage("predictions", total=sum(map(len, places))) as stage:
            for done in own.run(todo):
                told(done)
                stage.advance(done.part.rows)
                yield done.part

    return have_parts(what.folder, planned, write)


def _absolute(pictures: Sequence[tuple[str, ImageLike]]) -> list[tuple[str, ImageLike]]:
    return [
        (name, picture.absolute() if isinstance(picture, ImageFile | Path) else picture)
        for name, picture in pictures
    ]
