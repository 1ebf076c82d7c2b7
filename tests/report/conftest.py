"""Run directories made up for the report's tests: consistent, small, of any number of classes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from budwood.config.recipe import Recipe
from budwood.core import files
from budwood.evaluation.calibration import before_and_after
from budwood.evaluation.verdict import compare_phases

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


def _scores(labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]) -> dict:
    num_classes = len(classes)
    confusion = np.zeros((num_classes, num_classes), int)
    np.add.at(confusion, (labels, probabilities.argmax(1)), 1)
    right = np.diag(confusion)
    precision = right / np.maximum(confusion.sum(0), 1)
    recall = right / np.maximum(confusion.sum(1), 1)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    accuracy = float(right.sum() / len(labels))
    around = [max(accuracy - 0.03, 0.0), min(accuracy + 0.025, 1.0)]
    scores = {
        "n": len(labels),
        "loss": float(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12)).mean()),
        "loss_ci95": [0.2, 0.4],
        "accuracy": accuracy,
        "accuracy_ci95": around,
        "top5_accuracy": 0.99 if num_classes > 5 else None,
        "balanced_accuracy": float(recall.mean()),
        "balanced_accuracy_ci95": around,
        "macro_f1": float(f1.mean()),
        "macro_f1_ci95": around,
        "weighted_precision": accuracy,
        "weighted_recall": accuracy,
        "weighted_f1": accuracy,
        "ece": 0.021,
        "confusion": confusion.tolist(),
    }
    scores["per_class"] = [
        {
            "class": name,
            "precision": float(precision[i]),
            "recall": float(recall[i]),
            "f1": float(f1[i]),
            "support": int(confusion[i].sum()),
        }
        for i, name in enumerate(classes)
    ]
    return scores


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
) -> MadeRun:
    """Writes a run directory. `names` gives the photos of each class, else there are `per_class` of each.

    `skill` is how much larger the true class's logit is on average; their spread is 1.5. With `finetuned` there were
    two phases, of which the second was kept.
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

    files.write_csv(
        folder / "split.csv",
        ["name", "label", "split", "sha256", "width", "height"],
        ([n, classes[k], s, "0" * 64, 320, 240] for n, k, s in zip(listed, labels, splits, strict=True)),
    )
    shown = np.flatnonzero(parts != "train")
    files.write_csv(
        folder / "predictions.csv",
        ["name", "split", "true", "predicted", "correct", "probability", *(f"p:{name}" for name in classes)],
        (
            [
                listed[i],
                splits[i],
                classes[truth[i]],
                classes[(top := int(probabilities[i].argmax()))],
                int(top == truth[i]),
                f"{probabilities[i, top]:.6g}",
                *(f"{p:.6g}" for p in probabilities[i]),
            ]
            for i in shown
        ),
    )
    metrics = {
        split: _scores(truth[parts == split], probabilities[parts == split], classes)
        if (parts == split).any()
        else None
        for split in ("validation", "test")
    }
    metrics["phases"] = [{"name": "frozen", "seconds": 2.1, "best_epoch": 9 if fit == "gradient" else None}]
    metrics["chosen_phase"] = "frozen"
    metrics["calibration"] = {"temperature": 1.6} | {
        split: before_and_after(probabilities[parts == split], truth[parts == split], 1.6)
        for split in ("validation", "test")
        if (parts == split).any()
    }
    metrics["verdict"] = {"difference": None, "words": "There is nothing to compare."}
    if finetuned:
        before = probabilities + rng.gumbel(0, 0.15, probabilities.shape)
        layers = [
            *LAYERS,
            ("head_logits", "Dense", f"{len(classes)}", 1281 * len(classes), True, "trainable"),
        ]
        _write_layers(folder, layers)
        _add_finetuning(metrics, fit, layers, truth, before.argmax(1), probabilities.argmax(1), parts)
    files.write_json(folder / "metrics.json", metrics)

    _write_fit(folder, fit, finetuned, len(classes))
    problems = [
        {"path": "roses/broken.jpg", "kind": "truncated", "detail": "the file ends early"},
        *({"path": f"tulips/{i}.jpg", "kind": "duplicate", "detail": f"same as {i}b.jpg"} for i in range(30)),
    ]
    check = {"problems": problems, "found": len(listed) + 1, "kept": len(listed), "bad": 1}
    files.write_json(folder / "check.json", check)
    asked = {"data": {"size": 224}, "frozen": {"fit": fit}, "evaluate": {"test": test}}
    if finetuned:
        asked |= {"augment": AUGMENTED, "finetune": {"epochs": 10}, "loss": {"label_smoothing": 0.1}}
    recipe = Recipe.from_dict(asked)
    files.write_text(folder / "recipe.toml", recipe.to_toml())
    seconds = {"check": 1.9, "features": 29.4, "head": 2.1, "evaluate": 3.6, "save": 1.2}
    files.write_json(
        folder / "run.json",
        {
            "state": "running",
            "budwood": "0.1.0",
            "command": f"budwood train flower_photos -o {folder.name}",
            "started": "2026-11-22T07:40:12+00:00",
            "finished": None,
            "stages": [{"name": name, "seconds": value} for name, value in seconds.items()],
            "features": {"computed": len(listed), "found": 0, "engine": "openvino", "fingerprint": "5f" * 16},
            "versions": {"budwood": "0.1.0", "keras": "3.15.1", "openvino": "2026.4.0", "python": "3.11.9"},
            "data": {"root_name": "flower_photos", "photos": len(listed), "classes": classes},
            "notes": ["1 photo left out: truncated"],
        },
    )
    return made


def _add_finetuning(metrics: dict, fit: str, layers: Sequence[tuple], truth, before, after, parts) -> None:
    """Two phases and their verdict, in place of one."""
    gradient = fit == "gradient"
    trained = [layer for layer in layers if layer[4]]
    frozen = {
        "name": "frozen",
        "seconds": 2.1,
        "epochs": 14 if gradient else 1,
        "best_epoch": 9 if gradient else 1,
        "trainable_parameters": layers[-1][3],
        "unfrozen_layers": [],
        "validation_loss": 0.2543,
    }
    tuned = {
        "name": "finetune",
        "seconds": 341.7,
        "epochs": 10,
        "best_epoch": 22 if gradient else 9,
        "trainable_parameters": sum(layer[3] for layer in trained),
        "unfrozen_layers": [layer[0] for layer in trained[:-1]],
        "validation_loss": 0.2107,
    }
    for phase, predicted in [(frozen, before), (tuned, after)]:
        for split in ("validation", "test"):
            shown = parts == split
            phase[f"{split}_accuracy"] = float((predicted == truth)[shown].mean()) if shown.any() else None
    judged = "test" if (parts == "test").any() else "validation"
    right_before, right_after = ((predicted == truth)[parts == judged] for predicted in (before, after))
    metrics["phases"] = [frozen, tuned]
    metrics["chosen_phase"] = "finetune"
    metrics["verdict"] = compare_phases(right_before, right_after, split=judged)


def _inverted_block(number: int, width: int, trained: bool) -> list[tuple]:
    name, part = f"block_{number}", "trainable" if number > 12 else "frozen"
    side = "7x7" if number > 12 else "14x14"
    return [
        (f"{name}_expand", "Conv2D", f"{side}x{6 * width}", 6 * width**2, trained, part),
        (f"{name}_expand_BN", "BatchNormalization", f"{side}x{6 * width}", 24 * width, False, part),
        (f"{name}_expand_relu", "ReLU", f"{side}x{6 * width}", 0, False, part),
        (f"{name}_depthwise", "DepthwiseConv2D", f"{side}x{6 * width}", 54 * width, trained, part),
        (f"{name}_depthwise_BN", "BatchNormalization", f"{side}x{6 * width}", 24 * width, False, part),
        (f"{name}_project", "Conv2D", f"{side}x{width}", 6 * width**2, trained, part),
        (f"{name}_add", "Add", f"{side}x{width}", 0, False, part),
    ]


LAYERS = [
    ("input_layer", "InputLayer", "224x224x3", 0, False, "frozen"),
    ("preprocess", "Rescaling", "224x224x3", 0, False, "frozen"),
    ("Conv1", "Conv2D", "112x112x32", 864, False, "frozen"),
    *(row for number in range(1, 17) for row in _inverted_block(number, 16 + 8 * number, number > 13)),
    ("Conv_1", "Conv2D", "7x7x1280", 184_320, True, "trainable"),
    ("pooling", "GlobalAveragePooling2D", "1280", 0, False, "trainable"),
]


def _write_layers(folder: Path, layers: Sequence[tuple]) -> None:
    header = ["name", "kind", "shape", "parameters", "trained", "part"]
    files.write_csv(folder / "layers.csv", header, ([*row[:4], int(row[4]), row[5]] for row in layers))


def _write_fit(folder: Path, fit: str, finetuned: bool, num_classes: int) -> None:
    rows: list[dict] = []
    if fit == "linear":
        strengths = [10.0 ** (power / 2) for power in range(-12, 1)]
        path = [
            {
                "strength": s,
                "loss": 0.24 + 0.012 * (np.log10(s) + 3.2) ** 2,
                "loss_se": 0.011,
                "accuracy": 0.919 - 0.006 * (np.log10(s) + 3) ** 2,
            }
            for s in strengths
        ]
        files.write_json(folder / "linear_path.json", {"chosen": strengths[6], "path": path})
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
    if num_classes > 5:
        for row in rows:
            row["top5_accuracy"] = (1 + row["accuracy"]) / 2
            row["val_top5_accuracy"] = (1 + row["val_accuracy"]) / 2
    figures = [
        "loss",
        "accuracy",
        "top5_accuracy",
        "val_loss",
        "val_accuracy",
        "val_top5_accuracy",
        "learning_rate",
    ]
    header = [key for key in figures if any(key in row for row in rows)]
    files.write_csv(
        folder / "history.csv",
        ["phase", "epoch", *header],
        (
            ["frozen" if e <= num_frozen else "finetune", e, *(row.get(key, "") for key in header)]
            for e, row in enumerate(rows, 1)
        ),
    )


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., MadeRun]:
    """A function that writes a made-up run directory; its arguments are those of `build_run`."""
    return lambda *args, **options: build_run(tmp_path / "run", *args, **options)
