"""int8 with as few layers at full precision as it takes: tried with none of them, then with more and more.

The layers are told apart by the noise that their rounding adds. What is tried is judged on validation photos, and on
the test photos by whoever asks for another try.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from budwood.core.progress.base import Progress
from budwood.core.scaling import LabelScaling, Scaling
from budwood.evaluation.ood import ACCEPTANCE, threshold_among
from budwood.evaluation.statistics import paired_difference
from budwood.evaluation.task import Task
from budwood.exporting.checking import SplitPhotos, answers_of, own_runtime
from budwood.exporting.formats.format import Format, closed_after
from budwood.exporting.parity import Answered, Fallback, Recalibration
from budwood.exporting.quantization import FEWEST, Quantizer, most_lost
from budwood.inference.predictor import Predictor

SHARES = (0.0, 1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""Of the layers, the noisiest, that stay at full precision, try by try."""
JUDGED_ON = 200
"""Validation photos at most."""
WORTHWHILE = 0.01
"""Share of the loss on the validation photos that calibrating the logits anew has to take away."""


@dataclass(frozen=True)
class Try:
    """A model with int8, written into a folder."""

    folder: Path
    fallback: Fallback
    threshold: float | None
    """Of the distance, as the validation photos say; None where there are too few of them."""


def tries(
    quantizer: Quantizer,
    form: Format,
    predictor: Predictor,
    task: Task,
    validation: SplitPhotos,
    folder: Path,
    progress: Progress,
) -> Iterator[Try]:
    """Write a model with int8 again and again, each time with more layers at full precision.

    Args:
        quantizer: of the model.
        form: its format.
        predictor: of the run.
        task: with the thresholds of the run.
        validation: photos that say whether a try is good enough to be given.
        folder: where each try gets a folder of its own.
        progress: told of each.
    """
    started, number = time.monotonic(), 0
    photos = validation.some(JUDGED_ON)
    targets = task.encode(photos.labels, predictor.classes) if photos.pictures else np.zeros(0)
    own: Answered | None = None
    noisiest: list[str] | None = None
    for share in SHARES:
        if share and noisiest is None:
            noisiest = list(quantizer.noisiest())
        left = tuple((noisiest or [])[: round(share * len(noisiest or []))])
        number += 1
        if left:
            progress.say(
                f"export: int8 loses too much; {len(left)} of {len(noisiest or [])} layers stay at f32"
            )
        place = folder / f"int8-{number}"
        place.mkdir()
        quantizer.write(place, left)
        recalibration, threshold = None, None
        if photos.pictures:
            with closed_after(form.load(place)) as runtime:
                # The run answers once, and for the same squares.
                first = [own_runtime(predictor)] if own is None else []
                *owns, found = answers_of(predictor.input, photos, [*first, runtime])
            own = owns[0] if own is None else own
            if _loses(task, own, found, targets) and share != SHARES[-1]:
                continue
            scaling, recalibration = _recalibrate(task, found, targets)
            if recalibration is not None:
                progress.say("export: calibrating the logits anew")
                place = folder / f"int8-{number}-calibrated"
                place.mkdir()
                quantizer.write(place, left, scaling)
            if found.distances is not None and len(found.distances) >= FEWEST:
                threshold = threshold_among(np.sort(found.distances), ACCEPTANCE)
        yield Try(
            place,
            Fallback(
                tries=number,
                seconds=round(time.monotonic() - started, 1),
                layers=None if noisiest is None else len(noisiest),
                left_at_f32=left,
                recalibration=recalibration,
            ),
            threshold,
        )


def _loses(task: Task, own: Answered, found: Answered, targets: np.ndarray) -> bool:
    """Return whether so many photos lose right answers, more than is allowed, that it is not chance: the 95 % interval
    of the difference lies below zero (Tango 1998)."""
    gap = paired_difference(
        task.correct(found.probabilities, targets), task.correct(own.probabilities, targets)
    )
    return -gap.difference > most_lost(len(targets)) + 1e-9 and gap.high < 0


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
