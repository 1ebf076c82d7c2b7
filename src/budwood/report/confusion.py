"""The confusion matrix as a table or, of many classes, as a picture; its cells lead to their photos."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from markupsafe import Markup

from budwood.core import text as words
from budwood.report import terminal
from budwood.report.pictures import heat_map, log_strength
from budwood.report.summary import Contents

MOST_IN_TABLE = 30
"""Classes up to which the confusion matrix is a table; beyond, a picture."""
FINGER = 160
"""A link on the picture is no smaller than its side divided by this."""

Anchors = Mapping[tuple[int, int], str]
"""Where in the page the photos of a cell (true class, predicted class) are."""


def count_confusions(contents: Contents, anchors: Anchors | None = None) -> dict[str, Any]:
    """The confusion matrix, and the most frequent confusions."""
    classes, split, anchors = contents.classes, contents.judged, anchors or {}
    matrix = contents.scores.confusion
    pairs = terminal.confusions(matrix)
    counts = np.asarray(matrix, dtype=np.int64).reshape(len(classes), len(classes))
    as_table = len(classes) <= MOST_IN_TABLE
    return {
        "split": split,
        "classes": classes,
        "rows": _rows(classes, counts, anchors) if as_table else [],
        "pictures": []
        if as_table
        else [("log", heat_map(counts)), ("shares", heat_map(counts, by_row=True))],
        "links": "" if as_table else _links(classes, counts, anchors),
        "wrong": sum(times for _, _, times, _ in pairs),
        "total": int(counts.sum()),
        "kinds": len(pairs),
        "repeated": bool(pairs) and pairs[0][2] > 1,
        "sentences": [
            (terminal.confusion_words(pair, classes), anchors.get((pair[0], pair[1]))) for pair in pairs[:10]
        ],
        "pairs": []
        if as_table
        else [
            (classes[true], classes[answer], times, total, anchors.get((true, answer)))
            for true, answer, times, total in pairs[:25]
        ],
    }


def _rows(
    classes: Sequence[str], counts: Int[np.ndarray, "classes classes"], anchors: Anchors
) -> list[dict[str, Any]]:
    strength = log_strength(counts)
    return [
        {
            "name": name,
            "total": int(counts[true].sum()),
            "cells": [
                _cell(true, answer, counts, strength)
                | {
                    "anchor": anchors.get((true, answer)),
                    "words": _words(classes, counts, true, answer),
                }
                for answer in range(len(classes))
            ],
        }
        for true, name in enumerate(classes)
    ]


def _cell(
    true: int,
    answer: int,
    counts: Int[np.ndarray, "classes classes"],
    strength: Float[np.ndarray, "classes classes"],
) -> dict[str, Any]:
    n, total, same = int(counts[true, answer]), int(counts[true].sum()), true == answer
    rate = n / total if total else 0.0
    steps = (0.0, 0.5, 0.75, 0.9) if same else (0.0, 0.05, 0.15, 0.3)
    shade = sum(rate > step for step in steps)
    by_log = min(4, 1 + int(4 * strength[true, answer]))
    by_share, by_count = ("r", "g") if same else ("w", "o")
    style = f"{by_share}{shade} {by_count}{by_log}" if n else "zero"
    return {"n": n, "rate": rate, "style": style + (" same" if same else "")}


def _words(classes: Sequence[str], counts: Int[np.ndarray, "classes classes"], true: int, answer: int) -> str:
    """What a cell says: read aloud, and shown where the mouse rests."""
    n, total = int(counts[true, answer]), int(counts[true].sum())
    if not n:
        return ""
    name, other = (words.shorten(words.shown(classes[place]), 30) for place in (true, answer))
    how = "classified correctly" if true == answer else f"taken for {other}"
    return f"{name} {how}: {words.count(n, 'photo')}, {words.percent(n / total)}"


def _links(classes: Sequence[str], counts: Int[np.ndarray, "classes classes"], anchors: Anchors) -> Markup:
    """What lies over the picture: a link on each cell whose photos are in the page, mistakes above all else."""
    side = max(1.0, len(classes) / FINGER)
    parts = []
    for true, answer in sorted(anchors, key=lambda cell: cell[0] != cell[1]):
        x, y = (max(0.0, place + 0.5 - side / 2) for place in (answer, true))
        parts.append(
            # With the keyboard the same photos are reached from the tables.
            Markup(
                '<a href="#{}" tabindex="-1"><title>{}</title><rect x="{:g}" y="{:g}" width="{:g}" height="{:g}"/></a>'
            ).format(
                anchors[true, answer],
                _words(classes, counts, true, answer),
                round(x, 2),
                round(y, 2),
                side,
                side,
            )
        )
    return Markup("").join(parts)
