"""What each section of the report says, as plain values for the template."""

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from budwood.data.images import ImageLike
from budwood.evaluation.statistics import wilson_interval
from budwood.report import words
from budwood.report.contents import START, Contents, Prediction
from budwood.report.pictures import heat_map, thumbnail

SPLITS = ("train", "validation", "test")
MOST_IN_TABLE = 30
"""Classes up to which the confusion matrix is a table; beyond, a picture."""
MOST_STRIPS = 20
SAMPLES = 6
MISTAKES = 24
LISTED = 20

FIGURES = [
    ("accuracy", "Accuracy", "share of photos classified correctly", True),
    ("top5_accuracy", "Top-5 accuracy", "the true class is among the five most probable", True),
    ("balanced_accuracy", "Balanced accuracy", "mean recall of the classes, each counted alike", True),
    ("macro_f1", "Macro F1", "mean F1 of the classes, each counted alike", True),
    ("weighted_precision", "Weighted precision", "mean precision, by photos of the class", True),
    ("weighted_recall", "Weighted recall", "mean recall, by photos of the class", True),
    ("weighted_f1", "Weighted F1", "mean F1, by photos of the class", True),
    ("loss", "Loss", "mean negative log-likelihood; lower is better", False),
    (
        "ece",
        "Calibration error",
        "how far stated probabilities are from the truth (ECE); lower is better",
        True,
    ),
]


def summarize(contents: Contents) -> dict[str, Any]:
    """The headline figure, its sentences and the key facts."""
    split = contents.judged
    scores = contents.metrics[split]
    support = [sum(row) for row in scores["confusion"]]
    verdict = contents.metrics.get("verdict") or {}
    compared = verdict.get("difference") is not None
    return {
        "run": contents.folder.resolve().name,
        "data": contents.run.get("data", {}).get("root_name", ""),
        "started": str(contents.run.get("started", ""))[:16].replace("T", " "),
        "budwood": contents.run.get("budwood", ""),
        "split": split,
        "accuracy": scores["accuracy"],
        "interval": scores["accuracy_ci95"],
        "guess": max(support) / max(sum(support), 1),
        "verdict": words.verdict(scores, split),
        "phases": f"{verdict['words']} {_kept(contents)}" if compared else "",
        "remarks": words.remarks(scores, split, contents.classes),
        "facts": _facts(contents),
        "figures": _figures(contents),
        "figure_splits": [name for name in ("test", "validation") if contents.metrics.get(name)],
    }


def _kept(contents: Contents) -> str:
    what = "fine-tuned model" if contents.kept == "finetune" else "model before fine-tuning"
    return f"The {what} was kept: its validation loss is the lower one."


def _facts(contents: Contents) -> list[tuple[str, str, str]]:
    run, recipe = contents.run, contents.recipe
    splits = Counter(photo.split for photo in contents.photos)
    sizes = Counter(photo.label for photo in contents.photos)
    smallest, largest = min(sizes.values(), default=0), max(sizes.values(), default=0)
    seconds = sum(stage["seconds"] for stage in run.get("stages", []))
    longest = sorted(run.get("stages", []), key=lambda stage: -stage["seconds"])[:2]
    features = run.get("features", {})
    backbone, data = recipe.get("backbone", {}), recipe.get("data", {})
    return [
        (
            "Photos",
            f"{len(contents.photos):,}",
            ", ".join(f"{splits[name]:,} {name}" for name in SPLITS if splits[name]),
        ),
        (
            "Classes",
            f"{len(contents.classes):,}",
            f"{smallest:,} to {largest:,} photos each" if smallest < largest else f"{largest:,} photos each",
        ),
        (
            "Left out by the check",
            words.count(contents.check["found"] - contents.check["kept"], "photo"),
            f"of {contents.check['found']:,} found; "
            f"{words.count(len(contents.check.get('problems', [])), 'problem')} listed below",
        ),
        (
            "Backbone",
            _named(backbone.get("name", "?")),
            f"{data.get('size', '?')} px, weights {_named(backbone.get('weights', '?'))}"
            + (", with the mirror image" if recipe.get("evaluate", {}).get("mirror") else ""),
        ),
        ("Head", *_head_fact(contents)),
        *_finetune_fact(contents),
        (
            "Time",
            words.duration(seconds),
            ", ".join(f"{stage['name']} {words.duration(stage['seconds'])}" for stage in longest),
        ),
        (
            "Features",
            f"{features.get('computed', 0):,} computed",
            f"{features.get('found', 0):,} found in the store"
            + (f"; {features['engine']}" if features.get("engine") else ""),
        ),
    ]


def _named(value: Any) -> str:
    """What a recipe names: a word, or one for each backbone."""
    if isinstance(value, Mapping):
        return words.listing([f"{_named(one)} of {_named(name)}" for name, one in value.items()])
    return (
        words.listing([_named(one) for one in value])
        if isinstance(value, list)
        else words.shorten(words.shown(value))
    )


def _head_fact(contents: Contents) -> tuple[str, str]:
    if contents.chosen is not None:
        folds = contents.recipe.get("frozen", {}).get("folds", "")
        return (
            "logistic regression",
            f"strength {words.strength(contents.chosen)}, "
            + (f"chosen by {folds}-fold cross-validation" if contents.path else "as given"),
        )
    if START in contents.phases:
        return "as it was", f"in the run {words.name(contents.run.get('from', '?'))}"
    if list(contents.phases) == ["finetune"]:
        return "trained with the backbone", "not before"
    optimizer = contents.recipe.get("frozen", {}).get("optimizer", "gradient descent")
    return (
        f"trained by {optimizer}",
        f"best of {words.count(len(contents.epochs('frozen')), 'epoch')}: {contents.best_epoch('frozen')}",
    )


def _finetune_fact(contents: Contents) -> list[tuple[str, str, str]]:
    phase = contents.phases.get("finetune")
    if phase is None:
        return []
    return [
        (
            "Fine-tuning",
            f"{words.count(len(phase.get('unfrozen_layers') or []), 'layer')} unfrozen",
            f"{phase.get('trainable_parameters', 0):,} parameters; {_best(contents)}",
        )
    ]


def _best(contents: Contents) -> str:
    best = contents.best_epochs("finetune")
    if len(best) == 1:
        return f"epoch {min(best)} is its best"
    return f"the best epochs are {words.listing([f'{epoch}' for epoch in best])}"


def _figures(contents: Contents) -> list[dict[str, Any]]:
    rows = []
    for key, title, meaning, is_share in FIGURES:
        show = words.percent if is_share else "{:.3f}".format
        cells = []
        for split in ("test", "validation"):
            scores = contents.metrics.get(split)
            if scores:
                value, interval = scores.get(key), scores.get(f"{key}_ci95")
                cells.append(
                    (
                        "–" if value is None else show(value),
                        "" if not interval else f"{show(interval[0])} to {show(interval[1])}",
                    )
                )
        if any(value != "–" for value, _ in cells):
            rows.append({"title": title, "meaning": meaning, "cells": cells})
    return rows


def count_confusions(contents: Contents) -> dict[str, Any]:
    """The confusion matrix as a table or a picture, and the most frequent confusions."""
    classes, split = contents.classes, contents.judged
    matrix = contents.metrics[split]["confusion"]
    pairs = words.confusions(matrix)
    as_table = len(classes) <= MOST_IN_TABLE
    rows = [
        {"name": name, "total": sum(row), "cells": [_cell(n, sum(row), i == j) for j, n in enumerate(row)]}
        for i, (name, row) in enumerate(zip(classes, matrix, strict=True))
    ]
    return {
        "split": split,
        "classes": classes,
        "rows": rows if as_table else [],
        "picture": None if as_table else heat_map(np.asarray(matrix, dtype=np.int64)),
        "wrong": sum(times for _, _, times, _ in pairs),
        "total": sum(map(sum, matrix)),
        "kinds": len(pairs),
        "sentences": [words.confusion_words(pair, classes) for pair in pairs[:10]],
        "pairs": []
        if as_table
        else [(classes[true], classes[answer], times, total) for true, answer, times, total in pairs[:25]],
    }


def _cell(n: int, total: int, same: bool) -> dict[str, Any]:
    rate = n / total if total else 0.0
    steps = (0.0, 0.5, 0.75, 0.9) if same else (0.0, 0.05, 0.15, 0.3)
    shade = sum(rate > step for step in steps)
    kind = ("r" if same else "w") + str(shade) if n else "zero"
    return {"n": n, "rate": rate, "style": kind + (" same" if same else "")}


def score_classes(contents: Contents) -> dict[str, Any]:
    """Precision, recall with its Wilson interval, F1 and support of each class, weakest first."""
    scores = contents.metrics[contents.judged]
    rows = []
    for index, name in enumerate(contents.classes):
        score, total = scores["per_class"][index], sum(scores["confusion"][index])
        right = scores["confusion"][index][index]
        low, high = wilson_interval(right, total)
        rows.append({"name": name, "right": right, "total": total, "low": low, "high": high, **score})
    rows.sort(key=lambda row: (row["f1"], row["name"]))
    return {"split": contents.judged, "rows": rows, "tall": len(rows) > 2 * MOST_STRIPS}


def show_samples(contents: Contents, photos: Mapping[str, ImageLike]) -> dict[str, Any]:
    """Photos per class and split, and a few training photos of each class (of some, where there are many)."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in contents.classes}
    training: dict[str, list[str]] = {name: [] for name in contents.classes}
    for photo in contents.photos:
        if photo.label in counts:
            counts[photo.label][photo.split] += 1
            if photo.split == "train":
                training[photo.label].append(photo.name)
    chance = random.Random(contents.recipe.get("seed", 0))
    picked = contents.classes
    if len(picked) > MOST_STRIPS:
        picked = [picked[i] for i in sorted(chance.sample(range(len(picked)), MOST_STRIPS))]
    resize = contents.recipe.get("data", {}).get("resize", "crop")
    strips = []
    for name in picked if photos else []:
        names = chance.sample(sorted(training[name]), min(SAMPLES, len(training[name])))
        strips.append((name, [(file, thumbnail(photos.get(file), resize)) for file in names]))
    splits = [split for split in SPLITS if any(row[split] for row in counts.values())]
    return {
        "splits": splits,
        "rows": [(name, [row[split] for split in splits], row.total()) for name, row in counts.items()],
        "totals": [sum(row[split] for row in counts.values()) for split in splits],
        "largest": max((row.total() for row in counts.values()), default=0) or 1,
        "strips": strips,
        "only_some": len(contents.classes) > MOST_STRIPS,
        "tall": len(counts) > 2 * MOST_STRIPS,
    }


def show_mistakes(contents: Contents, photos: Mapping[str, ImageLike]) -> dict[str, Any]:
    """The photos most confidently taken for something else."""
    resize = contents.recipe.get("data", {}).get("resize", "crop")
    wrong = [p for p in contents.predictions if p.split == contents.judged and p.predicted != p.true]
    wrong.sort(key=lambda prediction: (-prediction.probability, prediction.name))
    pictures: list[tuple[Prediction, str | None]] = [
        (prediction, thumbnail(photos.get(prediction.name), resize)) for prediction in wrong[:MISTAKES]
    ]
    return {"split": contents.judged, "num_wrong": len(wrong), "pictures": pictures}


def group_problems(contents: Contents) -> list[dict[str, Any]]:
    """What the check found, by kind, most frequent first, the first few of each listed."""
    kinds: dict[str, list[dict]] = {}
    for problem in contents.check.get("problems", []):
        kinds.setdefault(str(problem["kind"]), []).append(problem)
    return [
        {"kind": kind.replace("_", " "), "count": len(found), "first": found[:LISTED]}
        for kind, found in sorted(kinds.items(), key=lambda item: (-len(item[1]), item[0]))
    ]


def tell_making(contents: Contents) -> dict[str, Any]:
    """Recipe, stages, versions, notes and the commands that make the run again."""
    run = contents.run
    stages = run.get("stages", [])
    total = sum(stage["seconds"] for stage in stages)
    return {
        "command": run.get("command", ""),
        "recipe": contents.recipe_text,
        "stages": [
            (s["name"], words.duration(s["seconds"]), s["seconds"] / total if total else 0.0) for s in stages
        ],
        "total": words.duration(total),
        "versions": sorted(run.get("versions", {}).items()),
        # With fine-tuning they stand beside the curves that they explain.
        "notes": [] if "finetune" in contents.phases else run.get("notes", []),
        "fingerprint": run.get("features", {}).get("fingerprint", ""),
    }
