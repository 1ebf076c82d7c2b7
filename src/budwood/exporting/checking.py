"""What the run's model and an exported one answer for the same squares of the same photos, and how fast."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from budwood.core.errors import RunError
from budwood.core.progress.base import SILENT, Progress
from budwood.core.system import num_cores
from budwood.data.images import ImageLike, view
from budwood.evaluation.ood import Reference
from budwood.evaluation.task import Task
from budwood.exporting.formats.format import Answers, Runtime
from budwood.exporting.network import DISTANCE, PROBABILITIES, Network
from budwood.exporting.parity import LARGEST_DIFFERENCE, Answered, Speed
from budwood.exporting.quantization import Square
from budwood.inference.model_info import ModelInfo
from budwood.inference.predictor import InputContract, Predictor

BATCHES = (1, 7)
"""Numbers of pictures at once that every export is tried with: one, and one that no exporter has fixed."""
TIMED = 30
"""Pictures, one at a time, that the speed is measured on."""


@dataclass(frozen=True)
class SplitPhotos:
    """Photos of one split of a run."""

    split: str
    pictures: Sequence[ImageLike]
    labels: Sequence[str]
    """The true class, or labels, of each photo."""
    names: Sequence[str] = ()
    """The name of each photo in the run."""
    missing: int = 0
    """Further photos that the split has, and that were not found."""

    def some(self, most: int) -> "SplitPhotos":
        """Return at most so many of them, spread over all."""
        chosen = np.linspace(0, len(self.pictures) - 1, min(most, len(self.pictures))).round().astype(int)
        pictures, labels, names = (
            [some[place] for place in chosen] if some else []
            for some in (self.pictures, self.labels, self.names)
        )
        return SplitPhotos(self.split, pictures, labels, names)

    def joined(self, other: "SplitPhotos") -> "SplitPhotos":
        """Return these photos, and then those of another split."""
        return SplitPhotos(
            self.split,
            [*self.pictures, *other.pictures],
            [*self.labels, *other.labels],
            [*self.names, *other.names],
        )


@dataclass(frozen=True)
class Source:
    """A trained model, and what its exports are compared with."""

    info: ModelInfo
    network: Callable[[Reference | None], Network]
    """Returns what is exported, with how far a picture lies from known photos where a reference is given."""
    predictor: Predictor
    """Of the same model."""
    task: Task
    """With the thresholds of the run."""
    test: SplitPhotos
    """Photos that the model did not learn from, which every export is checked on."""
    validation: SplitPhotos
    """Photos by which a quantised model is calibrated."""


def squares(pictures: Sequence[ImageLike], wanted: InputContract) -> Iterator[Square]:
    """Return what a model sees of each picture, a batch of one, in order."""
    with ThreadPoolExecutor(num_cores()) as pool:
        for square in pool.map(lambda picture: _view(picture, wanted), pictures):
            yield square.astype(np.float32)[None]


def own_runtime(predictor: Predictor) -> Runtime:
    """Return the model of a run as exported ones are run."""

    def run(pixels: np.ndarray) -> Answers:
        scores = list(predictor.scores(list(pixels.astype(np.uint8))))
        found = {PROBABILITIES: np.stack([one.probabilities for one in scores])}
        if predictor.ood is not None:
            # Most predictors compute it on the way.
            far = [
                predictor.ood.distance(one.features) if one.distance is None else one.distance
                for one in scores
            ]
            found[DISTANCE] = np.array(far, np.float32)[:, None]
        return found

    return run


def answers_of(
    wanted: InputContract, photos: SplitPhotos, runtimes: Sequence[Runtime], progress: Progress = SILENT
) -> list[Answered]:
    """Return what each of several models answers for the same squares of some photos.

    Raises:
        RunError: a model answers otherwise for one picture than for the same among several.
    """
    found: list[list[Answered]] = [[] for _ in runtimes]
    with (
        progress.stage("check", total=len(photos.pictures)) as stage,
        ThreadPoolExecutor(num_cores()) as pool,
    ):
        views = pool.map(lambda picture: _view(picture, wanted), photos.pictures)
        for number, batch in enumerate(_batches(views, BATCHES[-1])):
            pixels = np.stack(batch).astype(np.float32)
            for runtime, kept in zip(runtimes, found, strict=True):
                answers = runtime(pixels)
                if number == 0:
                    _refuse_fixed_batch(runtime, pixels, answers)
                kept.append(answered(answers))
            stage.advance(len(batch))
    return [_joined(parts) for parts in found]


def answered(answers: Answers) -> Answered:
    """Return the outputs of a runtime, the distances as one number a picture."""
    far = answers.get(DISTANCE)
    return Answered(answers[PROBABILITIES], None if far is None else far[:, 0])


def measure_speed(
    pictures: Sequence[ImageLike],
    wanted: InputContract,
    runtimes: tuple[Runtime, Runtime],
    places: Sequence[Path],
) -> Speed:
    """Return the speed of two models on some pictures, and the size of their folders: at full precision, and with fewer
    bits."""
    # In turn, so that a machine that is shared or warms up favours neither.
    seconds: tuple[list[float], list[float]] = ([], [])
    for square in squares(pictures[:TIMED], wanted):
        for runtime, found in zip(runtimes, seconds, strict=True):
            started = time.perf_counter()
            runtime(square)
            found.append(time.perf_counter() - started)
    milliseconds = [1000 * float(np.median(some)) for some in seconds]
    megabytes = [sum(file.stat().st_size for file in files_of(one)) / 1e6 for one in places]
    return Speed(
        f32_milliseconds=round(milliseconds[0], 2),
        milliseconds=round(milliseconds[1], 2),
        f32_megabytes=round(megabytes[0], 2),
        megabytes=round(megabytes[1], 2),
    )


def files_of(folder: Path) -> list[Path]:
    """Return every file below a folder, sorted."""
    return sorted(file for file in folder.rglob("*") if file.is_file())


def _view(picture: ImageLike, wanted: InputContract) -> np.ndarray:
    return view(picture, wanted.size, wanted.resize, wanted.levels)


def _refuse_fixed_batch(runtime: Runtime, pixels: np.ndarray, together: Answers) -> None:
    alone = [runtime(pixels[at : at + 1]) for at in range(len(pixels))]
    for name, some in together.items():
        if np.abs(np.concatenate([one[name] for one in alone]) - some).max() > LARGEST_DIFFERENCE:
            raise RunError(
                "the exported model answers otherwise for one picture at a time than for several, on this processor. "
                "Nothing was written: give another --format, or leave out --quantize"
            )


def _joined(parts: Sequence[Answered]) -> Answered:
    far = [one.distances for one in parts if one.distances is not None]
    return Answered(
        np.concatenate([one.probabilities for one in parts]), np.concatenate(far) if far else None
    )


def _batches(views: Iterable[np.ndarray], most: int) -> Iterator[list[np.ndarray]]:
    batch: list[np.ndarray] = []
    for one in views:
        batch.append(one)
        if len(batch) == most:
            yield batch
            batch = []
    if batch:
        yield batch
