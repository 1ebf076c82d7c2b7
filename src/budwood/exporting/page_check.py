"""What the page of an export says of the run's photos as files, from their bytes to the probabilities."""

import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from PIL import Image

from budwood.core.errors import RunError
from budwood.core.progress.base import SILENT, Progress
from budwood.data.images import ImageLike, content_of, decode
from budwood.evaluation.task import Task
from budwood.exporting.chromium import Chromium
from budwood.exporting.parity import Answered, PageParity, compare
from budwood.exporting.quantization import ROUNDING, most_lost
from budwood.inference.predictor import InputContract

MOST = 200
"""Photos that are tried; of more, as many from first to last."""


def check_page(
    browser: Chromium,
    pictures: Sequence[ImageLike],
    targets: np.ndarray,
    own: Float[np.ndarray, "n classes"],
    *,
    task: Task,
    classes: tuple[str, ...],
    input: InputContract,
    progress: Progress = SILENT,
) -> PageParity:
    """Return how the answers of a page differ from those of the run, of photos as files.

    Args:
        browser: which has the page open.
        pictures: photos of the run.
        targets: what is true of each.
        own: what the run says of each.
        task: with the thresholds of the run.
        classes: in the order of the columns.
        input: how a picture becomes a square.
        progress: told of the photos.

    Raises:
        RunError: the page loses more right answers than a quantisation may, or can read none of the photos.
    """
    chosen = np.unique(np.linspace(0, len(pictures) - 1, min(MOST, len(pictures))).round().astype(int))
    read, found = [], []
    with progress.stage("page", total=len(chosen)) as stage:
        for place in chosen.tolist():
            content = _file(pictures[place])
            answers = browser.picture(content, input.size, input.resize)
            if answers is not None:
                found.append(answers.probabilities)
                read.append(place)
            stage.advance()
    if not read:
        raise RunError(
            f"{browser.name} can read none of the {len(chosen):,} photos that were tried, so the page could not be "
            "checked. Browsers know JPEG, PNG, WebP, GIF, AVIF and BMP"
        )
    both = Answered(own[read]), Answered(np.concatenate(found))
    page = compare(task, classes, targets[read], *both, split="", batches=())
    if -page.difference > most_lost(page.photos) + ROUNDING:
        raise RunError(
            f"in {browser.name} the page answers {100 * page.export_correct:.1f} % of {page.photos:,} photos rightly, "
            f"where the run answers {100 * page.run_correct:.1f} %. Nothing was written"
        )
    return PageParity(
        browser=browser.name,
        photos=page.photos,
        unread=len(chosen) - len(read),
        same_answers=page.same_answers,
        largest_difference=page.largest_difference,
        mean_difference=page.mean_difference,
        run_correct=page.run_correct,
        page_correct=page.export_correct,
        difference=page.difference,
        difference_ci95=page.difference_ci95,
    )


def _file(picture: ImageLike) -> bytes:
    content = content_of(picture)
    if isinstance(content, bytes):
        return content
    stream = io.BytesIO()
    Image.fromarray(decode(content)).save(stream, "PNG")
    return stream.getvalue()
