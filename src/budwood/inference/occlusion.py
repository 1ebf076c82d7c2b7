"""Which part of a picture an answer hangs on, without gradients: parts are covered, and the model is asked again.

Occlusion sensitivity (Zeiler and Fergus 2014), with windows that overlap by half, in the mean colour of the picture. A
planted patch of colour was found so; under a blur it shone through, and coloured what lay around it
(docs/experiments/log.md).
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

GRID = 5
"""Windows across and down."""


def windows(size: int, grid: int = GRID) -> Int[np.ndarray, "windows 4"]:
    """Top, bottom, left and right of square windows that together cover a picture, overlapping by half.

    >>> windows(60, grid=2).tolist()
    [[0, 40, 0, 40], [0, 40, 20, 60], [20, 60, 0, 40], [20, 60, 20, 60]]
    """
    edges = np.linspace(0, size, grid + 2).round().astype(int)
    spans = list(zip(edges[:-2], edges[2:], strict=True))
    return np.array([(*down, *across) for down in spans for across in spans])


def occlude(
    picture: UInt8[np.ndarray, "size size 3"], grid: int = GRID
) -> Iterator[UInt8[np.ndarray, "size size 3"]]:
    """Return the picture as it is, then with each window covered, `grid * grid + 1` in all."""
    yield picture
    colour = picture.mean(axis=(0, 1)).round().astype(np.uint8)
    for top, bottom, left, right in windows(len(picture), grid):
        hidden = picture.copy()
        hidden[top:bottom, left:right] = colour
        yield hidden


def importance(
    probabilities: Float[np.ndarray, "pictures classes"], target: int, size: int, multi_label: bool = False
) -> Float32[np.ndarray, "size size"]:
    """Return how much less likely a class becomes where a part is hidden, from what the model says of
    `occlude`'s pictures.

    Args:
        probabilities: a row for each picture that `occlude` gave, in its order.
        target: the number of the class.
        size: side of the picture in pixels.
        multi_label: whether each probability is a label's own.

    Returns:
        For each pixel by how much the log-odds of the class fall, the mean over the windows that cover it; below 0
        where hiding speaks for the class.
    """
    odds = (label_log_odds if multi_label else log_odds)(probabilities.astype(np.float64), target)
    covered, fallen = np.zeros((size, size)), np.zeros((size, size))
    grid = round((len(probabilities) - 1) ** 0.5)
    for (top, bottom, left, right), value in zip(windows(size, grid), odds[0] - odds[1:], strict=True):
        covered[top:bottom, left:right] += 1
        fallen[top:bottom, left:right] += value
    return (fallen / covered).astype(np.float32)


def log_odds(probabilities: Float[np.ndarray, "n classes"], target: int) -> Float[np.ndarray, "n"]:
    """log p - log(1 - p) of a class.

    >>> log_odds(np.array([[0.5, 0.25, 0.25]]), 0).tolist()
    [0.0]
    """
    # The sum of the others, not 1 minus the one, in which float32 has no digits left.
    others = np.delete(probabilities, target, axis=1).sum(axis=1)
    tiny = np.finfo(np.float32).tiny
    return np.log(np.maximum(probabilities[:, target], tiny)) - np.log(np.maximum(others, tiny))


def label_log_odds(probabilities: Float[np.ndarray, "n labels"], target: int) -> Float[np.ndarray, "n"]:
    """log p - log(1 - p) of a label that is a question of its own, as far as float32 tells p from 0 and 1.

    >>> label_log_odds(np.array([[0.5, 0.9], [1.0, 0.0]]), 0).round(1).tolist()
    [0.0, 16.6]
    """
    known = np.finfo(np.float32)
    own = np.clip(probabilities[:, target], float(known.tiny), 1 - float(known.epsneg))
    return np.log(own) - np.log1p(-own)
