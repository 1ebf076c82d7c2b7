"""Run directories for the report's tests: made-up answers for any number of classes, by the writer of real ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from budwood.config.recipe import Recipe
from budwood.data.manifest import Photo
from budwood.data.taxonomy import Taxonomy
from budwood.evaluation.phases import MEASURED, PhaseEvaluation
from budwood.evaluation.task import SINGLE_LABEL
from budwood.evaluation.taxonomy import LabelTree
from budwood.runs import writing as runs
from budwood.runs.figures import LinearPath, LinearPoint, TrainedPhase
from budwood.runs.metrics import describe
from budwood.runs.schema import CheckReport, DataInfo, EpochRow, FeaturesInfo, RunInfo, Stage, Warned

RESAMPLES = 200
FLOWERS = ["daisy", "dandelion", "roses", "sunflowers", "tulips"]
AUGMENTED = {
    "views": "per-epoch",
    "horizontal_flip": True,
    "vertical_flip": True,
    "rotation": 0.1,
    "zoom": 0.1,
}


@dataclass
class MadeRun:
    """A made-up run directory and its photos."""

    folder: Path
    classes: list[str]
    photos: dict[str, np.ndarray] = field(default_factory=dict)


def build_run(
    folder: Path,
    classes: Sequence[str] = FLOWERS,
    *,
    names: dict[str, list[str]] | None = None,
    per_class: int = 40,
    fit: str = "linear",
    test: bool = True,
    skill: float = 2.0,
    finetuned: bool = False,
    groups: int = 0,
    taxonomy: Taxonomy | None = None,
) -> MadeRun:
    """Writes a run directory. `names` gives the photos of each class, else there are `per_class` of each.

    `skill` is how much larger the true class's logit is on average; their spread is 1.5. With `finetuned` there were
    two phases, of which the second was kept. With `groups` the photos of a class and split are of so many groups.
    """
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    classes = list(classes)
    made = MadeRun(folder, classes)
    splits, labels, listed = [], [], []
    for index, label in enumerate(classes):
        for number, name in enumerate(
            (names or {}).get(label) or [f"{label}/{i:04}.jpg" for i in range(per_class)]
        ):
            split = "validation" if number % 10 == 8 else "test" if number % 10 == 9 and test else "train"
            splits.append(split), labels.append(index), listed.append(name)
            if names is None and (len(classes) <= 30 or number < 2):
                made.photos[name] = rng.integers(0, 256, (40, 56, 3), dtype=np.uint8)
    truth, parts = np.array(labels), np.array(splits)

    logits = rng.normal(0, 1.5, (len(truth), len(classes))).astype(np.float32)
    logits[np.arange(len(truth)), truth] += skill + np.log(len(classes)) / 2
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)

    photos = [
        Photo(
            *(b"", name, classes[index], split, "0" * 64, 320, 240),
            group=f"{classes[index]} {split} {number % groups}" if groups else None,
        )
        for number, (name, index, split) in enumerate(zip(listed, labels, splits, strict=True))
    ]
    measured = [split for split in MEASURED if (parts == split).any()]
    by_split = {split: truth[parts == split] for split in measured}

    def evaluated(shares: np.ndarray) -> PhaseEvaluation:
        return PhaseEvaluation({split: shares[parts == split] for split in measured}, 1.6, SINGLE_LABEL)

    asked = {
        "data": {"size": 224},
        "frozen": {"fit": fit},
        "evaluate": {"test": test, "resamples": RESAMPLES},
    }
    if finetuned:
        asked |= {"augment": AUGMENTED, "finetune": {"epochs": 10}, "loss": {"label_smoothing": 0.1}}
    recipe = Recipe.from_dict(asked)
    rows, epochs = _epochs(fit, finetuned, len(classes))
    evaluations = {"frozen": evaluated(probabilities)}
    phases = [_phase("frozen", 2.1, epochs, 9 if fit == "gradient" else 1, 1281 * len(classes))]
    if finetuned:
        before = probabilities + rng.gumbel(0, 0.15, probabilities.shape)
        before = (np.exp(before) / np.exp(before).sum(1, keepdims=True)).astype(np.float32)
        evaluations = {"frozen": evaluated(before), "finetune": evaluated(probabilities)}
        layers = [
            *LAYERS,
            MadeLayer("head_logits", "Dense", (len(classes),), 1281 * len(classes), True, "trainable"),
        ]
        trained = [layer for layer in layers if layer.trained]
        best = 22 if fit == "gradient" else 9
        names = tuple(layer.name for layer in trained[:-1])
        phases.append(_phase("finetune", 341.7, 10, best, sum(layer.parameters for layer in trained), names))
        runs.write_layers(folder, layers)

    runs.write_recipe(folder, recipe)
    problems = [
        {"path": "roses/broken.jpg", "kind": "truncated", "detail": "the file ends early"},
        *({"path": f"tulips/{i}.jpg", "kind": "duplicate", "detail": f"same as {i}b.jpg"} for i in range(30)),
    ]
    runs.write_check(
        folder, CheckReport(problems=problems, found=len(listed) + 1, kept=len(listed), unreadable=1)
    )
    runs.write_history(folder, rows)
    if fit == "linear":
        runs.write_linear_path(folder, PATH)
    order = np.concatenate([np.flatnonzero(parts == split) for split in measured])
    runs.write_predictions(folder, classes, [photos[i] for i in order], probabilities[order])
    tree = None
    if taxonomy:
        runs.write_taxonomy(folder, taxonomy)
        tree = LabelTree(taxonomy, tuple(classes))
    members = {split: [photo for photo in photos if photo.split == split] for split in measured}
    runs.write_metrics(
        folder,
        describe(
            *(classes, by_split, evaluations, phases, phases[-1].name, recipe),
            parts=members if groups else None,
            tree=tree,
        ),
    )
    seconds = {"check": 1.9, "features": 29.4, "head": 2.1, "evaluate": 3.6, "save": 1.2}
    runs.write_info(
        folder,
        RunInfo(
            state="running",
            task="single-label",
            budwood="0.1.0",
            command=f"budwood train flower_photos -o {folder.name}",
            started="2026-11-22T07:40:12+00:00",
            stages=[Stage(name=name, seconds=value) for name, value in seconds.items()],
            split=runs.write_split(folder, photos),
            features=FeaturesInfo(computed=len(listed), found=0, engine="openvino", fingerprint="5f" * 16),
            versions={"budwood": "0.1.0", "keras": "3.15.1", "openvino": "2026.4.0", "python": "3.11.9"},
            data=DataInfo(root_name="flower_photos", photos=len(listed), classes=classes),
            warnings=[Warned(kind="data", text="1 photo left out: truncated")],
        ),
    )
    return made


def _phase(
    name: str, seconds: float, epochs: int, best: int, parameters: int, unfrozen: Sequence[str] = ()
) -> TrainedPhase:
    return TrainedPhase(
        name=name,
        seconds=seconds,
        epochs=epochs,
        best_epoch=best,
        trainable_parameters=parameters,
        unfrozen_layers=unfrozen,
    )


class MadeLayer(NamedTuple):
    """A layer as `budwood.network.unfreeze` describes it."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    trained: bool
    part: str


def _inverted_block(number: int, width: int, trained: bool) -> list[MadeLayer]:
    name, part = f"block_{number}", "trainable" if number > 12 else "frozen"
    side = 7 if number > 12 else 14
    wide, narrow = (side, side, 6 * width), (side, side, width)
    return [
        MadeLayer(f"{name}_expand", "Conv2D", wide, 6 * width**2, trained, part),
        MadeLayer(f"{name}_expand_BN", "BatchNormalization", wide, 24 * width, False, part),
        MadeLayer(f"{name}_expand_relu", "ReLU", wide, 0, False, part),
        MadeLayer(f"{name}_depthwise", "DepthwiseConv2D", wide, 54 * width, trained, part),
        MadeLayer(f"{name}_depthwise_BN", "BatchNormalization", wide, 24 * width, False, part),
        MadeLayer(f"{name}_project", "Conv2D", narrow, 6 * width**2, trained, part),
        MadeLayer(f"{name}_add", "Add", narrow, 0, False, part),
    ]


LAYERS = [
    MadeLayer("input_layer", "InputLayer", (224, 224, 3), 0, False, "frozen"),
    MadeLayer("preprocess", "Rescaling", (224, 224, 3), 0, False, "frozen"),
    MadeLayer("Conv1", "Conv2D", (112, 112, 32), 864, False, "frozen"),
    *(row for number in range(1, 17) for row in _inverted_block(number, 16 + 8 * number, number > 13)),
    MadeLayer("Conv_1", "Conv2D", (7, 7, 1280), 184_320, True, "trainable"),
    MadeLayer("pooling", "GlobalAveragePooling2D", (1280,), 0, False, "trainable"),
]
PATH = LinearPath(
    chosen=1e-3,
    path=[
        LinearPoint(
            l2_strength=strength,
            loss=0.24 + 0.012 * (np.log10(strength) + 3.2) ** 2,
            loss_se=0.011,
            accuracy=0.919 - 0.006 * (np.log10(strength) + 3) ** 2,
        )
        for strength in (10.0 ** (power / 2) for power in range(-12, 1))
    ],
)


def _epochs(fit: str, finetuned: bool, num_classes: int) -> tuple[list[EpochRow], int]:
    """The rows of history.csv, and how many are of phase "frozen"."""
    rows: list[EpochRow] = []
    if fit == "linear":
        rows.append({"loss": 0.08, "accuracy": 0.98, "val_loss": 0.25, "val_accuracy": 0.92})
    else:
        rows += [
            {
                "loss": 0.1 + 1.2 * 0.7**e,
                "accuracy": 0.99 - 0.5 * 0.7**e,
                "val_loss": 0.25 + 0.9 * 0.65**e + 0.004 * max(e - 9, 0),
                "val_accuracy": 0.92 - 0.4 * 0.6**e,
                "learning_rate": 1e-3,
            }
            for e in range(1, 15)
        ]
    num_frozen = len(rows)
    rows += [
        {
            "loss": 0.42 + 0.3 * 0.75**e,
            "accuracy": 0.95 - 0.12 * 0.7**e,
            "val_loss": 0.20 + 0.06 * 0.7**e + 0.006 * max(e - 8, 0),
            "val_accuracy": 0.95 - 0.04 * 0.7**e,
            "learning_rate": 1e-5,
        }
        for e in range(1, 11 if finetuned else 1)
    ]
    for epoch, row in enumerate(rows, 1):
        row |= {"phase": "frozen" if epoch <= num_frozen else "finetune", "epoch": epoch}
        if num_classes > 5:
            row["top5_accuracy"] = (1 + row["accuracy"]) / 2
            row["val_top5_accuracy"] = (1 + row["val_accuracy"]) / 2
    return rows, num_frozen


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., MadeRun]:
    """A function that writes a made-up run directory; its arguments are those of `build_run`."""
    return lambda *args, **options: build_run(tmp_path / "run", *args, **options)
