"""The report of a large run against that of a small one: how large it is, how long it takes to write and to open.

    PYTHONPATH=src python -m benchmarks.report_size       a minute or two

Large: 60,000 photos of 400 classes, 2,000 of them test photos. Small: 3,670 photos of 5 classes, 367 of them test
photos, as tf_flowers has. What was predicted is made up; the pictures are those of tf_flowers, under as many names as
it takes. Read the ratios, not the seconds.
"""

import shutil
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.against_keras import FOLDER, find_material
from budwood.config.recipe import Recipe
from budwood.data.manifest import Photo
from budwood.evaluation.phases import PhaseEvaluation
from budwood.evaluation.task import SINGLE_LABEL
from budwood.report.page import write_report
from budwood.runs import writing
from budwood.runs.directory import now
from budwood.runs.figures import LinearPath, TrainedPhase
from budwood.runs.metrics import describe
from budwood.runs.schema import CheckReport, DataInfo, RunInfo, Stage
from tests.browser import opened, start_browser

REPEATS = 3


@dataclass(frozen=True)
class Size:
    """How large a made-up run is."""

    name: str
    photos: int
    classes: int
    held_out: int
    """Test photos, and as many for validation."""


SIZES = [Size("small", 3_670, 5, 367), Size("large", 60_000, 400, 2_000)]


def main() -> None:
    data, _ = find_material()
    pictures = sorted(data.glob("*/*.jpg"))
    measured = []
    with start_browser() as browser:
        for size in SIZES:
            folder = FOLDER / f"report-{size.name}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            names = make_run(folder, size)
            photos = {name: pictures[place % len(pictures)] for place, name in enumerate(names)}
            writing, opening = [], []
            for _ in range(REPEATS):
                start = time.perf_counter()
                path = write_report(folder, photos)
                writing.append(time.perf_counter() - start)
                opening.append(time_to_load(browser, path))
            megabytes = path.stat().st_size / 1e6
            measured.append((statistics.median(writing), statistics.median(opening), megabytes))
            print(
                f"{size.name}: {size.photos:,} photos, {size.classes} classes, {size.held_out:,} test photos: "
                f"{megabytes:.1f} MB, written in {measured[-1][0]:.2f} s, loaded in {measured[-1][1]:.2f} s"
            )
    small, large = measured
    ratios = [big / little for big, little in zip(large, small, strict=True)]
    print(
        "large / small: written in {:.1f} times, loaded in {:.1f} times, {:.1f} times the size".format(
            *ratios
        )
    )


def time_to_load(browser, path: Path) -> float:
    """Seconds until Chromium fires `load`."""
    with opened(browser, path) as found:
        return found.page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") / 1000


def make_run(folder: Path, size: Size) -> list[str]:
    """Writes the files of a run whose predictions are made up; returns the names of its photos."""
    rng = np.random.default_rng(0)
    classes = tuple(f"species {number:03}" for number in range(size.classes))
    truth = rng.permutation(np.arange(size.photos) % size.classes)
    splits = ["validation"] * size.held_out + ["test"] * size.held_out
    splits += ["train"] * (size.photos - len(splits))
    photos = [
        Photo(b"", f"{classes[label]}/image_{place:06}.jpg", classes[label], split, f"{place:064x}", 320, 240)
        for place, (label, split) in enumerate(zip(truth, splits, strict=True))
    ]
    logits = rng.normal(0, 1.5, (2 * size.held_out, size.classes))
    logits[np.arange(len(logits)), truth[: len(logits)]] += 2.5 + np.log(size.classes) / 2
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    recipe = Recipe.from_dict({"data": {"size": 224}, "evaluate": {"resamples": 100}})
    parts = {"validation": slice(0, size.held_out), "test": slice(size.held_out, None)}
    evaluation = PhaseEvaluation(
        {name: probabilities[part] for name, part in parts.items()}, 1.0, SINGLE_LABEL
    )
    labels = {name: truth[: len(logits)][part] for name, part in parts.items()}
    phase = TrainedPhase(
        name="frozen", seconds=60.0, epochs=1, best_epoch=1, trainable_parameters=0, unfrozen_layers=()
    )
    metrics = describe(classes, labels, {"frozen": evaluation}, [phase], "frozen", recipe)
    writing.write_metrics(folder, metrics)
    writing.write_recipe(folder, recipe)
    write_records(folder, classes, photos, probabilities)
    return [photo.name for photo in photos]


def write_records(
    folder: Path, classes: Sequence[str], photos: Sequence[Photo], probabilities: np.ndarray
) -> None:
    writing.write_predictions(folder, classes, photos[: len(probabilities)], probabilities)
    row = {"phase": "frozen", "epoch": 1, "loss": 0.1, "accuracy": 0.99, "val_loss": 0.4, "val_accuracy": 0.9}
    writing.write_history(folder, [row])
    writing.write_linear_path(folder, LinearPath(chosen=0.01, path=()))
    writing.write_check(folder, CheckReport(problems=(), found=len(photos), kept=len(photos), unreadable=0))
    info = RunInfo(
        state="complete",
        task=SINGLE_LABEL.name,
        budwood="0",
        command="made up",
        started=now(),
        stages=(Stage(name="features", seconds=60.0),),
        split=writing.write_split(folder, photos),
        data=DataInfo(root_name="made up", photos=len(photos), classes=tuple(classes)),
    )
    writing.write_info(folder, info)


if __name__ == "__main__":
    main()
