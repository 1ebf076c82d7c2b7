"""What each section of the report says, as plain values for the template."""

import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from budwood.core import text as words
from budwood.evaluation.statistics import wilson_interval
from budwood.report import terminal
from budwood.report.reading import passed_over_as_lines, reading_as_lines
from budwood.report.summary import START, Contents
from budwood.runs.schema import FeaturesInfo, ProblemRow

SPLITS = ("train", "validation", "test")
MOST_IN_SIGHT = 40
"""Classes up to which a table of them is shown whole; beyond, it scrolls."""
LISTED = 20
FEW_CLASSES = 10
"""Classes below which the top-5 accuracy says little, and is left out of the page."""

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
    scores = contents.scores
    support = [sum(row) for row in scores.confusion]
    verdict = contents.metrics.verdict
    compared = verdict.difference is not None
    return {
        "run": contents.folder.resolve().name,
        "data": contents.source,
        "started": contents.info.started[:16].replace("T", " "),
        "budwood": contents.info.budwood,
        "split": split,
        "accuracy": scores.accuracy,
        "interval": scores.accuracy_ci95,
        "guess": max(support) / max(sum(support), 1),
        "guessed": "the most frequent class" if min(support) < max(support) else "the same class",
        "verdict": terminal.verdict(scores.to_json(), split),
        "phases": f"{verdict.words} {_kept(contents)}" if compared else "",
        "remarks": [*terminal.remarks(scores.to_json(), split, contents.classes), *none_of_these(contents)],
        "chosen_by_validation": "the phase, its epoch and the temperature" if compared else "the temperature",
        "facts": _facts(contents),
        "figures": _figures(contents),
        "figure_splits": [name for name in ("test", "validation") if contents.metrics.of(name)],
    }


def none_of_these(contents: Contents) -> list[str]:
    """Return the sentence on "none of these" where it cannot be relied on; a linear trial has no model that says it."""
    held_out = sum(photo.split == "validation" for photo in contents.photos)
    return [line for line in [terminal.none_of_these(held_out)] if line and contents.info.saved]


def _kept(contents: Contents) -> str:
    what = "fine-tuned model" if contents.kept == "finetune" else "model before fine-tuning"
    return f"The {what} was kept: its validation loss is the lower one."


def _facts(contents: Contents) -> list[tuple[str, str, str]]:
    info, recipe, features = contents.info, contents.recipe, contents.info.features
    splits = Counter(photo.split for photo in contents.photos)
    sizes = Counter(photo.label for photo in contents.photos)
    smallest, largest = min(sizes.values(), default=0), max(sizes.values(), default=0)
    longest = sorted(info.stages, key=lambda stage: -stage.seconds)[:2]
    backbone, data = recipe.get("backbone", {}), recipe.get("data", {})
    unused, problems = contents.check.unused, len(contents.check.problems)
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
            words.count(unused, "photo") if unused else "none",
            f"of {contents.check.found:,} found"
            + (f"; {words.count(problems, 'problem')} listed below" if problems else ""),
        ),
        (
            "Backbone",
            _named(backbone.get("name", "?")),
            f"{data.get('size', '?')} px, weights {_named(backbone.get('weights', '?'))}"
            + (", with the mirror image" if recipe.get("evaluate", {}).get("flip") else ""),
        ),
        ("Head", *_head_fact(contents)),
        *_finetune_fact(contents),
        (
            "Time",
            words.duration(info.seconds),
            ", ".join(f"{stage.name} {words.duration(stage.seconds)}" for stage in longest),
        ),
        *_features_fact(features),
    ]


def _features_fact(features: FeaturesInfo | None) -> list[tuple[str, str, str]]:
    if features is None:
        return []
    return [
        (
            "Features",
            f"{features.computed:,} computed",
            f"{features.found:,} found in the cache" + (f"; {features.engine}" if features.engine else ""),
        )
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
            f"L2 strength {words.strength(contents.chosen)}, "
            + (f"chosen by {folds}-fold cross-validation" if contents.path else "as given"),
        )
    if START in contents.phases:
        return "as it was", f"in the run {words.name(contents.info.from_)}"
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
            f"{words.count(len(phase.unfrozen_layers), 'layer')} and the head",
            f"{phase.trainable_parameters:,} parameters; {_best(contents)}",
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
        if key == "top5_accuracy" and len(contents.classes) < FEW_CLASSES:
            continue
        show = words.percent if is_share else "{:.3f}".format
        cells = []
        for split in ("test", "validation"):
            scores = contents.metrics.of(split)
            if scores:
                value, interval = scores.figure(key)
                cells.append(
                    (
                        "–" if value is None else show(value),
                        "" if not interval else _interval(interval, show),
                    )
                )
        if any(value != "–" for value, _ in cells):
            rows.append({"title": title, "meaning": meaning, "cells": cells})
    return rows


def _interval(ends: Sequence[float], show: Callable[[float], str]) -> str:
    # The bootstrap knows no mistake of which it has seen none.
    return f"{show(ends[0])} to {show(ends[1])}" if ends[0] < ends[1] else "interval unknown: all alike"


def score_classes(contents: Contents, anchors: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Precision, recall with its Wilson interval, F1 and support of each class, weakest first.

    Those without a photo come last, for nothing is known of them. `anchors` are the places of the classes' photos in
    the page, by the class's name.
    """
    scores = contents.scores
    rows = []
    for index, name in enumerate(contents.classes):
        score, total = scores.per_class[index], sum(scores.confusion[index])
        right = scores.confusion[index][index]
        low, high = wilson_interval(right, total)
        anchor = (anchors or {}).get(name)
        rows.append(
            {
                "name": name,
                "right": right,
                "total": total,
                "low": low,
                "high": high,
                "anchor": anchor,
                **score.to_json(),
            }
        )
    rows.sort(key=lambda row: (not row["total"], row["f1"], row["name"]))
    return {
        "split": contents.judged,
        "rows": rows,
        "tall": len(rows) > MOST_IN_SIGHT,
        "few": _few(rows),
        "few_of_a_class": terminal.FEW_OF_A_CLASS,
        "unseen": sum(not row["total"] for row in rows),
    }


def _few(rows: Sequence[Mapping[str, Any]]) -> int:
    """Return the median number of photos of a class where it is too small for figures of a class, else 0."""
    typical = sorted(row["total"] for row in rows)[len(rows) // 2]
    return typical if typical <= terminal.FEW_OF_A_CLASS else 0


def tell_reading(contents: Contents) -> list[str]:
    """Return how the photos were understood; nothing for a run that kept nothing of it."""
    understood = contents.check.understood
    return [*reading_as_lines(understood), *passed_over_as_lines(understood.passed_over)]


def group_problems(contents: Contents) -> list[dict[str, Any]]:
    """What the check found, by kind, most frequent first, the first few of each listed."""
    kinds: dict[str, list[ProblemRow]] = {}
    for problem in contents.check.problems:
        kinds.setdefault(problem.kind, []).append(problem)
    return [
        {"kind": kind.replace("_", " "), "count": len(found), "first": found[:LISTED]}
        for kind, found in sorted(kinds.items(), key=lambda item: (-len(item[1]), item[0]))
    ]


def tell_making(contents: Contents) -> dict[str, Any]:
    """Recipe, stages, versions, notes and the commands that make the run again."""
    info = contents.info
    total = info.seconds
    return {
        "command": info.command,
        "recipe_path": shlex.quote(str(contents.folder / "recipe.toml")),
        "recipe": contents.recipe_text,
        "stages": [
            (stage.name, words.duration(stage.seconds), stage.seconds / total if total else 0.0)
            for stage in info.stages
        ],
        "total": words.duration(total),
        "versions": sorted(info.versions.items()),
        # With fine-tuning they stand beside the curves that they explain.
        "notes": [] if "finetune" in contents.phases else contents.warnings,
        "fingerprint": info.features.fingerprint if info.features else "",
    }
