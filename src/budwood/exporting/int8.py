"""int8 with as few layers at full precision as it takes: tried with none of them, then with more and more.

The layers are told apart by the noise that their rounding adds. What is tried is judged on photos of the run other than
its test photos.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from budwood.core.progress.base import Progress
from budwood.core.scaling import LabelScaling, Scaling
from budwood.evaluation.ood import ACCEPTANCE, threshold_among
from budwood.evaluation.statistics import paired_difference
from budwood.evaluation.task import Task
from budwood.exporting.checking import Source, SplitPhotos, answers_of, own_runtime
from budwood.exporting.formats.format import Format, closed_after
from budwood.exporting.parity import Answered, Fallback, Recalibration
from budwood.exporting.quantization import FEWEST, ROUNDING, Quantizer, most_lost

SHARES = (0.0, 1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""Of the layers, the noisiest, that stay at full precision, try by try."""
JUDGED_ON, FILLED_UP = 400, 200
"""Validation photos at most, and with how many training photos fewer of them are filled up to."""
WORTHWHILE = 0.01
"""Share of the loss on the validation photos that calibrating the logits anew has to take away."""


@dataclass(frozen=True)
class Found:
    """A model with int8, written into a folder."""

    folder: Path
    fallback: Fallback
    threshold: float | None
    """Of the distance, as the validation photos say; None where there are too few of them."""


def find_int8(
    quantizer: Quantizer,
    form: Format,
    source: Source,
    training: SplitPhotos,
    folder: Path,
    progress: Progress,
) -> Found:
    """Write a model with int8, again and again with more layers at full precision until it loses no more than it may.

    The last try is given whatever it loses: the test photos have the last word.

    Args:
        quantizer: of the model.
        form: its format.
        source: the model, and the validation photos that say whether a try is good enough.
        training: photos that help where there are few of them; without any photo the first try is given.
        folder: where each try gets a folder of its own.
        progress: told of each.
    """
    started, task = time.monotonic(), source.task
    own_photos = source.validation.some(JUDGED_ON)
    known = len(own_photos.pictures)
    photos = own_photos.joined(training.some(max(FILLED_UP - known, 0)))
    targets = task.encode(photos.labels, source.predictor.classes)
    own: Answered | None = None
    noisiest: list[str] | None = None
    for number, share in enumerate(SHARES, start=1):
        if share and noisiest is None:
            noisiest = list(quantizer.noisiest())
        left = tuple((noisiest or [])[: round(share * len(noisiest or []))])
        if left:
            progress.say(
                f"export: int8 loses too much; {len(left)} of {len(noisiest or [])} layers stay at f32"
            )
        place = folder / f"int8-{number}"
        place.mkdir()
        quantizer.write(place, left)
        with closed_after(form.load(place)) as runtime:
            # The run answers once, and for the same squares.
            first = [own_runtime(source.predictor)] if own is None else []
            *owns, found = answers_of(source.predictor.input, photos, [*first, runtime])
        own = owns[0] if own is None else own
        gap = paired_difference(
            task.correct(found.probabilities, targets), task.correct(own.probabilities, targets)
        )
        # Stricter than the check on the test photos, which allows twice as much where the interval holds 0.
        if -gap.difference <= most_lost(len(targets)) + ROUNDING:
            break
    # Training photos are answered with more certainty than new ones.
    held_out = found.first(known)
    scaling, recalibration = _recalibrate(task, held_out, targets[:known])
    if recalibration is not None:
        progress.say("export: calibrating the logits anew")
        place = folder / f"int8-{number}-calibrated"
        place.mkdir()
        quantizer.write(place, left, scaling)
    far = held_out.distances
    threshold = None
    if far is not None and len(far) >= FEWEST:
        threshold = threshold_among(np.sort(far), ACCEPTANCE)
    fallback = Fallback(
        tries=number,
        seconds=round(time.monotonic() - started, 1),
        photos=len(targets),
        difference=gap.difference,
        difference_ci95=(gap.low, gap.high),
        layers=None if noisiest is None else len(noisiest),
        left_at_f32=left,
        recalibration=recalibration,
    )
    return Found(place, fallback, threshold)


def _recalibrate(task: Task, found: Answered, targets: np.ndarray) -> tuple[Scaling, Recalibration | None]:
    """Return the scaling of the logits that suits these photos best, where it is worth while."""
    if len(targets) < FEWEST:
        return 1.0, None
    logits = _logits(task, found.probabilities)
    scaling = task.fit_scaling(logits, targets)
    before, after = (
        float(task.losses(shares, targets).mean())
        for shares in (found.probabilities, task.probabilities(logits, scaling))
    )
    if before - after < WORTHWHILE * before:
        return 1.0, None
    scale = scaling.scale if isinstance(scaling, LabelScaling) else (1 / scaling,)
    shift = scaling.shift if isinstance(scaling, LabelScaling) else (0.0,)
    return scaling, Recalibration(
        photos=len(targets), scale=scale, shift=shift, loss_before=before, loss_after=after
    )


def _logits(task: Task, shares: np.ndarray) -> np.ndarray:
    """Return logits of which these probabilities are made."""
    least = np.finfo(np.float32).tiny
    kept = np.log(np.maximum(shares.astype(np.float64), least))
    if task.thresholds is None:
        return kept
    # 1 in float32 is no certainty: the nearest number below is 6e-8 less.
    return kept - np.log(np.maximum(1.0 - shares.astype(np.float64), 6e-8))
