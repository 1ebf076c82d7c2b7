"""Run directories made up for the report's tests: consistent, small, of any number of classes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import tomli_w

from budwood import files
from budwood.recipe import Recipe

FLOWERS = ["daisy", "dandelion", "roses", "sunflowers", "tulips"]


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
) -> MadeRun:
    """Writes a run directory. `names` gives the photos of each class, else there are `per_class` of each.

    `skill` is how much larger the true class's logit is on average; their spread is 1.5.
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
    metrics["verdict"] = {"difference": None, "words": "There is nothing to compare."}
    files.write_json(folder / "metrics.json", metrics)

    _write_fit(folder, fit)
    problems = [
        {"path": "roses/broken.jpg", "kind": "truncated", "detail": "the file ends early"},
        *({"path": f"tulips/{i}.jpg", "kind": "duplicate", "detail": f"same as {i}b.jpg"} for i in range(30)),
    ]
    check = {"problems": problems, "found": len(listed) + 1, "kept": len(listed), "bad": 1}
    files.write_json(folder / "check.json", check)
    recipe = Recipe.from_dict({"data": {"size": 224}, "frozen": {"fit": fit}, "evaluate": {"test": test}})
    files.write_text(folder / "recipe.toml", tomli_w.dumps(recipe.model_dump()))
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


def _write_fit(folder: Path, fit: str) -> None:
    header = ["phase", "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"]
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
        files.write_csv(folder / "history.csv", header, [["frozen", 1, 0.08, 0.98, 0.25, 0.92, "", 2.1]])
        return
    rows = [
        [
            "frozen",
            e,
            0.1 + 1.2 * 0.7**e,
            0.99 - 0.5 * 0.7**e,
            0.25 + 0.9 * 0.65**e + 0.004 * max(e - 9, 0),
            0.92 - 0.4 * 0.6**e,
            1e-3,
            0.4,
        ]
        for e in range(1, 15)
    ]
    files.write_csv(folder / "history.csv", header, rows)


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., MadeRun]:
    """A function that writes a made-up run directory; its arguments are those of `build_run`."""
    return lambda *args, **options: build_run(tmp_path / "run", *args, **options)
