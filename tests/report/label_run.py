"""A made-up run directory with several labels a photo, by the writer of real ones."""

from pathlib import Path

import numpy as np

from budwood.config.recipe import Recipe
from budwood.core.scaling import LabelScaling
from budwood.data.label_sets import with_labels
from budwood.data.manifest import Photo
from budwood.evaluation.phases import PhaseEvaluation
from budwood.evaluation.task import MULTI_LABEL
from budwood.runs import writing as runs
from budwood.runs.figures import LabelPath, LinearPath, LinearPoint, TrainedPhase
from budwood.runs.metrics import describe
from budwood.runs.schema import CheckReport, DataInfo, RunInfo, Stage

LABELS = ["desert", "sea", "sunset", "<b>trees</b>"]
SHARES = (0.2, 0.4, 0.3, 0.3)


def build_label_run(
    folder: Path,
    *,
    skill: float = 3.0,
    n: int = 300,
    pictures: bool = True,
    missing: int | None = None,
    noise: int | None = None,
) -> dict[str, np.ndarray]:
    """Write a run directory, and return its photos by name. The sixth photo of ten has an unknown label;
    no validation photo has the label `missing`.

    `noise` decides what the model takes for labels; by default it goes on from the seed of the labels themselves.
    """
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    has = rng.random((n, len(LABELS))) < SHARES
    if missing is not None:
        has[8::10, missing] = False
    hidden = np.zeros_like(has)
    hidden[5::10, 2] = True  # of training photos
    photos = [
        with_labels(
            Photo(
                b"",
                f"{i:03}.jpg",
                "",
                ("train", "validation", "test")[max(0, i % 10 - 7)],
                f"{i:064}",
                320,
                240,
            ),
            [label for label, own, free in zip(LABELS, has[i], hidden[i], strict=True) if own and not free],
            [label for label, free in zip(LABELS, hidden[i], strict=True) if free],
        )
        for i in range(n)
    ]
    drawn = rng if noise is None else np.random.default_rng(noise)
    logits = drawn.normal(0, 1.5, has.shape) + skill * (has - 0.5)
    probabilities = (1 / (1 + np.exp(-logits))).astype(np.float32)
    recipe = Recipe.from_dict(
        {"data": {"size": 224}, "frozen": {"fit": "linear"}, "evaluate": {"resamples": 100}}
    )
    parts = {
        split: [i for i, photo in enumerate(photos) if photo.split == split]
        for split in ("validation", "test")
    }
    targets = {
        split: MULTI_LABEL.encode([photos[i].label for i in rows], LABELS) for split, rows in parts.items()
    }
    shares = {split: probabilities[rows] for split, rows in parts.items()}
    task = MULTI_LABEL.decide(shares["validation"], targets["validation"], LABELS)
    scaling = LabelScaling((1.2,) * len(LABELS), (0.1,) * len(LABELS))
    phase = TrainedPhase(
        name="frozen", seconds=2.0, epochs=1, best_epoch=1, trainable_parameters=5124, unfrozen_layers=()
    )
    runs.write_metrics(
        folder,
        describe(
            LABELS, targets, {"frozen": PhaseEvaluation(shares, scaling, task)}, [phase], "frozen", recipe
        ),
    )
    order = [i for rows in parts.values() for i in rows]
    runs.write_predictions(folder, LABELS, [photos[i] for i in order], probabilities[order], task)
    runs.write_recipe(folder, recipe)
    runs.write_check(folder, CheckReport(problems=[], found=n, kept=n, unreadable=0))
    runs.write_history(
        folder,
        [{"phase": "frozen", "epoch": 1, "loss": 0.2, "accuracy": 0.9, "val_loss": 0.3, "val_accuracy": 0.8}],
    )
    point = LinearPoint(l2_strength=0.1, loss=0.2, accuracy=0.9, loss_se=0.01)
    paths = tuple(LabelPath(label=label, chosen=0.1, path=(point,)) for label in LABELS)
    runs.write_linear_path(folder, LinearPath(chosen=0.1, path=(), labels=paths))
    runs.write_info(
        folder,
        RunInfo(
            state="complete",
            task=MULTI_LABEL.name,
            saved=False,
            budwood="0.1.0",
            command="budwood train scenes.csv",
            started="2026-11-22T07:40:12+00:00",
            stages=[Stage(name="head", seconds=2.0)],
            split=runs.write_split(folder, photos),
            versions={"budwood": "0.1.0"},
            data=DataInfo(root_name="scenes", photos=n, classes=LABELS),
        ),
    )
    return {photo.name: rng.integers(0, 256, (40, 56, 3), dtype=np.uint8) for photo in photos if pictures}
